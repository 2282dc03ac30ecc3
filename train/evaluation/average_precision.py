"""How good predictions are on the test images: the table performance.

AP is the average precision of PASCAL VOC from 2010 on, at an overlap of 0.5: the area under the
whole precision-recall curve after precision was made to fall monotonically ("all-point";
VOCdevkit's VOCevaldet.m and VOCap.m; Everingham, Van Gool, Williams, Winn, Zisserman: The PASCAL
Visual Object Classes (VOC) Challenge, IJCV 88, 2010, section 4.2). As there, a detection belongs to
the true box of its image and class that it overlaps most, and is wrong when that one was already
found by a more confident detection. (Boxes are fractions here, so the devkit's "+1 pixel" is not
added.) coco_ap and coco_ap50 are COCO's AP at 0.5:0.05:0.95 and 0.5, by faster-coco-eval, which
gives the figures of pycocotools.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from faster_coco_eval import COCO, COCOeval_faster

from train.evaluation.matching import CORNERS, match
from utils.labels import tables
from utils.reserved import AVERAGE, NULL

DECIMALS = 6  # of the figures in the table


@dataclass(frozen=True)
class Threshold:
    """The score from which detections of a class have the best F1, with precision and recall there;
    NaN where there are none.
    """

    score: float
    precision: float
    recall: float


def measure(
    truth: pd.DataFrame, predicted: pd.DataFrame, classes: Sequence[str], max_detections: int = 100
) -> pd.DataFrame:
    """The performance table: a first row Average, then a row per class in the order of `classes`.

    truth: rows of tagged for the test images (a NULL row for an image in which nothing is).
    predicted: rows of totag; those of other images are left out, so are true boxes without area and
    boxes of classes that are not in `classes` (NULL is none). A class without true boxes has empty
    cells besides its counts of 0, and does not enter the average. max_detections is COCO's
    limit of boxes per image and class.
    """
    images = sorted(tables.image_set(truth))
    actual, found = (boxes_of(frame, images, classes) for frame in (truth, predicted))
    coco = _coco(actual, found, truth, images, classes, max_detections)
    rows = []
    for name in classes:
        actual_of_class, found_of_class = (
            actual[actual["class"] == name],
            found[found["class"] == name],
        )
        row = {
            "Class Name": name,
            "images": actual_of_class["image"].nunique(),
            "boxes": len(actual_of_class),
        }
        if len(actual_of_class):
            scores, right = match(actual_of_class, found_of_class)
            best = best_threshold(scores, right, len(actual_of_class))
            row |= {
                "AP": average_precision(right, len(actual_of_class)),
                "precision": best.precision,
                "recall": best.recall,
                "threshold": best.score,
                "coco_ap": coco[name][0],
                "coco_ap50": coco[name][1],
            }
        rows.append(row)
    per_class = pd.DataFrame(rows, columns=tables.COLUMNS["performance"])
    means = {
        column: _mean(per_class[column])
        for column in ("AP", "precision", "recall", "coco_ap", "coco_ap50")
    }
    average = {"Class Name": AVERAGE, "images": len(images), "boxes": len(actual)} | means
    return _table([average, *rows])


def average_precision(right: np.ndarray, positives: int) -> float:
    """All-point average precision of detections in the order of falling confidence; right (n,)
    bool, positives = true boxes > 0.
    """
    hits = right.cumsum()
    precision = hits / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[right].sum() / positives)


def best_threshold(scores: np.ndarray, right: np.ndarray, positives: int) -> Threshold:
    """The highest score at which F1 = 2PR / (P + R) is greatest, for detections in the order of
    falling confidence.
    """
    if not len(scores):
        return Threshold(np.nan, np.nan, 0.0)
    hits = right.cumsum()
    kept = np.arange(1, len(right) + 1)
    f1 = 2 * hits / (kept + positives)
    # equal scores are kept or dropped together
    last_of_score = np.append(scores[:-1] != scores[1:], True)
    best = int(np.where(last_of_score, f1, -1).argmax())
    return Threshold(
        float(scores[best]), float(hits[best] / kept[best]), float(hits[best] / positives)
    )


def boxes_of(frame: pd.DataFrame, images: list[str], classes: Sequence[str]) -> pd.DataFrame:
    """The boxes of these images and classes that have an area, with a column `image`."""
    frame = frame.assign(image=tables.blob_names(frame))
    area = (frame["xmax"] > frame["xmin"]) & (frame["ymax"] > frame["ymin"])
    wanted = [name for name in classes if name != NULL]
    return frame[area & frame["image"].isin(images) & frame["class"].isin(wanted)]


def _coco(actual, found, truth, images, classes, max_detections) -> dict[str, tuple[float, float]]:
    """(coco_ap, coco_ap50) of each class that has true boxes, by faster-coco-eval, in pixels."""
    numbers = {name: number for number, name in enumerate(classes, 1)}
    places = {image: number for number, image in enumerate(images, 1)}
    sizes = (
        truth.assign(image=tables.blob_names(truth))
        .drop_duplicates("image")
        .set_index("image")[["height", "width"]]
    )

    def annotations(frame: pd.DataFrame) -> list[dict]:
        height, width = (
            frame["image"].map(sizes[side]).to_numpy(np.float64) for side in ("height", "width")
        )
        xmin, ymin, xmax, ymax = frame[CORNERS].to_numpy(np.float64).T * np.array(
            [width, height, width, height]
        )
        boxes = np.stack([xmin, ymin, xmax - xmin, ymax - ymin], axis=1)
        return [
            {
                "id": number,
                "image_id": places[image],
                "category_id": numbers[name],
                "bbox": box.tolist(),
                "area": float(box[2] * box[3]),
                "iscrowd": 0,
            }
            for number, (image, name, box) in enumerate(
                zip(frame["image"], frame["class"], boxes, strict=True), 1
            )
        ]

    if not len(actual):
        return {}
    scored = [
        box | {"score": score}
        for box, score in zip(annotations(found), found["box_confidence"].tolist(), strict=True)
    ]
    gold, predictions = COCO(print_function=_quiet), COCO(print_function=_quiet)
    gold.dataset = {
        "images": [{"id": number} for number in places.values()],
        "categories": [{"id": number} for number in numbers.values()],
        "annotations": annotations(actual),
    }
    predictions.dataset = gold.dataset | {"annotations": scored}
    for side in (gold, predictions):
        side.createIndex()
    evaluation = COCOeval_faster(gold, predictions, "bbox", print_function=_quiet)
    evaluation.params.maxDets = [1, 10, max_detections]
    evaluation.evaluate()
    evaluation.accumulate()
    # overlap, recall, class; all areas; most detections
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return {
        name: (float(precision[:, :, number - 1].mean()), float(precision[0, :, number - 1].mean()))
        for name, number in numbers.items()
        if (precision[:, :, number - 1] > -1).all()
    }


def _quiet(*_) -> None:
    """The library talks."""


def _mean(values: pd.Series) -> float:
    present = values.astype(np.float64).dropna()
    return float(present.mean()) if len(present) else np.nan


def _table(rows: list[dict]) -> pd.DataFrame:
    columns = {
        column: [row.get(column) for row in rows] for column in tables.COLUMNS["performance"]
    }
    return tables.make("performance", **columns).round(DECIMALS)
