"""The exported model: one frozen graph of the classic signature that agrees with the checkpoint."""

import hashlib
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from helpers_once import made_once
from helpers_training import make_project, make_records, step, write_config

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from train.network.detector import Settings, build_model, fit_into_canvas, make_task
from train.network.export import (
    OUTPUTS,
    freeze,
    largest_difference,
    restore,
    run_frozen,
    serving_function,
)
from train.prediction.frozen_detector import FrozenDetector
from utils.errors import InputError

SMALL = Settings(
    "faster_rcnn_mobilenet_v2_fpn", (64, 128), {"disc": 1, "square": 3}, max_detections=7
)
PICTURES = [
    np.random.default_rng(0).integers(0, 256, size, np.uint8)
    for size in [(64, 128, 3), (50, 30, 3), (200, 300, 3)]
]


@pytest.fixture(scope="module")
def network():
    return build_model(make_task(SMALL))


@pytest.fixture(scope="module")
def frozen(network, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("export") / "model.pb"
    file.write_bytes(freeze(serving_function(network, SMALL), SMALL).SerializeToString())
    return file


@pytest.fixture(scope="module")
def answers(frozen) -> list[dict[str, np.ndarray]]:
    """What the frozen graph says about PICTURES."""
    return run_frozen(frozen, PICTURES)


def test_the_graph_says_what_the_network_says(network, answers):
    assert largest_difference(network, SMALL, PICTURES, answers) < 1e-4


def test_another_network_is_found_out(answers):
    other = build_model(make_task(SMALL))
    assert largest_difference(other, SMALL, PICTURES, answers) > 1e-2


@pytest.mark.parametrize(("ending", "how"), [("index", "cut"), ("data-00000-of-00001", "flipped")])
def test_a_damaged_checkpoint_is_one_line(network, tmp_path, ending, how):
    checkpoint = str(tmp_path / "run-1" / "best-1")
    tf.train.Checkpoint(**network.checkpoint_items).write(checkpoint)
    file = Path(f"{checkpoint}.{ending}")
    data = file.read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 0x55]) + data[middle + 1 :]
    file.write_bytes({"cut": data[:middle], "flipped": flipped}[how])
    with pytest.raises(InputError, match=r"best-1: the checkpoint is damaged; remove .*run-1"):
        restore(SMALL, checkpoint)


def test_the_graph_has_the_classic_signature_and_an_embedding(answers):
    result = answers[0]
    assert {name: (value.shape, value.dtype.name) for name, value in result.items()} == {
        "detection_boxes": ((7, 4), "float32"),
        "detection_scores": ((7,), "float32"),
        "detection_classes": ((7,), "float32"),
        "num_detections": ((), "float32"),
        "image_embedding": (result["image_embedding"].shape, "float32"),
    }
    assert set(result) == set(OUTPUTS) and result["image_embedding"].ndim == 1
    count = int(result["num_detections"])
    assert count > 0 and set(result["detection_classes"][:count]) <= {1.0, 2.0, 3.0}
    assert (0 <= result["detection_boxes"]).all() and (result["detection_boxes"] <= 1).all()


def test_the_loader_of_prediction_reads_it_and_its_canvas(frozen):
    detector = FrozenDetector(frozen)
    assert detector.canvas == (64, 128)
    assert [len(found.scores) for found in detector.detect(np.stack([PICTURES[0]] * 3))] == [
        7,
        7,
        7,
    ]


def test_boxes_are_fractions_of_the_fed_image_whether_it_was_fitted_before_or_in_the_graph(frozen):
    picture = np.zeros((32, 40, 3), np.uint8)
    picture[5:20, 10:30] = 255
    inside = run_frozen(frozen, [picture])[0]
    canvas, share = fit_into_canvas(tf.constant(picture), SMALL.canvas)
    before = run_frozen(frozen, [canvas.numpy().round().astype(np.uint8)])[0]
    boxes = np.clip(before["detection_boxes"] / np.tile(share.numpy(), 2), 0, 1)
    assert np.abs(inside["detection_scores"] - before["detection_scores"]).max() < 0.02
    assert np.abs(inside["detection_boxes"][:1] - boxes[:1]).max() < 0.05


@dataclass(frozen=True)
class Trained:
    """A project, and what training and exporting said."""

    folder: Path
    training: subprocess.CompletedProcess
    exporting: subprocess.CompletedProcess


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    """A real training on two devices in 16 bits, in which the model is better after the first step
    than after the second.
    """

    def make(folder: Path) -> tuple[subprocess.CompletedProcess, ...]:
        settings = {"train_iterations": 2, "validation_percentage": 0.5}
        config_file = make_project(folder, **settings)
        make_records(config_file)
        write_config(folder / "three.ini", **settings, batch_size=3)
        training = step("train_detector.py", config_file, change=_TWO_DEVICES)
        return training, step("export_model.py", config_file)

    folder, (training, exporting) = made_once(tmp_path_factory, "trained on two devices", make)
    return Trained(folder, training, exporting)


