"""What a training run is made from: the labelled images that can be used, their classes by id, and
which of them train, validate, test.

No pixels are read here, and no TensorFlow: whatever is wrong with the labels is said within a
second.
"""

import difflib
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from utils.errors import InputError
from utils.images.canvas import canvas_for, same_shape
from utils.images.greys import Greys
from utils.labels.assignments import row_digests
from utils.labels.class_names import NO_CHANGES, differing_classes
from utils.labels.label_map import current_name, with_current_classes
from utils.labels.splits import split_validation
from utils.labels.tables import blob_names, image_set, only, without, without_boxes
from utils.reserved import NULL

PARTS = ("train", "validation", "test")
FEW_BOXES = 10
FEW_IMAGES = 20  # with fewer labelled images a validation part says nothing
_RECORDS_FORMAT = 2


@dataclass(frozen=True)
class Plan:
    """The rows of each part (columns of `tagged`, coordinates clipped and ordered), and what was
    left out.

    `dropped`: how many boxes of each dropped class were left out. `sizes`: DataFrame with the
    columns height, width (upright pixels), bytes, etag by blob name, of the images in all parts.
    `greys`: how values of more than 8 bits are shown.
    """

    classes: dict[str, int]
    canvas: tuple[int, int]
    seed: int
    parts: dict[str, pd.DataFrame]
    sizes: pd.DataFrame = field(repr=False)
    gone: int = 0
    failed: int = 0
    without_area: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    greys: Greys = field(default_factory=Greys)

    @property
    def digest(self) -> str:
        """Changes when anything does that a training run on these records depends on: labels,
        split, image bytes, how values of more than 8 bits are shown, canvas, classes, seed.
        """
        settings = [_RECORDS_FORMAT, self.canvas, self.classes, self.seed]
        if self.greys.ranges:
            settings.append(self.greys.as_json())
        lines = [json.dumps(settings, sort_keys=True)]
        etags = self.sizes["etag"].to_dict()
        for part in ("train", "validation"):
            lines += [
                f"{part} {image!r} {etags[image]} {rows}"
                for image, rows in sorted(row_digests(self.parts[part]).items())
            ]
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def plan(
    tagged: pd.DataFrame,
    test: pd.DataFrame,
    images: pd.DataFrame,
    failed: pd.DataFrame,
    *,
    classes: dict[str, int],
    renamed: dict[str, str],
    dropped: list[str],
    config,
    where: str,
    greys: Greys,
) -> Plan:
    """Decide what is trained on. `classes` is the label map, `where` names the labels in messages,
    `test` is the held-out part of `tagged`.

    Raises InputError: no labels yet, none that can be used, no boxes at all, classes that nobody
    has named in config.ini.
    """
    if not len(tagged):
        raise InputError(
            f"{where}: no labels yet; download images with tag/download_vott_json.py, review them,"
            " and upload them with tag/upload_vott_json.py, then train"
        )
    labelled = image_set(tagged)
    unreadable = labelled & image_set(failed)
    missing = labelled - image_set(images) - unreadable
    readable = without(tagged, unreadable | missing)
    usable = with_current_classes(readable, renamed, dropped)
    if not len(usable):
        raise InputError(
            f"{where}: none of the {len(labelled)} labelled images can be used ({len(missing)} are"
            f" not in the image container any more, {len(unreadable)} cannot be read); check"
            f" image_container_name (image_location) and filetype in {config.path}"
        )
    _check_classes(usable, classes, where, config.path)
    usable, flat = clean_boxes(usable)
    if not (usable["class"] != NULL).any():
        raise InputError(
            f"{where}: there is no box of any class in the {len(image_set(usable))} labelled"
            " images; a detector needs some objects to learn from, so review images that show them"
        )
    held_out = image_set(test)
    trainable = without(usable, held_out)
    if not (trainable["class"] != NULL).any():
        raise InputError(
            f"{where}: all boxes are in images of the test set, none is left to train on; label"
            " more images, or draw the test set anew: bash train/repartition_test_set_script.sh"
            f" {config.path} --redraw"
        )
    train, validation = split_validation(
        trainable,
        images,
        config.validation_percentage,
        config.seed,
        config.split_by,
        config.burst_seconds,
    )
    names = image_set(usable)
    sizes = images.set_axis(blob_names(images))[["height", "width", "bytes", "etag"]]
    sizes = sizes[sizes.index.isin(names)]
    fitted = sizes.loc[sorted(train | validation), ["height", "width"]].to_numpy()
    return Plan(
        classes=classes,
        canvas=canvas_for(fitted, config.min_tile_size, config.max_tile_size),
        seed=config.seed,
        parts={
            "train": only(usable, train),
            "validation": only(usable, validation),
            "test": only(usable, held_out),
        },
        sizes=sizes,
        gone=len(missing),
        failed=len(unreadable),
        without_area=flat,
        dropped=_boxes_of(readable, renamed, dropped),
        greys=greys,
    )


