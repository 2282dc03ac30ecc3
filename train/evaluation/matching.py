"""Which detections are right, as PASCAL VOC's VOCevaldet.m decides it: a detection belongs to the
true box of its image and class that it overlaps most, and is wrong when that one was already found
by a more confident detection.
"""

import numpy as np
import pandas as pd

from utils.boxes.iou import overlaps_of_pairs

OVERLAP = 0.5
CORNERS = ["xmin", "ymin", "xmax", "ymax"]
_PAIRS_AT_ONCE = 2_000_000  # so that memory does not grow with the number of images


def match(
    actual: pd.DataFrame, found: pd.DataFrame, overlap: float = OVERLAP
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each detection of one class is right: (scores, right), both (n,), most confident
    first.

    Both tables have the columns image, xmin, ymin, xmax, ymax; found has box_confidence too. Of
    detections with equal scores the order of the rows decides.
    """
    order, places = matched_places(actual, found, overlap)
    return found["box_confidence"].to_numpy(np.float64)[order], places >= 0


def matched_places(
    actual: pd.DataFrame, found: pd.DataFrame, overlap: float = OVERLAP
) -> tuple[np.ndarray, np.ndarray]:
    """As `match`: the order of the detections, most confident first, (n,) rows of `found`, and in
    this order which row of `actual` each has found, -1 where it is wrong.
    """
    order = np.argsort(-found["box_confidence"].to_numpy(np.float64), kind="stable")
    nearest, shared = nearest_boxes(actual, found)
    nearest, shared = nearest[order], shared[order]
    near_enough = np.flatnonzero(shared >= overlap)
    _, first = np.unique(nearest[near_enough], return_index=True)
    places = np.full(len(found), -1)
    places[near_enough[first]] = nearest[near_enough[first]]
    return order, places


def nearest_boxes(actual: pd.DataFrame, found: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The row of `actual` that each row of `found` overlaps most in its image, (n,), and how much
    (IoU), (n,); -1 and -1 where its image has no true box. Of equal overlaps the first row.
    """
    codes, images = pd.factorize(pd.concat([actual["image"], found["image"]], ignore_index=True))
    true_image, found_image = codes[: len(actual)], codes[len(actual) :]
    by_image = np.argsort(true_image, kind="stable")
    counts = np.bincount(true_image, minlength=len(images))
    begin = np.cumsum(counts) - counts

    true_xyxy = actual[CORNERS].to_numpy(np.float64)[by_image]
    found_xyxy = found[CORNERS].to_numpy(np.float64)
    nearest, shared = np.full(len(found), -1), np.full(len(found), -1.0)
    with_boxes = np.flatnonzero(counts[found_image] > 0)
    pairs = counts[found_image[with_boxes]].cumsum()
    ends = (
        np.searchsorted(pairs, np.arange(_PAIRS_AT_ONCE, pairs[-1], _PAIRS_AT_ONCE))
        if len(pairs)
        else []
    )
    for part in np.split(with_boxes, ends):
        if not len(part):
            continue
        sizes = counts[found_image[part]]
        starts = np.cumsum(sizes) - sizes
        detection = np.repeat(np.arange(len(part)), sizes)
        place = np.arange(len(detection)) - starts[detection] + begin[found_image[part]][detection]
        overlaps = overlaps_of_pairs(found_xyxy[part][detection], true_xyxy[place])
        best = np.maximum.reduceat(overlaps, starts)
        at_best = np.flatnonzero(overlaps == best[detection])
        _, first = np.unique(detection[at_best], return_index=True)
        nearest[part] = by_image[place[at_best[first]]]
        shared[part] = best
    return nearest, shared
