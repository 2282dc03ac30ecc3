"""What is done so that few labelled images teach much: augmentation, what of the backbone moves,
and when a training ends.
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import tf_keras
from helpers_records import picture, record

from train.cycle.training_run import make_run
from train.network import export, training
from train.network.augmentation import Augmentation, augmented
from train.network.detector import Settings, build_model, make_task
from train.network.device import device_of
from train.network.ending import MOST_STEPS, Ending, Limits, auto_steps, patience_for
from train.network.input import repeat_factors
from train.network.pretrained_weights import Start
from train.network.records import Part, Records
from train.network.schedule import Rate, make_optimizer
from train.network.training import Run
from train.network.tuning import Tuning, for_few_labels, tuning_of
from train.simulation.outcomes import Recipe
from utils.config import Config, read_config
from utils.starting.project import make, project_for

NOTHING = Augmentation(horizontal_flip=False)
TIMES = 60
SETTINGS = Settings("faster_rcnn_mobilenet_v2_fpn", (64, 64), {"disc": 1})


def looks(augmentation: Augmentation, boxes: list, side: int = 96, canvas=(96, 96)) -> list:
    """The picture of a bright box of `side` pixels' share many times: (image, boxes, classes)."""
    image = np.full((*canvas, 3), 60, np.uint8)
    for top, left, bottom, right in (np.array(boxes).reshape(-1, 4) * side).astype(int):
        image[top:bottom, left:right] = (250, 200, 220)
    example = {
        "image": tf.constant(image),
        "groundtruth_boxes": tf.constant(np.array(boxes, np.float32).reshape(-1, 4)),
        "groundtruth_classes": tf.ones(len(boxes), tf.int64),
    }
    tf.random.set_seed(3)
    dataset = tf.data.Dataset.from_tensors(example).repeat(TIMES)
    dataset = dataset.map(
        tf.autograph.experimental.do_not_convert(lambda one: augmented(one, augmentation))
    )
    return [
        (
            one["image"].numpy(),
            one["groundtruth_boxes"].numpy(),
            one["groundtruth_classes"].numpy(),
        )
        for one in dataset
    ]


def bright_share(image: np.ndarray, box: np.ndarray) -> float:
    """How much of a box (fractions) is bright, its rim left out."""
    top, left, bottom, right = (box * 96).round().astype(int)
    return float((image[top + 1 : bottom - 1, left + 1 : right - 1, 0] > 0.6).mean())


def test_zoom_shows_an_object_whole_at_half_to_twice_its_size_and_every_second_time():
    box = [0.625, 0.125, 0.8125, 0.3125]
    seen = looks(dataclasses.replace(NOTHING, zoom=True), [box])
    heights = np.array([boxes[0, 2] - boxes[0, 0] for _, boxes, _ in seen])
    assert all(len(boxes) == len(classes) == 1 for _, boxes, classes in seen)
    assert all(bright_share(image, boxes[0]) == 1 for image, boxes, _ in seen)
    assert heights.min() < 0.12 and heights.max() > 0.3
    assert 0.09375 - 1e-3 <= heights.min() and heights.max() <= 0.375 + 1e-3
    assert 0.3 < (np.abs(heights - 0.1875) < 1e-6).mean() < 0.7


def test_an_object_larger_than_the_window_and_an_empty_image_are_zoomed_too():
    zoom = dataclasses.replace(NOTHING, zoom=True)
    large = looks(zoom, [[0.0, 0.0, 1.0, 1.0]])
    assert all(len(boxes) == 1 for _, boxes, _ in large)
    assert all(bright_share(image, boxes[0]) == 1 for image, boxes, _ in large)
    empty = looks(zoom, [])
    assert all(boxes.shape == (0, 4) for _, boxes, _ in empty)
    assert len({image.mean() for image, _, _ in empty}) > 5


