"""A performance table as lines for people."""

import pandas as pd


def performance_text(performance: pd.DataFrame) -> str:
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
    return "\n".join(lines)


def cell(value: float) -> str:
    """A figure of the table with two decimals, - for an empty cell."""
    return "-" if pd.isna(value) else f"{value:.2f}"
