"""How differently a model sees an image and its mirror image: what the strategy `disagreement` goes
by.

(Consistency under a horizontal flip as a measure of what a detector does not know yet: Elezi et
al., Not All Labels Are Equal, CVPR 2022. The formula here is simpler than theirs.)
"""

from dataclasses import replace

import numpy as np

from utils.boxes.detections import Detections

LEAST_SCORE = 0.05  # boxes below it say nothing
_SAME = 0.5  # overlap from which two boxes of one class are the same object


def mirrored(found: Detections) -> Detections:
    """Detections of a mirror image in the coordinates of the image itself."""
    boxes = found.boxes.copy()
    boxes[:, [0, 2]] = 1 - found.boxes[:, [2, 0]]
    return replace(found, boxes=boxes)


def disagreement(one: Detections, other: Detections) -> float:
    """0 where both say the same, 1 where they have nothing in common; 0 without boxes. `other` is
    in the coordinates of `one`.

    Boxes of equal class are paired from the largest overlap down. A pair costs 1 - overlap x lower
    score / higher score, a box without a partner costs 1; the mean of these, each weighted by its
    (higher) score.
    """
    one, other = one.at_least(LEAST_SCORE), other.at_least(LEAST_SCORE)
    overlaps = _overlaps(one.boxes, other.boxes) * (one.classes[:, None] == other.classes[None])
    cost = weight = 0.0
    alone = [np.ones(len(one), bool), np.ones(len(other), bool)]
    while overlaps.size and (best := overlaps.max()) >= _SAME:
        left, right = np.unravel_index(overlaps.argmax(), overlaps.shape)
        overlaps[left], overlaps[:, right] = 0, 0
        alone[0][left] = alone[1][right] = False
        low, high = sorted((one.scores[left], other.scores[right]))
        cost, weight = cost + high * (1 - best * low / high), weight + high
    lonely = one.scores[alone[0]].sum() + other.scores[alone[1]].sum()
    return float((cost + lonely) / (weight + lonely)) if weight + lonely else 0.0


def _overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n, m) intersection over union of boxes (n, 4) and (m, 4), xmin, ymin, xmax, ymax."""
    sides = np.minimum(one[:, None, 2:], other[None, :, 2:]) - np.maximum(
        one[:, None, :2], other[None, :, :2]
    )
    common = np.clip(sides, 0, None).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (one, other)]
    return common / np.maximum(areas[0][:, None] + areas[1][None] - common, 1e-12)
