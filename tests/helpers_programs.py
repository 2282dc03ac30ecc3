"""Running the toolkit's programs as people do, and drawn photographs to run them on."""

import subprocess
import sys
from pathlib import Path

from train.demo import pictures
from train.demo.annotator import Annotator
from utils.config import load_config
from utils.labels import tables
from utils.labels.pool import pool_of
from utils.labels.store import open_labels

ROOT = Path(__file__).resolve().parent.parent


def run(program: str, *arguments, **options) -> subprocess.CompletedProcess:
    """Run `tag/x.py`, `train/x.py` or `train/x.sh` of this repository; output as text."""
    interpreter = "bash" if program.endswith(".sh") else sys.executable
    return subprocess.run(
        [interpreter, ROOT / program, *map(str, arguments)],
        text=True,
        capture_output=True,
        **options,
    )


def done(program: str, *arguments, **options) -> str:
    """Run it, expect success, and give what it printed."""
    finished = run(program, *arguments, **options)
    assert finished.returncode == 0, f"{program}\n{finished.stdout}\n{finished.stderr}"
    return finished.stdout


def photos(count: int) -> list[pictures.Photo]:
    """The first photos of the demo: 256×192, a third without objects, the first with EXIF
    orientation 6.
    """
    return [pictures.draw(number) for number in range(count)]


def put(container, drawn: list[pictures.Photo], folder: Path) -> None:
    """Write photos into an image container, by way of files in `folder`."""
    for number, photo in enumerate(drawn):
        path = folder / "drawn" / photo.blob
        pictures.save(photo, path, number)
        container.write(photo.blob, path)


def review(config: Path, drawn: list[pictures.Photo]):
    """What a person does with VoTT between download and upload."""
    return Annotator(drawn).review(load_config(config).tagging_location)


def state_tables(config: Path, *names: str) -> list:
    """Tables of the label container as it is now."""
    _, labels = open_labels(load_config(config))
    state = labels.read()
    return [labels.table(state, name) for name in names]


def image_sets(config: Path, *names: str) -> list[set[str]]:
    """The images in tables of the label container as it is now; totag without those that are
    elsewhere.
    """
    _, labels = open_labels(load_config(config))
    state = labels.read()
    return [
        tables.image_set(pool_of(labels, state) if name == "totag" else labels.table(state, name))
        for name in names
    ]
