"""Take in labels that were made elsewhere: a CSV with the columns of tagged, a data set of another
tool (COCO, YOLO, Pascal VOC, labelme), or a tagged_ or tagging_ file that another tool put there.
"""

import _repo_root  # noqa: F401  I001

from collections.abc import Iterable
from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import InputError, run_program
from utils.formats.listed_sets import LISTED, read_listed
from utils.labels.orientations import orientations_of
from utils.labels import tables
from utils.labels.csv_rows import Rows, read_rows
from utils.labels.importing import Taken, few, take_labels, take_reservations
from utils.labels.store import Change, LabelStore, State, open_labels
from utils.labels.takeover import foreign_blobs
from utils.storage.container import Missing

_SHOWN = 20


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "example: python import_labels.py labels.csv ../config.ini\nColumns:"
        " filename,class,xmin,xmax,ymin,ymax,height,width[,folder]; coordinates are fractions of"
        " the upright image, height\nand width its pixels; a row of class NULL with zeros says that"
        " nothing is there. Images that are labelled otherwise\nalready stay as they are, and the"
        " file's rows are set aside in conflicts, unless --replace is given.\nOther tools: COCO's"
        " .json, a folder of YOLO, Pascal VOC or labelme files. An image without boxes in them is"
        " empty, or nobody\nhas opened it, so they are taken with --listed-means-reviewed only"
        " (without it: labelImg's verified and labelme's ticked images).",
    )
    parser.add_argument(
        "csv",
        metavar="FILE",
        help="a file or folder here, or the name of a CSV in the label container",
    )
    parser.add_argument("config", help="config.ini")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="take the file's rows for images that are labelled already, too",
    )
    parser.add_argument(
        LISTED,
        action="store_true",
        help="somebody has looked at every image that this data set of another tool lists: one"
        " without boxes is empty",
    )
    parser.add_argument(
        "--skip-bad-rows",
        action="store_true",
        help="leave out the images of rows (or entries) that cannot be read, and take the others",
    )
    parser.add_argument(
        "--boxes-are",
        choices=("upright", "stored"),
        help="the picture in which boxes of images were drawn that are turned by EXIF, where"
        " their size does not tell",
    )
    options = parser.parse_args(argv)

    config = load_config(options.config)
    images, labels = open_labels(config)
    state = labels.read()
    notes: list[str] = []
    if is_data_set(options.csv):
        name, kind, in_container = options.csv, "tagged", False
        found = read_listed(
            Path(name),
            upright_sizes(labels, state),
            all_reviewed=options.listed_means_reviewed,
            boxes_are=options.boxes_are,
        )
        given, notes = found.rows, found.notes
    else:
        name, source, in_container = find(labels, options.csv)
        kind = "tagging" if Path(name).name.startswith("tagging_") else "tagged"
        given = read_rows(kind, source, name)
    if kind == "tagged" and "box_confidence" in given.columns:
        raise InputError(
            f"{name}: it has the column box_confidence, so its boxes are predictions that nobody"
            f" has looked at; labels have {','.join(tables.COLUMNS[kind])}"
        )
    given = without_bad_rows(given, name, options.skip_bad_rows)
    if name in state.document["tables"].values():
        raise InputError(f"{name}: it is what the state names already; nothing to take in")
    known: dict[str, int] = {}

    def orientations(blobs: Iterable[str]) -> dict[str, int]:
        known.update(orientations_of(images, [blob for blob in blobs if blob not in known]))
        return {blob: known[blob] for blob in blobs}

    def change(now: State) -> Change:
        members = settled(labels, now, name) if in_container else {}
        taken = (
            take_reservations(labels, now, given, name)
            if kind == "tagging"
            else take_labels(
                labels,
                now,
                given,
                config,
                replace=options.replace,
                boxes_are=options.boxes_are,
                orientations=orientations,
            )
        )
        return Change(taken.tables, members, note=taken)

    state, work = labels.commit(change, what=f"taking in {name}")
    for line in notes:
        print(f"{name}: {line}")
    return report(name, kind, given, work, state)


def is_data_set(given: str) -> bool:
    """Is it a data set of another tool, and no table?"""
    path = Path(given)
    return path.is_dir() or path.is_file() and path.suffix.lower() == ".json"


def upright_sizes(labels: LabelStore, state: State) -> dict[str, tuple[int, int]]:
    """{blob name: (height, width)} of every image that the project knows; 0 where not known."""
    sizes: dict[str, tuple[int, int]] = {}
    for name in ("tagged", "tagging", "totag", "images"):
        frame = labels.table(state, name).drop_duplicates(["folder", "filename"])
        pairs = zip(frame["height"], frame["width"], strict=True)
        sizes |= dict(zip(tables.blob_names(frame), pairs, strict=True))
    return sizes


def without_bad_rows(given: Rows, name: str, skip: bool) -> Rows:
    """The rows of images all of whose rows can be read. Raises InputError when some cannot and
    `skip` was not asked for, or none is left.
    """
    if given.bad and not skip:
        more = f", and {len(given.bad) - 1} {given.word}s more" if len(given.bad) > 1 else ""
        of_rows = "the images of such rows" if given.word == "row" else "such images"
        raise InputError(
            f"{name}: {given.bad[0]}{more}; correct it, or leave out {of_rows} with --skip-bad-rows"
        )
    kept = given.of_images_without_bad_rows()
    if not len(kept.frame):
        raise InputError(
            f"{name}: there are no {kept.word}s in it" + (" that can be read" * bool(kept.bad))
        )
    return kept


def report(name: str, kind: str, given: Rows, work: Taken, state: State) -> int:
    """Print what a person must know, the closing line last; 1 when nothing useful was done."""
    bad = [f"{row}; its image is left out" for row in given.bad]
    for lines, what in (
        (bad, f"{given.word}s that cannot be read"),
        (work.faults, "images that were left out"),
    ):
        for line in lines[:_SHOWN]:
            print(f"{name}: {line}")
        if len(lines) > _SHOWN:
            print(f"{name}: and {len(lines) - _SHOWN} more {what}")
    if work.conflicts:
        print(
            f"{len(work.conflicts)} images are labelled otherwise already"
            f" ({few(sorted(work.conflicts))}); the file's rows are set aside in"
            f" {state.blob('conflicts')} (--replace takes them all the same)"
        )
    for line in work.notes:
        print(line)
    left_out = len(work.faults) + len({row.image or row.number for row in given.bad})
    print(
        f"{len(work.images)} images, {work.boxes} boxes, {work.unchanged} known before,"
        f" {left_out} left out → {state.blob(kind) or 'nothing'}"
    )
    return 0 if work.images or work.unchanged or work.conflicts else 1


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


if __name__ == "__main__":
    run_program(main)