@pytest.mark.parametrize("canvas, ways", [((96, 96), 4), ((96, 64), 2)])
def test_quarter_turns_turn_image_and_boxes_together(canvas, ways):
    example = {
        "image": tf.constant(np.arange(np.prod(canvas) * 3).reshape(*canvas, 3) % 251, tf.uint8),
        "groundtruth_boxes": tf.constant([[0.0, 0.25, 0.5, 0.5]]),
        "groundtruth_classes": tf.ones(1, tf.int64),
    }
    height, width = canvas
    original = example["image"].numpy()[: height // 2, width // 4 : width // 2] / 255
    tf.random.set_seed(1)
    seen = set()
    for _ in range(TIMES):
        one = augmented(example, dataclasses.replace(NOTHING, quarter_turns=True))
        box = one["groundtruth_boxes"].numpy()[0]
        top, left, bottom, right = box * (height, width) * 1 if False else box * np.tile(canvas, 2)
        part = one["image"].numpy()[int(top) : int(bottom), int(left) : int(right)]
        turns = [k for k in range(4) if np.array_equal(np.rot90(part, k), original.astype("f4"))]
        assert len(turns) == 1
        seen |= set(turns)
    assert len(seen) == ways


def test_among_empty_images_those_with_boxes_are_shown_more_often():
    assert repeat_factors({1: 4}, 36) == {1: 9.0}
    assert repeat_factors({1: 2}, 100) == {1: 10.0}
    assert repeat_factors({1: 40, 2: 10}, 20) == {1: 1.0, 2: 2.0}
    assert repeat_factors({}, 20) == {} == repeat_factors({1: 0}, 20)


@pytest.fixture(scope="module")
def network() -> tf_keras.Model:
    return build_model(make_task(SETTINGS))


def test_first_stages_and_statistics_stay_and_the_rest_of_the_backbone_moves():
    network = build_model(make_task(SETTINGS))
    Tuning(frozen_stages=2, frozen_statistics=True).freeze(network)
    trainable = {id(variable) for variable in network.trainable_variables}
    for layer in network.backbone.layers:
        coarse = 64 / layer.get_output_at(0).shape[1] > 4
        for variable in layer.variables:
            convolution = "kernel" in variable.name
            assert (id(variable) in trainable) is (coarse and convolution), variable.name
    before = [variable.numpy() for variable in network.backbone.non_trainable_variables]
    network.backbone(tf.random.normal([2, 64, 64, 3]), training=True)
    after = network.backbone.non_trainable_variables
    assert all((old == new.numpy()).all() for old, new in zip(before, after, strict=True))


def test_the_backbone_learns_at_its_share_of_the_rate():
    slow, fast = tf.Variable(1.0, name="slow"), tf.Variable(1.0, name="fast")
    optimizer = make_optimizer(1.0, 5, "float32", [slow], 0.1)
    optimizer.exclude_from_weight_decay([slow, fast])
    optimizer.apply_gradients([(tf.constant(0.5), slow), (tf.constant(0.5), fast)])
    assert [float(slow), float(fast)] == pytest.approx([0.95, 0.5])
    plain = make_optimizer(1.0, 5, "float32", [slow], 1.0)
    assert type(plain) is tf_keras.optimizers.SGD


def test_steps_go_by_the_number_of_images():
    assert [auto_steps(number, 4) for number in (1, 40, 160, 1000, 10**6)] == [
        300,
        300,
        1200,
        7500,
        20_000,
    ]


def test_a_training_that_learns_no_more_ends_soon_and_its_rate_falls_until_then():
    ending = Ending(1000, Limits(patience=2))
    rate = Rate(1.0, ending.steps)
    assert [ending.measured(100, 0.3), ending.measured(200, 0.3)] == [None, None]
    assert ending.measured(300, 0.4) is None, "a better one"
    assert ending.measured(400, 0.4) is None
    assert "ends at step 625 instead of 1000" in ending.measured(500, 0.2)
    assert ending.last == 625
    assert ending.measured(600, 0.1) is None
    assert float(rate(625)) == pytest.approx(0, abs=1e-6)
    assert 0 < float(rate(500)) < 0.15 < float(Rate(1.0, 1000)(500))


def test_a_training_ends_when_its_time_is_up():
    ending = Ending(1000, Limits(minutes=1))
    assert ending.timed(10, 1.0, 10, 1.0) is None, "too early to tell"
    assert ending.timed(30, 1.5, 30, 1.2) is None, "it will be done in time"
    assert "ends at about step 60 instead of 1000" in ending.timed(30, 30.0, 30, 30.0)
    assert ending.timed(40, 45.0, 40, 45.0) is None and ending.last == 53
    assert ending.timed(50, 90.0, 50, 90.0) is None and ending.last == 51, "late: one more step"


def test_where_nothing_limits_it_a_training_has_its_steps():
    ending = Ending(7, Limits())
    assert (ending.steps, ending.last) == (7, 7)
    assert ending.measured(5, 0.1) is None and ending.timed(5, 1e9, 50, 1e9) is None


def test_too_few_boxes_of_validation_stop_nothing():
    assert [patience_for(boxes) for boxes in (20, 19, 0)] == [4, 0, 0]


def test_a_run_without_the_new_keys_is_the_run_that_it_was():
    run = Run(
        settings=SETTINGS,
        augmentation=Augmentation(),
        digest="d",
        shards=[],
        images=1,
        repeats={},
        validation_shards=[],
        validation_batches=0,
        iterations=5,
        batch_size=4,
        learning_rate=0.02,
        seed=0,
        start="scratch",
    )
    flags = {"horizontal_flip": True, "vertical_flip": False, "crop_pad": False, "noise": False}
    parts = ["d", SETTINGS.as_json(), flags, 5, 4, 0.02, 0, "scratch", 0]
    before = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    assert run.fingerprint == before
    for change in (
        {"tuning": Tuning(balance_empty=True)},
        {"limits": Limits(minutes=5)},
        {"augmentation": Augmentation(zoom=True)},
        {"bfloat16": True},
    ):
        assert dataclasses.replace(run, **change).fingerprint != before


ONE = Part(1, 1, 0, {1: 1}, {1: 1}, (Path("train.record"),))


def records(**changes) -> Records:
    """Records of 29 training images, 19 of them empty, and 3 to validate with."""
    train = Part(29, 12, 19, {1: 10}, {1: 12}, (Path("train.record"),))
    validation = Part(3, 30, 0, {1: 3}, {1: 30}, (Path("validation.record"),))
    whole = Records(
        "d",
        (64, 64),
        {"disc": 1},
        0,
        train,
        validation,
        Part(8, 8, 0, {1: 8}, {1: 8}),
        True,
        "",
        {},
    )
    return dataclasses.replace(whole, **changes)


def run_of(config: Config, start: Start, **changes) -> Run:
    """The run that a config file means with such records."""
    device = device_of({})
    return make_run(config, records(**changes), device, start, config.train_iterations)


def config_of(tmp_path: Path, *lines: str) -> Config:
    path = tmp_path / "config.ini"
    given = ("storage_url=store", "image_container_name=images", "label_container_name=labels")
    path.write_text("\n".join((*given, "classes=disc", *lines)))
    return read_config(path, {})[0]


WEIGHTS = Start("some weights", "some weights")


def test_a_config_without_the_new_keys_trains_as_before(tmp_path):
    run = run_of(config_of(tmp_path, "train_iterations=5"), WEIGHTS)
    assert (run.tuning, run.limits, run.augmentation) == (Tuning(), Limits(), Augmentation())
    assert (run.repeats, run.iterations) == ({1: 1.0}, 5)


def test_a_new_config_and_the_simulator_train_by_the_same_recipe(tmp_path):
    (tmp_path / "photos").mkdir()
    made = project_for(tmp_path / "photos", None)
    for config in (
        read_config(Path(__file__).resolve().parents[1] / "config.ini", {})[0],
        make(made, ("disc",)),
    ):
        run = run_of(config, WEIGHTS)
        assert (run.tuning, run.augmentation) == for_few_labels(pretrained=True)
        assert run.repeats == {1: 1.9}
        assert run.iterations == 300 and run.limits.patience > 0


def test_what_starts_from_nothing_or_is_frozen_is_not_tuned_gently(tmp_path, capsys):
    gentle = config_of(tmp_path, "fine_tuning=gentle")
    assert run_of(gentle, Start(None, "scratch")).tuning == Tuning()
    assert "starts from nothing" in capsys.readouterr().out
    frozen = config_of(tmp_path, "fine_tuning=gentle", "freeze_backbone=True")
    assert run_of(frozen, WEIGHTS).tuning == Tuning()
    assert "nothing" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "lines, changes, steps, said",
    [
        (["train_iterations=auto"], {}, 300, "300 steps for 29 images, fewer if"),
        (
            ["train_iterations=auto"],
            {"validation_usable": False},
            300,
            "all of them: the validation part has 0 boxes to tell by",
        ),
        (["train_iterations=auto"], {"train": ONE}, 300, "300 steps for 1 images"),
        ([f"train_iterations={10**30}"], {}, MOST_STEPS, "more than can be trained"),
    ],
)
def test_how_long_is_trained_is_said_and_so_is_what_cannot_be_done(
    tmp_path, capsys, lines, changes, steps, said
):
    run = run_of(config_of(tmp_path, *lines), WEIGHTS, **changes)
    assert run.iterations == steps and said in capsys.readouterr().out


