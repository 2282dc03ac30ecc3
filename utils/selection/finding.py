"""Finding more of something: images that look like examples, and the surest finds of one class.

Unlike the strategies these answer one wish of a person. They know no quotas per class, no turns of
the folders and no random share.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from utils.selection.diversity import nearest
from utils.selection.quotas import choose, names_of
from utils.selection.strategies import Selection
from utils.selection.worth import Context

LIKE, SUREST = "like", "surest"  # as `strategy` in the table `selection`
# Embeddings of length 1 that are closer count as the same; benchmarks/find_more.py says how far
# those of one burst are
NEAR_COPY = 0.2
_BLOCK = 1000  # images that are compared with what is labelled at once


def look_alikes(
    context: Context, examples: np.ndarray, example_images: set[str], count: int
) -> Selection:
    """At most `count` images of the pool, those first that look most like one of the examples (k,
    d), by the distance of their embeddings; equal ones by name. Examples that are in the pool
    (`example_images`, blob names) come before all.

    Left out are images without an embedding, and near-copies of a labelled image, of one that
    somebody has, of an example and of one that was chosen: of the same burst, or with nearly the
    same embedding. Score: the likeness (cosine) to the nearest example, 1 for the same picture.
    """
    vectors, examples = context.vectors.astype(np.float32), examples.astype(np.float32)
    names = context.pool.names
    known = ~np.isnan(vectors).any(axis=1)
    distance = np.full(len(names), np.inf, np.float32)
    distance[known] = nearest(vectors[known], examples)
    own = pc.is_in(names, value_set=pa.array(list(example_images), pa.large_string()))
    own = own.to_numpy(zero_copy_only=False)
    by_name = pc.sort_indices(names).to_numpy()
    order = by_name[np.lexsort((distance[by_name], ~own[by_name]))]
    chosen, copies = _differing(context, vectors, order[known[order]], examples, own, count)

    notes = []
    if copies:
        notes.append(f"left out as near-copies of photos that are labelled or chosen: {copies}")
    if not known.all():
        notes.append(f"left out because no model has looked at them yet: {(~known).sum()}")
    likeness = np.clip(1 - distance**2 / 2, 0, 1)
    return _selection(context, chosen, LIKE, likeness, "", tuple(notes))


def surest_finds(context: Context, name: str, count: int) -> Selection:
    """At most `count` images of the pool in which this class was found, the surest find first. Few
    of a burst, as everywhere, as long as there are others. Score: that of the surest box of the
    class.
    """
    pool = context.pool
    surest = np.zeros(len(pool.names))
    of_class = np.zeros(len(pool.box_class), bool)
    if name in pool.class_names:
        of_class = pool.box_class == pool.class_names.index(name)
    np.maximum.at(surest, pool.box_image[of_class], pool.box_score[of_class])
    found = np.unique(pool.box_image[of_class])
    places = choose(
        pool,
        np.where(np.isin(np.arange(len(surest)), found), surest, -1),
        min(count, len(found)),
        burst=context.burst,
        per_burst=context.max_per_burst,
        given=context.given,
        pick=lambda images, wanted: images[:wanted],
    )
    return _selection(context, places[np.isin(places, found)], SUREST, surest, name)


def _differing(
    context: Context,
    vectors: np.ndarray,
    order: np.ndarray,
    examples: np.ndarray,
    own: np.ndarray,
    count: int,
) -> tuple[np.ndarray, int]:
    """The first `count` of these images (best first) without near-copies, and how many of those
    were passed over. `own` (n,): examples, which are copies of nothing.
    """
    burst = np.arange(len(own)) if context.burst is None else context.burst
    seen = examples
    if context.centres is not None and len(context.centres):
        seen = np.concatenate([examples, context.centres.astype(np.float32)])
    closed: set[int] = set()
    if context.labelled_in_burst is not None:
        closed = set(burst[context.labelled_in_burst > 0].tolist())

    chosen: list[int] = []
    copies = 0
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        far = nearest(vectors[block], seen) > NEAR_COPY
        for place, differs in zip(block.tolist(), far.tolist(), strict=True):
            if len(chosen) == count:
                return np.array(chosen, np.int64), copies
            if not own[place]:
                others = nearest(vectors[place : place + 1], vectors[np.array(chosen, np.int64)])[0]
                if not differs or others <= NEAR_COPY or burst[place] in closed:
                    copies += 1
                    continue
            chosen.append(place)
            closed.add(int(burst[place]))
    return np.array(chosen, np.int64), copies


def _selection(
    context: Context,
    places: np.ndarray,
    strategy: str,
    score: np.ndarray,
    name: str,
    notes: tuple[str, ...] = (),
) -> Selection:
    bursts = [""] * len(places)
    if context.burst_names is not None:
        bursts = [str(context.burst_names[number]) for number in context.burst[places]]
    return Selection(
        names_of(context.pool, places),
        strategy,
        score[places].astype(float),
        [name] * len(places),
        bursts,
        np.zeros(len(places), bool),
        notes,
    )
