"""Training on several machines: what TF_CONFIG may say, and two real processes that train together
a tiny network.
"""

import json
import re
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers_programs import begun
from helpers_training import ROOT, environment, make_project, make_records, step, write_config

from train.cycle import alone
from train.cycle.files import read_cycle, update_cycle
from train.network import machines
from train.network.machines import Machines, as_json, machines_here
from utils.config import load_config
from utils.errors import InputError

# Steps are compared: nothing may hang on chance or on a last digit, and every loss is shown.
PROGRAM = """
import os, signal, sys
sys.path.insert(0, {train!r})
import tensorflow as tf
import train_detector
from official.vision.modeling.layers import roi_generator
from train.cycle import training_run
from train.network import helping, learning, training, training_progress
from utils.errors import run_program


def proposals(self, boxes, scores, anchors, image_shape, training=None):
    places = tf.range(300) % 100  # those of the network nearly tie: the last digit would choose
    corner = tf.cast(tf.stack([places // 10, places % 10], axis=1), tf.float32) * 4
    boxes = tf.concat([corner, corner + 24], axis=1)
    batch = tf.shape(image_shape)[0]
    return tf.tile(boxes[None], [batch, 1, 1]), tf.ones([batch, 300])


roi_generator.MultilevelROIGenerator.call = proposals

def whole_batch(settings, config, kind, make_task=learning.make_task):
    config.norm_activation.use_sync_bn = True  # one machine calculates it by the same formula
    return make_task(settings, config, kind)


learning.make_task = whole_batch
tf.random.shuffle = lambda value, *_, **__: value
tf.data.Dataset.shuffle = lambda dataset, *_, **__: dataset
training_run.repeat_factors = lambda *_: {{}}
training_progress.Progress.due = lambda *_: True
dies_at, training._SAVE_SECONDS = {dies_at}, {save_seconds}


def check(loss, number):
    print("loss", number, repr(loss), flush=True)
    if number == dies_at:
        os.kill(os.getpid(), signal.SIGKILL)


training.check_loss = helping.check_loss = check
run_program(train_detector.main, [{config!r}])
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project with an even number of training photos; its config file."""
    config_file = make_project(
        tmp_path_factory.mktemp("machines"),
        photos=36,
        train_iterations=20,
        learning_rate=0.0001,  # with ten times this, rounding grows to 4e-3 within 20 steps
        batch_size=2,
        add_horizontal_flip=False,
        validation_percentage=0.4,
    )
    make_records(config_file)
    return config_file


def train(
    config: Path, count: int = 2, *, dies_at: int = -1, save_seconds: float = 120
) -> list[tuple[int, str, str]]:
    """Train on `count` machines; of each, the chief first, (exit code, output, errors). The last
    one is killed at a step.
    """
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{free.getsockname()[1]}" for free in (one, other)]
    running = []
    for index in range(count):
        program = config.parent / f"program-{index}.py"
        program.write_text(
            PROGRAM.format(
                train=str(ROOT / "train"),
                config=str(config),
                dies_at=dies_at if index == 1 else -1,
                save_seconds=save_seconds,
            )
        )
        env = environment()
        if count > 1:
            env["TF_CONFIG"] = as_json(addresses, index)
        running.append(begun(program, env=env, stderr=subprocess.PIPE))
    said = [process.communicate(timeout=1800) for process in running]
    return [(process.returncode, *texts) for process, texts in zip(running, said, strict=True)]


def losses(said: str) -> dict[int, float]:
    """{step: loss} of what PROGRAM printed."""
    return {
        int(number): float(loss) for number, loss in re.findall(r"^loss (\d+) (.*)$", said, re.M)
    }


def test_two_machines_train_what_one_trains_and_the_chief_alone_writes(project):
    one = train(project, 1)
    assert one[0][0] == 0, one
    data = project.parent / "data"
    (data / "inference_graphs" / "model.json").unlink()  # that model has PROGRAM's proposals
    step("export_model.py", project)
    alone = (data / "inference_graphs" / "frozen_inference_graph.pb").rename(data / "alone.pb")
    expected = losses(one[0][1])
    checkpoint = json.loads((data / "training" / "training.json").read_text())["checkpoint"]
    folder = Path(checkpoint).parent.rename(data / "alone")

    (code, said, errors), (other_code, other_said, other_errors) = train(project)
    assert (code, other_code, errors, other_errors) == (0, 4, "", ""), (said, other_said)
    found = losses(said)
    assert len(found) == 20
    assert found == losses(other_said)
    assert list(found.values()) == pytest.approx(list(expected.values()), rel=1e-4)
    assert found[20] < 0.95 * found[1]  # it learns: steps are not equal for want of any
    assert "on the validation part" in said.splitlines()[-1]
    assert "machine 2 of 2" in other_said and "exports and publishes the model" in other_said

    step("export_model.py", project)
    together = data / "inference_graphs" / "frozen_inference_graph.pb"
    assert max(differences_of(folder, together, alone)) < 1e-3
    assert len(list((data / "training").glob("run-*"))) == 1

    again = train(project)
    assert [code for code, _, _ in again] == [0, 4]
    assert all("trained already" in said for _, said, _ in again)


