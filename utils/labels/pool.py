"""The pool: the images that may be handed out now, and the change that hands some of them out."""

from collections.abc import Iterable
from datetime import datetime

import pandas as pd

from utils.labels import assignments, tables
from utils.labels.state import Change, State
from utils.labels.store import LabelStore


def pool_of(store: LabelStore, state: State, now: datetime | None = None) -> pd.DataFrame:
    """The rows of the images that may be handed out now (see assignments.free_rows), without those
    that are gone from the image container.
    """
    free = assignments.free_rows(
        store.table(state, "totag"),
        store.table(state, "tagged"),
        store.table(state, "tagging"),
        store.table(state, "failed"),
        store.reservation_hours,
        now or store.now(),
        lambda: pretrained_only(store, state),
    )
    if len(gone := store.table(state, "gone")):
        free = tables.without(free, tables.image_set(gone))
    tables.release_memory()
    return free


def pretrained_only(store: LabelStore, state: State) -> set[str]:
    """The images that a pretrained model has seen (init_totag) and no model whose predictions were
    published.

    None in a container that was taken over: there it is not known whose predictions are in totag.
    """
    if state.blob("init_totag") is None or "taken_over" in state.document:
        return set()
    seen = tables.image_set(store.table(state, "init_totag"))
    return seen - tables.image_set(store.table(state, "predicted"))


def reserved(
    store: LabelStore,
    state: State,
    free: pd.DataFrame,
    images: Iterable[str],
    now: datetime | None = None,
    rows: pd.DataFrame | None = None,
) -> Change:
    """The change that reserves these images for `store.by`; `free` is what `pool_of` returned.
    totag shrinks too while it is small.

    `rows`: what is handed out instead of the rows in `free`, for the same images.
    """
    tagging = assignments.reserve(
        store.table(state, "tagging"),
        free if rows is None else rows,
        images,
        store.by,
        now or store.now(),
    )
    changed = {"tagging": tagging}
    blob = state.blob("totag")
    if blob is not None and store.is_small(blob):
        changed["totag"] = tables.without(free, images)
    return Change(changed)
