"""What became of each true box and of each detection from a threshold up: found, missed, mixed up,
or invented; and the confusion matrix that follows.

First, detections are matched with true boxes of their own class, as average precision does it
(average_precision.py), so that found boxes are the same here and there. What is left over is paired
with what is left over in other classes, largest overlap first: these are mixed up. True boxes that
are left then are missed, detections that are left are false.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from train.evaluation.average_precision import boxes_of
from train.evaluation.matching import CORNERS, OVERLAP, matched_places
from utils.boxes.iou import intersection_over_union
from utils.labels import tables

NONE = -1  # in `partner`: there is none


@dataclass(frozen=True)
class Outcomes:
    """True boxes and detections of the measured images, numbered from 0, with a column `partner`:
    the number of the detection (or true box) that each belongs to, NONE for missed and false ones.
    """

    actual: pd.DataFrame
    found: pd.DataFrame

    @property
    def missed(self) -> pd.DataFrame:
        """The true boxes that no detection belongs to."""
        return self.actual[self.actual["partner"] == NONE]

    @property
    def false(self) -> pd.DataFrame:
        """The detections where nothing is."""
        return self.found[self.found["partner"] == NONE]

    @property
    def right(self) -> pd.Series:
        """Which true boxes were found as what they are, bool."""
        partner = self.actual["partner"].to_numpy()
        right = np.zeros(len(partner), bool)
        has = partner != NONE
        taken_for = self.found["class"].to_numpy(object)[partner[has]]
        right[has] = taken_for == self.actual["class"].to_numpy(object)[has]
        return pd.Series(right, index=self.actual.index)

    @property
    def mixed_up(self) -> pd.DataFrame:
        """The true boxes that were found as another class, with the columns `taken_for` and
        `box_confidence` of that detection.
        """
        mixed = self.actual[(self.actual["partner"] != NONE) & ~self.right]
        detections = self.found.iloc[mixed["partner"].to_numpy()]
        return mixed.assign(
            taken_for=detections["class"].to_numpy(object),
            box_confidence=detections["box_confidence"].to_numpy(),
        )


def outcomes(
    truth: pd.DataFrame,
    predicted: pd.DataFrame,
    classes: Sequence[str],
    threshold: float,
    overlap: float = OVERLAP,
) -> Outcomes:
    """Match rows of totag with a confidence of `threshold` or more with the rows of test, in the
    images of `truth`. Boxes without area and of other classes than `classes` do not count.
    """
    images = sorted(tables.image_set(truth))
    sure = predicted[predicted["box_confidence"] >= threshold]
    actual, found = (
        boxes_of(frame, images, classes).reset_index(drop=True) for frame in (truth, sure)
    )
    of_actual, of_found = np.full(len(actual), NONE), np.full(len(found), NONE)
    for name in actual["class"].unique():
        true_rows = np.flatnonzero(actual["class"] == name)
        rows = np.flatnonzero(found["class"] == name)
        order, places = matched_places(actual.iloc[true_rows], found.iloc[rows], overlap)
        right = places != NONE
        of_found[rows[order[right]]] = true_rows[places[right]]
        of_actual[true_rows[places[right]]] = rows[order[right]]
    _pair_the_rest(actual, found, of_actual, of_found, overlap)
    return Outcomes(actual.assign(partner=of_actual), found.assign(partner=of_found))


def confusion(made: Outcomes, classes: Sequence[str]) -> np.ndarray:
    """(n + 1, n + 1) counts of boxes: a row for what is there, a column for what the model says,
    both in the order of `classes`, then background. Its last cell, background that was seen as
    background, is 0: nobody can count it.
    """
    place = {name: number for number, name in enumerate(classes)}
    matrix = np.zeros((len(classes) + 1, len(classes) + 1), np.int64)
    actual, found = (frame["class"].map(place).to_numpy(int) for frame in (made.actual, made.found))
    partner = made.actual["partner"].to_numpy()
    columns = np.full(len(actual), len(classes))
    columns[partner != NONE] = found[partner[partner != NONE]]
    np.add.at(matrix, (actual, columns), 1)
    false = made.found["partner"].to_numpy() == NONE
    np.add.at(matrix, (len(classes), found[false]), 1)
    return matrix


def _pair_the_rest(
    actual: pd.DataFrame,
    found: pd.DataFrame,
    of_actual: np.ndarray,
    of_found: np.ndarray,
    overlap: float,
) -> None:
    """Pair what has no partner yet with what has none in other classes of its image."""
    left = {
        image: rows.index.to_numpy() for image, rows in found[of_found == NONE].groupby("image")
    }
    for image, rows in actual[of_actual == NONE].groupby("image"):
        if image not in left:
            continue
        ours, theirs = rows.index.to_numpy(), left[image]
        shared = intersection_over_union(
            actual.loc[ours, CORNERS].to_numpy(np.float64),
            found.loc[theirs, CORNERS].to_numpy(np.float64),
        )
        names = actual.loc[ours, "class"].to_numpy(object)[:, None]
        shared[names == found.loc[theirs, "class"].to_numpy(object)] = 0
        while shared.size and (best := shared.max()) >= overlap:
            one, other = np.argwhere(shared == best)[0]
            of_actual[ours[one]], of_found[theirs[other]] = theirs[other], ours[one]
            shared[one], shared[:, other] = 0, 0
