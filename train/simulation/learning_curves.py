"""Learning curves of a simulation: the table of results, what it says in words, and the plot.

A table of results has one row per strategy, seed, cycle and class (and `Average`): `images` and
`boxes` are labels so far, ap50 is coco_ap50 on the held-out images, images_of_class and
boxes_of_class the labels of this class. ACTIONS are what people have done with the boxes that they
were shown; what that took is counted by the cost model (Seconds), whatever its five times are.
Tables of earlier versions do not have them.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from utils.effort.seconds import ACTIONS, Seconds
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
    *ACTIONS,
]
RANDOM = "random"
_CLEARLY = 0.9
_INCHES = (4.2, 3.4)  # one panel
LOOKS, DRAWS = (2.0, 5.0, 10.0), (7.0, 15.0, 25.0)  # seconds, from quick to thorough
_KEY = ["strategy", "seed", "cycle"]
_AXES = ("images", "boxes", "hours")
_HOUR = 3600


def with_hours(results: pd.DataFrame, seconds: Seconds) -> pd.DataFrame:
    """The results with a column `hours`: what the project has taken a person until then; NaN where
    it is not known what was done.
    """
    if not set(ACTIONS) <= set(results):
        return results.assign(hours=np.nan)
    whole = results[results["class"] == AVERAGE]
    hours = seconds.spent(whole["images"].to_numpy(float), whole) / _HOUR
    spent = pd.Series(hours, pd.MultiIndex.from_frame(whole[_KEY]))
    keys = pd.MultiIndex.from_frame(results[_KEY])
    return results.assign(hours=spent.reindex(keys).to_numpy(float))


def mean_curve(
    results: pd.DataFrame, strategy: str, name: str = AVERAGE, seconds: Seconds | None = None
) -> pd.DataFrame:
    """Means over seeds, a row per cycle that all seeds of this strategy have reached: cycle,
    images, boxes, hours, ap50, low, high, seeds. `seconds`: the default ones when not given.

    low and high are one standard deviation (of a sample; 0 with one seed) from the mean.
    """
    results = with_hours(results, seconds or Seconds())
    rows = results[(results["strategy"] == strategy) & (results["class"] == name)]
    grouped = (
        rows.groupby("cycle")
        .agg(
            images=("images", "mean"),
            boxes=("boxes", "mean"),
            hours=("hours", lambda hours: hours.mean(skipna=False)),
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
    """The labels (`axis`: images, boxes or hours) at which a mean curve first reaches this AP,
    between two cycles in proportion; NaN: never.
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
        images, boxes, hours = (needed(curve, goal, axis) for axis in _AXES)
        if np.isnan(images):
            reach = f"never reaches {goal:.3f}"
        else:
            saved = 1 - images / last
            time = "" if np.isnan(hours) else f", {hours * 60:.0f} minutes"
            reach = f"reaches {goal:.3f} with {images:.0f} images ({boxes:.0f} boxes{time}), " + (
                f"{saved:.0%} fewer images" if saved > 0 else "no fewer images"
            )
        lines.append(f"{strategy}: {_at_the_end(curve)}; {reach}{_below(curve, reference)}")
    return lines


def sensitivity(results: pd.DataFrame, strategy: str) -> pd.DataFrame:
    """What a strategy saves of a person's time up to the best AP that random reaches, for quick and
    slow people: columns look, draw (seconds), ap50, random, hours (until that AP; NaN: never
    reached) and saved, the share. Empty where it is not known what people did, or random was not
    played.
    """
    rows = []
    for look in LOOKS:
        for draw in DRAWS:
            seconds = Seconds(look=look, draw=draw)
            random, curve = (
                mean_curve(results, name, seconds=seconds) for name in (RANDOM, strategy)
            )
            if random.empty or curve.empty or random["hours"].isna().any():
                continue
            best = float(random["ap50"].max())
            of_random, hours = (needed(each, best, "hours") for each in (random, curve))
            rows.append((look, draw, best, of_random, hours, 1 - hours / of_random))
    return pd.DataFrame(rows, columns=["look", "draw", "ap50", "random", "hours", "saved"])


def sensitivity_in_words(results: pd.DataFrame, strategies: Sequence[str]) -> list[str]:
    """The same for people, a line per strategy."""
    lines = []
    for strategy in strategies:
        table = sensitivity(results, strategy)
        if strategy == RANDOM or table.empty:
            continue
        best = f"random's best AP50 {table['ap50'][0]:.3f}"
        if table["hours"].isna().all():
            lines.append(f"{strategy} never reaches {best}")
            continue
        each = ", ".join(
            f"{row.look:g} and {row.draw:g} s: {row.saved:.0%}" for row in table.itertuples()
        )
        lines.append(
            f"{strategy}: of a person's time until {best} it saves, by the seconds of a look and of"
            f" drawing a box, {each}"
        )
    return lines


def continued(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Earlier results, those of the same strategy, seed and cycle replaced by what there is now."""
    again = pd.MultiIndex.from_frame(before[_KEY]).isin(pd.MultiIndex.from_frame(now[_KEY]))
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
    """A column per class after that of the average; labels counted in images above, in boxes below
    and, where it is known, in a person's hours; bands of one deviation.
    """
    names = [AVERAGE, *classes]
    axes = {"images": "labelled images", "boxes": "labelled boxes"}
    if with_hours(results, Seconds())["hours"].notna().any():
        axes["hours"] = "hours of a person"
    figure = Figure((_INCHES[0] * len(names), _INCHES[1] * len(axes)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(axes), len(names), squeeze=False, sharey="col")
    for column, name in enumerate(names):
        for row, axis in enumerate(axes):
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
            panel.set_xlabel(axes[axis])
            panel.grid(alpha=0.3)
        panels[0][column].set_title(
            "average of all classes" if name == AVERAGE else name, parse_math=False
        )
    for row in range(len(axes)):
        panels[row][0].set_ylabel("AP at IoU 0.5")
    panels[0][0].legend(loc="lower right")
    figure.suptitle(title, parse_math=False)
    return figure


def _at_the_end(curve: pd.DataFrame) -> str:
    last = curve.iloc[-1]
    time = "" if np.isnan(last["hours"]) else f", {last['hours'] * 60:.0f} minutes"
    return (
        f"AP50 {last['ap50']:.3f} ± {last['high'] - last['ap50']:.3f} with {last['images']:.0f}"
        f" images ({last['boxes']:.0f} boxes{time}), {last['seeds']:.0f}"
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
