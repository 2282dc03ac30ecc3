"""What this machine may not read, also where tests run as root."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_VERSION = 0x20080522  # of the structures of capget and capset
_PASS_BY = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextmanager
def ordinary_rights() -> Iterator[None]:
    """Inside, what permissions forbid is forbidden to root too, in this thread and its threads."""
    if sys.platform != "linux":
        pytest.skip("rights are taken away with what Linux has")
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, data) == 0
    before = data[0]
    data[0] = before & ~_PASS_BY  # the effective ones below 32
    assert libc.capset(header, data) == 0
    try:
        yield
    finally:
        data[0] = before
        assert libc.capset(header, data) == 0


def failing_file(path: Path) -> Path:
    """A file that is there and answers every read with an input/output error, to anybody."""
    if sys.platform != "linux":
        pytest.skip("such a file is made with what Linux has")
    path.symlink_to("/proc/self/mem")
    return path
