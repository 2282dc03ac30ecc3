"""True and predicted boxes for tests of evaluation, and pycocotools' own figures."""

import contextlib
import io

import numpy as np
import pandas as pd
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from utils.labels import tables


def truth(text):
    """Rows of the table test, one "filename class xmin ymin xmax ymax" a line."""
    rows = [line.split() for line in text.strip().splitlines()]
    numbers = {
        name: [float(row[place]) for row in rows]
        for place, name in enumerate(["xmin", "ymin", "xmax", "ymax"], 2)
    }
    return tables.make(
        "test",
        filename=[row[0] for row in rows],
        class_=[row[1] for row in rows],
        height=100,
        width=100,
        **numbers,
    )


def predicted(text):
    """Rows of the table totag, one "filename class xmin ymin xmax ymax score" a line."""
    rows = truth(text)
    scores = [float(line.split()[6]) for line in text.strip().splitlines()]
    return tables.make(
        "totag",
        **{name if name != "class" else "class_": rows[name] for name in rows},
        box_confidence=scores,
    )


def cells(performance, class_name):
    return performance.set_index("Class Name").loc[class_name].to_dict()


def random_case(seed):
    """True boxes in the cells of a 4 x 4 grid (so none overlap), and detections that are shifted,
    doubled, missed and invented.
    """
    random = np.random.default_rng(seed)
    actual, found = [], []
    for image in range(12):
        for cell in random.choice(16, random.integers(0, 7), replace=False):
            corner = np.array([cell % 4, cell // 4]) / 4 + 0.02
            box, name = (
                [*corner, *(corner + random.uniform(0.08, 0.2, 2))],
                random.choice(["cow", "deer"]),
            )
            actual.append([f"{image}.jpg", name, *box])
            for _ in range(random.integers(0, 3)):
                moved = np.clip(np.array(box) + random.normal(0, 0.012, 4), 0, 1)
                if (moved[:2] < moved[2:]).all():
                    found.append(
                        [
                            f"{image}.jpg",
                            random.choice(["cow", "deer"], p=[0.7, 0.3]),
                            *moved,
                            random.uniform(0.01, 1),
                        ]
                    )
        if not any(row[0] == f"{image}.jpg" for row in actual):
            actual.append([f"{image}.jpg", "NULL", 0, 0, 0, 0])
        low = random.uniform(0, 0.7, 2)
        found.append([f"{image}.jpg", "cow", *low, *(low + 0.2), random.uniform(0.01, 1)])
    text = ["\n".join(" ".join(map(str, row)) for row in rows) for rows in (actual, found)]
    return truth(text[0]), predicted(text[1])


def pycocotools_all_point(actual: pd.DataFrame, found: pd.DataFrame) -> float:
    """pycocotools' AP at 0.5 with 100 001 recall points instead of 101: the area under the same
    curve, by somebody else's code.
    """

    def annotations(frame):
        return [
            {
                "id": number,
                "image_id": int(row.filename.split(".")[0]) + 1,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [row.xmin, row.ymin, row.xmax - row.xmin, row.ymax - row.ymin],
                "area": (row.xmax - row.xmin) * (row.ymax - row.ymin),
                "score": getattr(row, "box_confidence", 1),
            }
            for number, row in enumerate(frame.itertuples(), 1)
        ]

    sets = []
    with contextlib.redirect_stdout(io.StringIO()):
        for frame in (actual, found):
            coco = COCO()
            coco.dataset = {
                "images": [{"id": n} for n in range(1, 13)],
                "categories": [{"id": 1}],
                "annotations": annotations(frame),
            }
            coco.createIndex()
            sets.append(coco)
        evaluation = COCOeval(*sets, "bbox")
        evaluation.params.recThrs = np.linspace(0, 1, 100_001)
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.evaluate()
        evaluation.accumulate()
    return float(evaluation.eval["precision"][0, :, 0, 0, -1].mean())
