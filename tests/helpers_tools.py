"""A batch as annotation tools see it, and what they say of it."""

import hashlib
import json
from pathlib import Path

from utils.formats.answers import Answers, find_files, read_answers
from utils.formats.sheets import Box, HandedOut, Review, Sheet
from utils.formats.tools import TOOLS

WIDTH, HEIGHT = 200, 100
BIRD = Box("bird", 0.1, 0.5, 0.2, 0.8, 0.9)
SEAL = Box("harbour seal", 0.6, 0.9, 0.2, 0.8, 0.7)


def batch(place: Path, images: dict[str, tuple[Box, ...]] | None = None, **members) -> HandedOut:
    """Images of 200 x 100 pixels in the folder Images; by default one with two boxes, one empty."""
    images = {"a.jpg": (BIRD, SEAL), "b.jpg": ()} if images is None else images
    sheets = {f"Images/{name}": Sheet(name, WIDTH, HEIGHT, boxes) for name, boxes in images.items()}
    return HandedOut(place, sheets, ("bird", "harbour seal"), "batch 7", **members)


def hand_out(tool, handed_out: HandedOut) -> None:
    """Write what the tool is given."""
    for name, data in tool.write(handed_out).items():
        path = handed_out.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def came_back(handed_out: HandedOut, tool: str, *named: Path) -> Answers:
    """What there is to say of the batch now."""
    given = TOOLS[tool].write(handed_out)
    known = {name: hashlib.sha256(data).hexdigest() for name, data in given.items()}
    files = find_files(handed_out, tool, known, named)
    return read_answers(handed_out, tool, files, named)


def review_of(answers: Answers, name: str) -> Review:
    return answers.reviews[f"Images/{name}"][1]


def shared_batch(shared: Path, place: Path) -> HandedOut:
    """The batch of ../shared/tools, with the boxes of its truth.json."""
    truth = json.loads((shared / "tools" / "truth.json").read_text(encoding="utf-8"))
    sheets = {
        f"Images/{name}": Sheet(
            name,
            image["width"],
            image["height"],
            tuple(Box(tag, *sides, 0.91) for tag, *sides in image["boxes"]),
        )
        for name, image in truth.items()
    }
    return HandedOut(place, sheets, ("RBC", "WBC", "Platelets"))


def truth_of(handed_out: HandedOut, name: str) -> tuple[Box, ...]:
    return handed_out.images[f"Images/{name}"].boxes


def close(found: tuple[Box, ...], expected: tuple[Box, ...], within: float = 1e-9) -> bool:
    """Are these the same boxes in the same order, but for so much?"""
    return [box.tag for box in found] == [box.tag for box in expected] and all(
        abs(a - b) <= within
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(one.sides, other.sides, strict=True)
    )
