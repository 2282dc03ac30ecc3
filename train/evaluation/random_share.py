"""What the images that were drawn at random say of a model: its AP on them, from what it had
predicted before they were labelled.

They are an unbiased sample of the images to tag, which a test set made of chosen images is not. The
model was never trained on them. The interval is a bootstrap over the images (percentile; Efron,
Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from train.evaluation.average_precision import average_precision, boxes_of, match
from utils.labels import tables

DRAWS = 1000
MIDDLE = 0.9  # of the draws lies between low and high
FLATTERY = "labels made on top of pre-labels flatter the model that drew these"


@dataclass(frozen=True)
class RandomShare:
    """AP at overlap 0.5 (all-point, average over classes with true boxes) of `model` on `images`
    images with `boxes` true boxes.
    """

    model: str
    images: int
    boxes: int
    AP: float
    low: float
    high: float

    def as_json(self) -> dict:
        return {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }

    def __str__(self) -> str:
        return (
            f"random share: AP {self.AP:.2f} ({self.low:.2f} to {self.high:.2f} in {MIDDLE:.0%} of"
            f" {DRAWS} draws) of {self.model} on {self.images} images, {self.boxes} boxes, drawn at"
            f" random and labelled after it predicted them; {FLATTERY}"
        )


def random_share(
    drawn: pd.DataFrame,
    tagged: pd.DataFrame,
    model: str | None,
    classes: Sequence[str],
    seed: int = 0,
) -> RandomShare | None:
    """The figure for `model` (blob name), from the tables `drawn` and `tagged`; None when no such
    image with boxes is labelled yet.
    """
    predicted = drawn[drawn["model"] == model] if model else drawn[:0]
    truth = tables.only(tagged, tables.image_set(predicted))
    place = {image: number for number, image in enumerate(sorted(tables.image_set(truth)))}
    found, actual = (boxes_of(frame, list(place), classes) for frame in (predicted, truth))
    found = found.iloc[np.argsort(-found["box_confidence"].to_numpy(float), kind="stable")]
    per_class = []  # (the image of each detection, whether it is right, true boxes per image)
    for name in classes:
        boxes, boxes_found = actual[actual["class"] == name], found[found["class"] == name]
        if len(boxes):
            per_class.append(
                (
                    boxes_found["image"].map(place).to_numpy(np.int64),
                    match(boxes, boxes_found)[1],
                    np.bincount(boxes["image"].map(place), minlength=len(place)),
                )
            )
    if not per_class:
        return None

    def mean_ap(times: np.ndarray) -> float:
        """The average over classes when image i is there times[i] times; NaN without a box."""
        values = [
            average_precision(np.repeat(right, times[image]), times @ boxes)
            for image, right, boxes in per_class
            if times @ boxes
        ]
        return float(np.mean(values)) if values else np.nan

    draw, count = np.random.default_rng(seed), len(place)
    draws = [
        mean_ap(np.bincount(draw.integers(0, count, count), minlength=count)) for _ in range(DRAWS)
    ]
    low, high = np.nanquantile(draws, [(1 - MIDDLE) / 2, (1 + MIDDLE) / 2])
    boxes = sum(int(positives.sum()) for *_, positives in per_class)
    return RandomShare(
        model, count, boxes, mean_ap(np.ones(count, np.int64)), float(low), float(high)
    )
