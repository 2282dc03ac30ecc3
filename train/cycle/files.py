"""What the steps of one cycle hand to each other: the working files and their names, and
data_dir/cycle.json.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from train.cycle import alone
from train.network.machines import refuse_beside_the_chief
from utils.config import Config
from utils.errors import InputError
from utils.files import write_bytes, write_text
from utils.json_shape import (
    COUNT,
    NUMBER,
    OBJECT,
    TEXT,
    TRUTH,
    both,
    check_shape,
    each,
    json_object,
    mapping,
    maybe,
    members,
    read_regular,
    that,
)
from utils.labels import tables
from utils.labels.document import blob_of

MODEL_FILE = "frozen_inference_graph.pb"  # in inference_output_dir, as LABEL_MAP_FILE
LABEL_MAP_FILE = "label_map.pbtxt"
TRAINING_FILE = "training.json"  # in train_dir
JOURNAL_FILE = "predictions.journal"  # in data_dir


_CYCLE = members(
    {"base": TEXT, "base_tables": mapping(lambda name: maybe(blob_of(name))), "started_at": TEXT},
    listed=COUNT,
    class_changes=maybe(COUNT),
    pred_dir=maybe(TEXT),
    nothing_new=maybe(TEXT),
    records=maybe(members({}, greys=maybe(mapping(lambda name: each(NUMBER))))),
    training=maybe(OBJECT),
    predicted=OBJECT,
    durations=mapping(lambda name: NUMBER),
    random_share=maybe(OBJECT),
    prelabels=maybe(OBJECT),
    export=OBJECT,
    model=TEXT,
    model_blob=TEXT,
    names=mapping(lambda name: both(that(lambda value: name.isascii() and name.isdigit()), TEXT)),
    verdict=maybe(members({"live": maybe(TEXT), "publish": TRUTH, "why": TEXT})),
    published=members({"id": TEXT, "blobs": mapping(blob_of)}),
    watcher=maybe(members({}, next=maybe(TEXT), settings=TEXT)),
)


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
    "validation": WorkingFile(
        "tagged", lambda config: config.validation_output, "create_tf_records.py"
    ),
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
    if os.path.lexists(path) and not path.is_file():  # from a pipe a program would read for ever
        raise InputError(f"{path}: no file lies there; move what does away, and run {file.step}")
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


def validation_of(config: Config) -> pd.DataFrame:
    """The rows of the validation part of the last training here; none where nothing was trained."""
    there = working_path(config, "validation").exists()
    return read_working(config, "validation") if there else tables.empty("tagged")


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
    is damaged, and on a machine that only helps another one to train.
    """
    refuse_beside_the_chief()
    path = config.data_dir / "cycle.json"
    begin = f"begin the cycle with its first step: train/active_learning_train.sh {config.path}"
    try:
        return cycle_of(read_regular(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no cycle has been begun here; {begin}") from None
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}); {begin}") from None


def cycle_of(data: bytes) -> dict:
    """The members in these bytes of a cycle.json. Raises ValueError saying which are wrong."""
    cycle = json_object(data)
    check_shape(cycle, _CYCLE)
    if "model" in cycle and not cycle.keys() >= {"model_blob", "names"}:
        raise ValueError("bad model_blob, names")
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


def begin_cycle(config: Config, **cycle) -> dict:
    """Start a new cycle.json with just these members."""
    write_text(config.data_dir / "cycle.json", json.dumps(cycle, indent=1, ensure_ascii=False))
    return cycle


def update_cycle(config: Config, **changed) -> dict:
    """cycle.json with these members set and all others kept; the whole is returned.

    Raises InputError when another run is at work in data_dir.
    """
    alone.take(config.data_dir)
    return begin_cycle(config, **{**read_cycle(config), **changed})
