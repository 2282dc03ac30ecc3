"""Which images go on the shortlist: those that the next hand-outs would choose among, by a
strategy, and a part drawn at random.

Nothing here reads or writes.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from utils.reserved import NULL
from utils.selection.quotas import ranks, repeats
from utils.selection.standing import AHEAD, BATCH, is_first
from utils.selection.strategies import CANDIDATES, keyed_hashes, tie_hashes
from utils.selection.worth import LEAST_SCORE, WORTH, Context, spread_out
from utils.strategies import STRATEGIES

MOST = AHEAD  # images in each order that is followed
_ALL = 4  # times as many are on the list at least, as the orders differ
_HALF = 2  # times as many are out when half of the list is
_PARTS = (
    0.02,
    0.05,
    0.1,
    0.2,
    0.4,
    0.7,
    1.0,
    1.4,
    2.0,
)  # of the list, labelled when it is looked ahead


def by_strategy(strategy: str, context: Context) -> np.ndarray:
    """The places of the images that count by the strategy, ascending: of all, of each class and of
    those without boxes the best ones, the best ones when the folders take turns, and when bursts
    do.
    """
    rule, pool, most = STRATEGIES[strategy], context.pool, MOST
    if rule.draws or not len(pool.names):
        return np.arange(0)
    cold = is_first(strategy, context)
    worth = spread_out(context) if cold else WORTH[strategy](context)
    tie = tie_hashes(pool.names, context.seed) if cold or rule.differs else None
    found = _ranked(context, worth.value, tie, most)
    for later, left in () if cold else _worth_to_come(strategy, context, worth.value, most):
        if not np.array_equal(later, worth.value):
            found = np.union1d(found, _ranked(context, later, tie, most, left))
    return _filled_up(found, _places(context, worth.value, tie), _ALL * most)


def by_chance(context: Context, share: float) -> np.ndarray:
    """The places of the images that are drawn first, as select draws them; enough for as many
    hand-outs as the rest of the list serves, with `share` of each drawn.
    """
    wanted = 2 * MOST if share >= 1 else math.ceil(MOST * share / (1 - share)) + BATCH
    hashes = keyed_hashes(context.pool.names, context.seed)
    return np.sort(np.argsort(hashes, kind="stable")[: wanted if share > 0 else 0])


def _ranked(
    context: Context,
    value: np.ndarray,
    tie: np.ndarray | None,
    most: int,
    left: np.ndarray | None = None,
) -> np.ndarray:
    """The best ones in every order, by what images are worth; tie: in which order those of equal
    worth come (of a strategy that picks images that differ), None: by name.
    """
    place = _places(context, value, tie)
    groups = _groups(context)
    if left is not None:
        groups = [(images[left[images]], *parts) for images, *parts in groups]
    found = [_best(*group, place, context, value, most) for group in groups]
    return np.unique(np.concatenate(found))


def _places(context: Context, value: np.ndarray, tie: np.ndarray | None) -> np.ndarray:
    """(n,) each image's place in the order of worth, 0 the best."""
    place = ranks(context.pool, value)
    if tie is not None:
        place[np.lexsort((tie, -value))] = np.arange(len(tie))
    return place


def _filled_up(found: np.ndarray, place: np.ndarray, total: int) -> np.ndarray:
    """`total` images, where there are fewer: with the next best ones. So the list is as long
    whatever the orders have in common.
    """
    best = np.argsort(place, kind="stable")
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
            best = left[np.argsort(-now[left], kind="stable")]
            soon[best[: math.ceil(part * most) - soon.sum()]] = True
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


def _groups(context: Context) -> list[tuple[np.ndarray, float, float]]:
    """Images that compete, their share of a batch, and the part of `most` that is followed: all of
    them, those that a quota counts, and those of each class, whose labels may become rare.
    """
    pool = context.pool
    groups = [(np.arange(len(pool.names)), 1.0, 1.0)]
    for name, share in zip(context.classes, context.balance[:-1], strict=False):
        groups.append((pool.classes.get(name, np.arange(0)), share, _HALF * share))
    if context.balance:
        share = context.balance[-1]
        groups.append((np.flatnonzero(pool.empty), share, _HALF * share))

    strong = pool.box_score >= LEAST_SCORE
    names = [name for name in pool.class_names if name != NULL]
    for name in names:
        of_class = strong & (pool.box_class == pool.class_names.index(name))
        share = 1 / (2 * len(names))
        groups.append((np.unique(pool.box_image[of_class]), share, share))
    return [group for group in groups if group[1] > 0 and len(group[0])]


def _best(
    images: np.ndarray,
    share: float,
    followed: float,
    place: np.ndarray,
    context: Context,
    value: np.ndarray,
    most: int,
) -> np.ndarray:
    """Those of one group that the next hand-outs look at."""
    order = images[np.argsort(place[images], kind="stable")]
    wanted = CANDIDATES * BATCH + math.ceil(followed * most)
    folder = context.pool.folder[order]
    fair = max(1, math.ceil(2 * share * BATCH / max(1, len(np.unique(folder)))))
    in_turn = order[np.argsort(repeats(folder) // (CANDIDATES * fair), kind="stable")]
    one_by_one = order[np.argsort(repeats(folder), kind="stable")]
    found = [order[:wanted], in_turn[:wanted], one_by_one[:wanted]]
    if context.burst is not None:  # what is labelled of a burst makes the rest of it worth less
        discount = 1 + repeats(context.burst[order])
        above = value[order] - value[order].min(initial=0)
        found.append(order[np.lexsort((place[order], -above / discount))][:wanted])
    return np.concatenate(found)
