"""Label Studio: a file of tasks with the model's boxes as predictions goes in, its JSON export
comes back.

Coordinates are percent of the upright image (x, y, width, height). Reviewed is a task with an
annotation that was not cancelled (a skipped task still carries the model's boxes); of several the
newest counts. Only the export "JSON" says that; JSON-MIN, CSV, COCO, YOLO and VOC of Label Studio
do not tell an empty image from one that nobody has opened.
"""

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, quote, unquote, urlsplit
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
)

NAME = "label_studio"
UNIQUE_STEMS = False
MARK = "submit them in Label Studio and export again"
AWAITED = "export the project as JSON, and save the file there"
TASKS = "label_studio_tasks.json"
CONFIG = "label_studio_config.xml"
HOW_TO = "label_studio_how_to.txt"
_MODEL = "active-learning-detect"
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what it puts before the name of an uploaded file
# Statements on an image as a whole, or between boxes; every other kind is a shape.
_NO_SHAPES = {"choices", "datetime", "number", "pairwise", "ranker", "rating", "relation"}
_NO_SHAPES |= {"taxonomy", "textarea"}
_STRAIGHT = 0.01  # degrees


tag_names = plain_tags  # {label: class}


def how(batch: HandedOut) -> str:
    """What to do with the batch, in a line for people."""
    return (
        f"import {batch.place / TASKS} into Label Studio as {batch.place / HOW_TO} says, submit"
        f" every image, export as JSON, and save the export into {batch.place}"
    )


def answers(batch: HandedOut) -> dict[str, list[str]]:
    """None: the export has the name that a person gives it."""
    return {}


def write(batch: HandedOut) -> dict[str, bytes]:
    """{path below the place of the batch: content} of all that the tool is given."""
    tasks = [_task(number, key, batch) for number, key in enumerate(batch.images, 1)]
    return {
        TASKS: json.dumps(tasks, ensure_ascii=False, indent=1).encode(),
        CONFIG: _config(batch.tags),
        HOW_TO: _how_to(batch).encode(),
    }


def recognises(file: File) -> bool:
    """Is it an export of tasks? (The tasks that we wrote have no annotations yet.)"""
    tasks = file.json
    return (
        isinstance(tasks, list)
        and bool(tasks)
        and all(isinstance(task, dict) for task in tasks)
        and any("annotations" in task or "annotation_id" in task for task in tasks)
    )


def read(file: File, batch: HandedOut) -> Reading:
    """What the export says of each image. Raises BadFile when it is not the export "JSON"."""
    if not recognises(file):
        raise BadFile("it is not Label Studio's export JSON")
    if not all(isinstance(task.get("annotations"), list) for task in file.json):
        raise BadFile(
            "it is not Label Studio's export JSON (JSON-MIN leaves out who skipped what); export"
            " as JSON"
        )
    reading = Reading()
    for task in file.json:
        meta = task.get("meta")
        of_batch = meta.get("batch") if isinstance(meta, dict) else None
        if batch.number and isinstance(of_batch, str) and of_batch != batch.number:
            reading.others += 1
            continue
        name = _name(task.get("data"))
        key = batch.find(name) if name else None
        if key is None:
            stranger = name or f"task {task.get('id')}"
            reading.strangers.append(stranger)
            if any(_result(annotation) for annotation in task["annotations"]):
                reading.drawn.add(stranger)
            continue
        reading.add(key, _review(task, batch.images[key]))
    return reading


def _task(number: int, key: str, batch: HandedOut) -> dict:
    sheet = batch.images[key]
    scores = [box.score for box in sheet.boxes if box.score is not None]
    results = [_box(box, sheet, f"{number}-{place}") for place, box in enumerate(sheet.boxes, 1)]
    prediction = {"model_version": _MODEL, "result": results}
    if scores:
        prediction["score"] = min(scores)
    return {
        "data": {"image": f"/data/local-files/?d={quote(key)}", "name": key},
        "meta": {"batch": batch.number},
        "predictions": [prediction],
    }


def _box(box: Box, sheet: Sheet, identity: str) -> dict:
    xmin, xmax, ymin, ymax = box.sides
    value = {
        "x": xmin * 100,
        "y": ymin * 100,
        "width": (xmax - xmin) * 100,
        "height": (ymax - ymin) * 100,
        "rotation": 0,
        "rectanglelabels": [box.tag],
    }
    return {
        "id": identity,
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": sheet.width,
        "original_height": sheet.height,
        "image_rotation": 0,
        "value": value,
        **({} if box.score is None else {"score": box.score}),
    }


