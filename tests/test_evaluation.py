"""Average precision against hand-computed cases and against pycocotools."""

import numpy as np
import pandas as pd
import pytest
from evaluation_speed import CLASSES, FOUND, TRUE, boxes, pycocotools_figures
from helpers_evaluation import cells, predicted, pycocotools_all_point, random_case, truth

from train.evaluation import matching
from train.evaluation.average_precision import (
    average_precision,
    best_threshold,
    boxes_of,
    measure,
)
from train.evaluation.matching import match
from utils.boxes.iou import intersection_over_union
from utils.labels import tables


def test_without_images_every_cell_but_the_counts_is_empty():
    performance = measure(tables.empty("test"), tables.empty("totag"), ["cow", "deer"])
    assert (
        tables.to_csv("performance", performance, False).decode()
        == "Class Name,AP,images,boxes,precision,recall,threshold,coco_ap,coco_ap50\n"
        "Average,,0,0,,,,,\n"
        "cow,,0,0,,,,,\n"
        "deer,,0,0,,,,,\n"
    )


def test_without_detections_a_class_with_boxes_has_ap_0_and_recall_0():
    performance = measure(truth("1.jpg cow 0 0 1 1"), tables.empty("totag"), ["cow"])
    assert tables.to_csv("performance", performance, False).decode().splitlines()[1:] == [
        "Average,0,1,1,,0,,0,0",
        "cow,0,1,1,,0,,0,0",
    ]


def test_a_class_without_test_boxes_is_empty_and_does_not_enter_the_average():
    performance = measure(
        truth("1.jpg cow 0 0 0.5 0.5\n2.jpg NULL 0 0 0 0"),
        predicted("1.jpg cow 0 0 0.5 0.5 0.9\n1.jpg deer 0 0 0.5 0.5 0.8"),
        ["deer", "cow"],
    )
    assert tables.to_csv("performance", performance, False).decode().splitlines()[1:] == [
        "Average,1,2,1,1,1,,1,1",
        "deer,,0,0,,,,,",
        "cow,1,1,1,1,1,0.9,1,1",
    ]


def test_null_is_no_class_and_a_detection_in_an_empty_image_is_wrong():
    performance = measure(
        truth("1.jpg cow 0 0 0.5 0.5\n2.jpg NULL 0 0 0 0"),
        predicted("1.jpg cow 0 0 0.5 0.5 0.8\n2.jpg cow 0 0 1 1 0.9"),
        ["cow"],
    )
    assert performance["Class Name"].tolist() == ["Average", "cow"]
    assert cells(performance, "cow")["AP"] == 0.5


def test_average_precision_of_a_curve_drawn_by_hand():
    # right, wrong, right, wrong, right of 4: precision 1, 1/2, 2/3, 1/2, 3/5 -> envelope at the
    # hits 1, 2/3, 3/5; one box never found.
    right = np.array([True, False, True, False, True])
    assert average_precision(right, 4) == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)
    assert average_precision(np.zeros(0, bool), 3) == 0
    # The envelope lifts an early miss: wrong, right, right of 2 -> precision 0, 1/2, 2/3 -> 2/3 at
    # both hits.
    assert average_precision(np.array([False, True, True]), 2) == pytest.approx(2 / 3)


def test_overlap_by_hand():
    boxes = np.array([[0, 0, 1, 1], [0.5, 0, 1.5, 1], [2, 2, 3, 3]])
    np.testing.assert_allclose(
        intersection_over_union(np.array([[0, 0, 1, 1]]), boxes), [[1, 1 / 3, 0]]
    )


def test_the_second_detection_of_one_box_is_wrong_and_the_box_it_overlaps_most_decides():
    actual = truth("1.jpg cow 0 0 0.4 0.4\n1.jpg cow 0.5 0.5 0.9 0.9").assign(image="1.jpg")
    found = predicted(
        "1.jpg cow 0 0 0.4 0.4 0.5\n1.jpg cow 0 0 0.4 0.38 0.9\n1.jpg cow 0.5 0.5 0.7 0.7 0.8"
    ).assign(image="1.jpg")
    scores, right = match(actual, found)
    assert scores.tolist() == [0.9, 0.8, 0.5]
    assert right.tolist() == [True, False, False]  # 0.8 overlaps its box by a quarter only


def test_an_overlap_of_just_a_half_is_enough():
    performance = measure(
        truth("1.jpg cow 0 0 0.5 0.5"), predicted("1.jpg cow 0 0 0.5 0.25 0.9"), ["cow"]
    )
    assert cells(performance, "cow")["AP"] == 1


def test_equal_file_names_in_different_folders_are_different_images():
    actual = truth("1.jpg cow 0 0 0.5 0.5").assign(folder="a")
    found = predicted("1.jpg cow 0 0 0.5 0.5 0.9").assign(folder="b")
    assert cells(measure(actual, found, ["cow"]), "cow")["AP"] == 0


def test_predictions_of_other_images_and_true_boxes_without_area_are_left_out():
    actual = truth("1.jpg cow 0 0 0.5 0.5\n1.jpg cow 0.7 0.7 0.7 0.9")
    found = predicted("1.jpg cow 0 0 0.5 0.5 0.5\n9.jpg cow 0 0 1 1 0.9")
    assert cells(measure(actual, found, ["cow"]), "cow") == {
        "AP": 1,
        "images": 1,
        "boxes": 1,
        "precision": 1,
        "recall": 1,
        "threshold": 0.5,
        "coco_ap": 1,
        "coco_ap50": 1,
    }


