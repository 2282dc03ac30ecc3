"""How a simulated project chooses its next images: as download does, from what its last model
found.
"""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa

from train.simulation.outcomes import DataSet, Outcome
from utils.config import KEYS
from utils.labels import tables
from utils.labels.tables import blob_names, image_set, image_starts, only, without
from utils.reserved import AVERAGE, NULL
from utils.selection.context import make_context
from utils.selection.embeddings import MODEL, Embeddings, fit_basis
from utils.selection.strategies import select
from utils.selection.worth import LEAST_SCORE
from utils.strategies import STRATEGIES

TODAYS_RULE = "lowest_box"


@dataclasses.dataclass(frozen=True)
class Rules:
    """The keys of config.ini that choosing looks at, as a new config has them. `seed` decides what
    is left to chance.
    """

    classes: tuple[str, ...]
    random_share: float
    max_per_burst: int | None
    seed: int = 0
    burst_seconds: float = 60.0
    min_confidence: float = LEAST_SCORE
    prelabel_confidence: float = 0.5
    ideal_class_balance: tuple[float, ...] = ()
    pick_max: bool = False


def looks_at_the_pool(strategy: str) -> bool:
    """Whether a strategy wants to know what the last model finds in the pool."""
    return STRATEGIES[strategy].needs_predictions


def choose(
    strategy: str,
    data: DataSet,
    outcome: Outcome | None,
    labelled: set[str],
    number: int,
    rules: Rules,
) -> list[str]:
    """Blob names of `number` images of the pool that are not labelled yet. `outcome`: what is known
    of the last model, None for a strategy that does not look at it.

    `lowest_box` is used as configs without `selection_strategy` use it: with no random share, no
    limit per burst, and the boxes that such a config stores. The class weights of `hybrid` come
    from the last model's AP50 on the images set aside, as in a project from its test set.
    """
    rules = of_strategy(strategy, rules)
    rest = image_set(data.pool) - labelled
    predictions = (
        stored(only(outcome.predictions, rest), rules.min_confidence)
        if looks_at_the_pool(strategy)
        else _without_boxes(only(data.images, rest))
    )
    context = make_context(
        predictions,
        rules,
        images=data.images,
        tagged=only(data.pool, labelled),
        ap50={} if outcome is None else _ap50(outcome),
        embeddings=_embeddings(data, outcome) if STRATEGIES[strategy].reads_embeddings else None,
    )
    return select(strategy, context, number).names


def of_strategy(strategy: str, rules: Rules) -> Rules:
    """The rules with which a strategy is played."""
    if strategy != TODAYS_RULE:
        return rules
    lowest = KEYS["min_confidence"].default
    return dataclasses.replace(rules, random_share=0.0, max_per_burst=None, min_confidence=lowest)


def shown(outcome: Outcome, images: set[str], rules: Rules) -> pd.DataFrame:
    """The boxes of the last model that people get to see in these images, which it has looked at
    (columns of totag).
    """
    found = stored(only(outcome.predictions, images), rules.min_confidence)
    boxes = found[found["class"] != NULL]
    return boxes[boxes["box_confidence"] >= rules.prelabel_confidence]


def stored(predictions: pd.DataFrame, min_confidence: float) -> pd.DataFrame:
    """What totag holds of these predictions (its columns) in a project with this min_confidence: an
    image without such boxes is empty.
    """
    boxes = predictions[predictions["box_confidence"] >= min_confidence]
    lowest = boxes.groupby(blob_names(boxes))["box_confidence"].transform("min")
    others = without(predictions, image_set(boxes))
    return tables.concat(
        "totag",
        boxes.assign(image_confidence=lowest),
        _without_boxes(others.iloc[image_starts(others)]),
    )


def _ap50(outcome: Outcome) -> dict[str, float]:
    """Per class that was measured."""
    rows = outcome.performance
    rows = rows[rows["AP"].notna() & (rows["Class Name"] != AVERAGE)]
    return dict(zip(rows["Class Name"], rows["AP"], strict=True))


def _without_boxes(images: pd.DataFrame) -> pd.DataFrame:
    """Rows of totag for images in which nothing is found; `images` has filename, folder, height and
    width of each.
    """
    nothing = dict.fromkeys(
        ("xmin", "xmax", "ymin", "ymax", "box_confidence", "image_confidence"), 0.0
    )
    return tables.make(
        "totag",
        **{name: images[name] for name in ("filename", "folder", "height", "width")},
        class_=NULL,
        **nothing,
    )


def _embeddings(data: DataSet, outcome: Outcome) -> Embeddings:
    """Reduced as in the label container."""
    basis = fit_basis([outcome.embeddings], MODEL)
    disagreement = (
        np.full(len(data.names), np.nan, np.float32)
        if outcome.disagreement is None
        else outcome.disagreement
    )
    return Embeddings(
        pa.array(data.names, pa.large_string()),
        basis.reduce(outcome.embeddings),
        disagreement,
        "",
        basis,
    )
