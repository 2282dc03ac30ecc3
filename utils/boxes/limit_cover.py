"""Not more pre-label boxes over one pixel than a person can look through."""

import numpy as np


def limit_cover(
    xyxy: np.ndarray, confidence: np.ndarray, limit: int, width: int, height: int
) -> np.ndarray:
    """Which boxes to keep, (n,) bool: added from the most confident down, while no pixel would be
    covered by more than `limit` of them; of equally confident ones the first.

    xyxy (n, 4): xmin, ymin, xmax, ymax as fractions of an image of `width` x `height` pixels; a box
    covers one pixel at least. confidence (n,): NaN counts as 0.
    """
    fractions = np.asarray(xyxy, float).reshape(-1, 4)
    pixels = np.rint(fractions * [width, height, width, height]).astype(np.int64)
    pixels[:, 2:] = np.maximum(pixels[:, 2:], pixels[:, :2] + 1)

    # Between two neighbouring sides all pixels are covered alike: one cell for all of them.
    columns, rows = np.unique(pixels[:, ::2]), np.unique(pixels[:, 1::2])
    covered = np.zeros((len(columns), len(rows)), np.int64)
    keep = np.zeros(len(pixels), bool)
    for index in np.argsort(-np.nan_to_num(confidence), kind="stable"):
        left, right = np.searchsorted(columns, pixels[index, ::2])
        top, bottom = np.searchsorted(rows, pixels[index, 1::2])
        cells = covered[left:right, top:bottom]
        if cells.max() < limit:
            cells += 1
            keep[index] = True
    return keep
