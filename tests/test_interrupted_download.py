"""A download that was killed or interrupted goes on where it was, or begins anew."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers_batch import TAG, THREE, BatchProject, picture
from helpers_tables import labels

from utils.labels import tables


def slow_to_fetch(project, count) -> None:
    """Make the images a/00.jpg, a/01.jpg, … photographs that must be turned."""
    data = picture(3000, 2000, orientation=6)
    for number in range(count):
        project.images.write(f"a/{number:02}.jpg", data)


def stopped_when(project, condition, *arguments) -> None:
    """Start a download and kill it as soon as `condition` holds."""
    command = [
        sys.executable,
        str(TAG / "download_vott_json.py"),
        *map(str, arguments),
        str(project.config),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    process.wait()


def test_a_download_that_died_while_fetching_goes_on_from_there(store, tmp_path):
    project = BatchProject(store, tmp_path, "\n".join(f"a/{n:02}.jpg NULL" for n in range(12)))
    slow_to_fetch(project, 12)
    stopped_when(project, lambda: any((project.place / "Images").glob("*.jpg")), 12)
    held = project.names("tagging")
    assert len(held) == 12 and not (project.place / "Images.json").exists()
    assert "the download of this batch was interrupted" in project.run("upload", "--all", code=2)
    output = project.run("download", 5)
    assert "12 of 12 images are reserved" in output and project.last(output).startswith("12 images")
    assert (
        project.names("tagging") == held and len(list((project.place / "Images").iterdir())) == 12
    )
    assert project.labels.read().commit == project.batch["commit"]


def test_a_download_that_died_before_its_commit_starts_anew(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    batch = project.batch
    project.seed(labels(THREE, "totag"), tagging=tables.empty("tagging"))
    (project.place / "batch.json").write_text(json.dumps({**batch, "fetched": False, "commit": ""}))
    assert project.last(project.run("download", 3)).startswith("3 images")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_is_one_line_and_the_next_run_goes_on(folder_store, tmp_path):
    project = BatchProject(
        folder_store, tmp_path, "\n".join(f"a/{n:02}.jpg NULL" for n in range(20))
    )
    slow_to_fetch(project, 20)
    command = [sys.executable, str(TAG / "download_vott_json.py"), "20", str(project.config)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    while not any((project.place / "Images").glob("*.jpg")) and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130 and errors.strip().splitlines() == [
        "download_vott_json.py: interrupted; run the same command again to go on"
    ]
    assert project.last(project.run("download", 20)).startswith("20 images")


@pytest.mark.skipif(
    not Path("/proc/self/maps").exists(),
    reason="looks into /proc for the packages that a process has loaded",
)
@pytest.mark.parametrize("package", ["numpy", "pyarrow"])
def test_ctrl_c_while_packages_are_loaded_is_one_line(folder_store, tmp_path, package):
    project = BatchProject(folder_store, tmp_path, THREE)
    process = subprocess.Popen(
        [sys.executable, str(TAG / "download_vott_json.py"), "1", str(project.config)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    while (
        f"/{package}/" not in Path(f"/proc/{process.pid}/maps").read_text()
        and process.poll() is None
    ):
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert (
        process.returncode == 130
        and errors == "download_vott_json.py: interrupted\n"
        and project.names("tagging") == []
    )
