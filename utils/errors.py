"""The two expected kinds of failure, and the frame in which every program runs.

A program is a function main(argv) -> int | None; `run_program` turns what it raises into one line
on stderr and an exit code: InputError 2 (what a person gave is wrong), OutsideError 1 (storage,
network or disk failed), Ctrl-C 130. A bug keeps its traceback.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import NoReturn

from utils import python_check
from utils.masking import masked
from utils.terminal import block, filtered, say, shown


class _Said(Exception):
    """An error whose message people read, here or where it is written down: without secrets."""

    def __init__(self, message: str = ""):
        super().__init__(masked(message))


class InputError(_Said):
    """What a person gave us is wrong; the message says what, where, what was expected and what to
    do. Exit code 2.
    """


class OutsideError(_Said):
    """Storage, network or disk failed; the message says what was being done. Exit code 1."""


class Unreadable(OutsideError):
    """One image cannot be read here and now, and the fault is not in its content: this machine may
    not read it, its disk fails, the service holds it back. It is said and tried again, and never
    recorded as a fault of the image.
    """


def run_program(main: Callable[[list[str]], int | None], argv: list[str] | None = None) -> None:
    """Run `main` with the command line (without the program's name) and leave the process with its
    exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    sys.excepthook = _show_fault
    with filtered():
        sys.exit(_exit_code(main, sys.argv[1:] if argv is None else argv))


def _exit_code(main: Callable[[list[str]], int | None], argv: list[str]) -> int:
    program = os.path.basename(sys.argv[0])
    if signal.getsignal(signal.SIGINT) is python_check.leave:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        code = main(argv) or 0
        sys.stdout.flush()
    except InputError as error:
        say(f"{program}: {one_line(error)}", error=True)
        code = 2
    except OutsideError as error:
        say(f"{program}: {one_line(error)}", error=True)
        code = 1
    except KeyboardInterrupt:
        say(f"{program}: interrupted; run the same command again to go on", error=True)
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        say(f"{program}: {one_line(error)}", error=True)
        code = 1
    return code


def _show_fault(
    kind: type[BaseException], fault: BaseException, trace: TracebackType | None
) -> None:
    """Print the traceback of a bug."""
    sys.stderr.write(block("".join(traceback.format_exception(kind, fault, trace))))


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Ctrl-C: KeyboardInterrupt, but not into packages that `main` is loading, which turn it into
    errors of their own; nothing was begun yet.
    """
    while frame is not None:
        caller = frame.f_back
        importing = frame.f_code.co_filename.startswith("<frozen importlib")
        if importing and caller is not None and caller.f_code.co_name == "main":
            python_check.leave()
        frame = caller
    raise KeyboardInterrupt


def one_line(error: BaseException) -> str:
    """The error's message as it may be seen, on a single line."""
    return shown(str(error).strip()) or type(error).__name__
