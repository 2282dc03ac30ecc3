"""A cycle that could learn nothing is not run again unasked, and no two runs share a data_dir."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import initialize
import pytest
import sync_images
import train_detector
from helpers_cycle import RED, CycleProject

from train.cycle import alone
from train.cycle.files import read_cycle, update_cycle
from train.cycle.news import NOTHING_NEW
from utils.errors import InputError


@pytest.fixture
def published(tmp_path):
    """A project whose first cycle is published."""
    project = CycleProject(tmp_path)
    project.fill()
    project.predict()
    project.publish()
    return project


def new_label(project):
    project.tag(("a/2.png", "red thing"))


def new_photo(project):
    project.photo("c/new.png", RED)


def new_setting(project):
    project.config.write_text(project.config.read_text() + "min_tile_size=128\n")


def other_model(project):
    project.commit({"live": {**project.state().live, "model": "model_7.pb"}})


def test_the_same_cycle_again_is_one_line(published, capsys):
    sync_images.main([str(published.config)])
    capsys.readouterr()
    assert train_detector.main([str(published.config)]) == NOTHING_NEW
    said = capsys.readouterr().out
    assert said.startswith("nothing new since cycle 1 (") and "--force" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("options", [["--force"], ["--iterations", "3"]])
def test_who_wants_it_trains_all_the_same(published, options):
    sync_images.main([str(published.config)])
    with pytest.raises(InputError, match="create_tf_records"):  # the next thing that it needs
        train_detector.main([str(published.config), *options])


@pytest.mark.parametrize("news", [new_label, new_photo, new_setting, other_model])
def test_whatever_is_new_is_worth_a_cycle(published, news):
    news(published)
    sync_images.main([str(published.config)])
    assert read_cycle(published.settings)["nothing_new"] == ""


@pytest.fixture
def other_run(tmp_path):
    """A process that is called as the runner of steps is, and lives."""
    program = tmp_path / "run_steps.sh"
    program.write_text("import sys\nprint(flush=True)\nsys.stdin.read()\n")
    process = subprocess.Popen(
        [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    yield process
    process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="training machines run Linux")
def test_a_step_ends_when_the_run_that_started_it_is_killed(tmp_path):
    """A killed shell hands nothing on, and a second run would work beside the step."""
    step = """if True:
        import sys, time
        from pathlib import Path
        from train.cycle import alone
        alone.take(Path(sys.argv[1]))
        print("at work", flush=True)
        time.sleep(600)
    """
    run = subprocess.Popen(
        ["bash", "-c", 'export ACTIVE_LEARNING_RUN=$$; "$@" & wait', "run_steps.sh"]
        + [sys.executable, "-c", step, str(tmp_path)],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout.readline()
    run.kill()
    run.communicate(timeout=300)  # the step holds the other end until it ends


@pytest.mark.skipif(os.name == "nt", reason="training machines run Linux")
def test_a_second_run_in_one_data_dir_is_refused_while_the_first_lives(
    tmp_path, other_run, monkeypatch
):
    project = CycleProject(tmp_path)
    project.photo("a.png", RED)
    initialize.main([str(project.config)])
    data = project.settings.data_dir
    monkeypatch.setenv(alone.RUN, str(other_run.pid))
    sync_images.main([str(project.config)])
    before = (data / "cycle.json").read_bytes()
    update_cycle(project.settings)  # its own later steps go on
    for another in ("1", None):  # another run, and a step that somebody starts by hand
        if another:
            monkeypatch.setenv(alone.RUN, another)
        else:
            monkeypatch.delenv(alone.RUN)
        for step in (
            lambda: sync_images.main([str(project.config)]),
            lambda: update_cycle(project.settings, stray=True),
            lambda: train_detector.main([str(project.config)]),
        ):
            with pytest.raises(InputError, match=f"another run works there.*{other_run.pid}"):
                step()
    assert json.loads((data / "cycle.json").read_bytes()) == json.loads(before)
    other_run.communicate()
    sync_images.main([str(project.config)])


def test_a_note_of_a_run_that_is_gone_or_damaged_stops_nobody(tmp_path):
    since = datetime.now(UTC).isoformat()
    for text in ("", "{}", "[1]", '{"process": "x", "since": ""}', f'{{"process": {os.getpid()}}}'):
        (tmp_path / "run.json").write_text(text)
        alone.take(tmp_path)
    # the number was given again, to something else
    (tmp_path / "run.json").write_text(json.dumps({"process": os.getppid(), "since": since}))
    alone.take(tmp_path)
