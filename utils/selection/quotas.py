"""Which images of a pool are taken: the best ones, with quotas per class, turns of the image
folders and a limit per burst.

What an image is worth is decided elsewhere (worth.py). All arrays have one place per image of
the pool, unless said otherwise; nothing here loops over images.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from utils.labels.assignments import image_codes
from utils.reserved import NULL

# Takes images (their places, best first) and how many of them are wanted; gives those that are
# picked.
Picker = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Pool:
    """The n images to choose from and their m boxes. `classes` has, per class, the places of the
    images with a box of it.
    """

    names: pa.Array  # blob names
    folder: np.ndarray  # (n,) a number per image folder
    confidence: np.ndarray  # (n,) the lowest box confidence; 0 without boxes
    unseen: np.ndarray  # (n,) bool, no model has seen the image
    empty: np.ndarray  # (n,) bool, no boxes
    classes: dict[str, np.ndarray]
    box_image: np.ndarray  # (m,) the box's image
    box_class: np.ndarray  # (m,) its class, as a place in class_names
    box_score: np.ndarray  # (m,) its confidence; 1 where a table gives none
    class_names: list[str]
    box_shown: np.ndarray  # (m,) bool, whether people get to see it


def image_pool(totag: pd.DataFrame, shown_from: Callable[[str], float] = lambda name: 0.0) -> Pool:
    """The pool of all images in a table of predictions (columns of totag, the rows of an image in
    any order).

    For `empty` and `classes` only boxes count that a person gets to see: of a confidence of
    `shown_from` their class or more.
    """
    image, names = image_codes(totag)
    confidence = totag["image_confidence"].to_numpy(dtype=float, na_value=np.nan)
    lowest = np.full(len(names), np.inf)
    np.fmin.at(lowest, image, confidence)
    folder = np.zeros(len(names), np.int64)
    folder[image] = _codes(totag["folder"])[0]
    code, class_names = _codes(totag["class"])
    is_box = code != class_names.index(NULL) if NULL in class_names else np.ones(len(code), bool)
    score = np.nan_to_num(totag["box_confidence"].to_numpy(dtype=float, na_value=np.nan), nan=1.0)
    least = np.array([shown_from(name) for name in class_names])
    shown = is_box & (score >= least[code])
    boxes = {
        name: _distinct(image[shown & (code == number)], len(names))
        for number, name in enumerate(class_names)
        if name != NULL
    }
    empty, unseen = np.ones(len(names), bool), np.isinf(lowest)
    empty[image[shown]] = False
    unseen[image[is_box]] = False
    return Pool(
        names,
        folder,
        np.where(np.isinf(lowest), 0.0, lowest),
        unseen,
        empty,
        {name: of for name, of in boxes.items() if len(of)},
        image[is_box],
        code[is_box],
        score[is_box],
        class_names,
        shown[is_box],
    )


def lowest_box(pool: Pool, pick_max: bool = False) -> np.ndarray:
    """(n,) what each image is worth: the less sure the model is of its least sure box, the more;
    with `pick_max` the surer, the more.
    """
    return pool.confidence if pick_max else -pool.confidence


def choose(
    pool: Pool,
    worth: np.ndarray,
    count: int,
    classes: Sequence[str] = (),
    balance: Sequence[float] = (),
    *,
    taken: np.ndarray | None = None,
    burst: np.ndarray | None = None,
    per_burst: int | None = None,
    given: np.ndarray | None = None,
    pick: Picker | None = None,
    beyond: Mapping[str, int] = MappingProxyType({}),
) -> np.ndarray:
    """The places of exactly `count` images (of all that are left, when there are fewer), those of
    most worth; equal ones by name.

    `balance`: the share of `count` that each of `classes` gets, then the share of images without
    boxes (of which those come first that a model has seen). What one cannot fill goes to the
    others, and after them to all other images. Within each, `pick` chooses; without one the image
    folders take turns, each giving its next-best image. `taken` (n,) bool: images that are chosen
    already. At most `per_burst` images with the same number in `burst` (n,), those of `taken` and
    what each image's burst has `given` (n,) besides counted, as long as there are others.
    `beyond`: how many images of each class (NULL: without boxes) are not in the pool.
    """
    total = len(pool.names)
    place = ranks(pool, worth)
    everything, nothing = np.arange(total), np.zeros(total, bool)
    groups = [_Group(everything, 1.0, nothing)]
    if balance:
        groups = [
            _Group(pool.classes.get(name, everything[:0]), share, nothing, beyond.get(name, 0))
            for name, share in zip(classes, balance[:-1], strict=True)
        ]
        empty = np.flatnonzero(pool.empty)
        groups.append(_Group(empty, balance[-1], pool.unseen, beyond.get(NULL, 0)))
    for group in [*groups, rest := _Group(everything, 1.0, nothing)]:
        group.prepare(place, pool.folder, pick)

    taken = nothing.copy() if taken is None else taken.copy()
    wanted = min(count, int(np.count_nonzero(~taken)))
    chosen: list[int] = []
    while len(chosen) < wanted:
        limit = _BurstLimit(burst, per_burst, taken, given)
        filling = [
            group for group in groups if group.share > 0 and len(group.open(taken, limit))
        ] or [rest]
        if filling == [rest] and not len(rest.open(taken, limit)):
            per_burst = None  # there are only images of bursts that have given theirs
            continue
        quotas = largest_remainder(wanted - len(chosen), [group.share for group in filling])
        # The group with the fewest images chooses first: what it has would else be taken as an
        # example of a common class.
        for group, quota in sorted(
            zip(filling, quotas, strict=True), key=lambda pair: pair[0].size
        ):
            picked = group.next_best(quota, taken, _BurstLimit(burst, per_burst, taken, given))
            taken[picked] = True
            chosen.extend(picked.tolist())
    return np.array(chosen, np.int64)


def ranks(pool: Pool, worth: np.ndarray) -> np.ndarray:
    """(n,) each image's place in the order of worth, 0 the best; of equal ones those that a model
    has seen come first, then by name.
    """
    total = len(pool.names)
    by_name = np.empty(total, np.int64)
    by_name[pc.sort_indices(pool.names).to_numpy()] = np.arange(total)
    place = np.empty(total, np.int64)
    place[np.lexsort((by_name, pool.unseen, -worth))] = np.arange(total)
    return place


def names_of(pool: Pool, places: np.ndarray) -> list[str]:
    """The blob names of these images."""
    return pool.names.take(pa.array(places, pa.int64())).to_pylist()


def largest_remainder(count: int, shares: Sequence[float]) -> list[int]:
    """`count` divided in proportion to `shares` into whole numbers that sum to it (Hamilton's
    method; equal remainders: the first).
    """
    exact = np.asarray(shares, float) / sum(shares) * count
    quotas = np.floor(exact + 1e-9).astype(int)
    most = np.argsort(-np.round(exact - quotas, 9), kind="stable")
    quotas[most[: count - quotas.sum()]] += 1
    return quotas.tolist()


class _BurstLimit:
    """How many more images each burst may give; no limit without `burst` or `per_burst`."""

    def __init__(
        self,
        burst: np.ndarray | None,
        per_burst: int | None,
        taken: np.ndarray,
        given: np.ndarray | None,
    ):
        self._burst = burst if per_burst is not None else None
        self._per_burst = per_burst
        if self._burst is not None:
            self._given = np.bincount(burst[taken], minlength=int(burst.max(initial=0)) + 1)[
                burst
            ] + (0 if given is None else given)

    def within(self, images: np.ndarray) -> np.ndarray:
        """Those of these images (best first) that their bursts may give, all together."""
        if self._burst is None:
            return images
        return images[repeats(self._burst[images]) + self._given[images] < self._per_burst]


class _Group:
    """Images that share a quota, best first. `later`: images that come after all others; `beyond`:
    how many there are that are not in the pool.
    """

    def __init__(self, images: np.ndarray, share: float, later: np.ndarray, beyond: int = 0):
        self.images, self.share, self._later = images, share, later
        self.size = len(images) + beyond

    def prepare(self, place: np.ndarray, folder: np.ndarray, pick: Picker | None) -> None:
        self.images = self.images[np.lexsort((place[self.images], self._later[self.images]))]
        self._folder, self._pick = folder, pick
        self._given = np.zeros(folder.max(initial=0) + 1, np.int64)

    def open(self, taken: np.ndarray, limit: _BurstLimit) -> np.ndarray:
        """The images that may be taken, best first."""
        return limit.within(self.images[~taken[self.images]])

    def next_best(self, count: int, taken: np.ndarray, limit: _BurstLimit) -> np.ndarray:
        """The next `count` images that may be taken: by `pick`, else the folders take turns."""
        images = self.open(taken, limit)
        folder, later = self._folder[images], self._later[images]
        if self._pick is not None:
            first, last = images[~later], images[later]
            few = min(count, len(first))
            return np.concatenate(
                [self._pick(first, few), self._pick(last, min(count - few, len(last)))]
            )
        turn = repeats(folder * 2 + later) + self._given[folder]
        # stable: within one turn the best comes first
        picked = images[np.lexsort((turn, later))[:count]]
        np.add.at(self._given, self._folder[picked], 1)
        return picked


def repeats(keys: np.ndarray) -> np.ndarray:
    """How often each key (a whole number from 0) has occurred before."""
    if keys.max(initial=0) <= np.iinfo(np.int16).max:
        keys = keys.astype(np.int16)  # numpy sorts these in linear time
    order = np.argsort(keys, kind="stable")
    position = np.arange(len(keys))
    starts = np.diff(keys[order], prepend=-1) != 0
    found = np.empty(len(keys), np.int64)
    found[order] = position - np.maximum.accumulate(np.where(starts, position, 0))
    return found


def _distinct(places: np.ndarray, total: int) -> np.ndarray:
    """The different values of `places`, ascending; all are below `total`. (np.unique takes 20 times
    as long.)
    """
    seen = np.zeros(total, bool)
    seen[places] = True
    return np.flatnonzero(seen)


def _codes(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    encoded = pc.dictionary_encode(
        pa.chunked_array([pa.array(column, pa.large_string())]).combine_chunks()
    )
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
