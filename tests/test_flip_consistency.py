"""How differently a model sees an image and its mirror image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.boxes.detections import Detections
from utils.boxes.flip_consistency import disagreement, mirrored

LEFT, RIGHT, SHORT = (0, 0, 0.4, 1), (0.6, 0, 1, 1), (0, 0, 0.3, 1)


def seen(*boxes):
    """(box, class, score) each."""
    corners, classes, scores = zip(*boxes, strict=True) if boxes else ((), (), ())
    return Detections(
        np.array(corners, float).reshape(-1, 4), np.array(classes, int), np.array(scores, float)
    )


@pytest.mark.parametrize(
    "one, other, expected",
    [
        (seen(), seen(), 0),
        (seen((LEFT, 1, 0.9)), seen((LEFT, 1, 0.9)), 0),
        (seen((LEFT, 1, 0.9)), seen((LEFT, 2, 0.9)), 1),
        (seen((LEFT, 1, 0.9)), seen((RIGHT, 1, 0.9)), 1),
        (seen((LEFT, 1, 0.8)), seen((LEFT, 1, 0.4)), 0.5),
        (seen((LEFT, 1, 0.8)), seen((SHORT, 1, 0.8)), 0.25),
        (seen((LEFT, 1, 0.6), (RIGHT, 1, 0.2)), seen((LEFT, 1, 0.6)), 0.25),
        (seen((LEFT, 1, 0.04)), seen(), 0),
    ],
)
def test_disagreement_is_the_share_of_scores_that_the_mirror_image_does_not_confirm(
    one, other, expected
):
    assert disagreement(one, other) == pytest.approx(expected) == disagreement(other, one)


@given(
    st.lists(
        st.tuples(st.sampled_from([LEFT, RIGHT, SHORT]), st.integers(1, 2), st.floats(0.05, 1)),
        max_size=5,
    )
)
def test_an_image_agrees_with_itself_and_mirroring_twice_changes_nothing(boxes):
    found = seen(*boxes)
    assert disagreement(found, found) == pytest.approx(0)
    np.testing.assert_allclose(mirrored(mirrored(found)).boxes, found.boxes)
