"""The figures of a report: per class, per threshold, per image, per folder; plain data."""

import numpy as np
import pandas as pd

from train.evaluation.average_precision import DECIMALS as ROUNDED
from train.evaluation.average_precision import boxes_of, measure
from train.evaluation.matching import match
from train.evaluation.outcomes import Outcomes, confusion, outcomes
from train.evaluation.thresholds import Cost, costs, image_level, precision_recall
from train.report.course import measured
from train.report.material import Material
from train.report.numbers import figure
from utils.labels import tables
from utils.labels.tables import image_set

CURVE = 101  # points of a curve
CLASSES = 200  # with figures
MATRIX = 12  # classes with a row of their own in the confusion matrix
FOLDERS = 40
ALL = 0.0  # the score from which every box counts
OTHERS = "all others"
BACKGROUND = "background"
_STEPS = np.round(np.arange(0.05, 1, 0.05), 2)
_FINE = np.round(np.linspace(0, 1, CURVE), 2)


def class_figures(material: Material) -> tuple[dict, list[dict], list[dict]]:
    """(average, classes, costs): the row Average of the performance table; an entry per class, the
    most frequent first, with its precision-recall curve; what each threshold would cost.
    """
    truth, found, classes = material.truth, material.found, material.classes
    table = measure(truth, found, classes, material.config.max_detections)
    rows = {row.pop("Class Name"): row for row in table.to_dict("records")}
    images = sorted(image_set(truth))
    actual, scored = (boxes_of(frame, images, classes) for frame in (truth, found))
    thresholds = _thresholds(material.threshold)

    entries = []
    together = np.zeros((len(thresholds), 3), np.int64)
    for name in classes:
        positives = int((actual["class"] == name).sum())
        scores, right = match(actual[actual["class"] == name], scored[scored["class"] == name])
        made = costs(scores, right, positives, thresholds)
        together += [[cost.right, cost.wrong, cost.missing] for cost in made]
        shown_from = material.thresholds.of(name)
        entries.append(_entry(name, rows[name], scores, right, positives, shown_from))
    entries.sort(key=lambda entry: -entry["boxes"])
    total = [
        Cost(threshold, *map(int, counts))
        for threshold, counts in zip(thresholds.tolist(), together, strict=True)
    ]
    average = {name: figure(value) for name, value in next(iter(rows.values())).items()}
    return average, entries[:CLASSES], [_cost(cost) for cost in total]


def _thresholds(own: float) -> np.ndarray:
    return np.unique(np.append(_STEPS, own))


def _entry(
    name: str,
    row: dict,
    scores: np.ndarray,
    right: np.ndarray,
    positives: int,
    shown_from: float,
) -> dict:
    precision, recall = figure(row["precision"]), figure(row["recall"])
    f1 = None
    if precision is not None and recall is not None:
        f1 = figure(2 * precision * recall / (precision + recall)) if precision + recall else 0.0
    return {
        "class": name,
        "images": int(row["images"]),
        "boxes": int(row["boxes"]),
        "AP": figure(row["AP"]),
        "coco_ap50": figure(row["coco_ap50"]),
        "coco_ap": figure(row["coco_ap"]),
        "precision": precision,
        "recall": recall,
        "F1": f1,
        "best_threshold": figure(row["threshold"]),
        "at_best": _at_best(scores, right, positives, row["threshold"]),
        "shown_from": figure(shown_from),
        "as_prelabelled": _at(scores, right, positives, shown_from),
        "curve": _curve(scores, right, positives) if positives else None,
    }


def _at_best(scores: np.ndarray, right: np.ndarray, positives: int, best: float) -> dict | None:
    """What the threshold with the best F1 would cost, which the table has rounded."""
    if np.isnan(best):
        return None
    return {**_at(scores, right, positives, best - 10.0**-ROUNDED), "threshold": figure(best)}


def _at(scores: np.ndarray, right: np.ndarray, positives: int, threshold: float) -> dict:
    """What one threshold would cost."""
    (cost,) = costs(scores, right, positives, np.array([threshold]))
    return _cost(cost)


def _cost(cost: Cost) -> dict:
    return {
        "threshold": figure(cost.threshold),
        "shown": cost.shown,
        "right": cost.right,
        "wrong": cost.wrong,
        "missing": cost.missing,
    }


