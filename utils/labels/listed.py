"""The rows of the table `images` as photos that can be read."""

import pandas as pd

from utils.labels.tables import blob_names
from utils.storage.container import Listed


def listed_photos(images: pd.DataFrame) -> list[Listed]:
    """Each row as what its container listed, in the order of the rows. `listed` is the ETag that
    an image has there where it is not the one of its row.
    """
    etags = images["listed"].where(images["listed"] != "", images["etag"])
    columns = zip(blob_names(images), images["bytes"], etags, images["md5"], strict=True)
    return [
        Listed(name, int(size), etag, bytes.fromhex(md5) or None)
        for name, size, etag, md5 in columns
    ]
