"""Every kind of image file becomes the same upright RGB picture, and what is broken is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from utils.errors import Unreadable
from utils.images.decoding import (
    BadImage,
    Header,
    decode,
    encode_jpeg,
    encode_png,
    is_plain,
    read_header,
    upright_corners,
)
from utils.images.greys import Greys

# 3 high, 2 wide: red, green / blue, black / white, grey
PICTURE = np.array(
    [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 0, 0]], [[255, 255, 255], [128, 128, 128]]],
    np.uint8,
)


def saved(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def exif(**tags) -> Image.Exif:
    """EXIF with orientation, time (306), and DateTimeOriginal and its offset in the Exif part."""
    made = Image.Exif()
    for name, number in (("orientation", 0x0112), ("time", 0x0132)):
        if name in tags:
            made[number] = tags[name]
    details = made.get_ifd(0x8769)
    for name, number in (("original", 0x9003), ("offset", 0x9011)):
        if name in tags:
            details[number] = tags[name]
    return made


@pytest.mark.parametrize("data", [b"", b"not an image", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused(data):
    for use in (decode, read_header, is_plain):
        with pytest.raises(BadImage) as caught:
            use(data)
        assert str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(Unreadable, match="gone"):
        read_header(tmp_path / "none.jpg")


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_decode_to_their_pixels(form):
    assert np.array_equal(
        decode(
            saved(Image.fromarray(PICTURE), form, **({"lossless": True} if form == "WEBP" else {}))
        ),
        PICTURE,
    )


def test_what_we_encode_decodes_to_the_same_picture():
    smooth = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[:, None, None], 3, axis=2).repeat(
        32, axis=1
    )

    assert np.array_equal(decode(encode_png(PICTURE)), PICTURE)
    assert np.abs(decode(encode_jpeg(smooth)).astype(int) - smooth).max() <= 3


def test_a_picture_that_is_longer_than_a_jpeg_can_be_is_said_to_be():
    assert decode(encode_jpeg(np.zeros((1, 65_500, 3), np.uint8))).shape == (1, 65_500, 3)
    with pytest.raises(BadImage, match="65501x1 pixels are more than fit into a JPEG"):
        encode_jpeg(np.zeros((1, 65_501, 3), np.uint8))


def test_a_palette_bmp_decodes_to_its_colours():
    image = Image.fromarray(PICTURE).quantize(8)

    assert np.array_equal(decode(saved(image, "BMP")), np.asarray(image.convert("RGB")))


def test_grey_is_expanded_and_alpha_dropped():
    grey = Image.fromarray(np.array([[0, 200]], np.uint8))
    clear = Image.fromarray(np.array([[[10, 20, 30, 0]]], np.uint8))

    assert decode(saved(grey, "PNG")).tolist() == [[[0, 0, 0], [200, 200, 200]]]
    assert decode(saved(clear, "PNG")).tolist() == [[[10, 20, 30]]]


def wide(values, form: str) -> bytes:
    return saved(Image.fromarray(np.array(values)), form)


@pytest.mark.parametrize(
    "form, type_, kind",
    [
        ("PNG", np.uint16, "16 bits"),
        ("TIFF", np.uint16, "16 bits"),
        ("TIFF", np.int32, "32 bits"),
        ("TIFF", np.float32, "floating point"),
    ],
)
def test_values_of_more_than_eight_bits_are_shown_between_the_two_of_their_kind(form, type_, kind):
    data = wide(np.array([[7100, 7300, 7500, 7900, 8100, 20]], type_), form)
    greys = Greys({kind: (7100, 7900), "another kind": (0, 1)})

    assert read_header(data).depth == kind
    assert decode(data, greys=greys).tolist() == [
        [[grey] * 3 for grey in (0, 64, 128, 255, 255, 0)]
    ]


def test_a_wide_picture_whose_kind_was_not_measured_is_shown_by_its_own_values():
    values = np.full((50, 50), 7200, np.uint16)
    values[:25] = 7100
    values[20:30, 20:30] = 7900  # a warm animal
    values[0, 0], values[0, 1] = 0, 65535  # dead pixels

    shown = decode(wide(values, "PNG"))[..., 0]

    assert (shown[5, 5], shown[45, 5], shown[25, 25]) == (0, 32, 255)


def test_values_that_are_no_number_are_black_and_a_flat_picture_is_no_error():
    assert decode(wide(np.array([[np.nan, 20.0, 40.0]], np.float32), "TIFF"))[..., 0].tolist() == [
        [0, 0, 255]
    ]
    for flat in (np.full((2, 2), 7000, np.uint16), np.full((2, 2), np.nan, np.float32)):
        assert decode(wide(flat, "TIFF")).max() == 0


def test_of_colours_of_sixteen_bits_the_high_byte_is_taken():
    import cv2

    deep = np.array([[[0x0FFF, 0xFF00, 0x0001]]], np.uint16)  # blue, green, red
    assert decode(cv2.imencode(".png", deep)[1].tobytes()).tolist() == [[[0, 255, 15]]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG"])
def test_pictures_come_upright_and_their_header_says_the_upright_size(form, orientation):
    turn = {
        1: lambda p: p,
        2: np.fliplr,
        3: lambda p: np.rot90(p, 2),
        4: np.flipud,
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: np.rot90(p, -1),
        7: lambda p: np.rot90(p, 2).swapaxes(0, 1),
        8: np.rot90,
    }[orientation]
    data = saved(Image.fromarray(PICTURE), form, exif=exif(orientation=orientation))

    upright = decode(data)

    header = read_header(data)
    assert (header.height, header.width) == upright.shape[:2] == turn(PICTURE).shape[:2]
    if form != "JPEG":
        assert np.array_equal(upright, turn(PICTURE))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG"])
def test_a_box_of_the_stored_picture_is_turned_as_the_picture_is(form, orientation):
    stored = np.zeros((60, 100, 3), np.uint8)
    stored[6:30, 10:30] = 255  # ymin 0.1, ymax 0.5, xmin 0.1, xmax 0.3
    data = saved(Image.fromarray(stored), form, exif=exif(orientation=orientation))
    assert read_header(data).orientation == orientation

    upright = decode(data)[..., 0] > 128
    rows, columns = np.flatnonzero(upright.any(axis=1)), np.flatnonzero(upright.any(axis=0))
    height, width = upright.shape
    found = [
        columns[0] / width,
        rows[0] / height,
        (columns[-1] + 1) / width,
        (rows[-1] + 1) / height,
    ]
    turned = upright_corners(np.array([[0.1, 0.1, 0.3, 0.5]]), orientation)
    assert np.allclose(turned, [found], atol=0.02)


def test_a_broken_exif_block_does_not_spoil_the_photograph():
    data = saved(Image.fromarray(PICTURE), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff broken")

    assert decode(data).shape == (3, 2, 3)
    assert read_header(data) == Header(2, 3, 1, "")


@pytest.mark.parametrize(
    ("tags", "taken_at"),
    [
        ({}, ""),
        ({"original": "2024:05:01 12:30:00"}, "2024-05-01T12:30:00Z"),
        ({"original": "2024:05:01 12:30:00", "offset": "+02:00"}, "2024-05-01T10:30:00Z"),
        (
            {"original": "0000:00:00 00:00:00", "time": "2023:01:02 03:04:05"},
            "2023-01-02T03:04:05Z",
        ),
        ({"original": "yesterday"}, ""),
    ],
)
def test_the_capture_time_comes_from_exif(tags, taken_at):
    assert (
        read_header(saved(Image.fromarray(PICTURE), "JPEG", exif=exif(**tags))).taken_at == taken_at
    )


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP"])
def test_a_truncated_file_is_refused_although_its_header_is_readable(form):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = saved(Image.fromarray(noise), form)[:-1000]

    assert (read_header(data).width, read_header(data).height) == (64, 64)
    with pytest.raises(BadImage):
        decode(data)


def test_a_real_truncated_photograph_is_refused(shared):
    data = (shared / "data" / "kangaroo" / "images" / "00090.jpg").read_bytes()

    with pytest.raises(BadImage, match="truncated"):
        decode(data)


def test_plain_is_what_every_decoder_sees_alike():
    image = Image.fromarray(PICTURE)
    plain = {
        "rgb jpeg": saved(image, "JPEG"),
        "grey jpeg": saved(image.convert("L"), "JPEG"),
        "rgb png": saved(image, "PNG"),
    }
    other = {
        "turned": saved(image, "JPEG", exif=exif(orientation=6)),
        "cmyk": saved(image.convert("CMYK"), "JPEG"),
        "bmp": saved(image, "BMP"),
        "alpha": saved(image.convert("RGBA"), "PNG"),
        "palette": saved(image.quantize(4), "PNG"),
        "16 bit": saved(Image.fromarray(np.zeros((2, 2), np.uint16)), "PNG"),
    }

    assert [name for name, data in {**plain, **other}.items() if is_plain(data)] == list(plain)


def test_a_jpeg_may_be_decoded_smaller_but_not_smaller_than_asked():
    data = encode_jpeg(np.zeros((300, 400, 3), np.uint8))

    assert decode(data, max_side=100).shape == (75, 100, 3)
    assert decode(data, max_side=101).shape == (150, 200, 3)
    assert decode(data, max_side=100, min_side=75).shape == (75, 100, 3)
    assert decode(data, max_side=100, min_side=76).shape == (150, 200, 3)
    assert decode(data, max_side=400).shape == decode(data, max_side=4000).shape == (300, 400, 3)