_BETTER_FIRST = """
from train.network import training, validation
training._validation_interval = lambda _: 1
measure, values = validation.Validation.ap50, iter([0.5, 0.4])
validation.Validation.ap50 = lambda self: (measure(self), next(values))[1]
"""
_TWO_DEVICES = f"""{_BETTER_FIRST}
import tensorflow as tf
from train.network import device
from utils.errors import InputError
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
device.choose_device = lambda _: device.device_of({{"CPU:0": "one", "CPU:1": "two"}})
try:
    train_detector.main([sys.argv[1].replace("config.ini", "three.ini")])
except InputError as error:
    print(error)
"""


def test_on_a_cpu_training_writes_the_model_and_export_finds_it_or_makes_it_anew(tmp_path):
    config_file = make_project(tmp_path, train_iterations=2, validation_percentage=0.5)
    make_records(config_file)
    step("train_detector.py", config_file, change=_BETTER_FIRST)
    model = tmp_path / "data" / "inference_graphs" / "frozen_inference_graph.pb"
    made, before = model.stat(), run_frozen(model, PICTURES)
    said = step("export_model.py", config_file).stdout
    assert (
        model.stat().st_mtime_ns == made.st_mtime_ns
        and "equal to the checkpoint on 4 images" in said
    )

    with model.open("r+b") as content:
        content.truncate(made.st_size // 2)
    step("export_model.py", config_file)  # from the checkpoint, which is of the better first step
    assert model.stat().st_size == pytest.approx(made.st_size, rel=1e-3)
    for one, other in zip(before, run_frozen(model, PICTURES), strict=True):
        for name in one:
            np.testing.assert_allclose(one[name], other[name], atol=1e-4)


def test_without_a_training_there_is_nothing_to_export(tmp_path):
    config_file = make_project(tmp_path)
    done = step("export_model.py", config_file, check=False)
    assert (
        done.returncode == 2
        and "nothing has been trained yet" in done.stderr
        and done.stderr.count("\n") == 1
    )


def test_a_trained_detector_becomes_a_model_file_with_its_label_map(trained):
    folder = trained.folder / "data" / "inference_graphs"
    content = (folder / "frozen_inference_graph.pb").read_bytes()
    document = json.loads((folder / "model.json").read_text())
    assert (document["settings"]["classes"], document["settings"]["canvas"]) == (
        {"disc": 1, "square": 2},
        [64, 64],
    )
    assert (document["bytes"], document["md5"]) == (
        len(content),
        hashlib.md5(content, usedforsecurity=False).hexdigest(),
    )
    assert 'name: "disc"' in (folder / "label_map.pbtxt").read_text()
    assert (
        "equal to the checkpoint on 4 images" in trained.exporting.stdout.splitlines()[-1]
        and trained.exporting.stderr == ""
    )
    assert FrozenDetector(folder / "frozen_inference_graph.pb").canvas == (64, 64)


def test_several_devices_train_together_when_the_batch_can_be_shared_out(trained):
    lines = trained.training.stdout.splitlines()
    assert (
        lines[1]
        == f"{trained.folder / 'three.ini'}: batch_size=3 cannot be shared out to 2 GPUs; expected"
        " a multiple of 2"
    )
    assert lines[2:4] == ["training on 2 GPUs, mixed precision", "starting from scratch"]


def test_the_checkpoint_that_was_best_on_the_validation_part_is_exported_not_the_last(trained):
    last = trained.training.stdout.splitlines()[-1]
    assert re.fullmatch(
        r"2 steps; checkpoint of step 1, AP50 0\.500 on the validation part → .*best-1", last
    )
    assert json.loads((trained.folder / "data" / "inference_graphs" / "model.json").read_text())[
        "best"
    ] == {"step": 1, "ap50": 0.5}
    (run,) = (trained.folder / "data" / "training").glob("run-*")
    assert {file.stem for file in run.glob("best-*")} == {"best-1"}


def test_a_model_that_was_trained_in_16_bits_is_exported_in_32(trained):
    graph = tf.compat.v1.GraphDef.FromString(
        (trained.folder / "data" / "inference_graphs" / "frozen_inference_graph.pb").read_bytes()
    )
    types = {
        value.type
        for node in graph.node
        for value in node.attr.values()
        if value.WhichOneof("value") == "type"
    }
    assert tf.float32.as_datatype_enum in types
    assert not types & {tf.float16.as_datatype_enum, tf.bfloat16.as_datatype_enum}
