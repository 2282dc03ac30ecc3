"""What an image is worth to the next model: one function per strategy.

Nothing here reads or writes; utils/selection/context.py makes a Context from tables.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from utils.effort.expecting import seconds_by_scores
from utils.effort.seconds import Seconds
from utils.selection.diversity import spread
from utils.selection.quotas import Pool, lowest_box, ranks, repeats

LEAST_SCORE = 0.05  # boxes below it say nothing
_MINUTE = 60
_LEAST_SECONDS = 1.0  # of an image, where somebody's config says that nothing takes time
_RARITY = (0.5, 4.0)  # bounds of a class weight that comes from rarity


@dataclass(frozen=True)
class Beyond:
    """What is known of images to tag that are not in the pool, when it is but a part of them (a
    shortlist). images: how many; hashes: the exclusive or of the hashes by which they are drawn;
    sizes: per class how many of them show it, NULL for those without boxes. usual: what an image
    is worth on average, of all to tag; None where the pool itself says it.
    """

    images: int = 0
    hashes: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    usual: float | None = None


@dataclass(frozen=True)
class Context:
    """All that choosing depends on. n images of the pool, k labelled images.

    classes, balance: `ideal_class_balance` and the classes it is for; shown_from: boxes below it
    are not shown to people. order: each image's place in time. burst: a number per burst, with
    burst_names by number. labelled_in_burst: how many labelled images the image's burst has, given:
    how many images the batch has of it already. labelled: per class, how many labelled images show
    it. ap50: per class, of the last model in validation or test. vectors (n, d): image embeddings
    or perceptual hashes, a row of NaN where there is none; centres (k', d): those of labelled
    images. hashes: the vectors are perceptual hashes. disagreement: how differently the model sees
    the image and its mirror image, 0 to 1, NaN where not known. seconds: what each thing takes a
    person. standing: each image's place in the order that was fixed for all of them (standing.py),
    None where it depends on the images that are left.
    """

    pool: Pool
    classes: Sequence[str]
    balance: Sequence[float] = ()
    order: np.ndarray | None = None  # (n,) default: by name
    burst: np.ndarray | None = None  # (n,) default: each image by itself
    burst_names: Sequence[str] | None = None
    labelled_in_burst: np.ndarray | None = None  # (n,)
    given: np.ndarray | None = None  # (n,)
    labelled: Mapping[str, int] = field(default_factory=dict)
    ap50: Mapping[str, float] = field(default_factory=dict)
    vectors: np.ndarray | None = None
    centres: np.ndarray | None = None
    hashes: bool = False
    disagreement: np.ndarray | None = None  # (n,)
    standing: np.ndarray | None = None  # (n,)
    seconds: Seconds = Seconds()
    max_per_burst: int | None = None
    random_share: float = 0.0
    pick_max: bool = False
    seed: int = 0
    beyond: Beyond = Beyond()

    @property
    def pool_size(self) -> int:
        """From how many images is chosen."""
        return len(self.pool.names) + self.beyond.images


@dataclass(frozen=True)
class Worth:
    """What each image is worth, (n,), and which class that comes from: a place in pool.class_names,
    -1 for none.
    """

    value: np.ndarray
    from_class: np.ndarray


def entropy(score: np.ndarray) -> np.ndarray:
    """How unsure a score is: the entropy of a yes/no question in bits, 0 at 0 and 1, 1 at 0.5
    (Shannon, 1948).
    """
    score = np.clip(score, 1e-9, 1 - 1e-9)
    return -score * np.log2(score) - (1 - score) * np.log2(1 - score)


def rarity(context: Context) -> np.ndarray:
    """Per class of the pool, how rare it is among the labels: (mean + 1) / (its labelled images +
    1), the mean over the classes.
    """
    known = [context.labelled.get(name, 0) for name in context.classes]
    mean = sum(known) / max(1, len(known))
    own = np.array(
        [
            context.labelled.get(name, 0) if name in context.classes else mean
            for name in context.pool.class_names
        ]
    )
    return (mean + 1) / (own + 1)


def hybrid(context: Context) -> Worth:
    """What an image teaches: the sum over its boxes of class weight x what the box teaches, the
    k-th best of its boxes counting 1/k; an image of a burst of which j images are labelled counts
    1/(1 + j). Images that the model has not seen are worth the average.

    A class weighs 1 - AP50 of the last model (at least 0.1) times the root of its rarity. A box
    teaches its entropy; for a class with fewer labels than the average it is partly (all, when
    there are none) its score: there, that the class is found at all is worth more than being unsure
    of it. 1/k keeps crowds from winning by their number.
    """
    worth = _taught(context)
    return Worth(_unseen_average(context, worth.value), worth.from_class)


def hybrid_per_second(context: Context) -> Worth:
    """As hybrid, per minute that the image will probably take a person
    (expecting.seconds_by_scores).
    """
    worth = _taught(context)
    return Worth(_unseen_average(context, worth.value / _minutes(context)), worth.from_class)


def _taught(context: Context) -> Worth:
    """What `hybrid` says of images that the model has seen."""
    pool, rare = context.pool, rarity(context)
    measured = [context.ap50[name] for name in context.classes if name in context.ap50]
    average = sum(measured) / len(measured) if measured else 0.0
    missing = np.array([max(0.1, 1 - context.ap50.get(name, average)) for name in pool.class_names])
    weight = missing * np.clip(np.sqrt(rare), *_RARITY)
    lacking = np.clip(1 - 1 / rare, 0, 1)
    image, code, score = _boxes(context)
    teaches = (1 - lacking[code]) * entropy(score) + lacking[code] * score
    worth = _summed(context, image, code, weight[code] * teaches, discount=True)
    if context.labelled_in_burst is None:
        return worth
    return Worth(worth.value / (1 + context.labelled_in_burst), worth.from_class)


def sum_of_entropies(context: Context) -> Worth:
    """The sum of the entropies of an image's boxes."""
    image, code, score = _boxes(context)
    return _summed(context, image, code, entropy(score))


def least_confidence(context: Context) -> Worth:
    """1 - the score of the surest box; images without boxes come last."""
    image, code, score = _boxes(context)
    best = _largest(context, image, code, score)
    return Worth(np.where(best.from_class < 0, -1, 1 - best.value), best.from_class)


def confident(context: Context) -> Worth:
    """The largest score x rarity of its class: the surest finds of the classes that have the fewest
    labels.
    """
    image, code, score = _boxes(context)
    return _largest(context, image, code, score * rarity(context)[code])


def disagreement(context: Context) -> Worth:
    """How differently the model sees the image and its mirror image; the average where that is not
    known. Of no image: entropy.
    """
    nothing = np.full(len(context.pool.names), -1)
    if context.disagreement is None:
        return sum_of_entropies(context)
    known = ~np.isnan(context.disagreement)
    return Worth(
        np.where(known, context.disagreement, _average(context, context.disagreement, known)),
        nothing,
    )


def coreset(context: Context) -> Worth:
    """All images alike: the embeddings decide; without any, the spread over folders and time."""
    total = len(context.pool.names)
    if context.standing is not None:
        return Worth(-context.standing, np.full(total, -1))
    return (
        spread_out(context)
        if context.vectors is None
        else Worth(np.zeros(total), np.full(total, -1))
    )


def spread_out(context: Context) -> Worth:
    """The spread over folders and time, bursts of which nobody has an image first."""
    total = len(context.pool.names)
    if context.standing is not None:
        return Worth(-context.standing, np.full(total, -1))
    burst = np.arange(total) if context.burst is None else context.burst
    order = ranks(context.pool, np.zeros(total)) if context.order is None else context.order
    return Worth(
        spread(context.pool.folder, burst, order, context.labelled_in_burst), np.full(total, -1)
    )


def _boxes(context: Context) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(image, class, score) of the boxes that say something."""
    pool = context.pool
    strong = pool.box_score >= LEAST_SCORE
    return pool.box_image[strong], pool.box_class[strong], pool.box_score[strong]


def _minutes(context: Context) -> np.ndarray:
    """(n,) what each image will probably take a person."""
    pool = context.pool
    strong = pool.box_score >= LEAST_SCORE
    seconds = seconds_by_scores(
        context.seconds,
        pool.box_image[strong],
        pool.box_score[strong],
        pool.box_shown[strong],
        len(pool.names),
    )
    return np.maximum(seconds, _LEAST_SECONDS) / _MINUTE


def _summed(
    context: Context, image: np.ndarray, code: np.ndarray, value: np.ndarray, discount: bool = False
) -> Worth:
    """Per image the sum of its boxes' values, with `discount` the k-th largest divided by k; the
    class is that of the largest.
    """
    order = np.lexsort((-value, image))
    image, code, value = image[order], code[order], value[order]
    number = repeats(image)
    total = len(context.pool.names)
    from_class = np.full(total, -1)
    from_class[image[number == 0]] = code[number == 0]
    return Worth(np.bincount(image, value / (number + 1) if discount else value, total), from_class)


def _largest(context: Context, image: np.ndarray, code: np.ndarray, value: np.ndarray) -> Worth:
    """Per image the largest of its boxes' values, 0 without boxes, and the class of that box."""
    total = len(context.pool.names)
    # of several assignments to one place the last, largest one stays
    order = np.argsort(value, kind="stable")
    largest, from_class = np.zeros(total), np.full(total, -1)
    largest[image[order]], from_class[image[order]] = value[order], code[order]
    return Worth(largest, from_class)


def _unseen_average(context: Context, value: np.ndarray) -> np.ndarray:
    return np.where(context.pool.unseen, _average(context, value, ~context.pool.unseen), value)


def _average(context: Context, value: np.ndarray, known: np.ndarray) -> float:
    """What images are worth on average, of those of which it is known."""
    if context.beyond.usual is not None:
        return context.beyond.usual
    return value[known].mean() if known.any() else 0


def by_chance(context: Context) -> Worth:
    """All images alike."""
    total = len(context.pool.names)
    return Worth(np.zeros(total), np.full(total, -1))


def least_sure_box(context: Context) -> Worth:
    """The confidence of the image's least sure box: the lower, the better (with pick_max the
    higher).
    """
    value = lowest_box(context.pool, context.pick_max)
    return Worth(value, np.full(len(value), -1))


# one for each record of utils/strategies.py
WORTH: dict[str, Callable[[Context], Worth]] = {
    "hybrid": hybrid,
    "hybrid_per_second": hybrid_per_second,
    "entropy": sum_of_entropies,
    "least_confidence": least_confidence,
    "coreset": coreset,
    "confident": confident,
    "disagreement": disagreement,
    "random": by_chance,
    "lowest_box": least_sure_box,
}
