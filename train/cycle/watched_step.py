"""One step of a cycle as a child process of the watcher, so that TensorFlow's memory goes when the
step ends.

The child gets no Ctrl-C from the terminal (the watcher decides), and on Linux does not outlive a
watcher that was killed.
"""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from train.cycle.alone import RUN
from train.cycle.host import through_host
from utils.config import QUIET

PROGRAMS = Path(__file__).resolve().parents[1]
# Steps that take long and go on where they were: they are told to stop. The others are short, and
# run to their end.
STOPPED_EARLY = (
    "sync_images.py",
    "train_detector.py",
    "create_predictions.py",
    "compare_models.py",
)
_LOOK_SECONDS = 0.5
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def run_step(
    program: str,
    options: tuple[str, ...],
    config: Path,
    while_running: Callable[[], bool],
    host: str | None = None,
) -> tuple[int, str]:
    """Run a program of this folder to its end, in the host at this address if there is one; (exit
    code, the last line that it wrote to stderr).

    `while_running` is called twice a second and says whether the step is to stop; what it raises
    stops the step too.
    """
    command, needed = through_host(
        host, [sys.executable, str(PROGRAMS / program), *options, str(config)]
    )
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stderr=errors,
            env={
                **os.environ,
                **needed,
                QUIET: "1",
                RUN: str(os.getpid()),
                "PYTHONUNBUFFERED": "1",
            },
            start_new_session=True,
            preexec_fn=_die_with_the_watcher if sys.platform == "linux" else None,
        )
        told = False
        try:
            while True:
                try:
                    code = process.wait(_LOOK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    if while_running() and not told and program in STOPPED_EARLY:
                        told = True
                        process.terminate()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        errors.seek(0)
        text = errors.read()
    sys.stderr.write(text)
    sys.stderr.flush()
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return code, said[-1] if said else ""


def _die_with_the_watcher() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
