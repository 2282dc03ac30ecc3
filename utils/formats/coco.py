"""COCO's JSON: one file for a whole data set.

"bbox" is x, y, width, height in pixels from the left upper corner of the picture (cocodataset.org,
data format); boxes of crowds are left out. Categories are told by their names, as tools number them
otherwise. A label of a whole image (camera traps) says what is there and not where: without a box
of it the image is left out, unless the label says that nothing is there.
"""

import math
from collections.abc import Iterator
from pathlib import Path

from utils.errors import InputError
from utils.formats import returned
from utils.formats.pictures import Picture

WANTED = "expected COCO detection labels: an object with the lists images, annotations, categories"
_NOTHING = {"empty", "blank", "nothing", "none", "null"}  # whole images in which there is no object
_SIZE = ("width", "height")


def pictures(labels: Path, bad: list[str]) -> Iterator[Picture]:
    """The images of a COCO file; what belongs to none of them goes to `bad`, a line each. Raises
    InputError when it is no such file.
    """
    document = read_json(labels)
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
            picture = _picture(str(image["file_name"]), annotations[image["id"]], names)
            picture.width, picture.height = (pixels(image.get(side)) for side in _SIZE)
            yield picture
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{labels}: not as COCO writes it ({type(error).__name__}: {error}); {WANTED}"
        ) from None


def _picture(name: str, annotations: list[dict], names: dict) -> Picture:
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


def read_json(path: Path) -> dict:
    """The object in a JSON file, {} for anything else. Raises InputError."""
    try:
        document, twice = returned.read_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {WANTED}") from None
    except ValueError as error:
        raise InputError(f"{path}: not readable JSON ({error}); {WANTED}") from None
    if twice:
        raise InputError(
            f"{path}: {twice[0]!r} stands there twice in one place, and one would be lost; correct"
            " it"
        )
    return document if isinstance(document, dict) else {}


def pixels(value: object) -> float:
    """A side of a picture as files have it; 0 for anything but a number above 0."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) and value > 0 else 0.0
