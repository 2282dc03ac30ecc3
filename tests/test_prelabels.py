"""Which boxes people get to see with prelabel_confidence=auto: where they cost them least."""

import numpy as np
import pytest
from helpers_cycle import CycleProject
from hypothesis import given, settings
from hypothesis import strategies as st

from train.cycle.files import write_working
from train.evaluation.prelabels import cheapest_prelabels
from utils.boxes.prelabels import NEVER, Thresholds, measured_thresholds, shown_boxes, surest
from utils.effort.seconds import Seconds
from utils.labels import tables

COSTS = Seconds(look=5, keep=2, change=6, draw=7, delete=2)
LEFT, RIGHT = (0.0, 0.0, 0.4, 0.4), (0.5, 0.5, 0.9, 0.9)
LEFT_MOVED = (0.0, 0.0, 0.4, 0.28)  # 0.7 in common with LEFT
NOWHERE = (0.42, 0.0, 0.49, 0.1)


def rows(*boxes, table="totag"):
    """Rows of (image, class, box, score) each; class NULL for an image without boxes."""
    names, classes, corners, scores = zip(*boxes, strict=True)
    xmin, ymin, xmax, ymax = np.array(corners, float).reshape(-1, 4).T
    confidence = {"box_confidence": scores, "image_confidence": 0.0} if table == "totag" else {}
    return tables.make(
        table,
        filename=list(names),
        folder="",
        class_=list(classes),
        xmin=xmin,
        ymin=ymin,
        xmax=xmax,
        ymax=ymax,
        height=100,
        width=100,
        **confidence,
    )


def truth(*boxes):
    return rows(*((*box, None) for box in boxes), table="tagged")


def many(box, score, count=10, name="fox", first=0):
    """The same box in as many images."""
    return [(f"{number}.jpg", name, box, score) for number in range(first, first + count)]


def of_truth(found):
    return truth(*(box[:3] for box in found))


def test_a_class_is_shown_from_the_score_that_costs_least():
    right, wrong = many(LEFT, 0.8), many(NOWHERE, 0.4)
    found = cheapest_prelabels(of_truth(right), rows(*right, *wrong), ["fox"], COSTS)
    assert found.thresholds == {"fox": pytest.approx(0.6)}, "half way to those that cost more"
    assert (found.with_them, found.without) == (5 + 2, 5 + 7)


def test_boxes_worth_less_than_they_cost_are_not_shown_and_cost_no_more_than_by_hand():
    right = many(LEFT, 0.3)
    wrong = [*many(NOWHERE, 0.8), *many(RIGHT, 0.7), *many((0.6, 0.0, 0.7, 0.1), 0.6)]
    found = cheapest_prelabels(of_truth(right), rows(*right, *wrong), ["fox"], COSTS)
    assert found.thresholds == {"fox": NEVER}
    assert found.with_them == found.without == 12
    assert found.as_json()["thresholds"] == {"fox": None}


def test_a_box_that_is_moved_costs_less_than_one_that_is_drawn():
    true, moved = many(LEFT, None), many(LEFT_MOVED, 0.5)
    found = cheapest_prelabels(of_truth(true), rows(*moved), ["fox"], COSTS)
    assert found.thresholds == {"fox": 0.25}
    assert found.with_them == 5 + 6


def test_each_class_has_its_own_score_and_a_rare_one_that_of_all():
    foxes, deer = many(LEFT, 0.9), many(RIGHT, 0.2, name="deer")
    rare = many((0.0, 0.5, 0.3, 0.9), 0.3, count=2, name="lynx")
    wrong = many(NOWHERE, 0.25, count=6)
    found = cheapest_prelabels(
        of_truth([*foxes, *deer, *rare]),
        rows(*foxes, *deer, *rare, *wrong),
        ["fox", "deer", "lynx"],
        COSTS,
    )
    # of all boxes together even the unsurest are worth it
    assert found.thresholds == {"fox": pytest.approx(0.575), "deer": 0.1, "lynx": 0.1}


