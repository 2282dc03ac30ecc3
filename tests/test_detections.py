"""Detections are checked when made, and become rows of totag."""

import numpy as np
import pytest

from utils.boxes.detections import Detections, from_tensorflow, totag_rows
from utils.labels import tables

NONE = Detections(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))


def detections(*rows):
    """From rows (xmin, ymin, xmax, ymax, class, score)."""
    values = np.array(rows, np.float64)
    return Detections(values[:, :4], values[:, 4].astype(np.int64), values[:, 5])


def test_an_image_without_detections_is_normal():
    assert len(NONE) == 0
    assert len(NONE.at_least(0.5)) == 0
    found = from_tensorflow(
        np.zeros((5, 4), np.float32), np.ones(5, np.float32), np.zeros(5, np.float32), count=0
    )
    assert len(found) == 0 and found.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    "boxes, classes, scores, complaint",
    [
        (np.zeros(4), np.zeros(1, np.int64), np.zeros(1), r"\(n, 4\), not \(4,\)"),
        (np.zeros((2, 4)), np.zeros(1, np.int64), np.zeros(2), r"classes must be \(2,\)"),
        (np.zeros((1, 4)), np.zeros(1, np.int64), np.zeros(3), r"scores must be \(1,\)"),
        (np.zeros((1, 4)), np.zeros(1), np.zeros(1), "whole numbers"),
        (np.array([[0, 0, 1.5, 1]]), np.ones(1, np.int64), np.ones(1), "0 to 1.5|0.0 to 1.5"),
        (np.array([[0.5, 0, 0.4, 1]]), np.ones(1, np.int64), np.ones(1), "min <= max"),
        (np.array([[0, 0, np.nan, 1]]), np.ones(1, np.int64), np.ones(1), "fractions"),
        (
            np.array([[0, 0, 1.0, 1]]),
            np.ones(1, np.int64),
            np.array([1.2]),
            "scores must be in 0..1",
        ),
    ],
)
def test_what_is_not_a_detection_is_refused_by_what_was_found(boxes, classes, scores, complaint):
    with pytest.raises(ValueError, match=complaint):
        Detections(boxes, classes, scores)


def test_tensorflow_order_is_turned_round_and_the_most_confident_come_first():
    boxes = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8], [0, 0, 1, 1]], np.float32)
    found = from_tensorflow(boxes, np.array([1.0, 2.0, 3.0]), np.array([0.25, 0.75, 0.9]), count=2)
    np.testing.assert_allclose(found.boxes, [[0.6, 0.5, 0.8, 0.7], [0.2, 0.1, 0.4, 0.3]])
    assert found.classes.tolist() == [2, 1]
    assert found.scores.tolist() == [0.75, 0.25]


def test_boxes_on_a_padded_canvas_become_fractions_of_the_image():
    # A 100 x 200 canvas shows the image in its upper half: vertical fractions double. The second
    # box lies in the padding.
    boxes = np.array(
        [[0.1, 0.2, 0.4, 0.6], [0.6, 0.2, 0.9, 0.6], [0.25, 0.5, 0.9, 1.2]], np.float32
    )
    found = from_tensorflow(
        boxes, np.ones(3), np.array([0.9, 0.8, 0.7]), count=3, stretch=(2.0, 1.0)
    )
    np.testing.assert_allclose(found.boxes, [[0.2, 0.2, 0.6, 0.8], [0.5, 0.5, 1, 1]])


def test_what_is_not_finite_or_has_no_area_or_no_score_is_left_out():
    boxes = np.array(
        [[np.nan, 0, 1, 1], [0.5, 0.5, 0.5, 0.9], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]],
        np.float32,
    )
    found = from_tensorflow(boxes, np.ones(5), np.array([0.9, 0.8, np.nan, 0.6, 0]), count=5)
    assert found.scores.tolist() == [0.6]


def test_no_images_give_no_rows():
    assert totag_rows([], {1: "cow"}).equals(tables.empty("totag"))


def test_rows_carry_the_lowest_confidence_of_their_image_and_an_empty_image_one_null_row():
    rows = totag_rows(
        [
            (
                "a/b/1.jpg",
                100,
                200,
                detections(
                    (0.1, 0.2, 0.3, 0.4, 1, 0.9), (0.5, 0.5, 1, 1, 2, 0.6), (0, 0, 1, 1, 7, 0.3)
                ),
            ),
            ("2.jpg", 50, 60, NONE),
        ],
        {1: "cow", 2: "red deer"},
    )
    assert rows.to_csv(index=False).splitlines() == [
        "filename,class,xmin,xmax,ymin,ymax,height,width,folder,box_confidence,image_confidence",
        "1.jpg,cow,0.1,0.3,0.2,0.4,100,200,a/b,0.9,0.6",
        "1.jpg,red deer,0.5,1.0,0.5,1.0,100,200,a/b,0.6,0.6",
        "2.jpg,NULL,0.0,0.0,0.0,0.0,50,60,,0.0,0.0",
    ]


def test_only_those_of_a_score_or_more_are_kept():
    found = detections((0, 0, 1, 1, 1, 0.5), (0, 0, 1, 1, 1, 0.4999)).at_least(0.5)
    assert found.scores.tolist() == [0.5]
