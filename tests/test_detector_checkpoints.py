"""Checkpoints of whole detectors of tf-models as a start: what fits is loaded, each variable into
the one of its name, and the rest stays as it was.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from train.network.quiet import silence

silence()
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402
from official.vision.configs import backbones, common, decoders, maskrcnn, retinanet  # noqa: E402
from official.vision.tasks.maskrcnn import MaskRCNNTask  # noqa: E402
from official.vision.tasks.retinanet import RetinaNetTask  # noqa: E402

from train.network.detector import Settings, build_model, make_task  # noqa: E402
from train.network.pretrained_weights import Start, load  # noqa: E402

CLASSES = {"horse": 1, "lynx": 2}
COCO_HORSE = 19
COCO_OUTPUTS = 91
STEM = (7, 7, 3, 64)  # the shape of the backbone's first kernel, and of no other


def mask_rcnn(filters: int) -> tf_keras.Model:
    """As the COCO experiment has it, on a small backbone: levels 2 to 6, masks."""
    heads = {"rpn_head": maskrcnn.RPNHead(num_filters=filters)}
    task = maskrcnn.MaskRCNNTask(model=maskrcnn.MaskRCNN(**_common(filters), **heads))
    return MaskRCNNTask(task).build_model()


def retinanet_of(filters: int) -> tf_keras.Model:
    """As the COCO experiment has it, on a small backbone: levels 3 to 7."""
    task = retinanet.RetinaNetTask(model=retinanet.RetinaNet(**_common(filters)))
    return RetinaNetTask(task).build_model()


def _common(filters: int) -> dict:
    return {
        "num_classes": COCO_OUTPUTS,
        "input_size": [128, 128, 3],
        "backbone": backbones.Backbone(type="resnet", resnet=backbones.ResNet(model_id=18)),
        "decoder": decoders.Decoder(type="fpn", fpn=decoders.FPN(num_filters=filters)),
        "norm_activation": common.NormActivation(use_sync_bn=False),
    }


def saved(folder: Path, make: Callable[[int], tf_keras.Model], filters: int) -> tuple:
    """The prefix of a checkpoint as tf-models' trainer writes it, and {variable's name: value}. In
    the backbone names are not unique; its first kernel is `stem`.
    """
    model = make(filters)
    chosen = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(chosen.random(variable.shape))
    step = tf.Variable(0, dtype=tf.int64)
    prefix = tf.train.Checkpoint(model=model, global_step=step).save(str(folder / "ckpt"))
    values = {short(variable): variable.numpy() for variable in model.variables}
    (values["stem"],) = (v.numpy() for v in model.variables if v.shape == STEM)
    return prefix, values


def short(variable: tf.Variable) -> str:
    return "/".join(variable.name.split("/")[-2:])


def variables(network: tf_keras.Model, part: str) -> list[tf.Variable]:
    layers = network.checkpoint_items[part]
    layers = layers if isinstance(layers, list) else [layers]
    return [variable for layer in layers for variable in layer.variables]


def same(network: tf_keras.Model, part: str, values: dict) -> int:
    """How many variables of a part have the value that the checkpoint has under their name."""
    return sum(
        np.array_equal(variable.numpy(), values.get(short(variable)))
        for variable in variables(network, part)
    )


def network(head: str = "light") -> tf_keras.Model:
    model_name = "faster_rcnn_resnet18_fpn"
    return build_model(make_task(Settings(model_name, (64, 64), CLASSES, head)))


@pytest.mark.parametrize(
    ("make", "rpn_head", "said"),
    [
        (mask_rcnn, 18, "rpn_head (18 of 22), decoder (30 of 30)"),
        (retinanet_of, 0, "decoder (30 of 30)"),
    ],
)
def test_of_a_detector_with_other_levels_everything_is_loaded_that_fits(
    tmp_path, make, rpn_head, said
):
    prefix, values = saved(tmp_path, make, filters=128)
    ours = network()
    new = [variable.numpy() for variable in variables(ours, "detection_head")]
    told = load(ours, Start(prefix, "a COCO detector"), CLASSES)
    backbone = len(variables(ours, "backbone"))
    assert f"a COCO detector: backbone ({backbone}), {said}" in told
    assert same(ours, "decoder", values) == 30
    assert same(ours, "rpn_head", values) == rpn_head
    (stem,) = (v.numpy() for v in variables(ours, "backbone") if v.shape == STEM)
    np.testing.assert_array_equal(stem, values["stem"])
    for variable, before in zip(variables(ours, "detection_head"), new, strict=True):
        np.testing.assert_array_equal(variable.numpy(), before)


def test_the_head_of_a_detector_for_coco_keeps_the_classes_that_both_know(tmp_path):
    prefix, values = saved(tmp_path, mask_rcnn, filters=256)
    ours = network("stock")
    told = load(ours, Start(prefix, "a COCO detector"), CLASSES)
    assert "of the classes it knows horse" in told and "new" not in told
    for part in ("decoder", "rpn_head"):
        assert same(ours, part, values) == len(variables(ours, part))
    (scores,) = (v for v in variables(ours, "detection_head") if "scores/kernel" in v.name)
    before = values["detection-scores/kernel:0"]
    np.testing.assert_array_equal(scores.numpy()[:, [0, 1]], before[:, [0, COCO_HORSE]])


def test_a_pyramid_with_other_levels_and_no_names_is_not_taken_by_number(tmp_path, monkeypatch):
    prefix, _ = saved(tmp_path, retinanet_of, filters=128)
    monkeypatch.setattr("train.network.named_weights._name", lambda full: full)
    ours = network()
    before = [variable.numpy() for variable in variables(ours, "decoder")]
    assert "decoder" in load(ours, Start(prefix, "older"), CLASSES).partition("new: ")[2]
    for variable, value in zip(variables(ours, "decoder"), before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
