"""In which order images come, as it is fixed when a large project's predictions are published: for
strategies that look at all images together, and not at what each one is worth.

What is handed out later changes nothing of it, nor does who asks for how many. So a hand-out from
the shortlist takes the same images as one from the whole tables.

Nothing here reads or writes.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from utils.selection.diversity import k_center
from utils.selection.strategies import MOST_COMPARED, tie_hashes
from utils.selection.worth import WORTH, Context, spread_out
from utils.strategies import STRATEGIES

AHEAD = 2000  # images that are put in order one by one; of the others chance decides
BATCH = 40  # images of a hand-out, as in the commands of the pages


def is_first(strategy: str, context: Context) -> bool:
    """Whether it chooses without knowing anything of what the images show."""
    return bool(context.pool.unseen.all()) and STRATEGIES[strategy].needs_tables


def has_standing(strategy: str, context: Context) -> bool:
    """Whether images come in an order that is fixed for all of them together."""
    rule = STRATEGIES[strategy]
    return is_first(strategy, context) or (rule.differs and not rule.weighted)


def standing(strategy: str, context: Context, ahead: int = AHEAD) -> np.ndarray:
    """(n,) each image's place in that order, 0 the first; equal ones as chance has it. `context`
    has all images that the order is for. ahead: how many are put in order one by one.
    """
    if is_first(strategy, context):
        return -spread_out(context).value
    worth = WORTH[strategy](context)
    if context.vectors is None or worth.value.any():
        return -worth.value
    place = np.full(len(context.pool.names), np.inf)
    for images, share in _quotas(context):
        order = _far_apart(context, images, math.ceil(share * ahead))
        place[order] = np.minimum(place[order], np.arange(len(order)) / share)
    return np.where(np.isinf(place), place[np.isfinite(place)].max(initial=0) + 1, place)


def with_standing(context: Context, place: pd.Series) -> Context:
    """The context with these places, by blob name; images that have none come last."""
    found = place.reindex(context.pool.names.to_numpy(zero_copy_only=False)).to_numpy(float)
    last = np.nanmax(place.to_numpy(float), initial=0) + 1
    return replace(context, standing=np.where(np.isnan(found), last, found))


def _quotas(context: Context) -> Iterator[tuple[np.ndarray, float]]:
    """The images that compete for each part of a batch, and how large that part is."""
    pool = context.pool
    everything = np.arange(len(pool.names))
    if not context.balance:
        yield everything, 1.0
        return
    groups = [pool.classes.get(name, everything[:0]) for name in context.classes]
    groups.append(np.flatnonzero(pool.empty))
    for images, share in zip(groups, context.balance, strict=True):
        if share > 0:
            yield images, share / sum(context.balance)


def _far_apart(context: Context, images: np.ndarray, count: int) -> np.ndarray:
    """`count` of these images, each as far as can be from all before it and from labelled ones."""
    tie = tie_hashes(context.pool.names, context.seed)[images]
    compared = images[np.sort(np.argsort(tie, kind="stable")[:MOST_COMPARED])]
    folder = context.pool.folder[compared]
    fair = max(1, math.ceil(2 * BATCH / max(1, len(np.unique(folder)))))
    vectors = context.vectors[compared]
    alike = np.ones(len(compared))
    return compared[k_center(vectors, alike, count, context.centres, folder, fair, BATCH)]
