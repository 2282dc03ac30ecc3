"""Take in labels that were made elsewhere: a CSV with the columns of tagged, or a tagged_ or
tagging_ file that another tool put there.
"""

import _repo_root  # noqa: F401  I001

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from utils.labels import assignments
from utils.labels import tables
from utils.arguments import Parser
from utils.images.canvas import same_shape
from utils.labels.class_changes import with_present_names, current_classes
from utils.config import Config, load_config
from utils.errors import InputError, run_program
from utils.labels.store import Change, LabelStore, State, open_labels
from utils.storage.container import Missing
from utils.labels.tables import blob_names, image_set, only, without
from utils.reserved import AVERAGE, NULL
from utils.labels.takeover import clean, foreign_blobs

_OUTSIDE = 0.5  # coordinates a little outside 0…1 are clipped; further out they are no fractions


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "example: python import_labels.py labels.csv ../config.ini\nColumns:"
        " filename,class,xmin,xmax,ymin,ymax,height,width[,folder]; coordinates are fractions of"
        " the upright image, height\nand width its pixels; a row of class NULL with zeros says that"
        " nothing is there. Images that are labelled otherwise\nalready stay as they are, and the"
        " file's rows are set aside in conflicts, unless --replace is given.",
    )
    parser.add_argument(
        "csv", metavar="CSV", help="a file here, or the name of one in the label container"
    )
    parser.add_argument("config", help="config.ini")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="take the file's rows for images that are labelled already, too",
    )
    options = parser.parse_args(argv)

    config = load_config(options.config)
    _, labels = open_labels(config)
    state = labels.read()
    name, source, in_container = find(labels, options.csv)
    kind = "tagging" if Path(name).name.startswith("tagging_") else "tagged"
    if kind == "tagged" and "box_confidence" in tables.header(source):
        raise InputError(
            f"{name}: it has the column box_confidence, so its boxes are predictions that nobody"
            f" has looked at; labels have {','.join(tables.COLUMNS[kind])}"
        )
    frame = tables.parse(kind, source, name)
    if not len(frame):
        raise InputError(f"{name}: there are no rows in it")
    if name in state.document["tables"].values():
        raise InputError(f"{name}: it is what the state names already; nothing to take in")

    def change(now: State) -> Change:
        members = settled(labels, now, name) if in_container else {}
        taken = (
            reserve(labels, now, frame, name)
            if kind == "tagging"
            else tag(labels, now, frame, config, options.replace)
        )
        return Change(taken.tables, members, note=taken)

    work: Taken
    state, work = labels.commit(change, what=f"taking in {name}")
    for fault in work.faults[:20]:
        print(f"{name}: {fault}")
    if len(work.faults) > 20:
        print(f"{name}: and {len(work.faults) - 20} more images that were left out")
    if work.conflicts:
        print(
            f"{len(work.conflicts)} images are labelled otherwise already"
            f" ({_few(sorted(work.conflicts))}); the file's rows are set aside in"
            f" {state.blob('conflicts')} (--replace takes them all the same)"
        )
    for line in work.notes:
        print(line)
    print(
        f"{len(work.images)} images, {work.boxes} boxes, {work.unchanged} known before,"
        f" {len(work.faults)} left out → {state.blob(kind) or 'nothing'}"
    )
    return 0 if work.images or work.unchanged or work.conflicts else 1


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


def find(labels: LabelStore, given: str) -> tuple[str, Path | bytes, bool]:
    """(name, source, is it in the container) of the file that the user names. Raises InputError
    when there is none.
    """
    lies_there = labels.container.path_of(Path(given).name)
    if lies_there and lies_there.is_file() and Path(given).is_file() and lies_there.samefile(given):
        return lies_there.name, lies_there, True
    if Path(given).is_file():
        return given, Path(given), False
    try:
        return given, labels.container.read(given)[0], True
    except (Missing, InputError):
        raise InputError(
            f"{given}: neither a file here nor one in {labels.container.address}"
        ) from None


def tag(
    labels: LabelStore, state: State, frame: pd.DataFrame, config: Config, replace: bool
) -> Taken:
    """The rows of a file as tagged ones, under the rules of an upload."""
    at = {
        name: labels.table(state, name)
        for name in ("images", "failed", "totag", "tagging", "tagged", "test", "conflicts")
    }
    rows, faults = usable(frame, at, labels.user_folders)
    given, rows = rows, with_present_names("tagged", rows, state.classes)
    own = (
        {image: [digest] for image, digest in assignments.row_digests(at["tagged"]).items()}
        if replace
        else {}
    )
    accepted = assignments.accept_upload(
        at["tagged"],
        at["tagging"],
        at["test"],
        at["conflicts"],
        uploaded=rows,
        tagger=config.tagger_name,
        now=datetime.now(UTC),
        own=own,
    )
    boxes = only(rows, accepted.taken)
    return Taken(
        accepted.tables,
        frozenset(accepted.taken),
        int((boxes["class"] != NULL).sum()),
        len(accepted.unchanged),
        frozenset(accepted.conflicts),
        tuple(faults),
        tuple(of_classes(given, boxes, state, config)),
    )


