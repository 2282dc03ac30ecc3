"""What depends on the score from which detections count: precision and recall, the work that
pre-labels leave to people, and how many images are seen to show something.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from utils.labels import tables
from utils.reserved import NULL


@dataclass(frozen=True)
class Cost:
    """What people would do with the boxes from `threshold` up: keep those that are right, delete
    the wrong ones, draw the missing ones.
    """

    threshold: float
    right: int
    wrong: int
    missing: int

    @property
    def shown(self) -> int:
        return self.right + self.wrong


@dataclass(frozen=True)
class ImageLevel:
    """For n thresholds, how many of `with_objects` images are seen to show something, and how many
    of `empty` ones too. An image shows something where it has a detection from the threshold up,
    of whatever class and wherever it is.
    """

    thresholds: np.ndarray  # (n,)
    found: np.ndarray  # (n,) images with objects
    alarms: np.ndarray  # (n,) empty images
    with_objects: int
    empty: int

    @property
    def recall(self) -> np.ndarray:
        """(n,) the share of images with objects that are found; NaN where there are none."""
        return _share(self.found, self.with_objects)

    @property
    def alarms_per_100_empty(self) -> np.ndarray:
        """(n,) of 100 empty images, how many give a false alarm; NaN where there are none."""
        return 100 * _share(self.alarms, self.empty)

    @property
    def alarms_per_100(self) -> np.ndarray:
        """(n,) of 100 images of all, how many are empty and give a false alarm."""
        return 100 * _share(self.alarms, self.with_objects + self.empty)


def precision_recall(right: np.ndarray, positives: int) -> tuple[np.ndarray, np.ndarray]:
    """(precision, recall), both (n,), after each of n detections in the order of falling
    confidence; positives: true boxes > 0.
    """
    hits = right.cumsum()
    return hits / np.arange(1, len(right) + 1), hits / positives


def costs(
    scores: np.ndarray, right: np.ndarray, positives: int, thresholds: np.ndarray
) -> list[Cost]:
    """What each threshold would cost, of detections with these scores (n,), right or not (n,)."""
    found = []
    for threshold in thresholds:
        shown = scores >= threshold
        hits = int((shown & right).sum())
        found.append(Cost(float(threshold), hits, int(shown.sum()) - hits, positives - hits))
    return found


def image_level(truth: pd.DataFrame, predicted: pd.DataFrame, thresholds: np.ndarray) -> ImageLevel:
    """How many images are seen to show something, of those in `truth` (rows of test, a NULL row for
    an empty image); predicted: rows of totag.
    """
    images = sorted(tables.image_set(truth))
    boxes = truth[truth["class"] != NULL]
    full = np.isin(np.array(images, object), list(tables.image_set(boxes)))
    seen = predicted[predicted["class"] != NULL]
    best = seen["box_confidence"].groupby(tables.blob_names(seen).to_numpy()).max()
    score = best.reindex(images).fillna(-1.0).to_numpy(np.float64)
    above = score[None] >= np.asarray(thresholds, np.float64)[:, None]
    return ImageLevel(
        np.asarray(thresholds, np.float64),
        (above & full).sum(axis=1),
        (above & ~full).sum(axis=1),
        int(full.sum()),
        int((~full).sum()),
    )


def _share(part: np.ndarray, whole: int) -> np.ndarray:
    return part / whole if whole else np.full(len(part), np.nan)
