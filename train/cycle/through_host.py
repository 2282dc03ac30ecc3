"""Runs a program in the host whose address is in the environment, as if it were this process:

    python -I -S through_host.py PROGRAM WORD…

Streams, folder and environment are this process's, signals go on to the program, and this process
ends as it does. Where no host answers, it becomes the program. Imports nothing of ours: it is to
start at once.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import struct
import sys

_CREDENTIALS = struct.Struct("3i")  # process, user, group
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(program: str, words: list[str]) -> None:
    """Run the program to its end."""
    told: list[int] = []

    def hand_on(number, _):
        told.append(number)
        with contextlib.suppress(OSError):
            host.send(bytes([number]))

    try:
        handed_on = [
            number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN
        ]
        wanted = {
            "program": program,
            "words": words,
            "env": dict(os.environ),
            "cwd": os.getcwd(),
            "hears": handed_on,
        }
        host = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        host.connect("\0" + os.environ["ACTIVE_LEARNING_HOST"])
        credentials = host.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        if _CREDENTIALS.unpack(credentials)[1] != os.getuid():
            raise OSError("a host of somebody else")
        socket.send_fds(host, [json.dumps(wanted).encode()], [0, 1, 2])
        for number in handed_on:
            signal.signal(number, hand_on)
        if not host.recv(16):
            raise OSError("the host has ended before it could begin")
    except OSError:
        if told:
            os._exit(128 + told[0])
        os.execv(sys.executable, [sys.executable, program, *words])
    try:
        status = host.recv(16)
    except OSError:
        status = b""
    # a host that was killed has taken the program with it
    code = os.waitstatus_to_exitcode(int(status)) if status else -signal.SIGKILL
    if code >= 0:
        os._exit(code)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the program has left its own
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