def _config(tags: Iterable[str]) -> bytes:
    """The label config: rectangles of these labels, which cannot be turned."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(
        view,
        "Image",
        {
            "name": "image",
            "value": "$image",
            "zoom": "true",
            "zoomControl": "true",
            "rotateControl": "false",
        },
    )
    labels = ElementTree.SubElement(
        view, "RectangleLabels", {"name": "label", "toName": "image", "canRotate": "false"}
    )
    for tag in tags:
        ElementTree.SubElement(labels, "Label", {"value": tag})
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="utf-8")


def _how_to(batch: HandedOut) -> str:
    place = batch.place.absolute()
    folders = " and ".join(str(place / folder) for folder in batch.folders)
    return (
        "1. Start label-studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and"
        f" LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={place} in its environment, and make a project:"
        f" Labeling Setup, Custom template, Code: the text of {place / CONFIG}.\n"
        f"2. In the project's Settings, Cloud Storage, Add Source Storage, Local files: {folders}"
        f" (save it, do not sync). Then Import: {place / TASKS}.\n"
        "3. Submit every image that you have looked at, also where nothing is. Then Export, JSON,"
        f" save the file into {place}, and run upload_vott_json.py.\n"
    )


def _name(data: object) -> str:
    """The image that a task is about; "" when it does not say so."""
    if not isinstance(data, dict):
        return ""
    if isinstance(data.get("name"), str):
        return data["name"]
    address = data.get("image")
    if not isinstance(address, str):
        return ""
    try:
        parts = urlsplit(address)
        local = parse_qs(parts.query).get("d")
    except ValueError:
        return ""
    if local:
        return local[0]
    folder, _, name = unquote(parts.path).rpartition("/")
    name = _UPLOADED.sub("", name)
    return name if folder.startswith("/data/upload") else f"{folder}/{name}".lstrip("/")


def _review(task: Mapping, sheet: Sheet) -> Review:
    """What a task says of its image."""
    annotations = [each for each in task["annotations"] if isinstance(each, dict)]
    submitted = [each for each in annotations if each.get("was_cancelled") is not True]
    if not submitted:
        drafts = task.get("drafts")
        why = "skipped in Label Studio" if annotations else ""
        why = why or ("a draft in Label Studio; submit it" if drafts else "")
        return Review(boxes=sheet.boxes or (), why=why)
    newest = max(submitted, key=_moment)
    decided = {"at": _moment(newest)[0], "seconds": _seconds(newest.get("lead_time"))}
    try:
        return Review(True, **_boxes(newest.get("result")), **decided)
    except Fault as fault:
        return Review(fault=str(fault), **decided)


def _boxes(results: object) -> dict:
    """The members boxes, notes and views of a Review. Raises Fault."""
    if not isinstance(results, list):
        raise Fault("its result is not a list")
    boxes, notes, views = [], [], set()
    for place, result in enumerate(results, 1):
        if not isinstance(result, dict) or not isinstance(result.get("type"), str):
            raise Fault(f"result {place} is not as Label Studio writes it")
        if result["type"] in _NO_SHAPES:
            continue
        tags, sides, view = _rectangle(result, place)
        if view:
            views.add(view)
        if sides is None:
            notes.append(no_area(place, ", ".join(tags)))
        else:
            boxes += [Box(tag, *sides, known_score(result.get("score"))) for tag in tags]
    return {"boxes": tuple(boxes), "notes": tuple(notes), "views": frozenset(views)}


def _rectangle(result: Mapping, place: int) -> tuple[list[str], tuple | None, tuple | None]:
    """(labels, xmin, xmax, ymin, ymax or None without area, size of the picture) of a result.
    Raises Fault.
    """
    kind, value = result["type"], result.get("value")
    if kind != "rectanglelabels":
        raise Fault(
            f"shape {place} is of the kind {kind[:40]}, and only rectangles with a label are boxes;"
            " draw a rectangle instead"
        )
    if not isinstance(value, dict):
        raise Fault(f"box {place} has no value")
    labels = value.get("rectanglelabels")
    tags = [checked_tag(tag, place) for tag in labels] if isinstance(labels, list) else []
    if not tags:
        raise Fault(f"box {place} has no label; give it one, or delete the box")
    named = f"box {place} ({', '.join(tags)})"
    try:
        x, y, width, height = (float(value[side]) for side in ("x", "y", "width", "height"))
        turned, picture_turned = (
            float(angle or 0) for angle in (value.get("rotation"), result.get("image_rotation"))
        )
        sides = fractions((x, x + width), (y, y + height), 100, 100)
        size = (float(result.get("original_width") or 0), float(result.get("original_height") or 0))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Fault(f"{named} has no usable coordinates") from None
    if not abs(turned) <= _STRAIGHT:
        raise Fault(
            f"{named} is rotated by {turned:g} degrees, and boxes here are not; draw it upright"
        )
    if not abs(picture_turned) <= _STRAIGHT:
        raise Fault(f"{named} was drawn in a picture that was turned in Label Studio")
    return tags, sides, size if min(size) > 0 else None


def _result(annotation: object) -> object:
    return annotation.get("result") if isinstance(annotation, dict) else annotation


def _moment(annotation: Mapping) -> tuple[str, float]:
    """What the newest annotation has most of: (time, id)."""
    times = [annotation.get(member) for member in ("updated_at", "created_at")]
    identity = annotation.get("id")
    number = identity if isinstance(identity, (int, float)) else 0
    return next((time for time in times if isinstance(time, str)), ""), number


def _seconds(lead_time: object) -> float | None:
    known = isinstance(lead_time, (int, float)) and not isinstance(lead_time, bool)
    return float(lead_time) if known and 0 <= lead_time < float("inf") else None
