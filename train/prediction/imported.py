"""Predictions that were made elsewhere, put to the images of the project: what fits, and what does
not, by name. Nothing is guessed.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from utils.boxes.detections import DECIMALS, Detections, totag_rows
from utils.formats.names import Names
from utils.formats.predictions import Predicted
from utils.labels import tables
from utils.wording import few

Boxes = list[tuple[str, float, float, float, float, float]]


@dataclass
class Imported:
    """found: the boxes of each image, by blob name; (class, xmin, ymin, xmax, ymax, score) each.

    The rest are names of the file, with what is wrong: not ours, of several images, there more than
    once, with values that cannot be, not predicted. flat: boxes without area, left out.
    """

    found: dict[str, Boxes] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    ambiguous: dict[str, str] = field(default_factory=dict)
    repeated: dict[str, str] = field(default_factory=dict)
    faulty: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    flat: int = 0

    def lines(self, project: str) -> list[str]:
        """What a person must know of what was left out, a line for each kind."""
        kinds = [
            (
                len(self.unknown),
                f"images of the file are not in {project}, or cannot be read there",
                self.unknown,
            ),
            (
                len(self.ambiguous),
                "names fit several images; name the folder that they lie in with --base",
                _with_reason(self.ambiguous),
            ),
            (
                len(self.repeated),
                "images are there more than once, differently",
                _with_reason(self.repeated),
            ),
            (len(self.faulty), "images have values that cannot be", _with_reason(self.faulty)),
            (
                len(self.failed),
                "images were not predicted, and stay as they are",
                _with_reason(self.failed),
            ),
        ]
        lines = [f"{count} {what}: {few(names)}" for count, what, names in kinds if count]
        return [*lines, f"{self.flat} boxes have no area: left out"] if self.flat else lines

    def first_problem(self) -> str:
        """One of the images that cannot be used, and why."""
        for kind in (self.faulty, self.ambiguous, self.repeated, self.failed):
            for line in _with_reason(kind)[:1]:
                return line
        return f"{self.unknown[0]} is no image of the project" if self.unknown else "it has none"


def put_to_images(predictions: Iterable[Predicted], blobs: Iterable[str], base: str) -> Imported:
    """Find the image of each prediction. `base`: the folder of the image container that the names
    are relative to, "" when that is not said: then a name means the image that ends as it does.
    """
    names, imported = Names(blobs), Imported()
    first: dict[str, Predicted] = {}
    twice: dict[str, str] = {}
    for image in predictions:
        found = names.find(f"{base}/{image.name}" if base else image.name)
        imported.flat += image.flat
        if not found:
            imported.unknown.append(image.name)
        elif len(found) > 1:
            imported.ambiguous[image.name] = f"{found[0]} or {found[1]}"
        elif found[0] in first:
            if not _alike(first[found[0]], image):
                twice[found[0]] = image.name
        else:
            first[found[0]] = image
    for blob, image in first.items():
        if blob in twice:
            imported.repeated[image.name] = f"also as {twice[blob]}"
        elif image.fault:
            imported.faulty[image.name] = image.fault
        elif image.failure:
            imported.failed[image.name] = image.failure
        else:
            imported.found[blob] = image.boxes
    return imported


def totag_of(
    found: dict[str, Boxes], images: pd.DataFrame, numbers: dict[str, int], names: dict[int, str]
) -> pd.DataFrame:
    """Rows of totag for those of `images` (columns of that table) that were predicted. numbers: of
    the classes that count; boxes of others are left out. names: what each number is called.
    """
    entries = (
        (blob, height, width, _detections(found[blob], numbers))
        for blob, height, width in zip(
            tables.blob_names(images), images["height"], images["width"], strict=True
        )
        if blob in found
    )
    return totag_rows(entries, names)


def above(found: dict[str, Boxes], score: float) -> dict[str, Boxes]:
    """Without boxes of a lower score."""
    return {blob: [box for box in boxes if box[5] >= score] for blob, boxes in found.items()}


def class_counts(found: dict[str, Boxes]) -> Counter:
    """How many boxes each class has."""
    return Counter(box[0] for boxes in found.values() for box in boxes)


def _detections(boxes: Boxes, numbers: dict[str, int]) -> Detections:
    kept = sorted((box for box in boxes if box[0] in numbers), key=lambda box: -box[5])
    corners = np.array([box[1:5] for box in kept], np.float64).reshape(-1, 4)
    return Detections(
        corners.round(DECIMALS),
        np.array([numbers[box[0]] for box in kept], np.int64),
        np.array([box[5] for box in kept], np.float64),
    )


def _alike(one: Predicted, other: Predicted) -> bool:
    return (one.boxes, one.failure, one.fault) == (other.boxes, other.failure, other.fault)


def _with_reason(reasons: dict[str, str]) -> list[str]:
    return [f"{name} ({why})" for name, why in reasons.items()]
