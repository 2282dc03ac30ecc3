"""Images larger than the model: predicted in overlapping tiles whose boxes are merged."""

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np

from train.prediction.frozen_detector import FrozenDetector
from train.prediction.pipeline import (
    Describe,
    Outcome,
    compared,
    resized,
    stacked_on_canvas,
)
from utils.boxes.detections import Detections
from utils.boxes.tiles import Window, merge_tiles, tile_windows
from utils.errors import Unreadable
from utils.images.canvas import fit
from utils.images.decoding import BadImage, decode, read_file
from utils.images.greys import Greys
from utils.parallel import in_order
from utils.storage.photos import Source

_NO_GREYS = Greys()
_AHEAD = 2  # decoded images waiting; an aerial photograph has 70 MB


def predict_tiled(
    detector: FrozenDetector,
    images: Iterable[tuple[str, Source]],
    *,
    side: int,
    batch_size: int,
    describe: Describe | None = None,
    mirror: bool = False,
    greys: Greys = _NO_GREYS,
) -> Iterator[tuple[str, Outcome]]:
    """As prediction.predict, in tiles of `side` x `side` pixels; an image that is no larger is one
    tile.

    An image's embedding is the mean of its tiles'.
    """
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="decode") as pool:
        for (blob, _), picture in in_order(pool, partial(_load, greys), images, ahead=_AHEAD):
            if isinstance(picture, Exception):
                yield blob, picture
                continue
            found = _found(detector, picture, side, batch_size)
            if describe:
                found = replace(found, embedding=describe(picture))
            yield (
                blob,
                (
                    compared(
                        found,
                        _found(detector, np.ascontiguousarray(picture[:, ::-1]), side, batch_size),
                    )
                    if mirror
                    else found
                ),
            )


def _found(detector: FrozenDetector, picture: np.ndarray, side: int, batch_size: int) -> Detections:
    height, width = picture.shape[:2]
    windows = iter(tile_windows(height, width, side))
    found = []
    while batch := list(itertools.islice(windows, batch_size)):
        pieces = [_piece(picture, window, detector.canvas) for window in batch]
        found += zip(
            batch, detector.detect(*stacked_on_canvas(pieces, detector.canvas)), strict=True
        )
    vectors = [piece.embedding for _, piece in found if piece.embedding is not None]
    mean = np.mean(vectors, axis=0, dtype=np.float32).astype(np.float16) if vectors else None
    return replace(merge_tiles(found, height, width), embedding=mean)


def _load(greys: Greys, image: tuple[str, Source]) -> np.ndarray | BadImage | Unreadable:
    try:
        return decode(read_file(image[1]), greys=greys)
    except (BadImage, Unreadable) as error:
        return error


def _piece(picture: np.ndarray, window: Window, canvas: tuple[int, int] | None) -> np.ndarray:
    x, y, width, height = window
    piece = picture[y : y + height, x : x + width]
    return resized(piece, *fit(height, width, canvas)) if canvas else piece
