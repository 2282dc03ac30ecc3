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
_ALL = 4  # times as many are on the list, as the orders differ
_PARTS = (0.05, 0.25, 1.0)  # of the list that are labelled when it is looked ahead


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
    for labelled in () if cold else _labels_to_come(context, worth.value, most):
        later = WORTH[strategy](replace(context, labelled=labelled)).value
        if not np.array_equal(later, worth.value):
            found = np.union1d(found, _ranked(context, later, tie, most))
    return _filled_up(found, _places(context, worth.value, tie), _ALL * most)


def by_chance(context: Context, share: float) -> np.ndarray:
    """The places of the images that are drawn first, as select draws them; enough for as many
    hand-outs as the rest of the list serves, with `share` of each drawn.
    """
    wanted = 2 * MOST if share >= 1 else math.ceil(MOST * share / (1 - share)) + BATCH
    hashes = keyed_hashes(context.pool.names, context.seed)
    return np.sort(np.argsort(hashes, kind="stable")[: wanted if share > 0 else 0])


def _ranked(context: Context, value: np.ndarray, tie: np.ndarray | None, most: int) -> np.ndarray:
    """The best ones in every order, by what images are worth; tie: in which order those of equal
    worth come (of a strategy that picks images that differ), None: by name.
    """
    place = _places(context, value, tie)
    groups = _groups(context)
    found = [_best(images, share, place, context, value, most) for images, share in groups]
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


def _labels_to_come(context: Context, value: np.ndarray, most: int) -> Iterator[dict[str, int]]:
    """How many labelled images will show each class, as the list is worked off: what labels are
    rare decides what an image is worth, and changes with each upload.
    """
    best = np.argsort(-value, kind="stable")
    for part in _PARTS:
        soon = np.zeros(len(value), bool)
        soon[best[: math.ceil(part * most)]] = True
        yield {
            name: context.labelled.get(name, 0) + int(soon[places].sum())
            for name, places in context.pool.classes.items()
        } | {
            name: count
            for name, count in context.labelled.items()
            if name not in context.pool.classes
        }


def _groups(context: Context) -> list[tuple[np.ndarray, float]]:
    """Images that compete, and their share of a batch: all of them, those that a quota counts, and
    those of each class, whose labels may become rare.
    """
    pool = context.pool
    groups = [(np.arange(len(pool.names)), 1.0)]
    for name, share in zip(context.classes, context.balance[:-1], strict=False):
        groups.append((pool.classes.get(name, np.arange(0)), share))
    if context.balance:
        groups.append((np.flatnonzero(pool.empty), context.balance[-1]))

    strong = pool.box_score >= LEAST_SCORE
    names = [name for name in pool.class_names if name != NULL]
    for name in names:
        of_class = strong & (pool.box_class == pool.class_names.index(name))
        groups.append((np.unique(pool.box_image[of_class]), 1 / (2 * len(names))))
    return [(images, share) for images, share in groups if share > 0 and len(images)]


def _best(
    images: np.ndarray,
    share: float,
    place: np.ndarray,
    context: Context,
    value: np.ndarray,
    most: int,
) -> np.ndarray:
    """Those of one group that the next hand-outs look at."""
    order = images[np.argsort(place[images], kind="stable")]
    wanted = max(CANDIDATES * BATCH, math.ceil(share * most))
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
