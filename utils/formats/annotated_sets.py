"""Labelled data sets as people have them – our tagged CSV, COCO's JSON, a Pascal VOC folder – as
one table of boxes and one of images.

Boxes are taken for those of the upright picture (EXIF orientation applied), which is what
annotation tools show.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from utils.errors import InputError
from utils.files import refused
from utils.formats.annotated_sources import form_of
from utils.formats.image_names import Ambiguous, ImageNames
from utils.formats.pictures import CORNERS, Picture
from utils.images.decoding import BadImage, Header, read_header
from utils.labels import tables
from utils.reserved import AVERAGE, NULL


@dataclass(frozen=True)
class AnnotatedSet:
    """`boxes`: rows of tagged, clipped to the image, sorted by image, a NULL row for an image
    without any; `images`: the table images.

    files: where each image (blob name) lies. bad: one line for each item that could not be used.
    """

    boxes: pd.DataFrame
    images: pd.DataFrame
    files: dict[str, Path]
    bad: list[str]

    @property
    def classes(self) -> list[str]:
        """The names that occur, sorted."""
        return sorted(set(self.boxes["class"]) - {NULL})


def read_annotated(labels: Path, images: Path | None = None) -> AnnotatedSet:
    """Read a labelled data set; `images` is the folder of the pictures (default: beside a CSV or
    JSON; a VOC folder's JPEGImages).

    Raises InputError when the labels cannot be read, or when none of their images can.
    """
    bad: list[str] = []
    _, read = form_of(labels)
    jpegs = labels / "JPEGImages"
    beside = labels if labels.is_dir() else labels.parent
    folder = images or (jpegs if jpegs.is_dir() else beside)
    pictures = read(labels, bad)
    return _as_tables(labels, ImageNames(folder), pictures, bad)


def _as_tables(
    labels: Path, names: ImageNames, pictures: Iterator[Picture], bad: list[str]
) -> AnnotatedSet:
    pictures = list(pictures)
    if any(box[0] == AVERAGE for picture in pictures for box in picture.boxes):
        raise InputError(
            f"{labels}: a class is called {AVERAGE}, which is the name of all classes together;"
            " rename it"
        )
    found: dict[str, list[Picture]] = {}
    for picture in pictures:
        try:
            blob = names.find(picture.name, picture.stem)
        except Ambiguous as error:
            bad.append(f"{picture.name}: {error}")
            continue
        if blob is None:
            bad.append(f"{picture.name}: there is no such image below {names.folder}")
        else:
            found.setdefault(blob, []).append(picture)

    boxes: dict[str, list] = {column: [] for column in tables.COLUMNS["tagged"]}
    images: dict[str, list] = {}
    files: dict[str, Path] = {}
    for blob, same in sorted(found.items()):
        file = names.folder / blob
        try:
            header = read_header(file)
            rows = _rows(blob, header, same)
        except (BadImage, _Unusable) as error:
            bad.append(f"{same[0].name}: {error}")
            continue
        files[blob] = file
        folder, filename = tables.split_name(blob)
        details = file.stat()
        for column, value in {
            "filename": filename,
            "folder": folder,
            "height": header.height,
            "width": header.width,
            "bytes": details.st_size,
            "etag": f"{details.st_size}-{details.st_mtime_ns}",
            "taken_at": header.taken_at,
        }.items():
            images.setdefault(column, []).append(value)
        for row in rows:
            for column, value in row.items():
                boxes[column].append(value)
    if not files:
        raise InputError(
            f"{labels}: none of its {len(bad)} images can be read"
            f" ({bad[0] if bad else 'it lists none'}); name the folder of the images with --images"
        )
    boxes["class_"] = boxes.pop("class")
    return AnnotatedSet(tables.make("tagged", **boxes), tables.make("images", **images), files, bad)


class _Unusable(ValueError):
    """Why the labels of an image cannot be used."""


def _rows(blob: str, header: Header, same: list[Picture]) -> list[dict]:
    """The rows of tagged for an image, of the one entry for it; a NULL row without boxes."""
    picture = same[0]
    reason = refused(blob) or picture.fault
    if len(same) > 1:
        reason = "the image is listed twice" + (
            "" if same[1].name == picture.name else f", also as {same[1].name}"
        )
    if reason:
        raise _Unusable(reason)
    folder, filename = tables.split_name(blob)
    size = {"height": header.height, "width": header.width}
    row = {"filename": filename, "folder": folder, **size}
    corners = np.array([box[1:] for box in picture.boxes], np.float64).reshape(-1, 4)
    if not np.isfinite(corners).all():
        raise _Unusable("a box with a coordinate that is no number")
    unit = np.ones(4) if picture.fractions else np.array([header.width, header.height] * 2)
    shares = np.clip(corners / unit, 0, 1)
    for box, given, share in zip(picture.boxes, corners.tolist(), shares.tolist(), strict=True):
        if not (share[0] < share[2] and share[1] < share[3]):
            sides = ", ".join(f"{value:g}" for value in given)
            raise _Unusable(
                f"a box of {box[0]} has no area inside the picture of {header.width} x"
                f" {header.height} pixels (xmin, ymin, xmax, ymax: {sides})"
            )
    labelled = zip([box[0] for box in picture.boxes], shares.tolist(), strict=True)
    return [
        {**row, "class": name, **dict(zip(CORNERS, share, strict=True))}
        for name, share in (list(labelled) or [(NULL, [0.0] * 4)])
    ]
