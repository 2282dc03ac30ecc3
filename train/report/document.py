"""A report as plain data, its twin for programs, and the pictures that only the page has."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from train.evaluation.outcomes import Outcomes
from train.evaluation.random_share import random_share
from train.report import measuring
from train.report.course import course, measured
from train.report.gallery import mistakes, pictures_of
from train.report.material import Material
from train.report.next_batch import next_batch, thumbnails
from train.report.numbers import figure
from train.report.pictures import Album, Picture
from utils.config import AUTO
from utils.effort.seconds import Seconds
from utils.labels.class_changes import with_present_names
from utils.labels.tables import image_set
from utils.masking import masked_in
from utils.overview.advice import advice
from utils.overview.figures import summary
from utils.overview.work import forecast_lines
from utils.reserved import NULL
from utils.times import utc_text

FORMAT = 1
ROOM = 3_800_000  # bytes of pictures in a page, which is to have at most 5 MB
_FOR_NEXT_BATCH = 800_000  # of these


@dataclass
class Report:
    """A report. document: all its figures, without secrets; a part is there only if its data is.
    pictures: of the gallery by kind, and those of the next batch under "next_batch".
    """

    document: dict
    pictures: dict[str, list[Picture]] = field(default_factory=dict)


def make_report(material: Material) -> Report:
    """Everything that can be said now."""
    now = material.store.now()
    document = {
        "format": FORMAT,
        "at": utc_text(now),
        "commit": material.state.commit,
        "labels": material.store.container.name,
        "model": material.model,
        "threshold": material.threshold,
        "auto": material.config.prelabel_confidence == AUTO,
        "thresholds": material.thresholds.why,
        **_project(material, now),
    }
    report = Report(document)
    if len(material.truth):
        _measure(material, report)
    document["course"] = course(material, document.pop("work_of_cycles", None))
    document["random_share"] = _random_share(material)
    batch = material.try_to("The next photos cannot be chosen", lambda: next_batch(material))
    if batch is not None:
        document["next_batch"] = batch.as_json()
        album = Album(material, _FOR_NEXT_BATCH)
        report.pictures["next_batch"] = thumbnails(album, batch)
    document["notes"] = material.notes
    report.document = masked_in(document)
    return report


def _project(material: Material, now) -> dict:
    """How far the project is, and what comes next: what status.py says, without who has what."""
    shown = material.try_to(
        "How the project stands cannot be read",
        lambda: summary(material.config, material.store, material.state, now),
    )
    if shown is None:
        return {"project": None, "next": None}
    nobody = replace(material.config, tagging_location=None)
    labelled = {
        "images": shown["images"],
        "to_tag": shown["to_tag"],
        "tagged": shown["tagged"],
        "tagged_empty": shown["tagged_empty"],
        "test": shown["test"],
        "boxes": sum(shown["boxes"].values()),
        "cycles": len(shown["cycles"]),
    }
    return {
        "project": labelled,
        "candidate": shown["candidate"],
        "next": advice({**shown, "out": {}, "review_out": {}}, nobody),
        "expected": list(forecast_lines(shown["forecast"])),
        "work": _work(shown["work"]),
        "work_of_cycles": [cycle["work"] for cycle in shown["cycles"]],
    }


def _work(work: dict) -> dict | None:
    """The time of people, without who it was; None where nothing is known of it."""
    if not work["photos"]:
        return None
    return {name: value for name, value in work.items() if name != "taggers"}


def _measure(material: Material, report: Report) -> None:
    """The figures on the test images, and the gallery."""
    truth, document = material.truth, report.document
    made = measuring.measured_outcomes(material)
    average, classes, costs = measuring.class_figures(material)
    work = document.get("work")
    seconds = Seconds(**work["seconds"]) if work else Seconds.of_config(material.config)
    document |= {
        "test": {
            "images": len(image_set(truth)),
            "empty": len(image_set(truth)) - len(image_set(truth[truth["class"] != NULL])),
            "boxes": int((truth["class"] != NULL).sum()),
        },
        "AP": measured(material, truth, material.found),
        "average": average,
        "classes": classes,
        "now": _now(classes, seconds),
        "costs": [{**cost, "seconds": _seconds(cost, seconds)} for cost in costs],
        "cheapest": None,
        "confusion": measuring.confusion_figures(material, made),
        "images": measuring.image_figures(material),
        "folders": measuring.folder_figures(material, made),
    }
    possible = [cost for cost in document["costs"] if cost["threshold"] >= material.least]
    if document["test"]["boxes"] and possible:
        document["cheapest"] = min(possible, key=lambda cost: cost["seconds"])
    _gallery(material, made, report)


def _now(classes: list[dict], each: Seconds) -> dict:
    """What the boxes that people get now cost, of all classes."""
    kinds = ("shown", "right", "wrong", "missing")
    cost = {kind: sum(entry["as_prelabelled"][kind] for entry in classes) for kind in kinds}
    return {**cost, "seconds": _seconds(cost, each)}


def _seconds(cost: dict, each: Seconds) -> float:
    """What people would spend on the boxes of the test images, looking apart."""
    spent = cost["right"] * each.keep + cost["wrong"] * each.delete + cost["missing"] * each.draw
    return round(spent, 1)


def _gallery(material: Material, made: Outcomes, report: Report) -> None:
    cases = mistakes(material, made)
    counts = {name: len(rows) for name, rows in _mistaken(made).items()}
    report.document["mistakes"] = {
        name: {"count": counts[name], "shown": [case.as_json() for case in shown]}
        for name, shown in cases.items()
    }
    album = Album(material, ROOM - _FOR_NEXT_BATCH)
    report.pictures |= {name: pictures_of(album, made, shown) for name, shown in cases.items()}


def _mistaken(made: Outcomes) -> dict[str, pd.DataFrame]:
    return {"missed": made.missed, "false": made.false, "mixed_up": made.mixed_up}


def _random_share(material: Material) -> dict | None:
    """The AP of the newest model on what was drawn at random and labelled since; else the last one
    that a cycle has measured, of the model before it.
    """
    store, state = material.store, material.state
    last = next((c["random_share"] for c in state.cycles[::-1] if c.get("random_share")), None)

    def measure_now():
        drawn = with_present_names("drawn", store.table(state, "drawn"), state.classes)
        tagged, seed = store.table(state, "tagged"), material.config.seed
        return random_share(drawn, tagged, material.model, material.classes, seed)

    share = material.try_to("The random share cannot be measured", measure_now)
    if share is None:
        return last
    made = share.as_json()
    return {
        name: figure(value) if isinstance(value, (float, np.floating)) else value
        for name, value in made.items()
    }
