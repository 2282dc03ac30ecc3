"""Files of predictions made elsewhere: which form they have, and what they say of each image."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from utils.errors import InputError
from utils.formats import coco_results, megadetector
from utils.formats.predictions import Predicted
from utils.labels import tables
from utils.labels.csv_rows import read_rows
from utils.reserved import NULL

WANTED = (
    "expected MegaDetector's results, COCO's results (a list) with the file of the images, or a"
    " totag CSV"
)


@dataclass(frozen=True)
class PredictedSet:
    """A file: its form, what it says of each image, and its classes, in the order that it has."""

    form: str
    images: list[Predicted]
    classes: list[str]


def read_predictions(path: Path, images: Path | None = None) -> PredictedSet:
    """Read a file of predictions; `images`: the file of the images for COCO's results.

    Raises InputError when it has no known form, or cannot be read as a whole.
    """
    if path.suffix.lower() == ".csv":
        return _set("totag CSV", _from_csv(path))
    try:
        document = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {WANTED}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: it is a folder; {WANTED}") from None
    except (ValueError, RecursionError) as error:
        detail = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not readable as JSON ({detail}); {WANTED}") from None
    where = str(path)
    if megadetector.recognises(document):
        found = megadetector.read(document, where)
        return _set("MegaDetector", found, megadetector.classes(document, where))
    if megadetector.is_microsofts(document):
        raise InputError(
            f"{path}: it is the list of Microsoft's MegaDetector, whose boxes are pixels of a"
            " picture of unknown orientation; run MegaDetector by run_detector_batch of the package"
            " megadetector, which writes fractions of the upright picture"
        )
    if coco_results.recognises(document):
        if images is None:
            raise InputError(
                f"{path}: COCO's results name images and classes by number; give the file that says"
                " what they mean with --images instances.json"
            )
        return _set("COCO", coco_results.read(document, where, images))
    if isinstance(document, dict) and "annotations" in document:
        raise InputError(
            f"{path}: these are COCO labels, not results; tag/import_labels.py takes labels"
        )
    raise InputError(f"{path}: no predictions that are known here; {WANTED}")


def _from_csv(path: Path) -> list[Predicted]:
    """The images of a totag CSV that a model has seen."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; {WANTED}")
    rows = read_rows("totag", path, str(path))
    if "box_confidence" not in rows.columns:
        raise InputError(
            f"{path}: it has no column box_confidence, so its boxes are no predictions;"
            " tag/import_labels.py takes labels"
        )
    bad = {row.image: str(row) for row in rows.bad}
    found = [Predicted(image or "?", fault=why) for image, why in bad.items()]
    frame = rows.frame
    for blob, of_image in frame.groupby(tables.blob_names(frame).to_numpy(), sort=False):
        if blob in bad:
            continue
        boxes = of_image[of_image["class"] != NULL]
        unseen = not len(boxes) and of_image["box_confidence"].isna().all()
        found.append(_of_rows(blob, boxes, unseen))
    return found


def _of_rows(blob: str, boxes: pd.DataFrame, unseen: bool) -> Predicted:
    if unseen:
        return Predicted(blob, failure="no model has seen it")
    image = Predicted(blob)
    columns = ["class", "xmin", "ymin", "xmax", "ymax", "box_confidence"]
    for label, *sides, score in boxes[columns].itertuples(index=False, name=None):
        image.add(label, sides, score)
    return image


def _set(form: str, images: Iterable[Predicted], listed: Iterable[str] = ()) -> PredictedSet:
    """Of the classes those that occur; `listed` ones first."""
    images = list(images)
    occur = dict.fromkeys(label for image in images for label, *_ in image.boxes)
    first = [name for name in dict.fromkeys(listed) if name in occur]
    return PredictedSet(form, images, list(dict.fromkeys([*first, *occur])))
