"""Image files as pixels and as headers. Every part of the system decodes here, so that all see the
same upright picture.
"""

import errno
import io
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from utils.errors import OutsideError, Unreadable
from utils.images.greys import Greys, kind_of
from utils.images.room import room_for

_SIDEWAYS = {5, 6, 7, 8}
_FROM_THE_RIGHT = {2, 3, 6, 7}  # orientations whose upright left edge is the stored end of its axis
_FROM_BELOW = {3, 4, 7, 8}
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_NO_GREYS = Greys()
_NO_MEMORY = "the memory of this machine does not suffice for it now"
_MOST_PIXELS = 1_000_000_000
_LONGEST_JPEG = 65_500  # pixels of a side that libjpeg writes
_OF_CONTENT = {errno.EINVAL, errno.EOVERFLOW}  # what damaged bytes make Pillow ask of a file
# aerial photographs are larger than Pillow's limit; ours is checked in _opened
Image.MAX_IMAGE_PIXELS = None
PngImagePlugin.MAX_TEXT_CHUNK = 16 << 20  # bytes; colour profiles of cameras are larger than 1 MB
# about damaged metadata of cameras; the picture itself is what counts
warnings.filterwarnings("ignore", module=r"PIL\.")


class BadImage(ValueError):
    """The bytes are no image that can be used: unknown format, truncated, damaged. The message says
    which, in a few words.
    """


@dataclass(frozen=True)
class Header:
    """What is known without decoding. Width and height are pixels of the upright image;
    `orientation` is EXIF's 1-8: how the stored picture is turned.

    `taken_at` is ISO 8601, "" when unknown: UTC where the file names its offset, else the camera's
    clock taken for UTC. `depth`: the kind of picture (greys.kind_of), "" for 8 bits. `md5`: of the
    whole file, in hexadecimal; "" where nobody has taken it.
    """

    width: int
    height: int
    orientation: int
    taken_at: str
    depth: str = ""
    md5: str = ""


def decode(
    data: bytes, max_side: int | None = None, min_side: int = 0, greys: Greys = _NO_GREYS
) -> np.ndarray:
    """The upright RGB picture, uint8 (height, width, 3).

    Alpha is dropped, grey expanded; `greys` says how values of more than 8 bits are shown, of
    colours of 16 bits the high byte is taken. With `max_side` a
    JPEG may come at 1/2, 1/4 or 1/8 of its size, with its longer side still at least `max_side`
    pixels and its shorter one at least `min_side`. Raises BadImage for anything truncated or not
    decodable, Unreadable when memory does not suffice.
    """
    with _opened(data) as image, room_for(image.width * image.height):
        orientation = _orientation(image)
        scale = max(max_side / max(image.size), min_side / min(image.size)) if max_side else 1
        if scale < 1:
            image.draft(
                image.mode, (int(np.ceil(image.width * scale)), int(np.ceil(image.height * scale)))
            )
        picture = _eight_bit(image, greys)
        if orientation in _TURN:
            picture = picture.transpose(_TURN[orientation])
        return np.asarray(picture)


@contextmanager
def room_to_decode(data: bytes) -> Iterator[None]:
    """Hold the pixels of this picture among those that are decoded at once, for as long as they are
    needed; whoever finds no room waits. Raises BadImage.
    """
    with _opened(data) as image:
        pixels = image.width * image.height
    with room_for(pixels):
        yield


def read_file(file: Path | Callable[[], bytes]) -> bytes:
    """The bytes of an image file, or what a function gives that fetches it. Raises Unreadable when
    this machine cannot read them now.
    """
    if not isinstance(file, Path):
        return file()
    try:
        _refuse_special(file)
        return file.read_bytes()
    except OSError as error:
        raise Unreadable(_why_not(error)) from None
    except MemoryError:
        raise Unreadable(_NO_MEMORY) from None


def read_header(source: Path | bytes | BinaryIO) -> Header:
    """Size, orientation and time from the first bytes of an image file; its pixels are not looked
    at, and of a stream no more is read than that needs. Raises BadImage, Unreadable, and what the
    stream raises of OutsideError.
    """
    with _opened(source) as image:
        orientation = _orientation(image)
        width, height = image.size[::-1] if orientation in _SIDEWAYS else image.size
        if image.format == "TIFF":
            orientation = image.tag_v2.get(ExifTags.Base.Orientation, 1)
        return Header(
            width,
            height,
            orientation if orientation in _TURN else 1,
            _taken_at(image),
            kind_of(image.mode),
        )


def is_sideways(orientation: int) -> bool:
    """Whether the stored picture of this EXIF orientation lies on its side."""
    return orientation in _SIDEWAYS


def wide_values(source: Path | bytes | BinaryIO) -> np.ndarray:
    """The stored values (height, width) of a picture of one channel. Raises BadImage."""
    with _opened(source) as image:
        return np.asarray(image)


def upright_corners(corners: np.ndarray, orientation: int) -> np.ndarray:
    """Boxes that were drawn in the picture as it is stored, as boxes of the upright one: (n, 4)
    xmin, ymin, xmax, ymax as fractions, of a picture of this EXIF orientation.
    """
    xmin, ymin, xmax, ymax = corners.T
    if orientation in _SIDEWAYS:
        xmin, ymin, xmax, ymax = ymin, xmin, ymax, xmax
    if orientation in _FROM_THE_RIGHT:
        xmin, xmax = 1 - xmax, 1 - xmin
    if orientation in _FROM_BELOW:
        ymin, ymax = 1 - ymax, 1 - ymin
    return np.stack([xmin, ymin, xmax, ymax], axis=1)


