"""The photos of a project, each read where it is: from its copy on this disk, else from the
container. `arriving` reads many of them ahead, and forgets each once it was taken.
"""

import io
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Condition, Lock
from typing import BinaryIO

from utils.errors import Unreadable
from utils.files import local_path
from utils.storage.container import Blob, Container, Damaged, Listed, Missing
from utils.storage.parts import Parts
from utils.storage.written import JOURNAL, UNKNOWN, Written, read_journal

REQUESTS = 32  # at once: most of a request is waiting for its answer
MOST_BYTES = 128 << 20  # of photos that are under way or wait to be taken; a larger one is alone

Source = Path | Callable[[], bytes]  # a file, or what gives the bytes


class Photos:
    """The photos of one image container, as `sync_images` brings them to `image_dir`, or does not.

    To read them in another process, open the container there (`open_containers`) and make another
    one: what is handed over is `Listed` of each photo.
    """

    def __init__(self, container: Container, image_dir: Path):
        self._container = container
        self._image_dir = image_dir
        self._lock = Lock()  # many threads ask at once
        self._known: dict[str, Written] | None = None

    def _written(self, name: str) -> Written:
        with self._lock:
            if self._known is None:
                self._known = read_journal(self._image_dir / JOURNAL)
        return self._known.get(name, UNKNOWN)

    def file(self, photo: Listed | Blob) -> Path | None:
        """The file on this machine that is this photo, None where there is none."""
        if path := self._container.path_of(photo.name):
            return path
        if self._written(photo.name).etag != photo.etag:
            return None
        path = local_path(self._image_dir, photo.name)
        try:
            return path if path.stat().st_size == photo.size else None
        except OSError:
            return None

    def fetched(self, photo: Listed | Blob) -> bytes:
        """The whole photo from the container. Raises Unreadable when it is not to be had as it was
        listed: gone, replaced, damaged on the way, withheld.
        """
        try:
            data, blob = self._container.read(photo.name, photo)
        except Missing:
            raise Unreadable("it is gone from the container") from None
        except Damaged as error:
            raise Unreadable(str(error)) from None
        if blob.etag != photo.etag:
            raise Unreadable("it was replaced since it was listed")
        return data

    def source(self, photo: Listed | Blob) -> Source:
        """The file that is this photo, else the function that fetches it (see `fetched`)."""
        return self.file(photo) or partial(self.fetched, photo)

    def opened(self, photo: Listed | Blob) -> Path | BinaryIO:
        """The photo as something of which as much is read as somebody needs: its file, or a stream
        whose methods raise Unreadable and OutsideError.
        """
        if path := self.file(photo):
            return path
        return io.BufferedReader(Parts(self._container, photo))


def arriving(
    photos: Photos, wanted: Iterable[Listed], most_bytes: int = MOST_BYTES
) -> Generator[tuple[Listed, Source]]:
    """Each photo, in order, with its file, or with the function that waits for its bytes, gives
    them and forgets them (or raises Unreadable, OutsideError); another thread may call it, once.

    At most `most_bytes` are under way or wait to be taken. Close it, or read it to its end.
    """
    changed, under_way = Condition(), 0

    def has_room(size: int) -> bool:
        return not under_way or under_way + size <= most_bytes

    def taken(size: int) -> None:
        nonlocal under_way
        with changed:
            under_way -= size
            changed.notify_all()

    def begun(photo: Listed, must: bool) -> Source | None:
        """Its source; None when there is no room to fetch it, unless it `must` be: then wait."""
        nonlocal under_way
        if path := photos.file(photo):
            return path
        with changed:
            if not has_room(photo.size) and not must:
                return None
            changed.wait_for(lambda: has_room(photo.size))
            under_way += photo.size
        coming = pool.submit(photos.fetched, photo)
        return _Coming(coming, partial(taken, photo.size))

    waiting: deque[tuple[Listed, Source]] = deque()
    rest = iter(wanted)
    upcoming = next(rest, None)
    with ThreadPoolExecutor(REQUESTS, thread_name_prefix="fetch") as pool:
        try:
            while upcoming or waiting:
                while upcoming and len(waiting) < 2 * REQUESTS:
                    source = begun(upcoming, must=not waiting)
                    if source is None:
                        break
                    waiting.append((upcoming, source))
                    upcoming = next(rest, None)
                yield waiting.popleft()
        except BaseException:  # closed early; at its end all that was given out still comes
            pool.shutdown(cancel_futures=True)
            raise


class _Coming:
    """A photo on its way. Called, it waits for the bytes, and keeps none of them."""

    def __init__(self, coming: Future, taken: Callable[[], None]):
        self._coming: Future | None = coming
        self._taken = taken

    def __call__(self) -> bytes:
        coming, self._coming = self._coming, None
        if coming is None:
            raise ValueError("a photo is taken once")
        try:
            return coming.result()
        finally:
            self._taken()
