"""Which images a person gets next. What an image is worth is one function (`lowest_box`), which images are taken is another (`choose`).

All arrays have one place per image of the pool; nothing here loops over images.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from utils import tables
from utils.assignments import image_codes


@dataclass(frozen=True)
class Pool:
    """The images to choose from. `classes` has, per class, the places of the images with a box of it."""
    names: pa.Array          # blob names
    folder: np.ndarray       # (n,) a number per image folder
    confidence: np.ndarray   # (n,) the lowest box confidence; 0 without boxes
    unseen: np.ndarray       # (n,) bool, no model has seen the image
    empty: np.ndarray        # (n,) bool, no boxes
    classes: dict[str, np.ndarray]


def image_pool(totag: pd.DataFrame) -> Pool:
    """The pool of all images in a table of predictions (columns of totag, the rows of an image in any order)."""
    image, names = image_codes(totag)
    confidence = totag["image_confidence"].to_numpy(dtype=float, na_value=np.nan)
    lowest = np.full(len(names), np.inf)
    np.fmin.at(lowest, image, confidence)
    folder = np.zeros(len(names), np.int64)
    folder[image] = _codes(totag["folder"])[0]
    class_code, class_names = _codes(totag["class"])
    boxes = {name: _distinct(image[class_code == code], len(names)) for code, name in enumerate(class_names) if name != tables.NULL}
    empty = np.ones(len(names), bool)
    for places in boxes.values():
        empty[places] = False
    return Pool(names, folder, np.where(np.isinf(lowest), 0.0, lowest), empty & np.isinf(lowest), empty, boxes)


def lowest_box(pool: Pool, pick_max: bool = False) -> np.ndarray:
    """(n,) what each image is worth: the less sure the model is of its least sure box, the more; with `pick_max` the surer, the more."""
    return pool.confidence if pick_max else -pool.confidence


def choose(pool: Pool, worth: np.ndarray, count: int, classes: Sequence[str] = (), balance: Sequence[float] = ()) -> list[str]:
    """Blob names of exactly `count` images (of all, when there are fewer), those of most worth; equal ones by name.

    `balance`: the share of `count` that each of `classes` gets, then the share of images without boxes (of which those come first that a
    model has seen). What one cannot fill goes to the others, and after them to all other images. Within each, the image folders take turns,
    each giving its next-best image.
    """
    total = len(pool.names)
    by_name = np.empty(total, np.int64)
    by_name[pc.sort_indices(pool.names).to_numpy()] = np.arange(total)
    place = np.empty(total, np.int64)  # in the order of worth
    place[np.lexsort((by_name, pool.unseen, -worth))] = np.arange(total)

    everything, nothing = np.arange(total), np.zeros(total, bool)
    groups = [_Group(everything, 1.0, nothing)]
    if balance:
        groups = [_Group(pool.classes.get(name, everything[:0]), share, nothing) for name, share in zip(classes, balance[:-1], strict=True)]
        groups.append(_Group(np.flatnonzero(pool.empty), balance[-1], pool.unseen))
    for group in [*groups, rest := _Group(everything, 1.0, nothing)]:
        group.prepare(place, pool.folder)

    taken = np.zeros(total, bool)
    chosen: list[int] = []
    while len(chosen) < min(count, total):
        filling = [group for group in groups if group.share > 0 and not taken[group.images].all()] or [rest]
        quotas = largest_remainder(count - len(chosen), [group.share for group in filling])
        # The group with the fewest images chooses first: what it has would else be taken as an example of a common class.
        for group, quota in sorted(zip(filling, quotas, strict=True), key=lambda pair: len(pair[0].images)):
            picked = group.next_best(quota, taken)
            taken[picked] = True
            chosen.extend(picked.tolist())
    return pool.names.take(pa.array(chosen, pa.int64())).to_pylist()


def largest_remainder(count: int, shares: Sequence[float]) -> list[int]:
    """`count` divided in proportion to `shares` into whole numbers that sum to it (Hamilton's method; equal remainders: the first)."""
    exact = np.asarray(shares, float) / sum(shares) * count
    quotas = np.floor(exact + 1e-9).astype(int)
    most = np.argsort(-np.round(exact - quotas, 9), kind="stable")
    quotas[most[:count - quotas.sum()]] += 1
    return quotas.tolist()


def limit_cover(boxes: np.ndarray, confidence: np.ndarray, limit: int, width: int, height: int) -> np.ndarray:
    """Which boxes to keep, (n,) bool: added from the most confident down, while no pixel would be covered by more than `limit` of them.

    `boxes` (n, 4): xmin, xmax, ymin, ymax as fractions of an image of that size in pixels.
    """
    pixels = np.rint(np.asarray(boxes, float).reshape(-1, 4) * [width, width, height, height]).astype(np.int64)
    pixels[:, 1::2] = np.maximum(pixels[:, 1::2], pixels[:, ::2] + 1)
    columns, rows = np.unique(pixels[:, :2]), np.unique(pixels[:, 2:])  # between two neighbours all pixels are covered alike
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


class _Group:
    """Images that share a quota, best first; their folders take turns. `later`: images that come after all others."""

    def __init__(self, images: np.ndarray, share: float, later: np.ndarray):
        self.images, self.share, self._later = images, share, later

    def prepare(self, place: np.ndarray, folder: np.ndarray) -> None:
        self.images = self.images[np.argsort(place[self.images])]
        self._folder = folder
        self._given = np.zeros(folder.max(initial=0) + 1, np.int64)

    def next_best(self, count: int, taken: np.ndarray) -> np.ndarray:
        """The next `count` of the images that are not taken."""
        images = self.images[~taken[self.images]]
        folder, later = self._folder[images], self._later[images]
        turn = _repeats(folder * 2 + later) + self._given[folder]
        picked = images[np.lexsort((turn, later))[:count]]  # stable: within one turn the best comes first
        np.add.at(self._given, self._folder[picked], 1)
        return picked


def _repeats(keys: np.ndarray) -> np.ndarray:
    """How often each key has occurred before."""
    order = np.argsort(keys, kind="stable")
    position = np.arange(len(keys))
    starts = np.diff(keys[order], prepend=-1) != 0
    repeats = np.empty(len(keys), np.int64)
    repeats[order] = position - np.maximum.accumulate(np.where(starts, position, 0))
    return repeats


def _distinct(places: np.ndarray, total: int) -> np.ndarray:
    """The different values of `places`, ascending; all are below `total`. (np.unique takes 20 times as long.)"""
    seen = np.zeros(total, bool)
    seen[places] = True
    return np.flatnonzero(seen)


def _codes(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    encoded = pc.dictionary_encode(pa.chunked_array([pa.array(column, pa.large_string())]).combine_chunks())
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
