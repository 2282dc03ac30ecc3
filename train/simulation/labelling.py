"""A labelling project played through: people label what a strategy chooses, a model learns from it,
and is measured on images set aside.

The cold start of a seed is a uniform draw, the same for all strategies. At each cycle the model
that was trained on the labels so far looks at the rest of the pool; what the strategy picks from
its detections gets its true labels; training begins anew from the same weights. What a person has
to do is counted: the boxes of the model that are shown in a photo against its true ones, a box
that is good enough being kept.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from train.network.labelled_images import count
from train.simulation.choice import Rules, choose, looks_at_the_pool, of_strategy, shown
from train.simulation.learning_curves import COLUMNS
from train.simulation.outcomes import DataSet, Outcome, TrainedSets
from utils.effort.comparing import GOOD_ENOUGH, compare
from utils.effort.seconds import ACTIONS
from utils.errors import InputError
from utils.formats.annotated_sets import AnnotatedSet
from utils.labels.splits import draw_test
from utils.labels.tables import image_set, only, without
from utils.parallel import side_by_side
from utils.reserved import AVERAGE
from utils.strategies import STRATEGIES


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Which projects are played: `start` images first, then `cycles` times `batch` more, with each
    strategy and seed.
    """

    strategies: tuple[str, ...]
    seeds: int
    start: int
    batch: int
    cycles: int

    @property
    def steps(self) -> int:
        """Models that are looked at, some of them the same."""
        return len(self.strategies) * self.seeds * (self.cycles + 1)


def divide(
    annotated: AnnotatedSet,
    test: set[str] | None,
    share: float,
    split_by: str,
    burst_seconds: float,
) -> DataSet:
    """Set images aside for measuring, the same ones in every simulation: those of `test`, else
    about `share` of all, in whole bursts or folders (`split_by`).

    Raises InputError when there is nothing to measure or to choose from.
    """
    if test is None:
        test = draw_test(
            annotated.boxes, annotated.images, set(), share, 0, split_by, burst_seconds
        )
    pool, held_out = without(annotated.boxes, test), only(annotated.boxes, test)
    if (
        not len(pool)
        or not len(held_out)
        or not set(pool["class"]) & set(held_out["class"]) & set(annotated.classes)
    ):
        raise InputError(
            f"{len(image_set(pool))} images to choose from and {len(image_set(held_out))} to"
            " measure with share no class; a simulation needs more labelled images, another"
            " --test-share, or --split-by image"
        )
    return DataSet(pool, held_out, annotated.images, annotated.files)


def play(
    data: DataSet, schedule: Schedule, trained: TrainedSets, rules: Rules, at_once: int = 1
) -> Iterator[tuple[str, pd.DataFrame]]:
    """(what was looked at, its rows of the results) of every strategy, seed and cycle, in their
    order, however many projects are played side by side. A project ends early where the pool is
    used up.
    """

    def project(one: tuple[int, str]) -> Iterator[tuple[str, pd.DataFrame]]:
        return _project(*one, data, schedule, trained, rules)

    projects = list(itertools.product(range(schedule.seeds), schedule.strategies))
    if at_once == 1:
        return itertools.chain.from_iterable(map(project, projects))
    # those of one seed begin with the same training: side by side one would wait for the other
    turns = itertools.product(schedule.strategies, range(schedule.seeds))
    return side_by_side(project, projects, at_once, (turn[::-1] for turn in turns))


def _project(
    seed: int,
    strategy: str,
    data: DataSet,
    schedule: Schedule,
    trained: TrainedSets,
    rules: Rules,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The project of one seed and strategy, as `play` gives it."""
    labelled = cold_start(data, schedule.start, seed)
    # before there is a model, everything is drawn
    done = [compare(data.pool[:0], only(data.pool, labelled))]
    for cycle in range(schedule.cycles + 1):
        left = len(image_set(data.pool)) - len(labelled)
        last = cycle == schedule.cycles or not left
        choosers = () if last else schedule.strategies if cycle == 0 else (strategy,)
        now = dataclasses.replace(rules, seed=seed * 1000 + cycle)
        number, chosen = min(schedule.batch, left), set()
        if not last and not looks_at_the_pool(strategy):  # the model shows these only
            chosen = set(choose(strategy, data, None, labelled, number, now))
        outcome = trained.outcome(
            labelled,
            seed,
            pool=any(map(looks_at_the_pool, choosers)),
            mirror=any(STRATEGIES[name].needs_mirror for name in choosers),
            also=frozenset(chosen),
        )
        rows = results(data, labelled, outcome, pd.concat(done)).assign(
            strategy=strategy, seed=seed, cycle=cycle
        )[COLUMNS]
        yield (
            (f"{strategy}, seed {seed}, {len(labelled)} images: AP50 {rows['ap50'].iloc[0]:.3f}"),
            rows,
        )
        if last:
            break
        chosen = chosen or set(choose(strategy, data, outcome, labelled, number, now))
        drawn_for = shown(outcome, chosen, of_strategy(strategy, now))
        done.append(compare(drawn_for, only(data.pool, chosen), GOOD_ENOUGH))
        labelled = labelled | chosen


def cold_start(data: DataSet, number: int, seed: int) -> set[str]:
    """The images that a project of this seed begins with."""
    names = np.array(sorted(image_set(data.pool)), object)
    return set(np.random.default_rng(seed).permutation(names)[:number].tolist())


def results(
    data: DataSet, labelled: set[str], outcome: Outcome, done: pd.DataFrame
) -> pd.DataFrame:
    """A row for the average and each class: images, boxes, class, ap50, images_of_class,
    boxes_of_class, and how many boxes people have kept, moved … (ACTIONS; `done`: as `compare` has
    it, of all labelled images).
    """
    of_class = done.groupby("class")[list(ACTIONS)].sum()
    of_class.loc[AVERAGE] = of_class.sum()
    numbers = count(only(data.pool, labelled), data.classes)
    rows = [
        {
            "images": numbers["images"],
            "boxes": numbers["boxes"],
            "class": row["Class Name"],
            "ap50": row["coco_ap50"],
            "images_of_class": (
                numbers["images_of_class"].get(
                    row["Class Name"], numbers["images"] - numbers["empty"]
                )
            ),
            "boxes_of_class": numbers["boxes_of_class"].get(row["Class Name"], numbers["boxes"]),
            **of_class.reindex([row["Class Name"]], fill_value=0).iloc[0].to_dict(),
        }
        for row in outcome.performance.to_dict("records")
    ]
    return (
        pd.DataFrame(rows)
        .sort_values("class", key=lambda names: names != AVERAGE, kind="stable")
        .reset_index(drop=True)
    )


def classes_of(results_so_far: pd.DataFrame) -> Sequence[str]:
    """The classes that were measured."""
    return [name for name in dict.fromkeys(results_so_far["class"]) if name != AVERAGE]
