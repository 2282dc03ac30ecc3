"""A report as one HTML file that needs nothing else: no network, no script."""

import math
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from train.report import charts
from train.report.document import Report
from utils.terminal import visible

_TEMPLATES = Path(__file__).resolve().parent / "templates"
CURVES = 12  # classes with a precision-recall curve


def page(report: Report) -> bytes:
    """The page, UTF-8."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": _figure,
        "whole": _whole,
        "percent": _percent,
        "visible": visible,
        "tenth": _tenth,
        "day": _day,
        "sentence": lambda text: text[:1].upper() + text[1:],
        "hours": _hours,
    }
    text = environment.get_template("report.html").render(
        report=_all_parts(report.document),
        pictures=report.pictures,
        charts=_charts(report.document),
        curves=CURVES,
        style=(_TEMPLATES / "report.css").read_text(encoding="utf-8"),
    )
    return re.sub(r"\n\s*\n+", "\n", text).encode("utf-8", "replace")


def _all_parts(document: dict) -> dict:
    """The document with None for each part that is not there."""
    parts = ("test", "AP", "average", "classes", "costs", "confusion", "images", "folders")
    others = ("mistakes", "next_batch", "candidate", "work", "expected", "cheapest")
    return {**dict.fromkeys((*parts, *others)), **document}


def _charts(document: dict) -> dict:
    """{name: SVG, or None where there is nothing to draw}; `classes`: by class."""
    made: dict = {"course": charts.course_chart(document["course"]), "classes": {}, "costs": None}
    if "test" not in document:
        return made
    threshold = document["threshold"]
    made["images"] = charts.image_chart(document["images"]["curve"], threshold)
    if document["test"]["boxes"]:
        made["costs"] = charts.cost_chart(document["costs"], threshold, document["test"]["images"])
    for entry in document["classes"][:CURVES]:
        if entry["curve"]:
            made["classes"][entry["class"]] = charts.precision_recall_chart(entry, threshold)
    return made


def _figure(value: float | None) -> str:
    """Two decimals, a dash where there is nothing."""
    return "–" if value is None or math.isnan(value) else f"{value:.2f}"


def _tenth(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.1f}"


def _whole(value: float | None) -> str:
    """A whole number with thin spaces between thousands."""
    return "–" if value is None or math.isnan(value) else f"{value:,.0f}".replace(",", "\u202f")


def _percent(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{100 * value:.0f} %"


def _hours(hours: float | None) -> str:
    """A time in hours, or in minutes where it is short."""
    if hours is None:
        return "–"
    minutes = 60 * hours
    if abs(minutes) < 10:
        return f"{minutes:.1f} min"
    return f"{minutes:.0f} min" if hours < 2 else f"{hours:.1f} h"


def _day(at: str | None) -> str:
    """The day of a time, 2026-11-27."""
    return (at or "–")[:10]
