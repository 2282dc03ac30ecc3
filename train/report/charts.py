"""The curves of a report as SVG that stands in the page: its text is text, its colours are those of
the page, light or dark. No text of other people is in it.
"""

import io
import re
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

# What the page puts in the place of each colour.
_TEXT, _QUIET, _LINE, _MAIN, _SECOND = "#010101", "#020202", "#030303", "#040404", "#050505"
_THEMED = {
    _TEXT: "currentColor",
    _QUIET: "var(--quiet)",
    _LINE: "var(--line)",
    _MAIN: "var(--truth)",
    _SECOND: "var(--model)",
}
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.size": 11,
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.edgecolor": _QUIET,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "xtick.labelcolor": _TEXT,
    "ytick.labelcolor": _TEXT,
    "grid.color": _LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_WIDE, _SMALL = (7.2, 3.0), (3.0, 2.5)  # inches


def course_chart(entries: Sequence[dict]) -> str | None:
    """AP over cycles: on the same images, with its interval; where that is not known, as it was
    measured then.
    """
    same = [entry for entry in entries if entry["same"]]
    others = [e for e in entries if not e["same"] and e["AP_then"] is not None]
    if len(same) + len(others) < 2:
        return None
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _axes(_WIDE, "cycle", "AP")
        if same:
            cycles = [entry["cycle"] for entry in same]
            low, ap, high = ([e["same"][name] for e in same] for name in ("low", "AP", "high"))
            axes.fill_between(cycles, low, high, color=_MAIN, alpha=0.2, linewidth=0)
            axes.plot(cycles, ap, color=_MAIN, marker="o", linewidth=2)
            if len(same) == 1:
                axes.plot(cycles * 2, [low[0], high[0]], color=_MAIN, alpha=0.5)
        axes.plot(
            [entry["cycle"] for entry in others],
            [entry["AP_then"] for entry in others],
            linestyle="none",
            marker="o",
            markerfacecolor="none",
            color=_QUIET,
        )
        axes.set_xticks([entry["cycle"] for entry in entries])
        return _svg(figure)


def image_chart(curve: dict, threshold: float) -> str:
    """How many photos with objects are found, and how many empty ones give a false alarm."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _axes(_WIDE, "score from which a box counts", "of 100 photos", 100)
        _mark(axes, threshold)
        recall = [None if value is None else 100 * value for value in curve["recall"]]
        _line(axes, curve["threshold"], recall, _MAIN)
        _line(axes, curve["threshold"], curve["false_alarms_per_100_empty"], _SECOND, "--")
        return _svg(figure)


def cost_chart(costs: Sequence[dict], threshold: float, images: int) -> str:
    """Boxes to draw and boxes to delete, in 100 photos, over the threshold."""
    with matplotlib.rc_context(_SETTINGS):
        places = [cost["threshold"] for cost in costs]
        missing, wrong = ([100 * e[name] / images for e in costs] for name in ("missing", "wrong"))
        most = max(1.0, 1.1 * max(missing), min(max(wrong), 2.2 * max(1.0, *missing)))
        figure, axes = _axes(_WIDE, "score from which boxes are drawn", "boxes in 100 photos", most)
        _mark(axes, threshold)
        _line(axes, places, missing, _MAIN)
        _line(axes, places, wrong, _SECOND, "--")
        return _svg(figure)


def precision_recall_chart(entry: dict, threshold: float) -> str:
    """One class: precision over recall; points: the best threshold, and the one in force."""
    curve, here = entry["curve"], entry["as_prelabelled"]
    with matplotlib.rc_context({**_SETTINGS, "font.size": 10}):
        figure, axes = _axes(_SMALL, "recall", "precision")
        axes.set_xlim(0, 1.03)
        axes.set_xticks([0, 0.5, 1])
        axes.set_yticks([0, 0.5, 1])
        axes.plot(curve["recall"], curve["precision"], color=_MAIN, linewidth=2)
        if entry["precision"] is not None:
            axes.plot([entry["recall"]], [entry["precision"]], "o", color=_MAIN, markersize=8)
        if here["shown"] and entry["boxes"]:
            recall, precision = here["right"] / entry["boxes"], here["right"] / here["shown"]
            axes.plot([recall], [precision], "D", color=_SECOND, markersize=7)
        return _svg(figure)


def _axes(size: tuple[float, float], across: str, up: str, most: float = 1.0):
    figure = Figure(size, layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_ylim(0, 1.03 * most)
    axes.grid(alpha=1, linewidth=0.7)
    axes.set_axisbelow(True)
    return figure, axes


def _line(axes, places, values, color: str, style: str = "-") -> None:
    values = [float("nan") if value is None else value for value in values]
    axes.plot(places, values, style, color=color, linewidth=2)
    axes.set_xlim(min(places), max(places))


def _mark(axes, threshold: float) -> None:
    """The threshold in force."""
    axes.axvline(threshold, color=_TEXT, linewidth=1, linestyle=":")


def _svg(figure: Figure) -> str:
    """The figure as an SVG element of a page: as wide as there is room."""
    buffer = io.StringIO()
    figure.savefig(
        buffer,
        format="svg",
        transparent=True,
        metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")),
    )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', text)[0]
    text = re.sub(r"<svg[^>]*>", f'<svg class="chart" {box} aria-hidden="true">', text, count=1)
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"font: (?:[\w-]+ )*([\d.]+px) [^;\"]*", r"font-size: \1", text)
    used = set(re.findall(r"#([\w-]+)[\")]", text))
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", text)
    for color, name in _THEMED.items():
        text = text.replace(color, name)
    return re.sub(r"\s*\n\s*", "\n", text)
