"""labelme, and X-AnyLabeling, which reads and writes the same JSON: one file beside each image.

Written: rectangles of two points (labelme refuses four), the model's score as key and as
description, the flag `reviewed` that labelme shows as a tick box, for images without boxes too.
Read: as labelme 5 to 7 and X-AnyLabeling 4 save it. Points are pixels of the picture as the tool
showed it. Reviewed is an image whose flag `reviewed` is ticked, which is "checked"
(X-AnyLabeling), or whose boxes are no longer those that were handed out.
"""

import json
from collections.abc import Mapping
from pathlib import PurePath, PurePosixPath

from utils.formats.pictures import Picture
from utils.formats.returned import BadFile, File, Reading
from utils.formats.sheets import (
    Box,
    Fault,
    HandedOut,
    Review,
    Sheet,
    checked_tag,
    fractions,
    known_score,
    no_area,
    plain_tags,
    same_boxes,
)

NAME = "labelme"
VERSION = "active-learning-detect 1"  # the tool puts its own there when it saves
UNIQUE_STEMS = True  # a.jpg and a.png would share one file
REVIEWED = "reviewed"
MARK = "tick the flag reviewed on them (X-AnyLabeling: mark them as checked)"
AWAITED = ""  # its files are there from the beginning
_CORNERS = (2, 4)  # points of a rectangle: labelme's, X-AnyLabeling's


tag_names = plain_tags  # {label: class}


def how(batch: HandedOut) -> str:
    """What to do with the batch, in a line for people."""
    labels = batch.place / f"{batch.folders[0]}.labels.txt"
    return (
        f'labelme --labels "{labels}" --validate-label exact "{batch.place / batch.folders[0]}"'
        " (or open the folder in X-AnyLabeling); tick the flag reviewed (there: mark as checked)"
        " on every image that you have looked at"
    )


def answers(batch: HandedOut) -> dict[str, list[str]]:
    """{file below the place of the batch in which an answer comes back: images it is about}."""
    return {_file_of(key): [key] for key in batch.images}


def write(batch: HandedOut) -> dict[str, bytes]:
    """{path below the place of the batch: content} of all that the tool is given."""
    files = {
        f"{folder}.labels.txt": "".join(f"{tag}\n" for tag in batch.tags).encode()
        for folder in batch.folders
    }
    for key, sheet in batch.images.items():
        text = json.dumps(document(sheet), ensure_ascii=False, indent=2)
        files[_file_of(key)] = text.encode()
    return files


def recognises(file: File) -> bool:
    """Is it such a file?"""
    return isinstance(file.json, dict) and "shapes" in file.json and "imagePath" in file.json


def read(file: File, batch: HandedOut) -> Reading:
    """What the file says of its image. Raises BadFile when that cannot be told."""
    if not recognises(file):
        raise BadFile("it is not JSON as labelme writes it (imagePath, shapes)")
    document, reading = file.json, Reading()
    name = document["imagePath"]
    if not isinstance(name, str):
        raise BadFile("its imagePath is no text")
    key = batch.find(f"{file.folder}/{_last_part(name)}" if file.folder else name, file.folder)
    if key is None:
        reading.strangers.append(name)
        if document["shapes"]:
            reading.drawn.add(name)
        return reading
    try:
        review = _review(document, batch.images[key])
    except Fault as fault:
        review = Review(fault=str(fault))
    reading.add(key, review)
    return reading


def document(sheet: Sheet, reviewed: bool = False) -> dict:
    """The file of an image, with the flag `reviewed`."""
    return {
        "version": VERSION,
        "flags": {REVIEWED: reviewed},
        "shapes": [_shape(box, sheet) for box in sheet.boxes],
        "imagePath": sheet.name,
        "imageData": None,
        "imageHeight": sheet.height,
        "imageWidth": sheet.width,
    }


def _shape(box: Box, sheet: Sheet) -> dict:
    xmin, xmax, ymin, ymax = box.sides
    x1, x2 = round(xmin * sheet.width, 2), round(xmax * sheet.width, 2)
    y1, y2 = round(ymin * sheet.height, 2), round(ymax * sheet.height, 2)
    scored = box.score is not None
    return {
        "label": box.tag,
        "points": [[x1, y1], [x2, y2]],
        "group_id": None,
        "description": f"{box.score:.2f}" if scored else "",
        "shape_type": "rectangle",
        "flags": {},
        "mask": None,
        **({"score": round(box.score, 6), "source": "model"} if scored else {}),
    }


