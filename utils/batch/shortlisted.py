"""The shortlist of a large project as a hand-out uses it: when it serves, what is free on it."""

import json
from collections.abc import Set
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import pandas as pd

from utils.batch.choosing import Wishes, shares_of
from utils.config import Config
from utils.errors import InputError
from utils.labels import tables
from utils.labels.assignments import expired
from utils.labels.class_map import ClassMap
from utils.labels.replaced import Content, contents
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.table_files import is_parquet
from utils.selection.listed_pool import ListedPool
from utils.selection.shortlist import Shortlist, read_shortlist
from utils.storage.container import Damaged, Missing
from utils.terminal import say


def made_for(config: Config, state: State, strategy: str, class_map: ClassMap | None) -> dict:
    """The settings on which a shortlist depends."""
    classes, balance = shares_of(config, state, class_map)
    return {
        "selection_strategy": strategy,
        "class_map": class_map and class_map.as_json(),
        "seed": config.seed,
        "burst_seconds": config.burst_seconds,
        "max_per_burst": config.max_per_burst,
        "pick_max": config.pick_max,
        "classes": list(classes),
        "ideal_class_balance": list(balance),
    }


def usable(
    store: LabelStore, state: State, config: Config, wishes: Wishes, now: datetime
) -> ListedPool | None:
    """The shortlist of a state, when it serves for these wishes; None: the whole tables are to be
    read, and where one could expect otherwise a line on stderr has said why.
    """
    blob = state.live.get("shortlist")
    if not blob or not is_parquet(state.blob("totag")) or wishes.need_whole_tables:
        return None
    try:
        shortlist = _read(store, blob)
    except (InputError, Missing, Damaged) as error:
        _say_slow(f"{blob} is gone or damaged ({error})")
        return None
    if why := _unfit(shortlist, store, state, config, wishes):
        _say_slow(f"{blob} {why}")
        return None
    return ListedPool(shortlist, _free(shortlist, store, state, now), config.seed)


def say_used_up(state: State) -> None:
    """Say that the shortlist is too short for a hand-out, mostly as much of it is out."""
    _say_slow(f"{state.live['shortlist']} has too little left to choose from")


def listed_contents(store: LabelStore, state: State, blobs: Set[str]) -> dict[str, Content]:
    """What is known of the content of these images: from the shortlist of a large project where it
    says it of all of them, else from the table `images`.
    """
    if not blobs:
        return {}
    shortlist = _of_state(store, state) if is_parquet(state.blob("images")) else None
    # where rows were changed since, and not only added, a photo of the list may be replaced
    if shortlist is not None and shortlist.about["images"] in store.parts_of(state.blob("images")):
        found = contents(shortlist.images, blobs)
        if blobs <= found.keys():
            return found
    return contents(store.table(state, "images"), blobs)


def listed_in_totag(store: LabelStore, state: State) -> set[str]:
    """Images of which it is known, without reading totag, that it lists them."""
    shortlist = _of_state(store, state) if is_parquet(state.blob("totag")) else None
    if shortlist is None or not _is_of_totag(shortlist, store, state):
        return set()
    return tables.image_set(shortlist.images[shortlist.listed])


def _of_state(store: LabelStore, state: State) -> Shortlist | None:
    """The shortlist of a state; None where there is none that can be read."""
    blob = state.live.get("shortlist")
    try:
        return _read(store, blob) if blob else None
    except (InputError, Missing, Damaged):
        return None


def _read(store: LabelStore, blob: str) -> Shortlist:
    path = store.checked_file(blob)
    status = path.stat()
    return _read_once(str(path), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1)
def _read_once(path: str, mtime: int, size: int) -> Shortlist:
    return read_shortlist(Path(path))


@lru_cache
def _say_slow(why: str) -> None:
    """Once, however often the choice is made anew."""
    say(f"{why}; the whole tables are read, which takes longer", error=True)


def _unfit(
    shortlist: Shortlist, store: LabelStore, state: State, config: Config, wishes: Wishes
) -> str:
    """Why this shortlist does not serve; "" when it does."""
    about = shortlist.about
    strategy = wishes.strategy or config.selection_strategy
    wanted = json.loads(json.dumps(made_for(config, state, strategy, wishes.class_map)))
    if differing := [key for key, value in wanted.items() if about["made_for"].get(key) != value]:
        return f"was made for another {differing[0]}"
    if about["model"] != state.live.get("model"):
        return "is of a model that is no longer live"
    if about["unseen"] and about["init_totag"] != state.blob("init_totag"):
        return "does not know what the pretrained model has found"
    if not _is_of_totag(shortlist, store, state):
        return f"is of another table than {state.blob('totag')}"
    return ""


def _is_of_totag(shortlist: Shortlist, store: LabelStore, state: State) -> bool:
    """Is the present totag the one that it was made of, or that one and what was added?"""
    return shortlist.about["totag"] in store.parts_of(state.blob("totag"))


def _free(shortlist: Shortlist, store: LabelStore, state: State, now: datetime) -> pd.DataFrame:
    """The rows of the listed images that may be handed out now, as pool.pool_of."""
    tagging = store.table(state, "tagging")
    closed = tables.image_set(tagging) - expired(tagging, store.reservation_hours, now)
    for name in ("tagged", "failed", "gone"):
        closed |= tables.image_set(store.table(state, name))
    return tables.without(shortlist.rows, closed)
