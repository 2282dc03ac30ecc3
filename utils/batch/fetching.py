"""The images of a batch, fetched to the annotator's disk."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from utils.batch.batch import Batch, Item
from utils.files import write_bytes
from utils.images import decoding
from utils.images.greys import Greys
from utils.parallel import as_they_come
from utils.storage.container import Container, Missing

_WORKERS = 8


def fetch_images(container: Container, batch: Batch, greys: Greys) -> dict[str, tuple[str, str]]:
    """Fetch the images that are not on disk yet; {blob name: (reason, ETag)} of those that are gone
    or broken. `greys`: how the project shows values of more than 8 bits.
    """
    wanted = {
        local: item
        for local, item in batch.images.items()
        if not (item.etag and batch.whole(local))
    }
    failed: dict[str, tuple[str, str]] = {}
    if not wanted:
        return failed
    pool = ThreadPoolExecutor(min(_WORKERS, len(wanted)))
    written = time.monotonic()
    try:
        jobs = as_they_come(
            pool,
            lambda local: _fetch_one(container, wanted[local].blob, batch.path(local), greys),
            wanted,
            2 * _WORKERS,
        )
        for local, future in tqdm(jobs, "images", len(wanted), unit="", disable=None):
            item = wanted[local]
            try:
                fetched: Item = future.result()
            except _Unusable as unusable:
                failed[item.blob] = unusable.args
                continue
            item.etag, item.size = fetched.etag, fetched.size
            item.width, item.height = fetched.width, fetched.height
            if time.monotonic() - written > 1:
                batch.write()
                written = time.monotonic()
    finally:
        pool.shutdown(cancel_futures=True)
    batch.write()
    return failed


def _fetch_one(container: Container, blob: str, path: Path, greys: Greys) -> Item:
    """Put one image where it belongs, in a form that every tool shows alike. Raises _Unusable."""
    try:
        data, description = container.read(blob)
    except Missing:
        raise _Unusable("it is gone from the image container", "") from None
    try:
        picture = decoding.decode(data, greys=greys)
        if not _as_it_is(data, path):
            as_png = path.suffix.lower() == ".png"
            encode = decoding.encode_png if as_png else decoding.encode_jpeg
            data = encode(picture)
        write_bytes(path, data)
    except decoding.BadImage as error:
        raise _Unusable(str(error), description.etag) from None
    height, width = picture.shape[:2]
    return Item(blob, [], description.etag, path.stat().st_size, width, height)


class _Unusable(Exception):
    """(reason, ETag): the image is gone or broken."""


def _as_it_is(data: bytes, path: Path) -> bool:
    """Can the file be handed out byte by byte? Upright, plain, and of the format that its name
    says.
    """
    png = data.startswith(b"\x89PNG")
    return png == (path.suffix.lower() == ".png") and decoding.is_plain(data)
