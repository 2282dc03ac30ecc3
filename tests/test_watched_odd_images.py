"""The watcher goes on whatever the images are: one that TensorFlow does not read, one that is cut
short, and some that are deleted while a cycle runs. Really trained.
"""

import io
import os
import signal
from contextlib import nullcontext

import pytest
from helpers_programs import run
from helpers_training import make_project
from PIL import Image

from train.cycle import alone, watch_loop
from utils.config import load_config
from utils.labels.lease import read_watcher
from utils.labels.store import open_labels
from utils.labels.tables import image_set


def photo(**options) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (96, 64), (90, 100, 110)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.fixture
def project(tmp_path):
    """15 labelled photos; one of them TensorFlow cannot read, one nobody can."""
    config = make_project(
        tmp_path, 15, train_iterations=1, auto_retrain_images=1, test_percentage=0.3
    )
    images = tmp_path / "store" / "images"
    whole = photo(quality=95)
    contents = {
        "IMG_0001": whole[:-2] + bytes(200),  # Pillow reads it
        "IMG_0002": whole[: len(whole) // 2],
        "x_cut": whole[:300],  # these two nobody has labelled
        "x_empty": b"",
    }
    for name, content in contents.items():
        (images / f"{name}.jpg").write_bytes(content)
    return config


def test_a_cycle_by_itself_among_odd_images_and_images_that_vanish(project, monkeypatch, capsys):
    images = project.parent / "store" / "images"
    going = {  # the step at whose beginning images vanish
        "create_tf_records.py": ["IMG_0004.jpg"],
        "train_detector.py": ["IMG_0007.jpg"],
        "create_predictions.py": ["IMG_0009.jpg", "IMG_0010.jpg"],
    }
    said = []

    def step(program, options, config, while_running, host):
        """As the watcher runs it, in a process that has its packages loaded."""
        for name in going.pop(program, ()):
            (images / name).unlink()
        done = run(f"train/{program}", *options, config)
        said.append(done.stdout + done.stderr)
        assert not while_running()
        return done.returncode, (done.stderr.strip().splitlines() or [""])[-1]

    monkeypatch.setattr(watch_loop, "run_step", step)
    monkeypatch.setattr(watch_loop, "host", nullcontext)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setenv(alone.RUN, str(os.getpid()))
    code = watch_loop.Watcher(load_config(project), once=True).run()
    _, store = open_labels(load_config(project))
    told = "\n".join([*said, *capsys.readouterr()])
    assert code == 0 and not going and "Traceback" not in told, told
    state = store.read()
    (cycle,) = state.cycles
    assert cycle["model"] and state.live["model"] == cycle["model"]
    assert read_watcher(store.container)["failures"] == 0
    assert len(image_set(store.table(state, "tagged"))) == 15
    assert "3 failed" in told and "x_cut.jpg" not in image_set(store.table(state, "totag"))
