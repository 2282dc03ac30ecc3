"""Labels that were made elsewhere taken in: found, read, committed, and what came of it told.

What its rows mean is decided in importing.py.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.config import Config
from utils.errors import InputError
from utils.formats.listed_sets import read_listed
from utils.labels import tables
from utils.labels.csv_rows import Rows, read_rows
from utils.labels.importing import Taken, take_labels, take_reservations
from utils.labels.orientations import orientations_of
from utils.labels.state import Change, State
from utils.labels.store import LabelStore
from utils.labels.takeover import foreign_blobs
from utils.storage.container import Container, Missing
from utils.wording import few

_SHOWN = 20


@dataclass(frozen=True)
class _Source:
    """What was found: its name, the table that its rows are of, whether it lies in the label
    container, its rows, and what there is to say about them.
    """

    name: str
    kind: str
    in_container: bool
    rows: Rows
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Request:
    """What was asked for: a file or data set here or the name of a CSV in the label container, and
    the options of import_labels.py.
    """

    file: str
    replace: bool = False
    listed_means_reviewed: bool = False
    skip_bad_rows: bool = False
    boxes_are: str | None = None


def take_in(
    images: Container, store: LabelStore, config: Config, request: Request
) -> tuple[bool, list[str]]:
    """Take a file in; whether it was of use, and lines for people, the closing line last.

    Raises InputError when there is no such file, or when it cannot be taken in as it is.
    """
    state = store.read_project(report_foreign=False)
    source = _read(store, state, request)
    name, given = source.name, _without_bad_rows(source, request.skip_bad_rows)
    if name in state.document["tables"].values():
        raise InputError(f"{name}: it is what the state names already; nothing to take in")
    known: dict[str, int] = {}

    def orientations(blobs: Iterable[str]) -> dict[str, int]:
        """Looked at once, however often the commit begins again."""
        known.update(orientations_of(images, [blob for blob in blobs if blob not in known]))
        return {blob: known[blob] for blob in blobs}

    def change(now: State) -> Change:
        members = _settled(store, now, name) if source.in_container else {}
        if source.kind == "tagging":
            taken = take_reservations(store, now, given, name)
        else:
            taken = take_labels(
                store,
                now,
                given,
                config,
                replace=request.replace,
                boxes_are=request.boxes_are,
                orientations=orientations,
            )
        return Change(taken.tables, members, note=taken)

    state, taken = store.commit(change, what=f"taking in {name}")
    useful = bool(taken.images or taken.unchanged or taken.conflicts)
    return useful, _lines(source, given, taken, state)


def _read(store: LabelStore, state: State, request: Request) -> _Source:
    """What was asked for, with its rows. Raises InputError for predictions."""
    if _is_data_set(request.file):
        found = read_listed(
            Path(request.file),
            _upright_sizes(store, state),
            all_reviewed=request.listed_means_reviewed,
            boxes_are=request.boxes_are,
        )
        source = _Source(request.file, "tagged", False, found.rows, found.notes)
    else:
        name, content, in_container = _find(store, request.file)
        rows = read_rows("tagged", content, name)
        if _are_reservations(rows.columns, Path(name).name):
            rows = read_rows("tagging", content, name)
            source = _Source(name, "tagging", in_container, rows)
        else:
            source = _Source(name, "tagged", in_container, rows)

    if source.kind == "tagged" and "box_confidence" in source.rows.columns:
        raise InputError(
            f"{source.name}: it has the column box_confidence, so its boxes are predictions that"
            f" nobody has looked at; labels have {','.join(tables.COLUMNS['tagged'])}"
        )
    return source


def _are_reservations(columns: Collection[str], filename: str) -> bool:
    """Does a CSV of these columns say what is handed out? One of labels does not, whatever it is
    called; that of the earlier generation has predictions, and only its name says what for.
    """
    named_so = filename.startswith("tagging_") and "box_confidence" in columns
    return "reserved_at" in columns or named_so


def _is_data_set(given: str) -> bool:
    """Is it a data set of another tool, and no table?"""
    path = Path(given)
    return path.is_dir() or path.is_file() and path.suffix.lower() == ".json"


def _upright_sizes(store: LabelStore, state: State) -> dict[str, tuple[int, int]]:
    """{blob name: (height, width)} of every image that the project knows; 0 where not known."""
    sizes: dict[str, tuple[int, int]] = {}
    for name in ("tagged", "tagging", "totag", "images"):
        frame = store.table(state, name).drop_duplicates(["folder", "filename"])
        pairs = zip(frame["height"], frame["width"], strict=True)
        sizes |= dict(zip(tables.blob_names(frame), pairs, strict=True))
    return sizes


def _find(store: LabelStore, given: str) -> tuple[str, Path | bytes, bool]:
    """(name, source, is it in the container) of the file that the user names. Raises InputError
    when there is none.
    """
    lies_there = store.container.path_of(Path(given).name)
    if lies_there and lies_there.is_file() and Path(given).is_file() and lies_there.samefile(given):
        return lies_there.name, lies_there, True
    if Path(given).is_file():
        return given, Path(given), False
    try:
        return given, store.container.read(given)[0], True
    except (Missing, InputError):
        raise InputError(
            f"{given}: neither a file here nor one in {store.container.address}"
        ) from None


def _without_bad_rows(source: _Source, skip: bool) -> Rows:
    """The rows of images all of whose rows can be read. Raises InputError when some cannot and
    `skip` was not asked for, or none is left.
    """
    name, given = source.name, source.rows
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


def _settled(store: LabelStore, state: State, name: str) -> dict:
    """The member of the state that says which other tools' files are dealt with, with this one
    among them.
    """
    foreign = foreign_blobs(store.container, state.document)
    return {
        "foreign": {
            **foreign,
            "blobs": [blob for blob in foreign["blobs"] if blob != name],
            "settled": sorted({*foreign["settled"], name}),
        }
    }


def _lines(source: _Source, given: Rows, taken: Taken, state: State) -> list[str]:
    """What a person must know, the closing line last."""
    name = source.name
    lines = [f"{name}: {line}" for line in source.notes]
    bad = [f"{row}; its image is left out" for row in given.bad]
    for told, what in (
        (bad, f"{given.word}s that cannot be read"),
        (taken.faults, "images that were left out"),
    ):
        lines += [f"{name}: {line}" for line in told[:_SHOWN]]
        if len(told) > _SHOWN:
            lines.append(f"{name}: and {len(told) - _SHOWN} more {what}")

    if taken.conflicts:
        lines.append(
            f"{len(taken.conflicts)} images are labelled otherwise already"
            f" ({few(sorted(taken.conflicts))}); the file's rows are set aside in"
            f" {state.blob('conflicts')} (--replace takes them all the same)"
        )
    lines += taken.notes

    left_out = len(taken.faults) + len({row.image or row.number for row in given.bad})
    lines.append(
        f"{len(taken.images)} images, {taken.boxes} boxes, {taken.unchanged} known before,"
        f" {left_out} left out → {state.blob(source.kind) or 'nothing'}"
    )
    return lines
