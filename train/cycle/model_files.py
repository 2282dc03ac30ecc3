"""What is written beside a cycle's model; whether that of a training is there already."""

import hashlib
import json
from pathlib import Path

from train.cycle.files import exported_label_map, exported_model
from utils.config import Config
from utils.errors import InputError
from utils.files import write_text
from utils.json_shape import Check, check_shape, json_object, read_regular


def size_and_digest(model: Path) -> dict:
    """Its `bytes` and `md5`."""
    with model.open("rb") as content:
        digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
    return {"bytes": model.stat().st_size, "md5": digest.hexdigest()}


def write_description(config: Config, record: dict, exported: dict) -> None:
    """Write model.json. record: what training.json says; exported: `size_and_digest`."""
    text = json.dumps({**_what(record), **exported}, indent=1) + "\n"
    write_text(_description(config), text)


def is_written(config: Config, record: dict, cycle: dict) -> bool:
    """Has this cycle written the model of this training already, and is it whole?"""
    try:
        description = json_object(read_regular(_description(config)))
        labels = exported_label_map(config).read_bytes()
        return (
            description == {**_what(record), **size_and_digest(exported_model(config))}
            and cycle.get("export", {}).get("md5") == description["md5"]
            and labels == config.label_map_path.read_bytes()
        )
    except (OSError, ValueError):
        return False


def read_written(file: Path, check: Check) -> dict:
    """What training has written there. Raises InputError when it is gone or damaged."""
    try:
        document = json_object(read_regular(file))
        check_shape(document, check)
    except (FileNotFoundError, ValueError) as error:
        raise InputError(
            f"{file}: gone or damaged ({error}); train again (--from train_detector)"
        ) from None
    return document


def _what(record: dict) -> dict:
    return {name: record[name] for name in ("settings", "fingerprint", "best")}


def _description(config: Config) -> Path:
    return config.inference_output_dir / "model.json"
