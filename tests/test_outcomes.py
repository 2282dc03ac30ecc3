"""What became of boxes and images, in sets small enough to count by hand."""

import numpy as np
import pytest
from helpers_evaluation import predicted, random_case, truth

from train.evaluation.average_precision import measure
from train.evaluation.outcomes import confusion, outcomes
from train.evaluation.thresholds import costs, image_level, precision_recall

# 1: the cow is found twice, the deer taken for a cow; 2: a deer is missed, a cow invented;
# 3: nothing is there, and a deer is seen; 4: nothing is there, and nothing is seen.
TRUTH = truth(
    """
    1.jpg cow 0.0 0.0 0.4 0.4
    1.jpg deer 0.5 0.5 0.9 0.9
    2.jpg deer 0.0 0.0 0.4 0.4
    3.jpg NULL 0 0 0 0
    4.jpg NULL 0 0 0 0
    """
)
FOUND = predicted(
    """
    1.jpg cow 0.0 0.0 0.4 0.4 0.9
    1.jpg cow 0.0 0.0 0.4 0.38 0.8
    1.jpg cow 0.5 0.5 0.9 0.9 0.7
    1.jpg deer 0.5 0.5 0.9 0.9 0.2
    2.jpg cow 0.6 0.6 0.9 0.9 0.6
    3.jpg deer 0.1 0.1 0.3 0.3 0.6
    """
)
CLASSES = ("cow", "deer")


def test_the_confusion_matrix_has_a_row_and_a_column_for_background():
    made = outcomes(TRUTH, FOUND, CLASSES, 0.5)
    assert confusion(made, CLASSES).tolist() == [
        [1, 0, 0],  # the cow was found
        [1, 0, 1],  # one deer was taken for a cow, one was missed
        [2, 1, 0],  # a cow found twice, a cow and a deer where nothing is
    ]
    assert made.missed["image"].tolist() == ["2.jpg"]
    assert sorted(made.false["image"]) == ["1.jpg", "2.jpg", "3.jpg"]
    (mixed,) = made.mixed_up.to_dict("records")
    assert (mixed["image"], mixed["class"], mixed["taken_for"]) == ("1.jpg", "deer", "cow")
    assert mixed["box_confidence"] == 0.7


def test_a_lower_threshold_finds_the_deer_itself_and_its_cow_is_false_then():
    assert confusion(outcomes(TRUTH, FOUND, CLASSES, 0.1), CLASSES).tolist() == [
        [1, 0, 0],
        [0, 1, 1],
        [3, 1, 0],
    ]


def test_an_overlap_below_a_half_is_a_miss_and_a_false_one():
    found = predicted("1.jpg cow 0.0 0.0 0.4 0.19 0.9")
    made = outcomes(truth("1.jpg cow 0.0 0.0 0.4 0.4"), found, CLASSES, 0.5)
    assert confusion(made, CLASSES).tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_nothing_at_all_is_a_matrix_of_zeros():
    nothing = truth("1.jpg NULL 0 0 0 0")
    made = outcomes(nothing, predicted("1.jpg NULL 0 0 0 0 0"), CLASSES, 0.5)
    assert confusion(made, CLASSES).tolist() == [[0] * 3] * 3
    assert not len(made.missed) and not len(made.false) and not len(made.mixed_up)


@pytest.mark.parametrize("seed", range(5))
def test_the_matrix_agrees_with_the_table_of_performance_at_its_threshold(seed):
    actual, found = random_case(seed)
    table = measure(actual, found, CLASSES).set_index("Class Name")
    for place, name in enumerate(CLASSES):
        made = outcomes(actual, found, CLASSES, table.loc[name, "threshold"] - 1e-6)
        matrix = confusion(made, CLASSES)
        assert matrix[place, place] / matrix[place].sum() == pytest.approx(
            table.loc[name, "recall"], abs=1e-5
        )
        assert matrix[place, place] / matrix[:, place].sum() == pytest.approx(
            table.loc[name, "precision"], abs=1e-5
        )
        assert matrix[:, :2].sum() == len(made.found) and matrix[:2].sum() == len(made.actual)


def test_images_with_and_without_objects_are_counted_apart():
    level = image_level(TRUTH, FOUND, np.array([0.1, 0.6, 0.65, 0.95]))
    assert (level.with_objects, level.empty) == (2, 2)
    assert level.found.tolist() == [2, 2, 1, 0] and level.alarms.tolist() == [1, 1, 0, 0]
    assert level.recall.tolist() == [1, 1, 0.5, 0]
    assert level.alarms_per_100_empty.tolist() == [50, 50, 0, 0]
    assert level.alarms_per_100.tolist() == [25, 25, 0, 0]


def test_a_perfect_model_on_images_of_which_three_in_four_are_empty_has_recall_1_and_no_alarm():
    actual = truth(
        "1.jpg cow 0 0 0.5 0.5\n" + "\n".join(f"{n}.jpg NULL 0 0 0 0" for n in (2, 3, 4))
    )
    found = predicted(
        "1.jpg cow 0 0 0.5 0.5 1\n" + "\n".join(f"{n}.jpg NULL 0 0 0 0 0" for n in (2, 3, 4))
    )
    level = image_level(actual, found, np.array([0.0, 0.5, 1.0]))
    assert level.recall.tolist() == [1, 1, 1]
    assert level.alarms_per_100_empty.tolist() == level.alarms_per_100.tolist() == [0, 0, 0]


def test_without_images_of_a_kind_there_is_no_share():
    only_full = image_level(truth("1.jpg cow 0 0 1 1"), FOUND, np.array([0.5]))
    assert only_full.recall.tolist() == [1] and np.isnan(only_full.alarms_per_100_empty).all()
    only_empty = image_level(truth("3.jpg NULL 0 0 0 0"), FOUND, np.array([0.5]))
    assert np.isnan(only_empty.recall).all()
    assert only_empty.alarms_per_100_empty.tolist() == [100]


def test_what_a_threshold_costs():
    scores, right = np.array([0.9, 0.8, 0.8, 0.3]), np.array([True, False, True, True])
    made = costs(scores, right, 5, np.array([0.2, 0.8, 0.95]))
    assert [(cost.right, cost.wrong, cost.missing, cost.shown) for cost in made] == [
        (3, 1, 2, 4),
        (2, 1, 3, 3),
        (0, 0, 5, 0),
    ]


def test_precision_and_recall_after_each_detection():
    precision, recall = precision_recall(np.array([True, False, True]), 4)
    assert precision.tolist() == [1, 0.5, pytest.approx(2 / 3)]
    assert recall.tolist() == [0.25, 0.25, 0.5]
