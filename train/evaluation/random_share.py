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

from train.evaluation.bootstrap import interval, matched, mean_ap
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
    images = sorted(tables.image_set(truth))
    measured = matched(truth, predicted, classes, images)
    if not measured:
        return None
    low, high = interval(measured, len(images), MIDDLE, DRAWS, seed)
    boxes = sum(int(entry.positives.sum()) for entry in measured)
    once = np.ones(len(images), np.int64)
    return RandomShare(model, len(images), boxes, mean_ap(measured, once), low, high)
