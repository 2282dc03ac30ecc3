"""How long measuring takes, beside pycocotools alone on the same boxes, and whether both say the
same.

    python benchmarks/evaluation_speed.py --images 20000

Drawn boxes: two true ones in a photo and twice as many detections, of three classes. Measured in
one run; peak memory is that of this process after `measure`, without pycocotools.
"""

import argparse
import contextlib
import io
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from train.evaluation.average_precision import measure
from utils.labels import tables

CLASSES = ["deer", "fox", "boar"]
TRUE, FOUND = 2, 4  # boxes of an image
SIDE = 1000  # pixels


def boxes(images: int, each: int, random: np.random.Generator, near: np.ndarray | None = None):
    """(rows of a table but for scores, corners) of so many boxes in each image; `near`: boxes that
    they lie close to.
    """
    count = images * each
    number = np.repeat(np.arange(images), each)
    low = random.uniform(0, 0.7, (count, 2))
    corners = np.concatenate([low, low + random.uniform(0.05, 0.3, (count, 2))], axis=1)
    if near is not None:
        of_image = near.reshape(images, -1, 4)[:, np.arange(each) % (near.shape[0] // images)]
        moved = of_image.reshape(-1, 4) + random.normal(0, 0.01, (count, 4))
        corners = np.where(random.random((count, 1)) < 0.7, moved, corners).clip(0, 1)
        corners = np.concatenate(
            [corners[:, :2], np.maximum(corners[:, 2:], corners[:, :2] + 0.001).clip(0, 1)], axis=1
        )
    xmin, ymin, xmax, ymax = corners.T
    return {
        "filename": [f"{place:06}.jpg" for place in number],
        "folder": "",
        "class_": np.array(CLASSES)[(number + np.arange(count) % each) % len(CLASSES)],
        "height": SIDE,
        "width": SIDE,
        **dict(zip(("xmin", "ymin", "xmax", "ymax"), (xmin, ymin, xmax, ymax), strict=True)),
    }, corners


def pycocotools_figures(truth: pd.DataFrame, found: pd.DataFrame) -> tuple[float, dict]:
    """(seconds of pycocotools alone, {class: (coco_ap, coco_ap50)})."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    places = {name: number for number, name in enumerate(sorted(set(truth["filename"])), 1)}
    sides = []
    for frame in (truth, found):
        corners = frame[["xmin", "ymin", "xmax", "ymax"]].to_numpy(np.float64) * SIDE
        listed = []
        for number, (image, name, box) in enumerate(
            zip(frame["filename"], frame["class"], corners.tolist(), strict=True), 1
        ):
            width, height = box[2] - box[0], box[3] - box[1]
            listed.append(
                {
                    "id": number,
                    "image_id": places[image],
                    "category_id": CLASSES.index(name) + 1,
                    "bbox": [box[0], box[1], width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
        sides.append(listed)
    for box, score in zip(sides[1], found["box_confidence"].tolist(), strict=True):
        box["score"] = score
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        gold, predictions = COCO(), COCO()
        gold.dataset = {
            "images": [{"id": number} for number in places.values()],
            "categories": [{"id": number} for number in range(1, len(CLASSES) + 1)],
            "annotations": sides[0],
        }
        predictions.dataset = gold.dataset | {"annotations": sides[1]}
        for side in (gold, predictions):
            side.createIndex()
        evaluation = COCOeval(gold, predictions, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    seconds = time.process_time() - began
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    figures = {
        name: (precision[:, :, number].mean(), precision[0, :, number].mean())
        for number, name in enumerate(CLASSES)
    }
    return seconds, figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000)
    images = parser.parse_args().images
    random = np.random.default_rng(0)
    members, corners = boxes(images, TRUE, random)
    truth = tables.make("test", **members)
    members, _ = boxes(images, FOUND, random, near=corners)
    scores = random.uniform(0.01, 1, images * FOUND).round(6)
    found = tables.make("totag", **members, box_confidence=scores, image_confidence=0.0)

    began = time.process_time()
    table = measure(truth, found, CLASSES).set_index("Class Name")
    ours = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    theirs, figures = pycocotools_figures(truth, found)
    difference = max(
        abs(table.loc[name, column] - value)
        for name, values in figures.items()
        for column, value in zip(("coco_ap", "coco_ap50"), values, strict=True)
    )
    print(
        f"{images} images, {len(truth)} boxes, {len(found)} detections: measure {ours:.1f} s"
        f" of processor time, pycocotools alone {theirs:.1f} s: {ours / theirs:.2f} of it;"
        f" largest difference {difference:.1e}; peak memory {peak:.2f} GB"
    )


if __name__ == "__main__":
    main()
