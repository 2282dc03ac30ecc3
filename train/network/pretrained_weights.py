"""What training starts from: published weights, a checkpoint or a published model that somebody
names, or nothing; and how much of it fits the network.

Published weights are fetched into `download_location` once. The addresses are those of
tf-models-official; tf_url in config.ini names another: a checkpoint prefix (its .index and
.data-00000-of-00001 are fetched; a `#sha256=…` is that of the latter) or an archive with a
checkpoint in it.
"""

import dataclasses
import glob
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
import tf_keras

from train.network import model_weights
from train.network.fetch import (
    fetch_archive,
    fetch_url,
    is_archive,
    place_for,
    shown,
    split_checksum,
)
from train.network.foreign_models import foreign_model
from train.network.head_weights import PART, classes_of, load_head
from train.network.named_weights import load_named
from utils.config.checkpoints import SCRATCH, lies_here
from utils.errors import InputError, OutsideError

_PUBLISHED = "https://storage.googleapis.com/"
# ImageNet backbones, as tf-models-official names them: the experiment's own default, the page
# MODEL_GARDEN.md, the tutorial on instance
# segmentation. There is none for resnet18: it starts from nothing unless config.ini names a
# checkpoint.
DEFAULT_URLS = {
    "faster_rcnn_resnet50_fpn": (
        _PUBLISHED + "cloud-tpu-checkpoints/vision-2.0/resnet50_imagenet/ckpt-28080"
    ),
    "faster_rcnn_resnet101_fpn": (
        _PUBLISHED + "tf_model_garden/vision/resnet/resnet-101-i224.tar.gz"
    ),
    "faster_rcnn_mobilenet_v2_fpn": (
        _PUBLISHED + "tf_model_garden/vision/mobilenet/v2_1.0_float/ckpt-180648"
    ),
}
CHECKSUMS: dict[str, str] = {}  # SHA-256 by address of a file, where one is known
_DATA = ".data-00000-of-00001"
_VALUE, _SLOT = "/.ATTRIBUTES/VARIABLE_VALUE", "/.OPTIMIZER_SLOT/"
# where the parts lie in a checkpoint: of a network of ours, of tf-models' Faster and Mask R-CNN, of
# its RetinaNet
_ROOTS = ("", "model/", "model/_")
_BY_LEVEL = ("decoder", "rpn_head")  # their layers are named after the levels of the pyramid


@dataclasses.dataclass(frozen=True)
class Start:
    """Where training starts. `prefix` is a checkpoint on this disk, None = from scratch; `said`
    names it for people and records; `same_ids`: it is of this project, where a class keeps its id
    whatever it is called.
    """

    prefix: str | None
    said: str
    same_ids: bool = False


def choose_start(
    model_name: str, fine_tune_checkpoint: str | None, tf_url: str | None, download_location: Path
) -> Start:
    """The checkpoint that config.ini means, fetched if need be.

    Raises InputError when it is not there, OutsideError (with what to put where) when it cannot be
    fetched.
    """
    if fine_tune_checkpoint and fine_tune_checkpoint.lower() == SCRATCH:
        return Start(None, SCRATCH)
    if fine_tune_checkpoint and not (tf_url and not lies_here(fine_tune_checkpoint)):
        model = Path(fine_tune_checkpoint)
        if model.suffix == model_weights.ENDING and model.is_file():
            prefix = model_weights.as_checkpoint(model, download_location)
            return Start(prefix, f"fine_tune_checkpoint {model}")
        prefix = checkpoint_prefix(fine_tune_checkpoint)
        return Start(prefix, f"fine_tune_checkpoint {prefix}")
    url = tf_url or DEFAULT_URLS.get(model_name)
    if url is None:
        return Start(None, f"{SCRATCH} (no pretrained weights are published for {model_name})")
    try:
        return Start(_fetched(url, download_location), f"pretrained weights {shown(url)}")
    except OutsideError as error:
        raise OutsideError(
            f"{error}. Or set fine_tune_checkpoint to a checkpoint on this machine, or to {SCRATCH}"
        ) from None


def checkpoint_prefix(path: str) -> str:
    """The prefix of the checkpoint that a person means: a prefix, its .index file, or a folder with
    checkpoints (the newest).
    """
    given = path.removesuffix(".index").removesuffix(_DATA)
    if Path(given + ".index").is_file():
        if not list(Path(given).parent.glob(glob.escape(Path(given).name) + ".data-*")):
            raise InputError(
                f"{given}.index: the weights are missing, {Path(given).name}{_DATA} does not lie"
                " beside it; copy it there too"
            )
        return given
    folder = Path(given)
    if folder.is_file() and (what := foreign_model(folder)):
        raise InputError(f"{path}: {what}; expected a TensorFlow checkpoint")
    if folder.is_dir():
        newest = tf.train.latest_checkpoint(given)
        if newest and Path(newest + ".index").is_file():
            return newest
        found = sorted(folder.rglob("*.index"), key=lambda file: (file.stat().st_mtime, file.name))
        if found:
            return str(found[-1]).removesuffix(".index")
    raise InputError(
        f"{path}: no TensorFlow checkpoint; expected a prefix (beside which NAME.index and"
        f" NAME{_DATA} lie), a folder with one, or {SCRATCH}"
    )


