"""Every key of config.ini, once: the field of Config carries its reader, its words, its default.

config_description.md says the same to people; a test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.config import legacy
from utils.config.keys import (
    ANNOTATION_TOOLS,
    MODEL_NAMES,
    above_zero,
    address,
    any_text,
    blob_folder,
    checkpoint,
    class_names,
    cluster_address,
    coco_or_path,
    hours,
    key,
    keys_of,
    local_path,
    number,
    number_or_auto,
    one_of,
    own_path,
    shares,
    store_address,
    tagger,
    true_or_false,
)
from utils.config.shown import as_text, without_query
from utils.config.syntax import quote
from utils.errors import InputError
from utils.masking import masked
from utils.strategies import STRATEGIES

_TRUE_FALSE = "allowed are True and False"
_FOLDER = "expected the path of a folder; a relative one is relative to the config file"
_FILE = "expected the path of a file; a relative one is relative to the config file"
_SHARE = "expected a share from 0 to 1, such as 0.2"
_ADDRESS = "expected an address that begins with https:// or http://"
_LIMIT = "expected a whole number from 1, or nothing for no limit"
_SECONDS = "expected seconds from 0 to 3600"
_HOURS = "expected hours, more than 0 and at most 1000000"


@dataclass(frozen=True, kw_only=True)
class Config:
    """What config.ini says, with defaults filled in. All paths are absolute; the meaning of each
    key is in config_description.md.
    """

    # Where it comes from: the file, and the text of each key as it stands there.
    path: Path
    written: Mapping[str, str] = field(repr=False, default_factory=dict)

    # Only ever in the environment.
    connection_string: str = field(repr=False)
    sas_token_images: str = field(repr=False)
    sas_token_labels: str = field(repr=False)

    # Both machines: storage.
    azure_storage_account: str = key(
        any_text, "expected the name of your storage account", "", name="AZURE_STORAGE_ACCOUNT"
    )
    azure_storage_key: str = key(
        any_text,
        "expected an access key of the storage account",
        "",
        name="AZURE_STORAGE_KEY",
        secret=True,
    )
    storage_url: str = key(
        store_address,
        "expected nothing, an http(s) address of a storage account, or a folder",
        "",
    )
    image_location: Path | None = key(
        local_path,
        "expected the folder in which the images lie, for a project without Azure; a relative one"
        " is relative to the config file",
    )
    image_container_name: str = key(
        any_text, "expected the name of the container that holds the images", ""
    )
    label_container_name: str = key(
        any_text, "expected the name of the container for labels and models", required=True
    )
    user_folders: bool = key(true_or_false, _TRUE_FALSE, False)
    pred_dir: str | None = key(
        blob_folder, "expected a folder of the image container, or None for all"
    )
    filetype: str = key(any_text, "expected patterns such as *.jpg,*.png", "*.jpg")
    classes: tuple[str, ...] = key(
        class_names,
        "expected different names separated by commas, such as knots,defect",
        required=True,
    )

    # Annotator's machine.
    tagging_location: Path | None = key(
        own_path, "expected a folder of this machine for the images that you review"
    )
    tagger_name: str = key(
        tagger, "expected a name of at most 100 characters, without control characters", ""
    )
    annotation_tool: str = key(
        one_of(*ANNOTATION_TOOLS), f"allowed are {', '.join(ANNOTATION_TOOLS)}", "vott"
    )
    ideal_class_balance: tuple[float, ...] = key(
        shares, "expected shares from 0 to 1 separated by commas, such as 0.6,0.3,0.1", ()
    )
    pick_max: bool = key(true_or_false, _TRUE_FALSE, False)
    max_tags_per_pixel: int | None = key(number(1, whole=True), _LIMIT)
    reservation_hours: float = key(hours, _HOURS, 72.0)
    selection_strategy: str = key(
        one_of(*STRATEGIES), f"allowed are {', '.join(STRATEGIES)}", "lowest_box"
    )
    random_share: float = key(number(0, 1), _SHARE, 0.0)
    max_per_burst: int | None = key(number(1, whole=True), _LIMIT)
    prelabel_confidence: float | str = key(
        number_or_auto(0, 1),
        "expected auto, a number from 0 to 1, or nothing for min_confidence",
    )
    seconds_look: float = key(number(0, 3600), _SECONDS, 5.0)
    seconds_keep: float = key(number(0, 3600), _SECONDS, 2.0)
    seconds_change: float = key(number(0, 3600), _SECONDS, 6.0)
    seconds_draw: float = key(number(0, 3600), _SECONDS, 7.0)
    seconds_delete: float = key(number(0, 3600), _SECONDS, 2.0)

    # Training machine: where things lie.
    data_dir: Path = key(local_path, _FOLDER)
    train_dir: Path = key(local_path, _FOLDER, below="training")
    inference_output_dir: Path = key(local_path, _FOLDER, below="inference_graphs")
    download_location: Path = key(local_path, _FOLDER, below="downloads")
    image_dir: Path = key(local_path, _FOLDER, below="AllImages")
    keep_images: str = key(one_of("labelled", "all"), "allowed are labelled and all", "all")
    untagged_output: Path = key(local_path, _FILE, below="untagged.csv")
    tagged_output: Path = key(local_path, _FILE, below="tagged.csv")
    tagged_predictions: Path = key(local_path, _FILE, below="tagged_preds.csv")
    test_output: Path = key(local_path, _FILE, below="test.csv")
    validation_output: Path = key(local_path, _FILE, below="val.csv")
    tagging_output: Path = key(local_path, _FILE, below="tagging.csv")
    label_map_path: Path = key(local_path, _FILE, below="pascal_label_map.pbtxt")
    tf_record_location: Path = key(local_path, _FILE, below="stamps.record")

    # Training machine: the model.
    model_name: str = key(
        legacy.model_name, f"allowed are {', '.join(MODEL_NAMES)}", MODEL_NAMES[0]
    )
    train_iterations: int | str = key(
        number_or_auto(1, whole=True),
        "expected auto, or a whole number of training steps",
        10000,
    )
    train_minutes: float | None = key(
        above_zero, "expected minutes, more than 0, or nothing for no limit"
    )
    eval_iterations: int = key(
        number(0, whole=True), "expected a whole number of batches; 0 or nothing = all", 0
    )
    min_tile_size: int = key(
        number(32, 16384, whole=True), "expected pixels from 32 to 16384, or None for 600", 600
    )
    max_tile_size: int = key(
        number(32, 16384, whole=True), "expected pixels from 32 to 16384, or None for 1024", 1024
    )
    batch_size: int | None = key(
        number(1, whole=True),
        "expected a whole number from 1, or nothing to have it chosen by device",
    )
    learning_rate: float | None = key(
        above_zero, "expected a number above 0, or nothing to have it scaled with the batch"
    )
    seed: int = key(
        number(0, 2**31 - 1, whole=True), "expected a whole number from 0 to 2147483647", 0
    )
    tf_url: str | None = key(address, _ADDRESS)
    fine_tune_checkpoint: str | None = key(
        checkpoint, "expected a TensorFlow checkpoint, scratch, or nothing"
    )
    warm_start: bool = key(true_or_false, _TRUE_FALSE, False)
    freeze_backbone: bool = key(true_or_false, _TRUE_FALSE, False)
    fine_tuning: str = key(one_of("all", "gentle"), "allowed are all and gentle", "all")
    balance_empty: bool = key(true_or_false, _TRUE_FALSE, False)
    detection_head: str = key(one_of("light", "stock"), "allowed are light and stock", "light")
    max_detections: int = key(
        number(1, 10000, whole=True), "expected a whole number from 1 to 10000", 100
    )
    test_percentage: float = key(number(0, 1), _SHARE, 0.2)
    validation_percentage: float = key(number(0, 1), _SHARE, 0.1)
    split_by: str = key(
        one_of("burst", "folder", "image"), "allowed are burst, folder and image", "burst"
    )
    burst_seconds: float = key(number(0), "expected seconds, 0 or more", 60.0)
    add_vertical_flip: bool = key(true_or_false, _TRUE_FALSE, False)
    add_horizontal_flip: bool = key(true_or_false, _TRUE_FALSE, True)
    add_crop_pad_image: bool = key(true_or_false, _TRUE_FALSE, False)
    add_noise: bool = key(true_or_false, _TRUE_FALSE, False)
    add_zoom: bool = key(true_or_false, _TRUE_FALSE, False)
    add_quarter_turns: bool = key(true_or_false, _TRUE_FALSE, False)

    # Training machine: prediction.
    pred_model_name: str | None = key(
        any_text, "expected a model in the label container, or None for the newest"
    )
    min_confidence: float = key(number(0, 1), "expected a number from 0 to 1, such as 0.5", 0.5)
    tile: bool = key(true_or_false, _TRUE_FALSE, False)
    bfloat16: str = key(one_of("auto", "true", "false"), "allowed are auto, True and False", "auto")

    prediction_engine: str = key(one_of("local", "ray"), "allowed are local and ray", "local")
    ray_address: str = key(
        cluster_address,
        "expected auto or host:port of a Ray cluster, or nothing for one on this machine",
        "",
    )
    ray_gpus_per_worker: float = key(
        number(0, 64), "expected the GPUs of a worker, such as 1 or 0.5; 0 for none", 0.0
    )

    # Training machine: a pretrained model for the first predictions.
    init_model_name: str | None = key(any_text, "expected the name of a pretrained model")
    init_pred_tf_url: str | None = key(address, _ADDRESS)
    init_model_graph: Path | None = key(local_path, _FILE)
    init_label_map: str = key(coco_or_path, "expected COCO or the path of a label map", "COCO")

    # Training machine: training by itself.
    auto_retrain_images: int = key(number(1, whole=True), "expected a whole number from 1", 100)
    auto_retrain_hours: float = key(hours, _HOURS, 24.0)
    auto_poll_seconds: float = key(above_zero, "expected seconds, more than 0", 60.0)

    def need(self, name: str) -> Any:
        """The value of a key that this program cannot do without; InputError saying what stands
        there instead when it is not filled in.
        """
        value = getattr(self, name)
        if value not in (None, "", ()):
            return value

        spec = KEYS[name]
        found = "" if spec.secret else self.written.get(name, "")
        problem = f"={found} cannot be used here" if found else " is not filled in"
        raise InputError(f"{self.path}: {spec.name}{problem}; {spec.allowed}")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret text, for those who must make sure that it does not come out."""
        texts = (
            self.azure_storage_key,
            self.connection_string,
            self.sas_token_images,
            self.sas_token_labels,
        )
        return tuple(filter(None, texts))

    def public_text(self) -> str:
        """All settings as the text of a config file, without secrets: what a cycle publishes as
        `config_<ms>.ini`.
        """
        lines = ["# settings in force, without secrets"]
        for name, spec in KEYS.items():
            if not spec.secret:
                value = masked(without_query(as_text(getattr(self, name))))
                lines.append(f"{spec.name}={quote(value)}")
        return "\n".join(lines) + "\n"


KEYS = keys_of(Config)
