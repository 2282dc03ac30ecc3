"""How the pictures in an image container are turned, from the first bytes of each."""

from concurrent.futures import ThreadPoolExecutor

from utils.errors import Unreadable
from utils.images.decoding import BadImage, read_header
from utils.progress import progress_bar
from utils.storage.container import Container, Missing

_HEAD = 128 * 1024  # bytes, in which cameras have their EXIF
_WORKERS = 16


def orientations_of(container: Container, blobs: list[str]) -> dict[str, int]:
    """EXIF's orientation (1-8) of each image; 1 where it says none, or is no image."""

    def orientation(blob: str) -> int:
        try:
            try:
                return read_header(container.read_part(blob, 0, _HEAD)).orientation
            except BadImage:  # its pixels begin later
                return read_header(container.read(blob)[0]).orientation
        except (BadImage, Missing, Unreadable):
            return 1

    with (
        progress_bar(total=len(blobs), what="orientation", unit=" images") as bar,
        ThreadPoolExecutor(_WORKERS) as pool,
    ):
        found = {}
        for blob, value in zip(blobs, pool.map(orientation, blobs), strict=True):
            found[blob] = value
            bar.update()
    return found
