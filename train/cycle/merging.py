"""What a run found, merged with what others have changed in the container since it began."""

import pandas as pd

from train.cycle.outputs import CycleOutputs
from utils.errors import InputError
from utils.labels import tables
from utils.labels.assignments import merge_listing
from utils.labels.class_changes import used_again
from utils.labels.state import State
from utils.labels.tables import image_set, only, without


def check_classes(now: State, cycle: dict) -> None:
    """Raises InputError when a class name means another class now than when the cycle (or run
    without training) began.
    """
    known = cycle.get("class_changes")
    if known is not None and (again := used_again(now.classes, known)):
        raise InputError(
            f"classes were changed since this run began, and {', '.join(sorted(again))} means"
            " another class now; begin it again"
        )


def merged_listings(
    base: dict[str, pd.DataFrame],
    present: dict[str, pd.DataFrame],
    images: pd.DataFrame,
    failed: pd.DataFrame,
    pred_dir: str | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(images, failed): those of this sync, with what others have found out since it began
    (`base`), and what lies outside pred_dir.
    """
    broken_since = image_set(present["failed"]) - image_set(base["failed"])
    images = without(merge_listing(base["images"], present["images"], images), broken_since)
    failed = without(merge_listing(base["failed"], present["failed"], failed), image_set(images))
    if pred_dir:
        images, failed = (
            tables.concat(
                table,
                frame,
                _outside(without(present[table], image_set(images) | image_set(failed)), pred_dir),
            )
            for table, frame in (("images", images), ("failed", failed))
        )
    return images, failed


def merged_test(made: CycleOutputs, present: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The cycle's test images and those that others have added, unless the cycle has trained on
    them; rows as in tagged now.
    """
    trained = image_set(made.tagged) - image_set(made.test)
    wanted = image_set(made.test) | (image_set(present["test"]) - trained)
    return only(present["tagged"], wanted)


def merged_predicted(new: pd.DataFrame, present: pd.DataFrame, totag: pd.DataFrame) -> pd.DataFrame:
    """Which model and ETag the rows of totag come from, of the images there: the new entries, and
    the present ones of other images.
    """
    return only(tables.concat("predicted", without(present, image_set(new)), new), image_set(totag))


def models_of(
    predicted: pd.DataFrame, now: State, new: pd.DataFrame, model: str | None
) -> dict[str, str]:
    """The member `predicted_by` for a table `predicted`, when its entries `new` are by that
    published model (None: it has no blob).
    """
    known = now.predicted_by | (dict.fromkeys(new["model"], model) if model else {})
    return {key: known[key] for key in predicted["model"].unique() if key in known}


def _outside(frame: pd.DataFrame, folder: str) -> pd.DataFrame:
    inside = (frame["folder"] == folder) | frame["folder"].str.startswith(f"{folder}/")
    return frame[~inside]
