"""The shortlist of a large project, made and published: when new predictions or new images are."""

import json

import numpy as np
import pandas as pd

from utils.batch.shortlisted import made_for
from utils.batch.showing import thresholds_of
from utils.config import Config
from utils.errors import InputError
from utils.labels import tables
from utils.labels.assignments import expired
from utils.labels.class_changes import current_classes
from utils.labels.pool import pool_of
from utils.labels.splits import bursts
from utils.labels.store import Change, LabelStore, PublishedFile, State
from utils.labels.table_files import is_parquet
from utils.reserved import NULL
from utils.selection.context import Known, context_of_state
from utils.selection.embeddings import published_embeddings
from utils.selection.shortlist import Shortlist, read_shortlist, to_parquet
from utils.selection.shortlisting import by_chance, by_strategy, last_tie
from utils.selection.strategies import keyed_hashes
from utils.selection.worth import WORTH, Context
from utils.storage.container import Damaged, Missing
from utils.strategies import STRATEGIES


def publish_shortlist(config: Config, store: LabelStore) -> str:
    """Publish the shortlist of the present state and return a line about it; "" where none is
    needed: totag is small, or the one that is there is of this totag. Run again, it finishes.
    """
    state = store.read()
    if not is_parquet(state.blob("totag")) or _is_there(config, store, state):
        return ""
    made = make_shortlist(config, store, state)
    if made is None:
        return ""
    file = PublishedFile("shortlist", ".parquet", to_parquet(made))

    def change(now: State) -> Change:
        if now.blob("totag") != state.blob("totag"):  # somebody else's turn
            return Change()
        return Change(
            members=lambda names: {"live": {**now.live, "shortlist": names["shortlist"]}},
            files={"shortlist": file},
        )

    after, _ = store.commit(change, what="publishing the shortlist")
    if not after.live.get("shortlist"):
        return ""
    return (
        f"{int(made.listed.sum())} of {made.about['images_beyond'] + int(made.listed.sum())} images"
        f" to tag are on the shortlist, {len(file.data) / 1e6:.1f} MB → {after.live['shortlist']}"
    )


def make_shortlist(config: Config, store: LabelStore, state: State) -> Shortlist | None:
    """The shortlist of a state; None when nothing is left to tag, and while what a pretrained model
    found decides (hand-outs read the whole tables then).
    """
    strategy = config.selection_strategy
    rule = STRATEGIES[strategy]
    rows = pool_of(store, state)
    judged_by_pretrained = state.blob("init_totag") and rows["image_confidence"].isna().any()
    if not len(rows) or (rule.needs_tables and judged_by_pretrained):
        return None

    images = store.table(state, "images")
    # what tells images apart is looked at by hand-outs, except where it is all that counts
    needed = rule.reads_embeddings and not rule.weighted
    embeddings = published_embeddings(store, state) if needed else None
    burst_of = bursts(images, "burst", config.burst_seconds)
    classes, balance = current_classes(config.classes, state.classes, config.ideal_class_balance)
    context = context_of_state(
        store,
        state,
        rows,
        config,
        strategy,
        classes,
        balance,
        shown_from=thresholds_of(config, state).of,
        known=Known(lambda: images, _nothing, lambda: embeddings, lambda: burst_of),
    )
    chosen, drawn = _listed(
        store, state, context, strategy, 1.0 if rule.draws else config.random_share
    )
    names = context.pool.names.to_numpy(zero_copy_only=False).astype(object)
    on_list = np.unique(np.concatenate([chosen, drawn]))
    listed = set(names[on_list])
    value = WORTH[strategy](context).value
    held = tables.image_set(store.table(state, "tagged"))
    held |= tables.image_set(store.table(state, "tagging"))

    frame = tables.only(images, listed | (held - listed))
    known_names = tables.blob_names(frame)
    missing = listed - set(known_names)
    if missing:  # of an old container: not listed anywhere, so nobody can say what they are
        return None
    place = pd.Series(np.arange(len(names)), index=names).reindex(known_names).to_numpy()
    predicted = tables.only(store.table(state, "predicted"), listed)
    by_name = pd.DataFrame(
        {"model": predicted["model"].to_numpy(), "of_etag": predicted["etag"].to_numpy()},
        index=tables.blob_names(predicted).to_numpy(),
    ).reindex(known_names)
    drawn_names, chosen_names = set(names[drawn]), set(names[chosen])
    frame = frame.assign(
        burst=burst_of.reindex(known_names).to_numpy(),
        model=by_name["model"].fillna("").to_numpy(),
        of_etag=by_name["of_etag"].fillna("").to_numpy(),
        chosen=known_names.isin(chosen_names).to_numpy(),
        drawn=known_names.isin(drawn_names).to_numpy(),
        usual=np.where(
            known_names.isin(drawn_names).to_numpy(),
            value[np.nan_to_num(place, nan=0).astype(int)],
            np.nan,
        ),
    )
    about = {
        "strategy": strategy,
        "made_for": made_for(config, strategy, classes, balance),
        "totag": state.blob("totag"),
        "images": state.blob("images"),
        "model": state.live.get("model"),
        "embeddings": state.live.get("embeddings"),
        "unseen": bool(context.pool.unseen.any()),
        **_beyond(context, on_list, drawn, value),
    }
    if rule.reads_embeddings and not needed:
        embeddings = published_embeddings(store, state, set(known_names))
    return Shortlist(about, frame, tables.only(rows, listed), embeddings)


