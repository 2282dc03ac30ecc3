"""Whatever became of the files that the steps of a cycle hand to each other, and of what was
published: a step that reads them says one line, or goes on; nothing outside is read or written.
"""

import os
import shutil

import pytest
from helpers_cycle import CycleProject
from helpers_programs import run

from train.cycle.files import WORKING_FILES, working_path

STEPS = ("create_predictions", "evaluate_model", "compare_models", "publish_cycle")
READ_BY = {  # the steps from which on a file is read
    "images": STEPS[1:],
    "failed": STEPS[3:],
    "tagged": STEPS[3:],
    "test": STEPS[1:],
    "totag": STEPS[3:],
    "predicted": STEPS[3:],
    "test_predictions": STEPS[1:],
    "performance": STEPS[3:],
}


def put(path, how: str, secret) -> None:
    """Let something else lie there."""
    data = path.read_bytes()
    path.unlink()
    if how == "a folder":
        path.mkdir()
    elif how == "a pipe":
        os.mkfifo(path)
    elif how == "a link to itself":
        path.symlink_to(path)
    elif how == "a link to another file":
        secret.write_bytes(b"a secret of somebody\n" * 3)
        path.symlink_to(secret)
    else:
        contents = {
            "empty": b"",
            "cut": data[: len(data) // 2],
            "names that lead out": data.replace(b"0.png", b"../../../../secret.png"),
            "numbers that cannot be": data.replace(b"64", b"-9e30"),
        }
        path.write_bytes(contents[how])


HOW = ("a folder", "a pipe", "a link to itself", "a link to another file", "empty", "cut")
HOW += ("names that lead out", "numbers that cannot be")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A cycle that is ready to be published."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        project = CycleProject(tmp_path_factory.mktemp("made"))
        project.fill()
        project.predict()
        yield project


@pytest.fixture
def project(made, tmp_path):
    """The same, as it was, for each test."""
    held = tmp_path / "held"
    for name in ("data", "store"):
        shutil.copytree(made.folder / name, held / name)
    yield made
    for name in ("data", "store"):
        shutil.rmtree(made.folder / name)
        shutil.copytree(held / name, made.folder / name)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in folders, and few links")
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", READ_BY)
def test_a_working_file_that_is_something_else_is_one_line_or_none(project, tmp_path, name, how):
    assert READ_BY.keys() < WORKING_FILES.keys()
    secret = tmp_path / "secret.txt"
    path = working_path(project.settings, name)
    put(path, how, secret)
    for step in READ_BY[name]:
        done = run(f"train/{step}.py", project.config)
        lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
        assert done.returncode in (0, 1, 2) and len(lines) <= 1, done.stderr
        assert "a secret of somebody" not in done.stdout + done.stderr
        if done.returncode:
            break
    if secret.exists():
        assert secret.read_bytes() == b"a secret of somebody\n" * 3
    if how in HOW[:5] and name != "test_predictions":
        assert done.returncode == 2 and project.state().cycles == []
    if not done.returncode:
        assert run("tag/status.py", project.config, "--check").returncode == 0
