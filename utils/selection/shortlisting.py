"""Which images go on the shortlist: those that the next hand-outs would choose among, by a
strategy, and a part drawn at random.

Nothing here reads or writes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from utils.reserved import NULL
from utils.selection.listed_pool import MOST_OUT
from utils.selection.quotas import ranks, repeats
from utils.selection.standing import AHEAD, BATCH, is_first
from utils.selection.strategies import CANDIDATES, keyed_hashes, tie_hashes
from utils.selection.worth import LEAST_SCORE, WORTH, Context, spread_out
from utils.strategies import STRATEGIES

MOST = AHEAD  # images in each order that is followed
_ALL = 5  # times as many are on the list at least, as the orders differ
_OUT = _ALL * MOST_OUT  # times as many are out when the list is used up
_LATER = 0.5  # times as many are followed in the orders to come
# How many times MOST are labelled when it is looked ahead.
_PARTS = (0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.4, _OUT)


def by_strategy(strategy: str, context: Context) -> np.ndarray:
    """The places of the images that count by the strategy, ascending: of all, of each class and of
    those without boxes the best ones, the best ones when the folders take turns, and when bursts
    do.
    """
    rule, pool, most = STRATEGIES[strategy], context.pool, MOST
    if rule.draws or not len(pool.names):
        return np.arange(0)
    cold = is_first(strategy, context)
    value = (spread_out(context) if cold else WORTH[strategy](context)).value
    orders = _Orders(context, by_chance=cold or rule.differs)
    found = orders.best(value, most)
    if rule.by_rarity and not cold:
        for later, left in _worth_to_come(strategy, context, value, most):
            found = np.union1d(found, orders.best(later, math.ceil(_LATER * most), left))
    return _filled_up(found, orders.of_all(value), _ALL * most)


def by_chance(context: Context, share: float) -> np.ndarray:
    """The places of the images that are drawn first, as select draws them; enough until the list is
    used up, with `share` of each hand-out drawn.
    """
    wanted = 2 * MOST if share >= 1 else math.ceil(_OUT * MOST * share / (1 - share)) + BATCH
    hashes = keyed_hashes(context.pool.names, context.seed)
    return np.sort(np.argsort(hashes, kind="stable")[: wanted if share > 0 else 0])


def _filled_up(found: np.ndarray, best: np.ndarray, total: int) -> np.ndarray:
    """`total` images, where there are fewer: with the next ones of `best`. So the list is as long
    whatever the orders have in common.
    """
    others = best[~np.isin(best, found, assume_unique=True)]
    return np.sort(np.concatenate([found, others[: max(0, total - len(found))]]))


def _worth_to_come(
    strategy: str, context: Context, value: np.ndarray, most: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(n,) what images will be worth as the list is worked off, best ones first, and (n,) bool
    which are left then: what labels are rare decides it, and changes with each upload. Once as if
    people went on without uploading, and once as if they uploaded all the time.
    """
    for at_once in (True, False):
        now, soon = value, np.zeros(len(value), bool)
        for part in _PARTS:
            left = np.flatnonzero(~soon)
            soon[left[_first(-now[left], math.ceil(part * most) - int(soon.sum()))]] = True
            coming = {
                name: int(soon[places].sum()) for name, places in context.pool.classes.items()
            }
            labelled = {
                name: context.labelled.get(name, 0) + coming.get(name, 0)
                for name in {*context.labelled, *coming}
            }
            later = WORTH[strategy](replace(context, labelled=labelled)).value
            yield later, ~soon
            if not at_once:
                now = later


@dataclass(frozen=True)
class _Group:
    """Images that compete: (n,) bool which, their share of a batch, and the part of `most` of them
    that is followed.
    """

    images: np.ndarray
    share: float
    followed: float


class _Orders:
    """The orders in which hand-outs look at images; by_chance: images of equal worth come as chance
    has it (when images are picked that differ), else by name.
    """

    def __init__(self, context: Context, by_chance: bool):
        pool = context.pool
        self._folder, self._burst = pool.folder, context.burst
        # without other rules folders take turns from the first to the last image that is handed out
        self._groups = list(_groups(context, 1.0 if by_chance else _OUT))
        if by_chance:
            self._equal = np.argsort(tie_hashes(pool.names, context.seed), kind="stable")
        else:
            self._equal = np.argsort(ranks(pool, np.zeros(len(pool.names))), kind="stable")

    def of_all(self, value: np.ndarray) -> np.ndarray:
        """All images, those of most worth first."""
        return self._equal[np.argsort(-value[self._equal], kind="stable")]

    def best(self, value: np.ndarray, most: int, left: np.ndarray | None = None) -> np.ndarray:
        """The first ones in every order, by what images are worth; of those that are `left`."""
        order = self.of_all(value)
        if left is not None:
            order = order[left[order]]
        found = [
            self._best(order[group.images[order]], group, value, most) for group in self._groups
        ]
        return np.unique(np.concatenate(found))

    def _best(self, order: np.ndarray, group: _Group, value: np.ndarray, most: int) -> np.ndarray:
        """Those of one group, best ones first, that the next hand-outs look at."""
        wanted = CANDIDATES * BATCH + math.ceil(group.followed * most)
        folder = self._folder[order]
        fair = max(1, math.ceil(2 * group.share * BATCH / max(1, len(np.unique(folder)))))
        turn = repeats(folder)
        in_turn = _first(turn // (CANDIDATES * fair), wanted)
        found = [order[:wanted], order[in_turn], order[_first(turn, wanted)]]
        if self._burst is not None:  # what is labelled of a burst makes the rest of it worth less
            discount = 1 + repeats(self._burst[order])
            above = value[order] - value[order].min(initial=0)
            found.append(order[_first(-above / discount, wanted)])
        return np.concatenate(found)


def _groups(context: Context, followed: float) -> Iterator[_Group]:
    """All images, of which this part is followed, those that a quota counts, and those of each
    class, whose labels may become rare.
    """
    pool = context.pool

    def group(places: np.ndarray, share: float, part: float) -> Iterator[_Group]:
        images = np.zeros(len(pool.names), bool)
        images[places] = True
        if share > 0 and images.any():
            yield _Group(images, share, part)

    yield from group(np.arange(len(pool.names)), 1.0, followed)
    for name, share in zip(context.classes, context.balance[:-1], strict=False):
        yield from group(pool.classes.get(name, np.arange(0)), share, _OUT * share)
    if context.balance:
        yield from group(pool.empty, context.balance[-1], _OUT * context.balance[-1])

    strong = pool.box_score >= LEAST_SCORE
    names = [name for name in pool.class_names if name != NULL]
    for name in names:
        of_class = strong & (pool.box_class == pool.class_names.index(name))
        share = 1 / (2 * len(names))
        yield from group(pool.box_image[of_class], share, share)


def _first(key: np.ndarray, count: int) -> np.ndarray:
    """The places of the `count` least, ascending; equal ones as they stand."""
    if count < len(key):
        few = np.flatnonzero(key <= np.partition(key, count)[count])
    else:
        few = np.arange(len(key))
    return few[np.argsort(key[few], kind="stable")][:count]
