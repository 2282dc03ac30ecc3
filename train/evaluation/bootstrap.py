"""Whether a new model is worse than the live one: average precision of both on the same test
images, and a paired bootstrap over these.

The test images are drawn anew with replacement, as many as there are, and both models are measured
on each draw; the spread of the difference over the draws says what the choice of test images alone
can do to it. (Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13, percentile
interval; paired as in Koehn: Statistical Significance Tests for Machine Translation Evaluation,
EMNLP 2004.)

A detection is matched within its image, so this is done once; a draw only changes how often each
image counts. A detection that counts w times stands w times in the precision-recall curve, whose
envelope is the same at all w of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from train.evaluation.average_precision import boxes_of
from train.evaluation.matching import match
from utils.labels import tables

SAMPLES = 1000
LEVEL = 0.05  # a model counts as worse when it is in all but this share of the draws


@dataclass(frozen=True)
class Comparison:
    """Average AP of both models on `images` test images, and the middle 90 % (low, high) of new -
    live over draws; NaN without boxes.
    """

    images: int
    live: float
    new: float
    low: float
    high: float

    @property
    def measured(self) -> bool:
        return not np.isnan(self.high)

    @property
    def worse(self) -> bool:
        """The new model is below the live one in more than 95 % of the draws."""
        return self.high < 0


@dataclass(frozen=True)
class Matched:
    """Detections of one class, most confident first: the number of the image (n,) and whether it is
    right (n,); true boxes (images,).
    """

    image: np.ndarray
    right: np.ndarray
    positives: np.ndarray

    def average_precision(self, weights: np.ndarray) -> float:
        """All-point AP when image i counts weights[i] times (whole numbers, (images,)); NaN without
        true boxes.

        With weights of 1 the same as train.evaluation.average_precision.average_precision.
        """
        positives = weights @ self.positives
        if not positives:
            return np.nan
        times = weights[self.image]
        hits = times * self.right
        precision = hits.cumsum() / np.maximum(times.cumsum(), 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        return float(hits @ envelope / positives)


def compare(
    truth: pd.DataFrame,
    live: pd.DataFrame,
    new: pd.DataFrame,
    classes: Sequence[str],
    seed: int = 0,
    samples: int = SAMPLES,
) -> Comparison:
    """Compare two models on the images of `truth` (rows of test); live and new are rows of totag,
    detections from 0.01 up.

    What counts is as in train.evaluation.average_precision.measure: the average over those of
    `classes` that have true boxes (in this draw).
    """
    images = sorted(tables.image_set(truth))
    of_live, of_new = (matched(truth, found, classes, images) for found in (live, new))
    once = np.ones(len(images), np.int64)
    differences = [
        mean_ap(of_new, weights) - mean_ap(of_live, weights)
        for weights in draws(len(images), samples, seed)
    ]
    known = np.array(differences)[~np.isnan(differences)] if differences else np.array([])
    low, high = np.quantile(known, [LEVEL, 1 - LEVEL]) if len(known) else (np.nan, np.nan)
    return Comparison(
        len(images), mean_ap(of_live, once), mean_ap(of_new, once), float(low), float(high)
    )


def draws(images: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    """`samples` draws of as many images as there are, with replacement: how often each one counts,
    (images,). None without images.
    """
    random = np.random.default_rng(seed)
    for _ in range(samples if images else 0):
        yield np.bincount(random.integers(0, images, images), minlength=images)


def interval(
    classes: list[Matched], images: int, middle: float, samples: int = SAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Between which two average APs the `middle` part of the draws lies, when `images` images are
    drawn anew each time; NaN without true boxes.
    """
    values = [mean_ap(classes, weights) for weights in draws(images, samples, seed)]
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return np.nan, np.nan
    low, high = np.quantile(known, [(1 - middle) / 2, (1 + middle) / 2])
    return float(low), float(high)


def matched(
    truth: pd.DataFrame, found: pd.DataFrame, classes: Sequence[str], images: list[str]
) -> list[Matched]:
    """The detections of each class that has true boxes, matched with these; numbers of images are
    places in `images`.
    """
    place = {image: number for number, image in enumerate(images)}
    actual, found = (boxes_of(frame, images, classes) for frame in (truth, found))
    found = found.iloc[np.argsort(-found["box_confidence"].to_numpy(np.float64), kind="stable")]
    result = []
    for name in actual["class"].unique():
        actual_of_class, found_of_class = (
            actual[actual["class"] == name],
            found[found["class"] == name],
        )
        _, right = match(actual_of_class, found_of_class)
        result.append(
            Matched(
                found_of_class["image"].map(place).to_numpy(np.int64),
                right,
                np.bincount(actual_of_class["image"].map(place), minlength=len(images)),
            )
        )
    return result


def mean_ap(classes: list[Matched], weights: np.ndarray) -> float:
    """The average over the classes that have true boxes; NaN when none has."""
    values = [
        value
        for value in (entry.average_precision(weights) for entry in classes)
        if not np.isnan(value)
    ]
    return float(np.mean(values)) if values else np.nan
