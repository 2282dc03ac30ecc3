"""Our own review page (tag/review.py): one file, `review.json`, for the whole batch, written anew
at each change that a person makes.

Images of which it says nothing are as they were handed out, and nobody has looked at them.
Coordinates are fractions of the upright image, in full precision.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from utils.formats.returned import BadFile, File, Reading
from utils.formats.sheets import (
    Box,
    Fault,
    HandedOut,
    Review,
    checked_tag,
    known_score,
    plain_tags,
)

NAME = "page"
UNIQUE_STEMS = False
MARK = "step past them on the review page (python tag/review.py CONFIG)"
AWAITED = ""  # its file is there from the beginning
FILE = "review.json"
FORMAT = 1
WRITER = "active-learning-detect review page"

OPEN, REVIEWED, SKIPPED = "open", "reviewed", "skipped"
KEEP, GIVE_BACK, UNUSABLE = "", "give_back", "unusable"  # what becomes of a skipped image
WHY = {
    KEEP: "skipped for now",
    GIVE_BACK: "skipped, and given back for somebody else",
    UNUSABLE: "skipped as not usable",
}
_SIDES = ("xmin", "xmax", "ymin", "ymax")

tag_names = plain_tags  # {label: class}


@dataclass(frozen=True)
class Saved:
    """What a person has done with one image. state: OPEN (not decided), REVIEWED or SKIPPED, and
    `then` what becomes of a skipped one; boxes: None as long as they are those handed out.

    seconds: how long the person worked on it; revision: how often it was saved; at: when it was
    decided (UTC, ISO 8601), "" before.
    """

    state: str = OPEN
    then: str = KEEP
    boxes: tuple[Box, ...] | None = None
    seconds: float = 0.0
    revision: int = 0
    at: str = ""


def how(batch: HandedOut) -> str:
    """What to do with the batch, in a line for people."""
    return f"python tag/review.py CONFIG shows the photos of {batch.place} in your browser"


def answers(batch: HandedOut) -> dict[str, list[str]]:
    """{file below the place of the batch in which an answer comes back: images it is about}."""
    return {FILE: list(batch.images)}


def write(batch: HandedOut) -> dict[str, bytes]:
    """{path below the place of the batch: content} of all that the tool is given."""
    return {FILE: document({}, batch.number)}


def document(images: Mapping[str, Saved], number: str, at: str = "") -> bytes:
    """The file. number: of the batch; at: the image that the person looks at."""
    members = {key: _member(saved) for key, saved in images.items()}
    whole = {"format": FORMAT, "written_by": WRITER, "batch": number, "at": at, "images": members}
    return json.dumps(whole, ensure_ascii=False, indent=1).encode()


def recognises(file: File) -> bool:
    """Is it such a file?"""
    return isinstance(file.json, dict) and file.json.get("written_by") == WRITER


def read(file: File, batch: HandedOut) -> Reading:
    """What the file says of each image. Raises BadFile when nothing in it can be used."""
    members = _images(file)
    reading = Reading()
    if batch.number and file.json.get("batch") != batch.number:
        reading.others = len(members)
        return reading

    for key in sorted(set(members) - set(batch.images)):
        reading.strangers.append(key)
        reading.drawn.add(key)
    for key, sheet in batch.images.items():
        try:
            saved = saved_of(members.get(key, {}))
            reading.add(key, _review(saved, sheet.boxes or ()))
        except Fault as fault:
            reading.add(key, Review(fault=str(fault)))
    return reading


def saved_images(data: bytes, batch: HandedOut) -> tuple[dict[str, Saved], str]:
    """({image: what is saved of it}, the image that the person looked at last) of this batch's
    file. Raises BadFile when it is damaged or of another batch; nothing of it is guessed.
    """
    file = File(batch.place / FILE, data)
    members = _images(file)
    if file.json.get("batch") != batch.number:
        raise BadFile("it is of another batch")
    try:
        images = {key: saved_of(member) for key, member in members.items() if key in batch.images}
    except Fault as fault:
        raise BadFile(str(fault)) from None
    at = file.json.get("at")
    return images, at if at in batch.images else ""


def saved_of(member: object) -> Saved:
    """What is said of one image. Raises Fault for anything that a person cannot have done."""
    if not isinstance(member, dict):
        raise Fault("what is saved of it is not as the review page writes it")
    state, then = member.get("state", OPEN), member.get("then", KEEP)
    known = state in (OPEN, REVIEWED, SKIPPED) and then in (KEEP, GIVE_BACK, UNUSABLE)
    if not known or (then and state != SKIPPED):
        raise Fault("it is neither open nor reviewed nor skipped")
    boxes, at = member.get("boxes"), member.get("at", "")
    if not (boxes is None or isinstance(boxes, list)) or not isinstance(at, str):
        raise Fault("its boxes are not a list, or its time is no text")
    if boxes is not None:
        boxes = tuple(_box(box, place) for place, box in enumerate(boxes, 1))
    seconds, revision = member.get("seconds", 0), member.get("revision", 0)
    if not _is_number(seconds) or not _is_number(revision) or seconds < 0 or revision < 0:
        raise Fault("its seconds or its revision are no numbers from 0")
    return Saved(state, then, boxes, float(seconds), int(revision), at)


def box_member(box: Box) -> dict:
    """A box as the file has it; `score` as long as it is the model's."""
    member = {"tag": box.tag, **dict(zip(_SIDES, box.sides, strict=True))}
    return member if box.score is None else {**member, "score": box.score}


def _images(file: File) -> dict:
    """{image: what is said of it}. Raises BadFile."""
    if not recognises(file):
        raise BadFile("it is not a file of the review page")
    if file.json.get("format") != FORMAT:
        raise BadFile(
            "it was written by another version of the review page; bring your copy of the"
            " repository up to date"
        )
    images = file.json.get("images")
    if not isinstance(images, dict):
        raise BadFile('it has no "images"')
    return images


def _review(saved: Saved, handed_out: tuple[Box, ...]) -> Review:
    boxes = handed_out if saved.boxes is None else saved.boxes
    skipped = saved.state == SKIPPED
    return Review(
        saved.state == REVIEWED,
        boxes,
        why=WHY[saved.then] if skipped else "",
        then=saved.then,
        seconds=saved.seconds or None,
        at=saved.at,
    )


def _member(saved: Saved) -> dict:
    member = {**vars(saved), "seconds": round(saved.seconds, 1)}
    if saved.boxes is not None:
        member["boxes"] = [box_member(box) for box in saved.boxes]
    return member


def _box(box: object, place: int) -> Box:
    if not isinstance(box, dict):
        raise Fault(f"box {place} is not as the review page writes it")
    tag = checked_tag(box.get("tag"), place)
    sides = [box.get(side) for side in _SIDES]
    if not all(map(_is_number, sides)):
        raise Fault(f"box {place} ({tag}) has no usable coordinates")
    xmin, xmax, ymin, ymax = map(float, sides)
    if not (0 <= xmin < xmax <= 1 and 0 <= ymin < ymax <= 1):
        raise Fault(f"box {place} ({tag}) has no area inside the image")
    return Box(tag, xmin, xmax, ymin, ymax, known_score(box.get("score")))


def _is_number(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) < 2**53 and math.isfinite(value)
