"""Of a photo that is far away the first bytes are read, and they say what the whole file does."""

import io
import os
import struct

import numpy as np
import pytest
from helpers_store import Far
from PIL import Image, ImageCms, PngImagePlugin

from utils.errors import OutsideError, Unreadable
from utils.images.decoding import BadImage, read_header
from utils.labels import tables
from utils.labels.image_tables import update_image_tables
from utils.storage.container import Missing
from utils.storage.parts import FIRST, Parts
from utils.storage.sync import list_images

EMPTY = (tables.empty("images"), tables.empty("failed"))
NOISE = np.random.default_rng(0).integers(0, 256, (400, 500, 3), np.uint8)


def exif(orientation: int = 6, padding: int = 0) -> bytes:
    made = Image.Exif()
    made[0x0112] = orientation
    made[0x0132] = "2024:05:06 07:08:09"
    made[0x010E] = "x" * padding
    return made.tobytes()


def saved(form: str, picture: np.ndarray = NOISE, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, form, **options)
    return buffer.getvalue()


def with_segments(jpeg: bytes, number: int) -> bytes:
    """The same picture behind so many segments of 64 kB, as cameras put their notes there."""
    segment = b"\xff\xeb" + struct.pack(">H", 65535) + bytes(65533)
    return jpeg[:2] + number * segment + jpeg[2:]


def with_directory_last(tiff: bytes) -> bytes:
    """The same TIFF with its directory behind the pixels."""
    place = struct.unpack("<I", tiff[4:8])[0]
    length = 2 + 12 * struct.unpack("<H", tiff[place : place + 2])[0] + 4
    return tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + tiff[place : place + length]


def texts() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("note", os.urandom(60_000).hex())
    return info


CAMERA = saved("JPEG", quality=95, exif=exif())
FILES = {
    "camera.jpg": CAMERA,
    "notes.jpg": with_segments(CAMERA, 5),
    "long.jpg": saved("JPEG", quality=95, exif=exif(padding=60_000)),
    "profile.jpg": saved(
        "JPEG",
        quality=95,
        exif=exif(3),
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    ),
    "progressive.jpg": saved("JPEG", quality=95, progressive=True, exif=exif(8)),
    "two.jpg": saved("MPO", quality=95, save_all=True, append_images=[Image.fromarray(NOISE)]),
    "plain.png": saved("PNG"),
    "text.png": saved("PNG", pnginfo=texts(), exif=exif()),
    "deep.png": saved("PNG", NOISE[:, :, 0].astype(np.uint16) * 200),
    "first.tif": saved("TIFF"),
    "last.tif": with_directory_last(saved("TIFF")),
    "packed.tif": saved("TIFF", compression="tiff_deflate", exif=exif()),
    "a.webp": saved("WEBP", exif=exif()),
    "a.gif": saved("GIF"),
    "a.bmp": saved("BMP"),
    "cut.jpg": CAMERA[: FIRST + 10],
    "cut_in_its_head.jpg": CAMERA[:60],
    "cut_in_its_notes.jpg": with_segments(CAMERA, 2)[:100_000],
    "cut.tif": with_directory_last(saved("TIFF"))[:-30],
    "cut.png": saved("PNG")[:20],
    "empty.jpg": b"",
    "text.jpg": b"no image" * 10_000,
}


@pytest.fixture
def far(tmp_path) -> Far:
    (tmp_path / "images").mkdir()
    return Far(tmp_path / "images")


def header_of(source):
    try:
        return read_header(source)
    except BadImage as error:
        return str(error)


@pytest.mark.parametrize("name", FILES)
def test_the_first_bytes_say_what_the_whole_file_does(far, name):
    far.write(name, FILES[name])
    stream = io.BufferedReader(Parts(far, far.info(name)))

    assert header_of(stream) == header_of(FILES[name])
    if name in ("camera.jpg", "plain.png", "first.tif", "profile.jpg", "progressive.jpg"):
        assert far.requests == [name] and far.bytes == FIRST
    if name == "last.tif":
        assert far.bytes <= 2 * FIRST
    assert far.bytes <= len(FILES[name])


def test_both_tables_are_those_of_whole_files(far, tmp_path):
    for name, data in FILES.items():
        far.write(f"cam/{name}", data)
    listing = list_images(far, "*", True)
    for blob in listing.blobs:
        far.fetch(blob.name, tmp_path / "here" / blob.name)
    near = Far(tmp_path / "images")
    near.path_of = lambda name: tmp_path / "here" / name

    from_heads = update_image_tables(far, listing, tmp_path / "nowhere", *EMPTY)
    from_files = update_image_tables(near, listing, tmp_path / "nowhere", *EMPTY)

    # this store says no MD5; Azure does
    assert from_heads[0].equals(from_files[0].assign(md5=""))
    assert from_heads[1].equals(from_files[1]) and len(from_heads[1]) > 3
    assert not (tmp_path / "nowhere").exists()


def test_any_part_may_be_read_in_any_order(far):
    content = os.urandom(500_000)
    far.write("a", content)
    parts = Parts(far, far.info("a"))
    for place in (450_000, 10, 32_700, 449_990, 0, 200_000, 499_999):
        parts.seek(place)
        found = b""
        while len(found) < 40 and (more := parts.read(40 - len(found))):
            found += more
        assert found == content[place : place + 40]
    parts.seek(0)
    assert parts.readall() == content and far.bytes == len(content)
    parts.seek(600_000)
    assert parts.read(10) == b""


def test_an_image_that_is_replaced_while_its_head_is_read_is_left_for_the_next_run(far, tmp_path):
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        far.write(name, CAMERA)
    listing = list_images(far, "*.jpg", True)
    far.write("2.jpg", CAMERA + b"more")
    far.delete("3.jpg")
    headers = {}

    images, failed = update_image_tables(far, listing, tmp_path, *EMPTY, headers=headers)

    assert (images["filename"].tolist(), len(failed)) == (["1.jpg"], 0)
    reasons = {name: str(why) for (name, _), why in headers.items() if isinstance(why, Unreadable)}
    assert "was replaced" in reasons["2.jpg"] and "gone from the container" in reasons["3.jpg"]


def test_a_network_that_fails_in_the_head_of_a_photo_is_no_fault_of_the_photo(far, tmp_path):
    far.write("1.jpg", CAMERA)
    listing = list_images(far, "*.jpg", True)
    for error, outcome in ((OutsideError("no network"), None), (Missing("gone"), 0)):

        def fails(*_, error=error):
            raise error

        far.read_part = fails
        if outcome is None:
            with pytest.raises(OutsideError, match="no network"):
                update_image_tables(far, listing, tmp_path, *EMPTY)
        else:
            images, failed = update_image_tables(far, listing, tmp_path, *EMPTY)
            assert (len(images), len(failed)) == (outcome, outcome)
