"""From tables to what choosing depends on (strategies.Context): the pool, bursts, labels, and image
embeddings where they are used.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from utils.config import Config
from utils.effort.fitting import fitted
from utils.effort.ledger import photos
from utils.effort.seconds import Seconds
from utils.errors import InputError
from utils.labels import tables
from utils.labels.assignments import expired, image_codes
from utils.labels.label_map import current_name
from utils.labels.splits import bursts
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.table_files import is_parquet
from utils.reserved import NULL
from utils.selection.embeddings import HASH, Embeddings, published_embeddings
from utils.selection.finding import LIKE
from utils.selection.quotas import image_pool
from utils.selection.reasons import FINDING
from utils.selection.standing import AHEAD, has_standing, standing, with_standing
from utils.selection.strategies import Selection
from utils.selection.worth import Beyond, Context
from utils.storage.container import Damaged, Missing
from utils.strategies import STRATEGIES


@dataclass(frozen=True)
class Known:
    """What choosing reads of the images to tag, besides the small tables of a state: of all of
    them, or of those on a shortlist. bursts: of each image in `images`, None where that table is
    whole; beyond: as in Context. standing: each image's place in an order that is fixed (as in
    Context), None where it has to be found out; found: rows of init_totag. Each is asked for only
    where it is needed.
    """

    images: Callable[[], pd.DataFrame]
    predicted: Callable[[], pd.DataFrame]
    embeddings: Callable[[], Embeddings | None]
    found: Callable[[], pd.DataFrame]
    bursts: Callable[[], pd.Series] | None = None
    beyond: Beyond = field(default_factory=Beyond)
    standing: Callable[[], pd.Series] | None = None


def whole_tables(store: LabelStore, state: State) -> Known:
    """What a state knows of all its images."""
    return Known(
        lambda: store.table(state, "images"),
        lambda: store.table(state, "predicted"),
        lambda: published_embeddings(store, state),
        lambda: store.table(state, "init_totag"),
    )


def make_context(
    rows: pd.DataFrame,
    config: Config,
    *,
    images: pd.DataFrame | None = None,
    held: pd.DataFrame | None = None,
    tagged: pd.DataFrame | None = None,
    classes: Sequence[str] | None = None,
    balance: Sequence[float] | None = None,
    ap50: Mapping[str, float] | None = None,
    embeddings: Embeddings | None = None,
    batch: Iterable[str] = (),
    shown_from: Callable[[str], float] | None = None,
    burst_of: pd.Series | None = None,
    beyond: Beyond | None = None,
    seconds: Seconds | None = None,
) -> Context:
    """The Context for choosing among the images of `rows` (columns of totag).

    images: the images table, for bursts and times. tagged: the labels so far. held: rows of images
    besides them that somebody has, which new ones should differ from too; none of either is among
    `rows`. classes, balance: those of the config when not given. ap50: per class, of the last
    model. batch: images (blob names) that the batch has already. shown_from: the score from which
    people see boxes of a class, that of the config when not given. burst_of: of each image in
    `images` (splits.bursts), where that table is not whole; beyond: as in Context. seconds: what
    each thing takes a person, the default ones when not given.
    """
    pool = image_pool(rows, shown_from or (lambda name: config.prelabel_confidence))
    classes = config.classes if classes is None else classes
    members: dict = {}
    labelled: dict[str, int] = {}
    taken_up = pa.array([], pa.large_string())
    if tagged is not None and len(tagged):
        image, _ = image_codes(tagged)
        pairs = pd.DataFrame(
            {"class": tagged["class"].to_numpy(), "image": image}
        ).drop_duplicates()
        labelled = pairs[pairs["class"] != NULL]["class"].value_counts().to_dict()
    if others := [
        frame[["folder", "filename"]]
        for frame in (tagged, held)
        if frame is not None and len(frame)
    ]:
        taken_up = image_codes(pd.concat(others))[1]
    if images is not None and len(images):
        members |= _time_and_bursts(
            pool.names,
            images,
            bursts(images, "burst", config.burst_seconds) if burst_of is None else burst_of,
            taken_up,
            pa.array(list(batch), pa.large_string()),
        )
    if embeddings is not None:
        centres = embeddings.of(taken_up)
        members |= {
            "vectors": embeddings.of(pool.names),
            "centres": centres[~np.isnan(centres).any(axis=1)],
            "hashes": embeddings.basis.kind == HASH,
            "disagreement": embeddings.disagreement_of(pool.names),
        }
    return Context(
        pool,
        classes,
        config.ideal_class_balance if balance is None else balance,
        labelled=labelled,
        ap50=ap50 or {},
        max_per_burst=config.max_per_burst,
        random_share=config.random_share,
        pick_max=config.pick_max,
        seed=config.seed,
        beyond=beyond or Beyond(),
        seconds=seconds or Seconds(),
        **members,
    )


def context_of_state(
    store: LabelStore,
    state: State,
    rows: pd.DataFrame,
    config: Config,
    strategy: str,
    classes: Sequence[str],
    balance: Sequence[float],
    batch: Iterable[str] = (),
    shown_from: Callable[[str], float] | None = None,
    known: Known | None = None,
    to_tag: Callable[[], pd.DataFrame] | None = None,
) -> Context:
    """The Context for choosing among `rows` by a strategy, from the tables of a state. Only what
    that strategy uses is fetched. `batch`: images that the batch has already; `shown_from` as in
    make_context. known: of the images, the whole tables when not given. to_tag: gives the rows of
    all images that totag lists, out or not, as `rows` has them; without it the Context of a large
    project has no standing.

    Images that only a pretrained model has seen (init_totag) are judged by what it found, whatever
    it calls it, and where that are all, without quotas.
    """
    looks = STRATEGIES[strategy]
    known = known or whole_tables(store, state)
    if not looks.needs_tables and config.max_per_burst is None:
        return make_context(
            rows,
            config,
            classes=classes,
            balance=balance,
            shown_from=shown_from,
            beyond=known.beyond,
        )
    embeddings = known.embeddings() if looks.reads_embeddings else None

    def context_among(
        rows: pd.DataFrame, held: pd.DataFrame, tagged: pd.DataFrame, batch: Iterable[str]
    ) -> Context:
        unseen = rows["image_confidence"].isna()
        judged = looks.needs_tables and state.blob("init_totag") and unseen.any()
        if judged:
            init = tables.only(known.found(), tables.image_set(rows[unseen]))
            rows = tables.concat("totag", init, tables.without(rows, tables.image_set(init)))
        return make_context(
            rows,
            config,
            images=known.images(),
            held=held,
            tagged=tagged,
            classes=classes,
            balance=() if judged and unseen.all() else balance,
            ap50=ap50_of(state),
            embeddings=embeddings,
            batch=batch,
            shown_from=shown_from,
            burst_of=known.bursts and known.bursts(),
            beyond=known.beyond,
            seconds=seconds_here(store, state, config) if looks.costs else None,
        )

    out, tagged = store.table(state, "tagging"), store.table(state, "tagged")
    held = tables.without(out, expired(out, store.reservation_hours, store.now()))
    context = context_among(rows, held, tagged, batch)
    small = not is_parquet(state.blob("totag"))
    if small or to_tag is None or not has_standing(strategy, context):
        return context
    if known.standing is not None:
        return with_standing(context, known.standing())

    listed = to_tag()
    names = tables.image_set(listed)
    first = context
    if names != tables.image_set(rows):
        held, tagged = tables.without(out, names), tables.without(tagged, names)
        first = context_among(listed, held, tagged, ())
    out_since = len(names) - len(context.pool.names)
    place = standing(strategy, first, max(AHEAD, out_since + AHEAD // 2))
    return with_standing(context, pd.Series(place, index=first.pool.names.to_pylist()))


def why_tables(
    store: LabelStore,
    state: State,
    chosen: Selection,
    rows: pd.DataFrame,
    known_of: Known | None = None,
) -> dict[str, pd.DataFrame]:
    """The tables `selection` and `drawn` with the images that are handed out now; `rows` are their
    predictions. known_of: the images, the whole tables when not given.

    `selection` keeps the rows of images that are out or tagged. `drawn` keeps, for good, what had
    been predicted of the images that were drawn at random, and by which model: its unbiased test,
    once they are labelled. Where `predicted` does not say which (of an image that was out while new
    predictions were published, say), or the image was replaced since, nothing is kept.
    """
    kept = tables.image_set(store.table(state, "tagging")) | tables.image_set(
        store.table(state, "tagged")
    )
    new = chosen.table()
    selection = tables.concat(
        "selection",
        tables.only(tables.without(store.table(state, "selection"), chosen.names), kept),
        new,
    )
    known_of = known_of or whole_tables(store, state)
    by_chance = [name for name, drawn in zip(chosen.names, chosen.random, strict=True) if drawn]
    made = present = tables.empty("predicted")
    if by_chance:
        made = tables.only(known_of.predicted(), by_chance)
        present = tables.only(known_of.images(), tables.image_set(made))
    etags = dict(zip(tables.blob_names(present), present["etag"], strict=True))
    same = (tables.blob_names(made).map(etags) == made["etag"]).to_numpy(bool)
    made = made[same & made["model"].isin(list(state.predicted_by)).to_numpy()]
    model = dict(zip(tables.blob_names(made), made["model"].map(state.predicted_by), strict=True))
    known, before = tables.only(rows, model), store.table(state, "drawn")
    drawn = tables.concat(
        "drawn",
        tables.without(before, chosen.names),
        known.assign(model=tables.blob_names(known).map(model)),
    )
    return {"selection": selection, **({"drawn": drawn} if len(drawn) or len(before) else {})}


def summary(why: pd.DataFrame, pool_size: int | None) -> list[str]:
    """Why these images, in a few lines for people. why: their rows of the table `selection`;
    pool_size: how many there were to choose from, None where that is not known.
    """
    lines, by_chance = [], why["random"] == "1"
    for strategy, rows in why[~by_chance].groupby("strategy", sort=False):
        if strategy in FINDING:
            lines.append(_more_of_it(strategy, rows, pool_size))
            continue
        counts = Counter(name for name in rows["class"] if name)
        a_minute = " a minute" if strategy in STRATEGIES and STRATEGIES[strategy].costs else ""
        because = ", ".join(f"{count} for {name}" for name, count in counts.most_common(5))
        lines.append(
            f"chosen by {strategy}{f' from {pool_size} images' if pool_size else ''}: {len(rows)}"
            + (
                f", worth {rows['score'].max():.3g} to {rows['score'].min():.3g}{a_minute}"
                if rows["score"].max() > 0
                else ""
            )
            + (f" ({because})" if because else "")
        )
    if by_chance.any():
        lines.append(
            f"drawn at random from all{f' {pool_size}' if pool_size else ''} images:"
            f" {by_chance.sum()}"
        )
    return lines


def _more_of_it(strategy: str, rows: pd.DataFrame, pool_size: int | None) -> str:
    """What --like and --class have found."""
    best, last = rows["score"].max(), rows["score"].min()
    if strategy == LIKE:
        return (
            "chosen because they look like the examples"
            f"{f', from {pool_size} images' if pool_size else ''}: {len(rows)},"
            f" likeness {best:.2f} to {last:.2f} (1 would be the same photo)"
        )
    return (
        f"chosen as the surest finds of {rows['class'].iloc[0]}"
        f"{f', from {pool_size} images with one' if pool_size else ''}: {len(rows)},"
        f" scores {best:.2f} to {last:.2f}"
    )


def seconds_here(store: LabelStore, state: State, config: Config) -> Seconds:
    """What each thing takes a person: the config's seconds, fitted to what was measured. Where the
    table `effort` is damaged, those of the config.
    """
    model = Seconds.of_config(config)
    try:
        return fitted(photos(store.table(state, "effort")), model)
    except (InputError, Missing, Damaged):
        return model


def ap50_of(state: State) -> dict[str, float]:
    """Per class the AP at overlap 0.5 of the last published model on its test set, under present
    names; without those not measured.
    """
    if not state.cycles:
        return {}
    figures = state.cycles[-1].get("metrics") or {}
    return {
        current_name(name, state.classes["renamed"]): row["AP"]
        for name, row in figures.items()
        if row.get("AP") is not None
    }


def _time_and_bursts(
    names: pa.Array, images: pd.DataFrame, burst_of: pd.Series, taken_up: pa.Array, batch: pa.Array
) -> dict:
    """The members order, burst, burst_names, labelled_in_burst and given of Context. Who is not in
    `images` is a burst of its own.
    """
    listed = pa.array(burst_of.index.to_numpy(), pa.large_string())
    codes, burst_names = pd.factorize(burst_of.to_numpy())
    place = _places(names, listed)
    burst = np.where(place >= 0, codes[place], len(burst_names) + np.arange(len(names)))
    times = pa.array(
        np.where(place >= 0, images["taken_at"].to_numpy(dtype=object)[place], ""),
        pa.large_string(),
    )
    by_time = pc.sort_indices(
        pa.table({"time": times, "name": names}), [("time", "ascending"), ("name", "ascending")]
    ).to_numpy()
    order = np.empty(len(names), np.int64)
    order[by_time] = np.arange(len(names))
    held, given = (
        np.bincount(codes[of[of >= 0]], minlength=len(burst_names) + len(names))[burst]
        for of in (_places(taken_up, listed), _places(batch, listed))
    )
    return {
        "order": order,
        "burst": burst,
        "burst_names": np.concatenate([burst_names, names.to_numpy(zero_copy_only=False)]),
        "labelled_in_burst": held,
        "given": given,
    }


def _places(names: pa.Array, listed: pa.Array) -> np.ndarray:
    """Where each name stands in `listed`, -1 where it does not."""
    return pc.fill_null(pc.index_in(names, value_set=listed), -1).to_numpy(zero_copy_only=False)
