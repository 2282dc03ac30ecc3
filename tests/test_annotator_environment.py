"""The annotator's programs run where nothing but tag/requirements.txt is installed.

The environment (350 MB) is made once and kept in pytest's cache, until what it is made of changes.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from helpers_batch import TAG, THREE, BatchProject, picture
from helpers_page import Program

REQUIREMENTS = TAG / "requirements.txt"
OUT_OF_REACH = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|NameResolution|ProxyError|connection broken"
)


@pytest.fixture(scope="module")
def annotator_python(request) -> Path:
    """The Python of a new environment with nothing in it but tag/requirements.txt."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    cache = request.config.cache.mkdir("annotator")
    environment = cache / digest
    with FileLock(cache / "lock"):
        if not (environment / "ready").exists():
            for earlier in cache.glob("*/"):
                shutil.rmtree(earlier)
            make(environment)
            (environment / "ready").touch()
    return python_of(environment)


def make(environment: Path) -> None:
    """Make the environment. Skips the test where the registry is out of reach."""
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    done = subprocess.run(
        [python_of(environment), "-m", "pip", "install", "--retries", "1", "-r", REQUIREMENTS],
        text=True,
        capture_output=True,
    )
    if done.returncode and OUT_OF_REACH.search(done.stderr):
        pytest.skip("needs the registry of Python packages, which is out of reach")
    assert done.returncode == 0, done.stderr


def python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@pytest.fixture
def alone(annotator_python, monkeypatch) -> Path:
    """What the test starts runs in that environment and sees no other."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "executable", str(annotator_python))
    return annotator_python


def test_the_environment_of_annotators_has_neither_opencv_nor_tensorflow(alone):
    for package in ("cv2", "tensorflow", "pycocotools", "faster_coco_eval"):
        done = subprocess.run([alone, "-c", f"import {package}"], text=True, capture_output=True)
        assert "ModuleNotFoundError" in done.stderr, package


def test_a_batch_goes_out_and_comes_back_in_the_environment_of_annotators(
    alone, folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, THREE)
    assert "3 images, 1 boxes" in project.run("download", 3)
    assert "3 images, 1 boxes → tagged_" in project.run("upload", "--all")
    assert "north/1.jpg bird 0.1 0.5 0.2 0.8" in project.boxes()


def test_a_folder_of_photos_becomes_a_project_in_the_environment_of_annotators(alone, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(picture())
    with Program(tmp_path / "photos", "--classes", "bird", program="tag/start.py") as program:
        assert "1 images, 0 boxes" in program.said[-2]
        program.end()


def test_every_module_that_both_machines_share_loads_in_the_environment_of_annotators(alone):
    code = (
        "import importlib, pkgutil, utils\n"
        "for module in pkgutil.walk_packages(utils.__path__, 'utils.'):\n"
        "    print(importlib.import_module(module.name))"
    )
    done = subprocess.run([alone, "-c", code], cwd=TAG.parent, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) > 20
