"""config.ini as one frozen, typed object: the file and the environment read, checked and completed.

The keys stand in config_keys, the syntax of the file in config_file.
"""

import difflib
import getpass
import math
import os
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from utils.config import syntax
from utils.config.keys import BELOW_DATA_DIR, KEYS, MODEL_NAMES, Key, Reason, is_address
from utils.errors import InputError

WITHOUT_MEANING = frozenset(
    """tf_models_location python_file_directory optional_pipeline_url pipeline_file
    old_label_path old_train_path old_val_path old_checkpoint_path num_examples_marker
    num_steps_marker num_classes_marker num_classes tf_location tf_location_legacy
    tf_train_record tf_val_record pythonpath training_key prediction_key project_id""".split()
)
_ENVIRONMENT = (
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_SAS_TOKEN_IMAGES",
    "AZURE_STORAGE_SAS_TOKEN_LABELS",
)
_NAMES = ("azure_storage_account", "image_container_name", "label_container_name")
# set by the runner after the first step, so that a run prints its notices once
QUIET = "ACTIVE_LEARNING_NOTICES_SHOWN"
# The same as a file would say it, for references to keys that are not written down.
_PLACES = {
    key: syntax.Entry(key, text, False, 0)
    for key, text in {
        "data_dir": "data",
        **{key: "${data_dir}/" + below for key, below in BELOW_DATA_DIR.items()},
    }.items()
}


@dataclass(frozen=True)
class Config:
    """What config.ini says, with defaults filled in. All paths are absolute; the meaning of each
    field is in config_description.md.
    """

    path: Path
    azure_storage_account: str
    azure_storage_key: str = field(repr=False)
    connection_string: str = field(repr=False)
    sas_token_images: str = field(repr=False)
    sas_token_labels: str = field(repr=False)
    storage_url: str
    image_container_name: str
    label_container_name: str
    user_folders: bool
    pred_dir: str | None
    filetype: str
    classes: tuple[str, ...]
    tagging_location: Path | None
    tagger_name: str
    ideal_class_balance: tuple[float, ...]
    pick_max: bool
    max_tags_per_pixel: int | None
    reservation_hours: float
    selection_strategy: str
    random_share: float
    max_per_burst: int | None
    prelabel_confidence: float
    data_dir: Path
    train_dir: Path
    inference_output_dir: Path
    download_location: Path
    image_dir: Path
    untagged_output: Path
    tagged_output: Path
    tagged_predictions: Path
    test_output: Path
    validation_output: Path
    tagging_output: Path
    label_map_path: Path
    tf_record_location: Path
    model_name: str
    train_iterations: int
    eval_iterations: int
    min_tile_size: int
    max_tile_size: int
    batch_size: int | None
    learning_rate: float | None
    seed: int
    tf_url: str | None
    fine_tune_checkpoint: str | None
    warm_start: bool
    freeze_backbone: bool
    detection_head: str
    max_detections: int
    test_percentage: float
    validation_percentage: float
    split_by: str
    burst_seconds: float
    add_vertical_flip: bool
    add_horizontal_flip: bool
    add_crop_pad_image: bool
    add_noise: bool
    pred_model_name: str | None
    min_confidence: float
    tile: bool
    bfloat16: str
    init_model_name: str | None
    init_pred_tf_url: str | None
    init_model_graph: Path | None
    init_label_map: str
    auto_retrain_images: int
    auto_retrain_hours: float
    auto_poll_seconds: float
    written: Mapping[str, str] = field(repr=False, default_factory=dict)

    def need(self, key: str) -> Any:
        """The value of a key that this program cannot do without; InputError saying what stands
        there instead when it is not filled in.
        """
        value = getattr(self, key)
        if value not in (None, "", ()):
            return value
        spec = KEYS[key]
        found = self.written.get(key, "")
        problem = (
            f"={found} cannot be used here" if found and not spec.secret else " is not filled in"
        )
        raise InputError(f"{self.path}: {spec.name}{problem}; {spec.allowed}")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret text, for those who must make sure that it does not come out."""
        return tuple(
            filter(
                None,
                (
                    self.azure_storage_key,
                    self.connection_string,
                    self.sas_token_images,
                    self.sas_token_labels,
                ),
            )
        )

    def public_text(self) -> str:
        """All settings as the text of a config file, without secrets: what a cycle publishes as
        `config_<ms>.ini`.
        """
        lines = ["# settings in force, without secrets"]
        for key, spec in KEYS.items():
            if not spec.secret:
                lines.append(
                    f"{spec.name}={syntax.quote(_without_query(_as_text(getattr(self, key))))}"
                )
        text = "\n".join(lines) + "\n"
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def load_config(path: str | Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a config file, of this generation or the earlier one. Notices go to stderr, one line
    each.

    Raises InputError naming file, key, value and what is allowed.
    """
    config, notices = read_config(path, environ)
    if not environ.get(QUIET):
        for notice in notices:
            print(notice, file=sys.stderr)
    return config


