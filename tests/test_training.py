"""Training: what it starts from, what it does with images, how it goes on after an interruption.
Real (tiny) networks and processes.
"""

import dataclasses
import hashlib
import json
import os
import re
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers_http import serving
from helpers_training import command, in_host, make_project, make_records, step, write_config

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import tf_keras
from helpers_records import picture, record

from train.cycle import training_run
from train.network import pretrained_weights
from train.network.augmentation import Augmentation
from train.network.detector import Settings, build_model, fit_into_canvas, make_task, model_config
from train.network.device import device_of
from train.network.head_weights import classes_of
from train.network.input import repeat_factors, target_parser, training_dataset
from train.network.pretrained_weights import SCRATCH, Start, choose_start, is_folded
from train.network.records import read_records
from train.network.run_files import finished_runs
from train.network.schedule import Rate, default_learning_rate, make_optimizer
from train.network.validation import Validation
from utils.config import load_config
from utils.errors import InputError, OutsideError
from utils.images.canvas import fit
from utils.labels.state import Change
from utils.labels.store import open_labels

SMALL = Settings("faster_rcnn_mobilenet_v2_fpn", (64, 64), {"disc": 1, "square": 2})


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project whose records are made; its config file."""
    config_file = make_project(tmp_path_factory.mktemp("a project"))
    make_records(config_file)
    return config_file


@pytest.fixture(scope="module")
def network():
    return build_model(make_task(SMALL))


@pytest.mark.parametrize("size", [(64, 64), (1, 1), (30, 90), (90, 31), (700, 1000), (1, 900)])
def test_training_fits_images_into_the_canvas_as_prediction_does(size):
    fitted, share = fit_into_canvas(tf.ones([*size, 3], tf.uint8) * 200, (64, 128))
    height, width = fit(*size, (64, 128))
    shown = fitted.numpy()[..., 0] > 100
    assert (shown[:height, :width].all(), shown.sum()) == (True, height * width)
    assert (share.numpy() * (64, 128)).round().tolist() == [height, width]


def test_an_image_of_the_canvas_size_is_not_touched():
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    assert (fit_into_canvas(tf.constant(image), (64, 128))[0].numpy() == image).all()


def test_a_light_head_has_two_layers_and_300_proposals_and_the_stock_head_is_the_experiments_own():
    light = model_config(SMALL)
    stock = model_config(Settings("faster_rcnn_resnet50_fpn", (64, 64), {"disc": 1}, head="stock"))
    assert (
        light.detection_head.num_convs,
        light.detection_head.num_fcs,
        light.roi_generator.test_num_proposals,
    ) == (0, 2, 300)
    assert (
        stock.detection_head.num_convs,
        stock.detection_head.num_fcs,
        stock.roi_generator.test_num_proposals,
        stock.min_level,
    ) == (4, 1, 1000, 2)


def test_there_are_twice_as_many_proposals_as_boxes_that_may_be_found():
    many = model_config(dataclasses.replace(SMALL, max_detections=400)).roi_generator
    assert (many.num_proposals, many.test_num_proposals) == (800, 800)
    assert many.pre_nms_top_k >= 1600 and many.test_pre_nms_top_k >= 800


@pytest.mark.parametrize("most, kept", [(100, 100), (300, 300), (320, 300)])
def test_all_boxes_of_the_fullest_image_are_learned_from(most, kept):
    """A drawn colony: 300 animals in a grid of 20 x 15."""
    settings = dataclasses.replace(SMALL, most_boxes=most)
    place = np.arange(300)
    top, left = place // 20 / 15, place % 20 / 20
    example = {
        "source_id": tf.constant("1"),
        "image": tf.zeros((64, 64, 3), tf.uint8),
        "height": tf.constant(64),
        "width": tf.constant(64),
        "groundtruth_boxes": tf.constant(
            np.stack([top, left, top + 1 / 20, left + 1 / 25], axis=1), tf.float32
        ),
        "groundtruth_classes": tf.ones(300, tf.int64),
        "groundtruth_is_crowd": tf.zeros(300, tf.bool),
        "groundtruth_area": tf.ones(300),
    }
    _, targets = target_parser(settings).parse_fn(is_training=True)(example)
    assert int((targets["gt_classes"] > 0).numpy().sum()) == kept


def test_settings_of_before_are_read():
    before = {key: value for key, value in SMALL.as_json().items() if key != "most_boxes"}
    assert Settings.from_json(before) == SMALL


def test_ids_with_gaps_and_the_background_have_their_outputs():
    assert Settings("faster_rcnn_resnet50_fpn", (64, 64), {"disc": 1, "square": 5}).num_classes == 6


def test_images_of_rare_classes_are_shown_more_often():
    assert repeat_factors({}) == {}
    assert repeat_factors({1: 100, 2: 25, 3: 1, 4: 0}) == {1: 1.0, 2: 2.0, 3: 5.0}


def test_rare_classes_are_balanced_while_reading(tmp_path):
    shard = record(
        tmp_path / "a.record",
        [("1", picture(), [[0, 0, 0.5, 0.5]], [1])] * 9
        + [("2", picture(), [[0, 0, 0.5, 0.5]], [2])],
    )
    batches = training_dataset(
        [shard], 10, SMALL, Augmentation(False), 10, 0, {1: 1.0, 2: 3.0}
    ).take(30)
    classes = np.concatenate([labels["gt_classes"].numpy()[:, 0] for _, labels in batches])
    assert 0.2 < (classes == 2).mean() < 0.3  # 3 of 12


def test_images_without_boxes_are_trained_on(tmp_path):
    shard = record(tmp_path / "a.record", [("1", picture(), [], [])])
    images, labels = next(iter(training_dataset([shard], 1, SMALL, Augmentation(), 2, 0)))
    assert images.shape == (2, 64, 64, 3)
    assert (labels["gt_classes"].numpy() == -1).all()


@pytest.mark.parametrize(
    ("augmentation", "expected"),
    [
        (Augmentation(False), {(0, 0, 32, 16)}),
        (Augmentation(True), {(0, 0, 32, 16), (0, 48, 32, 64)}),
        (Augmentation(False, vertical_flip=True), {(0, 0, 32, 16), (32, 0, 64, 16)}),
        (
            Augmentation(True, vertical_flip=True),
            {(0, 0, 32, 16), (0, 48, 32, 64), (32, 0, 64, 16), (32, 48, 64, 64)},
        ),
    ],
)
def test_flips_turn_image_and_boxes_together(tmp_path, augmentation, expected):
    shard = record(tmp_path / "a.record", [("1", picture(), [[0, 0, 0.5, 0.25]], [1])])
    images, labels = next(iter(training_dataset([shard], 1, SMALL, augmentation, 40, 0)))
    boxes = [tuple(box) for box in labels["gt_boxes"].numpy()[:, 0].round().astype(int)]
    assert set(boxes) == expected
    for image, (top, left, bottom, right) in zip(images.numpy(), boxes, strict=True):
        # what is bright in the picture is in the box
        assert image[top:bottom, left:right].mean() > 1 > image.mean()


def test_crop_and_pad_changes_the_size_of_boxes(tmp_path):
    shard = record(tmp_path / "a.record", [("1", picture(), [[0, 0, 0.5, 0.25]], [1])])
    images, labels = next(
        iter(training_dataset([shard], 1, SMALL, Augmentation(False, crop_pad=True), 400, 0))
    )
    boxes = labels["gt_boxes"].numpy()[:, 0]
    heights, tops = boxes[:, 2] - boxes[:, 0], boxes[:, 0]
    assert heights.min() < 26 and heights.max() > 38 and tops.max() > 5
    for image, box in zip(images.numpy(), boxes.round().astype(int), strict=True):
        if (box >= 0).all():  # the bright part of the picture is still in the box, and nowhere else
            top, left, bottom, right = box
            inside = image[top + 1 : bottom - 1, left + 1 : right - 1]
            assert inside.min() > 1.0 and (image.mean(axis=2) > 1.0).sum() <= (bottom - top + 2) * (
                right - left + 2
            )


def test_noise_changes_pixels_a_little_and_each_time_anew(tmp_path):
    shard = record(tmp_path / "a.record", [("1", picture(), [], [])])
    clean = next(iter(training_dataset([shard], 1, SMALL, Augmentation(False), 2, 0)))[0].numpy()
    noisy = next(iter(training_dataset([shard], 1, SMALL, Augmentation(False, noise=True), 2, 0)))[
        0
    ].numpy()
    assert (clean[0] == clean[1]).all() and (noisy[0] != noisy[1]).any()
    assert 0 < np.abs(noisy - clean).max() < 0.6


def test_scratch_is_from_nothing(tmp_path):
    assert choose_start("faster_rcnn_resnet50_fpn", "scratch", None, tmp_path) == Start(
        None, SCRATCH
    )


def test_without_a_network_the_error_says_where_to_put_the_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("train.network.fetch.wait_random_exponential", lambda **_: lambda _state: 0)
    with pytest.raises(
        OutsideError,
        match=re.escape(f"put it at {tmp_path}") + ".*set fine_tune_checkpoint to a checkpoint",
    ):
        choose_start(
            "faster_rcnn_resnet50_fpn", None, "http://127.0.0.1:9/vision/resnet50/ckpt-1", tmp_path
        )


def test_weights_of_addresses_that_differ_little_are_each_fetched_once(tmp_path):
    names = ["a/resolve/main/v1.0-ckpt", "b/resolve/main/v1.0-ckpt", "a/ckpt.zip", "b/ckpt.zip"]
    for name in names:
        path = tmp_path / "served" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".zip":
            with zipfile.ZipFile(path, "w") as zipped:
                zipped.writestr("ckpt/model-1.index", name)
        else:
            for end in (".index", ".data-00000-of-00001"):
                path.with_name(path.name + end).write_text(name)

    def found(address):
        starts = [
            choose_start(
                "faster_rcnn_resnet50_fpn", None, f"{address}/{name}", tmp_path / "downloads"
            )
            for name in names
        ]
        return [Path(f"{start.prefix}.index").read_text() for start in starts]

    with serving(tmp_path / "served") as address:
        assert found(address) == names
    assert found(address) == names, "nothing is asked of the network again"
    for end in (".index", ".data-00000-of-00001"):
        (tmp_path / "downloads" / f"ckpt-2{end}").write_text("put there by hand")
    assert choose_start(
        "faster_rcnn_resnet50_fpn", None, f"{address}/ckpt-2", tmp_path / "downloads"
    ).prefix == str(tmp_path / "downloads" / "ckpt-2")


def test_a_checkpoint_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no TensorFlow checkpoint; expected a prefix"):
        choose_start("faster_rcnn_resnet50_fpn", str(tmp_path / "nothing"), None, tmp_path)


def test_a_whole_model_is_loaded_whole_from_its_folder(tmp_path, network):
    prefix = tf.train.Checkpoint(**network.checkpoint_items).save(str(tmp_path / "ckpt"))
    start = choose_start(SMALL.model_name, str(tmp_path), None, tmp_path)
    assert start.prefix == prefix
    count = len(network.variables)
    assert pretrained_weights.load(network, start).endswith(
        f": the whole model, {count} of {count} variables"
    )


@pytest.fixture(scope="module")
def other_network():
    """A network for other classes, one of them known to `network` under another id."""
    classes = {"star": 1, "disc": 2, "square": 3}
    return build_model(make_task(Settings(SMALL.model_name, (64, 64), classes)))


def head_of(model) -> dict:
    """The last variables of the head and one before them, by their names."""
    variables = {variable.name: variable for variable in model.detection_head[0].variables}
    wanted = ("detection-scores/kernel", "detection-boxes/bias", "detection-fc_0/kernel")
    return {
        name: value.numpy()
        for name in wanted
        for key, value in variables.items()
        if f"/{name}:" in key
    }


def change_heads(*models) -> None:
    """No two values of a head alike, so that it is seen where each went."""
    for seed, model in enumerate(models):
        random = np.random.default_rng(seed)
        for variable in model.detection_head[0].variables:
            variable.assign(random.normal(size=variable.shape).astype(np.float32))


@pytest.mark.parametrize("kind", ["model", "parts"])
def test_of_a_model_for_other_classes_only_what_depends_on_new_classes_starts_anew(
    tmp_path, network, other_network, kind
):
    change_heads(network, other_network)
    items = {"model": network} if kind == "model" else network.checkpoint_items
    prefix = tf.train.Checkpoint(**items).write(str(tmp_path / "best-3"))
    settings = {"settings": {"classes": SMALL.classes}}
    (tmp_path / "run.json").write_text(json.dumps(settings))
    before = head_of(other_network)
    said = pretrained_weights.load(
        other_network, Start(prefix, "x"), {"star": 1, "disc": 2, "square": 3}
    )
    assert said.endswith("variables; of the classes it knows disc, square")
    old, new = head_of(network), head_of(other_network)
    assert (new["detection-fc_0/kernel"] == old["detection-fc_0/kernel"]).all()
    scores, boxes = "detection-scores/kernel", "detection-boxes/bias"
    for there, here in ((0, 0), (1, 2), (2, 3)):  # background, disc, square
        assert (new[scores][:, here] == old[scores][:, there]).all()
        span = slice(4 * there, 4 * there + 4)
        assert (new[boxes][4 * here : 4 * here + 4] == old[boxes][span]).all()
    assert (new[scores][:, 1] == before[scores][:, 1]).all()
    assert (new[boxes][4:8] == before[boxes][4:8]).all()


def test_of_unknown_classes_none_keeps_its_weights_and_the_shared_layers_do(
    tmp_path, network, other_network
):
    change_heads(network, other_network)
    prefix = tf.train.Checkpoint(**network.checkpoint_items).write(str(tmp_path / "somebodys"))
    before = head_of(other_network)
    said = pretrained_weights.load(other_network, Start(prefix, "x"), {"disc": 2, "square": 3})
    assert said.endswith("; of the classes it knows none")
    new = head_of(other_network)
    assert (new["detection-scores/kernel"] == before["detection-scores/kernel"]).all()
    assert (new["detection-fc_0/kernel"] == head_of(network)["detection-fc_0/kernel"]).all()


@pytest.mark.parametrize("same_ids", [True, False])
def test_classes_in_another_order_are_told_by_name_and_in_one_project_by_id(
    tmp_path, network, same_ids
):
    change_heads(network)
    prefix = tf.train.Checkpoint(**network.checkpoint_items).write(str(tmp_path / "best-3"))
    swapped = {"disc": 2, "square": 1}
    (tmp_path / "run.json").write_text(json.dumps({"settings": {"classes": swapped}}))
    old = head_of(network)["detection-scores/kernel"]
    said = pretrained_weights.load(network, Start(prefix, "x", same_ids), SMALL.classes)
    assert ("the whole model" in said) is same_ids
    new = head_of(network)["detection-scores/kernel"]
    assert (new == (old if same_ids else old[:, [0, 2, 1]])).all()


def test_91_outputs_are_coco_and_a_note_that_is_none_says_nothing(tmp_path):
    prefix = str(tmp_path / "ckpt")
    assert classes_of(prefix, 91)["sheep"] == 20
    assert classes_of(prefix, 90) == {}
    (tmp_path / "run.json").write_text("[1")
    assert classes_of(prefix, 3) == {}


def test_a_backbone_alone_is_loaded_and_said(tmp_path, network):
    prefix = tf.train.Checkpoint(backbone=network.backbone).write(str(tmp_path / "imagenet"))
    count = len(network.backbone.variables)
    assert f"backbone ({count}), {count} of" in pretrained_weights.load(network, Start(prefix, "x"))


def test_a_checkpoint_of_another_network_is_an_error(tmp_path, network):
    prefix = tf.train.Checkpoint(dense=tf.Variable([1.0])).write(str(tmp_path / "other"))
    with pytest.raises(InputError, match="0 of 2 variables fit this network; it holds dense"):
        pretrained_weights.load(network, Start(prefix, "x"))


def test_a_real_imagenet_backbone_fits_mobilenet(shared, network):
    start = choose_start(
        SMALL.model_name, str(shared / "models" / "mobilenet_v2_imagenet"), None, Path("unused")
    )
    assert re.search(
        r": backbone \(260\), 260 of \d+ variables; new: rpn_head",
        pretrained_weights.load(network, start),
    )


def test_a_frozen_backbone_keeps_its_normalisation():
    task = make_task(Settings(SMALL.model_name, (64, 64), {"disc": 1}, freeze_backbone=True))
    model = build_model(task)
    before = [variable.numpy() for variable in model.backbone.variables]
    model.backbone(tf.random.normal([2, 64, 64, 3]), training=True)
    assert all(
        (value == variable.numpy()).all()
        for value, variable in zip(before, model.backbone.variables, strict=True)
    )
    assert model.backbone.trainable_variables == []


@pytest.mark.parametrize(
    "statistics, offset, folded",
    [((0, 1), 0.5, True), ((0.1, 1), 0.5, False), ((0, 2), 0.5, False), ((0, 1), 0, False)],
)
def test_folded_normalisation_is_recognised(tmp_path, statistics, offset, folded):
    layers = [tf_keras.layers.BatchNormalization() for _ in range(2)]
    backbone = tf_keras.Sequential(layers)
    backbone.build([None, 3])
    for layer in layers:
        layer.beta.assign(tf.fill([3], float(offset)))
    layers[1].moving_mean.assign(tf.fill([3], float(statistics[0])))
    layers[1].moving_variance.assign(tf.fill([3], float(statistics[1])))
    prefix = tf.train.Checkpoint(backbone=backbone).write(str(tmp_path / "weights"))
    assert is_folded(Start(prefix, "")) is folded


def test_without_weights_or_with_damaged_ones_nothing_is_folded(tmp_path):
    (tmp_path / "weights.index").write_bytes(b"no index")
    assert not is_folded(Start(None, "scratch"))
    assert not is_folded(Start(str(tmp_path / "weights"), ""))


def test_a_real_imagenet_backbone_is_not_folded(shared):
    prefix = shared / "models" / "mobilenet_v2_imagenet" / "mobilenet_v2_imagenet"
    assert not is_folded(Start(str(prefix), ""))


@pytest.mark.parametrize("offset, frozen", [(0.5, True), (0, False)])
def test_a_folded_backbone_is_frozen_by_itself_and_a_line_says_so(
    project, tmp_path, capsys, offset, frozen
):
    layer = tf_keras.layers.BatchNormalization()
    layer.build([None, 3])
    layer.beta.assign(tf.fill([3], float(offset)))
    prefix = tf.train.Checkpoint(backbone=layer).write(str(tmp_path / "weights"))
    config = load_config(project)
    records = read_records(config.tf_record_location)
    run = training_run.make_run(config, records, device_of({}), Start(prefix, "them"), 1)
    assert run.settings.freeze_backbone is frozen
    assert ("them: its normalisation is folded" in capsys.readouterr().out) is frozen


def test_the_learning_rate_is_in_proportion_to_the_batch_warms_up_and_falls_along_half_a_cosine():
    assert [default_learning_rate(size) for size in (1, 4, 16)] == pytest.approx(
        [0.005, 0.02, 0.08]
    )
    rate = Rate(0.02, 1000)
    assert [float(rate(step)) for step in (0, 99, 250, 500, 750, 1000)] == pytest.approx(
        [0.02 / 200, 0.02 / 2, 0.02 * 0.8535534, 0.02 / 2, 0.02 * 0.1464466, 0], abs=1e-8
    )
    assert [
        float(Rate(0.02, steps)(step)) for steps, step in ((100_000, 99), (50, 4), (3, 0))
    ] == pytest.approx(
        [0.02 / 2, 0.02 / 2, 0.02], rel=1e-4
    )  # a warm-up of 200 steps, but at most a fifth of a short run


def test_the_optimizer_clips_all_gradients_together_decays_only_weights_and_has_momentum():
    weights, bias = tf.Variable([2.0, 2.0], name="kernel"), tf.Variable(2.0, name="bias")
    optimizer = make_optimizer(10.0, 5, "float32")
    # 50 long: all are divided by 5
    optimizer.apply_gradients([(tf.constant([24.0, 32.0]), weights), (tf.constant(30.0), bias)])
    assert [*weights.numpy(), bias.numpy()] == pytest.approx(
        [2 - 10 * 4e-5 * 2 - 48, 2 - 10 * 4e-5 * 2 - 64, 2 - 60], rel=1e-6
    )
    optimizer.apply_gradients([(tf.zeros(2), weights), (tf.zeros([]), bias)])
    assert float(bias) == pytest.approx(2 - 60 - 0.9 * 60)


def test_gpus_train_in_16_bits_with_a_scaled_loss_and_the_cpu_in_32():
    cpu, gpu = device_of({}), device_of({"GPU:0": "Tesla T4"})
    assert (cpu.policy, cpu.images_at_once, cpu.said.split(",")[0]) == (
        "float32",
        4,
        "training on the CPU",
    )
    assert (gpu.policy, gpu.images_at_once, gpu.said) == (
        "mixed_float16",
        8,
        "training on one GPU (Tesla T4), mixed precision",
    )
    scaled = [
        isinstance(
            make_optimizer(0.02, 5, device.policy),
            tf_keras.mixed_precision.LossScaleOptimizer,
        )
        for device in (cpu, gpu)
    ]
    assert scaled == [False, True]


@pytest.mark.parametrize(
    ("found", "ap50"), [([[0, 0, 32, 16]], 1.0), ([[0, 0, 32, 40]], 0.0), ([], 0.0)]
)
def test_validation_measures_what_the_network_finds_in_fractions_of_the_canvas(
    tmp_path, found, ap50
):
    shard = record(
        tmp_path / "a.record",
        [("1", picture(), [[0, 0, 0.5, 0.25]], [1]), ("2", picture(), [], [])],
    )

    def network(images, image_shape, training):
        """Finds the same boxes in the first of two images, and none in the second."""
        boxes = tf.reshape(tf.constant(found, tf.float32), [1, -1, 4])
        return {
            "detection_boxes": tf.concat([boxes, tf.zeros_like(boxes)], 0),
            "num_detections": tf.constant([len(found), 0]),
            "detection_classes": tf.ones([2, len(found)], tf.int32),
            "detection_scores": tf.fill([2, len(found)], 0.9),
        }

    assert Validation(network, SMALL, [shard]).ap50() == pytest.approx(ap50)


def test_a_warm_start_is_from_the_live_model_but_after_a_redraw_from_pretrained_weights(
    tmp_path, capsys
):
    config = load_config(make_project(tmp_path, warm_start=True))
    _, store = open_labels(config)
    model = store.publish_file("model", ".pb", b"a model")
    store.commit(lambda _: Change(members={"live": {"model": model}}), what="test")
    run = config.train_dir / "run-1"
    run.mkdir(parents=True)
    exported = {"bytes": 7, "md5": hashlib.md5(b"a model", usedforsecurity=False).hexdigest()}
    record = {
        "finished": True,
        "best": {"step": 3, "ap50": None},
        "exported": exported,
        **dict.fromkeys(("fingerprint", "digest", "started_from"), "x"),
        **dict.fromkeys(("steps", "batch_size", "learning_rate", "seed", "seconds"), 1),
        "settings": {},
    }
    (run / "run.json").write_text(json.dumps(record))
    runs = finished_runs(config.train_dir)
    assert training_run.warm_start(config, runs) == Start(
        str(run / "best-3"), f"warm start from {model}", same_ids=True
    )
    store.commit(lambda _: Change(members={"pretrained_next": True}), what="test")
    assert training_run.warm_start(config, runs) is None
    assert (
        "the test set was drawn anew, so this cycle starts from the pretrained weights"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[1]",
        b"\xff",
        b'{"finished": true, "finished": false}',
        b'{"finished": 1, "best": null}',
        b'{"fingerprint": "x", "settings": {}, "finished": true, "best": null}',
        b'{"fingerprint": "x", "settings": {}, "finished": false, "best": {"step": 1e999}}',
        b'{"fingerprint": "x", "settings": [], "finished": false, "best": null}',
    ],
)
def test_a_damaged_note_of_a_run_is_one_line_and_nothing_is_removed(tmp_path, content):
    run = tmp_path / "run-1"
    run.mkdir()
    (run / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run-1/run\.json: damaged .*; remove the folder run-1"):
        finished_runs(tmp_path)
    assert (run / "run.json").read_bytes() == content


def test_of_older_runs_nothing_stays_not_even_what_a_killed_one_left(tmp_path):
    for age, name in enumerate(("run-new", "run-old")):
        (tmp_path / name / "ckpt-3_temp").mkdir(parents=True)
        for file in (
            "run.json",
            "checkpoint",
            "ckpt-2.index",
            "best-2.index",
            "events.out.1",
            "ckpt-3_temp/part-00000-of-00001.index",
        ):
            (tmp_path / name / file).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    training_run.remove_old_runs(tmp_path, [], set())
    assert [folder.name for folder in tmp_path.iterdir()] == ["run-new"] and len(
        list((tmp_path / "run-new").iterdir())
    ) == 6


def test_records_are_needed_first(tmp_path):
    config_file = make_project(tmp_path)
    step("sync_images.py", config_file)
    done = step("train_detector.py", config_file, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr.startswith("train_detector.py: ")
        and done.stderr.count("\n") == 1
        and "there are no records yet" in done.stderr
    )


def test_an_interrupted_or_killed_run_goes_on_where_it_was_and_starts_afresh_with_other_settings(
    project,
):
    write_config(project, train_iterations=60)
    process = subprocess.Popen(
        command("train_detector.py", project),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=in_host(),
    )
    line = next(line for line in process.stdout if line.startswith("step "))
    assert re.fullmatch(r"step \d+ of 60, loss \d+\.\d{3}, \d+\.\d\d steps/s, \d+ s left\n", line)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=1800)
    assert (process.returncode, errors) == (
        130,
        "train_detector.py: interrupted; run the same command again to go on\n",
    )
    (run,) = project.parent.glob("data/training/run-*")
    reached = _saved(run)
    assert 0 < reached < 60 and not json.loads((run / "run.json").read_text())["finished"]

    write_config(project, train_iterations=3, bfloat16=True)
    afresh = step("train_detector.py", project)
    lines = afresh.stdout.splitlines()
    assert lines[0].startswith("training on the CPU")
    assert "training in bfloat16" in lines
    for name in ("training/training.json", "cycle.json"):
        record = json.loads((project.parent / "data" / name).read_text())
        assert record.get("training", record)["arithmetic"] == "bfloat16"
    assert "starting from scratch" in lines and "going on" not in afresh.stdout
    assert re.fullmatch(r"3 steps; checkpoint of step 3.* → .*best-3", lines[-1])
    assert afresh.stderr == ""
    assert list(project.parent.glob("data/training/run-*/events.out.*"))

    write_config(project, train_iterations=60)
    saving = command(
        "train_detector.py",
        project,
        change="from train.network import training; training._SAVE_SECONDS = 0",
    )
    with subprocess.Popen(saving, stdout=subprocess.PIPE, text=True, env=in_host()) as process:
        assert f"going on with the interrupted run at step {reached} of 60\n" in process.stdout
        while _saved(run) < reached + 3:
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
        process.stdout.read()  # ends when the training has
    saved = _saved(run)
    # what TensorFlow leaves of a checkpoint that it was killed over
    for folder in (
        "ckpt-59_temp",
        "best-59_temp",
    ):
        (run / folder).mkdir()
        (run / folder / "part-00000-of-00001.index").touch()

    again = step("train_detector.py", project)
    step_of_checkpoint = int(
        re.search(r"going on with the interrupted run at step (\d+) of 60", again.stdout)[1]
    )
    assert saved - 1 <= step_of_checkpoint <= saved
    assert (
        json.loads((project.parent / "data" / "training" / "training.json").read_text())["steps"]
        == 60
    )
    assert not [
        file
        for file in run.iterdir()
        if file.name.startswith("ckpt-") or file.name.endswith("_temp")
    ]
    assert (
        "trained already with these labels and settings"
        in step("train_detector.py", project).stdout
    )


def _saved(run: Path) -> int:
    """The step of the newest checkpoint to go on from."""
    return max(int(file.stem.removeprefix("ckpt-")) for file in run.glob("ckpt-*.index"))


def test_a_checkpoint_that_was_copied_in_part_is_one_line(tmp_path, network):
    prefix = Path(tf.train.Checkpoint(backbone=network.backbone).write(str(tmp_path / "imagenet")))
    weights = prefix.with_name(f"{prefix.name}.data-00000-of-00001")
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(InputError, match="imagenet.data-00000-of-00001: cut short"):
        pretrained_weights.load(network, Start(str(prefix), "x"))
    weights.unlink()
    with pytest.raises(
        InputError,
        match=(
            "imagenet.index: the weights are missing, imagenet.data-00000-of-00001 does not lie"
            " beside it"
        ),
    ):
        choose_start(SMALL.model_name, str(prefix), None, tmp_path)
