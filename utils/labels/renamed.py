"""Images that are gone from the container, and those that are there under another name: the tables
`gone` and `renamed`.

An image is its content: one that has left its name while the same content (size and MD5) appeared
under another one keeps its labels, its place in the test set, and what models found in it. So do
images that have swapped names, or of which each has the name of the next: the member `swapped` of
label_state.json, [{"at": ms, "names": {before: now}}], by which older snapshots are read.
"""

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

import pandas as pd

from utils.labels import tables
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.table_files import is_parquet
from utils.labels.tables import blob_names, image_set, split_name, without
from utils.wording import few


@dataclass(frozen=True)
class Moves:
    """What a listing of all images says of those that were known. renamed: {name before: now};
    gone: those that are nowhere, of which some are `labelled`.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    labelled: int = 0

    def lines(self) -> list[str]:
        """For people."""
        lines = []
        if self.renamed:
            old, new = min(self.renamed.items())
            lines.append(
                f"{len(self.renamed)} images have another name or folder now (their content is the"
                f" same), e.g. {old} is {new}: they keep their labels and predictions"
                " (active_learning_initialize.sh CONFIG --as-new takes them for new ones)"
            )
        if self.gone:
            lines.append(
                f"{len(self.gone)} images are gone from the image container, {self.labelled} of"
                f" them labelled ({few(sorted(self.gone))}): they are not handed out, and training"
                " does without them"
            )
        return lines


def present_names(store: LabelStore, state: State, snapshot: str | None = None) -> dict[str, str]:
    """{name that an image had once: name that it has now}; of the images in an older snapshot (the
    blob of a table) also of those whose name is another image's now.
    """
    frame = store.table(state, "renamed")
    names = dict(zip(blob_names(frame), _new_names(frame), strict=True))
    if snapshot is None:
        return names
    stamp = int((re.findall(r"_(\d+)\.", snapshot) or [0])[-1])
    then: dict[str, str] = {}
    for swap in state.document.get("swapped") or []:
        if swap["at"] >= stamp:
            moved = swap["names"]
            before = {name: name for name in moved} | then
            then = {old: moved.get(new, new) for old, new in before.items()}
    return names | {old: names.get(new, new) for old, new in then.items()}


def present_names_of(store: LabelStore, state: State, digests: Mapping[str, str]) -> dict[str, str]:
    """As `present_names`, for images that somebody has fetched under a name: {name: MD5, "" where
    not known}. An image that is another one's now is found by its content.
    """
    names = present_names(store, state)
    if is_parquet(state.blob("images")) and not state.document.get("swapped"):
        return names  # no name has ever been used again, so the large table need not be read
    images = store.table(state, "images")
    listed = dict(zip(blob_names(images), images["md5"], strict=True))
    others = {
        blob: md5
        for blob, md5 in digests.items()
        if md5 and listed.get(blob) and listed[blob] != md5
    }
    if others:
        places: dict[str, list[str]] = defaultdict(list)
        for blob, md5 in listed.items():
            if md5:
                places[md5].append(blob)
        found = {blob: places[md5][0] for blob, md5 in others.items() if len(places[md5]) == 1}
        names |= _closed(found, digests.keys())
    return names


def under_present_names(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The rows of a table with these images under their present names."""
    if not names or not len(frame):
        return frame
    before = blob_names(frame)
    if not before.isin(names.keys()).any():
        return frame
    split = [split_name(names.get(blob, blob)) for blob in before]
    return frame.assign(
        folder=pd.Series([folder for folder, _ in split], frame.index, dtype="str"),
        filename=pd.Series([filename for _, filename in split], frame.index, dtype="str"),
    )


def after_moves(
    store: LabelStore,
    state: State,
    images: pd.DataFrame,
    listed: Set[str],
    present: Set[str],
    *,
    as_new: bool,
) -> tuple[dict[str, pd.DataFrame], Moves]:
    """The tables that change when images were renamed or are gone, and what there is to say.

    `images`: the new table of that name, with rows of all that is or was there; `listed`: what can
    be used now, `present`: that, and what is there and cannot be used.
    """
    known = store.table(state, "images")
    vanished = image_set(known) - present
    new = listed - image_set(known) - image_set(store.table(state, "failed"))
    taken = _names_in_use(store, state)
    other = _other_content(known, images) & listed
    renamed = {}
    if not as_new:
        pairs = _pairs(known, images, vanished | other, (new - taken) | other)
        renamed = _closed(pairs, other)
    gone = vanished - renamed.keys()
    labelled = image_set(store.table(state, "tagged"))
    moves = Moves(renamed, frozenset(gone), len(gone & labelled))

    changed = {}
    if renamed:
        for name in state.document["tables"]:
            if "filename" in tables.COLUMNS.get(name, ()) and name not in ("images", "renamed"):
                frame = store.table(state, name)
                moved = under_present_names(frame, renamed)
                if moved is not frame:
                    changed[name] = moved
        changed["images"] = _images(known, images, renamed)
    names = present_names(store, state)
    recorded = _recorded(names, renamed, listed)
    if recorded != names:
        changed["renamed"] = _table(recorded)
    if gone != image_set(store.table(state, "gone")):
        changed["gone"] = _rows("gone", gone)
    return changed, moves


