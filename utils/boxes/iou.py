"""How much boxes have in common. Boxes are arrays `xyxy`, (n, 4): xmin, ymin, xmax, ymax, all in
fractions or all in pixels.
"""

import numpy as np

_NOTHING = 1e-12  # in place of an area of 0, which has nothing in common with anything


def areas(xyxy: np.ndarray) -> np.ndarray:
    """(n,) the areas of boxes."""
    return (xyxy[:, 2:] - xyxy[:, :2]).prod(axis=1)


def shared_areas(one_xyxy: np.ndarray, other_xyxy: np.ndarray) -> np.ndarray:
    """(n, m) the area that each of n boxes has in common with each of m others."""
    lower = np.maximum(one_xyxy[:, None, :2], other_xyxy[None, :, :2])
    upper = np.minimum(one_xyxy[:, None, 2:], other_xyxy[None, :, 2:])
    return np.clip(upper - lower, 0, None).prod(axis=2)


def intersection_over_union(one_xyxy: np.ndarray, other_xyxy: np.ndarray) -> np.ndarray:
    """(n, m) the shared area of each two boxes as a share of what both cover together, 0 to 1
    (Jaccard, 1901).
    """
    shared = shared_areas(one_xyxy, other_xyxy)
    union = areas(one_xyxy)[:, None] + areas(other_xyxy)[None] - shared
    return shared / np.maximum(union, _NOTHING)


def overlaps_of_pairs(one_xyxy: np.ndarray, other_xyxy: np.ndarray) -> np.ndarray:
    """(n,) intersection over union of each of n boxes with the one in the same row of n others."""
    lower = np.maximum(one_xyxy[:, :2], other_xyxy[:, :2])
    upper = np.minimum(one_xyxy[:, 2:], other_xyxy[:, 2:])
    shared = np.clip(upper - lower, 0, None).prod(axis=1)
    return shared / np.maximum(areas(one_xyxy) + areas(other_xyxy) - shared, _NOTHING)


def share_inside(one_xyxy: np.ndarray, other_xyxy: np.ndarray) -> np.ndarray:
    """(n, m) the shared area of each two boxes as a share of the first, 0 to 1."""
    shared = shared_areas(one_xyxy, other_xyxy)
    return shared / np.maximum(areas(one_xyxy)[:, None], _NOTHING)
