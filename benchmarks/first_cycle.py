"""A whole first cycle by the clock: forty labelled photos of animals, as a new config.ini has it.

    python benchmarks/first_cycle.py ../shared/data ../shared/models/mobilenet_v2_imagenet \
        --folder FOLDER [--labelled 40]

The photos are those of benchmarks/selection_curves.py, the labelled ones drawn at random. MobileNet
at 256 pixels; everything else is what a new config.ini says. Runs the entry points as a user does,
and prints what each takes. At most 4 minutes for active_learning_train.sh are wanted on 2 cores.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from selection_curves import ROOT, make

from utils.formats.annotated_sets import read_annotated
from utils.labels import tables
from utils.labels.tables import image_set, only

WANTED = 240  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder with raccoon, kangaroo and pigeons")
    parser.add_argument("weights", type=Path, help="a checkpoint with the backbone")
    parser.add_argument("--folder", type=Path, required=True, help="where set and project are made")
    parser.add_argument("--labelled", type=int, default=40)
    arguments = parser.parse_args()
    folder = arguments.folder.absolute() / "animals"
    make("animals", arguments.data, folder)
    project = arguments.folder.absolute() / "project"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(folder / "images", project / "store" / "images")
    (project / "store" / "labels").mkdir()
    annotated = read_annotated(folder / "labels.csv", folder / "images")
    names = np.random.default_rng(0).permutation(sorted(image_set(annotated.boxes)))
    chosen = only(annotated.boxes, set(names[: arguments.labelled].tolist()))
    labels = project / "labels.csv"
    labels.write_bytes(tables.to_csv("tagged", chosen, user_folders=True))
    config = project / "config.ini"
    config.write_text(_config(project, annotated.classes, arguments.weights.absolute()))

    _run("bash", "train/active_learning_initialize.sh", config)
    _run(sys.executable, "tag/import_labels.py", labels, config)
    seconds = _run("bash", "train/active_learning_train.sh", config)
    print(
        f"a first cycle of {arguments.labelled} labelled photos of {len(names)}: {seconds:.0f} s,"
        f" {WANTED} are wanted"
    )


def _config(project: Path, classes: list[str], weights: Path) -> str:
    """A new config.ini, for this project."""
    text = (ROOT / "config.ini").read_text(encoding="utf-8")
    for key, value in {
        "storage_url": project / "store",
        "image_container_name": "images",
        "label_container_name": "labels",
        "classes": ",".join(classes),
        "model_name": "faster_rcnn_mobilenet_v2_fpn",
        "min_tile_size": 192,
        "max_tile_size": 256,
        "data_dir": project / "data",
    }.items():
        text = re.sub(rf"(?m)^#?\s*{key}\s*=.*$", lambda _, line=f"{key}={value}": line, text)
    text = re.sub(r"(?m)^AZURE_.*$", "", text)
    return f"{text}\nfine_tune_checkpoint={weights}\n"


def _run(*command) -> float:
    """Run a program of ours to its end, in its words; the seconds that it took."""
    begun = time.monotonic()
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True)
    seconds = time.monotonic() - begun
    print(f"--- {Path(command[1]).name}: {seconds:.0f} s", flush=True)
    return seconds


if __name__ == "__main__":
    main()
