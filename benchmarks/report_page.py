"""How long a report takes, and how large its page is: 2000 test photos of 1600 x 1200 pixels from
60 cameras, three in five of them empty, in three cycles, with 40 detections a photo from 0.01 up,
and 10 000 photos to tag. To reach: ≤ 60 s with all that the program loads, ≤ 5 MB.

    python benchmarks/report_page.py [PHOTOS] [--keep FOLDER]     (the project and its report stay)
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers_report import ReportProject, drawn_photo
from helpers_store import folder_store_in

from utils.labels import tables
from utils.labels.reports import twin_of

CLASSES = ("roe deer", "fox", "badger", "wild boar", "hare")
SHARES = (0.45, 0.25, 0.15, 0.1, 0.05)
SIZE = (1600, 1200)
CAMERAS = 60
EMPTY = 0.6
PER_PHOTO = 40  # detections, nearly all of them with a low score
TO_TAG = 10_000
DIFFERENT = 40  # pictures
SKILL = (0.55, 0.7, 0.8)  # of the cycles' models
WANTED = (60, 5_000_000)  # seconds, bytes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="?", type=int, default=2000)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        project = made_project(options.keep or Path(name), options.photos)
        start = time.monotonic()
        command = ["bash", ROOT / "train" / "active_learning_report.sh", project.config]
        subprocess.run(command, check=True)
        seconds = time.monotonic() - start
        page = project.state().report
        size, data = (project.store.labels.info(blob).size for blob in (page, twin_of(page)))
    print(
        f"{options.photos} test photos: {seconds:.1f} s (to reach: {WANTED[0]}), page"
        f" {size / 1e6:.2f} MB (to reach: {WANTED[1] / 1e6:.0f}), data {data / 1e6:.2f} MB"
    )
    return int(seconds > WANTED[0] or size > WANTED[1])


def made_project(folder: Path, photos: int) -> ReportProject:
    """A project with three cycles; half of the cameras were never trained on."""
    folder.mkdir(parents=True, exist_ok=True)
    project = ReportProject(
        folder_store_in(folder),
        folder,
        classes=",".join(CLASSES),
        selection_strategy="hybrid",
        random_share=0.1,
        min_confidence=0.05,
        prelabel_confidence=0.5,
    )
    random = np.random.default_rng(0)
    test = [blob("T", number) for number in range(photos)]
    trained = [blob("L", number, CAMERAS // 2) for number in range(photos // 2)]
    to_tag = [blob("N", number) for number in range(TO_TAG)]
    truth = boxes_of(random, [*test, *trained])
    write_photos(project, [*test, *trained, *to_tag], truth)
    project.commit(images=listing(project, [*test, *trained, *to_tag]))
    project.commit(tagged=truth, test=tables.only(truth, test))
    for skill in SKILL:
        found = detections(random, test, tables.only(truth, test), skill, PER_PHOTO)
        project.cycle(found)
    project.commit(totag=detections(random, to_tag, boxes_of(random, to_tag), SKILL[-1], 2))
    return project


def blob(kind: str, number: int, cameras: int = CAMERAS) -> str:
    return f"camera {number % cameras:02}/{kind}{number:05}.jpg"


def boxes_of(random: np.random.Generator, blobs: list[str]) -> pd.DataFrame:
    """True boxes: one or two in two photos of five, those that its picture shows."""
    rows = []
    for place, name in enumerate(blobs):
        own = np.random.default_rng(place % DIFFERENT)
        count = 0 if own.random() < EMPTY else int(own.integers(1, 3))
        for _ in range(count):
            size = own.uniform(0.06, 0.4, 2)
            corner = own.uniform(0, 1 - size)
            rows.append((name, own.choice(CLASSES, p=SHARES), *corner, *(corner + size)))
        if not count:
            rows.append((name, "NULL", 0.0, 0.0, 0.0, 0.0))
    return frame("tagged", rows)


def detections(
    random: np.random.Generator, blobs: list[str], truth: pd.DataFrame, skill: float, count: int
) -> pd.DataFrame:
    """What a model of that skill finds: most true boxes, a little off, sometimes as another class;
    and many faint ones that are nothing.
    """
    rows, names = [], tables.blob_names(truth)
    for name, row in zip(names, truth.to_dict("records"), strict=True):
        if row["class"] == "NULL" or random.random() > skill + 0.12:
            continue
        box = np.array([row[side] for side in ("xmin", "ymin", "xmax", "ymax")])
        box = np.clip(box + random.normal(0, 0.006, 4), 0, 1)
        label = row["class"] if random.random() < skill + 0.1 else random.choice(CLASSES)
        rows.append((name, label, *box, random.beta(6 * skill, 2)))
    for name in blobs:
        for _ in range(count):
            size = random.uniform(0.03, 0.3, 2)
            corner = random.uniform(0, 1 - size)
            score = max(0.01, random.beta(0.5, 14 * skill))
            label = random.choice(CLASSES)
            rows.append((name, label, *corner, *(corner + size), score))
    return frame("tested", rows)


def frame(table: str, rows: list[tuple]) -> pd.DataFrame:
    blobs, classes, xmin, ymin, xmax, ymax, *scores = map(list, zip(*rows, strict=True))
    folders, filenames = zip(*map(tables.split_name, blobs), strict=True)
    confidence = {"box_confidence": scores[0], "image_confidence": scores[0]} if scores else {}
    return tables.make(
        table,
        filename=filenames,
        folder=folders,
        class_=classes,
        **{"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax},
        height=[SIZE[1]] * len(rows),
        width=[SIZE[0]] * len(rows),
        **confidence,
    )


def write_photos(project: ReportProject, blobs: list[str], truth: pd.DataFrame) -> None:
    """The pictures, of which there are a few: photos share them by hard links."""
    rows = {name: group for name, group in truth.groupby(tables.blob_names(truth))}
    pictures: dict[int, Path] = {}
    for place, name in enumerate(blobs):
        path = project.images.path_of(name)
        path.parent.mkdir(exist_ok=True)
        if place % DIFFERENT not in pictures:
            own = rows[name]
            own = own[own["class"] != "NULL"]
            corners = own[["xmin", "ymin", "xmax", "ymax"]].to_numpy()
            path.write_bytes(drawn_photo(*SIZE, corners, place % DIFFERENT))
            pictures[place % DIFFERENT] = path
        else:
            path.hardlink_to(pictures[place % DIFFERENT])


def listing(project: ReportProject, blobs: list[str]) -> pd.DataFrame:
    folders, filenames = zip(*map(tables.split_name, blobs), strict=True)
    return tables.make(
        "images",
        filename=filenames,
        folder=folders,
        height=[SIZE[1]] * len(blobs),
        width=[SIZE[0]] * len(blobs),
        bytes=[1] * len(blobs),
        etag="e",
    )


if __name__ == "__main__":
    sys.exit(main())
