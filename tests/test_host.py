"""The process that loads TensorFlow once and is forked for the steps of a run."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers_programs import host_of_tests

from train.cycle.host import through_host

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")

PROGRAM = """import atexit, os, signal, sys, threading, time
print("loaded" if "tensorflow" in sys.modules else "alone", os.getcwd(), sys.argv[1:], flush=True)
print(os.environ.get("SAID"), sys.stdin.read() if sys.argv[1:] == ["read"] else "", flush=True)
def told(number, _):
    sys.exit(f"told {number}")
signal.signal(signal.SIGTERM, told)
match sys.argv[1]:
    case "wait":
        print(os.getpid(), flush=True)
        try:
            time.sleep(300)
        except KeyboardInterrupt:
            sys.exit("interrupted")
    case "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    case "fault":
        raise ValueError("a bug")
    case "exit":
        sys.exit(7)
    case "late":
        atexit.register(sys.stdout.write, "cleaned up")
        threading.Timer(0.2, sys.stdout.write, ["work was done, "]).start()
"""


@pytest.fixture
def program(tmp_path):
    """Starts the program with a word in a host, by default that of this worker."""
    file = tmp_path / "a program.py"
    file.write_text(PROGRAM)

    def start(word, address=None, **options) -> subprocess.Popen:
        command, needed = through_host(
            address or host_of_tests(), [sys.executable, str(file), word]
        )
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=pipe,
            stderr=pipe,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **needed, "SAID": "as said"},
            **options,
        )

    return start


def test_a_step_in_a_host_has_tensorflow_loaded_and_all_that_is_its_callers(program, tmp_path):
    step = program("read")
    said, faults = step.communicate("what was typed")
    assert (step.returncode, faults) == (0, "")
    assert said == f"loaded {tmp_path} ['read']\nas said what was typed\n"


def test_a_step_in_a_host_ends_as_it_would_by_itself(program):
    by_words = {}
    for word in ("exit", "die", "fault"):
        step = program(word)
        by_words[word] = step.communicate()[1], step.returncode
    assert by_words["exit"] == ("", 7)
    assert by_words["die"][1] == -signal.SIGSEGV
    said, code = by_words["fault"]
    assert code == 1 and said.endswith("ValueError: a bug\n")


def test_a_step_in_a_host_ends_with_its_threads_and_its_cleaning_up(program):
    step = program("late")
    said, faults = step.communicate()
    assert (step.returncode, faults) == (0, "")
    assert said.endswith("work was done, cleaned up")


def test_where_no_host_answers_a_step_starts_by_itself(program, tmp_path):
    step = program("read", address="nobody")
    assert step.communicate("x")[0].startswith(f"alone {tmp_path}")
    assert step.returncode == 0


def begun(step: subprocess.Popen) -> Path:
    """The process that waits, as it is found below /proc."""
    assert step.stdout.readline().startswith("loaded")
    step.stdout.readline()
    return Path("/proc") / step.stdout.readline().strip()


@pytest.mark.parametrize(
    "number, said, code",
    [
        (signal.SIGTERM, f"told {signal.SIGTERM:d}\n", 1),
        (signal.SIGINT, "a program.py: interrupted\n", 130),
        (signal.SIGHUP, "", -signal.SIGHUP),
    ],
)
def test_what_a_step_is_told_reaches_it_in_its_host(program, number, said, code):
    step = program("wait")
    process = begun(step)
    step.send_signal(number)
    assert (step.communicate()[1], step.returncode) == (said, code)
    assert not process.exists()


def test_a_step_does_not_hear_what_its_caller_ignores(program):
    step = program("wait", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process = begun(step)
    ignored = re.search(r"SigIgn:\t(\w+)", (process / "status").read_text())[1]
    assert int(ignored, 16) & 1 << signal.SIGHUP - 1
    assert not int(ignored, 16) & 1 << signal.SIGTERM - 1
    step.terminate()
    step.communicate()


def test_a_step_that_is_killed_is_killed_in_its_host(program):
    step = program("wait")
    process = begun(step)
    step.kill()
    step.communicate()  # its streams close when it has ended
    assert gone(process)


def gone(process: Path) -> bool:
    """Whether it ends, at last."""
    until = time.monotonic() + 60
    while process.exists() and time.monotonic() < until:
        time.sleep(0.02)
    return not process.exists()
