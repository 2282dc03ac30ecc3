"""Perceptual hashes of a project's images, published so that the first batches differ: as long as
there is no model, whose embeddings are better.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from utils.errors import Unreadable
from utils.images.decoding import BadImage, decode, read_file
from utils.images.greys import Greys
from utils.images.perceptual_hash import perceptual_hash
from utils.labels import tables
from utils.labels.listed import listed_photos
from utils.labels.state import Change, State
from utils.labels.store import LabelStore
from utils.parallel import in_order
from utils.progress import progress_bar
from utils.selection.embeddings import (
    HASH,
    Embeddings,
    fit_basis,
    merged,
    only,
    to_parquet,
    version_of,
)
from utils.storage.container import Container, Listed
from utils.storage.photos import Photos, Source, arriving

HASHES = "pictures"  # instead of a model's digest
LOCK = ".describe.lock"  # in data_dir: of the one program that describes images there
_AT_ONCE = 512  # images whose hashes are under way
_SIDE = 256  # pixels of the longer side, at least, from which a hash is made
_FIRST = 5000  # images after which hashes are published first; then whenever they have doubled


def hash_of(data: bytes, greys: Greys) -> np.ndarray:
    """(64,) uint8 of the bytes of an image file. Raises BadImage."""
    return perceptual_hash(decode(data, max_side=_SIDE, greys=greys))


def etags_of(images: pd.DataFrame) -> dict[str, str]:
    """{blob name: ETag} of a table `images`."""
    return dict(zip(tables.blob_names(images), images["etag"], strict=True))


def publish_hashes(
    container: Container,
    store: LabelStore,
    state: State,
    image_dir: Path,
    present: Embeddings | None,
    *,
    workers: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
    quiet: bool = False,
) -> int:
    """Publish the hashes of the images of this state that are new or replaced, now and then on the
    way, and what there is when it is `stopped`. How many images have one now; 0 when none is new,
    or a model was published meanwhile.

    present: the hashes that are published already. Images that cannot be decoded are left out.
    """
    images = store.table(state, "images")
    etags = etags_of(images)
    missing = tables.without(images, present.current(etags)) if present else images
    found: dict[str, np.ndarray] = {}
    count = published = 0
    for blob, vector in _hashes(container, image_dir, state.greys, missing, workers, quiet):
        if stopped():
            break
        if vector is None:
            continue
        found[blob] = vector
        if len(found) >= max(_FIRST, 2 * published):
            published = len(found)
            count = publish_found(store, found, etags, present)
    if len(found) > published:
        count = publish_found(store, found, etags, present)
    return count


def publish_found(
    store: LabelStore,
    found: Mapping[str, np.ndarray],
    etags: Mapping[str, str],
    present: Embeddings | None,
) -> int:
    """Publish these hashes, {blob name: (64,) uint8}, with those that are `present`, of the images
    that have `etags`. How many there are; 0 when a model was published meanwhile.
    """
    new = Embeddings(
        pa.array(list(found), pa.large_string()),
        np.array(list(found.values()), np.float16),
        np.full(len(found), np.nan, np.float32),
        HASHES,
        fit_basis((), HASH),
        np.array([version_of(etags[blob]) for blob in found], np.uint32),
    )
    made = only(merged(new, present), etags)
    return len(made.names) if publish_unless_model(store, to_parquet(made)) else 0


def publish_unless_model(store: LabelStore, source: Path | bytes) -> bool:
    """Publish a file of embeddings; False when a model was published meanwhile, whose embeddings
    stay.
    """
    blob = store.publish_file("embeddings", ".parquet", source)

    def change(now: State) -> Change | None:
        if now.live.get("model"):
            return None
        return Change({}, {"live": {**now.live, "embeddings": blob}})

    state, _ = store.commit(change, what="publishing what images look like")
    return state.live.get("embeddings") == blob


def _hashes(
    container: Container,
    image_dir: Path,
    greys: Greys,
    images: pd.DataFrame,
    workers: int | None,
    quiet: bool,
) -> Iterator[tuple[str, np.ndarray | None]]:
    """Each image with its hash, None where it cannot be decoded."""

    def read(coming: tuple[Listed, Source]) -> np.ndarray | None:
        try:
            return hash_of(read_file(coming[1]), greys)
        except (BadImage, Unreadable):
            return None

    photos = sorted(listed_photos(images), key=lambda photo: photo.name)
    workers = workers or max(2, os.cpu_count() or 2)
    with (
        closing(arriving(Photos(container, image_dir), photos)) as coming,
        ThreadPoolExecutor(workers) as pool,
        progress_bar(None, "compare", len(photos), quiet=quiet, unit=" images") as progress,
    ):
        for (photo, _), vector in in_order(pool, read, coming, ahead=_AT_ONCE):
            progress.update()
            yield photo.name, vector