def is_folded(start: Start) -> bool:
    """Whether the backbone's normalisation has been folded into its offsets: all its means are 0,
    all its variances 1. Trained with the statistics of small batches, such weights lose their
    meaning. (A network that was never trained has offsets of 0 too.)
    """
    if start.prefix is None:
        return False
    try:
        reader = tf.train.load_checkpoint(start.prefix)
        names = [name for name in reader.get_variable_to_shape_map() if "backbone/" in name]
        values = {
            kind: [reader.get_tensor(name) for name in names if f"/{kind}/" in name]
            for kind in ("moving_mean", "moving_variance", "beta")
        }
    except (ValueError, IndexError, tf.errors.OpError):
        return False  # `load` says what is wrong with it
    return (
        bool(values["moving_mean"])
        and all((mean == 0).all() for mean in values["moving_mean"])
        and all((variance == 1).all() for variance in values["moving_variance"])
        and any(beta.any() for beta in values["beta"])
    )


def load(model: tf_keras.Model, start: Start, classes: Mapping[str, int] | None = None) -> str:
    """Load what fits of the checkpoint into the network; returns a sentence that says what and how
    many variables.

    Each part of the network (backbone, decoder, rpn_head, detection_head) is loaded whole or stays
    as it was; in the checkpoint it lies at the top or below `model`. Of a pyramid with other
    levels, and of its proposal network, what fits is loaded. Of a head for other `classes` ({name:
    id} of this network; None: they do not matter) everything is loaded that does not depend on
    them, and the weights of those that both know. Raises InputError when nothing fits.
    """
    if start.prefix is None:
        return f"starting from {start.said}"
    try:
        names = [name for name, _ in tf.train.list_variables(start.prefix)]
    except (ValueError, tf.errors.OpError) as error:
        raise InputError(
            f"{start.prefix}: not a readable TensorFlow checkpoint ({str(error)[:150]})"
        ) from None
    loaded, left, parts, of_classes = {}, [], set(), ""
    known = classes if start.same_ids else None
    for name, part in model.checkpoint_items.items():
        variables = _variables(part)
        adapted = classes is not None and name == PART
        whole = not (adapted and _has_other_classes(start, classes)) and any(
            _load_part(start.prefix, root, name, part, variables, names) for root in _ROOTS
        )
        if whole:
            loaded[name] = len(variables)
        elif adapted and (found := load_head(start.prefix, part, classes, known)):
            loaded[name], kept = found
            of_classes = f"; of the classes it knows {', '.join(kept) or 'none'}"
        elif name in _BY_LEVEL and (
            number := load_named(start.prefix, [f"{root}{name}/" for root in _ROOTS], variables)
        ):
            loaded[name] = number
            parts.add(name)
        else:
            left.append(name)
    if not loaded:
        tops = sorted(
            {"/".join(name.split("/")[:2]) for name in names if "OBJECT_GRAPH" not in name}
        )[:6]
        wanted = ", ".join(
            f"{name} ({len(_variables(part))} variables)"
            for name, part in model.checkpoint_items.items()
        )
        raise InputError(
            f"{start.prefix}: 0 of {len(names)} variables fit this network; it holds"
            f" {', '.join(tops)}…, the network has {wanted}. Is it another model_name's?"
            f" fine_tune_checkpoint={SCRATCH} starts without"
        )
    whole = (
        "the whole model"
        if not left and not parts and not of_classes
        else ", ".join(
            f"{name} ({number} of {len(_variables(model.checkpoint_items[name]))})"
            if name in parts
            else f"{name} ({number})"
            for name, number in loaded.items()
        )
    )
    total = sum(len(_variables(part)) for part in model.checkpoint_items.values())
    rest = f"; new: {', '.join(left)}" if left else ""
    return (
        f"starting from {start.said}: {whole}, {sum(loaded.values())} of {total}"
        f" variables{of_classes}{rest}"
    )


def _has_other_classes(start: Start, classes: Mapping[str, int]) -> bool:
    """Is it known that the checkpoint's head is for other classes, or has them in another order?"""
    known = {} if start.same_ids else classes_of(start.prefix)
    return bool(known) and known != dict(classes)


def _load_part(prefix: str, root: str, name: str, part, variables: list, names: list[str]) -> bool:
    place = f"{root}{name}/"
    there = [key for key in names if key.startswith(place) and key.endswith(_VALUE)]
    there = [key for key in there if _SLOT not in key]
    # layers of a pyramid are numbered: with other levels, one would get the weights of another
    if not there or (name in _BY_LEVEL and len(there) != len(variables)):
        return False
    before = [variable.numpy() for variable in variables]
    try:
        reader = tf.train.Checkpoint(**{place.split("/")[-2]: part})
        if "/" in root:
            reader = tf.train.Checkpoint(model=reader)
        reader.read(prefix).expect_partial().assert_existing_objects_matched()
    except IndexError as error:
        raise InputError(
            f"{prefix}{_DATA}: cut short ({str(error)[:100]}); copy the checkpoint anew"
        ) from None
    except (ValueError, AssertionError, tf.errors.OpError):  # other shapes, or parts of it missing
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        return False
    return True


def _variables(part) -> list:
    return [
        variable
        for layer in (part if isinstance(part, (list, tuple)) else [part])
        for variable in layer.variables
    ]


def _fetched(url: str, folder: Path) -> str:
    """The prefix of the checkpoint at this address, on this disk."""
    if is_archive(shown(url)):
        return checkpoint_prefix(str(fetch_archive(url, folder, CHECKSUMS.get(url))))
    address, checksum = split_checksum(url)
    base, query, rest = address.partition("?")
    index = place_for(base + ".index", folder)
    prefix = index.with_suffix("")
    for end in (_DATA, ".index"):
        fetch_url(
            base + end + query + rest,
            index.with_name(prefix.name + end),
            CHECKSUMS.get(base + end) or (checksum if end == _DATA else None),
        )
    return str(prefix)
