"""How differently a model sees an image and its mirror image: what the strategy `disagreement` goes
by.

(Consistency under a horizontal flip as a measure of what a detector does not know yet: Elezi et
al., Not All Labels Are Equal, CVPR 2022. The formula here is simpler than theirs.)
"""

from dataclasses import replace

import numpy as np

from utils.boxes.detections import Detections
from utils.boxes.iou import intersection_over_union

LEAST_SCORE = 0.05  # boxes below it say nothing
_SAME = 0.5  # overlap from which two boxes of one class are the same object


def mirrored(found: Detections) -> Detections:
    """Detections of a mirror image in the coordinates of the image itself."""
    xyxy = found.boxes.copy()
    xyxy[:, [0, 2]] = 1 - found.boxes[:, [2, 0]]
    return replace(found, boxes=xyxy)


def disagreement(one: Detections, other: Detections) -> float:
    """0 where both say the same, 1 where they have nothing in common; 0 without boxes. `other` is
    in the coordinates of `one`.

    Boxes of equal class are paired from the largest overlap down. A pair costs 1 - overlap x lower
    score / higher score, a box without a partner costs 1; the mean of these, each weighted by its
    (higher) score.
    """
    one, other = one.at_least(LEAST_SCORE), other.at_least(LEAST_SCORE)
    same_class = one.classes[:, None] == other.classes[None]
    overlaps = intersection_over_union(one.boxes, other.boxes) * same_class
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
