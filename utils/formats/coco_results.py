"""COCO's results: a JSON list of boxes, and the file that says which image and class each is of.

A result is {image_id, category_id, bbox: x, y, width, height in pixels, score} (cocodataset.org,
results format). Names and sizes of the images, and the names of the classes, stand in the file of
the images that were predicted (`instances_….json`). An image of it without a result is one in which
the detector found nothing.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from utils.errors import InputError
from utils.formats.coco import pixels, read_json
from utils.formats.pictures import Picture
from utils.formats.predictions import Predicted, shares


def recognises(document: object) -> bool:
    """Is it a list of results?"""
    return isinstance(document, list) and any(
        isinstance(entry, dict) and {"image_id", "category_id"} <= entry.keys()
        for entry in document[:9]
    )


def read(document: list, where: str, images: Path) -> Iterator[Predicted]:
    """What the results say of each image of the file `images`. Raises InputError when that cannot
    be told.
    """
    pictures, names = _listed(images)
    found = {identity: Predicted(picture.name) for identity, picture in pictures.items()}
    strangers: dict[object, Predicted] = {}
    for place, result in enumerate(document, 1):
        if not isinstance(result, dict):
            raise InputError(f"{where}: result {place} is not as COCO writes it")
        identity = _key(result.get("image_id"))
        if identity not in found:
            unknown = f"image_id {identity}"
            fault = f"it is no image of {images}"
            strangers.setdefault(identity, Predicted(unknown, fault=fault))
            continue
        _add(found[identity], result, pictures[identity], names)
    yield from found.values()
    yield from strangers.values()


def _listed(path: Path) -> tuple[dict[object, Picture], dict[object, str]]:
    """({image id: image}, {category id: class}) of the images' file."""
    document = read_json(path)
    entries, categories = document.get("images"), document.get("categories")
    if not isinstance(entries, list) or not isinstance(categories, list):
        raise InputError(
            f"{path}: not the file of the images; expected COCO's images and categories, such as"
            " instances_val.json"
        )
    try:
        pictures = {}
        for entry in entries:
            size = {side: pixels(entry.get(side)) for side in ("width", "height")}
            pictures[_key(entry["id"])] = Picture(str(entry["file_name"]), **size)
        names = {_key(entry["id"]): " ".join(str(entry["name"]).split()) for entry in categories}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not as COCO writes it ({type(error).__name__}: {error})"
        ) from None
    return pictures, names


def _add(found: Predicted, result: Mapping, picture: Picture, names: Mapping) -> None:
    label = names.get(_key(result.get("category_id")))
    box = result.get("bbox")
    if label is None:
        found.fault = f"a box is of category_id {result.get('category_id')}, which is not listed"
    elif not (picture.width and picture.height):
        found.fault = "the file of the images does not say its size, of which boxes are pixels"
    elif not isinstance(box, list) or len(box) != 4:
        found.fault = f"a box of {label} is not x, y, width, height"
    else:
        try:
            sides = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
        except TypeError:
            sides = [None] * 4
        found.add(label, shares(picture, sides), result.get("score"))


def _key(identity: object) -> object:
    """An id that can be looked up."""
    return identity if isinstance(identity, (str, int)) else str(identity)
