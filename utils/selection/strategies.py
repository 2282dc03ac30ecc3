"""What an image is worth to the next model, and which images a batch gets: one function per
strategy, and `select`.

Nothing here reads or writes; context.py makes a Context from tables.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from utils.config.keys import STRATEGIES
from utils.labels import tables
from utils.selection.diversity import k_center, spread
from utils.selection.quotas import Pool, choose, lowest_box, names_of, ranks, repeats

USES_EMBEDDINGS = frozenset({"hybrid", "coreset"})
LEAST_SCORE = 0.05  # boxes below it say nothing
CANDIDATES = 4  # times the images that are wanted, from which those that differ are picked
_MOST_CORESET = 50_000  # images that coreset compares with one another; of more, as many are drawn
_RARITY = (0.5, 4.0)  # bounds of a class weight that comes from rarity


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
    the image and its mirror image, 0 to 1, NaN where not known.
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
    max_per_burst: int | None = None
    random_share: float = 0.0
    pick_max: bool = False
    seed: int = 0


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
            strategy=[self.strategy] * len(self.names),
            score=self.score.round(6),
            class_=self.classes,
            burst=self.bursts,
            random=["1" if drawn else "0" for drawn in self.random],
        )


@dataclass(frozen=True)
class Worth:
    """What each image is worth, (n,), and which class that comes from: a place in pool.class_names,
    -1 for none.
    """

    value: np.ndarray
    from_class: np.ndarray


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
    pool = context.pool
    total = len(pool.names)
    burst = np.arange(total) if context.burst is None else context.burst
    count = min(count, total)
    share = 1.0 if strategy == "random" else context.random_share
    drawn = drawn_first(pool, context.seed, share * count)
    taken = np.zeros(total, bool)
    taken[drawn] = True

    cold = bool(total) and bool(pool.unseen.all()) and strategy not in ("random", "lowest_box")
    if cold:
        worth = _spread_out(context)
    else:
        worth = _STRATEGIES[strategy](context)
    pick = None
    if cold or strategy in USES_EMBEDDINGS:
        pick = _Differing(context, worth.value, strategy == "hybrid" and not cold, drawn)
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
        tuple(_notes(strategy, context, cold)) if total else (),
    )


def drawn_first(pool: Pool, seed: int, expected: float) -> np.ndarray:
    """`expected` images of the pool in a random order that depends on seed and name alone.

    Of 2.3 it is 3 for three in ten pools, and 2 for the others: by a hash of all names, which each
    hand-out changes.
    """
    if not len(pool.names):
        return np.arange(0)
    hashes = pd.util.hash_array(
        pool.names.to_numpy(zero_copy_only=False), hash_key=f"{seed:016d}", categorize=False
    )
    chance = int(np.bitwise_xor.reduce(hashes) >> np.uint64(32)) / 2**32
    return np.argsort(hashes, kind="stable")[: math.floor(expected + chance)]


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
    """The sum over an image's boxes of class weight x what the box teaches, the k-th best of its
    boxes counting 1/k; an image of a burst of which j images are labelled counts 1/(1 + j). Images
    that the model has not seen are worth the average.

    A class weighs 1 - AP50 of the last model (at least 0.1) times the root of its rarity. A box
    teaches its entropy; for a class with fewer labels than the average it is partly (all, when
    there are none) its score: there, that the class is found at all is worth more than being unsure
    of it. 1/k keeps crowds from winning by their number.
    """
    pool, rare = context.pool, rarity(context)
    measured = [context.ap50[name] for name in context.classes if name in context.ap50]
    average = sum(measured) / len(measured) if measured else 0.0
    missing = np.array([max(0.1, 1 - context.ap50.get(name, average)) for name in pool.class_names])
    weight = missing * np.clip(np.sqrt(rare), *_RARITY)
    lacking = np.clip(1 - 1 / rare, 0, 1)
    image, code, score = _boxes(context)
    teaches = (1 - lacking[code]) * entropy(score) + lacking[code] * score
    worth = _summed(context, image, code, weight[code] * teaches, discount=True)
    value = (
        worth.value
        if context.labelled_in_burst is None
        else worth.value / (1 + context.labelled_in_burst)
    )
    return Worth(_unseen_average(pool, value), worth.from_class)


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
        np.where(
            known, context.disagreement, context.disagreement[known].mean() if known.any() else 0
        ),
        nothing,
    )


def coreset(context: Context) -> Worth:
    """All images alike: the embeddings decide; without any, the spread over folders and time."""
    total = len(context.pool.names)
    return (
        _spread_out(context)
        if context.vectors is None
        else Worth(np.zeros(total), np.full(total, -1))
    )


def _spread_out(context: Context) -> Worth:
    """The spread over folders and time, bursts of which nobody has an image first."""
    total = len(context.pool.names)
    burst = np.arange(total) if context.burst is None else context.burst
    order = ranks(context.pool, np.zeros(total)) if context.order is None else context.order
    return Worth(
        spread(context.pool.folder, burst, order, context.labelled_in_burst), np.full(total, -1)
    )


def _notes(strategy: str, context: Context, cold: bool) -> Iterator[str]:
    """What people should know of how the strategy had to make do."""
    if cold:
        yield "no model has seen these images yet: chosen to be spread over folders and time" + (
            " and to look different" if context.vectors is not None else ""
        )
    elif strategy in USES_EMBEDDINGS and context.vectors is None:
        yield "there are no image embeddings: images that look alike are not told apart" + (
            ", and coreset spreads them over folders and time" if strategy == "coreset" else ""
        )
    elif strategy in USES_EMBEDDINGS and context.hashes:
        yield (
            "the model gives no image embeddings: near-copies are told by perceptual hashes, which"
            " know no other likeness"
        )
    elif strategy == "disagreement" and context.disagreement is None:
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
        self._differ_from(taken)

    def __call__(self, images: np.ndarray, count: int) -> np.ndarray:
        if not count:
            return images[:0]
        folder = self._context.pool.folder[images]
        # twice an equal share, and more if others have none
        fair = max(1, math.ceil(2 * count / max(1, len(np.unique(folder)))))
        vectors = self._context.vectors
        everything = vectors is not None and not self._weighted and not self._value.any()
        most = _MOST_CORESET if everything else CANDIDATES * count
        if everything and len(images) > most:
            draw = np.random.default_rng(self._context.seed)
            images = np.sort(draw.choice(images, most, replace=False))
        # which ones of equal worth are candidates is drawn: by name they would be neighbours
        elif not everything:
            order = np.lexsort(
                (
                    np.random.default_rng(self._context.seed).random(len(images)),
                    -self._value[images],
                )
            )
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


def _boxes(context: Context) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(image, class, score) of the boxes that say something."""
    pool = context.pool
    strong = pool.box_score >= LEAST_SCORE
    return pool.box_image[strong], pool.box_class[strong], pool.box_score[strong]


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


def _unseen_average(pool: Pool, value: np.ndarray) -> np.ndarray:
    seen = ~pool.unseen
    return np.where(pool.unseen, value[seen].mean() if seen.any() else 0, value)


_STRATEGIES: dict[str, Callable[[Context], Worth]] = {
    "hybrid": hybrid,
    "entropy": sum_of_entropies,
    "least_confidence": least_confidence,
    "coreset": coreset,
    "confident": confident,
    "disagreement": disagreement,
    "random": lambda context: Worth(
        np.zeros(len(context.pool.names)), np.full(len(context.pool.names), -1)
    ),
    "lowest_box": lambda context: Worth(
        lowest_box(context.pool, context.pick_max), np.full(len(context.pool.names), -1)
    ),
}
