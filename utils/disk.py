"""A full disk: which file system it is, and what is free on it."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.errors import OutsideError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_WORDS = "No space left on device"  # as packages that are not Python's say it


class DiskFull(OutsideError):
    """There is no room for a file; the message names the file system and what is free on it."""


@contextmanager
def room(place: Path) -> Iterator[None]:
    """While this lasts, files are written in `place`. Raises DiskFull, naming its file system
    and what is free there, when that is full.
    """
    try:
        yield
    except OutsideError:
        raise
    except Exception as error:
        if getattr(error, "errno", None) not in _FULL and _WORDS not in str(error):
            raise
        raise DiskFull(
            f"{place}: the disk is full: {free_on(place)}; make room and run the same command again"
        ) from None


def free_on(place: Path) -> str:
    """What is free on the file system of a place, which need not be there yet, in words."""
    there = Path(os.path.realpath(place))
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    while not os.path.ismount(there):
        there = there.parent
    return f"{free / 1e6:.1f} MB are free on {there}"
