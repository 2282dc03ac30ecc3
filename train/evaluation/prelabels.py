"""From which score a model's boxes are worth showing to a person: per class the one that costs
least seconds, on images whose truth is known.

A shown box is kept, moved or deleted, and a true box that none belongs to is drawn. Matching is
that of average_precision.py: a box belongs to the true one of its class that it overlaps most, if
by 0.5 at least and no surer box has it. One that overlaps by 0.75, COCO's strict overlap, is good
enough to be kept; people move the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from train.evaluation.average_precision import boxes_of
from train.evaluation.matching import OVERLAP, match
from utils.boxes.prelabels import NEVER, Thresholds, shown_boxes, surest
from utils.effort.comparing import GOOD_ENOUGH
from utils.effort.seconds import Seconds
from utils.labels import tables

FEW_BOXES = 10  # a class with fewer true boxes gets the score that is cheapest for all classes


@dataclass(frozen=True)
class Scored:
    """n boxes, surest first: scores (n,); what each costs when it is shown, seconds (n,); right,
    whether it saves a drawing (n,) bool; and how many true boxes there are.
    """

    scores: np.ndarray
    seconds: np.ndarray
    right: np.ndarray
    positives: int

    def cheapest(self, draw: float) -> float:
        """The score from which showing boxes costs least, half way down to the next box, which is
        not worth it any more; NEVER when showing none costs least.
        """
        if not len(self.scores):
            return NEVER
        saved = draw * self.right
        costs = (self.seconds - saved).cumsum()
        last_of_score = np.append(self.scores[:-1] != self.scores[1:], True)
        costs = np.where(last_of_score, costs, np.inf)
        best = int(costs.argmin())
        if costs[best] >= 0:
            return NEVER
        below = self.scores[best + 1] if best + 1 < len(self.scores) else 0.0
        return float(self.scores[best] + below) / 2


@dataclass(frozen=True)
class Prelabels:
    """The cheapest thresholds, and the seconds of an image with and without these pre-labels, on
    `images` images.
    """

    thresholds: dict[str, float]
    images: int
    with_them: float
    without: float

    def as_json(self) -> dict:
        """The member `prelabels` of a cycle; a threshold of null means that none is shown."""
        return {
            "thresholds": {
                name: None if score == NEVER else round(score, 6)
                for name, score in self.thresholds.items()
            },
            "images": self.images,
            "seconds": {"with": round(self.with_them, 2), "without": round(self.without, 2)},
        }


def cheapest_prelabels(
    truth: pd.DataFrame, predicted: pd.DataFrame, classes: Sequence[str], costs: Seconds
) -> Prelabels | None:
    """What `prelabel_confidence=auto` shows, from rows of tagged for images whose truth is known
    and rows of totag for what the model finds in them. None without images.

    Where even the cheapest thresholds cost more than drawing by hand, nothing is shown.
    """
    images = sorted(tables.image_set(truth))
    if not images:
        return None
    actual, found = (boxes_of(frame, images, classes) for frame in (truth, predicted))
    scored = {name: _scored(actual, found, name, costs) for name in classes}
    of_all = _together(list(scored.values())).cheapest(costs.draw)
    thresholds = {
        name: of_class.cheapest(costs.draw) if of_class.positives >= FEW_BOXES else of_all
        for name, of_class in scored.items()
    }

    without = costs.look + costs.draw * len(actual) / len(images)
    shown = Thresholds(of_class=thresholds)
    seconds = seconds_per_image(actual, found, classes, shown, len(images), costs)
    if seconds >= without:
        thresholds, seconds = dict.fromkeys(thresholds, NEVER), without
    return Prelabels(thresholds, len(images), seconds, without)


def seconds_per_image(
    actual: pd.DataFrame,
    found: pd.DataFrame,
    classes: Sequence[str],
    thresholds: Thresholds,
    images: int,
    costs: Seconds,
) -> float:
    """What an image costs on average when the boxes of `found` are shown that these thresholds let
    through; both tables as boxes_of gives them.
    """
    shown = shown_boxes(found, thresholds)
    total = costs.look * images
    for name in classes:
        scored = _scored(actual, shown, name, costs, suppressed=True)
        total += scored.seconds.sum() + costs.draw * (scored.positives - scored.right.sum())
    return float(total / images)


def _scored(
    actual: pd.DataFrame, found: pd.DataFrame, name: str, costs: Seconds, suppressed: bool = False
) -> Scored:
    true_boxes, boxes = actual[actual["class"] == name], found[found["class"] == name]
    if not suppressed:
        boxes = boxes[surest(boxes)]
    scores, right = match(true_boxes, boxes, OVERLAP)
    _, good = match(true_boxes, boxes, GOOD_ENOUGH)
    seconds = np.where(right, np.where(good, costs.keep, costs.change), costs.delete)
    return Scored(scores, seconds, right, len(true_boxes))


def _together(parts: list[Scored]) -> Scored:
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind="stable")
    seconds, right = (
        np.concatenate([getattr(part, name) for part in parts])[order]
        for name in ("seconds", "right")
    )
    return Scored(scores[order], seconds, right, sum(part.positives for part in parts))