def swapped(state: State, moves: Moves, listed: Set[str]) -> dict:
    """The member of that name with these moves, as far as names are in use again; {} when it stays
    as it is.
    """
    names = {old: new for old, new in moves.renamed.items() if old in listed}
    if not names:
        return {}
    before = state.document.get("swapped") or []
    return {"swapped": [*before, {"at": time.time_ns() // 1_000_000, "names": dict(moves.renamed)}]}


def _other_content(known: pd.DataFrame, images: pd.DataFrame) -> set[str]:
    """Names under which another content is listed now."""
    frames = (known, images)
    was, now = (dict(zip(blob_names(frame), frame["md5"], strict=True)) for frame in frames)
    return {blob for blob, md5 in was.items() if md5 and now.get(blob, md5) not in ("", md5)}


def _closed(pairs: Mapping[str, str], used: Set[str]) -> dict[str, str]:
    """{name: new name} without those that would take the name of an image (of `used`) which has
    none to go to.
    """
    kept = dict(pairs)
    while blocked := [old for old, new in kept.items() if new in used and new not in kept]:
        for old in blocked:
            del kept[old]
    return kept


def _names_in_use(store: LabelStore, state: State) -> set[str]:
    """Names under which something is known already, though no image of that name was listed."""
    return set().union(
        *(image_set(store.table(state, name)) for name in ("totag", "tagging", "tagged"))
    )


def _pairs(
    known: pd.DataFrame, images: pd.DataFrame, vanished: Set[str], new: Set[str]
) -> dict[str, str]:
    """{vanished image: the new one of the same content}, where one answer is right."""
    by_content: dict[tuple, tuple[list, list]] = defaultdict(lambda: ([], []))
    for place, frame, names in ((0, known, vanished), (1, images, new)):
        rows = tables.only(frame, names)
        for blob, md5, size in zip(blob_names(rows), rows["md5"], rows["bytes"], strict=True):
            if md5:
                by_content[md5, size][place].append(blob)

    found = {}
    for before, now in by_content.values():
        if len(before) == len(now) == 1:
            found[before[0]] = now[0]
            continue
        for blob in before:  # copies of one picture: the file name must tell
            was, is_now = (
                [name for name in names if split_name(name)[1] == split_name(blob)[1]]
                for names in (before, now)
            )
            if len(was) == len(is_now) == 1:
                found[blob] = is_now[0]
    return found


def _images(known: pd.DataFrame, images: pd.DataFrame, renamed: Mapping[str, str]) -> pd.DataFrame:
    """The table with one row for a renamed image: what was known of it, as it is listed now."""
    present = images["listed"].where(images["listed"] != "", images["etag"])
    etags = dict(zip(blob_names(images), present, strict=True))
    rows = under_present_names(tables.only(known, renamed), renamed)
    listed = pd.Series([etags[name] for name in blob_names(rows)], rows.index, dtype="str")
    rows = rows.assign(listed=listed.where(listed != rows["etag"], ""))
    others = without(images, {*renamed, *renamed.values()})
    return tables.concat("images", others, rows)


def _recorded(
    names: Mapping[str, str], renamed: Mapping[str, str], listed: Set[str]
) -> dict[str, str]:
    """The present names by the names before, with these renamed ones besides; a name that an image
    has now is no old one.
    """
    after = {old: renamed.get(new, new) for old, new in names.items()} | dict(renamed)
    return {old: new for old, new in after.items() if old not in listed}


def _table(names: Mapping[str, str]) -> pd.DataFrame:
    rows = _rows("renamed", names)
    split = [split_name(names[blob]) for blob in blob_names(rows)]
    return rows.assign(
        new_folder=pd.Series([folder for folder, _ in split], rows.index, dtype="str"),
        new_filename=pd.Series([filename for _, filename in split], rows.index, dtype="str"),
    )


def _new_names(frame: pd.DataFrame) -> list[str]:
    pairs = zip(frame["new_folder"], frame["new_filename"], strict=True)
    return [f"{folder}/{filename}" if folder else filename for folder, filename in pairs]


def _rows(table: str, blobs: Iterable[str]) -> pd.DataFrame:
    named = [split_name(blob) for blob in sorted(blobs)]
    return tables.make(
        table,
        filename=[filename for _, filename in named],
        folder=[folder for folder, _ in named],
    )
