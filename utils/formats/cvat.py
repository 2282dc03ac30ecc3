"""CVAT for images 1.1: an XML file with all images goes in, and comes back (as XML, or in a zip).

Coordinates are pixels of the upright image. CVAT lists every image, so one without boxes is empty
or was never opened: reviewed is an image that bears the tag `reviewed`, which our labels declare.
Proven against datumaro, which reads and writes this format; a CVAT server was not tried.
"""

import json
from collections.abc import Mapping
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
    known_score,
    no_area,
    plain_tags,
    same_boxes,
)

NAME = "cvat"
UNIQUE_STEMS = False
MARK = "set the tag reviewed on them and export again"
AWAITED = "export the task as CVAT for images 1.1, and save the file there"
ANNOTATIONS = "cvat_annotations.xml"
LABELS = "cvat_labels.json"
_SCORE = {
    "name": "score",
    "mutable": False,
    "input_type": "text",
    "default_value": "",
    "values": [],
}
_SHAPES = ("polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton")
_STRAIGHT = 0.01  # degrees

tag_names = plain_tags  # {label: class}


def how(batch: HandedOut) -> str:
    """What to do with the batch, in a line for people."""
    folders = " ".join(f'"{batch.place / folder}"/*' for folder in batch.folders)
    return (
        f'cvat-cli task create NAME local {folders} --labels "{batch.place / LABELS}"'
        f' --annotation_path "{batch.place / ANNOTATIONS}" --annotation_format "CVAT 1.1"; set the'
        f" tag {marker(batch.tags)} on every image that you have looked at, export as CVAT for"
        f" images 1.1, and save the export into {batch.place}"
    )


def marker(tags: tuple[str, ...]) -> str:
    """The tag of reviewed images: `reviewed`, unless a class is called so."""
    name = "reviewed"
    while name in tags:
        name += "_"
    return name


def answers(batch: HandedOut) -> dict[str, list[str]]:
    """None: the export has the name that a person gives it."""
    return {}


def write(batch: HandedOut) -> dict[str, bytes]:
    """{path below the place of the batch: content} of all that the tool is given."""
    labels = [
        *({"name": tag, "type": "rectangle", "attributes": [_SCORE]} for tag in batch.tags),
        {"name": marker(batch.tags), "type": "tag", "attributes": []},
    ]
    text = json.dumps(labels, ensure_ascii=False, indent=1)
    return {ANNOTATIONS: _annotations(batch, labels), LABELS: text.encode()}


def recognises(file: File) -> bool:
    """Is it an export of CVAT?"""
    root = file.xml
    if root is None or root.tag != "annotations":
        return False
    return any(root.find(part) is not None for part in ("image", "track", "meta"))


def read(file: File, batch: HandedOut) -> Reading:
    """What the export says of each image. Raises BadFile when it is none of CVAT for images."""
    if not recognises(file):
        raise BadFile("it is not XML as CVAT writes it")
    if file.xml.find("track") is not None:
        raise BadFile("it is CVAT for video; export as CVAT for images 1.1")
    reading = Reading()
    for image in file.xml.findall("image"):
        name = image.get("name") or ""
        key = batch.find(name)
        if key is None:
            reading.strangers.append(name)
            if len(image):
                reading.drawn.add(name)
            continue
        try:
            review = _review(image, batch.images[key], marker(batch.tags))
        except Fault as fault:
            review = Review(fault=str(fault))
        reading.add(key, review)
    return reading


def _annotations(batch: HandedOut, labels: list[dict]) -> bytes:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    declared = ElementTree.SubElement(task, "labels")
    for label in labels:
        _declare(declared, label)
    several = len(batch.folders) > 1
    for number, (key, sheet) in enumerate(batch.images.items()):
        size = {"width": str(sheet.width), "height": str(sheet.height)}
        name = key if several else sheet.name
        image = ElementTree.SubElement(root, "image", {"id": str(number), "name": name, **size})
        for box in sheet.boxes:
            _add_box(image, box, sheet)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _declare(labels: ElementTree.Element, label: Mapping) -> None:
    entry = ElementTree.SubElement(labels, "label")
    ElementTree.SubElement(entry, "name").text = label["name"]
    ElementTree.SubElement(entry, "type").text = label["type"]
    attributes = ElementTree.SubElement(entry, "attributes")
    for described in label["attributes"]:
        attribute = ElementTree.SubElement(attributes, "attribute")
        for member, value in described.items():
            ElementTree.SubElement(attribute, member).text = "" if value == [] else str(value)


def _add_box(image: ElementTree.Element, box: Box, sheet: Sheet) -> None:
    corners = {
        "xtl": box.xmin * sheet.width,
        "ytl": box.ymin * sheet.height,
        "xbr": box.xmax * sheet.width,
        "ybr": box.ymax * sheet.height,
    }
    members = {"label": box.tag, "source": "auto", "occluded": "0", "z_order": "0"}
    members |= {corner: f"{value:.2f}" for corner, value in corners.items()}
    element = ElementTree.SubElement(image, "box", members)
    if box.score is not None:
        score = ElementTree.SubElement(element, "attribute", {"name": "score"})
        score.text = f"{box.score:g}"


def _review(image: ElementTree.Element, sheet: Sheet, mark: str) -> Review:
    """What the export says of an image. Raises Fault."""
    if shape := next((part.tag for part in image if part.tag in _SHAPES), None):
        raise Fault(f"it has a shape of the kind {shape}, and only rectangles are boxes")
    size = _size(image)
    boxes, notes = [], []
    for place, box in enumerate(image.findall("box"), 1):
        tag, sides = _rectangle(box, place, size or (sheet.width, sheet.height))
        if sides is None:
            notes.append(no_area(place, tag))
        else:
            boxes.append(Box(tag, *sides, _score(box)))
    reviewed = any(tag.get("label") == mark for tag in image.findall("tag"))
    changed = sheet.boxes is not None and (
        bool(notes) or not same_boxes(boxes, sheet.boxes, sheet.width, sheet.height)
    )
    # Changed boxes alone are no mark: where the annotations were not imported, all have changed.
    why = f"its boxes changed, but it has no tag {mark}" if changed and not reviewed else ""
    views = frozenset({size} if size else ())
    return Review(reviewed, tuple(boxes), why, notes=tuple(notes), views=views)


def _rectangle(
    box: ElementTree.Element, place: int, size: tuple[float, float]
) -> tuple[str, tuple[float, float, float, float] | None]:
    """(label, xmin, xmax, ymin, ymax or None without area) of a box. Raises Fault."""
    tag = checked_tag(box.get("label"), place)
    try:
        x1, y1, x2, y2 = (float(box.get(corner, "")) for corner in ("xtl", "ytl", "xbr", "ybr"))
        turned = float(box.get("rotation") or 0)
        sides = fractions((x1, x2), (y1, y2), *size)
    except ValueError:
        raise Fault(f"box {place} ({tag}) has no usable coordinates") from None
    if not abs(turned) <= _STRAIGHT:
        raise Fault(
            f"box {place} ({tag}) is rotated by {turned:g} degrees, and boxes here are not; draw"
            " it upright"
        )
    return tag, sides


def _size(image: ElementTree.Element) -> tuple[float, float] | None:
    try:
        size = float(image.get("width", "")), float(image.get("height", ""))
    except ValueError:
        return None
    return size if min(size) > 0 and max(size) < float("inf") else None


def _score(box: ElementTree.Element) -> float | None:
    texts = [part.text for part in box.findall("attribute") if part.get("name") == "score"]
    try:
        return known_score(float(texts[0])) if texts else None
    except (TypeError, ValueError):
        return None
