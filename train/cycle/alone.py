"""One run at a time works in data_dir: two at once would mix their files.

Entry points and the watcher name themselves in the environment (RUN: their process); the first step
that writes takes data_dir for them. It is free again when that process has ended.
"""

import ctypes
import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from train.network.machines import refuse_beside_the_chief
from utils.errors import InputError
from utils.files import write_text
from utils.json_shape import TEXT, check_shape, json_object, members, of, read_regular
from utils.times import utc_text

RUN = "ACTIVE_LEARNING_RUN"  # set by run_steps.sh and by the watcher
_FILE = "run.json"
_NOTE = members({"process": of(int, least=1, most=2**31 - 1), "since": TEXT})
_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_STARTED_BY = (b"run_steps.sh", b"watch.py")


def take(data_dir: Path) -> None:
    """Take data_dir for the run of this step. Raises InputError when another run is at work there,
    and on a machine that only helps another one to train.

    A step that somebody starts by hand belongs to no run: it only looks. The watcher is its own.
    """
    refuse_beside_the_chief()
    _end_with_the_run()
    own, file = int(os.environ.get(RUN) or os.getpid()), data_dir / _FILE
    data_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(data_dir / "run.lock"):
        other, since = _noted(file)
        if other not in (0, own) and _at_work(other):
            raise InputError(
                f"{data_dir}: another run works there (process {other}, since {since}); wait until"
                " it has ended, or stop it"
            )
        if os.environ.get(RUN) and other != own:
            note = {"process": own, "since": utc_text(datetime.now(UTC))}
            write_text(file, json.dumps(note) + "\n")


def _end_with_the_run() -> None:
    """Have the system end this step when run_steps.sh, which started it, is killed and can no more
    tell it to end. Only on Linux; elsewhere the step goes on to its end.
    """
    if sys.platform == "linux" and str(os.getppid()) == os.environ.get(RUN):
        ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGTERM)
        if str(os.getppid()) != os.environ[RUN]:  # it was killed just now
            signal.raise_signal(signal.SIGTERM)


def _noted(file: Path) -> tuple[int, str]:
    """The process that took data_dir last, and when; 0 when none is known."""
    try:
        note = json_object(read_regular(file))
        check_shape(note, _NOTE)
        return note["process"], note["since"]
    except (OSError, ValueError):
        return 0, ""


def _at_work(process: int) -> bool:
    """Whether that process lives, and is one that runs steps (numbers are given again)."""
    if os.name == "nt":
        return False  # asking would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return True
    return any(name in words for name in _STARTED_BY)
