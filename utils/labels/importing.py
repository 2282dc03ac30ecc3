"""Labels that were made elsewhere, taken in under the rules of an upload.

What cannot be meant is left out with its image, which is named: a box is never guessed, and an
image of which a box is missing is not labelled.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from utils.config import Config
from utils.labels import assignments, tables
from utils.labels.class_changes import current_classes, with_present_names
from utils.labels.csv_rows import Rows
from utils.labels.imported_images import located, upright, why_unknown
from utils.labels.pool import pool_of
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.tables import blob_names, image_set, only, without
from utils.labels.takeover import clean
from utils.names import short, why_no_class, why_no_tagger
from utils.reserved import AVERAGE, NULL
from utils.wording import few


@dataclass(frozen=True)
class Taken:
    """What came of a file: tables that change, images taken in with their boxes, and a line for
    each image that was left out.
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    boxes: int = 0
    unchanged: int = 0
    conflicts: frozenset[str] = frozenset()
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def take_labels(
    store: LabelStore,
    state: State,
    given: Rows,
    config: Config,
    *,
    replace: bool,
    boxes_are: str | None,
    orientations: Callable[[Iterable[str]], Mapping[str, int]],
) -> Taken:
    """The rows of a file as tagged ones. `boxes_are` and `orientations` as in
    `imported_images.upright`. Raises InputError when it was not said and nothing else tells.
    """
    at = {
        name: store.table(state, name)
        for name in ("images", "failed", "totag", "tagging", "tagged", "test", "conflicts")
    }
    listed = _listed(at)
    frame = given.frame.assign(**{"class": given.frame["class"].str.strip()})
    frame, notes = located(frame, listed, store.user_folders, "folder" in given.columns)
    faults = _faults(frame, given.numbers, given.word) | _unknown(frame, listed, at["failed"])
    rows = without(frame, faults)

    present = assignments.row_digests(at["tagged"])
    now = with_present_names("tagged", clean("tagged", rows), state.classes)
    labelled_so = {
        image
        for image, digest in assignments.row_digests(now).items()
        if present.get(image) == digest
    }
    sizes = listed.set_index(blob_names(listed))[["height", "width"]]
    rows, unfit = upright(rows, sizes, labelled_so, boxes_are, orientations)
    rows = clean("tagged", rows)

    accepted = assignments.accept_upload(
        at["tagged"],
        at["tagging"],
        at["test"],
        at["conflicts"],
        uploaded=with_present_names("tagged", rows, state.classes),
        tagger=config.tagger_name,
        now=store.now(),
        own={image: [digest] for image, digest in present.items()} if replace else {},
    )
    boxes = only(accepted.tables.get("tagged", tables.empty("tagged")), accepted.taken)
    replaced = store.table(state, "replaced")
    if accepted.taken & image_set(replaced):  # these labels are of the present pictures
        accepted.tables["replaced"] = without(replaced, accepted.taken)
    return Taken(
        accepted.tables,
        frozenset(accepted.taken),
        int((boxes["class"] != NULL).sum()),
        len(accepted.unchanged),
        frozenset(accepted.conflicts),
        tuple(f"{name}: {why}; left out" for name, why in sorted((faults | unfit).items())),
        (
            *notes,
            *_held_by_others(at["tagging"], accepted.taken, config.tagger_name),
            *_of_classes(rows, boxes, state, config),
        ),
    )


def take_reservations(store: LabelStore, state: State, given: Rows, name: str) -> Taken:
    """The images of another tool's tagging_ file as handed out, as far as they are free."""
    now = store.now()
    at = {table: store.table(state, table) for table in ("images", "tagging")}
    free = pool_of(store, state, now)
    frame, notes = located(given.frame, at["images"], store.user_folders, "folder" in given.columns)
    wanted = image_set(frame)
    taken = wanted & image_set(free)
    known = wanted & image_set(at["tagging"]) - taken
    holder = dict(zip(blob_names(frame), frame["tagger"], strict=True))
    unfit = {image: why for image in taken if (why := why_no_tagger(holder[image]))}
    taken -= unfit.keys()
    faults = (
        *(
            f"{image}: not free to be handed out"
            for image in sorted(wanted - taken - known - unfit.keys())
        ),
        *(
            f"{image}: out to {short(holder[image])}, which is no name: {why}"
            for image, why in sorted(unfit.items())
        ),
    )
    tagging = at["tagging"]
    for tagger in sorted({holder[image] for image in taken}):
        held = {image for image in taken if holder[image] == tagger}
        tagging = assignments.reserve(
            tagging, free, held, tagger or f"{assignments.HOLDER_OF}{name}", now
        )
    return Taken(
        {"tagging": tagging} if taken else {},
        frozenset(taken),
        int((only(free, taken)["class"] != NULL).sum()),
        len(known),
        faults=faults,
        notes=tuple(notes),
    )


