"""Which images to tag a batch gets next: by a strategy, from what some model found in them."""

from collections.abc import Callable, Set
from dataclasses import dataclass, replace

import pandas as pd

from utils.config import Config
from utils.errors import InputError
from utils.labels import tables
from utils.labels.class_changes import current_classes, with_present_names
from utils.labels.class_map import ClassMap, apply_class_map
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.reserved import NULL
from utils.selection.context import context_of_state
from utils.selection.listed_pool import ListedPool
from utils.selection.strategies import Selection, select


@dataclass(frozen=True)
class Wishes:
    """What a person asks for beside the config. class_map: choose by what the pretrained model
    found, under the names of this map; score_between: only images with a box of such a score;
    seconds: as many images as fit into so many. like: images (blob names) that others are to look
    like; of_class: the surest finds of this class (both: see finding.py). whole: choose among all
    images, though there is a shortlist.
    """

    strategy: str | None = None
    class_map: ClassMap | None = None
    score_between: tuple[float, float] | None = None
    seconds: float | None = None
    like: tuple[str, ...] = ()
    of_class: str | None = None
    whole: bool = False

    @property
    def need_whole_tables(self) -> bool:
        """Do they ask for what no shortlist holds?"""
        return self.whole or self.score_between is not None or self.finds_more

    @property
    def finds_more(self) -> bool:
        """Is it more of something, and no strategy?"""
        return bool(self.like) or self.of_class is not None


def choose(
    store: LabelStore,
    state: State,
    rows: pd.DataFrame,
    config: Config,
    wishes: Wishes,
    *,
    batch: Set[str],
    count: int,
    shown_from: Callable[[str], float],
    listed: ListedPool | None = None,
) -> tuple[Selection, int]:
    """At most `count` of the images that have `rows`, and how many there were to choose from.
    `batch`: images that the batch has already; `shown_from`: the score from which people see boxes
    of a class; listed: the shortlist that the rows are of.
    """
    class_map = wishes.class_map
    classes, balance = shares_of(config, state, class_map)
    if wishes.score_between:
        rows = _with_score(rows, *wishes.score_between)
        config = replace(config, random_share=0.0)

    strategy = wishes.strategy or config.selection_strategy
    context = context_of_state(
        store,
        state,
        rows,
        config,
        strategy,
        classes,
        balance,
        batch,
        shown_from,
        listed and listed.known(),
        lambda: to_tag(store, state, class_map),
    )
    if listed is not None:
        context = listed.as_of_now(context, strategy)
    chosen = select(strategy, context, count)
    # of a band, it is no sample of all images
    chosen = replace(chosen, random=chosen.random & (not wishes.score_between))
    return chosen, context.pool_size


def shares_of(
    config: Config, state: State, class_map: ClassMap | None
) -> tuple[list[str], list[float]]:
    """Under their present names the classes that have a share of a batch, and the shares: those of
    the class map, where there is one, else of the config.
    """
    if class_map is None:
        return current_classes(config.classes, state.classes, config.ideal_class_balance)
    shares = [*class_map.shares.values(), class_map.empty_share]
    return current_classes(list(class_map.shares), state.classes, shares)


def to_tag(store: LabelStore, state: State, class_map: ClassMap | None) -> pd.DataFrame:
    """The rows of all images that totag lists, out or not, as this class map names them."""
    rows = store.table(state, "totag")
    return rows if class_map is None else found_by_pretrained(store, state, rows, class_map)


def found_by_pretrained(
    store: LabelStore,
    state: State,
    free: pd.DataFrame,
    class_map: ClassMap,
    found: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What the pretrained model found in the free images, by the class map and under the present
    names of its classes; images that it has not seen keep their rows. found: rows of init_totag,
    all when not given.

    Raises InputError when no pretrained model has been run.
    """
    if state.blob("init_totag") is None:
        raise InputError(
            f"{store.container.address}: no pretrained model has been run over the images"
            " yet; run train/active_learning_init_pred.sh CONFIG on the training machine first"
        )
    found = store.table(state, "init_totag") if found is None else found
    predicted = tables.only(found, tables.image_set(free))
    named = with_present_names("totag", apply_class_map(predicted, class_map), state.classes)
    return tables.concat("totag", named, tables.without(free, tables.image_set(named)))


def _with_score(rows: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    """The rows of the images that have a box with a score from `low` to `high`."""
    inside = rows["box_confidence"].between(low, high) & (rows["class"] != NULL)
    return tables.only(rows, tables.image_set(rows[inside]))
