"""Which photos the next download would bring, and why."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from train.evaluation.matching import CORNERS
from train.report.material import Material
from train.report.numbers import figure
from train.report.pictures import Album, Picture
from utils.batch.choosing import Wishes, choose
from utils.boxes.prelabels import shown_boxes
from utils.labels import tables
from utils.labels.pool import pool_of
from utils.selection.context import summary
from utils.selection.reasons import reason

COUNT = 40  # as in the commands of the pages
_SIDE = 200  # pixels of a thumbnail
_MOST_BOXES = 60


@dataclass(frozen=True)
class NextBatch:
    """The photos in their order (rows of the table `selection`), how many there were to choose
    from, what is to be said of the choice, and what the model found in them.
    """

    rows: pd.DataFrame
    pool: int
    lines: tuple[str, ...]
    found: pd.DataFrame

    def as_json(self) -> dict:
        unseen = tables.image_set(self.found[self.found["box_confidence"].isna()])
        return {
            "from": self.pool,
            "how": list(self.lines),
            "images": [
                {
                    "image": image,
                    "strategy": row["strategy"],
                    "score": figure(row["score"]),
                    "class": row["class"] or None,
                    "random": row["random"] == "1",
                    "why": reason(row, image not in unseen),
                }
                for image, row in zip(
                    tables.blob_names(self.rows), self.rows.to_dict("records"), strict=True
                )
            ],
        }


def next_batch(material: Material) -> NextBatch | None:
    """What a download of COUNT photos would choose now; nothing is handed out. None where nothing
    is left to tag.
    """
    store, state = material.store, material.state
    free = pool_of(store, state)
    if not len(free):
        return None
    chosen, pool = choose(
        store,
        state,
        free,
        material.config,
        Wishes(),
        batch=frozenset(),
        count=COUNT,
        shown_from=material.thresholds.of,
    )
    rows = chosen.table()
    lines = (*chosen.notes, *summary(rows, pool))
    return NextBatch(rows, pool, lines, tables.only(free, chosen.names))


def thumbnails(album: Album, batch: NextBatch) -> list[Picture]:
    """Each photo with the boxes that people will get."""
    found = batch.found
    shown = shown_boxes(found, album.material.thresholds)
    boxes: dict[str, list] = {}
    names = tables.blob_names(shown)
    for image, xyxy in zip(names, shown[CORNERS].to_numpy(np.float64).tolist(), strict=True):
        boxes.setdefault(image, []).append(("model", tuple(xyxy), True))
    return [
        album.whole(image, boxes.get(image, [])[:_MOST_BOXES], _SIDE)
        for image in tables.blob_names(batch.rows)
    ]
