"""Small pictures with boxes for a report: data in the page, so that it needs nothing else."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from train.report.material import Material
from utils.boxes.iou import shared_areas
from utils.errors import InputError, OutsideError, Unreadable
from utils.images.decoding import BadImage, decode, encode_jpeg, read_file
from utils.storage.sync import image_path

SIDE = 320  # pixels of a crop
_AROUND = 2.2  # times the size of what is shown, with what is around it
_LEAST = 0.15  # of the photo's longer side, at least
_QUALITY = 80
_WHOLE = (0.0, 0.0, 1.0, 1.0)

XYXY = tuple[float, float, float, float]


@dataclass(frozen=True)
class Shape:
    """A box in a picture, in its pixels. kind: "truth" or "model"; main: it is what is shown."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    main: bool = True


@dataclass(frozen=True)
class Picture:
    """A small picture with its boxes. `address`: the JPEG as a data: address, "" where there is no
    picture; `why` says why then.
    """

    address: str = ""
    width: int = SIDE
    height: int = SIDE
    shapes: tuple[Shape, ...] = ()
    why: str = ""


@dataclass
class Album:
    """The pictures of one page, as long as there is room. `room`: bytes that are left."""

    material: Material
    room: int

    def crop(self, image: str, around: XYXY, boxes: Sequence[tuple[str, XYXY, bool]]) -> Picture:
        """The part of an image round a box, with (kind, box, main) each; all boxes are fractions of
        the image.
        """
        return self._made(image, around, boxes, SIDE)

    def whole(self, image: str, boxes: Sequence[tuple[str, XYXY, bool]], side: int) -> Picture:
        """A whole image, small, with its boxes."""
        return self._made(image, None, boxes, side)

    def _made(
        self, image: str, around: XYXY | None, boxes: Sequence[tuple[str, XYXY, bool]], side: int
    ) -> Picture:
        if self.room <= 0:
            return Picture(why="left out, as the page would become too large")
        try:
            made = _picture(self._bytes(image), around, boxes, side, self.material)
        except (BadImage, Unreadable, OutsideError, InputError, OSError):
            return Picture(why="this photo cannot be read now")
        self.room -= len(made.address)
        return made

    def _bytes(self, image: str) -> bytes:
        """The image file: the copy of the training machine where there is one, else the blob."""
        material = self.material
        path = image_path(material.container, material.config.image_dir, image)
        if path.is_file() and path.stat().st_size == material.container.info(image).size:
            return read_file(path)
        return material.container.read(image)[0]


def _picture(
    data: bytes,
    around: XYXY | None,
    boxes: Sequence[tuple[str, XYXY, bool]],
    side: int,
    material: Material,
) -> Picture:
    share = 1.0 if around is None else _share(around)
    picture = decode(data, max_side=math.ceil(side / share), greys=material.state.greys)
    height, width = picture.shape[:2]
    left, top, right, low = _WHOLE if around is None else _part(around, width, height)
    part = picture[
        math.floor(top * height) : max(math.ceil(low * height), math.floor(top * height) + 1),
        math.floor(left * width) : max(math.ceil(right * width), math.floor(left * width) + 1),
    ]
    scale = side / max(part.shape[:2])
    size = tuple(max(1, round(length * scale)) for length in part.shape[1::-1])
    small = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.LANCZOS))
    address = "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(small, _QUALITY)).decode()
    shapes = _shapes(boxes, (left, top, right, low), size)
    return Picture(address, *size, shapes)


def _share(around: XYXY) -> float:
    """How much of an image's longer side a crop shows, at least."""
    xmin, ymin, xmax, ymax = around
    return min(1.0, max(_LEAST, _AROUND * min(xmax - xmin, ymax - ymin)))


def _part(around: XYXY, width: int, height: int) -> XYXY:
    """The part of an image of that size that is shown round a box, in fractions: a square, as far
    as the image allows.
    """
    xmin, ymin, xmax, ymax = around
    longer = max((xmax - xmin) * width, (ymax - ymin) * height)
    length = max(_AROUND * longer, _LEAST * max(width, height))
    sides = []
    for low, high, whole in ((xmin, xmax, width), (ymin, ymax, height)):
        share = min(1.0, length / whole)
        start = min(max((low + high - share) / 2, 0.0), 1 - share)
        sides.append((start, start + share))
    (left, right), (top, below) = sides
    return left, top, right, below


def _shapes(
    boxes: Sequence[tuple[str, XYXY, bool]], part: XYXY, size: tuple[int, int]
) -> tuple[Shape, ...]:
    """The boxes that reach into the part of the image, in pixels of the picture, what is shown
    last, on top.
    """
    if not boxes:
        return ()
    corners = np.array([xyxy for _, xyxy, _ in boxes], np.float64).reshape(-1, 4)
    inside = shared_areas(corners, np.array([part]))[:, 0] > 0
    left, top, right, low = part
    start, span = np.array([left, top] * 2), np.array([right - left, low - top] * 2)
    scaled = np.clip((corners - start) / span, -0.1, 1.1) * [*size, *size]
    shapes = [
        Shape(kind, *(round(float(number), 1) for number in (x, y, right - x, low - y)), main)
        for (kind, _, main), (x, y, right, low), is_in in zip(boxes, scaled, inside, strict=True)
        if is_in
    ]
    return tuple(sorted(shapes, key=lambda shape: (shape.main, shape.kind == "model")))
