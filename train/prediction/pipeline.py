"""One streaming pipeline from image files to detections: worker threads read, decode and fit images
while the model runs.

Results come in the order of the images, and a batch is always made of the same neighbours, so
nothing depends on which thread was faster. What is in memory is bounded by the batch size, not by
the number of images.
"""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from train.prediction.frozen_detector import FrozenDetector
from utils.boxes.detections import Detections
from utils.boxes.flip_consistency import disagreement, mirrored
from utils.errors import Unreadable
from utils.images.canvas import fit
from utils.images.decoding import BadImage, decode, read_file, room_to_decode
from utils.images.greys import Greys
from utils.parallel import in_order
from utils.storage.photos import Source

_NO_GREYS = Greys()
Outcome = Detections | BadImage | Unreadable
Describe = Callable[[np.ndarray], np.ndarray]  # a picture uint8 (h, w, 3) to its embedding (d,)


def predict(
    detector: FrozenDetector,
    images: Iterable[tuple[str, Source]],
    *,
    batch_size: int,
    largest_side: int,
    workers: int | None = None,
    describe: Describe | None = None,
    mirror: bool = False,
    greys: Greys = _NO_GREYS,
) -> Iterator[tuple[str, Outcome]]:
    """For (blob name, file, or what fetches it) each, in their order: (blob name, what the model
    found in the upright image).

    An image that cannot be decoded gives its BadImage instead, a file that cannot be read now its
    Unreadable; neither stops the others. largest_side: a model without a canvas of its own
    is not fed anything longer than this, in pixels. A JPEG for a model that resizes inside to a
    size that is known comes smaller: as small as it can be decoded without having fewer pixels than
    the model sees. describe: gives an embedding for each picture, where the model gives none.
    mirror: look at each mirror image too, and say how much that changes. greys: how values of more
    than 8 bits are shown.
    """
    canvas = detector.canvas

    descriptions: dict[str, np.ndarray] = {}

    def load(image: tuple[str, Source]) -> np.ndarray | BadImage | Unreadable:
        try:
            picture = fitted(detector, image[1], largest_side, greys)
        except (BadImage, Unreadable) as error:
            return error
        if describe:
            descriptions[image[0]] = describe(picture)
        return picture

    workers = workers or max(2, os.cpu_count() or 2)
    with _one_thread_in_opencv(), ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        loaded = in_order(pool, load, images, ahead=2 * batch_size + workers)
        for batch in _batches(loaded, batch_size):
            good = [
                (place, picture)
                for place, (_, picture) in enumerate(batch)
                if isinstance(picture, np.ndarray)
            ]
            found: dict[int, Outcome] = {
                place: picture
                for place, (_, picture) in enumerate(batch)
                if isinstance(picture, Exception)
            }
            for places, pictures in _of_one_size(good, canvas):
                outcomes = detector.detect(*stacked_on_canvas(pictures, canvas))
                if mirror:
                    turned = detector.detect(
                        *stacked_on_canvas([picture[:, ::-1] for picture in pictures], canvas)
                    )
                    outcomes = [compared(*pair) for pair in zip(outcomes, turned, strict=True)]
                found.update(zip(places, outcomes, strict=True))
            for place, ((blob, _), _) in enumerate(batch):
                outcome = found[place]
                yield (
                    blob,
                    (
                        replace(outcome, embedding=descriptions.pop(blob))
                        if blob in descriptions
                        else outcome
                    ),
                )


def compared(found: Detections, of_mirror_image: Detections) -> Detections:
    """What was found in an image, with how much what was found in its mirror image differs."""
    return replace(found, disagreement=disagreement(found, mirrored(of_mirror_image)))


def fitted(
    detector: FrozenDetector, file: Source, largest_side: int, greys: Greys = _NO_GREYS
) -> np.ndarray:
    """An image file, or what fetches it, as the upright picture that the model is fed, uint8
    (h, w, 3). Raises BadImage or Unreadable.
    """
    canvas, inner_size = detector.canvas, detector.inner_size
    longer, shorter = (
        (max(canvas), 0)
        if canvas
        else (max(inner_size), max(inner_size))
        if inner_size
        else (largest_side, 0)
    )
    data = read_file(file)
    with room_to_decode(data):
        picture = decode(data, max_side=longer, min_side=shorter, greys=greys)
        return (
            resized(picture, *fit(*picture.shape[:2], canvas))
            if canvas
            else _shrunk(picture, largest_side)
        )


def resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture uint8 (h, w, 3) in another size, with the pixels (±1) of TensorFlow's antialiased
    bilinear resize in training.
    """
    if picture.shape[:2] == (height, width):
        return picture
    if height >= picture.shape[0] and width >= picture.shape[1]:
        return cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def _shrunk(picture: np.ndarray, largest_side: int) -> np.ndarray:
    height, width = picture.shape[:2]
    if max(height, width) <= largest_side:
        return picture
    return resized(picture, *fit(height, width, (largest_side, largest_side)))


def _batches(loaded: Iterator[tuple], size: int) -> Iterator[list[tuple]]:
    while batch := list(itertools.islice(loaded, size)):
        yield batch


def _of_one_size(
    good: list[tuple[int, np.ndarray]], canvas
) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """The pictures of a batch in groups that can be stacked: all of them on a canvas, else those of
    equal size.
    """
    groups: dict[tuple, list[tuple[int, np.ndarray]]] = {}
    for place, picture in good:
        groups.setdefault(canvas or picture.shape, []).append((place, picture))
    for group in groups.values():
        yield [place for place, _ in group], [picture for _, picture in group]


def stacked_on_canvas(
    pictures: list[np.ndarray], canvas: tuple[int, int] | None
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Pictures as one array uint8 (b, h, w, 3), at the top left of a black canvas if there is one,
    and the (h, w) that each covers.
    """
    shown = [picture.shape[:2] for picture in pictures]
    stacked = np.zeros((len(pictures), *(canvas or shown[0]), 3), np.uint8)
    for place, (picture, (height, width)) in enumerate(zip(pictures, shown, strict=True)):
        stacked[place, :height, :width] = picture
    return stacked, shown


class _one_thread_in_opencv:
    """The workers are the parallelism; OpenCV's own threads would only get in their way."""

    def __enter__(self):
        self.before = cv2.getNumThreads()
        cv2.setNumThreads(1)

    def __exit__(self, *_):
        cv2.setNumThreads(self.before)
