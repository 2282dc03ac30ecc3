"""Labelled data sets as they lie on a disk: which form they have, and what they say of each image.

Our tagged CSV; COCO's JSON; folders of Pascal VOC, YOLO and labelme files.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from utils.errors import InputError
from utils.formats import coco, labelme_folder, voc_folder, yolo
from utils.formats.pictures import CORNERS, Picture
from utils.labels import tables
from utils.labels.csv_rows import read_rows
from utils.reserved import NULL

WANTED = (
    "expected a tagged CSV (filename,class,xmin,xmax,ymin,ymax,height,width[,folder]), a COCO"
    " .json, or a folder of Pascal VOC, YOLO or labelme files"
)
Read = Callable[[Path, list[str]], Iterator[Picture]]
_FOLDERS: dict[str, tuple[Callable[[Path], bool], Read]] = {
    "Pascal VOC": (voc_folder.recognises, voc_folder.pictures),
    "YOLO": (yolo.recognises, yolo.pictures),
    "labelme": (labelme_folder.recognises, labelme_folder.pictures),
}


def form_of(labels: Path) -> tuple[str, Read]:
    """(name of the form, what reads it: the path, and a list for lines on what cannot be used).
    Raises InputError when the set has no known form, or several.
    """
    if labels.is_dir():
        found = [name for name, (recognises, _) in _FOLDERS.items() if recognises(labels)]
        if len(found) == 1:
            return found[0], _FOLDERS[found[0]][1]
        if not found and len(files := _coco_files(labels)) == 1:
            return "COCO", lambda _, bad: coco.pictures(files[0], bad)
        problem = f"files of several forms ({', '.join(found)})" if found else "no labels in it"
        raise InputError(f"{labels}: {problem}; {WANTED}")
    if labels.suffix.lower() == ".json":
        return "COCO", coco.pictures
    if labels.suffix.lower() == ".csv":
        return "CSV", from_csv
    problem = "unknown kind of file" if labels.exists() else "no such file"
    raise InputError(f"{labels}: no labels ({problem}); {WANTED}")


def from_csv(labels: Path, bad: list[str]) -> Iterator[Picture]:
    if not labels.is_file():
        raise InputError(f"{labels}: no such file; {WANTED}")
    rows = read_rows("tagged", labels, str(labels))
    bad += [str(row) for row in rows.bad]
    frame = rows.of_images_without_bad_rows().frame
    for blob, rows in frame.groupby(tables.blob_names(frame).to_numpy()):
        rows = rows[(rows["class"] != NULL).to_numpy()]
        boxes = list(
            zip(rows["class"], *(rows[corner].tolist() for corner in CORNERS), strict=True)
        )
        yield Picture(blob, boxes, fractions=True)


def _coco_files(folder: Path) -> list[Path]:
    """The JSON files in a folder, or in its `annotations`, that are COCO's."""
    files = sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])
    return [file for file in files if "images" in coco.read_json(file)]
