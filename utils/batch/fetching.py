"""The images of a batch, fetched to the annotator's disk."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from utils.batch.batch import Batch, Item
from utils.errors import InputError, Unreadable
from utils.files import write_bytes
from utils.images import decoding
from utils.images.greys import Greys
from utils.labels.replaced import Content
from utils.parallel import as_they_come
from utils.progress import progress_bar
from utils.storage.container import Container, Missing

_WORKERS = 8


@dataclass
class Fetched:
    """What became of the images that were not on disk yet. `unusable`: {blob name: reason}, and
    `doubted`: {blob name: ETag} those of them at which the training machine must look, as their
    content is broken, or another under the same ETag; `replaced` those that are other pictures
    than were listed. `reached`: how many the container gave at all, of `wanted`.
    """

    unusable: dict[str, str] = field(default_factory=dict)
    doubted: dict[str, str] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    wanted: int = 0
    reached: int = 0


def fetch_images(
    container: Container, batch: Batch, greys: Greys, listed: Mapping[str, Content]
) -> Fetched:
    """Fetch the images that are not on disk yet. `greys`: how the project shows values of more than
    8 bits. `listed`: what is known of their content, of those of which it is.
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
            lambda local: _fetch_one(
                container, batch, local, greys, listed.get(batch.images[local].blob)
            ),
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
            except _Replaced as other:
                if listed[item.blob].etags & set(other.args):
                    result.doubted[item.blob] = other.args[0]
                result.unusable[item.blob] = (
                    "it is another picture than when it was listed;"
                    " train/active_learning_initialize.sh CONFIG on the training machine takes it"
                    " in"
                )
                result.replaced.add(item.blob)
                result.reached += 1
                continue
            except _Broken as broken:
                reason, result.doubted[item.blob] = broken.args
                result.unusable[item.blob] = reason
                result.reached += 1
                continue
            result.reached += 1
            item.etag, item.md5, item.size = fetched.etag, fetched.md5, fetched.size
            item.width, item.height = fetched.width, fetched.height
            item.sha256 = fetched.sha256
            if time.monotonic() - written > 1:
                batch.write()
                written = time.monotonic()
    finally:
        pool.shutdown(cancel_futures=True)
    batch.write()
    return result


def gives_any(
    container: Container, blobs: Iterable[str], listed: Mapping[str, Content] | None = None
) -> bool:
    """Whether the container gives the first byte of any of these images; of those that are
    `listed`, as the pictures that they are there.
    """
    for blob in blobs:
        try:
            container.read_part(blob, 0, 1)
            if listed and (known := listed.get(blob)):
                data, found = container.read(blob)
                md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
                if not known.may_be(found.etag, md5, len(data)):
                    continue
        except (Missing, Unreadable):
            continue
        return True
    return False


def _fetch_one(
    container: Container, batch: Batch, local: str, greys: Greys, listed: Content | None
) -> Item:
    """Put one image where it belongs, in a form that every tool shows alike. Raises _Broken,
    _Replaced, Missing, Unreadable; InputError when a file lies there that is not ours.
    """
    blob, path = batch.images[local].blob, batch.path(local)
    data, description = container.read(blob)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if listed and not listed.may_be(description.etag, md5, len(data)):
        raise _Replaced(description.etag)
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
    return Item(
        blob,
        [],
        etag=description.etag,
        md5=md5,
        size=len(data),
        width=width,
        height=height,
        sha256=hashlib.sha256(data).hexdigest(),
    )


class _Replaced(Exception):
    """(ETag,): the image is another picture than the one that is listed."""


class _Broken(Exception):
    """(reason, ETag): the content of the image is no picture, or not all of one."""


def _as_it_is(data: bytes, path: Path) -> bool:
    """Can the file be handed out byte by byte? Upright, plain, and of the format that its name
    says.
    """
    png = data.startswith(b"\x89PNG")
    return png == (path.suffix.lower() == ".png") and decoding.is_plain(data)
