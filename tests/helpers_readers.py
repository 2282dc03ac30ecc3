"""Programs of other people that read what we write, each in a Python of its own, made once and kept
in the cache of this machine.
"""

import hashlib
import json
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

import platformdirs
import pytest
from filelock import FileLock

READERS = Path(__file__).resolve().parent / "readers"


def read_by(reader: str, code: str, *arguments):
    """What a piece of Python prints as JSON, run with the packages of readers/<reader>.txt. Skips
    the test when they cannot be installed.
    """
    finished = subprocess.run(
        [_python(reader), "-c", code, *map(str, arguments)],
        text=True,
        capture_output=True,
        encoding="utf-8",
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


@cache
def _python(reader: str) -> Path:
    requirements = READERS / f"{reader}.txt"
    text = requirements.read_text(encoding="utf-8")
    number = hashlib.sha256(f"{sys.version}{text}".encode()).hexdigest()[:12]
    cache_folder = Path(platformdirs.user_cache_dir("active-learning-detect", appauthor=False))
    place = cache_folder / "readers" / f"{reader}-{number}"
    place.parent.mkdir(parents=True, exist_ok=True)
    python = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    with FileLock(f"{place}.lock"):
        if not (place / "whole").exists():
            venv.create(place, clear=True, with_pip=True)
            # the packages that a file names are enough; what they ask for besides is large
            alone = ["--no-deps"] if "without its dependencies" in text else []
            first, *others = [line for line in text.splitlines() if line and line[0] != "#"]
            for packages in ([*alone, first], others):
                if packages:
                    _install(python, packages, reader)
            (place / "whole").touch()
    return python


def _install(python: Path, packages: list[str], reader: str) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    finished = subprocess.run(command, text=True, capture_output=True)
    if finished.returncode:
        reason = " ".join(finished.stderr.split())[-200:]
        pytest.skip(f"{reader} cannot be installed here: {reason}")
