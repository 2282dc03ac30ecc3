"""Not more pre-label boxes over one pixel than a person can look through."""

import numpy as np


def limit_cover(
    boxes: np.ndarray, confidence: np.ndarray, limit: int, width: int, height: int
) -> np.ndarray:
    """Which boxes to keep, (n,) bool: added from the most confident down, while no pixel would be
    covered by more than `limit` of them.

    `boxes` (n, 4): xmin, xmax, ymin, ymax as fractions of an image of that size in pixels.
    """
    pixels = np.rint(
        np.asarray(boxes, float).reshape(-1, 4) * [width, width, height, height]
    ).astype(np.int64)
    pixels[:, 1::2] = np.maximum(pixels[:, 1::2], pixels[:, ::2] + 1)
    # between two neighbours all pixels are covered alike
    columns, rows = (
        np.unique(pixels[:, :2]),
        np.unique(pixels[:, 2:]),
    )
    covered = np.zeros((len(columns), len(rows)), np.int64)
    keep = np.zeros(len(pixels), bool)
    for index in np.argsort(-np.nan_to_num(confidence), kind="stable"):
        left, right = np.searchsorted(columns, pixels[index, :2])
        top, bottom = np.searchsorted(rows, pixels[index, 2:])
        cells = covered[left:right, top:bottom]
        if cells.max() < limit:
            cells += 1
            keep[index] = True
    return keep