def _review(document: Mapping, sheet: Sheet) -> Review:
    """What a file says of its image. Raises Fault."""
    shapes = document["shapes"]
    if not isinstance(shapes, list):
        raise Fault("its shapes are not a list")
    size = _size(document)
    boxes, notes = [], []
    for place, shape in enumerate(shapes, 1):
        tag, sides = _rectangle(shape, place, size or (sheet.width, sheet.height))
        if sides is None:
            notes.append(no_area(place, tag))
        else:
            boxes.append(Box(tag, *sides, known_score(shape.get("score"))))
    found = {
        "boxes": tuple(boxes),
        "notes": tuple(notes),
        "views": frozenset({size} if size else ()),
    }
    checked, flags = document.get("checked"), document.get("flags")
    if checked == "failed":
        return Review(why="marked as failed in X-AnyLabeling", **found)
    ticked = isinstance(flags, dict) and flags.get(REVIEWED) is True
    return Review(ticked or checked is True or _changed(sheet, boxes, notes), **found)


def _changed(sheet: Sheet, boxes: list[Box], notes: list[str]) -> bool:
    """Are these other boxes than those that were handed out?"""
    if sheet.boxes is None:
        return False
    return bool(notes) or not same_boxes(boxes, sheet.boxes, sheet.width, sheet.height)


def _rectangle(
    shape: object, place: int, size: tuple[float, float]
) -> tuple[str, tuple[float, float, float, float] | None]:
    """(label, xmin, xmax, ymin, ymax or None without area) of a shape. Raises Fault."""
    if not isinstance(shape, dict):
        raise Fault(f"shape {place} is not as labelme writes it")
    tag = checked_tag(shape.get("label"), place)
    kind, points = shape.get("shape_type", "rectangle"), shape.get("points")
    if kind != "rectangle":
        raise Fault(
            f"shape {place} ({tag}) is of the kind {json.dumps(kind)[:40]}, and only rectangles are"
            " boxes; draw a rectangle instead"
        )
    if not isinstance(points, list) or len(points) not in _CORNERS:
        raise Fault(f"shape {place} ({tag}) does not have the two or four corners of a rectangle")
    try:
        xs, ys = zip(*((float(x), float(y)) for x, y in points), strict=True)
        return tag, fractions(xs, ys, *size)
    except (TypeError, ValueError, OverflowError):
        raise Fault(f"shape {place} ({tag}) has no usable coordinates") from None


def _size(document: Mapping) -> tuple[float, float] | None:
    """(width, height) of the picture that the tool showed; None where the file does not say it."""
    try:
        size = float(document["imageWidth"]), float(document["imageHeight"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return size if min(size) > 0 and max(size) < float("inf") else None


def _file_of(key: str) -> str:
    return PurePosixPath(key).with_suffix(".json").as_posix()


def _last_part(name: str) -> str:
    return PurePath(name.replace("\\", "/")).name


def picture(file: File, folder: str) -> Picture:
    """What a file of a data set says of its image; `folder`: where it lies in the set. Raises
    BadFile.
    """
    document = file.json
    name = document["imagePath"]
    if not isinstance(name, str):
        raise BadFile("its imagePath is no text")
    width, height = _size(document) or (0, 0)
    found = Picture((PurePosixPath(folder) / _last_part(name)).as_posix())
    found.width, found.height = width, height
    if not width:
        found.fault = "its file does not say the size of the picture"
        return found
    try:
        review = _review(document, Sheet(found.name, round(width), round(height), None))
    except Fault as fault:
        found.fault = str(fault)
        return found
    if review.notes:
        found.fault = review.notes[0].removesuffix(" and was left out")
    for box in review.boxes:
        xmin, xmax, ymin, ymax = box.sides
        corners = (xmin * width, ymin * height, xmax * width, ymax * height)
        found.boxes.append((box.tag, *corners))
    flags = document.get("flags")
    unticked = isinstance(flags, dict) and flags.get(REVIEWED) is False
    if document.get("checked") == "failed":
        found.fault = review.why
    found.reviewed = True if review.reviewed else False if unticked else None
    return found
