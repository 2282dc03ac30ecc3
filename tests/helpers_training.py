"""A small labelled project on a folder store, and the steps of a cycle as real processes."""

import os
import random
import subprocess
import sys
from pathlib import Path

from helpers_programs import ALONE, host_of_tests, run
from PIL import Image, ImageDraw

from train.cycle.host import through_host
from utils.config import Config, load_config
from utils.labels import tables
from utils.labels.state import Change
from utils.labels.store import open_labels
from utils.reserved import NULL

ROOT = Path(__file__).resolve().parent.parent
SMALL = {
    "model_name": "faster_rcnn_resnet18_fpn",
    "fine_tune_checkpoint": "scratch",
    "min_tile_size": 64,
    "max_tile_size": 64,
    "train_iterations": 3,
    "batch_size": 2,
    "test_percentage": 0.1,
}


def make_project(folder: Path, photos: int = 24, **settings) -> Path:
    """A config file, and a store with labelled photos of discs and squares (96 x 64 pixels, every
    third one empty).
    """
    (folder / "store" / "labels").mkdir(parents=True)
    (folder / "store" / "images").mkdir()
    chosen = random.Random(0)
    rows = []
    for number in range(photos):
        picture = Image.new("RGB", (96, 64), (90, 100, 110))
        name = f"IMG_{number:04d}.jpg"
        kind = (NULL, "disc", "square")[number % 3]
        left, top = chosen.randint(0, 60), chosen.randint(0, 30)
        if kind != NULL:
            pen = ImageDraw.Draw(picture)
            (pen.ellipse if kind == "disc" else pen.rectangle)(
                [left, top, left + 30, top + 30], fill=(220, 40, 40)
            )
        picture.save(folder / "store" / "images" / name)
        box = (
            (0, 0, 0, 0)
            if kind == NULL
            else (left / 96, (left + 30) / 96, top / 64, (top + 30) / 64)
        )
        rows.append((name, kind, *map(float, box)))
    config_file = folder / "config.ini"
    write_config(config_file, **settings)
    names, kinds, *corners = zip(*rows, strict=True)
    tagged = tables.make(
        "tagged",
        filename=names,
        class_=kinds,
        **dict(zip(("xmin", "xmax", "ymin", "ymax"), corners, strict=True)),
        height=[64] * photos,
        width=[96] * photos,
    )
    _, store = open_labels(load_config(config_file))
    store.commit(lambda _: Change(tables={"tagged": tagged}), what="labels for a test")
    return config_file


def write_config(file: Path, **settings) -> Config:
    """Write the config of the project again, with other settings."""
    lines = {
        "storage_url": file.parent / "store",
        "image_container_name": "images",
        "label_container_name": "labels",
        "user_folders": "False",
        "classes": "disc,square",
        "filetype": "*.jpg",
        "split_by": "image",
        **SMALL,
        **settings,
    }
    file.write_text("".join(f"{key}={value}\n" for key, value in lines.items()), encoding="utf-8")
    return load_config(file)


def step(
    program: str, config_file: Path, *options: str, check: bool = True, change: str = ""
) -> subprocess.CompletedProcess:
    """Run one step of the cycle to its end."""
    if not change and program not in ALONE:
        done = run(f"train/{program}", *options, config_file)
        assert not check or done.returncode == 0, done.stderr
        return done
    done = subprocess.run(
        command(program, config_file, *options, change=change),
        capture_output=True,
        text=True,
        env=in_host(),
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def command(program: str, config_file: Path, *options: str, change: str = "") -> list[str]:
    """The command line of a step. `change`: Python that runs first in its process, for what cannot
    be had otherwise on a small machine.
    """
    file = ROOT / "train" / program
    if change:
        name = program.removesuffix(".py")
        file = config_file.parent / "changed" / program
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            f"import sys; sys.path[0] = {str(ROOT / 'train')!r}\nimport"
            f" {name}\n{change}\nfrom utils.errors import run_program\nrun_program({name}.main)\n"
        )
    by_itself = [sys.executable, str(file), *options, str(config_file)]
    return through_host(host_of_tests(), by_itself)[0]


def environment() -> dict[str, str]:
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "PYTHONUNBUFFERED": "1"}


def in_host() -> dict[str, str]:
    """The environment for `command`: its program is a fork of the process that has TensorFlow."""
    return {**environment(), **through_host(host_of_tests(), [sys.executable])[1]}


def make_records(config_file: Path) -> None:
    """The steps before training."""
    step("sync_images.py", config_file)
    step("repartition_test_set.py", config_file, "--top-up")
    step("create_tf_records.py", config_file)