def clean_boxes(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Boxes with their corners in order and inside the image; those without area are left out and
    counted.

    An image that loses its last box keeps a NULL row.
    """
    clean = frame.copy()
    for low, high in (("xmin", "xmax"), ("ymin", "ymax")):
        sides = np.clip(np.sort(frame[[low, high]].to_numpy(np.float32), axis=1), 0, 1)
        clean[low], clean[high] = sides.astype(np.float64).T
    flat = (clean["class"] != NULL) & ~(
        (clean["xmax"] > clean["xmin"]) & (clean["ymax"] > clean["ymin"])
    )
    return without_boxes(clean, flat), int(flat.sum())


def of_other_shape(plan: Plan) -> list[str]:
    """The images whose proportions are others now than when they were labelled: turned or replaced
    since, so the boxes do not fit.
    """
    labelled = pd.concat(
        [frame.drop_duplicates(["folder", "filename"]) for frame in plan.parts.values()]
    )
    labelled = labelled[(labelled["height"] > 0) & (labelled["width"] > 0)]
    now = plan.sizes.loc[blob_names(labelled)]
    return sorted(
        now.index[
            ~same_shape(
                *(
                    frame[side].to_numpy()
                    for frame in (labelled, now)
                    for side in ("height", "width")
                )
            )
        ]
    )


def enlarged_in_tiles(plan: Plan, side: int) -> float:
    """How many times as large an object is in a predicted tile of `side` pixels as in the whole
    image that is trained on, in the median.
    """
    sizes = plan.sizes[["height", "width"]].to_numpy()
    tile, whole = ((plan.canvas / shown).min(axis=1) for shown in (np.minimum(sizes, side), sizes))
    return float(np.median(tile / whole))


def count(frame: pd.DataFrame, classes: dict[str, int]) -> dict:
    """Numbers of one part: images, boxes, empty images, and images and boxes of each class by name
    (0 where there are none).
    """
    boxes = pd.DataFrame({"image": blob_names(frame), "class": frame["class"]})[
        (frame["class"] != NULL).to_numpy()
    ]
    images = len(image_set(frame))
    per_class, per_image = (
        boxes["class"].value_counts(),
        boxes.drop_duplicates()["class"].value_counts(),
    )
    return {
        "images": images,
        "boxes": len(boxes),
        "empty": images - boxes["image"].nunique(),
        "images_of_class": {name: int(per_image.get(name, 0)) for name in classes},
        "boxes_of_class": {name: int(per_class.get(name, 0)) for name in classes},
    }


def counts_table(counts: dict[str, dict]) -> list[str]:
    """Images and boxes of each class in train, validation and test, as lines for people."""
    names = list(counts["train"]["images_of_class"])
    rows = [
        [
            name,
            *(
                counts[part][f"{what}_of_class"][name]
                for part in PARTS
                for what in ("images", "boxes")
            ),
        ]
        for name in names
    ]
    rows.append(["(empty)", *(value for part in PARTS for value in (counts[part]["empty"], 0))])
    rows.append(["all", *(counts[part][what] for part in PARTS for what in ("images", "boxes"))])
    width = max(len("class"), *(len(row[0]) for row in rows))
    return [
        f"{'':{width}}{'train':>16}{'validation':>16}{'test':>16}",
        f"{'class':{width}}" + f"{'images':>9}{'boxes':>7}" * 3,
        *(
            f"{row[0]:{width}}" + "".join(f"{row[i]:>9}{row[i + 1]:>7}" for i in (1, 3, 5))
            for row in rows
        ),
    ]


def boxes_per_image(frame: pd.DataFrame) -> pd.Series:
    """How many boxes each image has that has any."""
    return blob_names(frame[frame["class"] != NULL]).value_counts()


def fuller_than(plan: Plan, max_detections: int) -> str:
    """What to do about images with more boxes than the model may find; "" when there are none."""
    counts = boxes_per_image(pd.concat(plan.parts.values()))
    fuller = counts[counts > max_detections]
    if not len(fuller):
        return ""
    most = -(-int(fuller.max()) // 50) * 50
    return (
        f"{len(fuller)} images have more than max_detections={max_detections} boxes, up to"
        f" {fuller.max()} (in {fuller.idxmax()}); the model finds no more than that in an image."
        f" Set max_detections={most}, and train again"
    )


def warnings(counts: dict[str, dict]) -> list[str]:
    """What people should know about their classes before they wait for a training run."""
    boxes = {
        name: sum(counts[part]["boxes_of_class"][name] for part in PARTS)
        for name in counts["train"]["boxes_of_class"]
    }
    lines = [
        f"class {name!r}: nobody has drawn a box of it yet; the model cannot learn it"
        for name in boxes
        if not boxes[name]
    ]
    lines += [
        f"class {name!r}: only {number} boxes (in all parts); fewer than {FEW_BOXES} teach a model"
        " little"
        for name, number in boxes.items()
        if 0 < number < FEW_BOXES
    ]
    return lines


def unusable_validation(counts: dict[str, dict]) -> str:
    """Why the best checkpoint cannot be told from the validation part; "" when it can."""
    labelled = sum(counts[part]["images"] for part in PARTS)
    if labelled < FEW_IMAGES:
        return f"there are {labelled} labelled images, fewer than {FEW_IMAGES}"
    lacking = [
        name
        for name, number in counts["train"]["boxes_of_class"].items()
        if number and not counts["validation"]["boxes_of_class"][name]
    ]
    return f"the validation part has no box of {', '.join(lacking)}" if lacking else ""


def _check_classes(
    usable: pd.DataFrame, classes: dict[str, int], where: str, config_path: Path
) -> None:
    """Raises InputError when there are boxes of classes that the label map does not know."""
    unknown = usable[~usable["class"].isin([*classes, NULL])]
    if not len(unknown):
        return
    found = []
    for name, rows in unknown.groupby("class"):
        near = difflib.get_close_matches(name.lower(), {known.lower() for known in classes}, n=1)
        hint = next(
            (f"; a misspelt {known}?" for known in classes if near and known.lower() == near[0]), ""
        )
        found.append(
            f"{name!r} ({len(rows)} box{'es' if len(rows) > 1 else ''}, for example in"
            f" {blob_names(rows).iloc[0]}{hint})"
        )
    differing = differing_classes(usable, list(classes), NO_CHANGES)
    raise InputError(
        f"{where}: classes in the labels that config.ini does not know: {', '.join(found)}"
        f" ({differing}). Add"
        f" them to classes= in {config_path}, or correct the boxes and upload them again; if you"
        " have taken them out of classes=, record that: bash"
        f" train/active_learning_update_label_map.sh {config_path}"
    )


def _boxes_of(frame: pd.DataFrame, renamed: dict[str, str], dropped: list[str]) -> dict[str, int]:
    """How many boxes the dropped classes have, by the names that they have now."""
    gone = {current_name(name, renamed) for name in dropped}
    names = frame["class"].map(lambda name: current_name(name, renamed))
    return {name: int(number) for name, number in names[names.isin(gone)].value_counts().items()}
