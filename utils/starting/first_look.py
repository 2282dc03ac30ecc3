"""A first look at some of the new photos, so that a person need not wait for all of them."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from utils.errors import Unreadable
from utils.images.decoding import BadImage, Header, read_file, read_header
from utils.images.greys import Greys
from utils.parallel import in_order
from utils.selection.picture_hashes import hash_of
from utils.selection.strategies import keyed_hashes
from utils.storage.container import Blob, Container
from utils.storage.sync import image_path

SECONDS = 2.0  # that the first look takes, unless it has too few photos by then


@dataclass
class Look:
    """What was looked at. headers: {(blob name, ETag): header, or why there is none}, as
    image_tables has it; hashes: {blob name: perceptual hash}.
    """

    blobs: list[Blob] = field(default_factory=list)
    headers: dict[tuple[str, str], Header | str | Unreadable] = field(default_factory=dict)
    hashes: dict[str, np.ndarray] = field(default_factory=dict)


def in_drawing_order(blobs: Sequence[Blob], seed: int) -> list[Blob]:
    """The photos in the order in which they are drawn at random: the first of them are a sample,
    and the ones of all that would be drawn first.
    """
    if not blobs:
        return []
    names = np.array([blob.name for blob in blobs], object)
    return [blobs[place] for place in np.argsort(keyed_hashes(names, seed), kind="stable")]


def look_at(
    container: Container,
    image_dir: Path,
    blobs: Sequence[Blob],
    greys: Greys,
    *,
    fewest: int,
    most: int,
    seconds: float = SECONDS,
) -> Look:
    """Look at these photos, in their order, until so many `seconds` are over or `most` of them can
    be used, but at least until `fewest` can.
    """

    def read(blob: Blob) -> tuple[Header | str | Unreadable, np.ndarray | None]:
        try:
            data = read_file(image_path(container, image_dir, blob.name))
            return read_header(data), hash_of(data, greys)
        except BadImage as error:
            return str(error), None
        except Unreadable as error:
            return error, None

    look, end = Look(), time.monotonic() + seconds
    workers = max(2, os.cpu_count() or 2)
    with ThreadPoolExecutor(workers) as pool:
        for blob, (header, vector) in in_order(pool, read, blobs, ahead=2 * workers):
            look.blobs.append(blob)
            look.headers[blob.name, blob.etag] = header
            if vector is not None:
                look.hashes[blob.name] = vector
            usable = len(look.hashes)
            if usable >= most or (usable >= fewest and time.monotonic() > end):
                break
    return look
