import numpy as np

from utils.images.canvas import canvas_for, fit


def test_no_images_have_the_square_canvas():
    assert canvas_for([], 600, 1024) == (1024, 1024)


def test_landscape_images_lie_portrait_images_stand():
    assert canvas_for([[480, 640], [600, 1024]], 600, 1024) == (640, 1024)
    assert canvas_for(np.array([[640, 480]]), 600, 1024) == (1024, 640)


def test_mixed_or_square_images_have_a_square_of_the_larger_side():
    assert canvas_for([[480, 640], [640, 480]], 600, 1024) == (1024, 1024)
    assert canvas_for([[480, 640], [500, 500]], 320, 320) == (320, 320)


def test_sides_are_rounded_up_to_multiples_of_64():
    assert canvas_for([[1, 2]], 64, 65) == (64, 128)


def test_an_image_is_fitted_as_large_as_it_can_be():
    assert fit(480, 640, (640, 1024)) == (640, 853)
    assert fit(100, 400, (256, 256)) == (64, 256)


def test_an_image_of_the_canvas_size_is_left_as_it_is():
    assert fit(640, 1024, (640, 1024)) == (640, 1024)


def test_a_very_narrow_image_keeps_one_pixel():
    assert fit(10000, 2, (256, 256)) == (256, 1)


def test_no_fitted_image_is_larger_than_its_canvas():
    for height in range(1, 3000, 37):
        for width in (1, 333, 777, 1999):
            new_height, new_width = fit(height, width, (320, 512))
            assert (
                1 <= new_height <= 320
                and 1 <= new_width <= 512
                and (new_height == 320 or new_width == 512)
            )
