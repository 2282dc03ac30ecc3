"""A full disk is called that, with its file system and what is free there; nothing is lost."""

import os
import subprocess

import create_predictions
import create_tf_records
import numpy as np
import pytest
from helpers_batch import THREE, BatchProject, region
from helpers_cycle import CycleProject
from helpers_store import folder_store_in

from utils.disk import free_on
from utils.errors import OutsideError
from utils.files import write_bytes
from utils.images.decoding import encode_jpeg


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 600 kB."""
    place = tmp_path / "small disk"
    place.mkdir()
    mounted = os.name != "nt" and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", place], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("mounting a file system needs root")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_the_line_names_the_file_system_and_what_is_free(small_disk):
    with pytest.raises(OutsideError, match=rf"disk is full: 0\.6 MB are free on {small_disk};"):
        write_bytes(small_disk / "new folder" / "file", bytes(700_000))
    assert list((small_disk / "new folder").iterdir()) == []
    assert free_on(small_disk / "not" / "there").endswith(f"free on {small_disk}")


def test_a_download_onto_a_full_disk_goes_on_when_there_is_room(folder_store, small_disk, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE, tagging_location=small_disk / "Tag")
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    for blob in project.names("totag"):
        project.images.write(blob, encode_jpeg(noise))
    said = project.run("download", 3, code=1)
    assert "the disk is full" in said and f"free on {small_disk}" in said
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    assert "3 images" in project.last(project.run("download", 3))


def filled(disk):
    """Let nothing be free on it; the file that takes the room."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize))
    return ballast


def test_an_upload_into_a_store_on_a_full_disk_loses_nothing(small_disk, tmp_path):
    project = BatchProject(folder_store_in(small_disk), tmp_path, THREE)
    project.run("download", 3)
    project.save({"south/2.jpg": [region("seal", 20, 100, 10, 50)]}, visited=["north/1.jpg"])
    before, ballast = project.state().document, filled(small_disk)
    said = project.run("upload", code=1)
    assert f"the disk is full: 0.0 MB are free on {small_disk};" in said
    assert project.state().document == before and len(project.names("tagging")) == 3
    ballast.unlink()
    project.run("upload")
    assert project.names("tagged") == ["north/1.jpg", "south/2.jpg"]
    assert "south/2.jpg seal 0.1 0.5 0.1 0.5" in project.boxes()


def test_publishing_into_a_store_on_a_full_disk_loses_nothing(small_disk, tmp_path):
    project = CycleProject(small_disk, data_dir=tmp_path / "data", tagging_location=tmp_path / "t")
    project.fill()
    project.predict()
    before, ballast = project.state().document, filled(small_disk)
    with pytest.raises(OutsideError, match=rf"disk is full: 0\.0 MB are free on {small_disk};"):
        project.publish()
    assert project.state().document == before
    assert not [path for path in small_disk.rglob("*.part")]
    ballast.unlink()
    project.publish()
    assert len(project.state().cycles) == 1


@pytest.mark.parametrize("step", [create_tf_records, create_predictions])
def test_a_step_of_a_cycle_on_a_full_disk(small_disk, tmp_path, step):
    project = CycleProject(tmp_path, data_dir=small_disk / "data", validation_percentage=0)
    project.fill()
    ballast = filled(small_disk)
    with pytest.raises(OutsideError, match=rf"disk is full: 0\.0 MB are free on {small_disk};"):
        step.main([str(project.config)])
    ballast.unlink()
    step.main([str(project.config)])
