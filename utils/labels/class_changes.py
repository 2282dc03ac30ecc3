"""Renaming, merging and dropping classes in labels that exist already, and in work that comes back
later under the old names.

label_state.json records it in `classes`: `renamed` {old: new}, `dropped` [names that are not
trained on], and of these `removed` [names whose boxes were taken out of the labels here; boxes of
the other dropped ones stay, and are only left out of training]. These forget a name that comes into
use again; `changes`, all changes in their order, does not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from utils.config.keys import Reason, new_class_names
from utils.errors import InputError
from utils.labels import tables
from utils.labels.label_map import current_name, with_current_classes
from utils.labels.review_queue import enqueued
from utils.labels.tables import blob_names, image_set, without
from utils.reserved import AVERAGE, NULL

CHANGED_TABLES = ("totag", "tagging", "tagged", "test")
_EXAMPLE = "--rename a=b --merge c,d=e --drop f"


@dataclass(frozen=True)
class ClassChange:
    """What is to become of classes: `renamed` {old: new} (several old ones may become one),
    `dropped` those whose boxes go.
    """

    renamed: dict[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()

    @property
    def sources(self) -> set[str]:
        """The classes that will be there no more."""
        return set(self.renamed) | self.dropped


def parse_change(
    rename: Iterable[str] = (), merge: Iterable[str] = (), drop: Iterable[str] = ()
) -> ClassChange:
    """The change that the options of change_classes.py ask for: "a=b", "c,d=e", "f". Raises
    InputError naming the option.
    """
    renamed: dict[str, str] = {}
    for option, text in [
        *(("--rename", text) for text in rename),
        *(("--merge", text) for text in merge),
    ]:
        left, sign, new = (" ".join(part.split()) for part in text.rpartition("="))
        olds = (
            [left]
            if option == "--rename"
            else [name for part in left.split(",") if (name := part.strip())]
        )
        if "," in new:
            raise InputError(
                f"{option} {text}: a class cannot have a comma in its name, nor become several"
            )
        if not sign or not new or not all(olds) or not olds:
            raise InputError(
                f"{option} {text}: expected {'OLD=NEW' if option == '--rename' else 'OLD,OLD=NEW'},"
                f" as in {_EXAMPLE}"
            )
        for old in olds:
            if renamed.get(old, new) != new:
                raise InputError(
                    f"{option} {text}: {old} cannot become both {renamed[old]} and {new}"
                )
            if old != new:
                renamed[old] = new
    dropped = frozenset(" ".join(name.split()) for name in drop)
    if both := sorted(set(renamed) & dropped) + sorted(
        set(renamed.values()) & (dropped | set(renamed))
    ):
        raise InputError(
            f"{both[0]} would be both a new name and one that goes; make such changes one after the"
            " other"
        )
    if wrong := {NULL, AVERAGE, ""} & ({*renamed, *renamed.values()} | dropped):
        raise InputError(
            f"{next(iter(wrong)) or 'an empty name'} is not a class; expected names of classes, as"
            f" in {_EXAMPLE}"
        )
    for new in renamed.values():
        try:
            new_class_names(new, Path())
        except Reason as error:
            raise InputError(f"{new}: {error}; classes of config.ini cannot name it so") from None
    if not renamed and not dropped:
        raise InputError(f"nothing to change; say what, as in {_EXAMPLE}")
    return ClassChange(renamed, dropped)


def recorded(classes: dict, change: ClassChange) -> dict:
    """The member `classes` of label_state.json after the change. A name that comes into use again
    is no longer an old one; a change that is in force already is not recorded again.
    """
    in_use = set(change.renamed.values())
    renamed = {
        old: change.renamed.get(new, new)
        for old, new in classes["renamed"].items()
        if old not in in_use
    }
    renamed = {**renamed, **change.renamed}
    again = in_use | set(change.renamed)
    dropped = [name for name in classes["dropped"] if name not in again]
    removed = [name for name in classes.get("removed", []) if name not in again]
    new = {
        **classes,
        "renamed": {old: new for old, new in renamed.items() if old != new},
        "dropped": sorted({*dropped, *change.dropped}),
        "removed": sorted({*removed, *change.dropped}),
    }
    step = {"renamed": change.renamed, "dropped": sorted(change.dropped)}
    return (
        classes
        if new == {"removed": [], **classes}
        else {**new, "changes": [*classes.get("changes", []), step]}
    )


def with_present_names(table: str, frame: pd.DataFrame, classes: dict) -> pd.DataFrame:
    """Rows of a label table under the names that hold now: what any rows need that were made under
    older names (a batch that comes back late, predictions of a cycle that began before). `classes`
    is `State.classes`.

    Boxes of removed classes go; an image that has no other keeps one NULL row. Boxes that become
    equal become one. In predictions the image_confidence follows (0 without boxes), an image that
    no model has seen stays unseen.
    """
    removed = set(classes.get("removed", [])) & set(classes["dropped"])
    if not len(frame) or not set(frame["class"].unique()) & (set(classes["renamed"]) | removed):
        return frame
    touched = frame["class"].isin(set(classes["renamed"]) | removed)
    concerned = image_set(frame[touched])
    rows = with_current_classes(tables.only(frame, concerned), classes["renamed"], removed)
    corners = ["folder", "filename", "class", "xmin", "xmax", "ymin", "ymax"]
    if "box_confidence" in rows:
        rows = (
            rows.sort_values("box_confidence", ascending=False, kind="stable", na_position="last")
            .drop_duplicates(corners)
            .sort_index()
        )
        confidence = rows["box_confidence"].mask(rows["class"] == NULL, 0.0)
        rows = rows.assign(
            box_confidence=confidence,
            image_confidence=confidence.groupby(blob_names(rows).to_numpy()).transform("min"),
        )
    else:
        rows = rows.drop_duplicates(corners)
    return _in_place(table, frame, rows)


def updated_since(table: str, frame: pd.DataFrame, classes: dict, known: int) -> pd.DataFrame:
    """Rows that were made when `known` of the `changes` had been recorded, under the names that
    hold now.

    Unlike `with_present_names` it tells what a name meant then from what it means now: after a swap
    of two names, both are in use.
    """
    for step in classes.get("changes", [])[known:]:
        frame = with_present_names(table, frame, {**step, "removed": step["dropped"]})
    return with_present_names(table, frame, classes)


def used_again(classes: dict, known: int) -> set[str]:
    """Names that changes after the first `known` ones took from a class and gave to another one."""
    gone: set[str] = set()
    again: set[str] = set()
    for step in classes.get("changes", [])[known:]:
        again |= set(step["renamed"].values()) & gone
        gone |= {*step["renamed"], *step["dropped"]}
    return again


def old_names(classes: dict, known: int) -> set[str]:
    """The names that `updated_since` changes or takes out."""
    steps = [
        *classes.get("changes", [])[known:],
        {**classes, "dropped": classes.get("removed", [])},
    ]
    return {name for step in steps for name in (*step["renamed"], *step["dropped"])}


def current_classes(
    classes: Sequence[str], recorded: dict, balance: Sequence[float] = ()
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The classes of config.ini under their present names, each once and without dropped ones, and
    `ideal_class_balance` likewise.

    Merged classes have their shares together; the share of a dropped class goes to the images
    without detections (the last share).
    """
    names = [current_name(name, recorded["renamed"]) for name in classes]
    gone = {current_name(name, recorded["renamed"]) for name in recorded["dropped"]}
    kept = tuple(name for name in dict.fromkeys(names) if name not in gone)
    if not balance:
        return kept, ()
    shares = {
        name: sum(share for other, share in zip(names, balance, strict=False) if other == name)
        for name in dict.fromkeys(names)
    }
    rest = balance[-1] + sum(share for name, share in shares.items() if name in gone)
    return kept, (*(shares[name] for name in kept), rest)


def to_review(tagged: pd.DataFrame, review: pd.DataFrame, change: ClassChange) -> pd.DataFrame:
    """`review` with a place in the queue (tagger and time empty) for each tagged image that has a
    box of a class that goes.
    """
    concerned = tagged[tagged["class"].isin(change.sources)].drop_duplicates(["folder", "filename"])
    return enqueued(review, blob_names(concerned))


def _in_place(table: str, frame: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """`frame` with the rows of the images in `rows` replaced by these, images in the order in which
    they were.
    """
    order = {name: place for place, name in enumerate(dict.fromkeys(blob_names(frame)))}
    joined = tables.concat(table, without(frame, image_set(rows)), rows)
    places = np.array([order[name] for name in blob_names(joined)])
    return joined.iloc[np.argsort(places, kind="stable")].reset_index(drop=True)
