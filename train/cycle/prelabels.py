"""What the pre-labels of a cycle's model cost a person, measured on its test and validation
images.
"""

from collections.abc import Sequence

import pandas as pd

from train.cycle.files import validation_of
from train.evaluation.prelabels import cheapest_prelabels
from utils.config import Config
from utils.effort.seconds import Seconds
from utils.labels import tables
from utils.labels.class_changes import with_present_names
from utils.labels.label_map import with_current_classes
from utils.labels.tables import image_set


def measured_prelabels(
    config: Config,
    images: pd.DataFrame,
    truth: pd.DataFrame,
    predicted: pd.DataFrame,
    class_changes: dict,
    classes: Sequence[str],
) -> dict | None:
    """The member `prelabels` of a cycle (train/evaluation/prelabels.py); None without such images.

    truth: rows of test whose images are there; predicted: rows of test_predictions; class_changes:
    State.classes.
    """
    validation = tables.without(validation_of(config), image_set(truth))
    checked = tables.concat("tagged", truth, tables.only(validation, image_set(images)))
    kept = predicted[predicted["box_confidence"] >= config.min_confidence]
    found = cheapest_prelabels(
        with_current_classes(checked, class_changes["renamed"], class_changes["dropped"]),
        with_present_names("totag", kept, class_changes),
        classes,
        Seconds.of_config(config),
    )
    return found.as_json() if found else None
