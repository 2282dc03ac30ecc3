"""What takes long to make is made once in a run of the tests, however many processes run them."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

from utils.files import write_bytes

Made = TypeVar("Made")


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]
) -> tuple[Path, Made]:
    """A folder, and what make(folder) has returned, by the process that needed it first. Nobody may
    change what lies there.
    """
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all processes of this run
    place, returned = folder / name, folder / f"{name}.pickle"
    with FileLock(folder / f"{name}.lock"):
        if not returned.exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            write_bytes(returned, pickle.dumps(make(place)))
        return place, pickle.loads(returned.read_bytes())