def test_minutes_limit_any_number_of_steps(tmp_path):
    run = run_of(config_of(tmp_path, "train_iterations=9", "train_minutes=.5"), WEIGHTS)
    assert run.limits == Limits(minutes=0.5)


def test_a_gentle_training_ends_in_time_and_its_first_layers_stay(tmp_path):
    shard = record(tmp_path / "a.record", [("1", picture(), [[0, 0, 0.5, 0.25]], [1])])
    run = Run(
        settings=SETTINGS,
        augmentation=Augmentation(zoom=True),
        digest="d",
        shards=[shard],
        images=1,
        repeats={1: 1.0},
        validation_shards=[shard],
        validation_batches=0,
        iterations=100_000,
        batch_size=1,
        learning_rate=1.0,
        seed=0,
        start="scratch",
        tuning=tuning_of("gentle", pretrained=True, balance_empty=True),
        limits=Limits(minutes=0.01),
    )
    weights, said = {}, []
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])  # as with several GPUs
    several = dataclasses.replace(device_of({}), strategy=strategy)

    def sizes(backbone) -> list[float]:
        """Of each layer's variables, whatever their order."""
        return [
            sum(float(tf.reduce_sum(tf.abs(variable))) for variable in layer.variables)
            for layer in backbone.layers
        ]

    def load(model) -> str:
        weights["before"] = sizes(model.backbone)
        return "random weights"

    done = training.train(run, several, tmp_path, load, said.append)
    assert 20 < done["steps"] < 1000 and done["best"]["step"] <= done["steps"]
    assert any("after train_minutes=0.01" in line for line in said)
    after = sizes(export.restore(SETTINGS, done["checkpoint"]).backbone)
    changed = [old != new for old, new in zip(weights["before"], after, strict=True)]
    assert not any(changed[:9]) and any(changed)
    assert training.train(run, several, tmp_path, load, said.append) == done
    assert f"({done['steps']} steps)" in said[-1]


def test_what_simulations_trained_before_still_counts_and_is_not_taken_for_the_new_recipe():
    before = Recipe("name", "path", "digest", True, (64, 64), 300, 4, False)
    assert "few_labels" not in before.key and "checkpoint" not in before.key
    assert dataclasses.replace(before, few_labels=True).key == before.key | {"few_labels": True}
