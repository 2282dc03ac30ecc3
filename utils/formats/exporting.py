"""Labels on their way out: the reviewed images in the forms that other programs read, with the
images in which nothing is, and the test set apart.

Nothing but label files is written; names are those of the image container, so that a copy of its
folder (or a link) goes beside them.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from utils.formats import labelme, megadetector, voc, yolo
from utils.formats.sheets import Box, Sheet
from utils.labels import tables
from utils.reserved import NULL

TRAIN, TEST = "train", "test"
PARTS = (TRAIN, TEST)
_MADE_BY = "active-learning-detect"


@dataclass(frozen=True)
class Labelled:
    """A reviewed image: its blob name, size in pixels, (class, xmin, ymin, xmax, ymax) of each box
    as fractions, and the part of the set it is in.
    """

    blob: str
    width: int
    height: int
    boxes: tuple[tuple[str, float, float, float, float], ...]
    part: str

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.blob).with_suffix("").as_posix()

    @property
    def pixels(self) -> list[tuple[str, float, float, float, float]]:
        """The boxes in pixels."""
        width, height = self.width, self.height
        return [
            (label, xmin * width, ymin * height, xmax * width, ymax * height)
            for label, xmin, ymin, xmax, ymax in self.boxes
        ]


def labelled_images(
    tagged: pd.DataFrame, test: pd.DataFrame, images: pd.DataFrame
) -> list[Labelled]:
    """The images of `tagged`, by name; those of `test` are in that part. images: says the size of
    one that the rows do not know (0 when nobody knows).
    """
    held_out = tables.image_set(test)
    sizes = dict(
        zip(
            tables.blob_names(images),
            zip(images["width"], images["height"], strict=True),
            strict=True,
        )
    )
    found = []
    names = tables.blob_names(tagged).to_numpy()
    for blob, rows in tagged.groupby(names):
        first = rows.iloc[0]
        width, height = int(first["width"]), int(first["height"])
        if not (width and height):
            width, height = map(int, sizes.get(blob, (0, 0)))
        boxes = rows[rows["class"] != NULL]
        columns = boxes[["class", "xmin", "ymin", "xmax", "ymax"]]
        entries = tuple(columns.itertuples(index=False, name=None))
        part = TEST if blob in held_out else TRAIN
        found.append(Labelled(blob, width, height, entries, part))
    return found


def shared_files(images: Iterable[Labelled]) -> list[tuple[str, str]]:
    """Pairs of images that would have one file between them, as their names differ in the ending
    only.
    """
    first: dict[str, str] = {}
    pairs = []
    for image in images:
        if image.stem in first:
            pairs.append((first[image.stem], image.blob))
        first.setdefault(image.stem, image.blob)
    return pairs


def coco_files(images: Sequence[Labelled], classes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """annotations/instances_train.json and …_test.json; categories count from 1."""
    numbers = {name: number for number, name in enumerate(classes, 1)}
    identity = 0
    for part in PARTS:
        document: dict = {
            "info": {"description": f"{_MADE_BY}, {part}"},
            "licenses": [],
            "categories": [{"id": number, "name": name} for name, number in numbers.items()],
            "images": [],
            "annotations": [],
        }
        for place, image in enumerate(images, 1):
            if image.part != part:
                continue
            size = {"width": image.width, "height": image.height}
            document["images"].append({"id": place, "file_name": image.blob, **size})
            for label, xmin, ymin, xmax, ymax in image.pixels:
                identity += 1
                width, height = xmax - xmin, ymax - ymin
                annotation = {
                    "id": identity,
                    "image_id": place,
                    "category_id": numbers[label],
                    "bbox": [round(side, 4) for side in (xmin, ymin, width, height)],
                    "area": round(width * height, 4),
                    "segmentation": [],
                    "iscrowd": 0,
                }
                document["annotations"].append(annotation)
        yield f"annotations/instances_{part}.json", _json(document)


def yolo_files(images: Sequence[Labelled], classes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Ultralytics' form: data.yaml, a list of images for each part, and labels/ beside images/."""
    names = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(classes))
    yield "data.yaml", f"path: .\ntrain: {TRAIN}.txt\nval: {TEST}.txt\nnames:\n{names}"
    yield "classes.txt", "".join(f"{name}\n" for name in classes)
    for part in PARTS:
        listed = [f"./images/{image.blob}\n" for image in images if image.part == part]
        yield f"{part}.txt", "".join(listed)
    for image in images:
        yield f"labels/{image.stem}.txt", yolo.text_of(image.boxes, classes)


def voc_files(images: Sequence[Labelled], classes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Annotations/, and a list for each part in ImageSets/Main; the photos belong into
    JPEGImages.
    """
    head = "# label:color_rgb:parts:actions\nbackground:::\n"
    yield "labelmap.txt", head + "".join(f"{name}:::\n" for name in classes)
    for part in PARTS:
        listed = [f"{image.stem}\n" for image in images if image.part == part]
        yield f"ImageSets/Main/{part}.txt", "".join(listed)
    for image in images:
        document = voc.document(image.blob, image.width, image.height, image.pixels)
        yield f"Annotations/{image.stem}.xml", document.decode()


def megadetector_files(
    images: Sequence[Labelled], classes: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """train.json and test.json; every box has the confidence 1, as a person drew it."""
    for part in PARTS:
        entries = [
            (image.blob, [(*box, 1.0) for box in image.boxes])
            for image in images
            if image.part == part
        ]
        yield f"{part}.json", _json(megadetector.document(entries, classes, {"detector": _MADE_BY}))


def labelme_files(images: Sequence[Labelled], classes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A file for each image, in train/ and test/, to lie beside the photo."""
    yield "labels.txt", "".join(f"{name}\n" for name in classes)
    for image in images:
        boxes = tuple(
            Box(label, xmin, xmax, ymin, ymax) for label, xmin, ymin, xmax, ymax in image.boxes
        )
        name = PurePosixPath(image.blob).name
        sheet = Sheet(name, image.width, image.height, boxes)
        yield f"{image.part}/{image.stem}.json", _json(labelme.document(sheet, reviewed=True))


Writer = Callable[[Sequence[Labelled], Sequence[str]], Iterator[tuple[str, str]]]
# A writer gives (path, text) of each file. Those below have a file for each image.
WRITERS: dict[str, Writer] = {
    "coco": coco_files,
    "yolo": yolo_files,
    "voc": voc_files,
    "megadetector": megadetector_files,
    "labelme": labelme_files,
}
FILE_EACH = frozenset({"yolo", "voc", "labelme"})
IN_PIXELS = frozenset({"coco", "voc", "labelme"})


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