def read_config(
    path: str | Path, environ: Mapping[str, str] = os.environ
) -> tuple[Config, list[str]]:
    """As load_config, but hands the notices back instead of printing them."""
    path = Path(os.path.expanduser(path))
    path = Path(os.path.realpath(path.parent)) / path.name
    text, notices = syntax.read_text(path)
    entries, warnings = syntax.parse(text, path)
    notices += warnings + _unknown_keys(path, entries)
    reader = _Reader(path, entries, environ, notices)
    values = {key: reader.value(key, spec) for key, spec in KEYS.items()}
    values.update(_credentials(path, values, entries, environ))
    values["storage_url"], query = _split_query(values["storage_url"])
    for key in ("sas_token_images", "sas_token_labels"):
        values[key] = values[key] or query
    if values["prelabel_confidence"] is None:
        values["prelabel_confidence"] = values["min_confidence"]
    data_dir = values["data_dir"] = values["data_dir"] or path.parent / "data"
    for key, below in BELOW_DATA_DIR.items():
        values[key] = values[key] or data_dir / below
    _check_together(path, values)
    _model_settings(path, values, reader.written, notices)
    values["tagger_name"] = values["tagger_name"] or _user_at_host()
    return Config(path=path, written=reader.written, **values), notices


class _Reader:
    """Turns the entries of one file into values; remembers what was written for messages."""

    def __init__(
        self,
        path: Path,
        entries: Mapping[str, syntax.Entry],
        environ: Mapping[str, str],
        notices: list[str],
    ):
        self.path, self.entries, self.environ, self.notices = path, entries, environ, notices
        self.written: dict[str, str] = {}

    def value(self, key: str, spec: Key) -> Any:
        name = spec.name.lower()
        try:
            text = (
                syntax.expand(name, {**_PLACES, **self.entries}, self.environ).strip()
                if name in self.entries
                else ""
            )
        except LookupError as error:
            shown = "(not shown)" if spec.secret else self.entries[name].text
            raise InputError(
                f"{self.path}: {spec.name}={shown} refers to {error.args[0]}"
            ) from None
        if not spec.secret and _holds_a_key(key, text):
            raise InputError(
                f"{self.path}: {spec.name}=(not shown) has a key in it, such as a connection string"
                f" or a SAS address has; {spec.allowed}. Keys may stand in AZURE_STORAGE_KEY and in"
                " the environment"
            )
        self.written[key] = "" if spec.secret else text
        if text.lower() in ("", "none"):
            if spec.required:
                found = (
                    f"{spec.name}={text} is empty"
                    if name in self.entries
                    else f"{spec.name} is missing"
                )
                raise InputError(f"{self.path}: {found}; {spec.allowed}")
            return spec.default
        if re.fullmatch(r"<[^<>]*>", text):
            if spec.required:
                raise InputError(
                    f"{self.path}: {spec.name}={text} is a placeholder; {spec.allowed}"
                )
            return spec.default
        try:
            return spec.read(text, self.path)
        except ValueError as error:
            shown = "(not shown)" if spec.secret else _without_query(text)
            detail = f" ({error})" if isinstance(error, Reason) else ""
            raise InputError(
                f"{self.path}: {spec.name}={shown}{detail} is not allowed; {spec.allowed}"
            ) from None


def _unknown_keys(path: Path, entries: Mapping[str, syntax.Entry]) -> list[str]:
    known = {spec.name.lower(): spec.name for spec in KEYS.values()}
    stale = [entry.name for key, entry in entries.items() if key in WITHOUT_MEANING]
    notices = [f"{path}: no meaning any more, may be deleted: {', '.join(stale)}"] if stale else []
    for key, entry in entries.items():
        if key not in known and key not in WITHOUT_MEANING:
            near = difflib.get_close_matches(key, known, n=1)
            hint = (
                "it counts only in the environment"
                if key.upper() in _ENVIRONMENT
                else (
                    f"did you mean {known[near[0]]}?"
                    if near
                    else "config_description.md lists the keys"
                )
            )
            notices.append(f"{path}, line {entry.line}: unknown key {entry.name}, ignored; {hint}")
    return notices


