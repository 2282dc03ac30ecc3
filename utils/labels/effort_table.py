"""The table `effort`, as what changes classes and what checks the rules has to do with it."""

from collections.abc import Mapping

import pandas as pd

from utils.labels.label_map import current_name

PHOTO = ["batch", "folder", "filename"]
AGAIN = "-review"  # ends the number of a batch of labelled images that are looked at again
_COUNTED = ["kept", "moved", "class_changed", "deleted", "drawn"]


def with_classes(effort: pd.DataFrame, classes: Mapping, known: int | None = None) -> pd.DataFrame:
    """The table under the present names of its classes; `classes` is State.classes, `known`: how
    many changes of them were recorded when the rows were made, None for all.

    Rows of classes that become one are added up. A class that was dropped stays: time went into it.
    """
    steps = [] if known is None else classes.get("changes", [])[known:]
    names = {name: _present(name, classes, steps) for name in effort["class"].unique()}
    if all(name == now for name, now in names.items()):
        return effort
    return _added_up(effort.assign(**{"class": effort["class"].map(names).astype("str")}))


def counted_twice(effort: pd.DataFrame) -> pd.Series:
    """Which rows say a second time what was done with a class in a photo of a batch."""
    return effort.duplicated([*PHOTO, "class"])


def _added_up(effort: pd.DataFrame) -> pd.DataFrame:
    row = [*PHOTO, "class"]
    sums = effort.groupby(row, sort=False)[_COUNTED].transform("sum")
    return effort.assign(**sums).drop_duplicates(row).reset_index(drop=True)


def _present(name: str, classes: Mapping, steps: list) -> str:
    for step in steps:
        name = step["renamed"].get(name, name)
    return current_name(name, classes["renamed"])
