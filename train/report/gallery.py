"""What the model got wrong, worst first: missed, false, mixed up."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from train.evaluation.matching import CORNERS
from train.evaluation.outcomes import Outcomes
from train.report.material import Material
from train.report.numbers import figure
from train.report.pictures import XYXY, Album, Picture
from utils.boxes.iou import areas, intersection_over_union
from utils.labels import tables

SHOWN = 12  # of each kind
_MOST_BOXES = 40  # drawn in one picture
_NEAR = 0.1  # overlap from which a detection says something about a true box


@dataclass(frozen=True)
class Case:
    """One mistake: the image, what is there and what the model says ("" for nothing), its score,
    and where: a box in fractions of the image. off: of a missed object, a box for it was drawn, but
    too far off.
    """

    image: str
    truth: str
    model: str
    score: float | None
    box: XYXY
    off: bool = False

    def as_json(self) -> dict:
        return {
            "image": self.image,
            "truth": self.truth or None,
            "model": self.model or None,
            "score": None if self.score is None else figure(self.score),
            "box": [figure(side) for side in self.box],
            "off": self.off,
        }


def mistakes(material: Material, made: Outcomes) -> dict[str, list[Case]]:
    """The worst of each kind. Missed: those for which the model had the least to show, large ones
    first; false and mixed up: those that it was surest of. Of one image and kind at most two.
    """
    return {
        "missed": _some(_missed(material, made.missed)),
        "false": _some(_of_detections(made.false)),
        "mixed_up": _some(_mixed_up(made.mixed_up)),
    }


def pictures_of(album: Album, made: Outcomes, cases: list[Case]) -> list[Picture]:
    """A crop for each case, with all boxes that reach into it."""
    return [album.crop(case.image, case.box, list(_boxes(made, case))) for case in cases]


def _missed(material: Material, missed: pd.DataFrame) -> Iterator[Case]:
    """By the best score that the model gave to its class there, however low."""
    rows = material.found.assign(image=tables.blob_names(material.found))
    near = {
        image: group for image, group in rows[rows["image"].isin(missed["image"])].groupby("image")
    }
    scores = []
    for row in missed.itertuples():
        of_image = near[row.image]
        same = of_image[of_image["class"] == missed.at[row.Index, "class"]]
        shared = intersection_over_union(_xyxy(missed.loc[[row.Index]]), _xyxy(same))[0]
        close = same["box_confidence"].to_numpy()[shared >= _NEAR]
        scores.append(float(close.max()) if len(close) else 0.0)
    order = np.lexsort((-areas(_xyxy(missed)), np.array(scores))) if len(missed) else []
    for place in order:
        row = missed.iloc[place]
        score, name = scores[place], row["class"]
        off = score > 0 and score >= material.thresholds.of(name)
        yield Case(row["image"], name, "", score or None, _box(row), off)


def _of_detections(false: pd.DataFrame) -> Iterator[Case]:
    for _, row in false.sort_values("box_confidence", ascending=False, kind="stable").iterrows():
        yield Case(row["image"], "", row["class"], row["box_confidence"], _box(row))


def _mixed_up(mixed: pd.DataFrame) -> Iterator[Case]:
    for _, row in mixed.sort_values("box_confidence", ascending=False, kind="stable").iterrows():
        yield Case(row["image"], row["class"], row["taken_for"], row["box_confidence"], _box(row))


def _some(cases: Iterator[Case]) -> list[Case]:
    chosen, images = [], {}
    for case in cases:
        images[case.image] = images.get(case.image, 0) + 1
        if images[case.image] <= 2:
            chosen.append(case)
        if len(chosen) == SHOWN:
            break
    return chosen


def _boxes(made: Outcomes, case: Case) -> Iterator[tuple[str, XYXY, bool]]:
    """The true boxes of the image and those of the model, nearest first; the mistake's own ones
    are the main ones.
    """
    sides = (("truth", made.actual, case.truth), ("model", made.found, case.model))
    for kind, frame, name in sides:
        rows = frame[frame["image"] == case.image]
        middle = (_xyxy(rows)[:, :2] + _xyxy(rows)[:, 2:]) / 2
        own = np.array([sum(case.box[::2]), sum(case.box[1::2])]) / 2
        nearest = np.argsort(np.abs(middle - own).max(axis=1), kind="stable")[:_MOST_BOXES]
        for _, row in rows.iloc[nearest].iterrows():
            box = _box(row)
            yield kind, box, row["class"] == name and _overlaps(box, case.box)


def _overlaps(one: XYXY, other: XYXY) -> bool:
    return bool(intersection_over_union(np.array([one]), np.array([other]))[0, 0] >= 0.5)


def _xyxy(frame: pd.DataFrame) -> np.ndarray:
    return frame[CORNERS].to_numpy(np.float64)


def _box(row: pd.Series) -> XYXY:
    return tuple(float(row[side]) for side in CORNERS)
