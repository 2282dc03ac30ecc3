"""Learning curves of a simulation: the table of results, what it says in words, and the plot.

A table of results has one row per strategy, seed, cycle and class (and `Average`): `images` and
`boxes` are labels so far, ap50 is coco_ap50 on the held-out images, images_of_class and
boxes_of_class the labels of this class.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from utils.files import write_beside, write_bytes
from utils.reserved import AVERAGE, FORMULA

COLUMNS = [
    "strategy",
    "seed",
    "cycle",
    "images",
    "boxes",
    "class",
    "ap50",
    "images_of_class",
    "boxes_of_class",
]
RANDOM = "random"
_CLEARLY = 0.9
_INCHES = (4.2, 3.4)  # one panel


def mean_curve(results: pd.DataFrame, strategy: str, name: str = AVERAGE) -> pd.DataFrame:
    """Means over seeds, a row per cycle that all seeds of this strategy have reached: cycle,
    images, boxes, ap50, low, high, seeds.

    low and high are one standard deviation (of a sample; 0 with one seed) from the mean.
    """
    rows = results[(results["strategy"] == strategy) & (results["class"] == name)]
    grouped = (
        rows.groupby("cycle")
        .agg(
            images=("images", "mean"),
            boxes=("boxes", "mean"),
            ap50=("ap50", "mean"),
            spread=("ap50", "std"),
            seeds=("seed", "nunique"),
        )
        .reset_index()
    )
    whole = grouped[grouped["seeds"] == rows["seed"].nunique()].fillna({"spread": 0.0})
    return whole.assign(
        low=whole["ap50"] - whole["spread"], high=whole["ap50"] + whole["spread"]
    ).reset_index(drop=True)


def needed(curve: pd.DataFrame, ap50: float, axis: str = "images") -> float:
    """The labels (`axis`: images or boxes) at which a mean curve first reaches this AP, between two
    cycles in proportion; NaN: never.
    """
    labels, values = curve[axis].to_numpy(float), curve["ap50"].to_numpy(float)
    reached = np.flatnonzero(values >= ap50 - 1e-9)
    if not len(reached):
        return np.nan
    last = int(reached[0])
    if last == 0 or values[last] == values[last - 1]:
        return float(labels[last])
    share = (ap50 - values[last - 1]) / (values[last] - values[last - 1])
    return float(labels[last - 1] + share * (labels[last] - labels[last - 1]))


def in_words(results: pd.DataFrame, strategies: Sequence[str]) -> list[str]:
    """How many labels each strategy needs for the AP that random reaches at the end (random itself
    too, when it was there clearly before), and where it falls below random; a line each.
    """
    curves = {strategy: mean_curve(results, strategy) for strategy in strategies}
    if RANDOM not in curves or curves[RANDOM].empty:
        return [
            f"{strategy}: {_at_the_end(curve)}" for strategy, curve in curves.items() if len(curve)
        ]
    reference = curves[RANDOM]
    goal = float(reference["ap50"].iloc[-1])
    first, last = needed(reference, goal), float(reference["images"].iloc[-1])
    lines = [
        f"{RANDOM}: {_at_the_end(reference)}"
        + (f"; first reached with {first:.0f} images" if first < _CLEARLY * last else "")
    ]
    for strategy, curve in curves.items():
        if strategy == RANDOM or curve.empty:
            continue
        images, boxes = (needed(curve, goal, axis) for axis in ("images", "boxes"))
        if np.isnan(images):
            reach = f"never reaches {goal:.3f}"
        else:
            saved = 1 - images / last
            reach = f"reaches {goal:.3f} with {images:.0f} images ({boxes:.0f} boxes), " + (
                f"{saved:.0%} fewer images" if saved > 0 else "no fewer images"
            )
        lines.append(f"{strategy}: {_at_the_end(curve)}; {reach}{_below(curve, reference)}")
    return lines


def continued(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Earlier results, those of the same strategy, seed and cycle replaced by what there is now."""
    key = ["strategy", "seed", "cycle"]
    again = pd.MultiIndex.from_frame(before[key]).isin(pd.MultiIndex.from_frame(now[key]))
    return pd.concat([part for part in (before[~again], now) if len(part)], ignore_index=True)


def write(results: pd.DataFrame, path: Path) -> None:
    """As a CSV for people: a class whose name a spreadsheet would run as a formula has an
    apostrophe before it, which `read` takes away.
    """
    names = results["class"]
    text = io.StringIO()
    results.assign(
        **{"class": names.where(~names.str.startswith((*FORMULA, "'")), "'" + names)}
    ).round(6).to_csv(text, index=False, lineterminator="\n")
    write_bytes(path, text.getvalue().encode("utf-8"))


def read(path: Path) -> pd.DataFrame:
    """What `write` wrote."""
    results = pd.read_csv(
        path, dtype={"strategy": str, "class": str}, keep_default_na=False, na_values={"ap50": [""]}
    )
    return results.assign(**{"class": results["class"].str.removeprefix("'")})


def plot(
    results: pd.DataFrame, strategies: Sequence[str], classes: Sequence[str], path: Path, title: str
) -> None:
    """The figure as a PNG."""
    with write_beside(path) as piece:
        drawn(results, strategies, classes, title).savefig(piece, format="png", dpi=100)


def drawn(
    results: pd.DataFrame, strategies: Sequence[str], classes: Sequence[str], title: str
) -> Figure:
    """A column per class after that of the average; labels counted in images above, in boxes below;
    bands of one deviation.
    """
    names = [AVERAGE, *classes]
    figure = Figure((_INCHES[0] * len(names), _INCHES[1] * 2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(names), squeeze=False, sharey="col")
    for column, name in enumerate(names):
        for row, axis in enumerate(("images", "boxes")):
            panel = panels[row][column]
            for strategy in strategies:
                curve = mean_curve(results, strategy, name)
                if len(curve):
                    (line,) = panel.plot(
                        curve[axis], curve["ap50"], marker="o", markersize=3, label=strategy
                    )
                    panel.fill_between(
                        curve[axis],
                        curve["low"],
                        curve["high"],
                        color=line.get_color(),
                        alpha=0.15,
                        linewidth=0,
                    )
            panel.set_xlabel(f"labelled {axis}")
            panel.grid(alpha=0.3)
        panels[0][column].set_title(
            "average of all classes" if name == AVERAGE else name, parse_math=False
        )
    for row in (0, 1):
        panels[row][0].set_ylabel("AP at IoU 0.5")
    panels[0][0].legend(loc="lower right")
    figure.suptitle(title, parse_math=False)
    return figure


def _at_the_end(curve: pd.DataFrame) -> str:
    last = curve.iloc[-1]
    return (
        f"AP50 {last['ap50']:.3f} ± {last['high'] - last['ap50']:.3f} with {last['images']:.0f}"
        f" images ({last['boxes']:.0f} boxes), {last['seeds']:.0f}"
        f" seed{'s' if last['seeds'] > 1 else ''}"
    )


def _below(curve: pd.DataFrame, reference: pd.DataFrame) -> str:
    """Where a strategy is below random by more than random's spread."""
    both = curve.merge(reference, on="cycle", suffixes=("", "_random"))
    worse = both[both["ap50"] < both["low_random"] - 1e-9]
    if worse.empty:
        return ""
    spread = " by more than its spread" if (reference["seeds"] > 1).all() else ""
    return (
        f"; below random{spread} at "
        + ", ".join(f"{images:.0f}" for images in worse["images"])
        + " images"
    )
