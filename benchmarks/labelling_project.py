"""What the programs share that strain a project: small photographs that say their names,
annotators, and checks.
"""

import io
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

from train.cycle.host import through_host
from utils.config import Config, load_config
from utils.files import write_bytes
from utils.labels import (
    assignments,
    tables,
)
from utils.labels.assignments import expired
from utils.labels.check import Finding, check_blobs, check_tables
from utils.labels.label_map import write_label_map
from utils.labels.store import LabelStore, open_labels
from utils.labels.tables import blob_names, image_set

WIDTH, HEIGHT = 200, 100


@contextmanager
def store_lines(kind: str, folder: Path) -> Iterator[callable]:
    """A function that makes two new, empty containers and returns the lines of a config that name
    them.
    """
    if kind == "folder":

        def new() -> str:
            number = uuid.uuid4().hex[:8]
            for name in ("images", "labels"):
                (folder / "store" / f"{name}-{number}").mkdir(parents=True)
            return (
                f"storage_url={folder / 'store'}\nimage_container_name=images-{number}\n"
                f"label_container_name=labels-{number}\n"
            )

        yield new
        return
    import azurite
    from azure.storage.blob import BlobServiceClient

    with azurite.running() as url, BlobServiceClient(url, credential=azurite.KEY) as service:

        def new() -> str:
            number = uuid.uuid4().hex[:8]
            for name in ("images", "labels"):
                service.create_container(f"{name}-{number}")
            return (
                f"storage_url={url}\nAZURE_STORAGE_ACCOUNT={azurite.ACCOUNT}\nAZURE_STORAGE_KEY={azurite.KEY}\n"
                f"image_container_name=images-{number}\nlabel_container_name=labels-{number}\n"
            )

        yield new


def write_config(path: Path, store: str, **settings) -> Path:
    """A config file; every user and machine has one, with its own tagger_name and folders."""
    chosen = {
        "user_folders": True,
        "classes": "bird,seal",
        "filetype": "*.jpg",
        "split_by": "image",
        "test_percentage": 0.2,
        **settings,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        store + "".join(f"{key}={value}\n" for key, value in chosen.items()), encoding="utf-8"
    )
    return path


def open_project(config: Path) -> tuple[object, LabelStore]:
    return open_labels(load_config(config))


def photo(blob: str) -> bytes:
    """A small JPEG with its own name inside, so that an annotator can tell what the file on disk
    really is.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(
        buffer, "JPEG", comment=blob.encode()
    )
    return buffer.getvalue()


def truth(blob: str) -> tuple[str, float, float, float, float]:
    """The box that a person draws in this image: class, x1, x2, y1, y2 in pixels."""
    number = sum(blob.encode())
    return (
        ("bird", "seal")[number % 2],
        10 + number % 50,
        100 + number % 70,
        5 + number % 30,
        60 + number % 40,
    )


def review(place: Path) -> list[str]:
    """Draw the true box in every image of the batch, as VoTT saves; the blob names that the files
    on disk say they are.
    """
    project = json.loads((place / "Images.json").read_text(encoding="utf-8"))
    seen = []
    for file in sorted((place / "Images").iterdir()):
        with Image.open(file) as image:
            blob = image.info["comment"].decode()
        name, x1, x2, y1, y2 = truth(blob)
        project["frames"][file.name] = [
            {
                "x1": x1,
                "x2": x2,
                "y1": y1,
                "y2": y2,
                "width": WIDTH,
                "height": HEIGHT,
                "tags": [name],
                "type": "Rectangle",
                "UID": uuid.uuid4().hex[:8],
                "points": [],
            }
        ]
        seen.append(blob)
    project["visitedFrames"] = [file.name for file in sorted((place / "Images").iterdir())]
    (place / "Images.json").write_text(json.dumps(project), encoding="utf-8")
    return seen


def leave_cycle(config: Config, number: int) -> None:
    """After sync_images.py: the files that steps 2 to 7 of the training cycle leave behind, without
    the training. Other numbers give other predictions and another model.
    """
    images = tables.parse("images", config.data_dir / "images.csv")
    tagged = tables.parse("tagged", config.tagged_output)
    predictions = assignments.unseen_rows(tables.without(images, tables.image_set(tagged)))
    x = np.full(len(predictions), 0.1 + number % 50 / 100)
    predictions = predictions.assign(
        **{
            "class": "bird",
            "xmin": x,
            "xmax": x + 0.3,
            "ymin": 0.1,
            "ymax": 0.5,
            "box_confidence": 0.6,
            "image_confidence": 0.6,
        }
    )
    seen = tables.make(
        "predicted", filename=predictions["filename"], folder=predictions["folder"], model="killer"
    ).drop_duplicates()
    performance = tables.make(
        "performance",
        **{
            "Class Name": ["Average", "bird"],
            "AP": [0.5, 0.5],
            "images": [1.0, 1.0],
            "boxes": [1.0, 1.0],
        },
    )
    for table, path, frame in (
        ("totag", config.untagged_output, predictions),
        ("predicted", config.data_dir / "predicted.csv", seen),
        ("performance", config.data_dir / "performance.csv", performance),
    ):
        write_bytes(path, tables.to_csv(table, frame, True))
    write_bytes(
        config.inference_output_dir / "frozen_inference_graph.pb",
        b"graph" * 20_000 + str(number).encode(),
    )
    write_label_map(config.inference_output_dir / "label_map.pbtxt", {"bird": 1, "seal": 2})
    write_bytes(
        config.train_dir / "training.json", json.dumps({"weights": "scratch", "steps": 1}).encode()
    )


def wrong_boxes(
    tagged, seen: list[str], names: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """Those of the reviewed images that are not in `tagged` with exactly the box that was drawn.
    `names`: classes that have another name by now.
    """
    rows = {}
    for image, row in zip(tables.blob_names(tagged), tagged.to_dict("records"), strict=True):
        sides = [
            row["xmin"] * WIDTH,
            row["xmax"] * WIDTH,
            row["ymin"] * HEIGHT,
            row["ymax"] * HEIGHT,
        ]
        rows.setdefault(image, []).append((row["class"], *(round(side, 3) for side in sides)))
    drawn = {image: truth(image) for image in seen}
    expected = {
        image: [(names.get(name, name), *(round(side, 3) for side in sides))]
        for image, (name, *sides) in drawn.items()
    }
    return [image for image in seen if rows.get(image) != expected[image]]


def findings(labels: LabelStore) -> list[Finding]:
    """Rules that the present state breaks."""
    found, read = check_blobs(labels, labels.read())
    return found + check_tables(read)


# Programs one after the other in one process, because most of their time would be spent on loading
# the same packages.
_DRIVER = """if True:
    import json, os, runpy, sys
    for line in sys.stdin:
        path, *arguments = json.loads(line)
        sys.argv, sys.path[0] = [path, *arguments], os.path.dirname(path)
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as end:
            print(f"\\nexit code {end.code}", flush=True)
