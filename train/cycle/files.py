"""What the steps of one cycle hand to each other: the working files and their names, and
data_dir/cycle.json.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from train.cycle import alone
from utils.config import Config
from utils.errors import InputError
from utils.files import write_bytes, write_text
from utils.labels import tables

MODEL_FILE = "frozen_inference_graph.pb"  # in inference_output_dir, as LABEL_MAP_FILE
LABEL_MAP_FILE = "label_map.pbtxt"
TRAINING_FILE = "training.json"  # in train_dir
JOURNAL_FILE = "predictions.journal"  # in data_dir


@dataclass(frozen=True)
class WorkingFile:
    """A table that one step writes for others: its kind, where it lies, and that step."""

    table: str
    place: Callable[[Config], Path]
    step: str


WORKING_FILES = {
    "images": WorkingFile(
        "images", lambda config: config.data_dir / "images.csv", "sync_images.py"
    ),
    "failed": WorkingFile(
        "failed", lambda config: config.data_dir / "failed.csv", "sync_images.py"
    ),
    "tagged": WorkingFile("tagged", lambda config: config.tagged_output, "sync_images.py"),
    "test": WorkingFile(
        "test", lambda config: config.test_output, "repartition_test_set.py --top-up"
    ),
    "totag": WorkingFile("totag", lambda config: config.untagged_output, "create_predictions.py"),
    "predicted": WorkingFile(
        "predicted", lambda config: config.data_dir / "predicted.csv", "create_predictions.py"
    ),
    "test_predictions": WorkingFile(
        "totag", lambda config: config.data_dir / "test_predictions.csv", "create_predictions.py"
    ),
    "performance": WorkingFile(
        "performance", lambda config: config.data_dir / "performance.csv", "evaluate_model.py"
    ),
}


def working_path(config: Config, name: str) -> Path:
    """Where the working file of that name lies."""
    return WORKING_FILES[name].place(config)


def read_working(config: Config, name: str) -> pd.DataFrame:
    """A working file of the cycle. Raises InputError naming the step that writes it when it is not
    there, or cut short.
    """
    file = WORKING_FILES[name]
    path = file.place(config)
    if not path.exists():
        raise InputError(
            f"{path}: not there; {file.step} writes it, so run the steps of"
            " train/active_learning_train.sh in their order"
        )
    with path.open("rb") as content:
        content.seek(max(0, content.seek(0, 2) - 1))
        if content.read() != b"\n":
            raise InputError(
                f"{path}: cut short; run the steps of train/active_learning_train.sh again, from"
                f" {file.step}"
            )
    return tables.parse(file.table, path)


def write_working(config: Config, name: str, frame: pd.DataFrame) -> Path:
    """Write a working file; its path."""
    path = working_path(config, name)
    write_bytes(path, tables.to_csv(WORKING_FILES[name].table, frame, config.user_folders))
    return path


def exported_model(config: Config) -> Path:
    """The model file that the cycle exports; its label map lies beside it."""
    return config.inference_output_dir / MODEL_FILE


def exported_label_map(config: Config) -> Path:
    """The label map of the model file."""
    return config.inference_output_dir / LABEL_MAP_FILE


def read_cycle(config: Config) -> dict:
    """The members of cycle.json. Raises InputError when no cycle has been begun here, or the file
    is damaged.
    """
    path = config.data_dir / "cycle.json"
    begin = f"begin the cycle with its first step: train/active_learning_train.sh {config.path}"
    try:
        cycle = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no cycle has been begun here; {begin}") from None
    except ValueError:
        raise InputError(f"{path}: not readable as JSON; {begin}") from None
    if not isinstance(cycle, dict):
        raise InputError(f"{path}: expected an object; {begin}")
    return cycle


def training_cycle(config: Config) -> dict:
    """`read_cycle` for the steps that train and publish: raises InputError when another program has
    used data_dir since the cycle began, or another run is at work there.
    """
    alone.take(config.data_dir)
    cycle = read_cycle(config)
    if "model" in cycle:
        raise InputError(
            f"{config.data_dir}: a run without training (of {cycle['model_blob']}) has used it"
            " since this cycle began; begin the cycle again: train/active_learning_train.sh"
            f" {config.path} (labels and a finished training are kept)"
        )
    return cycle


def begin_cycle(config: Config, **members) -> dict:
    """Start a new cycle.json with just these members."""
    write_text(config.data_dir / "cycle.json", json.dumps(members, indent=1, ensure_ascii=False))
    return members


def update_cycle(config: Config, **members) -> dict:
    """cycle.json with these members set and all others kept; the whole is returned.

    Raises InputError when another run is at work in data_dir.
    """
    alone.take(config.data_dir)
    return begin_cycle(config, **{**read_cycle(config), **members})
