"""The keys of config.ini: name, allowed values, default of each, and how its text becomes a value.

A reader takes (text, path of the config file) and raises ValueError when the text is not allowed.
config_description.md says the same in words; a test compares the two.
"""

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from utils.reserved import AVERAGE, NULL

MODEL_NAMES = (
    "faster_rcnn_resnet50_fpn",
    "faster_rcnn_resnet18_fpn",
    "faster_rcnn_resnet101_fpn",
    "faster_rcnn_mobilenet_v2_fpn",
)
STRATEGIES = (
    "hybrid",
    "entropy",
    "least_confidence",
    "coreset",
    "confident",
    "disagreement",
    "random",
    "lowest_box",
)


@dataclass(frozen=True)
class Key:
    """A key of config.ini: its name, how its text becomes a value (ValueError: not allowed), what
    is allowed in words, its default.
    """

    name: str
    read: Callable[[str, Path], Any]
    allowed: str
    default: Any = None
    required: bool = False
    secret: bool = False


class Reason(ValueError):
    """A value that is not allowed, with a reason worth saying."""


def _text(text: str, _: Path) -> str:
    return text


def _bool(text: str, _: Path) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise ValueError
    return words[text.lower()]


def _number(
    low: float, high: float = math.inf, *, whole: bool = False
) -> Callable[[str, Path], Any]:
    def read(text: str, _: Path):
        value = int(text) if whole else float(text)
        if not low <= value <= high or math.isinf(value):
            raise ValueError
        return value

    return read


def _choice(*allowed: str) -> Callable[[str, Path], str]:
    def read(text: str, _: Path) -> str:
        if text.lower() not in allowed:
            raise ValueError
        return text.lower()

    return read


def _positive(text: str, _: Path, most: float = math.inf) -> float:
    value = float(text)
    if not 0 < value <= most or math.isinf(value):
        raise ValueError
    return value


def _hours(text: str, config: Path) -> float:
    return _positive(text, config, 1e6)  # a hundred years; Python's dates end somewhere


def _foreign(text: str) -> bool:
    """Whether a path is a Windows path and this is not Windows."""
    return os.name != "nt" and bool(re.match(r"^([A-Za-z]:[\\/]|\\\\)", text))


def _path(text: str, config: Path) -> Path:
    """A path of this machine; relative ones are relative to the config file."""
    if _foreign(text):
        raise Reason("a Windows path on another system")
    if "\0" in text:
        raise ValueError
    return Path(os.path.normpath(config.parent / os.path.expanduser(text)))


def _own_path(text: str, config: Path) -> Path | None:
    """A path of one machine only: None on a machine whose paths look different."""
    return None if _foreign(text) else _path(text, config)


def _path_text(text: str, config: Path) -> str:
    return str(_path(text, config))


def _checkpoint(text: str, config: Path) -> str:
    return "scratch" if text.lower() == "scratch" else _path_text(text, config)


def _label_map(text: str, config: Path) -> str:
    return "COCO" if text.lower() == "coco" else _path_text(text, config)


def is_address(text: str) -> bool:
    """Whether this is an http or https address of some host."""
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        return False


def _storage_url(text: str, config: Path) -> str:
    if text.lower().startswith("file:"):
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise ValueError
        return _path_text(url2pathname(parts.path), config)
    if "://" in text:
        if not is_address(text):
            raise ValueError
        return text if "?" in text else text.rstrip("/")
    return _path_text(text, config)


def _url(text: str, _: Path) -> str:
    if urlsplit(text).scheme not in ("http", "https", "file", "gs"):
        raise ValueError
    return text


def _folder(text: str, _: Path) -> str | None:
    return text.replace("\\", "/").strip("/") or None


