"""A published model is enough to start another training: the weights that its file holds."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers_training import make_project

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from train.cycle import crosscheck_fold, training_run
from train.network import model_weights
from train.network.detector import Settings, build_model, make_task
from train.network.export import freeze, serving_function
from train.network.head_weights import classes_of
from train.network.model_weights import as_checkpoint, variables_by_key
from train.network.pretrained_weights import Start, choose_start, load
from train.network.weights_digest import weights_digest
from utils.config import load_config
from utils.errors import InputError
from utils.labels.state import Change
from utils.labels.store import open_labels

SMALL = Settings("faster_rcnn_mobilenet_v2_fpn", (64, 64), {"disc": 1, "square": 2})


@pytest.fixture(scope="module")
def network():
    """No two of its values are alike, so that it is seen where each goes."""
    model = build_model(make_task(SMALL))
    random = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(random.uniform(0.5, 1.5, variable.shape).astype(np.float32))
    return model


@pytest.fixture(scope="module")
def plain(network) -> bytes:
    """The model's file without a word about its weights, as earlier versions published it."""
    return freeze(serving_function(network, SMALL), SMALL).SerializeToString()


@pytest.fixture(scope="module")
def published(network) -> bytes:
    serving = serving_function(network, SMALL)
    definition = freeze(serving, SMALL)
    model_weights.describe(definition, serving, network, SMALL)
    return definition.SerializeToString()


def test_variables_have_the_names_that_a_checkpoint_gives_them(tmp_path, network):
    whole = tf.train.Checkpoint(**network.checkpoint_items)
    reader = tf.train.load_checkpoint(whole.write(str(tmp_path / "whole")))
    found = variables_by_key(whole)
    assert found.keys() == {
        name for name in reader.get_variable_to_shape_map() if not name.startswith("_")
    } - {"save_counter/.ATTRIBUTES/VARIABLE_VALUE"}
    assert all((reader.get_tensor(key) == value.numpy()).all() for key, value in found.items())


def test_a_published_model_starts_another_project_with_all_its_weights(
    tmp_path, network, published, plain
):
    assert len(plain) < len(published) < 1.01 * len(plain)
    file = tmp_path / "model_1700000000000.pb"
    file.write_bytes(published)
    start = choose_start(SMALL.model_name, str(file), None, tmp_path / "downloads")
    assert start.said == f"fine_tune_checkpoint {file}" and not start.same_ids
    assert classes_of(start.prefix) == SMALL.classes

    other = build_model(make_task(SMALL))
    count = len(other.variables)
    assert load(other, start, SMALL.classes).endswith(
        f": the whole model, {count} of {count} variables"
    )
    for one, another in zip(network.variables, other.variables, strict=True):
        assert (one.numpy() == another.numpy()).all()


def test_classes_that_both_know_keep_their_weights_by_name(tmp_path, published):
    file = tmp_path / "model.pb"
    file.write_bytes(published)
    classes = {"star": 1, "disc": 2}
    other = build_model(make_task(Settings(SMALL.model_name, (64, 64), classes)))
    start = choose_start(SMALL.model_name, str(file), None, tmp_path)
    assert load(other, start, classes).endswith("; of the classes it knows disc")


def test_it_is_unpacked_once_and_another_model_of_that_name_is_another(tmp_path, published, plain):
    file = tmp_path / "model.pb"
    file.write_bytes(published)
    digest = weights_digest(str(file))
    prefix = as_checkpoint(file, tmp_path / "downloads")
    before = Path(f"{prefix}.index").stat().st_mtime_ns
    assert as_checkpoint(file, tmp_path / "downloads") == prefix
    assert Path(f"{prefix}.index").stat().st_mtime_ns == before
    assert [place.name for place in (tmp_path / "downloads").iterdir()] == [
        Path(prefix).parent.name
    ]
    file.write_bytes(plain)
    assert weights_digest(str(file)) != digest


def _with_note(plain: bytes, note: bytes) -> bytes:
    definition = tf.compat.v1.GraphDef.FromString(plain)
    node = definition.node.add(name=model_weights.NODE, op="Const")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(note))
    return definition.SerializeToString()


@pytest.mark.parametrize(
    "note, said",
    [
        (None, "a frozen graph that does not name its weights"),
        (b"", "damaged"),
        (b"\0", "damaged"),
        (zlib.compress(b"[]"), "damaged"),
        (zlib.compress(b'{"classes": {}, "weights": {"a": "none"}, "objects": ""}'), "damaged"),
        (zlib.compress(b'{"classes": {}, "weights": {"a": []}, "objects": ""}'), "damaged"),
        (zlib.compress(b'{"classes": {}, "weights": {}, "objects": "?"}'), "damaged"),
    ],
)
def test_a_file_that_says_nothing_of_its_weights_or_is_damaged_is_one_line(
    tmp_path, plain, note, said
):
    file = tmp_path / "model.pb"
    file.write_bytes(plain if note is None else _with_note(plain, note))
    with pytest.raises(InputError, match=f"model.pb: {said}"):
        as_checkpoint(file, tmp_path / "downloads")
    assert not (tmp_path / "downloads").exists()


def test_what_is_no_model_is_one_line(tmp_path):
    file = tmp_path / "model.pb"
    file.write_bytes(b"\x89HDF and more")
    with pytest.raises(InputError, match="model.pb: no TensorFlow model, or damaged"):
        choose_start(SMALL.model_name, str(file), None, tmp_path)


def test_a_warm_start_on_another_machine_takes_the_weights_from_the_published_model(
    tmp_path, published, plain, capsys
):
    config = load_config(make_project(tmp_path, warm_start=True))
    _, labels = open_labels(config)
    for content in (plain, published):
        model = labels.publish_file("model", ".pb", content)
        labels.commit(lambda _, name=model: Change(members={"live": {"model": name}}), what="test")
        start = training_run.warm_start(config, [])
        if content is plain:
            assert start is None
            assert "nor are its weights to be had" in capsys.readouterr().out
        else:
            assert (start.said, start.same_ids) == (f"warm start from {model}", True)
            assert classes_of(start.prefix) == SMALL.classes


def test_a_model_of_this_project_does_not_judge_its_labels(tmp_path, published):
    file = tmp_path / "a copy.pb"
    file.write_bytes(published)
    config = load_config(make_project(tmp_path, fine_tune_checkpoint=file))
    assert isinstance(crosscheck_fold._start(config), Start)
    _, labels = open_labels(config)
    model = labels.publish_file("model", ".pb", published)
    labels.commit(lambda _: Change(members={"live": {"model": model}}), what="test")
    with pytest.raises(InputError, match="a model of this project, which was trained on these"):
        crosscheck_fold._start(config)
