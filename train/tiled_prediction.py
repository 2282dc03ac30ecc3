"""Images larger than the model: predicted in overlapping tiles, and the boxes of all tiles merged."""
import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from frozen_detector import FrozenDetector
from prediction import Outcome, in_order, resized, stacked_on_canvas

from utils.canvas import fit
from utils.images import BadImage, decode
from utils.tiles import Window, merge_tiles, tile_windows

_AHEAD = 2  # decoded images waiting; an aerial photograph has 70 MB


def predict_tiled(detector: FrozenDetector, images: Iterable[tuple[str, Path]], *, side: int,
                  batch_size: int) -> Iterator[tuple[str, Outcome]]:
    """As prediction.predict, in tiles of `side` x `side` pixels; an image that is no larger is one tile."""
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="decode") as pool:
        for (blob, _), picture in in_order(pool, _load, images, ahead=_AHEAD):
            if isinstance(picture, Exception):
                yield blob, picture
                continue
            height, width = picture.shape[:2]
            windows = iter(tile_windows(height, width, side))
            found = []
            while batch := list(itertools.islice(windows, batch_size)):
                pieces = [_piece(picture, window, detector.canvas) for window in batch]
                found += zip(batch, detector.detect(*stacked_on_canvas(pieces, detector.canvas)), strict=True)
            yield blob, merge_tiles(found, height, width)


def _load(image: tuple[str, Path]) -> np.ndarray | BadImage | FileNotFoundError:
    try:
        return decode(image[1].read_bytes())
    except (BadImage, FileNotFoundError) as error:
        return error
    except OSError as error:
        return BadImage(f"cannot be read: {error.strerror or error}")


def _piece(picture: np.ndarray, window: Window, canvas: tuple[int, int] | None) -> np.ndarray:
    x, y, width, height = window
    piece = picture[y:y + height, x:x + width]
    return resized(piece, *fit(height, width, canvas)) if canvas else piece
