"""MegaDetector's results file, format 1.3 to 1.6: one JSON for many images (lila.science,
megadetector-output-format).

"bbox" is x, y, width, height as fractions of the image, turned as EXIF says. Categories are told by
their names, as their numbers mean something else in every file. An image with `failure` was not
looked at; `detections: []` is one in which nothing was found. Of classifications the surest names
the box; its score stays the detector's. Microsoft's own MegaDetector writes another file of the
same name, a list with pixels.
"""

from collections.abc import Iterable, Iterator, Mapping

from utils.errors import InputError
from utils.formats.predictions import Predicted

VERSIONS = ("1.3", "1.4", "1.5", "1.6")
_EMPTY = "empty"  # a category for nothing, by custom
_VIDEOS = (".mp4", ".avi", ".mov", ".m4v", ".mpeg", ".mpg", ".mkv", ".wmv", ".asf", ".flv", ".mts")


def recognises(document: object) -> bool:
    """Is it a results file? (Of any version.)"""
    return isinstance(document, dict) and {"images", "detection_categories"} <= document.keys()


def is_microsofts(document: object) -> bool:
    """Is it the file of microsoft.github.io/MegaDetector?"""
    return isinstance(document, list) and any(
        isinstance(entry, dict) and {"file", "detections"} <= entry.keys() for entry in document[:9]
    )


def read(document: Mapping, where: str) -> Iterator[Predicted]:
    """What the file says of each image; videos are left out. Raises InputError when it cannot be
    read as a whole.
    """
    version = _version(document, where)
    detected = _categories(document, "detection_categories", where)
    classified = _categories(document, "classification_categories", where)
    if not isinstance(document["images"], list):
        raise InputError(f"{where}: its images are not a list, as format {version} has them")
    for place, entry in enumerate(document["images"], 1):
        name = entry.get("file") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            yield Predicted(f"image {place}", fault="it has no file name")
        elif not name.lower().endswith(_VIDEOS):
            yield _predicted(name, entry, detected, classified)


def classes(document: Mapping, where: str) -> list[str]:
    """The names of its categories, the detector's first, by their numbers."""
    both = ("detection_categories", "classification_categories")
    numbered = [_categories(document, member, where) for member in both]
    return [names[number] for names in numbered for number in sorted(names, key=_number)]


def document(
    images: Iterable[tuple[str, Iterable[tuple[str, float, float, float, float, float]]]],
    classes: Iterable[str],
    info: Mapping[str, object],
) -> dict:
    """A results file of (name, boxes) each; boxes are (class, xmin, ymin, xmax, ymax, score)."""
    numbers = {name: str(number) for number, name in enumerate(classes, 1)}
    entries = []
    for name, boxes in images:
        detections = [
            {
                "category": numbers[label],
                "conf": float(score),
                "bbox": [round(side, 6) for side in (xmin, ymin, xmax - xmin, ymax - ymin)],
            }
            for label, xmin, ymin, xmax, ymax, score in boxes
        ]
        entries.append({"file": name, "detections": detections})
    return {
        "info": {"format_version": VERSIONS[-1], **info},
        "detection_categories": {number: name for name, number in numbers.items()},
        "images": entries,
    }


def _version(document: Mapping, where: str) -> str:
    info = document.get("info")
    version = info.get("format_version") if isinstance(info, dict) else None
    text = f"{version:g}" if isinstance(version, float) else str(version)
    if text not in VERSIONS:
        found = "does not say its format_version" if version is None else f"is of format {text}"
        raise InputError(
            f"{where}: this file of MegaDetector {found[:60]}; known are {VERSIONS[0]} to"
            f" {VERSIONS[-1]}. Convert it with megadetector-utils, or make the results anew"
        )
    return text


def _categories(document: Mapping, member: str, where: str) -> dict[str, str]:
    """{number: name}; {} where the file has none."""
    categories = document.get(member) or {}
    if not isinstance(categories, dict) or not all(
        isinstance(name, str) and name.strip() for name in categories.values()
    ):
        raise InputError(f"{where}: its {member} are no names by number")
    return {number: " ".join(name.split()) for number, name in categories.items()}


def _predicted(
    name: str, entry: Mapping, detected: Mapping[str, str], classified: Mapping[str, str]
) -> Predicted:
    found = Predicted(name)
    failure, detections = entry.get("failure"), entry.get("detections")
    if failure:
        found.failure = " ".join(str(failure).split())
    elif not isinstance(detections, list):
        found.fault = "it has neither detections nor a failure"
    else:
        for detection in detections:
            _add(found, detection, detected, classified)
    return found


def _add(
    found: Predicted, detection: object, detected: Mapping[str, str], classified: Mapping[str, str]
) -> None:
    if not isinstance(detection, dict):
        found.fault = "a detection is not as MegaDetector writes it"
        return
    label = detected.get(str(detection.get("category")))
    if label is None or label.lower() == _EMPTY:
        return  # by the format: no detection
    label = _surest(detection.get("classifications"), classified) or label
    box = detection.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        found.fault = f"a box of {label} is not x, y, width, height"
        return
    try:
        sides = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
    except TypeError:
        sides = [None] * 4
    found.add(label, sides, detection.get("conf"))


def _surest(classifications: object, names: Mapping[str, str]) -> str:
    """The class with the highest score of those that are listed; "" without any."""
    best, label = -1.0, ""
    for pair in classifications if isinstance(classifications, list) else ():
        if not isinstance(pair, list) or len(pair) != 2 or str(pair[0]) not in names:
            continue
        score = pair[1]
        if isinstance(score, (int, float)) and not isinstance(score, bool) and score > best:
            best, label = score, names[str(pair[0])]
    return label


def _number(text: str) -> tuple[float, str]:
    return (int(text) if text.isdecimal() else float("inf"), text)