def test_best_threshold_by_hand():
    # Scores 0.9 right, 0.8 wrong, 0.7 right, 0.6 wrong of 2 boxes: F1 = 2/3, 2/4, 4/5, 4/6.
    best = best_threshold(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]), 2)
    assert (best.score, best.precision, best.recall) == (0.7, pytest.approx(2 / 3), 1)


def test_equal_scores_are_kept_or_dropped_together():
    # At 0.5 there are one right and two wrong: a threshold between them does not exist.
    best = best_threshold(np.array([0.5, 0.5, 0.5]), np.array([True, False, False]), 1)
    assert (best.score, best.precision, best.recall) == (0.5, pytest.approx(1 / 3), 1)


def test_more_boxes_than_a_hundred_are_measured_when_max_detections_says_so():
    places = [(row / 12, column / 12) for row in range(12) for column in range(12)]
    boxes = "\n".join(f"1.jpg bird {x} {y} {x + 0.05} {y + 0.05}" for x, y in places)
    found = predicted("\n".join(f"{line} 0.9" for line in boxes.splitlines()))
    assert (
        cells(measure(truth(boxes), found, ["bird"], max_detections=300), "bird")["coco_ap50"] == 1
    )
    assert cells(measure(truth(boxes), found, ["bird"]), "bird")["coco_ap50"] < 1


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_the_area_that_pycocotools_finds(seed):
    actual, found = random_case(seed)
    performance = measure(actual, found, ["cow", "deer"])
    for name in ("cow", "deer"):
        expected = pycocotools_all_point(
            actual[actual["class"] == name], found[found["class"] == name]
        )
        assert 0.01 < expected < 0.99
        assert cells(performance, name)["AP"] == pytest.approx(expected, abs=1e-4)
        assert cells(performance, name)["coco_ap50"] == pytest.approx(expected, abs=0.02)
    average = cells(performance, "Average")
    for column in ("AP", "coco_ap", "coco_ap50", "precision", "recall"):
        assert average[column] == pytest.approx(
            np.mean([cells(performance, name)[column] for name in ("cow", "deer")]), abs=1e-6
        )


def test_the_measure_does_not_depend_on_the_order_of_rows():
    actual, found = random_case(7)
    expected = measure(actual, found, ["cow", "deer"])
    shuffled = measure(
        actual.sample(frac=1, random_state=1), found.sample(frac=1, random_state=2), ["cow", "deer"]
    )
    pd.testing.assert_frame_equal(shuffled, expected)


def one_by_one(actual, found, overlap=0.5):
    """Which row of `actual` each detection has found, as VOCevaldet.m goes through them."""
    order = np.argsort(-found["box_confidence"].to_numpy(np.float64), kind="stable")
    places, taken = [], set()
    for _, row in found.iloc[order].iterrows():
        rows = np.flatnonzero(actual["image"] == row["image"])
        if not len(rows):
            places.append(-1)
            continue
        box = row[matching.CORNERS].to_numpy(np.float64)[None]
        others = actual.iloc[rows][matching.CORNERS].to_numpy(np.float64)
        (overlaps,) = intersection_over_union(box, others)
        nearest = rows[int(overlaps.argmax())]
        right = overlaps.max() >= overlap and nearest not in taken
        places.append(nearest if right else -1)
        taken |= {nearest} if right else set()
    return order, places


@pytest.mark.parametrize("at_once", [1, 7, 2_000_000])
@pytest.mark.parametrize("seed", range(6))
def test_matching_all_at_once_is_matching_one_by_one(monkeypatch, seed, at_once):
    monkeypatch.setattr(matching, "_PAIRS_AT_ONCE", at_once)
    actual, found = random_case(seed)
    actual, found = (
        boxes_of(frame, sorted(tables.image_set(frame)), ["cow"]) for frame in (actual, found)
    )
    found = pd.concat([found, found.iloc[::2], found.iloc[::3].assign(box_confidence=0.5)])
    order, places = matching.matched_places(actual, found)
    expected_order, expected = one_by_one(actual, found)
    assert (order == expected_order).all() and places.tolist() == expected


def test_without_true_boxes_or_detections_nothing_is_matched():
    actual, found = random_case(0)
    actual, found = (boxes_of(frame, ["0.jpg", "1.jpg"], ["cow"]) for frame in (actual, found))
    assert (matching.matched_places(actual[:0], found)[1] == -1).all()
    assert len(matching.matched_places(actual, found[:0])[1]) == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_coco_figures_are_those_of_pycocotools(seed):
    """As benchmarks/evaluation_speed.py finds them for many images."""
    random = np.random.default_rng(seed)
    members, corners = boxes(40, TRUE, random)
    actual = tables.make("test", **members)
    members, _ = boxes(40, FOUND, random, near=corners)
    scores = random.uniform(0.01, 1, 40 * FOUND)
    found = tables.make("totag", **members, box_confidence=scores, image_confidence=0.0)
    table = measure(actual, found, CLASSES).set_index("Class Name")
    _, expected = pycocotools_figures(actual, found)
    for name, figures in expected.items():
        assert table.loc[name, ["coco_ap", "coco_ap50"]].tolist() == pytest.approx(
            figures, abs=1e-6
        )
