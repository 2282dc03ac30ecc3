"""Running the toolkit's programs as people do, and drawn photographs to run them on."""

import atexit
import functools
import importlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

from train.cycle.host import host, through_host
from train.cycle.news import NOTHING_NEW
from train.cycle.steps import steps_of
from train.demo import pictures
from train.demo.annotator import Annotator
from utils.config import QUIET, load_config
from utils.errors import run_program
from utils.labels import tables
from utils.labels.pool import pool_of
from utils.labels.store import open_labels

ROOT = Path(__file__).resolve().parent.parent


# These have a process of their own: they change TensorFlow's settings, or catch signals.
ALONE = {"train_detector.py", "export_model.py", "watch.py", "run_demo.py"}


def run(program: str, *arguments, process: bool = False, **options) -> CompletedProcess:
    """Run `tag/x.py`, `train/x.py` or `train/x.sh` of this repository; output as text.

    It runs in this process, which has its packages loaded, as far as that is the same: not with
    `process`, in a thread (threads share sys.argv and streams) or with options of subprocess.run.
    Those of ALONE are forks of one that has TensorFlow loaded.
    """
    words = [str(word) for word in arguments]
    steps = _steps(program, words)
    threaded = threading.current_thread() is not threading.main_thread()
    if process or threaded or options or steps is None:
        interpreter = "bash" if program.endswith(".sh") else sys.executable
        command = [interpreter, ROOT / program, *words]
        return subprocess.run(command, text=True, capture_output=True, **options)
    said, faults = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(faults), patch.dict(os.environ):
        for number, (step, *step_words) in enumerate(steps, 1):
            if len(steps) > 1:
                print(f"\n[{number}/{len(steps)}] {Path(step).stem}")
            code = _runner(Path(step).name)(step, step_words)
            if code == NOTHING_NEW:
                code = 0
                break
            if code:
                break
            os.environ[QUIET] = "1"
    return CompletedProcess([program, *words], code, said.getvalue(), faults.getvalue())


def _steps(program: str, words: list[str]) -> list[list[str]] | None:
    """The programs that this one runs, with their arguments; None when it needs a process."""
    if program.endswith(".py"):
        found = [[program, *words]]
    elif not words or any(word.startswith(("--from", "--help")) for word in words):
        return None
    else:
        config, *others = words
        found = []
        for step, *own in steps_of(Path(program).name, "@"):
            rest = others if own[-1:] == ["@"] else []
            found.append([f"train/{step}", *(word for word in own if word != "@"), config, *rest])
        if others and not any(step[-len(others) :] == others for step in found):
            return None  # the entry point refuses them
    return found


def forked(program: str, *arguments, code: int = 0) -> str:
    """Run `train/x.py` as a fork of a process that has TensorFlow loaded, expect this exit code,
    and give all that it said.
    """
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        ended = _run_forked(program, [str(word) for word in arguments])
    assert ended == code, f"{program}\n{said.getvalue()}"
    return said.getvalue()


def _runner(step: str) -> Callable[[str, list[str]], int]:
    return _run_forked if step in ALONE else _run_here


def _run_forked(program: str, words: list[str]) -> int:
    """Run a program as a fork of a process that has TensorFlow loaded, and say what it says; its
    exit code.
    """
    command, needed = through_host(host_of_tests(), [sys.executable, str(ROOT / program), *words])
    env = {**os.environ, **needed}
    done = subprocess.run(command, text=True, capture_output=True, env=env)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def begun(program: Path, *words, **options) -> subprocess.Popen:
    """Begin a program (any file) as a fork of a process that has TensorFlow loaded. Killed, it has
    ended when its streams have.
    """
    command, needed = through_host(
        host_of_tests(), [sys.executable, str(program), *map(str, words)]
    )
    options.setdefault("env", os.environ)
    options["env"] = {**options["env"], **needed}
    return subprocess.Popen(command, encoding="utf-8", stdout=subprocess.PIPE, **options)


@functools.cache
def host_of_tests() -> str | None:
    """The address of a host that ends when this process does; None where there can be none."""
    running = host("tests.helpers_host")
    atexit.register(running.__exit__, None, None, None)
    return running.__enter__()


def _run_here(program: str, words: list[str]) -> int:
    """Call a program's main as its process does; its exit code."""
    main = importlib.import_module(Path(program).stem).main
    with patch.object(sys, "argv", [str(ROOT / program), *words]):
        try:
            run_program(main)
        except SystemExit as end:
            return int(end.code or 0)


def done(program: str, *arguments, **options) -> str:
    """Run it, expect success, and give what it printed."""
    finished = run(program, *arguments, **options)
    assert finished.returncode == 0, f"{program}\n{finished.stdout}\n{finished.stderr}"
    return finished.stdout


def photos(count: int) -> list[pictures.Photo]:
    """The first photos of the demo: 256×192, a third without objects, the first with EXIF
    orientation 6.
    """
    return [pictures.draw(number) for number in range(count)]


def put(container, drawn: list[pictures.Photo], folder: Path) -> None:
    """Write photos into an image container, by way of files in `folder`."""
    for number, photo in enumerate(drawn):
        path = folder / "drawn" / photo.blob
        pictures.save(photo, path, number)
        container.write(photo.blob, path)


def review(config: Path, drawn: list[pictures.Photo]):
    """What a person does with VoTT between download and upload."""
    return Annotator(drawn).review(load_config(config).tagging_location)


def state_tables(config: Path, *names: str) -> list:
    """Tables of the label container as it is now."""
    _, labels = open_labels(load_config(config))
    state = labels.read()
    return [labels.table(state, name) for name in names]


def image_sets(config: Path, *names: str) -> list[set[str]]:
    """The images in tables of the label container as it is now; totag without those that are
    elsewhere.
    """
    _, labels = open_labels(load_config(config))
    state = labels.read()
    return [
        tables.image_set(pool_of(labels, state) if name == "totag" else labels.table(state, name))
        for name in names
    ]