def _classes(text: str, _: Path) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise Reason("an empty name between two commas")
    for name, use in (
        (NULL, "the mark of an image without boxes"),
        (AVERAGE, "the row of all classes together in the performance table"),
    ):
        if name in names:
            raise Reason(f"{name} is {use}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Reason(f"{', '.join(twice)} stands twice")
    return names


def _shares(text: str, _: Path) -> tuple[float, ...]:
    shares = tuple(float(share) for share in text.split(","))
    if any(not 0 <= share <= 1 for share in shares):
        raise ValueError
    return shares


def _model_name(text: str, _: Path) -> str:
    if text in MODEL_NAMES:
        return text
    if not text.startswith("faster_rcnn_"):
        raise ValueError
    return "faster_rcnn_resnet101_fpn" if "resnet101" in text else "faster_rcnn_resnet50_fpn"


_TRUE_FALSE = "allowed are True and False"
_FOLDER = "expected the path of a folder; a relative one is relative to the config file"
_FILE = "expected the path of a file; a relative one is relative to the config file"
_SHARE = "expected a share from 0 to 1, such as 0.2"
_URL = "expected an address that begins with https:// or http://"

KEYS: dict[str, Key] = {
    "azure_storage_account": Key(
        "AZURE_STORAGE_ACCOUNT", _text, "expected the name of your storage account", ""
    ),
    "azure_storage_key": Key(
        "AZURE_STORAGE_KEY", _text, "expected an access key of the storage account", "", secret=True
    ),
    "storage_url": Key(
        "storage_url",
        _storage_url,
        "expected nothing, an http(s) address of a storage account, or a folder",
        "",
    ),
    "image_container_name": Key(
        "image_container_name",
        _text,
        "expected the name of the container that holds the images",
        required=True,
    ),
    "label_container_name": Key(
        "label_container_name",
        _text,
        "expected the name of the container for labels and models",
        required=True,
    ),
    "user_folders": Key("user_folders", _bool, _TRUE_FALSE, False),
    "pred_dir": Key(
        "pred_dir", _folder, "expected a folder of the image container, or None for all"
    ),
    "filetype": Key("filetype", _text, "expected a pattern such as *.jpg", "*.jpg"),
    "classes": Key(
        "classes",
        _classes,
        "expected different names separated by commas, such as knots,defect",
        required=True,
    ),
    "tagging_location": Key(
        "tagging_location",
        _own_path,
        "expected a folder of this machine for the images that you review",
    ),
    "tagger_name": Key("tagger_name", _text, "expected a name", ""),
    "ideal_class_balance": Key(
        "ideal_class_balance",
        _shares,
        "expected shares from 0 to 1 separated by commas, such as 0.6,0.3,0.1",
        (),
    ),
    "pick_max": Key("pick_max", _bool, _TRUE_FALSE, False),
    "max_tags_per_pixel": Key(
        "max_tags_per_pixel",
        _number(1, whole=True),
        "expected a whole number from 1, or nothing for no limit",
    ),
    "reservation_hours": Key(
        "reservation_hours", _hours, "expected hours, more than 0 and at most 1000000", 72.0
    ),
    "selection_strategy": Key(
        "selection_strategy",
        _choice(*STRATEGIES),
        f"allowed are {', '.join(STRATEGIES)}",
        "lowest_box",
    ),
    "random_share": Key("random_share", _number(0, 1), _SHARE, 0.0),
    "max_per_burst": Key(
        "max_per_burst",
        _number(1, whole=True),
        "expected a whole number from 1, or nothing for no limit",
    ),
    "prelabel_confidence": Key(
        "prelabel_confidence",
        _number(0, 1),
        "expected a number from 0 to 1, or nothing for min_confidence",
    ),
    "data_dir": Key("data_dir", _path, _FOLDER),
    "train_dir": Key("train_dir", _path, _FOLDER),
    "inference_output_dir": Key("inference_output_dir", _path, _FOLDER),
    "download_location": Key("download_location", _path, _FOLDER),
    "image_dir": Key("image_dir", _path, _FOLDER),
    "untagged_output": Key("untagged_output", _path, _FILE),
    "tagged_output": Key("tagged_output", _path, _FILE),
    "tagged_predictions": Key("tagged_predictions", _path, _FILE),
    "test_output": Key("test_output", _path, _FILE),
    "validation_output": Key("validation_output", _path, _FILE),
    "tagging_output": Key("tagging_output", _path, _FILE),
    "label_map_path": Key("label_map_path", _path, _FILE),
    "tf_record_location": Key("tf_record_location", _path, _FILE),
    "model_name": Key(
        "model_name", _model_name, f"allowed are {', '.join(MODEL_NAMES)}", MODEL_NAMES[0]
    ),
    "train_iterations": Key(
        "train_iterations",
        _number(1, whole=True),
        "expected a whole number of training steps",
        10000,
    ),
    "eval_iterations": Key(
        "eval_iterations",
        _number(0, whole=True),
        "expected a whole number of batches; 0 or nothing = all",
        0,
    ),
    "min_tile_size": Key(
        "min_tile_size",
        _number(32, 16384, whole=True),
        "expected pixels from 32 to 16384, or None for 600",
        600,
    ),
    "max_tile_size": Key(
        "max_tile_size",
        _number(32, 16384, whole=True),
        "expected pixels from 32 to 16384, or None for 1024",
        1024,
    ),
    "batch_size": Key(
        "batch_size",
        _number(1, whole=True),
        "expected a whole number from 1, or nothing to have it chosen by device",
    ),
    "learning_rate": Key(
        "learning_rate",
        _positive,
        "expected a number above 0, or nothing to have it scaled with the batch",
    ),
    "seed": Key(
        "seed", _number(0, 2**31 - 1, whole=True), "expected a whole number from 0 to 2147483647", 0
    ),
    "tf_url": Key("tf_url", _url, _URL),
    "fine_tune_checkpoint": Key(
        "fine_tune_checkpoint", _checkpoint, "expected a TensorFlow checkpoint, scratch, or nothing"
    ),
    "warm_start": Key("warm_start", _bool, _TRUE_FALSE, False),
    "freeze_backbone": Key("freeze_backbone", _bool, _TRUE_FALSE, False),
    "detection_head": Key(
        "detection_head", _choice("light", "stock"), "allowed are light and stock", "light"
    ),
    "max_detections": Key(
        "max_detections",
        _number(1, 10000, whole=True),
        "expected a whole number from 1 to 10000",
        100,
    ),
    "test_percentage": Key("test_percentage", _number(0, 1), _SHARE, 0.2),
    "validation_percentage": Key("validation_percentage", _number(0, 1), _SHARE, 0.1),
    "split_by": Key(
        "split_by",
        _choice("burst", "folder", "image"),
        "allowed are burst, folder and image",
        "burst",
    ),
    "burst_seconds": Key("burst_seconds", _number(0), "expected seconds, 0 or more", 60.0),
    "add_vertical_flip": Key("add_vertical_flip", _bool, _TRUE_FALSE, False),
    "add_horizontal_flip": Key("add_horizontal_flip", _bool, _TRUE_FALSE, True),
    "add_crop_pad_image": Key("add_crop_pad_image", _bool, _TRUE_FALSE, False),
    "add_noise": Key("add_noise", _bool, _TRUE_FALSE, False),
    "pred_model_name": Key(
        "pred_model_name", _text, "expected a model in the label container, or None for the newest"
    ),
    "min_confidence": Key(
        "min_confidence", _number(0, 1), "expected a number from 0 to 1, such as 0.5", 0.5
    ),
    "tile": Key("tile", _bool, _TRUE_FALSE, False),
    "bfloat16": Key(
        "bfloat16", _choice("auto", "true", "false"), "allowed are auto, True and False", "auto"
    ),
    "init_model_name": Key("init_model_name", _text, "expected the name of a pretrained model"),
    "init_pred_tf_url": Key("init_pred_tf_url", _url, _URL),
    "init_model_graph": Key("init_model_graph", _path, _FILE),
    "init_label_map": Key(
        "init_label_map", _label_map, "expected COCO or the path of a label map", "COCO"
    ),
    "auto_retrain_images": Key(
        "auto_retrain_images", _number(1, whole=True), "expected a whole number from 1", 100
    ),
    "auto_retrain_hours": Key(
        "auto_retrain_hours", _hours, "expected hours, more than 0 and at most 1000000", 24.0
    ),
    "auto_poll_seconds": Key("auto_poll_seconds", _positive, "expected seconds, more than 0", 60.0),
}
# Where the pieces of a cycle lie when the file does not say so, below data_dir.
BELOW_DATA_DIR = {
    "train_dir": "training",
    "inference_output_dir": "inference_graphs",
    "download_location": "downloads",
    "image_dir": "AllImages",
    "untagged_output": "untagged.csv",
    "tagged_output": "tagged.csv",
    "tagged_predictions": "tagged_preds.csv",
    "test_output": "test.csv",
    "validation_output": "val.csv",
    "tagging_output": "tagging.csv",
    "label_map_path": "pascal_label_map.pbtxt",
    "tf_record_location": "stamps.record",
}
