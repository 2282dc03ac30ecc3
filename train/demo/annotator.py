"""The demo's annotator: does what a person does with VoTT 1.x, and knows only what lies in the
batch folder – and what was drawn.

It recognises each image by its pixels, compares the boxes that it finds in the JSON with the truth,
and saves as VoTT would: coordinates as floats, `points` and `box` in every region that was on the
screen, an empty list for an image whose boxes were removed, and in `visitedFrames` what was stepped
past.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from train.demo import pictures
from utils.boxes.iou import intersection_over_union
from utils.errors import InputError
from utils.files import write_text

_SAME_PLACE = 0.7  # a box with this much overlap (IoU) is left as the model drew it


@dataclass
class Work:
    """What was done in a batch: images looked at; boxes right, drawn anew, and removed."""

    images: int = 0
    kept: int = 0
    drawn: int = 0
    removed: int = 0


class Annotator:
    """Knows every drawn photo: `photos` are all of them."""

    def __init__(self, photos: list[pictures.Photo]):
        self.photos = photos
        self.signatures = np.stack([pictures.signature(photo.picture) for photo in photos])

    def review(self, place: Path) -> Work:
        """Correct the batch `place/Images.json` with the images in `place/Images/`, and save it."""
        path = place / "Images.json"
        project = json.loads(path.read_text(encoding="utf-8"))
        names = sorted(file.name for file in (place / "Images").iterdir())
        work = Work(images=len(names))
        for name in names:
            truth = self.recognise(place / "Images" / name).objects
            found = project["frames"].get(name, [])
            regions = corrected(found, truth, pictures.WIDTH, pictures.HEIGHT, work)
            if found or regions:
                project["frames"][name] = regions
        project["visitedFrames"] = names
        write_text(path, json.dumps(project))
        return work

    def recognise(self, file: Path) -> pictures.Photo:
        """The drawn photo that an image file shows. Raises InputError when it shows none of them
        upright.
        """
        # as VoTT shows it
        stored = cv2.imread(str(file), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if stored is not None and stored.shape == (pictures.HEIGHT, pictures.WIDTH, 3):
            seen = pictures.signature(cv2.cvtColor(stored, cv2.COLOR_BGR2RGB))
            distances = np.abs(self.signatures - seen).mean(axis=(1, 2, 3))
            best = int(distances.argmin())
            if distances[best] < 3:
                return self.photos[best]
        raise InputError(
            f"{file}: this is none of the demo's photos, upright; start with a new folder"
        )


def corrected(regions: list[dict], truth, width: int, height: int, work: Work) -> list[dict]:
    """The regions as a careful person leaves them: good ones kept, others redrawn or removed.
    `truth` = (class, (x1, y1, x2, y2)) each.
    """
    left = list(regions)
    result = []
    for number, (name, box) in enumerate(truth, 1):
        good = next(
            (
                region
                for region in left
                if region["tags"] == [name] and _overlap(region, box) >= _SAME_PLACE
            ),
            None,
        )
        if good is not None:
            left.remove(good)
            work.kept += 1
        else:
            work.drawn += 1
        result.append(
            _displayed(
                good
                or {
                    "x1": box[0] + 0.25,
                    "y1": box[1],
                    "x2": box[2] - 0.25,
                    "y2": box[3],
                    "width": width,
                    "height": height,
                    "type": "Rectangle",
                    "tags": [name],
                    "UID": f"hand{number:04d}",
                },
                number,
            )
        )
    work.removed += len(left)
    return result


def _displayed(region: dict, number: int) -> dict:
    x1, y1, x2, y2 = (float(region[key]) for key in ("x1", "y1", "x2", "y2"))
    corners = [{"x": x1, "y": y1}, {"x": x2, "y": y1}, {"x": x2, "y": y2}, {"x": x1, "y": y2}]
    return {
        **region,
        "id": number,
        "name": number,
        "points": corners,
        "box": {"x1": x1, "y1": y1, "x2": x2, "y2": y2},
    }


def _overlap(region: dict, box: tuple[int, int, int, int]) -> float:
    """Intersection over union of a region and a true box, in pixels."""
    drawn = [region[side] for side in ("x1", "y1", "x2", "y2")]
    return float(intersection_over_union(np.array([drawn]), np.array([box]))[0, 0])
