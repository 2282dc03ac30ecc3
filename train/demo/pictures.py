"""The demo's photographs: boards drawn by the computer, with knots (common) and cracks (rare), and
the truth about them.

Pictures are (h, w, 3) uint8 RGB; boxes are xmin, ymin, xmax, ymax in pixels of the upright picture.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

FOLDERS = ("mill north", "mill south/saw 1", "mill south/saw 2", "yard")
WIDTH, HEIGHT = 256, 192
_SIGNATURE = (16, 12)  # columns, rows
_EXIF_ORIENTATION, _EXIF_IFD, _EXIF_TAKEN_AT = 0x0112, 0x8769, 0x9003


@dataclass(frozen=True)
class Photo:
    """A drawn photograph: its blob name, its pixels and what is on it, as (class, (xmin, ymin,
    xmax, ymax)) each.
    """

    blob: str
    picture: np.ndarray
    objects: tuple[tuple[str, tuple[int, int, int, int]], ...]


def draw(number: int, seed: int = 0) -> Photo:
    """Photo `number` of the demo, the same one every time. A third is empty; one in six has a
    crack; names repeat in every folder.
    """
    random = np.random.default_rng((seed, number))
    picture = board(random)
    taken = np.zeros(picture.shape[:2], bool)
    wanted = []
    if number % 3 != 1:
        wanted = ["knot"] * int(random.integers(1, 4))
        if number % 6 == 2:
            wanted = ["crack", *wanted[:2]]
    objects = []
    for name in wanted:
        box = free_place(random, name, taken)
        if box:
            draw_fault(picture, name, box, random)
            objects.append((name, box))
    noise = random.normal(0, 4, picture.shape)
    picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    folder = FOLDERS[number % len(FOLDERS)]
    return Photo(f"{folder}/IMG_{number // len(FOLDERS) + 1:04d}.JPG", picture, tuple(objects))


def save(photo: Photo, path: Path, number: int) -> None:
    """Write the photo as a camera does. Number 0 was taken with the camera turned: its pixels lie
    on the side, EXIF says orientation 6.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(photo.picture)
    exif = Image.Exif()
    exif.get_ifd(_EXIF_IFD)[_EXIF_TAKEN_AT] = (
        f"2026:05:{1 + number // 96:02d} {6 + number % 96 // 8:02d}:{number % 8 * 7:02d}:00"
    )
    if number == 0:
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif[_EXIF_ORIENTATION] = 6
    image.save(path, "JPEG", quality=92, exif=exif)


def signature(picture: np.ndarray) -> np.ndarray:
    """What a picture looks like from afar, (12, 16, 3) float32: hardly changed by saving it again,
    very much by turning it.
    """
    return cv2.resize(picture, _SIGNATURE, interpolation=cv2.INTER_AREA).astype(np.float32)


def board(random: np.random.Generator) -> np.ndarray:
    """Wood without faults: stripes of grain along the board, brighter and darker patches; float (h,
    w, 3).
    """
    grain = random.normal(0, 1, (HEIGHT, 1)) + cv2.resize(
        random.normal(0, 1, (HEIGHT // 2, 6)), (WIDTH, HEIGHT)
    )
    patches = cv2.resize(
        random.normal(0, 1, (4, 5)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    light = 1 + 0.05 * grain + 0.08 * patches
    color = np.array([random.uniform(165, 215), random.uniform(125, 165), random.uniform(80, 115)])
    return light[..., None] * color


def free_place(
    random: np.random.Generator, name: str, taken: np.ndarray
) -> tuple[int, int, int, int] | None:
    """A free place for an object of that class, marked as taken; None when none was found."""
    for _ in range(30):
        if name == "crack":
            width, height = int(random.integers(60, 120)), int(random.integers(22, 40))
        else:
            width = int(random.integers(26, 56))
            height = int(width * random.uniform(0.7, 1.1))
        x, y = (
            int(random.integers(4, WIDTH - width - 4)),
            int(random.integers(4, HEIGHT - height - 4)),
        )
        if not taken[max(y - 6, 0) : y + height + 6, max(x - 6, 0) : x + width + 6].any():
            taken[y : y + height, x : x + width] = True
            return x, y, x + width, y + height
    return None


def draw_fault(
    picture: np.ndarray, name: str, box: tuple[int, int, int, int], random: np.random.Generator
) -> None:
    """Draw an object of that class into the picture, float (h, w, 3), so that it fills the box."""
    (_crack if name == "crack" else _knot)(picture, box, random)


def _knot(picture: np.ndarray, box: tuple[int, int, int, int], random: np.random.Generator) -> None:
    """Dark rings that fill the box."""
    x1, y1, x2, y2 = box
    rows, columns = np.mgrid[y1:y2, x1:x2]
    radius = np.hypot(
        (columns + 0.5 - (x1 + x2) / 2) / ((x2 - x1) / 2),
        (rows + 0.5 - (y1 + y2) / 2) / ((y2 - y1) / 2),
    )
    rings = 0.5 + 0.12 * np.sin(radius * random.uniform(9, 14) + random.uniform(0, 6))
    inside = radius < 1
    picture[y1:y2, x1:x2][inside] *= rings[inside][:, None]


def _crack(
    picture: np.ndarray, box: tuple[int, int, int, int], random: np.random.Generator
) -> None:
    """A black zigzag from the left to the right end of the box that touches its upper and lower
    side.
    """
    x1, y1, x2, y2 = box
    columns = np.linspace(x1 + 2, x2 - 3, 7)
    upper, lower = y1 + 2, y2 - 3
    rows = (
        [upper if index % 2 else lower for index in range(7)]
        if random.random() < 0.5
        else [lower if index % 2 else upper for index in range(7)]
    )
    points = np.stack([columns, rows], axis=1).round().astype(np.int32)
    canvas = np.ascontiguousarray(picture)
    cv2.polylines(canvas, [points], False, (35, 25, 20), thickness=4, lineType=cv2.LINE_AA)
    picture[:] = canvas
