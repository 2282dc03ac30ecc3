"""A process that loads TensorFlow once for all steps of a run: it forks itself for each of them.

    python -m train.cycle.host ADDRESS PARENT

A fork is a process of its own, that can be killed at any moment, and whose memory goes when it
ends. Nothing is calculated before a fork: TensorFlow's threads would not come along. The other end
is `through_host.py`, which starts a step as before where no host answers.

ADDRESS is a name in Linux' abstract namespace, of which nothing is left when the host ends; PARENT
the process without which it ends.
"""

import atexit
import contextlib
import ctypes
import gc
import json
import os
import runpy
import secrets
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from train.network.forks import may_fork
from utils import python_check
from utils.terminal import say

ADDRESS = "ACTIVE_LEARNING_HOST"
_ROOT = Path(__file__).resolve().parents[2]
_THROUGH = Path(__file__).with_name("through_host.py")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_SIGNALS = {number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGHUP")}
_STREAMS = ("stdin", "stdout", "stderr")
_LARGEST = 1 << 20  # bytes of a request: the environment is in it
_CREDENTIALS = struct.Struct("3i")  # process, user, group


def through_host(address: str | None, command: list[str]) -> tuple[list[str], dict[str, str]]:
    """The command, and what it needs in its environment, that runs [python, program, …] in the host
    at this address; the same command without one.
    """
    if address is None:
        return command, {}
    python, *words = command
    return [python, "-I", "-S", str(_THROUGH), *words], {ADDRESS: address}


@contextlib.contextmanager
def host(module: str = "train.cycle.host") -> Iterator[str | None]:
    """A host while this lasts: its address, None where there can be none. It listens at once, and
    answers when it has loaded. `module`: what runs, this one or one that calls its `main`.
    """
    if not may_fork():
        yield None
        return
    address = f"active-learning-{os.getpid()}-{secrets.token_hex(8)}"
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, address, str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    with process:
        process.stdout.readline()
        try:
            yield address
        finally:
            process.kill()


def main(address: str, parent: int, load: Callable[[], None] | None = None) -> None:
    """Listen, load TensorFlow (or what `load` loads), and become what is asked for."""
    for number in _SIGNALS:  # Ctrl-C and a terminal that closes are for the steps
        signal.signal(number, signal.SIG_IGN)
    if not may_fork():
        return
    _end_with(parent)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind(f"\0{address}")
        door.listen()
        say("listening")
        (load or load_tensorflow)()
        _serve(door)


def load_tensorflow() -> None:
    """Load what the steps of a cycle need; none of it calculates anything while it is loaded."""
    from train.network.quiet import silence

    silence()
    import train.cycle.comparison
    import train.cycle.publishing
    import train.cycle.training_run
    import train.network.export
    import train.prediction.pipeline  # noqa: F401

    gc.freeze()  # a collection would copy the pages that all forks share


def _serve(door: socket.socket) -> None:
    """Fork a step for each caller, hand on the signals that it sends, and tell it how the step
    ended. A caller that is gone takes its step with it.
    """
    with selectors.DefaultSelector() as waiting:
        waiting.register(door, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.data is None:
                    caller, _ = door.accept()
                    _begin(caller, waiting)
                    continue
                caller, step, process = key.data
                if key.fileobj == step:
                    _, status = os.waitpid(process, 0)
                    with contextlib.suppress(OSError):
                        caller.send(str(status).encode())
                    for file in (caller, step):
                        with contextlib.suppress(KeyError):
                            waiting.unregister(file)
                    caller.close()
                    os.close(step)
                    break  # what else is ready may belong to these
                told = b""
                with contextlib.suppress(OSError):
                    told = caller.recv(1)
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(step, told[0] if told else signal.SIGKILL)
                if not told:
                    waiting.unregister(caller)


def _begin(caller: socket.socket, waiting: selectors.BaseSelector) -> None:
    """Fork the step that a caller asks for."""
    credentials = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    if _CREDENTIALS.unpack(credentials)[1] != os.getuid():
        return caller.close()
    request, files, _, _ = socket.recv_fds(caller, _LARGEST, 3)
    if len(files) != 3:
        return caller.close()
    host_process = os.getpid()
    # what it is told at once waits until it is ready for it
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    process = os.fork()
    if not process:
        waiting.close()
        caller.close()
        _become(json.loads(request), files, host_process)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    for file in files:
        os.close(file)
    step = os.pidfd_open(process)
    for file in (caller, step):
        waiting.register(file, selectors.EVENT_READ, (caller, step, process))
    with contextlib.suppress(OSError):
        caller.send(b"started")


def _become(wanted: dict, files: list[int], host_process: int) -> NoReturn:
    """Run the program in this process, as Python does that is started with it."""
    os.setpgid(0, 0)
    _end_with(host_process)
    for number in wanted["hears"]:
        interrupted = number == signal.SIGINT
        signal.signal(number, python_check.leave if interrupted else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    os.environ.clear()
    os.environ.update(wanted["env"])
    os.chdir(wanted["cwd"])
    for number, (file, name) in enumerate(zip(files, _STREAMS, strict=True)):
        os.dup2(file, number)
        os.close(file)
        # a new one: a stream remembers whether what it was made for can be wound back
        stream = open(number, "w" if number else "r", buffering=1, closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.argv = [wanted["program"], *wanted["words"]]
    sys.path.insert(0, str(Path(wanted["program"]).resolve().parent))
    code = 0
    try:
        runpy.run_path(wanted["program"], run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    _leave(code)


def _leave(code: int | str | None) -> NoReturn:
    """End this process as Python does, but for taking apart all modules of the host: that takes
    0.2 s of every step.
    """
    if isinstance(code, str):
        say(code, error=True)
        code = 1
    threading._shutdown()  # waits for its threads
    atexit._run_exitfuncs()
    for name in _STREAMS[1:]:
        with contextlib.suppress(OSError):
            getattr(sys, name).flush()
    os._exit(code or 0)


def _end_with(parent: int) -> None:
    """Have the system end this process when its parent ends."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
