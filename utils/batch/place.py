"""tagging_location: whose folder it is, and who works in it now."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from utils.batch.batch import MARKER, PIECE
from utils.errors import InputError, OutsideError
from utils.files import is_link
from utils.storage.container import Container
from utils.wording import few

LOCK = ".batch.lock"  # there while a program works in the folder, or was killed
PAGE_LOCK = ".review.lock"  # there while the review page is open, or was killed
_LITTER = {
    LOCK,
    PAGE_LOCK,
    ".ds_store",
    "thumbs.db",
    "desktop.ini",
}  # of killed programs and of file managers


def check_outside(place: Path, *containers: Container) -> None:
    """Raises InputError when this folder lies in a container: what is handed out there would be
    listed as new images.
    """
    for container in containers:
        inside = container.path_of(MARKER)
        if inside and any(_same(folder, inside.parent) for folder in (place, *place.parents)):
            raise InputError(
                f"tagging_location={place}: it lies in the container {container.address}, and the"
                " copies there would become new images; name a folder elsewhere"
            )


def _same(folder: Path, other: Path) -> bool:
    try:
        return folder.samefile(other)
    except OSError:  # it is not there yet
        return False


def check_place(place: Path) -> None:
    """Raises InputError unless a batch may be written into this folder: it is not there, empty, or
    carries our marker.
    """
    if place.exists() and not place.is_dir():
        raise InputError(
            f"tagging_location={place}: it is a file; name a folder of its own for the images"
            " to tag"
        )
    entries: list[Path] = []
    with suppress(FileNotFoundError):
        entries = sorted(place.iterdir())
    if links := [entry for entry in entries if is_link(entry) and entry.is_dir()]:
        raise InputError(
            f"{links[0]} is a link to another folder, in which this program would write and delete;"
            " remove the link (the folder that it leads to stays), or name another tagging_location"
        )
    found = [entry.name for entry in entries]
    # in this order: another download may be about to write its first files
    if MARKER in found or (place / MARKER).exists():
        return
    found = [name for name in found if name.lower() not in _LITTER and not PIECE.fullmatch(name)]
    if found:
        raise InputError(
            f"tagging_location={place}: it holds files that are not from this program"
            f" ({few(found)}), which are left alone; name an empty folder (a batch of an earlier"
            " version: upload it, then move it away)"
        )


@contextmanager
def at_work(place: Path) -> Iterator[None]:
    """Be the only program that works in this folder, which is made if need be. Raises OutsideError
    when another one works there.

    The system holds the lock for as long as the process lives, so a killed program holds nothing.
    What was made for it goes with it.
    """
    made = not place.exists()
    place.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise OutsideError(
            f"tagging_location={place}: another download or upload works there; wait until it has"
            " ended"
        ) from None
    try:
        yield
    finally:
        # while we hold it: whoever has it open already sees that it is gone, and opens it anew
        with suppress(OSError):
            (place / LOCK).unlink()
        lock.release()
        if made:
            with suppress(OSError):  # there is something in it
                place.rmdir()


@contextmanager
def at_page(place: Path) -> Iterator[None]:
    """Be the only program that may show the review page of this folder, or put another batch into
    it; within one process as often as need be. Raises OutsideError when another program does.

    An upload needs no such thing: what the page saves is whole at any moment.
    """
    lock = FileLock(place / PAGE_LOCK, timeout=0, is_singleton=True, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise OutsideError(
            f"tagging_location={place}: the review page is open there; go on in its window, or end"
            " it there"
        ) from None
    try:
        yield
    finally:
        if lock.lock_counter == 1:
            with suppress(OSError):
                (place / PAGE_LOCK).unlink()
        lock.release()
