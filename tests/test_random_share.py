"""AP on the images that were drawn at random, by the model that predicted them before they were
labelled.
"""

import pandas as pd
import pytest
from helpers_tables import labels

from train.evaluation.random_share import random_share


def drawn(text, model="model_1.pb"):
    return labels(text, "totag").assign(model=model)


def boxes(label, *images):
    return "\n".join(f"{image} {label} 0.1 0.5 0.1 0.5" for image in images)


def found(label, score, *images):
    return "\n".join(f"{image} {label} 0.1 0.5 0.1 0.5 {score} {score}" for image in images)


def test_without_labelled_images_that_were_drawn_there_is_no_figure():
    assert random_share(drawn(found("bird", 0.9, "a")), labels(""), "model_1.pb", ["bird"]) is None
    assert (
        random_share(drawn(found("bird", 0.9, "a")), labels("a NULL"), "model_1.pb", ["bird"])
        is None
    )
    assert (
        random_share(drawn(found("bird", 0.9, "a")), labels(boxes("bird", "a")), None, ["bird"])
        is None
    )
    assert (
        random_share(
            drawn(found("bird", 0.9, "a"), "model_0.pb"),
            labels(boxes("bird", "a")),
            "model_1.pb",
            ["bird"],
        )
        is None
    )


def test_a_model_that_finds_half_of_the_boxes_has_half_the_ap_and_an_interval_round_it():
    images = [f"{number}" for number in range(40)]
    seen = drawn(
        found("bird", 0.9, *images[:20])
        + "\n"
        + "\n".join(f"{image} NULL 0 0 0 0 0 0" for image in images[20:])
    )
    share = random_share(
        seen, labels(boxes("bird", *images, "other")), "model_1.pb", ["bird", "seal"]
    )
    assert (share.images, share.boxes, share.AP) == (40, 40, pytest.approx(0.5))
    assert 0.3 < share.low < 0.45 < 0.55 < share.high < 0.7
    assert "40 images" in str(share) and "flatter" in str(share)


def test_true_boxes_without_area_are_left_out_as_in_the_performance_table():
    flat = labels(boxes("bird", "a") + "\na bird 0.2 0.2 0.1 0.9")
    share = random_share(drawn(found("bird", 0.9, "a")), flat, "model_1.pb", ["bird"])
    assert (share.boxes, share.AP) == (1, 1)


def test_only_what_that_model_predicted_counts():
    old, new = drawn(found("bird", 0.9, "a"), "model_0.pb"), drawn(found("seal", 0.9, "b"))
    share = random_share(
        pd.concat([old, new]), labels(boxes("bird", "a", "b")), "model_1.pb", ["bird", "seal"]
    )
    assert (share.images, share.AP) == (1, 0)
