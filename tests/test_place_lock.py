"""One program at a time works in a tagging_location: downloads and uploads, as real processes."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
from helpers_programs import ROOT, done, run
from helpers_state import StateProject

from utils.batch.place import LOCK, at_work
from utils.errors import OutsideError

HOLD = (
    "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from utils.batch.place"
    " import at_work\nwith at_work(Path(sys.argv[2])): print('held', flush=True); sys.stdin.read()"
)
REFUSED = "another download or upload works there"


@pytest.fixture
def project(folder_store, tmp_path):
    return StateProject(folder_store, tmp_path)


@contextmanager
def held_by_another_process(place):
    """Let another process work in `place`."""
    command = [sys.executable, "-c", HOLD, str(ROOT), str(place)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.communicate()


def test_a_download_and_an_upload_beside_another_one_are_one_line_and_change_nothing(project):
    place = project.config.parent / "Tag"
    done("tag/download_vott_json.py", 2, project.config)
    before, files = project.labels.read().document, sorted(path.name for path in place.rglob("*"))
    with held_by_another_process(place):
        for program in (
            ["tag/download_vott_json.py", 2, project.config],
            ["tag/upload_vott_json.py", project.config, "--all"],
        ):
            finished = run(*program)
            assert (
                finished.returncode == 1
                and REFUSED in finished.stderr
                and len(finished.stderr.splitlines()) == 1
            )
        assert project.labels.read().document == before and sorted(
            path.name for path in place.rglob("*")
        ) == sorted([*files, LOCK])
    assert done("tag/upload_vott_json.py", project.config, "--all").startswith("2 images")


def test_two_downloads_started_at_the_same_moment_leave_one_whole_batch(project):
    done("tag/abandon.py", project.config)
    command = [
        sys.executable,
        str(ROOT / "tag" / "download_vott_json.py"),
        "2",
        str(project.config),
    ]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = [(process.communicate(), process.returncode) for process in started]
    (lost,) = [(errors, code) for (_, errors), code in ended if code]
    assert (
        lost[1] == 1
        and REFUSED in lost[0]
        or lost[1] == 2
        and "2 of 2 images of the batch" in lost[0]
    )
    place = project.config.parent / "Tag"
    assert sorted(path.name for path in place.iterdir()) == ["Images", "Images.json", "batch.json"]
    on_disk = {path.name.replace("__", "/") for path in (place / "Images").iterdir()}
    assert len(on_disk) == 2 and set(project.names("tagging")) == {*on_disk, "c/2.jpg"}


def test_a_download_that_died_before_its_marker_was_written_is_followed_by_another(project):
    place = project.config.parent / "Tag"
    place.mkdir()
    (place / ".0123456789abcdef.part").write_text("{")
    done("tag/abandon.py", project.config)
    done("tag/download_vott_json.py", 2, project.config)
    assert sorted(path.name for path in place.iterdir()) == ["Images", "Images.json", "batch.json"]


def test_a_killed_program_holds_nothing(project):
    place = project.config.parent / "Tag"
    with held_by_another_process(place) as process:
        process.kill()
        process.wait()
    assert (place / LOCK).exists()
    done("tag/abandon.py", project.config)
    done("tag/download_vott_json.py", 1, project.config)
    assert not (place / LOCK).exists()


def test_a_folder_of_the_users_own_is_not_touched(project):
    place = project.config.parent / "Tag"
    place.mkdir()
    (place / "mine.txt").write_text("mine")
    for program in (
        ["tag/download_vott_json.py", 2, project.config],
        ["tag/upload_vott_json.py", project.config],
    ):
        assert run(*program).returncode == 2
    assert [path.name for path in place.iterdir()] == ["mine.txt"]


def test_a_folder_that_was_made_for_nothing_is_gone_again(tmp_path):
    with (
        at_work(tmp_path / "a" / "Tag"),
        pytest.raises(OutsideError, match=REFUSED),
        at_work(tmp_path / "a" / "Tag"),
    ):
        pass
    assert not (tmp_path / "a" / "Tag").exists()