def _credentials(
    path: Path, values: Mapping[str, Any], entries, environ: Mapping[str, str]
) -> dict[str, str]:
    """Account and secrets: the environment wins over the file. A connection string of another
    account is an error.
    """
    common, account = (
        environ.get(name, "") for name in ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_ACCOUNT")
    )
    if _holds_a_key("azure_storage_account", account):
        raise InputError(
            "AZURE_STORAGE_ACCOUNT=(not shown) of the environment has a key in it; expected the"
            " name of your storage account"
        )
    found = {
        "azure_storage_account": account or values["azure_storage_account"],
        "azure_storage_key": environ.get("AZURE_STORAGE_KEY") or values["azure_storage_key"],
        "connection_string": environ.get("AZURE_STORAGE_CONNECTION_STRING", ""),
        "sas_token_images": (environ.get("AZURE_STORAGE_SAS_TOKEN_IMAGES") or common).lstrip("?"),
        "sas_token_labels": (environ.get("AZURE_STORAGE_SAS_TOKEN_LABELS") or common).lstrip("?"),
    }
    if found["connection_string"]:
        parts = dict(
            part.split("=", 1)
            for part in found["connection_string"].strip().split(";")
            if "=" in part
        )
        if not is_address(parts.get("BlobEndpoint", "https://x")):
            raise InputError(
                "AZURE_STORAGE_CONNECTION_STRING: its BlobEndpoint is no http(s) address; copy it"
                " whole from the portal (Access keys)"
            )
        named = parts.get("AccountName") or _account_of(parts.get("BlobEndpoint", ""))
        if not named:
            raise InputError(
                "AZURE_STORAGE_CONNECTION_STRING: no AccountName in it; copy it whole from the"
                " portal (Access keys)"
            )
        if found["azure_storage_account"] and named != found["azure_storage_account"]:
            raise InputError(
                f"{path}: AZURE_STORAGE_ACCOUNT={found['azure_storage_account']}, but"
                f" AZURE_STORAGE_CONNECTION_STRING of the environment is of the account {named};"
                " unset the one that is wrong"
            )
        found["azure_storage_account"] = named
    return found


def _holds_a_key(key: str, text: str) -> bool:
    """Is a secret in a value that is shown in messages? The query of an address is not shown, so it
    may stand where addresses may.
    """
    return bool(
        re.search(r"AccountKey=|SharedAccessSignature=", text, re.IGNORECASE)
        or key in _NAMES
        and re.search(r"\bsig=", text, re.IGNORECASE)
    )


def _account_of(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    return (
        host.split(".")[0]
        if host.endswith(".net") or host.endswith(".com")
        else parts.path.strip("/").split("/")[0]
    )


def _check_together(path: Path, values: Mapping[str, Any]) -> None:
    shares, classes = values["ideal_class_balance"], values["classes"]
    if shares and len(shares) != len(classes) + 1:
        raise InputError(
            f"{path}: ideal_class_balance={_as_text(shares)} has {len(shares)} shares; expected"
            f" {len(classes) + 1}: one for each of the {len(classes)} classes, then the share of"
            " images without detections"
        )
    if shares and abs(math.fsum(shares) - 1) > 0.01 + 1e-9:
        raise InputError(
            f"{path}: ideal_class_balance={_as_text(shares)} sums to {math.fsum(shares):g};"
            " expected 1 (0.99 to 1.01)"
        )
    if values["min_tile_size"] > values["max_tile_size"]:
        raise InputError(
            f"{path}: min_tile_size={values['min_tile_size']} is larger than"
            f" max_tile_size={values['max_tile_size']}; expected the shorter and the longer side of"
            " what the model sees"
        )
    if values["image_container_name"] == values["label_container_name"]:
        raise InputError(
            f"{path}: label_container_name={values['label_container_name']} is the image container"
            " too; expected another"
        )


def _model_settings(
    path: Path, values: dict[str, Any], written: Mapping[str, str], notices: list[str]
) -> None:
    """What old files say about the model means ours: unknown zoo names and TF1 archives become the
    defaults, each with one notice.
    """
    name = written["model_name"]
    if (
        name.startswith("faster_rcnn_")
        and name not in MODEL_NAMES
        and "resnet50" not in name
        and "resnet101" not in name
    ):
        notices.append(
            f"{path}: model_name={name} is not available any more; {values['model_name']} is used"
        )
    url, checkpoint = values["tf_url"], values["fine_tune_checkpoint"]
    old_url = bool(url) and "/object_detection/" in url and "/tf2/" not in url
    if old_url:
        values["tf_url"] = None
    old_checkpoint = (
        checkpoint not in (None, "scratch")
        and Path(checkpoint).name == "model.ckpt"
        and values["tf_url"] is None
        and Path(checkpoint).is_relative_to(values["download_location"])
        and not Path(checkpoint + ".index").exists()
    )
    if old_checkpoint:
        values["fine_tune_checkpoint"] = None
    if old_url or old_checkpoint:
        keys = " and ".join(
            key
            for key, old in (("tf_url", old_url), ("fine_tune_checkpoint", old_checkpoint))
            if old
        )
        notices.append(
            f"{path}: {keys} name a TF1 archive that can no longer be loaded; the default"
            " pretrained weights are used"
        )


def _user_at_host() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "user"
    return f"{user}@{socket.gethostname()}"


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(_as_text(item) for item in value)
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _split_query(url: str) -> tuple[str, str]:
    """An address without its query, and the query (a SAS token)."""
    if "://" not in url or "?" not in url:
        return url, ""
    base, _, query = url.partition("?")
    return base.rstrip("/"), query


def _without_query(text: str) -> str:
    """An address without what may be secret in it: the query, a user and a password. It need not be
    a possible address.
    """
    if "://" not in text:
        return text
    scheme, _, rest = re.split(r"[?#]", text, maxsplit=1)[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
