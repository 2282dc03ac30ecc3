"""Batches of images that differ: greedy k-center on image embeddings, and an even spread over
folders and time where there are none.
"""

import numpy as np

from utils.selection.quotas import repeats

_BLOCK = 1 << 22  # distances that are computed at once
_LEAST = 1e-3  # weight of the least worthy image, so that distance decides among those


def k_center(
    vectors: np.ndarray | None,
    weight: np.ndarray,
    count: int,
    centres: np.ndarray | None = None,
    folder: np.ndarray | None = None,
    per_folder: int | None = None,
    batch: int | None = None,
) -> np.ndarray:
    """The places of `count` of n images, chosen one by one: each time the one with the largest
    weight x distance to the nearest centre.

    (Greedy k-center: Gonzalez, Clustering to minimize the maximum intercluster distance, 1985; for
    active learning Sener and Savarese,
    2018. The weight is ours.) Centres are the rows of `centres` (k, d), labelled images, and every
    image that was chosen before; with no centre yet the image of largest weight comes first.
    vectors (n, d); an image whose row is NaN counts as far as the median image is. None: weight
    alone decides. weight (n,) >= 0. At most `per_folder` images with the same number in `folder`
    (n,), and when all folders have given theirs, as many again; with `batch` also after every so
    many images.
    """
    total = len(weight)
    weight = np.maximum(weight / max(weight.max(initial=0), 1e-12), _LEAST)
    known = np.zeros(total, bool) if vectors is None else ~np.isnan(vectors).any(axis=1)
    points = None if vectors is None else np.where(known[:, None], vectors, 0).astype(np.float32)
    distance = np.full(total, np.inf, np.float32)
    near = None if points is None else points[known]
    size = None if near is None else (near**2).sum(axis=1)
    if near is not None and centres is not None and len(centres):
        distance[known] = nearest(near, centres.astype(np.float32), size)
    free, given = (
        np.ones(total, bool),
        np.zeros(0 if folder is None else folder.max(initial=0) + 1, np.int64),
    )
    chosen: list[int] = []
    while len(chosen) < min(count, total):
        if batch is not None and len(chosen) % batch == 0:
            given[:] = 0
        allowed = (
            free if folder is None or per_folder is None else free & (given[folder] < per_folder)
        )
        if not allowed.any():
            given[:] = 0
            continue
        far = _as_far_as_known(distance, known, free)
        best = int(np.argmax(np.where(allowed, weight * far, -1)))
        chosen.append(best)
        free[best] = False
        if folder is not None:
            given[folder[best]] += 1
        if known[best]:
            closer = nearest(near, points[best : best + 1], size)
            distance[known] = np.minimum(distance[known], closer)
    return np.array(chosen, np.int64)


def _as_far_as_known(distance: np.ndarray, known: np.ndarray, free: np.ndarray) -> np.ndarray:
    """(n,) the distances; images of which none is known are as far as the median one."""
    if known.all() and np.isfinite(distance).all():
        return distance
    finite = known & free & np.isfinite(distance)
    if not finite.any():
        return np.ones(len(distance))
    return np.where(known, distance, np.median(distance[finite]))


def nearest(points: np.ndarray, centres: np.ndarray, size: np.ndarray | None = None) -> np.ndarray:
    """(n,) the Euclidean distance of each point (n, d) to the nearest of the centres (k, d). size:
    (n,) the points' squared lengths, where they are known.
    """
    closest = np.full(len(points), np.inf, np.float32)
    size = (points**2).sum(axis=1) if size is None else size
    step = max(1, _BLOCK // max(1, len(points)))
    for start in range(0, len(centres), step):
        block = centres[start : start + step]
        squared = size[:, None] - 2 * points @ block.T + (block**2).sum(axis=1)
        closest = np.minimum(closest, squared.min(axis=1))
    return np.sqrt(np.maximum(closest, 0))


def spread(
    folder: np.ndarray, burst: np.ndarray, order: np.ndarray, taken_up: np.ndarray | None = None
) -> np.ndarray:
    """(n,) what images are worth when nothing is known of their content: 0 for the first of each
    folder, -1 for its second, and so on.

    Within a folder, one image of every burst comes before the second of any, and they are taken
    from the first, the middle, the quarters, the eighths … of the folder's time (van der Corput's
    sequence). `order` (n,): each image's place in time. `taken_up` (n,): how many images the
    image's burst has given already.
    """
    by_time = np.argsort(order, kind="stable")
    position, within = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
    position[by_time] = repeats(folder[by_time])
    within[by_time] = repeats(burst[by_time])
    within += 0 if taken_up is None else taken_up
    size = np.bincount(folder, minlength=1)[folder]
    early = _reversed_bits((position << 16) // np.maximum(size, 1))
    rank = np.empty(len(order), np.int64)
    best_first = np.lexsort((order, early, within, folder))
    rank[best_first] = repeats(folder[best_first])
    return -rank.astype(float)


def _reversed_bits(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers below 2^16 with their 16 bits in the opposite order."""
    turned = np.zeros_like(numbers)
    for bit in range(16):
        turned |= ((numbers >> bit) & 1) << (15 - bit)
    return turned