def test_images_without_objects_count_with_what_is_shown_in_them():
    right = many(LEFT, 0.8)
    empty = [(f"{number}.jpg", "NULL", (0, 0, 0, 0)) for number in range(10, 50)]
    false = many(LEFT, 0.9, first=10, count=40)
    found = cheapest_prelabels(
        truth(*(box[:3] for box in right), *empty), rows(*right, *false), ["fox"], COSTS
    )
    assert found.thresholds == {"fox": NEVER}
    assert found.images == 50
    assert found.without == 5 + 7 * 10 / 50


def test_without_images_nothing_was_measured():
    nothing = tables.empty("tagged"), tables.empty("totag")
    assert cheapest_prelabels(*nothing, ["fox"], COSTS) is None


boxes = st.tuples(
    st.sampled_from(["0.jpg", "1.jpg", "2.jpg"]),
    st.sampled_from(["fox", "deer"]),
    st.sampled_from([LEFT, LEFT_MOVED, RIGHT, NOWHERE]),
    st.sampled_from([0.1, 0.2, 0.5, 0.9]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(boxes, min_size=1, max_size=12), st.lists(boxes, min_size=1, max_size=12))
def test_prelabels_never_cost_more_than_drawing_by_hand(actual, found):
    measured = cheapest_prelabels(of_truth(actual), rows(*found), ["fox", "deer"], COSTS)
    assert measured.with_them <= measured.without + 1e-9


def test_of_boxes_that_overlap_too_much_only_the_surest_is_shown_whatever_its_class():
    found = rows(
        ("a.jpg", "fox", LEFT, 0.6),
        ("a.jpg", "deer", LEFT_MOVED, 0.9),
        ("a.jpg", "fox", RIGHT, 0.5),
        ("b.jpg", "fox", LEFT, 0.6),
        ("c.jpg", "fox", LEFT, 0.2),
        ("d.jpg", "NULL", (0, 0, 0, 0), 0.0),
    )
    shown = shown_boxes(found, Thresholds())
    assert shown[["filename", "class"]].to_numpy().tolist() == [
        ["a.jpg", "deer"],
        ["a.jpg", "fox"],
        ["b.jpg", "fox"],
    ]
    everything = shown_boxes(found, Thresholds(other=0.1, only_surest=False))
    assert len(everything) == 5


def test_a_box_without_a_score_is_surer_than_any():
    found = rows(("a.jpg", "fox", LEFT, np.nan), ("a.jpg", "fox", LEFT, 0.99))
    assert surest(found).tolist() == [True, False]


def test_measured_scores_follow_their_classes_through_renaming():
    entry = {
        "thresholds": {"fox": 0.4, "vixen": 0.3, "deer": None},
        "images": 12,
        "seconds": {"with": 8.2, "without": 15.0},
    }
    thresholds = measured_thresholds(entry, lambda name: {"vixen": "fox"}.get(name, name))
    assert (thresholds.of("fox"), thresholds.of("deer"), thresholds.of("new")) == (0.3, NEVER, 0.5)
    assert "fox from 0.40" in thresholds.why
    assert "deer never" in thresholds.why
    assert "12 reviewed images this costs 8 s each, drawing everything 15 s" in thresholds.why


def test_a_cycle_measures_the_scores_on_test_and_validation_images_and_publishes_them(tmp_path):
    project = CycleProject(tmp_path, min_confidence=0.05)
    project.fill()
    tagged = project.table("tagged")
    of_validation = set(tables.image_set(tagged)) - set(tables.image_set(project.table("test")))
    write_working(project.settings, "validation", tables.only(tagged, of_validation))
    project.predict()
    project.publish()
    measured = project.state().cycles[-1]["prelabels"]
    assert measured["images"] == 4
    assert measured["seconds"] == {"with": 5 + 2 * 2 / 4, "without": 5 + 7 * 2 / 4}
    assert 0 < measured["thresholds"]["red thing"] < 0.9