def differences_of(run: Path, *graphs: Path) -> list[float]:
    """`largest_difference` between the network of a finished run and each exported graph."""
    from train.network import export
    from train.network.detector import Settings

    record = json.loads((run / "run.json").read_text())
    settings = Settings.from_json(record["settings"])
    model = export.restore(settings, str(run / f"best-{record['best']['step']}"))
    images = [np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)]
    return [
        export.largest_difference(model, settings, images, export.run_frozen(graph, images))
        for graph in graphs
    ]


def test_when_a_machine_is_killed_the_chief_ends_with_one_line_and_the_next_start_goes_on(project):
    write_config(
        project,
        train_iterations=8,
        batch_size=2,
        add_horizontal_flip=False,
        validation_percentage=0.4,
    )
    (code, said, errors), (killed, _, _) = train(project, dies_at=4, save_seconds=0)
    assert code == 1 and killed, said
    assert re.fullmatch(
        r"\S+: training has stopped: 127\.0\.0\.1:\d+ has ended, or cannot be reached any more; .*"
        r" goes on from the last checkpoint \(.*\)\n",
        errors,
    )
    (code, said, errors), (other_code, other_said, _) = train(project)
    assert (code, other_code, errors) == (0, 4, ""), other_said
    reached = int(re.search(r"going on with the interrupted run at step (\d+) of 8", said)[1])
    assert 2 <= reached <= 4
    assert list(losses(said)) == list(losses(other_said)) == list(range(reached + 1, 9))


def test_what_is_started_beside_the_chief_is_left_to_it(project, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", as_json(["chief:1", "other:2"], 1))
    before = {file: file.stat().st_mtime_ns for file in project.parent.rglob("*")}
    for program in ("sync_images.py", "create_tf_records.py"):
        assert step(program, project).stdout == (
            "machine 2 of 2 (the chief is chief:1): it does this step\n"
        )
    config = load_config(project)
    for reached in (read_cycle, update_cycle, lambda config: alone.take(config.data_dir)):
        with pytest.raises(InputError, match="the chief is chief:1.*which alone writes"):
            reached(config)
    assert {file: file.stat().st_mtime_ns for file in project.parent.rglob("*")} == before


@pytest.mark.parametrize(
    ("cluster", "task", "expected"),
    [
        ({"worker": ["a:1", "b:2"]}, ("worker", 1), Machines(("a:1", "b:2"), 1)),
        ({"chief": ["a:1"], "worker": ["b:2"]}, ("chief", 0), Machines(("a:1", "b:2"), 0)),
        ({"chief": ["a:1"], "worker": ["b:2"]}, ("worker", 0), Machines(("a:1", "b:2"), 1)),
        ({"worker": ["a:1"]}, ("worker", 0), None),
    ],
)
def test_the_machines_are_those_of_tf_config(monkeypatch, cluster, task, expected):
    document = {"cluster": cluster, "task": {"type": task[0], "index": task[1]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(document))
    assert machines_here() == expected
    monkeypatch.setenv("TF_CONFIG", " ")
    assert machines_here() is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"cluster": {"worker": ["a:1", "b:2"]}}',
        '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 2}}',
        '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "chief", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_tf_config_that_says_something_else_is_one_line(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match=r"^TF_CONFIG: .*; expected .*devops/ray/README\.md$"):
        machines_here()


def test_a_machine_waits_until_the_chief_is_there(monkeypatch, capsys):
    with socket.socket() as chief:
        chief.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{chief.getsockname()[1]}"
        monkeypatch.setattr(machines.time, "sleep", lambda _: chief.listen())
        machines.wait_for_chief(Machines((address, "b:2"), 1))
    assert capsys.readouterr().out.startswith(f"waiting until {address} begins to train")
