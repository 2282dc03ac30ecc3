"""A data set with labels.csv as a project: its photos in a folder store, and an annotator who draws
the data set's own boxes.

Everything else is done by the real programs: initialize, download, upload, repartition, train.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from train.demo.annotator import Work, corrected
from utils.batch.batch import read_batch
from utils.config import load_config
from utils.files import write_text
from utils.labels import tables


class Project:
    """A project in `folder` made of data sets `name: path` (images anywhere below, labels.csv at
    the top); settings are config keys.
    """

    def __init__(self, folder: Path, datasets: dict[str, Path], **settings):
        self.folder, self.config_file = folder, folder / "config.ini"
        self.truth: dict[str, list[tuple[str, tuple]]] = {}
        for name, path in datasets.items():
            labels = pd.read_csv(
                path / "labels.csv", dtype={"filename": str}, keep_default_na=False
            )
            for filename, rows in labels.groupby("filename"):
                source = next(path.rglob(filename.replace("[", "[[]")))
                target = folder / "store" / "images" / name / filename
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists():
                    _link(source, target)
                boxes = rows[["xmin", "ymin", "xmax", "ymax"]].astype(float).to_numpy()
                self.truth[f"{name}/{filename}"] = list(
                    zip(rows["class"], map(tuple, boxes), strict=True)
                )
        (folder / "store" / "labels").mkdir(parents=True, exist_ok=True)
        self.classes = sorted({name for boxes in self.truth.values() for name, _ in boxes})
        self.settings = {
            "storage_url": "store",
            "image_container_name": "images",
            "label_container_name": "labels",
            "user_folders": True,
            "filetype": "*.jpg",
            "classes": ",".join(self.classes),
            "tagging_location": "to_review",
            "data_dir": "data",
            "tagger_name": "benchmark",
            "split_by": "image",
            **settings,
        }
        self.configure()

    def configure(self, **settings) -> None:
        """Write the config file, with these settings changed."""
        self.settings |= settings
        write_text(
            self.config_file, "".join(f"{key}={value}\n" for key, value in self.settings.items())
        )

    def label_everything(self) -> None:
        """Initialize, download all images as one batch, draw the known boxes, upload, draw the test
        set.
        """
        self.run(["bash", "train/active_learning_initialize.sh"])
        self.run([sys.executable, "tag/download_vott_json.py", str(len(self.truth))])
        place = self.folder / "to_review"
        batch = read_batch(place)
        path = place / "Images.json"
        project = json.loads(path.read_text(encoding="utf-8"))
        work = Work(images=len(batch.images))
        for local, item in batch.images.items():
            width, height = item.width, item.height
            known = [(name, _inside(box, width, height)) for name, box in self.truth[item.blob]]
            drawn = [
                (name, box) for name, box in known if box[2] - box[0] > 1 and box[3] - box[1] > 1
            ]
            project["frames"][local] = corrected([], drawn, width, height, work)
        project["visitedFrames"] = sorted(batch.images)
        write_text(path, json.dumps(project))
        print(f"the annotator drew {work.drawn} boxes in {work.images} images", flush=True)
        self.run([sys.executable, "tag/upload_vott_json.py"])
        self.run(["bash", "train/repartition_test_set_script.sh"])

    def train(self) -> pd.Series:
        """One training cycle, with the seconds of each step; the row Average of its performance
        table.
        """
        seconds = self.timed(["bash", "train/active_learning_train.sh"])
        total = sum(seconds.values())
        for step, spent in seconds.items():
            print(f"{step:22}{spent:8.1f} s{spent / total:8.1%}")
        table = tables.parse(
            "performance", load_config(self.config_file).data_dir / "performance.csv"
        )
        print(table.to_string(index=False), flush=True)
        return table[table["Class Name"] == "Average"].iloc[0]

    def timed(self, words: list[str]) -> dict[str, float]:
        """Run an entry point with this project's config, as `run`; the seconds of its steps."""
        print("$", *words, flush=True)
        begun: dict[str, float] = {}
        with subprocess.Popen(
            [*words, str(self.config_file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout:
                print(line, end="", flush=True)
                if step := re.fullmatch(r"\[\d+/\d+\] (\w+)\n", line):
                    begun[step[1]] = time.monotonic()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, words)
        ends = [*list(begun.values())[1:], time.monotonic()]
        return {step: end - start for (step, start), end in zip(begun.items(), ends, strict=True)}

    def run(self, words: list[str]) -> None:
        """Run a program of the repository with this project's config."""
        print("$", *words, flush=True)
        subprocess.run([*words, str(self.config_file)], cwd=ROOT, check=True)


def _inside(box: tuple, width: int, height: int) -> tuple[float, float, float, float]:
    xmin, ymin, xmax, ymax = box
    return max(0.0, xmin), max(0.0, ymin), min(float(width), xmax), min(float(height), ymax)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
