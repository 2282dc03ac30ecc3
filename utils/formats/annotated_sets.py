"""Labelled data sets as people have them – our tagged CSV, COCO's JSON, a Pascal VOC folder – as
one table of boxes and one of images.

COCO: "bbox" is x, y, width, height in pixels from the left upper corner of the picture
(cocodataset.org, data format); boxes of crowds are left out. VOC: pixels count from 1, and xmax,
ymax are the last ones inside (VOCdevkit), so the box of pixels is xmin - 1 … xmax. Boxes are taken
for those of the upright picture (EXIF orientation applied), which is what annotation tools show.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from utils.errors import InputError
from utils.files import refused
from utils.images.decoding import BadImage, read_header
from utils.labels import tables
from utils.reserved import AVERAGE, NULL

WANTED = (
    "expected a tagged CSV (filename,class,xmin,xmax,ymin,ymax,height,width[,folder]), a COCO"
    " .json, or a Pascal VOC folder"
)
_CORNERS = ["xmin", "ymin", "xmax", "ymax"]


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


@dataclass(frozen=True)
class _Picture:
    """One image of a data set: its blob name, its file, and (class, xmin, ymin, xmax, ymax) each,
    in pixels unless `fractions`.
    """

    blob: str
    file: Path
    boxes: list[tuple[str, float, float, float, float]]
    fractions: bool = False


def read_annotated(labels: Path, images: Path | None = None) -> AnnotatedSet:
    """Read a labelled data set; `images` is the folder of the pictures (default: beside a CSV or
    JSON; a VOC folder's JPEGImages).

    Raises InputError when the labels cannot be read, or when none of their images can.
    """
    bad: list[str] = []
    if labels.is_dir():
        pictures = _from_voc(labels, images, bad)
    elif labels.suffix.lower() == ".json":
        pictures = _from_coco(labels, images or labels.parent, bad)
    elif labels.suffix.lower() == ".csv":
        pictures = _from_csv(labels, images or labels.parent)
    else:
        raise InputError(
            f"{labels}: no labels"
            f" ({'no such file' if not labels.exists() else 'unknown kind of file'}); {WANTED}"
        )
    return _as_tables(labels, pictures, bad)


def _from_csv(labels: Path, folder: Path) -> Iterator[_Picture]:
    if not labels.is_file():
        raise InputError(f"{labels}: no such file; {WANTED}")
    frame = tables.parse("tagged", labels)
    for blob, rows in frame.groupby(tables.blob_names(frame).to_numpy()):
        rows = rows[(rows["class"] != NULL).to_numpy()]
        boxes = list(
            zip(rows["class"], *(rows[corner].tolist() for corner in _CORNERS), strict=True)
        )
        yield _Picture(blob, folder / blob, boxes, fractions=True)


def _from_coco(labels: Path, folder: Path, bad: list[str]) -> Iterator[_Picture]:
    document = _json(labels)
    missing = [
        part
        for part in ("images", "annotations", "categories")
        if not isinstance(document.get(part), list)
    ]
    if missing:
        raise InputError(
            f"{labels}: no COCO detection labels, the list {', '.join(missing)} is missing;"
            f" {WANTED}"
        )
    try:
        names = {category["id"]: str(category["name"]) for category in document["categories"]}
        boxes: dict = {image["id"]: [] for image in document["images"]}
        for place, annotation in enumerate(document["annotations"]):
            if annotation.get("iscrowd"):
                continue
            image, category, box = (
                annotation["image_id"],
                annotation["category_id"],
                annotation.get("bbox"),
            )
            if (
                image not in boxes
                or category not in names
                or not isinstance(box, list)
                or len(box) != 4
            ):
                bad.append(
                    f"annotation {annotation.get('id', place)}: no image, category or box that"
                    " belongs to it"
                )
                continue
            x, y, width, height = map(float, box)
            boxes[image].append((names[category], x, y, x + width, y + height))
        for image in document["images"]:
            name = image["file_name"]
            yield _Picture(name, folder / name, boxes[image["id"]])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{labels}: not as COCO writes it ({type(error).__name__}: {error}); {WANTED}"
        ) from None


def _from_voc(labels: Path, images: Path | None, bad: list[str]) -> Iterator[_Picture]:
    annotations = labels / "Annotations" if (labels / "Annotations").is_dir() else labels
    folder = images or (labels / "JPEGImages" if (labels / "JPEGImages").is_dir() else labels)
    files = sorted(annotations.rglob("*.xml"))
    if not files:
        raise InputError(f"{labels}: no .xml file in this folder or its Annotations; {WANTED}")
    for file in files:
        try:
            root = ElementTree.parse(file).getroot()
            boxes = [_voc_box(thing) for thing in root.iter("object")]
        except (ElementTree.ParseError, ValueError, OSError) as error:
            bad.append(f"{file.relative_to(labels).as_posix()}: {error}")
            continue
        below = file.parent.relative_to(annotations)
        name = Path(root.findtext("filename") or "").name or f"{file.stem}.jpg"
        blob = (below / name).as_posix()
        yield _Picture(blob, folder / blob, boxes)


def _voc_box(thing: ElementTree.Element) -> tuple[str, float, float, float, float]:
    texts = [thing.findtext("name"), *(thing.findtext(f"bndbox/{corner}") for corner in _CORNERS)]
    if not all(texts):
        raise ValueError("an object without name or bndbox")
    xmin, ymin, xmax, ymax = map(float, texts[1:])
    return texts[0], xmin - 1, ymin - 1, xmax, ymax


def _as_tables(labels: Path, pictures: Iterator[_Picture], bad: list[str]) -> AnnotatedSet:
    boxes: dict[str, list] = {column: [] for column in tables.COLUMNS["tagged"]}
    images: dict[str, list] = {column: [] for column in tables.COLUMNS["images"]}
    files: dict[str, Path] = {}
    pictures = list(pictures)
    if any(box[0] == AVERAGE for picture in pictures for box in picture.boxes):
        raise InputError(
            f"{labels}: a class is called {AVERAGE}, which is the name of all classes together;"
            " rename it"
        )
    for picture in sorted(pictures, key=lambda picture: picture.blob):
        reason = refused(picture.blob) or (
            "the image is listed twice" if picture.blob in files else None
        )
        try:
            header = None if reason else read_header(picture.file)
        except BadImage as error:
            reason = str(error)
        corners = np.array([box[1:] for box in picture.boxes], np.float64).reshape(-1, 4)
        if reason or not np.isfinite(corners).all():
            bad.append(f"{picture.blob}: {reason or 'a box with a coordinate that is no number'}")
            continue
        files[picture.blob] = picture.file
        folder, filename = tables.split_name(picture.blob)
        details = picture.file.stat()
        row = {
            "filename": filename,
            "folder": folder,
            "height": header.height,
            "width": header.width,
        }
        for column, value in {
            **row,
            "bytes": details.st_size,
            "etag": f"{details.st_size}-{details.st_mtime_ns}",
            "taken_at": header.taken_at,
        }.items():
            images[column].append(value)
        unit = np.ones(4) if picture.fractions else np.array([header.width, header.height] * 2)
        shares = np.clip(corners / unit, 0, 1) if len(corners) else np.zeros((1, 4))
        for name, share in zip(
            [box[0] for box in picture.boxes] or [NULL], shares.tolist(), strict=True
        ):
            for column, value in {
                **row,
                "class": name,
                **dict(zip(_CORNERS, share, strict=True)),
            }.items():
                boxes[column].append(value)
    if not files:
        raise InputError(
            f"{labels}: none of its {len(bad)} images can be read"
            f" ({bad[0] if bad else 'it lists none'}); name the folder of the images with --images"
        )
    boxes["class_"] = boxes.pop("class")
    return AnnotatedSet(tables.make("tagged", **boxes), tables.make("images", **images), files, bad)


def _json(path: Path) -> dict:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {WANTED}") from None
    except ValueError as error:
        raise InputError(f"{path}: not readable JSON ({error}); {WANTED}") from None
    return document if isinstance(document, dict) else {}
