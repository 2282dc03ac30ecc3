"""Large pictures in overlapping tiles: where the tiles lie, and how what was found in each becomes
what is in the picture.

Windows are (x, y, width, height) in pixels. Boxes are (n, 4) xmin, ymin, xmax, ymax, as in
utils/boxes/detections.py: in fractions outside this module, in pixels of the picture inside.
"""

from collections.abc import Sequence

import numpy as np

from utils.boxes.detections import Detections
from utils.boxes.iou import intersection_over_union, share_inside

OVERLAP = 0.2  # of a tile's side; an object smaller than this is whole in at least one tile
SAME_IOU = 0.5  # two boxes that cover each other like this are one object
INSIDE = 0.7  # a cut box that lies so far inside another box of its class is a part of it
# two cut boxes whose extents along the tile border agree so far are halves of one object
ALIGNED = 0.6

Window = tuple[int, int, int, int]


def tile_windows(height: int, width: int, side: int, overlap: float = OVERLAP) -> list[Window]:
    """Windows of `side`×`side` pixels (less where the picture is smaller) that cover the picture,
    neighbours sharing `overlap` or more.
    """
    return [
        (x, y, min(side, width), min(side, height))
        for y in _starts(height, side, overlap)
        for x in _starts(width, side, overlap)
    ]


def merge_tiles(found: Sequence[tuple[Window, Detections]], height: int, width: int) -> Detections:
    """What was found in each window as detections of the whole picture, each object once, most
    confident first.

    Greedy non-maximum suppression per class, boxes that no inner tile border cuts before cut ones.
    A cut box is also dropped when most of it lies inside a box that stands, but joined with a cut
    box that continues it beyond the border, however much they have in common.
    """
    boxes, classes, scores, cuts = [], [], [], []
    for (x, y, tile_width, tile_height), detections in found:
        pixels = detections.boxes * [tile_width, tile_height, tile_width, tile_height] + [
            x,
            y,
            x,
            y,
        ]
        border = 0.005 * np.array([tile_width, tile_height, tile_width, tile_height]) + 1
        edges = np.array([x, y, x + tile_width, y + tile_height])
        inner = edges != [0, 0, width, height]
        boxes.append(pixels)
        cuts.append((np.abs(pixels - edges) <= border) & inner)
        classes.append(detections.classes)
        scores.append(detections.scores)
    if not boxes:
        return Detections.none()
    kept_boxes, kept_classes, kept_scores = [], [], []
    box, kind, score, cut = (np.concatenate(part) for part in (boxes, classes, scores, cuts))
    for one in np.unique(kind):
        of_class = kind == one
        joined, confidence = _once(box[of_class], score[of_class], cut[of_class])
        kept_boxes.append(joined)
        kept_classes.append(np.full(len(joined), one))
        kept_scores.append(confidence)
    box = np.concatenate(kept_boxes or [np.zeros((0, 4))])
    score = np.concatenate(kept_scores or [np.zeros(0)])
    kind = np.concatenate(kept_classes or [np.zeros(0)]).astype(np.int64)
    best_first = np.argsort(-score, kind="stable")
    return Detections(
        np.clip(box / [width, height, width, height], 0, 1)[best_first],
        kind[best_first],
        score[best_first],
    )


def _starts(length: int, side: int, overlap: float) -> list[int]:
    if length <= side:
        return [0]
    count = int(np.ceil((length - side) / (side * (1 - overlap)))) + 1
    return np.rint(np.linspace(0, length - side, count)).astype(int).tolist()


def _once(boxes: np.ndarray, scores: np.ndarray, cuts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (n, 4) of one class in pixels, each object once, and their scores. cuts (n, 4) bool:
    which sides lie on an inner border.
    """
    order = np.lexsort((-scores, cuts.any(axis=1)))
    boxes, scores, cuts = boxes[order].copy(), scores[order].copy(), cuts[order].copy()
    kept = np.zeros(len(boxes), bool)
    for index in range(len(boxes)):
        standing = np.flatnonzero(kept)
        this = boxes[index : index + 1]
        (overlaps,) = intersection_over_union(this, boxes[standing])
        (inside,) = share_inside(this, boxes[standing])
        covering = (overlaps > SAME_IOU) | (cuts[index].any() & (inside > INSIDE))
        if covering[~cuts[standing].any(axis=1)].any():
            continue
        halves = [
            place
            for place in standing
            if _continues(boxes[index], cuts[index], boxes[place], cuts[place])
        ]
        if halves:
            place = halves[0]
            boxes[place, :2] = np.minimum(boxes[place, :2], boxes[index, :2])
            boxes[place, 2:] = np.maximum(boxes[place, 2:], boxes[index, 2:])
            cuts[place] &= cuts[index]
        else:
            kept[index] = not covering.any()
    return boxes[kept], scores[kept]


def _continues(
    one: np.ndarray, one_cuts: np.ndarray, other: np.ndarray, other_cuts: np.ndarray
) -> bool:
    """Whether two boxes are cut on facing sides, touch, and agree along the border."""
    for axis in (0, 1):
        across, along = axis, 1 - axis
        facing = (one_cuts[across + 2] and other_cuts[across] and one[across] < other[across]) or (
            one_cuts[across] and other_cuts[across + 2] and other[across] < one[across]
        )
        touching = min(one[across + 2], other[across + 2]) > max(one[across], other[across])
        common = min(one[along + 2], other[along + 2]) - max(one[along], other[along])
        extent = max(one[along + 2], other[along + 2]) - min(one[along], other[along])
        if facing and touching and common > ALIGNED * extent:
            return True
    return False
