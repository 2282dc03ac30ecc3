"""A performance table as lines for people, and what was not measured."""

import pandas as pd

from utils.config import Config
from utils.labels.tables import image_set


def performance_lines(performance: pd.DataFrame) -> list[str]:
    """The table as lines for people: each class, then the average; - where there is nothing to
    measure.
    """
    names = performance["Class Name"]
    width = max(len(name) for name in [*names, "class"])
    columns = ("AP", "coco_ap50", "coco_ap", "precision", "recall", "threshold")
    lines = [f"{'class':{width}}  images  boxes" + "".join(f"{column:>11}" for column in columns)]
    for row in [*performance.to_dict("records")[1:], performance.iloc[0].to_dict()]:
        lines.append(
            f"{row['Class Name']:{width}}  {row['images']:>6.0f}  {row['boxes']:>5.0f}"
            + "".join(f"{cell(row[column]):>11}" for column in columns)
        )
    return lines


def cell(value: float) -> str:
    """A figure of the table with two decimals, - for an empty cell."""
    return "-" if pd.isna(value) else f"{value:.2f}"


def missing_text(test: pd.DataFrame, truth: pd.DataFrame, config: Config) -> str:
    """What was not measured, and why: `truth` are the rows of `test` whose images are there."""
    gone = len(image_set(test)) - len(image_set(truth))
    if not len(test):
        return (
            "there is no test set, so nothing was measured: label more images, or raise"
            f" test_percentage in {config.path} (now {config.test_percentage:g})"
        )
    if not gone:
        return ""
    return (
        f"{gone} of {len(image_set(test))} test images are gone from the image container or cannot"
        " be read: left out"
    )
