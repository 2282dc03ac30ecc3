"""Which of a model's boxes people get to see: those from a score per class, and of boxes that
overlap too much only the surest.

The scores are `prelabel_confidence`, or with `auto` those that were cheapest for a person on the
images whose truth the last cycle knew (train/evaluation/prelabels.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from utils.boxes.iou import intersection_over_union
from utils.labels.tables import blob_names
from utils.reserved import NULL

OVERLAP = 0.6  # of boxes that overlap by more, whatever their class, people see the surest
UNMEASURED = 0.5  # the score of a class that was never measured
NEVER = np.inf  # boxes of this class cost more than drawing by hand

_CORNERS = ["xmin", "ymin", "xmax", "ymax"]


@dataclass(frozen=True)
class Thresholds:
    """From which score the boxes of each class are shown. `why`: one line for people."""

    other: float = UNMEASURED  # of classes that are not named
    of_class: Mapping[str, float] = field(default_factory=dict)
    only_surest: bool = True  # of boxes that overlap too much
    why: str = ""

    def of(self, name: str) -> float:
        """The score from which boxes of this class are shown."""
        return self.of_class.get(name, self.other)

    @property
    def typical(self) -> float:
        """One score for all classes: the median of those from which some are shown."""
        shown = [score for score in self.of_class.values() if score != NEVER]
        return float(np.median(shown)) if shown else self.other


def measured_thresholds(entry: Mapping, present_name: Callable[[str], str]) -> Thresholds:
    """The thresholds in a cycle's `prelabels`: {"thresholds": {class: score, or null = never},
    "images": on how many they were measured, "seconds": {"with": of one, "without": of one}}.

    `present_name` gives a class its present name; of classes that became one the lowest counts.
    """
    found: dict[str, float] = {}
    for name, score in entry["thresholds"].items():
        name = present_name(name)
        found[name] = min(found.get(name, NEVER), NEVER if score is None else score)
    return Thresholds(of_class=found, why=words_of(entry))


def words_of(entry: Mapping) -> str:
    """A cycle's `prelabels` as one line for people."""
    seconds = entry["seconds"]
    what = ", ".join(
        f"{name} never" if score is None else f"{name} from {score:.2f}"
        for name, score in entry["thresholds"].items()
    )
    return (
        f"boxes are shown by score: {what}; on {entry['images']} reviewed images this costs"
        f" {seconds['with']:.0f} s each, drawing everything {seconds['without']:.0f} s"
    )


def shown_boxes(rows: pd.DataFrame, thresholds: Thresholds) -> pd.DataFrame:
    """The rows (columns of totag) whose boxes people get to see. A box without a score is shown."""
    boxes = rows[rows["class"] != NULL]
    scores = boxes["box_confidence"].to_numpy(dtype=np.float64, na_value=np.nan)
    boxes = boxes[~(scores < boxes["class"].map(thresholds.of).to_numpy(np.float64))]
    return boxes[surest(boxes)] if thresholds.only_surest else boxes


def surest(boxes: pd.DataFrame, overlap: float = OVERLAP) -> np.ndarray:
    """(n,) bool: which boxes are left when of those in one image that overlap by more than
    `overlap` only the surest stays (greedy non-maximum suppression, whatever the class).
    """
    keep = np.ones(len(boxes), bool)
    xyxy = boxes[_CORNERS].to_numpy(np.float64)
    scores = boxes["box_confidence"].to_numpy(dtype=np.float64, na_value=np.nan)
    places = np.arange(len(boxes))
    for _, of_image in pd.Series(places).groupby(blob_names(boxes).to_numpy(), sort=False):
        places = of_image.to_numpy()
        order = places[np.argsort(-np.nan_to_num(scores[places], nan=1.0), kind="stable")]
        alike = intersection_over_union(xyxy[order], xyxy[order]) > overlap
        for number in range(len(order)):
            if keep[order[number]]:
                keep[order[number + 1 :][alike[number, number + 1 :]]] = False
    return keep