def _curve(scores: np.ndarray, right: np.ndarray, positives: int) -> dict:
    """A precision-recall curve of a few points: at some right detections, and just before these,
    where precision is lowest.
    """
    precision, recall = precision_recall(right, positives)
    hits = np.flatnonzero(right)
    some = (
        hits[np.unique(np.linspace(0, len(hits) - 1, CURVE // 2).astype(int))]
        if len(hits)
        else hits
    )
    few = np.unique([*some, *(some[some > 0] - 1), *([len(right) - 1] if len(right) else [])])
    few = few.astype(int)
    columns = {"recall": recall, "precision": precision, "threshold": scores}
    return {name: [figure(value) for value in values[few]] for name, values in columns.items()}


def confusion_figures(material: Material, made: Outcomes) -> dict:
    """The confusion matrix of the most frequent classes; the others are one."""
    counts = made.actual["class"].value_counts()
    known = sorted(material.classes, key=lambda name: -counts.get(name, 0))
    shown, rest = known[:MATRIX], known[MATRIX:]
    matrix = confusion(made, [*shown, *rest])
    if rest:
        for axis in (0, 1):
            parts = np.split(matrix, [MATRIX, len(known)], axis=axis)
            parts[1] = parts[1].sum(axis=axis, keepdims=True)
            matrix = np.concatenate(parts, axis=axis)
    names = [*shown, *([OTHERS] if rest else []), BACKGROUND]
    return {"classes": names, "matrix": matrix.tolist()}


def image_figures(material: Material) -> dict:
    """How many images are seen to show something: at the threshold in force, and as a curve."""
    level = image_level(material.truth, material.found, _FINE)
    return {
        **_of_images(material.truth, material.shown),
        "curve": {
            "threshold": _FINE.tolist(),
            "recall": [figure(value) for value in level.recall],
            "false_alarms_per_100_empty": [figure(value) for value in level.alarms_per_100_empty],
            "false_alarms_per_100": [figure(value) for value in level.alarms_per_100],
        },
    }


def _of_images(truth: pd.DataFrame, shown: pd.DataFrame) -> dict:
    """How many images are seen to show something by the boxes that people would get."""
    level = image_level(truth, shown, np.array([ALL]))
    return {
        "with_objects": level.with_objects,
        "empty": level.empty,
        "found": int(level.found[0]),
        "recall": figure(level.recall[0]),
        "false_alarms": int(level.alarms[0]),
        "false_alarms_per_100_empty": figure(level.alarms_per_100_empty[0]),
        "false_alarms_per_100": figure(level.alarms_per_100[0]),
    }


def folder_figures(material: Material, made: Outcomes) -> dict | None:
    """Per folder, and the folders that models were trained on apart from the others; None where
    the images lie in one folder.
    """
    folders = material.truth["folder"]
    if folders.nunique() < 2:
        return None
    known = {tables.split_name(image)[0] for image in material.trained}
    right = made.actual.assign(right=made.right).groupby("folder")["right"].agg(["sum", "size"])
    rows = []
    for folder, truth in material.truth.groupby("folder"):
        shown = material.shown[material.shown["folder"] == folder]
        boxes = int(right["size"].get(folder, 0))
        rows.append(
            {
                "folder": folder,
                "trained_on": folder in known,
                "images": len(image_set(truth)),
                "boxes": boxes,
                "boxes_found": int(right["sum"].get(folder, 0)),
                **_of_images(truth, shown),
            }
        )
    rows.sort(key=lambda row: (-row["images"], row["folder"]))
    return {
        "count": len(rows),
        "shown": rows[:FOLDERS],
        "groups": _groups(material, folders.isin(known), right),
    }


def _groups(material: Material, is_known: pd.Series, right: pd.DataFrame) -> list[dict]:
    """Folders that were trained on, and those that were not; [] unless there are both."""
    if is_known.all() or not is_known.any():
        return []
    groups = []
    for trained_on in (True, False):
        truth = material.truth[is_known == trained_on]
        names = sorted(set(truth["folder"]))
        found = tables.only(material.found, image_set(truth))
        of_these = right.reindex(names).fillna(0)
        groups.append(
            {
                "trained_on": trained_on,
                "folders": len(names),
                "images": len(image_set(truth)),
                "boxes": int(of_these["size"].sum()),
                "boxes_found": int(of_these["sum"].sum()),
                "AP": measured(material, truth, found),
                **_of_images(truth, tables.only(material.shown, image_set(truth))),
            }
        )
    return groups


def measured_outcomes(material: Material) -> Outcomes:
    """What became of each box, of those that people would get."""
    return outcomes(material.truth, material.shown, material.classes, ALL)
