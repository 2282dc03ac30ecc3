"""Pascal VOC: an XML file for each image.

Corners are pixels of the upright image. VOC's own files count them from 1, and xmax, ymax are the
last ones inside (VOCdevkit), so the box of pixels is xmin - 1 … xmax. The tools that write VOC
today (labelImg, Label Studio, datumaro, CVAT) count from 0, and name no VOC database as source.
Only labelImg and its kin say that a person has looked: `<annotation verified="yes">`, also where
nothing is. Without it such a file is no review.
"""

import math
import re
from collections.abc import Sequence
from pathlib import PurePath
from xml.etree import ElementTree

from utils.formats.returned import BadFile, File, Reading
from utils.formats.sheets import (
    Box,
    Fault,
    HandedOut,
    Review,
    Sheet,
    checked_tag,
    fractions,
    no_area,
)

CORNERS = ("xmin", "ymin", "xmax", "ymax")
UNVERIFIED = "its Pascal VOC file is not marked as verified, which labelImg does with the space key"
_OURS = "active-learning-detect"


def recognises(file: File) -> bool:
    """Is it such a file?"""
    return file.xml is not None and file.xml.tag == "annotation"


def read(file: File, batch: HandedOut) -> Reading:
    """What the file says of its image. Raises BadFile when that cannot be told."""
    if not recognises(file):
        raise BadFile("it is not XML as Pascal VOC has it")
    root, reading = file.xml, Reading()
    name = PurePath((root.findtext("filename") or "").replace("\\", "/")).name
    key = batch.find(f"{file.folder}/{name}" if file.folder else name, file.folder)
    if key is None:
        reading.strangers.append(name or file.path.name)
        if root.find("object") is not None:
            reading.drawn.add(name or file.path.name)
        return reading
    if root.get("verified") != "yes":
        reading.add(key, Review(why=UNVERIFIED))
        return reading
    try:
        reading.add(key, _review(root, batch.images[key]))
    except Fault as fault:
        reading.add(key, Review(fault=str(fault)))
    return reading


def boxes_of(root: ElementTree.Element) -> list[tuple[str, float, float, float, float]]:
    """(class, xmin, ymin, xmax, ymax) of each object, in pixels from 0. Raises ValueError."""
    first = 1 if _counts_from_one(root) else 0
    boxes = []
    for thing in root.iter("object"):
        texts = [thing.findtext("name"), *(thing.findtext(f"bndbox/{side}") for side in CORNERS)]
        if not all(texts):
            raise ValueError("an object without name or bndbox")
        xmin, ymin, xmax, ymax = map(float, texts[1:])
        boxes.append((texts[0], xmin - first, ymin - first, xmax, ymax))
    return boxes


def size_of(root: ElementTree.Element) -> tuple[float, float] | None:
    """(width, height) of the picture in pixels; None where the file does not say it."""
    try:
        width, height = (float(root.findtext(f"size/{side}") or "") for side in ("width", "height"))
    except ValueError:
        return None
    known = min(width, height) > 0 and math.isfinite(width) and math.isfinite(height)
    return (width, height) if known else None


def document(
    name: str, width: int, height: int, boxes: Sequence[tuple[str, float, float, float, float]]
) -> bytes:
    """The file for an image: boxes are (class, xmin, ymin, xmax, ymax) in pixels from 0."""
    root = ElementTree.Element("annotation")
    folder, _, filename = name.rpartition("/")
    for member, text in (("folder", folder), ("filename", filename)):
        ElementTree.SubElement(root, member).text = text
    source = ElementTree.SubElement(root, "source")
    ElementTree.SubElement(source, "database").text = _OURS
    size = ElementTree.SubElement(root, "size")
    for member, value in (("width", width), ("height", height), ("depth", 3)):
        ElementTree.SubElement(size, member).text = str(value)
    ElementTree.SubElement(root, "segmented").text = "0"
    for label, *corners in boxes:
        thing = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(thing, "name").text = label
        for member in ("truncated", "difficult"):
            ElementTree.SubElement(thing, member).text = "0"
        box = ElementTree.SubElement(thing, "bndbox")
        for side, value in zip(CORNERS, corners, strict=True):
            ElementTree.SubElement(box, side).text = f"{round(value, 2)}"
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8")


def _counts_from_one(root: ElementTree.Element) -> bool:
    """Is it one of VOC's own files, or as these have it?"""
    database = root.findtext("source/database")
    return database is None or re.search(r"\bVOC|PASCAL", database, re.IGNORECASE) is not None


def _review(root: ElementTree.Element, sheet: Sheet) -> Review:
    size = size_of(root)
    try:
        found = boxes_of(root)
    except ValueError as error:
        raise Fault(str(error)) from None
    boxes, notes = [], []
    for place, (label, xmin, ymin, xmax, ymax) in enumerate(found, 1):
        tag = checked_tag(label, place)
        try:
            sides = fractions((xmin, xmax), (ymin, ymax), *(size or (sheet.width, sheet.height)))
        except ValueError:
            raise Fault(f"box {place} ({tag}) has no usable coordinates") from None
        if sides is None:
            notes.append(no_area(place, tag))
        else:
            boxes.append(Box(tag, *sides))
    views = frozenset({size} if size else ())
    return Review(True, tuple(boxes), notes=tuple(notes), views=views)
