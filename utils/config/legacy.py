"""What only config files of the toolkit's earlier generation need: they load unchanged, and what
they say about the model means ours.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.config.keys import MODEL_NAMES

WITHOUT_MEANING = frozenset(
    """tf_models_location python_file_directory optional_pipeline_url pipeline_file
    old_label_path old_train_path old_val_path old_checkpoint_path num_examples_marker
    num_steps_marker num_classes_marker num_classes tf_location tf_location_legacy
    tf_train_record tf_val_record pythonpath training_key prediction_key project_id""".split()
)


def model_name(text: str, _: Path) -> str:
    """Reads the name of a model: ours, or one of the old zoo, which means one of ours."""
    if text in MODEL_NAMES:
        return text
    if not text.startswith("faster_rcnn_"):
        raise ValueError
    return "faster_rcnn_resnet101_fpn" if "resnet101" in text else MODEL_NAMES[0]


def take_over_model(
    path: Path, values: dict[str, Any], written: Mapping[str, str], notices: list[str]
) -> None:
    """TF1 archives become the default weights, in `values`. Each setting that means something else
    than it says is told in one notice.
    """
    name = written["model_name"]
    if _has_no_successor(name):
        notices.append(
            f"{path}: model_name={name} is not available any more; {values['model_name']} is used"
        )

    dropped = []
    if _is_tf1_archive(values["tf_url"]):
        values["tf_url"] = None
        dropped.append("tf_url")
    if values["tf_url"] is None and _is_tf1_checkpoint(
        values["fine_tune_checkpoint"], values["download_location"]
    ):
        values["fine_tune_checkpoint"] = None
        dropped.append("fine_tune_checkpoint")

    if dropped:
        notices.append(
            f"{path}: {' and '.join(dropped)} name a TF1 archive that can no longer be loaded; the"
            " default pretrained weights are used"
        )


def _has_no_successor(name: str) -> bool:
    """Whether a model of the old zoo has none of ours that is much the same."""
    if not name.startswith("faster_rcnn_") or name in MODEL_NAMES:
        return False
    return "resnet50" not in name and "resnet101" not in name


def _is_tf1_archive(url: str | None) -> bool:
    return bool(url) and "/object_detection/" in url and "/tf2/" not in url


def _is_tf1_checkpoint(checkpoint: str | None, downloads: Path) -> bool:
    """Whether this is a piece of an archive of the old zoo that was never unpacked here."""
    if checkpoint in (None, "scratch"):
        return False
    return (
        Path(checkpoint).name == "model.ckpt"
        and Path(checkpoint).is_relative_to(downloads)
        and not Path(checkpoint + ".index").exists()
    )