def _listed(at: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row for each image that the project knows: folder, filename and upright size."""
    columns = ["folder", "filename", "height", "width"]
    parts = [at[name][columns] for name in ("images", "totag", "tagging", "tagged")]
    listed = pd.concat(parts, ignore_index=True)
    return listed.drop_duplicates(["folder", "filename"]).reset_index(drop=True)


def _faults(frame: pd.DataFrame, numbers: np.ndarray, word: str) -> dict[str, str]:
    """Why images cannot be taken because of what stands in their rows: {blob name: row and why}."""
    names = blob_names(frame)
    box = frame["class"] != NULL
    swapped = pd.Series("", frame.index)
    outside = pd.Series(False, frame.index)
    flat = pd.Series(False, frame.index)
    for low, high in (("xmin", "xmax"), ("ymin", "ymax")):
        beyond = frame[low] > frame[high]
        swapped = swapped.mask(beyond & (swapped == ""), f"{low} is beyond {high}")
        outside |= (frame[high] <= 0) | (frame[low] >= 1)
        flat |= frame[low] == frame[high]
    faults: dict[str, str] = {}
    for wrong, why in (
        (box & flat, "a box has no area"),
        (box & ~flat & outside, "a box lies outside the picture"),
        *((box & (swapped == said), said) for said in swapped.unique() if said),
        (
            frame["class"] == AVERAGE,
            f"a box is of the class {AVERAGE}, which is the name of a row of the performance table",
        ),
        (frame["class"] == "", "a box has no class"),
        *(
            (frame["class"] == name, f"a box is of the class {short(name)}: {why}")
            for name in frame["class"].unique()
            if (why := why_no_class(name))
        ),
    ):
        for place in np.flatnonzero(wrong)[::-1]:
            faults[names.iloc[place]] = f"{word} {numbers[place]}: {why}"
    return faults


def _unknown(frame: pd.DataFrame, listed: pd.DataFrame, failed: pd.DataFrame) -> dict[str, str]:
    names = image_set(frame)
    unknown = {name: why_unknown(name, listed) for name in names - image_set(listed)}
    return unknown | dict.fromkeys(names & image_set(failed), "the image cannot be read")


def _held_by_others(tagging: pd.DataFrame, taken: set[str], tagger: str) -> list[str]:
    """A line for each person who has images of these to review: they find them labelled."""
    others = only(tagging[tagging["tagger"] != tagger].reset_index(drop=True), taken)
    return [
        f"{len(held)} images are out to {name or 'somebody'} and labelled now ({few(held)}): what"
        f" {name or 'that person'} uploads otherwise becomes a conflict"
        for name, rows in others.groupby("tagger")
        for held in [sorted(image_set(rows))]
    ]


def _of_classes(
    given: pd.DataFrame, taken: pd.DataFrame, state: State, config: Config
) -> list[str]:
    """A line for boxes of classes that were dropped, and one for classes that config.ini does not
    name.
    """
    known, _ = current_classes(config.classes, state.classes)
    removed = given[given["class"].isin(state.classes.get("removed", []))]["class"].value_counts()
    unknown = taken[~taken["class"].isin([*known, NULL])]["class"].value_counts()
    lines = [
        ("of classes that were dropped, left out", removed),
        (
            (
                f"not in classes of {config.path.name}, kept as they are; add them to classes, or"
                " rename them (change_classes.py)"
            ),
            unknown,
        ),
    ]
    return [
        f"{what}: {', '.join(f'{name} ({count} boxes)' for name, count in counts.items())}"
        for what, counts in lines
        if len(counts)
    ]
