"""How much is decoded at once: a large picture takes gigabytes, and threads work on several."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

MOST = 200_000_000  # pixels at once in this process, about 2 GB; a larger picture has it alone

_changed = threading.Condition()
_mine = threading.local()
_taken = 0


@contextmanager
def room_for(pixels: int) -> Iterator[None]:
    """Wait until so many pixels have room beside those of other threads. Inside, the same thread
    needs no more room: it is about the same picture.
    """
    global _taken
    if getattr(_mine, "inside", False):
        yield
        return
    with _changed:
        _changed.wait_for(lambda: not _taken or _taken + pixels <= MOST)
        _taken += pixels
    _mine.inside = True
    try:
        yield
    finally:
        _mine.inside = False
        with _changed:
            _taken -= pixels
            _changed.notify_all()
