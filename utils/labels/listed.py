"""The rows of the table `images` as photos that can be read."""

from collections.abc import Iterator

import pandas as pd

from utils.labels.tables import blob_names
from utils.storage.container import Listed


def listed_photos(images: pd.DataFrame) -> Iterator[Listed]:
    """Each row as what its container listed, in the order of the rows. `listed` is the ETag that
    an image has there where it is not the one of its row.
    """
    etags = images["listed"].where(images["listed"] != "", images["etag"])
    columns = zip(blob_names(images), images["bytes"], etags, images["md5"], strict=True)
    for name, size, etag, md5 in columns:
        yield Listed(name, int(size), etag, _digest(md5))


def _digest(text: str) -> bytes | None:
    """The MD5 in a cell; None where there is none."""
    try:
        return bytes.fromhex(text) or None
    except ValueError:
        return None
