"""What an image is worth to the next model, and which images a batch gets: one function per
strategy, and `select`.

Nothing here reads or writes; context.py makes a Context from tables.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from utils.labels import tables
from utils.selection.diversity import k_center
from utils.selection.quotas import Pool, choose, names_of, repeats
from utils.selection.worth import WORTH, Context, spread_out
from utils.strategies import STRATEGIES, Strategy

CANDIDATES = 4  # times the images that are wanted, from which those that differ are picked
_AT_ONCE = 100_000  # names that are hashed together
MOST_COMPARED = 50_000  # images that coreset compares with one another; of more, as many are drawn


@dataclass(frozen=True)
class Selection:
    """The images that are handed out, in order, and why. random: drawn uniformly. notes: sentences
    for people.
    """

    names: list[str]
    strategy: str
    score: np.ndarray  # what each is worth by the strategy
    classes: list[str]  # the class that contributes most to it, "" where none does
    bursts: list[str]
    random: np.ndarray  # bool
    notes: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """As rows of the table `selection`."""
        folders, filenames = (
            zip(*map(tables.split_name, self.names), strict=True) if self.names else ((), ())
        )
        return tables.make(
            "selection",
            filename=filenames,
            folder=folders,
            strategy=["random" if drawn else self.strategy for drawn in self.random],
            score=self.score.round(6),
            class_=self.classes,
            burst=self.bursts,
            random=["1" if drawn else "0" for drawn in self.random],
        )


def select(strategy: str, context: Context, count: int) -> Selection:
    """Choose exactly `count` images (all, when there are fewer). First `random_share` of them
    uniformly from the whole pool, without any other rule; then the strategy fills up, with quotas,
    turns of folders and a limit per burst. `random` knows no other rule either.

    The draw is the order of a keyed hash of the names: equal for equal seed and name, whatever else
    is in the pool. A share that is no whole number of images is rounded so that it comes out right
    over many batches.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"no such strategy: {strategy}")
    rule = STRATEGIES[strategy]
    pool = context.pool
    total = len(pool.names)
    burst = np.arange(total) if context.burst is None else context.burst
    count = min(count, total)
    share = 1.0 if rule.draws else context.random_share
    drawn = drawn_first(pool, context.seed, share * count, context.beyond.hashes)
    taken = np.zeros(total, bool)
    taken[drawn] = True

    cold = bool(total) and bool(pool.unseen.all()) and rule.needs_tables
    worth = spread_out(context) if cold else WORTH[strategy](context)
    pick = None
    if cold or rule.differs:
        pick = _Differing(context, worth.value, rule.weighted and not cold, drawn)
    rest = choose(
        pool,
        worth.value,
        count - len(drawn),
        context.classes,
        context.balance,
        taken=taken,
        burst=burst,
        per_burst=context.max_per_burst,
        given=context.given,
        pick=pick,
        beyond=context.beyond.sizes,
    )
    places = np.concatenate([drawn, rest])
    bursts = (
        [""] * len(places)
        if context.burst_names is None
        else [str(context.burst_names[number]) for number in burst[places]]
    )
    classes = [
        "" if number < 0 else pool.class_names[number] for number in worth.from_class[places]
    ]
    return Selection(
        names_of(pool, places),
        strategy,
        worth.value[places],
        classes,
        bursts,
        np.arange(len(places)) < len(drawn),
        tuple(_notes(rule, context, cold)) if total else (),
    )


def drawn_first(pool: Pool, seed: int, expected: float, beyond: int = 0) -> np.ndarray:
    """`expected` images of the pool in a random order that depends on seed and name alone.

    Of 2.3 it is 3 for three in ten pools, and 2 for the others: by a hash of all names, which each
    hand-out changes. beyond: the hash of the images to tag that are not in the pool.
    """
    if not len(pool.names):
        return np.arange(0)
    hashes = keyed_hashes(pool.names, seed)
    chance = ((int(np.bitwise_xor.reduce(hashes)) ^ beyond) >> 32) / 2**32
    return np.argsort(hashes, kind="stable")[: math.floor(expected + chance)]


