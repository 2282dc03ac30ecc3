"""How much boxes have in common."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from utils.boxes.iou import intersection_over_union, share_inside, shared_areas

SQUARE, RIGHT_HALF, ELSEWHERE, POINT = (0, 0, 2, 2), (1, 0, 2, 2), (5, 5, 6, 6), (1, 1, 1, 1)
corners = arrays(float, st.tuples(st.integers(0, 5), st.just(2)), elements=st.integers(0, 9))


def boxes(*xyxy):
    return np.array(xyxy, float).reshape(-1, 4)


def test_shares_by_hand():
    others = boxes(SQUARE, RIGHT_HALF, ELSEWHERE, POINT)
    assert shared_areas(boxes(SQUARE), others).tolist() == [[4, 2, 0, 0]]
    assert intersection_over_union(boxes(SQUARE), others).tolist() == [[1, 0.5, 0, 0]]
    assert share_inside(boxes(RIGHT_HALF), others).tolist() == [[1, 1, 0, 0]]


def test_boxes_without_area_and_no_boxes_have_nothing_in_common_with_anything():
    assert intersection_over_union(boxes(POINT), boxes(POINT, SQUARE)).tolist() == [[0, 0]]
    assert share_inside(boxes(POINT), boxes(POINT, SQUARE)).tolist() == [[0, 0]]
    assert intersection_over_union(boxes(), boxes(SQUARE)).shape == (0, 1)
    assert intersection_over_union(boxes(SQUARE), boxes()).shape == (1, 0)


@given(st.data())
def test_it_is_what_counting_pixels_gives(data):
    one, other = (
        np.hstack([low, low + data.draw(arrays(float, low.shape, elements=st.integers(1, 4)))])
        for low in (data.draw(corners), data.draw(corners))
    )
    found = intersection_over_union(one, other)
    for left, row in zip(one, found, strict=True):
        for right, share in zip(other, row, strict=True):
            first, second = _pixels(left), _pixels(right)
            np.testing.assert_allclose(share, len(first & second) / len(first | second))


def _pixels(box):
    xmin, ymin, xmax, ymax = box.astype(int).tolist()
    return {(x, y) for x in range(xmin, xmax) for y in range(ymin, ymax)}