def of_classes(given: pd.DataFrame, taken: pd.DataFrame, state: State, config: Config) -> list[str]:
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


def reserve(labels: LabelStore, state: State, frame: pd.DataFrame, name: str) -> Taken:
    """The images of another tool's tagging_ file as handed out, as far as they are free."""
    now = datetime.now(UTC)
    at = {table: labels.table(state, table) for table in ("images", "tagging")}
    free = labels.totag(state, now)
    frame = frame.assign(folder=frame["folder"] if labels.user_folders else "")
    frame = assignments.match_folders(at["images"], {"tagging": frame}).get("tagging", frame)
    wanted = image_set(frame)
    taken = wanted & image_set(free)
    known = wanted & image_set(at["tagging"]) - taken
    faults = tuple(
        f"{image}: not free to be handed out" for image in sorted(wanted - taken - known)
    )
    holder = dict(zip(blob_names(frame), frame["tagger"], strict=True))
    tagging = at["tagging"]
    for tagger in sorted({holder[image] for image in taken}):
        held = {image for image in taken if holder[image] == tagger}
        tagging = assignments.reserve(tagging, free, held, tagger or f"holder of {name}", now)
    return Taken(
        {"tagging": tagging} if taken else {},
        frozenset(taken),
        int((only(free, taken)["class"] != NULL).sum()),
        len(known),
        faults=faults,
    )


def usable(
    frame: pd.DataFrame, at: Mapping[str, pd.DataFrame], user_folders: bool
) -> tuple[pd.DataFrame, list[str]]:
    """(rows that can be taken in, a line for each image that cannot). Sizes become those of the
    upright image.
    """
    sides = frame[["xmin", "xmax", "ymin", "ymax"]]
    if len(sides) and float(sides.abs().max().max()) > 1 + _OUTSIDE:
        raise InputError(
            f"coordinates go up to {float(sides.abs().max().max()):g}; expected fractions of the"
            " image, 0 to 1 (pixels divided by width and height)"
        )
    frame = frame.assign(
        **{"class": frame["class"].str.strip()},
        folder=frame["folder"].str.replace("\\", "/").str.strip("/") if user_folders else "",
    )
    frame = assignments.match_folders(at["images"], {"tagged": frame}).get("tagged", frame)
    names = blob_names(frame)
    box = frame["class"] != NULL
    drawn = (
        (frame["xmin"] != frame["xmax"])
        & (frame["ymin"] != frame["ymax"])
        & sides.notna().all(axis=1)
    )
    faults = {name: "a box has no class" for name in names[(frame["class"] == "")]}
    faults |= {
        name: (
            f"a box is of the class {AVERAGE}, which is the name of a row of the performance table"
        )
        for name in names[frame["class"] == AVERAGE]
    }
    faults |= {name: "a box has no area, or no coordinates" for name in names[box & ~drawn]}
    listed = pd.concat(
        [
            at[name][["folder", "filename", "height", "width"]]
            for name in ("images", "totag", "tagging", "tagged")
        ]
    )
    listed = listed.assign(image=blob_names(listed)).drop_duplicates("image").set_index("image")
    faults |= {name: "there is no such image" for name in set(names) - set(listed.index)}
    faults |= {name: "the image cannot be read" for name in set(names) & image_set(at["failed"])}
    sizes = pd.DataFrame(
        {"height": names.map(listed["height"]), "width": names.map(listed["width"])}
    )
    turned = (sizes["height"] > 0) & (frame["height"] > 0) & (frame["width"] > 0)
    compared = [
        side[turned].to_numpy()
        for table in (frame, sizes)
        for side in (table["height"], table["width"])
    ]
    faults |= {
        name: (
            "its size there has another shape than the upright image; the boxes may be those of the"
            " unturned one"
        )
        for name in names[turned][~same_shape(*compared)]
    }
    rows = without(
        frame.assign(
            height=sizes["height"].where(turned, frame["height"]).astype("int64"),
            width=sizes["width"].where(turned, frame["width"]).astype("int64"),
        ),
        faults,
    )
    return clean("tagged", rows), [
        f"{name}: {why}; left out" for name, why in sorted(faults.items())
    ]


def settled(labels: LabelStore, state: State, name: str) -> dict:
    """The member of the state that says which other tools' files are dealt with, with this one
    among them.
    """
    foreign = foreign_blobs(labels.container, state.document)
    return {
        "foreign": {
            **foreign,
            "blobs": [blob for blob in foreign["blobs"] if blob != name],
            "settled": sorted({*foreign["settled"], name}),
        }
    }


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


if __name__ == "__main__":
    run_program(main)
