"""Large pictures in overlapping tiles."""

import numpy as np
import pytest

from utils.boxes.detections import Detections
from utils.boxes.tiles import merge_tiles, tile_windows


def seen_through(windows, objects, height, width):
    """What a perfect detector finds in each window: the visible part of each object (xmin, ymin,
    xmax, ymax pixels), class 1.
    """
    found = []
    for window in windows:
        x, y, tile_width, tile_height = window
        parts = [
            (max(a, x), max(b, y), min(c, x + tile_width), min(d, y + tile_height))
            for a, b, c, d in objects
        ]
        parts = np.array(
            [part for part in parts if part[0] < part[2] and part[1] < part[3]], float
        ).reshape(-1, 4)
        boxes = (parts - [x, y, x, y]) / [tile_width, tile_height, tile_width, tile_height]
        found.append(
            (
                window,
                Detections(boxes, np.ones(len(boxes), np.int64), np.linspace(0.9, 0.8, len(boxes))),
            )
        )
    return found


def pixels(detections, height, width):
    return sorted(
        map(tuple, np.rint(detections.boxes * [width, height, width, height]).astype(int).tolist())
    )


def test_nothing_found_stays_nothing():
    assert len(merge_tiles([], 100, 100)) == 0
    assert len(merge_tiles(seen_through(tile_windows(100, 100, 64), [], 100, 100), 100, 100)) == 0


def test_a_small_picture_is_one_tile():
    assert tile_windows(80, 60, 100) == [(0, 0, 60, 80)]


@pytest.mark.parametrize("height, width", [(4000, 6000), (1025, 1024), (3000, 700)])
def test_tiles_cover_the_picture_and_neighbours_overlap(height, width):
    covered = np.zeros((height, width), np.uint8)
    windows = tile_windows(height, width, 1024)
    for x, y, tile_width, tile_height in windows:
        covered[y : y + tile_height, x : x + tile_width] += 1
        assert x + tile_width <= width and y + tile_height <= height
    assert covered.min() == 1
    columns = sorted({x for x, *_ in windows})
    assert all(
        second - first <= 1024 * 0.8 + 1
        for first, second in zip(columns, columns[1:], strict=False)
    )


@pytest.mark.parametrize(
    "box",
    [
        (10, 10, 60, 60),  # inside one tile
        (790, 300, 870, 380),  # on a border, whole in the overlap
        (1000, 1000, 1100, 1120),  # on a corner of four tiles
        (600, 200, 1300, 500),  # wider than the overlap: halves on both sides
        (650, 200, 1064, 500),  # a little wider: the halves cover each other nearly whole
        (650, 450, 1064, 1064),  # the same in both directions
        (100, 500, 500, 1500),  # higher than the overlap
    ],
)
def test_an_object_on_a_border_is_found_once(box):
    height, width = 2000, 2400
    merged = merge_tiles(
        seen_through(tile_windows(height, width, 1024), [box], height, width), height, width
    )
    assert pixels(merged, height, width) == [box]


def test_neighbours_stay_apart_and_are_not_cut_by_a_number():
    height = width = 2000
    objects = [(x, y, x + 20, y + 20) for x in range(5, 1970, 40) for y in range(5, 1970, 40)]
    merged = merge_tiles(
        seen_through(tile_windows(height, width, 512), objects, height, width), height, width
    )
    assert pixels(merged, height, width) == sorted(objects)
