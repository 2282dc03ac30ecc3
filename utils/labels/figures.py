"""How many images there are and how many are to be tagged, as the commits of a large project count
it along: the member `figures` of label_state.json. So nobody reads the large tables to know it.

A commit that writes totag or images counts them. One that hands images out, takes them in or gives
them back adds and subtracts: what enters tagging was to be tagged, what leaves it for no other
table is so again. Anything else is counted anew. Small projects have no figures; they are counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import pandas as pd

from utils.errors import InputError
from utils.labels.table_files import is_parquet
from utils.labels.tables import image_set
from utils.storage.container import Damaged, Missing

_HELD = ("tagged", "tagging", "failed", "gone")
_COUNTED = ("images", "totag", "init_totag")
Read = Callable[[str], pd.DataFrame]


@dataclass(frozen=True)
class Figures:
    """images: those that can be read. to_tag: those of totag that are neither tagged, reserved
    (however long ago), failed nor gone; `unseen`: no model of the project has seen them, and of
    those `by_pretrained`: a pretrained model has.
    """

    images: int
    to_tag: int
    unseen: int
    by_pretrained: int


def figures_of(document: Mapping) -> Figures | None:
    """The figures of a state (its document); None when it has none, or when they are of other
    tables than it names.
    """
    member = document.get("figures")
    if not member or member["of"] != _blobs(document["tables"]):
        return None
    return Figures(**{name: value for name, value in member.items() if name != "of"})


def figures_after(
    document: Mapping, names: Mapping[str, str], before: Read, after: Read
) -> dict[str, dict | None]:
    """The member `figures` after a commit upon this document, that makes `names` ({table: blob})
    the tables; {} for a small project. before, after: read a table as it was, and as it is now.
    """
    if not is_parquet(names.get("totag")):
        return {"figures": None} if document.get("figures") else {}
    counted_anew = any(names.get(name) != document["tables"].get(name) for name in _COUNTED)
    try:
        known = None if counted_anew else figures_of(document)
        if known is None and not counted_anew:
            return {}
        now = None if known is None else _moved(known, document["tables"], names, before, after)
        now = now or _counted(after)
    except (InputError, Missing, Damaged):  # a table is damaged: no commit waits for that
        return {"figures": None}
    return {"figures": {**asdict(now), "of": _blobs(names)}}


def with_late(known: Figures, late: set[str], tagging: pd.DataFrame, others: set[str]) -> Figures:
    """The figures with the images that are free again besides: those `late` of the reservations,
    without those that are in `others` (tagged, failed, gone).
    """
    free = late - others
    unseen = _unseen(free, tagging, known)
    by_pretrained = unseen if known.by_pretrained == known.unseen and known.unseen else 0
    return Figures(
        known.images,
        known.to_tag + len(free),
        known.unseen + unseen,
        known.by_pretrained + by_pretrained,
    )


def _blobs(names: Mapping[str, str]) -> dict[str, str | None]:
    return {name: names.get(name) for name in (*_COUNTED, *_HELD)}


def _counted(after: Read) -> Figures:
    held = set().union(*(image_set(after(name)) for name in _HELD))
    totag = after("totag")
    unseen = image_set(totag[totag["box_confidence"].isna().to_numpy()]) - held
    free = image_set(totag) - held
    by_pretrained = len(unseen & image_set(after("init_totag"))) if unseen else 0
    return Figures(len(image_set(after("images"))), len(free), len(unseen), by_pretrained)


def _moved(
    known: Figures, old: Mapping[str, str], new: Mapping[str, str], before: Read, after: Read
) -> Figures | None:
    """The figures after images were handed out, taken in or given back; None when more happened."""
    if all(old.get(name) == new.get(name) for name in _HELD):
        return known
    had, has = ({name: image_set(read(name)) for name in _HELD} for read in (before, after))
    held_before, held_now = (set().union(*sets.values()) for sets in (had, has))
    entered, left = held_now - held_before, held_before - held_now
    if not entered <= has["tagging"] or not left <= had["tagging"]:
        return None
    unseen = _unseen(left, before("tagging"), known) - _unseen(entered, after("tagging"), known)
    pretrained = unseen if known.by_pretrained == known.unseen else 0
    to_tag = max(0, known.to_tag + len(left) - len(entered))
    now_unseen = min(to_tag, max(0, known.unseen + unseen))
    by_pretrained = min(now_unseen, max(0, known.by_pretrained + pretrained))
    return Figures(known.images, to_tag, now_unseen, by_pretrained)


def _unseen(images: set[str], tagging: pd.DataFrame, known: Figures) -> int:
    """How many of these images in tagging no model of the project has seen. Before the first model
    all: they may have a pretrained model's boxes.
    """
    if not images:
        return 0
    if known.to_tag and known.unseen == known.to_tag:
        return len(images)
    seen = image_set(tagging[tagging["box_confidence"].notna().to_numpy()])
    return len(images - seen)
