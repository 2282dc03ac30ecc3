"""The shortlist of a large project, made and published: when new predictions or new images are."""

import json

import numpy as np
import pandas as pd

from utils.batch.choosing import found_by_pretrained, shares_of, to_tag
from utils.batch.shortlisted import made_for
from utils.batch.showing import thresholds_of
from utils.config import Config
from utils.errors import InputError
from utils.labels import tables
from utils.labels.assignments import expired
from utils.labels.class_map import ClassMap, noted_class_map
from utils.labels.pool import pool_of
from utils.labels.splits import bursts
from utils.labels.state import Change, PublishedFile, State
from utils.labels.store import LabelStore
from utils.labels.table_files import is_parquet
from utils.reserved import NULL
from utils.selection.context import Known, context_of_state
from utils.selection.embeddings import published_embeddings
from utils.selection.quotas import names_of
from utils.selection.shortlist import Shortlist, read_shortlist, to_parquet
from utils.selection.shortlisting import by_chance, by_strategy
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
    """The shortlist of a state; None when nothing is left to tag."""
    strategy = config.selection_strategy
    rule = STRATEGIES[strategy]
    rows, class_map = pool_of(store, state), _class_map(state)
    if not len(rows):
        return None
    as_seen = rows
    if class_map is not None:
        as_seen = found_by_pretrained(store, state, rows, class_map)

    images = store.table(state, "images")
    # what tells images apart is looked at by hand-outs, except where it is all that counts
    needed = rule.reads_embeddings and not rule.weighted
    embeddings = published_embeddings(store, state) if needed else None
    burst_of = bursts(images, "burst", config.burst_seconds)
    context = context_of_state(
        store,
        state,
        as_seen,
        config,
        strategy,
        *shares_of(config, state, class_map),
        shown_from=thresholds_of(config, state, pretrained=class_map is not None).of,
        known=Known(
            lambda: images,
            _nothing,
            lambda: embeddings,
            lambda: store.table(state, "init_totag"),
            lambda: burst_of,
        ),
        to_tag=lambda: to_tag(store, state, class_map),
    )
    chosen, drawn = _listed(
        store, state, context, strategy, 1.0 if rule.draws else config.random_share
    )
    on_list = np.unique(np.concatenate([chosen, drawn]))
    listed = set(names_of(context.pool, on_list))
    held = tables.image_set(store.table(state, "tagged"))
    held |= tables.image_set(store.table(state, "tagging"))
    frame = tables.only(images, listed | held)
    if listed - tables.image_set(frame):  # of an old container, that lists them nowhere
        return None

    value = WORTH[strategy](context).value
    frame = frame.assign(burst=burst_of.reindex(tables.blob_names(frame)).to_numpy())
    frame = _with_predictions(frame, tables.only(store.table(state, "predicted"), listed))
    frame = _with_reasons(frame, context, chosen, drawn, value)
    found = tables.empty("init_totag")
    if unseen := bool(rows["image_confidence"].isna().any()):
        found = tables.only(store.table(state, "init_totag"), listed)
    about = {
        "strategy": strategy,
        "made_for": made_for(config, state, strategy, class_map),
        "totag": state.blob("totag"),
        "images": state.blob("images"),
        "init_totag": state.blob("init_totag"),
        "model": state.live.get("model"),
        "embeddings": state.live.get("embeddings"),
        "unseen": unseen,
        **_beyond(context, on_list, drawn, value),
    }
    if rule.reads_embeddings and not needed:
        embeddings = published_embeddings(store, state, listed | held)
    return Shortlist(about, frame, tables.only(rows, listed), embeddings, found)


def _class_map(state: State) -> ClassMap | None:
    """By which people name what a pretrained model found, as long as there is no model of ours."""
    if state.live.get("model") or not state.blob("init_totag"):
        return None
    return noted_class_map(state.document.get("class_map"))


def _with_predictions(frame: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """The images with the columns model and of_etag, from the table `predicted`."""
    columns = predicted[["model", "etag"]].set_axis(tables.blob_names(predicted).to_numpy())
    found = columns.reindex(tables.blob_names(frame)).fillna("")
    return frame.assign(model=found["model"].to_numpy(), of_etag=found["etag"].to_numpy())


def _with_reasons(
    frame: pd.DataFrame,
    context: Context,
    chosen: np.ndarray,
    drawn: np.ndarray,
    value: np.ndarray,
) -> pd.DataFrame:
    """The images with the columns chosen, drawn, usual and standing. `chosen` and `drawn` are
    places of the pool, where `value` is what images are worth.
    """
    names = tables.blob_names(frame)
    listed = np.union1d(chosen, drawn)
    standing = pd.Series(np.nan, index=names_of(context.pool, listed))
    if context.standing is not None:
        standing[:] = context.standing[listed]
    usual = pd.Series(value[drawn], index=names_of(context.pool, drawn))
    return frame.assign(
        chosen=names.isin(names_of(context.pool, chosen)).to_numpy(),
        drawn=names.isin(usual.index).to_numpy(),
        usual=usual.reindex(names).to_numpy(),
        standing=standing.reindex(names).to_numpy(),
    )


def _nothing() -> pd.DataFrame:
    return tables.empty("predicted")


def _is_there(config: Config, store: LabelStore, state: State) -> bool:
    """Is the present shortlist of this very totag, and made as this config wants it?"""
    blob = state.live.get("shortlist")
    try:
        present = read_shortlist(store.checked_file(blob)).about if blob else {}
    except (InputError, Missing, Damaged):
        return False
    wanted = made_for(config, state, config.selection_strategy, _class_map(state))
    return (
        all(present.get(name) == state.blob(name) for name in ("totag", "images", "init_totag"))
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
        chosen, drawn = (
            places[[name not in late for name in names_of(context.pool, places)]]
            for places in (chosen, drawn)
        )
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
        "last_drawn": int(hashes[drawn].max()) if len(drawn) else None,
    }