"""


class Driver:
    """Runs programs of this repository in one child process, which starts at the first of them. Use
    as a context manager, or close it.
    """

    def __init__(self, environment: dict[str, str]):
        self._environment = environment
        self._process: subprocess.Popen | None = None

    def run(self, program: str, *arguments) -> tuple[str, int]:
        """What it printed on both streams, and its exit code; a traceback ends the process, and is
        in what it printed.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _DRIVER],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
            )
        self._process.stdin.write(json.dumps([str(ROOT / program), *map(str, arguments)]) + "\n")
        self._process.stdin.flush()
        said = []
        for line in self._process.stdout:
            if ended := re.fullmatch(r"exit code (\d+)\n", line):
                return "".join(said).rstrip("\n"), int(ended[1])
            said.append(line)
        code = self._process.wait()
        self.close()
        return "".join(said), code

    def close(self) -> None:
        if self._process:
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()
            self._process = None

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, *error) -> None:
        self.close()


def start(program: str, *arguments, cache: Path, host: str | None = None) -> subprocess.Popen:
    """Start a program of this repository; what it says is in .stdout. `cache`: where this person's
    machine keeps snapshots. `host`: the address of train/cycle/host.py, whose fork it becomes.
    """
    command, needed = through_host(
        host, [sys.executable, str(ROOT / program), *map(str, arguments)]
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={**environment, **needed},
    )


def check_step(
    before: Mapping[str, pd.DataFrame],
    after: Mapping[str, pd.DataFrame],
    hours: float,
    now: datetime,
) -> list[Finding]:
    """Rules 2 and 4 between two states of the same container, the one older than the other: nothing
    labelled is lost, and what somebody holds goes to nobody else. Both have the tables tagging and
    tagged.
    """
    found = []
    lost = image_set(before["tagged"]) - image_set(after["tagged"])
    if lost:
        found.append(
            Finding(4, f"{len(lost)} images were tagged, and are not any more", tuple(sorted(lost)))
        )
    late = expired(before["tagging"], hours, now)
    holder = {
        name: dict(zip(blob_names(frame), frame["tagger"], strict=True))
        for name, frame in (("before", before["tagging"]), ("after", after["tagging"]))
    }
    moved = [
        image
        for image, tagger in holder["before"].items()
        if image not in late and holder["after"].get(image, tagger) != tagger
    ]
    if moved:
        found.append(
            Finding(2, f"{len(moved)} images went from one person to another", tuple(sorted(moved)))
        )
    return found
