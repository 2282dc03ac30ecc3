"""A full disk is called that, with its file system and what is free there; nothing is lost."""

import os
import subprocess

import create_predictions
import create_tf_records
import numpy as np
import pytest
from helpers_batch import THREE, BatchProject
from helpers_cycle import CycleProject

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


@pytest.mark.parametrize("step", [create_tf_records, create_predictions])
def test_a_step_of_a_cycle_on_a_full_disk(small_disk, tmp_path, step):
    project = CycleProject(tmp_path, data_dir=small_disk / "data", validation_percentage=0)
    project.fill()
    (small_disk / "ballast").write_bytes(bytes(os.statvfs(small_disk).f_bavail * 4096))
    with pytest.raises(OutsideError, match=rf"disk is full: 0\.0 MB are free on {small_disk};"):
        step.main([str(project.config)])
    (small_disk / "ballast").unlink()
    step.main([str(project.config)])
