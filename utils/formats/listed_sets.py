"""Labelled data sets of other tools as rows of tagged, for a project that knows its images: COCO,
YOLO, Pascal VOC, labelme.

None of these says of every image whether a person has looked at it. Those that do say so
(labelImg's `verified`, labelme's flag `reviewed`, X-AnyLabeling's `checked`) are taken as reviewed;
the others only when the user says that listed means reviewed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from utils.errors import InputError
from utils.files import path_parts
from utils.formats.annotated_sources import form_of
from utils.formats.names import Names
from utils.formats.pictures import Picture
from utils.labels import tables
from utils.labels.csv_rows import BadRow, Rows
from utils.reserved import NULL

LISTED = "--listed-means-reviewed"
_FURTHEST = 1.5  # as in csv_rows
_IMAGE = "image"


@dataclass(frozen=True)
class Listed:
    """A data set: its rows, and what a person should know of it."""

    rows: Rows
    notes: list[str]


def read_listed(
    path: Path,
    sizes: Mapping[str, tuple[int, int]],
    *,
    all_reviewed: bool,
    boxes_are: str | None = None,
) -> Listed:
    """The images of a data set that somebody has reviewed. sizes: (height, width) of the upright
    picture of each image of the project, by blob name. all_reviewed: the user says that all are
    that it lists. boxes_are: as in imported_images.upright.

    Raises InputError when it is no such set, or says of no image that it was reviewed.
    """
    problems: list[str] = []
    form, read = form_of(path)
    pictures = list(read(path, problems))
    chosen = [picture for picture in pictures if all_reviewed or picture.reviewed]
    if pictures and not chosen:
        raise InputError(
            f"{path}: {form} does not say of any of its {len(pictures)} images that somebody has"
            " looked at it, and one without boxes may be empty or never opened; when somebody has"
            f" looked at every image that it lists, say {LISTED}"
        )
    notes = []
    if left := len(pictures) - len(chosen):
        notes.append(
            f"{left} of {len(pictures)} images are not marked as reviewed: left out ({LISTED} takes"
            " them)"
        )
    return Listed(_rows(chosen, problems, sizes, boxes_are), notes)


def _rows(
    pictures: Iterable[Picture],
    problems: Iterable[str],
    sizes: Mapping[str, tuple[int, int]],
    boxes_are: str | None,
) -> Rows:
    names = _Project(sizes)
    columns: dict[str, list] = {column: [] for column in tables.COLUMNS["tagged"]}
    numbers: list[int] = []
    bad = [BadRow(number, "", why, "problem") for number, why in enumerate(problems, 1)]
    first: dict[str, Picture] = {}
    for number, picture in enumerate(pictures, 1):
        blob = names.find(picture)
        _fit(picture, sizes.get(blob), boxes_are)
        fault = _fault(picture)
        if blob in first:
            also = first[blob].name
            fault = "it is listed twice" + ("" if also == picture.name else f", also as {also}")
        first.setdefault(blob, picture)
        if fault:
            bad.append(BadRow(number, blob, fault, _IMAGE))
            continue
        for row in _rows_of(picture, blob):
            numbers.append(number)
            for column, value in row.items():
                columns[column].append(value)
    columns["class_"] = columns.pop("class")
    frame = tables.make("tagged", **columns)
    return Rows(frame, np.array(numbers, np.int64), bad, tables.COLUMNS["tagged"], _IMAGE)


class _Project:
    """The images of a project, found by the names of a data set."""

    def __init__(self, blobs: Iterable[str]):
        self._names = Names(blobs)
        self._blobs = list(blobs)
        self._stems: Names | None = None
        self._of_stem: dict[str, list[str]] = {}

    def find(self, picture: Picture) -> str:
        """The blob name of the image; the picture's own name where it is none, or nobody can
        tell.
        """
        found = self._by_stem(picture.name) if picture.stem else self._names.find(picture.name)
        return found[0] if len(found) == 1 else "/".join(path_parts(picture.name)) or picture.name

    def _by_stem(self, stem: str) -> list[str]:
        if self._stems is None:
            for blob in self._blobs:
                without = PurePosixPath(blob).with_suffix("").as_posix()
                self._of_stem.setdefault(without, []).append(blob)
            self._stems = Names(self._of_stem)
        return [blob for name in self._stems.find(stem) for blob in self._of_stem[name]]


def _fit(picture: Picture, size: tuple[int, int] | None, boxes_are: str | None) -> None:
    """The size of a picture as a person has said it is meant: Label Studio's COCO has the size of
    the stored picture beside boxes of the upright one.
    """
    if boxes_are == "upright" and size and (picture.width, picture.height) == size:
        picture.height, picture.width = size


def _fault(picture: Picture) -> str:
    """Why the picture cannot be used; "" when it can."""
    if picture.fault:
        return picture.fault
    if not picture.fractions and picture.boxes and not (picture.width and picture.height):
        return "the set does not say the size of the picture, of which its boxes are pixels"
    shares = [side for _, *sides in _shares(picture) for side in sides]
    if {label.strip() for label, *_ in picture.boxes} & {NULL, ""}:
        return f"a box is of the class {NULL}, or of none"
    if not np.isfinite(shares).all():
        return "a box has a coordinate that is no number"
    if shares and max(map(abs, shares)) > _FURTHEST:
        return "a box lies far outside the picture"
    return ""


def _shares(picture: Picture) -> list[tuple[str, float, float, float, float]]:
    """(class, xmin, ymin, xmax, ymax) as fractions."""
    if picture.fractions:
        return picture.boxes
    width, height = picture.width, picture.height
    return [
        (label, xmin / width, ymin / height, xmax / width, ymax / height)
        for label, xmin, ymin, xmax, ymax in picture.boxes
    ]


def _rows_of(picture: Picture, blob: str) -> list[dict]:
    folder, filename = tables.split_name(blob)
    size = {"height": round(picture.height), "width": round(picture.width)}
    boxes = _shares(picture) or [(NULL, 0.0, 0.0, 0.0, 0.0)]
    return [
        {
            "filename": filename,
            "folder": folder,
            "class": label,
            "xmin": xmin,
            "xmax": xmax,
            "ymin": ymin,
            "ymax": ymax,
            **size,
        }
        for label, xmin, ymin, xmax, ymax in boxes
    ]
