"""The images of a batch, fetched to the annotator's disk."""

import hashlib
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from utils.batch.batch import Batch, Item
from utils.errors import InputError, Unreadable
from utils.files import write_bytes
from utils.images import decoding
from utils.images.greys import Greys
from utils.parallel import as_they_come
from utils.progress import progress_bar
from utils.storage.container import Container, Missing

_WORKERS = 8


@dataclass
class Fetched:
    """What became of the images that were not on disk yet. `unusable`: {blob name: reason}, and
    `broken`: {blob name: ETag} those of them whose content is at fault. `reached`: how many the
    container gave at all, of `wanted`.
    """

    unusable: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    wanted: int = 0
    reached: int = 0


def fetch_images(container: Container, batch: Batch, greys: Greys) -> Fetched:
    """Fetch the images that are not on disk yet. `greys`: how the project shows values of more than
    8 bits.
    """
    wanted = {
        local: item
        for local, item in batch.images.items()
        if not (item.etag and batch.whole(local))
    }
    result = Fetched(wanted=len(wanted))
    if not wanted:
        return result
    pool = ThreadPoolExecutor(min(_WORKERS, len(wanted)))
    written = time.monotonic()
    try:
        jobs = as_they_come(
            pool,
            lambda local: _fetch_one(container, batch, local, greys),
            wanted,
            2 * _WORKERS,
        )
        for local, future in progress_bar(jobs, "images", len(wanted), unit=""):
            item = wanted[local]
            try:
                fetched: Item = future.result()
            except (Missing, Unreadable) as error:
                gone = isinstance(error, Missing)
                result.unusable[item.blob] = (
                    "it is gone from the image container" if gone else str(error)
                )
                continue
            except _Broken as broken:
                reason, result.broken[item.blob] = broken.args
                result.unusable[item.blob] = reason
                result.reached += 1
                continue
            result.reached += 1
            item.etag, item.size = fetched.etag, fetched.size
            item.width, item.height = fetched.width, fetched.height
            item.sha256 = fetched.sha256
            if time.monotonic() - written > 1:
                batch.write()
                written = time.monotonic()
    finally:
        pool.shutdown(cancel_futures=True)
    batch.write()
    return result


def gives_any(container: Container, blobs: Iterable[str]) -> bool:
    """Whether the container gives the first byte of any of these images."""
    for blob in blobs:
        try:
            container.read_head(blob, 1)
        except (Missing, Unreadable):
            continue
        return True
    return False


def _fetch_one(container: Container, batch: Batch, local: str, greys: Greys) -> Item:
    """Put one image where it belongs, in a form that every tool shows alike. Raises _Broken,
    Missing, Unreadable; InputError when a file lies there that is not ours.
    """
    blob, path = batch.images[local].blob, batch.path(local)
    data, description = container.read(blob)
    try:
        with decoding.room_to_decode(data):
            picture = decoding.decode(data, greys=greys)
            height, width = picture.shape[:2]
            if not _as_it_is(data, path):
                as_png = path.suffix.lower() == ".png"
                encode = decoding.encode_png if as_png else decoding.encode_jpeg
                data = encode(picture)
    except decoding.BadImage as error:
        raise _Broken(str(error), description.etag) from None
    except MemoryError:
        raise Unreadable("the memory of this machine does not suffice for it now") from None
    if path.exists() and not batch.ours(local) and not data.startswith(path.read_bytes()):
        raise InputError(
            f"{path}: a file lies there that this program did not write, or that was changed since;"
            " move it away and run the same command again"
        )
    write_bytes(path, data)
    digest = hashlib.sha256(data).hexdigest()
    return Item(blob, [], description.etag, len(data), width, height, digest)


class _Broken(Exception):
    """(reason, ETag): the content of the image is no picture, or not all of one."""


def _as_it_is(data: bytes, path: Path) -> bool:
    """Can the file be handed out byte by byte? Upright, plain, and of the format that its name
    says.
    """
    png = data.startswith(b"\x89PNG")
    return png == (path.suffix.lower() == ".png") and decoding.is_plain(data)
