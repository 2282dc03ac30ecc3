"""What goes to an annotation tool and what comes back, whatever the tool: boxes, images as they are
handed out, and what a person's file says of each.

Coordinates are fractions of the upright image (EXIF orientation applied), in the order xmin, xmax,
ymin, ymax. Everything here is pure.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from utils.files import folded
from utils.formats.names import Names
from utils.images.canvas import same_shape

_SAME = 0.05  # pixels: a box that moved by less is as it was handed out


class Box(NamedTuple):
    """One tagged rectangle; fractions of the image, 0 <= min < max <= 1. `score` is the model's,
    None when a person drew it or nobody knows.
    """

    tag: str
    xmin: float
    xmax: float
    ymin: float
    ymax: float
    score: float | None = None

    @property
    def sides(self) -> tuple[float, float, float, float]:
        """xmin, xmax, ymin, ymax."""
        return self[1:5]


@dataclass(frozen=True)
class Sheet:
    """An image as it is handed out: its name in the folder, its size in pixels (0: not known) and
    its boxes (None: not known).
    """

    name: str
    width: int
    height: int
    boxes: tuple[Box, ...] | None = ()


@dataclass(frozen=True)
class HandedOut:
    """A batch as annotation tools see it. images: {"folder/name": Sheet}; tags: those on offer;
    place: the folder in which the image folders lie; number: a text that no other batch has.
    """

    place: Path
    images: dict[str, Sheet]
    tags: tuple[str, ...] = ()
    number: str = ""

    @property
    def folders(self) -> list[str]:
        """The image folders, in order."""
        return list(dict.fromkeys(key.rpartition("/")[0] for key in self.images))

    def inside(self, folder: str) -> dict[str, Sheet]:
        """{file name: Sheet} of one image folder."""
        return {
            sheet.name: sheet
            for key, sheet in self.images.items()
            if key.rpartition("/")[0] == folder
        }

    def find(self, name: str, folder: str = "") -> str | None:
        """The image that a file means by `name`; of several of that name the one in `folder`. None
        when it is none of this batch, or nobody can tell.
        """
        found = self._names.find(name)
        if len(found) > 1:
            found = [key for key in found if key.rpartition("/")[0] == folder]
        return found[0] if len(found) == 1 else None

    @cached_property
    def _names(self) -> Names:
        return Names(self.images, folded)


@dataclass(frozen=True)
class Review:
    """What a person's file says of one image.

    `reviewed`: a person has decided, and `boxes` are all that is there (none: nothing is there).
    Without `reviewed` the image stays reserved, and `boxes` are what the file shows as it stands;
    `why` is what a person must know of it then (that it was skipped, say), "" for an image on which
    nobody left a mark. With `fault` the file is wrong about this image, and nothing of it is taken.

    notes: boxes that were left out, and why. then: what a person wants to become of an image that
    is not reviewed: "" (it stays reserved), "give_back" or "unusable" (nobody gets it again).
    views: the (width, height) in pixels in which the boxes were drawn, as far as the file says so.
    seconds: how long the person worked on it; at: when it was decided (UTC, ISO 8601); both where
    the tool says so.
    """

    reviewed: bool = False
    boxes: tuple[Box, ...] = ()
    why: str = ""
    fault: str = ""
    notes: tuple[str, ...] = ()
    then: str = ""
    views: frozenset[tuple[float, float]] = field(default=frozenset(), compare=False)
    seconds: float | None = None
    at: str = ""

    def fits(self, width: int, height: int) -> bool:
        """Were all boxes drawn in views with the proportions of such an image?"""
        return fit_all(self.views, width, height)


class Fault(ValueError):
    """A file says something of an image that is no box, or no statement; the message says what."""


def no_area(place: int, tag: str) -> str:
    """The note on a box that was left out."""
    return f"box {place} ({tag}) has no area inside the image and was left out"


def checked_tag(tag: object, place: int) -> str:
    """The tag of a box as text. Raises Fault when it is none: without the box, its image would
    count as one in which less is there.
    """
    if not isinstance(tag, str) or not tag.strip():
        raise Fault(f"box {place} has no label; give it one, or delete the box")
    if any("\ud800" <= char <= "\udfff" for char in tag):
        raise Fault(f"box {place} has a label that is not valid Unicode")
    return tag


def known_score(score: object) -> float | None:
    """A model's score as files have it; None for anything but a number from 0 to 1."""
    number = isinstance(score, (int, float)) and not isinstance(score, bool)
    return float(score) if number and 0 <= score <= 1 else None


def plain_tags(classes: Iterable[str], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """{tag: class} for a tool in which classes keep their names; what is `known` stays in front."""
    known = dict(known or {})
    return {**known, **{name: name for name in classes if name not in known.values()}}


def fit_all(views: frozenset[tuple[float, float]], width: int, height: int) -> bool:
    """Have all these (width, height) the proportions of an image of this size?"""
    return all(
        same_shape(view_height, view_width, height, width) for view_width, view_height in views
    )


def fractions(
    xs: Sequence[float], ys: Sequence[float], width: float, height: float
) -> tuple[float, float, float, float] | None:
    """The box round points in pixels of an image of this size, as fractions: ordered, clipped to
    the image; None when no area is left.

    Raises ValueError on anything but finite numbers and a size above 0.
    """
    if not all(map(math.isfinite, (*xs, *ys, width, height))) or width <= 0 or height <= 0:
        raise ValueError("not a finite number, or no size")
    xmin, xmax = (min(max(side / width, 0.0), 1.0) for side in (min(xs), max(xs)))
    ymin, ymax = (min(max(side / height, 0.0), 1.0) for side in (min(ys), max(ys)))
    return (xmin, xmax, ymin, ymax) if xmin < xmax and ymin < ymax else None


def same_boxes(one: Sequence[Box], other: Sequence[Box], width: int, height: int) -> bool:
    """Are these the same boxes in any order, to within a twentieth of a pixel of an image of that
    size?
    """
    return len(one) == len(other) and None not in _matches(one, other, width, height)


def unmoved(
    boxes: Sequence[Box], handed_out: Sequence[Box], width: int, height: int
) -> tuple[Box, ...]:
    """The boxes, those that nobody moved with the exact coordinates they were handed out with (the
    file has hundredths of a pixel).
    """
    return tuple(
        match or box
        for box, match in zip(boxes, _matches(boxes, handed_out, width, height), strict=True)
    )


def _matches(
    boxes: Sequence[Box], others: Sequence[Box], width: int, height: int
) -> list[Box | None]:
    """For each box the first of the others that is the same; each of them is taken once."""
    rest, found = list(others), []
    sizes = (width, width, height, height)

    def same(box: Box, other: Box) -> bool:
        return box.tag == other.tag and all(
            abs(a - b) * size <= _SAME
            for a, b, size in zip(box.sides, other.sides, sizes, strict=True)
        )

    for box in boxes:
        match = next((other for other in rest if same(box, other)), None)
        if match is not None:
            rest.remove(match)
        found.append(match)
    return found