def _nothing() -> pd.DataFrame:
    return tables.empty("predicted")


def _is_there(config: Config, store: LabelStore, state: State) -> bool:
    """Is the present shortlist of this very totag, and made as this config wants it?"""
    blob = state.live.get("shortlist")
    try:
        present = read_shortlist(store.checked_file(blob)).about if blob else {}
    except (InputError, Missing, Damaged):
        return False
    classes, balance = current_classes(config.classes, state.classes, config.ideal_class_balance)
    wanted = made_for(config, config.selection_strategy, classes, balance)
    return (
        all(present.get(name) == state.blob(name) for name in ("totag", "images"))
        and present.get("made_for") == json.loads(json.dumps(wanted))
        and all(present.get(name) == state.live.get(name) for name in ("model", "embeddings"))
    )


def _listed(
    store: LabelStore, state: State, context: Context, strategy: str, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """The places of the images that are listed by the strategy, and by chance. All of them are in
    totag: who gives one back need not look whether it is.
    """
    chosen, drawn = by_strategy(strategy, context), by_chance(context, share)
    late = expired(store.table(state, "tagging"), store.reservation_hours, store.now())
    if late:
        late -= tables.image_set(store.table(state, "totag"))
    if late:
        names = context.pool.names.to_numpy(zero_copy_only=False).astype(object)
        chosen = chosen[~np.isin(names[chosen], list(late))]
        drawn = drawn[~np.isin(names[drawn], list(late))]
    return chosen, drawn


def _beyond(context: Context, listed: np.ndarray, drawn: np.ndarray, value: np.ndarray) -> dict:
    """What is known of the images to tag that are not listed (places), as facts of a shortlist."""
    pool = context.pool
    hashes = keyed_hashes(pool.names, context.seed)
    others = np.ones(len(pool.names), bool)
    others[listed] = False
    sizes = {name: int(others[places].sum()) for name, places in pool.classes.items()}
    seen = ~pool.unseen
    return {
        "images_beyond": int(others.sum()),
        "hashes_beyond": int(np.bitwise_xor.reduce(hashes[others], initial=0)),
        "sizes_beyond": {**sizes, NULL: int((others & pool.empty).sum())},
        "usual": float(value[seen].mean()) if seen.any() else None,
        "last_tie": last_tie(context),
        "last_drawn": int(hashes[drawn].max()) if len(drawn) else None,
    }
