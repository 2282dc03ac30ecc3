"""Whether the classes of the config are those of the labels."""

from collections.abc import Mapping, Sequence

import pandas as pd

from utils.labels.class_changes import current_classes
from utils.labels.label_map import with_current_classes
from utils.reserved import NULL

NO_CHANGES = {"renamed": {}, "dropped": []}


def differing_classes(tagged: pd.DataFrame, configured: Sequence[str], classes: Mapping) -> str:
    """A sentence when the labels have boxes of classes that the config does not name; else "".

    `tagged`: labels as they are stored; `classes`: the member of the state, with what was renamed
    and dropped. Classes of the config that no label has are named too: one may be the other,
    misspelt.
    """
    if not configured or not len(tagged):
        return ""
    configured, _ = current_classes(configured, classes)
    rows = with_current_classes(tagged, classes["renamed"], classes["dropped"])
    boxes = rows[rows["class"] != NULL]["class"].value_counts()
    unknown = {name: count for name, count in boxes.items() if name not in configured}
    if not unknown:
        return ""
    found = ", ".join(
        f"{name} ({count} box{'es' if count > 1 else ''})" for name, count in unknown.items()
    )
    unused = [name for name in configured if name not in boxes.index]
    mine = ", ".join(unused or configured)
    return f"classes has {mine}; the labels have {found}"
