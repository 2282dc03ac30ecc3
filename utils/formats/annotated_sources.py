"""What labelled data sets of other forms say of each image: our tagged CSV, COCO's JSON, a Pascal
VOC folder.

COCO: "bbox" is x, y, width, height in pixels from the left upper corner of the picture
(cocodataset.org, data format); boxes of crowds are left out. A label of a whole image (camera
traps) says what is there and not where: without a box of it the image is left out, unless the label
says that nothing is there. VOC: pixels count from 1, and xmax, ymax are the last ones inside
(VOCdevkit), so the box of pixels is xmin - 1 … xmax.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from utils.errors import InputError
from utils.files import path_parts
from utils.labels import tables
from utils.labels.csv_rows import read_rows
from utils.reserved import NULL

WANTED = (
    "expected a tagged CSV (filename,class,xmin,xmax,ymin,ymax,height,width[,folder]), a COCO"
    " .json, or a Pascal VOC folder"
)
CORNERS = ["xmin", "ymin", "xmax", "ymax"]
_NOTHING = {"empty", "blank", "nothing", "none", "null"}  # whole images in which there is no object


@dataclass
class Picture:
    """One image of a data set: its name there, and (class, xmin, ymin, xmax, ymax) each, in pixels
    unless `fractions`. With `fault` it cannot be used.
    """

    name: str
    boxes: list[tuple[str, float, float, float, float]] = field(default_factory=list)
    fractions: bool = False
    fault: str = ""


def from_csv(labels: Path, bad: list[str]) -> Iterator[Picture]:
    if not labels.is_file():
        raise InputError(f"{labels}: no such file; {WANTED}")
    rows = read_rows("tagged", labels, str(labels))
    bad += [str(row) for row in rows.bad]
    frame = rows.of_images_without_bad_rows().frame
    for blob, rows in frame.groupby(tables.blob_names(frame).to_numpy()):
        rows = rows[(rows["class"] != NULL).to_numpy()]
        boxes = list(
            zip(rows["class"], *(rows[corner].tolist() for corner in CORNERS), strict=True)
        )
        yield Picture(blob, boxes, fractions=True)


def from_coco(labels: Path, bad: list[str]) -> Iterator[Picture]:
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
        annotations: dict = {image["id"]: [] for image in document["images"]}
        for place, annotation in enumerate(document["annotations"]):
            of_image = annotations.get(annotation["image_id"])
            if of_image is None:
                bad.append(f"annotation {annotation.get('id', place)}: it belongs to no image")
            else:
                of_image.append(annotation)
        for image in document["images"]:
            yield _coco_picture(str(image["file_name"]), annotations[image["id"]], names)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{labels}: not as COCO writes it ({type(error).__name__}: {error}); {WANTED}"
        ) from None


def _coco_picture(name: str, annotations: list[dict], names: dict) -> Picture:
    """An image with its boxes. It has a fault when there is something in it and a box of it is
    missing: it is not empty.
    """
    picture = Picture(name)
    of_whole: set[str] = set()
    crowds = 0
    for annotation in annotations:
        category, box = annotation.get("category_id"), annotation.get("bbox")
        if category not in names:
            picture.fault = f"annotation {annotation.get('id')} is of no category that is listed"
        elif annotation.get("iscrowd"):
            crowds += 1
        elif not box:
            of_whole.add(names[category])
        else:
            try:
                x, y, width, height = map(float, box)
            except (TypeError, ValueError):
                picture.fault = f"annotation {annotation.get('id')} has a bbox that is no box"
            else:
                picture.boxes.append((names[category], x, y, x + width, y + height))

    seen = {box[0] for box in picture.boxes}
    nothing = {label for label in of_whole if label.strip().lower() in _NOTHING}
    without_box = sorted(of_whole - nothing - seen)
    if without_box:
        picture.fault = f"{', '.join(without_box)} is there, without a box that says where"
    elif nothing and seen:
        picture.fault = f"it is labelled {min(nothing)}, and has boxes"
    elif crowds and not seen:
        picture.fault = "it has boxes of crowds only"
    return picture


def from_voc(labels: Path, bad: list[str]) -> Iterator[Picture]:
    annotations = labels / "Annotations" if (labels / "Annotations").is_dir() else labels
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
        listed = path_parts(root.findtext("filename") or "")
        name = listed[-1] if listed else f"{file.stem}.jpg"
        yield Picture((below / name).as_posix(), boxes)


def _voc_box(thing: ElementTree.Element) -> tuple[str, float, float, float, float]:
    texts = [thing.findtext("name"), *(thing.findtext(f"bndbox/{corner}") for corner in CORNERS)]
    if not all(texts):
        raise ValueError("an object without name or bndbox")
    xmin, ymin, xmax, ymax = map(float, texts[1:])
    return texts[0], xmin - 1, ymin - 1, xmax, ymax


def _json(path: Path) -> dict:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {WANTED}") from None
    except ValueError as error:
        raise InputError(f"{path}: not readable JSON ({error}); {WANTED}") from None
    return document if isinstance(document, dict) else {}