def is_plain(data: bytes) -> bool:
    """Whether every decoder sees the same in these bytes: an upright 8-bit RGB or grey JPEG or PNG.
    Raises BadImage if no image at all.

    Says nothing about the pixels being complete; decode() does.
    """
    with _opened(data) as image:
        deep_png = image.format == "PNG" and data[24] != 8
        return (
            image.format in ("JPEG", "PNG")
            and image.mode in ("RGB", "L")
            and not deep_png
            and "transparency" not in image.info
            and _orientation(image) == 1
        )


def encode_jpeg(picture: np.ndarray, quality: int = 95) -> bytes:
    """An RGB picture, uint8 (height, width, 3), as a JPEG file. Raises BadImage for one that is
    longer than a JPEG can be.
    """
    height, width = picture.shape[:2]
    if max(height, width) > _LONGEST_JPEG:
        raise BadImage(
            f"{width}x{height} pixels are more than fit into a JPEG, which ends at {_LONGEST_JPEG};"
            " cut it into pieces"
        )
    return _encoded(picture, "JPEG", quality=quality, subsampling=0)


def encode_png(picture: np.ndarray) -> bytes:
    """An RGB picture, uint8 (height, width, 3), as a PNG file, without loss."""
    return _encoded(picture, "PNG", compress_level=3)


@contextmanager
def _opened(source: Path | bytes | BinaryIO):
    """A Pillow image of which only the header has been read. Whatever the file's fault raises
    inside comes out as BadImage, the machine's as Unreadable.
    """
    try:
        if isinstance(source, Path):
            _refuse_special(source)
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise BadImage(f"{image.width}x{image.height} pixels are more than can be handled")
            yield image
    except (BadImage, OutsideError):
        raise
    except Image.UnidentifiedImageError:
        raise BadImage(
            "empty file" if _is_empty(source) else "not an image in a known format"
        ) from None
    except MemoryError:
        raise Unreadable(_NO_MEMORY) from None
    except Exception as error:  # noqa: BLE001  whatever Pillow's parsers make of damaged bytes
        number = error.errno if isinstance(error, OSError) else None
        if number is not None and number not in _OF_CONTENT:
            raise Unreadable(_why_not(error)) from None
        raise BadImage(" ".join(str(error).split())[:150] or type(error).__name__) from None


def _refuse_special(file: Path) -> None:
    """A named pipe never ends, a device neither."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise Unreadable("it is no ordinary file")


def _why_not(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is gone"
    return f"this machine cannot read it now ({error.strerror or error})"


def _is_empty(source: Path | bytes | BinaryIO) -> bool:
    if isinstance(source, Path):
        return source.stat().st_size == 0
    return not (source if isinstance(source, bytes) else source.seek(0, io.SEEK_END))


def _eight_bit(image: Image.Image, greys: Greys) -> Image.Image:
    """The decoded picture as 8-bit RGB, not turned."""
    if kind := kind_of(image.mode):
        return Image.fromarray(greys.shown(np.asarray(image), kind)).convert("RGB")
    return image.convert("RGB")


def _exif(image: Image.Image) -> Image.Exif:
    """EXIF as it stands before the pixels. (Pillow's own getexif() decodes a whole PNG to look
    behind them, and believes XMP too.)
    """
    exif = Image.Exif()
    if image.format == "TIFF":
        return exif  # Pillow turns TIFF upright itself
    try:
        exif.load(image.info.get("exif") or b"")
    except Exception:  # noqa: BLE001  damaged EXIF: whatever its parser raises, the photograph itself is fine
        return Image.Exif()
    return exif


def _orientation(image: Image.Image) -> int:
    value = _exif(image).get(ExifTags.Base.Orientation, 1)
    return value if value in _TURN else 1


def _taken_at(image: Image.Image) -> str:
    exif = _exif(image)
    try:
        details = exif.get_ifd(ExifTags.IFD.Exif)
    except Exception:  # noqa: BLE001  as above
        details = {}
    for text, offset in (
        (
            details.get(ExifTags.Base.DateTimeOriginal),
            details.get(ExifTags.Base.OffsetTimeOriginal),
        ),
        (
            details.get(ExifTags.Base.DateTimeDigitized),
            details.get(ExifTags.Base.OffsetTimeDigitized),
        ),
        (exif.get(ExifTags.Base.DateTime), details.get(ExifTags.Base.OffsetTime)),
    ):
        time = _time(text, offset)
        if time:
            return time
    return ""


def _time(text, offset) -> str:
    try:
        time = datetime.strptime(str(text).strip(" \0")[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return ""
    try:
        east = datetime.strptime(str(offset).strip(" \0"), "%z").utcoffset() or timedelta(0)
        time -= east
    except (ValueError, OverflowError):
        pass
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time.year >= 1000 else ""


def _encoded(picture: np.ndarray, form: str, **options) -> bytes:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(
            f"expected uint8 (height, width, 3), found {picture.dtype} {picture.shape}"
        )
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, form, **options)
    return buffer.getvalue()