def keyed_hashes(names: np.ndarray | pa.Array, seed: int) -> np.ndarray:
    """(n,) uint64 for the names of images, in whose order they are drawn at random."""
    return _hashes(names, f"{seed:016d}")


def tie_hashes(names: np.ndarray | pa.Array, seed: int) -> np.ndarray:
    """(n,) uint64 for the names of images, in whose order those of equal worth are compared. It is
    another one than that of the random draw, which would else not be uniform the next time.
    """
    return _hashes(names, f"tie{seed % 10**13:013d}")


def _hashes(names: np.ndarray | pa.Array, key: str) -> np.ndarray:
    """Piece by piece: as Python's texts, names need three times the memory."""
    found = np.empty(len(names), np.uint64)
    for start in range(0, len(names), _AT_ONCE):
        piece = names[start : start + _AT_ONCE]
        if isinstance(piece, pa.Array):
            piece = piece.to_numpy(zero_copy_only=False).astype(object)
        found[start : start + _AT_ONCE] = pd.util.hash_array(piece, hash_key=key, categorize=False)
    return found


def _notes(rule: Strategy, context: Context, cold: bool) -> Iterator[str]:
    """What people should know of how the strategy had to make do."""
    if cold:
        yield "no model has seen these images yet: chosen to be spread over folders and time" + (
            " and to look different" if context.vectors is not None else ""
        )
    elif rule.differs and context.vectors is None:
        yield "there are no image embeddings: images that look alike are not told apart" + (
            f", and {rule.name} spreads them over folders and time" if not rule.weighted else ""
        )
    elif rule.differs and context.hashes:
        yield (
            "the model gives no image embeddings: near-copies are told by perceptual hashes, which"
            " know no other likeness"
        )
    elif rule.needs_mirror and context.disagreement is None:
        yield (
            "no image was predicted with its mirror image yet (selection_strategy=disagreement in a"
            " training cycle): chosen by entropy"
        )


class _Differing:
    """Picks images that differ: of the best 4 N, with fair shares of the folders, by greedy
    k-center on embeddings (a Picker).

    weighted: what an image is worth counts besides its distance, by its square root. Images that
    are `taken` already and the picks of one quota are centres for the next.
    """

    def __init__(self, context: Context, value: np.ndarray, weighted: bool, taken: np.ndarray):
        self._context, self._value, self._weighted = context, value, weighted
        self._centres = context.centres
        self._tie = tie_hashes(context.pool.names, context.seed)
        self._differ_from(taken)

    def __call__(self, images: np.ndarray, count: int) -> np.ndarray:
        if not count:
            return images[:0]
        folder = self._context.pool.folder[images]
        # twice an equal share, and more if others have none
        fair = max(1, math.ceil(2 * count / max(1, len(np.unique(folder)))))
        vectors = self._context.vectors
        everything = vectors is not None and not self._weighted and not self._value.any()
        most = MOST_COMPARED if everything else CANDIDATES * count
        if everything and len(images) > most:
            images = np.sort(images[np.argsort(self._tie[images], kind="stable")[:most]])
        # which ones of equal worth are candidates is drawn: by name they would be neighbours
        elif not everything:
            order = np.lexsort((self._tie[images], -self._value[images]))
            in_turn = order[
                np.argsort(repeats(folder[order]) // (CANDIDATES * fair), kind="stable")
            ]
            images = images[np.sort(in_turn[:most])]
        weight = (
            np.sqrt(np.maximum(self._value[images], 0)) if self._weighted else np.ones(len(images))
        )
        if vectors is None:
            # Nothing tells images apart: the order they come in decides, which k_center keeps among
            # equal weights.
            weight = weight if self._weighted else np.linspace(1, 0.5, len(images))
        near = None if vectors is None else vectors[images]
        picked = images[
            k_center(near, weight, count, self._centres, self._context.pool.folder[images], fair)
        ]
        self._differ_from(picked)
        return picked

    def _differ_from(self, images: np.ndarray) -> None:
        if self._context.vectors is not None:
            vectors = self._context.vectors[images]
            known = vectors[~np.isnan(vectors).any(axis=1)]
            self._centres = (
                known if self._centres is None else np.concatenate([self._centres, known])
            )
