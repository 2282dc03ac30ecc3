"""The files of a training run, in a folder of its own below train_dir.

train_dir/run-<fingerprint>/run.json       what the run is, its best checkpoint, whether it is
finished
                           /ckpt-*         where to go on (model, optimizer, step)
                           /best-*         the model at its best on the validation part, or last
                           /events.out.*   for TensorBoard
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf
import tf_keras

from utils.errors import InputError
from utils.files import write_text
from utils.json_shape import (
    COUNT,
    NUMBER,
    OBJECT,
    TEXT,
    TRUTH,
    check_shape,
    is_hexadecimal,
    json_object,
    maybe,
    members,
    read_regular,
    that,
)

RUN_FILE = "run.json"
_BEST = members({"step": COUNT, "ap50": maybe(NUMBER)})
_RUN = members(
    {"fingerprint": TEXT, "finished": TRUTH, "settings": OBJECT, "best": maybe(_BEST)},
    started_from=TEXT,
    arithmetic=TEXT,
    seconds=NUMBER,
    exported=members({"bytes": COUNT, "md5": that(is_hexadecimal)}),
)
_FINISHED = members(
    {"best": _BEST, "digest": TEXT, "started_from": TEXT, "steps": COUNT, "batch_size": COUNT}
    | dict.fromkeys(("learning_rate", "seed", "seconds"), NUMBER)
)


def read_run(folder: Path) -> dict | None:
    """What run.json says, None when there is no run in this folder. `checkpoint` is made the prefix
    on this disk. Raises InputError when it is damaged.
    """
    try:
        record = json_object(read_regular(folder / RUN_FILE))
        check_shape(record, _RUN)
        if record["finished"]:
            check_shape(record, _FINISHED)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(
            f"{folder / RUN_FILE}: damaged ({error}); remove the folder {folder.name}, and what was"
            " trained there is trained anew"
        ) from None
    record["checkpoint"] = (
        str(folder / f"best-{record['best']['step']}") if record["best"] else None
    )
    return record


def finished_runs(train_dir: Path) -> list[dict]:
    """The finished runs below train_dir, newest first."""
    folders = sorted(
        train_dir.glob(f"run-*/{RUN_FILE}"), key=lambda file: file.stat().st_mtime, reverse=True
    )
    return [record for record in (read_run(file.parent) for file in folders) if record["finished"]]


def remove(files: Iterable[Path]) -> None:
    """Remove files of checkpoints, and the folders that TensorFlow leaves of one that it was killed
    over.
    """
    for file in files:
        if file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)


def keep_best(
    folder: Path, record: dict, model: tf_keras.Model, number: int, ap50: float | None
) -> None:
    """Write the model as best-<step>, then the record that names it, then remove the one before."""
    tf.train.Checkpoint(**model.checkpoint_items).write(str(folder / f"best-{number}"))
    record["best"] = {"step": number, "ap50": ap50}
    record["checkpoint"] = str(folder / f"best-{number}")
    write_run(folder, record)
    remove(file for file in folder.glob("best-*") if not file.name.startswith(f"best-{number}."))


def write_run(folder: Path, record: dict) -> None:
    """Write run.json, but for `checkpoint`: where it lies is found anew by whoever reads it."""
    write_text(
        folder / RUN_FILE,
        json.dumps({key: value for key, value in record.items() if key != "checkpoint"}, indent=1),
    )
