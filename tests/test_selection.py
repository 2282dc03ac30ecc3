import numpy as np
import pytest
from helpers_tables import labels
from hypothesis import given
from hypothesis import strategies as st

from utils.boxes.limit_cover import limit_cover
from utils.selection.quotas import choose, image_pool, largest_remainder, lowest_box, names_of


def pick(text, count, balance="", pick_max=False, classes=("bird", "fish")):
    pool = image_pool(labels(text, "totag"))
    return names_of(
        pool,
        choose(
            pool, lowest_box(pool, pick_max), count, classes, tuple(map(float, balance.split()))
        ),
    )


def row(image, label, confidence, lowest=None):
    return (
        f"{image} {label} 0.1 0.2 0.1 0.2 {confidence} {confidence if lowest is None else lowest}"
    )


FIVE = "\n".join(
    [
        row("a", "bird", 0.9),
        row("b", "bird", 0.2),
        row("c", "fish", 0.5),
        "d NULL 0 0 0 0 0 0",
        "e NULL",
    ]
)


def test_nothing_to_choose_from_gives_nothing():
    assert pick("", 5) == [] and pick("", 5, "0.5 0.3 0.2") == []


def test_the_least_sure_images_come_first_then_all_there_is():
    assert pick(FIVE, 3) == ["d", "e", "b"]
    assert pick(FIVE, 9) == ["d", "e", "b", "c", "a"]


def test_pick_max_takes_the_surest_first():
    assert pick(FIVE, 3, pick_max=True) == ["a", "c", "b"]


def test_equal_images_come_by_name():
    assert pick("\n".join(row(name, "bird", 0.5) for name in "cab"), 2) == ["a", "b"]


def test_the_rows_of_an_image_may_lie_apart():
    assert pick(
        "\n".join([row("a", "bird", 0.9, 0.1), row("b", "bird", 0.5), row("a", "fish", 0.1)]), 2
    ) == ["a", "b"]


def test_each_class_gets_its_share_and_the_last_share_is_for_images_without_boxes():
    text = "\n".join(
        [
            *(row(f"b{n}", "bird", 0.1) for n in range(9)),
            *(row(f"f{n}", "fish", 0.9) for n in range(9)),
            *(f"n{n} NULL 0 0 0 0 0 0" for n in range(9)),
        ]
    )
    assert sorted(pick(text, 10, "0.5 0.3 0.2")) == [
        "b0",
        "b1",
        "b2",
        "b3",
        "b4",
        "f0",
        "f1",
        "f2",
        "n0",
        "n1",
    ]


def test_of_images_without_boxes_the_seen_ones_come_before_the_unseen_even_from_another_folder():
    text = "a/1 NULL 0 0 0 0 0 0\na/2 NULL 0 0 0 0 0 0\nb/1 NULL\nb/2 NULL"
    assert pick(text, 3, "0 0 1") == ["a/1", "a/2", "b/1"]


def test_what_a_class_cannot_fill_goes_to_the_others_in_proportion():
    text = "\n".join(
        [
            row("f", "fish", 0.5),
            *(row(f"b{n}", "bird", 0.5) for n in range(9)),
            *(f"n{n} NULL" for n in range(9)),
        ]
    )
    chosen = pick(text, 9, "0.4 0.4 0.2")
    assert [sum(name.startswith(letter) for name in chosen) for letter in "fbn"] == [1, 5, 3]


def test_images_of_classes_without_a_share_come_last():
    text = "\n".join([row("moth", "moth", 0.1), row("fish", "fish", 0.1), row("bird", "bird", 0.9)])
    assert pick(text, 1, "1 0 0") == ["bird"]
    assert pick(text, 3, "1 0 0") == ["bird", "fish", "moth"]


def test_a_rare_class_keeps_the_images_that_a_common_class_is_in_too():
    text = "\n".join(
        [
            row("both", "fish", 0.1),
            row("both", "bird", 0.1),
            *(row(f"b{n}", "bird", 0.5) for n in range(5)),
        ]
    )
    assert pick(text, 2, "0.5 0.5 0") == ["both", "b0"]


def test_folders_take_turns_each_giving_its_next_best():
    scores = {"x/1": 0.1, "x/2": 0.2, "x/3": 0.3, "y/1": 0.6, "z/1": 0.5}
    text = "\n".join(row(image, "bird", score) for image, score in scores.items())
    assert pick(text, 4) == pick(text, 4, "1 0 0") == ["x/1", "z/1", "y/1", "x/2"]


def test_folders_keep_their_turn_when_a_class_is_given_more():
    birds = [
        row(f"{folder}/{n}", "bird", score)
        for folder, score in (("x", 0.1), ("y", 0.9))
        for n in range(5)
    ]
    text = "\n".join([*birds, row("z/0", "fish", 0.1)])
    assert sorted(pick(text, 7, "0.4 0.6 0")) == ["x/0", "x/1", "x/2", "y/0", "y/1", "y/2", "z/0"]


folders, kinds = (
    st.sampled_from(["", "x/", "y/"]),
    st.sampled_from(["bird", "fish", "moth", "NULL", "new"]),
)


@given(
    st.lists(st.tuples(folders, kinds, st.integers(0, 3)), max_size=30),
    st.integers(0, 40),
    st.sampled_from(["", "0.5 0.3 0.2", "0 0 1", "0.34 0.33 0.33"]),
    st.booleans(),
)
def test_exactly_as_many_as_asked_for_are_chosen_or_all(drawn, count, balance, pick_max):
    text = "\n".join(
        f"{folder}{n} NULL" if kind == "new" else row(f"{folder}{n}", kind, score / 4)
        for n, (folder, kind, score) in enumerate(drawn)
    )
    chosen = pick(text, count, balance, pick_max)
    assert len(chosen) == len(set(chosen)) == min(count, len(drawn))


@pytest.mark.parametrize(
    "count, shares, expected",
    [
        (0, [1], [0]),
        (10, [0.5, 0.3, 0.2], [5, 3, 2]),
        (1, [0.5, 0.5], [1, 0]),
        (7, [1, 1, 1], [3, 2, 2]),
        (10, [0.66, 0.25, 0.1], [7, 2, 1]),
    ],
)
def test_shares_become_whole_numbers_by_largest_remainder(count, shares, expected):
    assert largest_remainder(count, shares) == expected


# Boxes over one pixel

LEFT, RIGHT, MIDDLE = [0, 0, 0.5, 1], [0.5, 0, 1, 1], [0.25, 0, 0.75, 1]


@pytest.mark.parametrize(
    "boxes, confidence, limit, kept",
    [
        ([], [], 1, []),
        ([LEFT, RIGHT], [0.1, 0.9], 1, [True, True]),
        ([LEFT, MIDDLE, RIGHT], [0.9, 0.8, 0.7], 1, [True, False, True]),
        ([LEFT, MIDDLE, RIGHT], [0.1, 0.9, 0.2], 1, [False, True, False]),
        ([LEFT, MIDDLE, RIGHT], [0.1, 0.9, 0.2], 2, [True, True, True]),
        ([LEFT, LEFT, LEFT], [0.1, 0.3, 0.2], 2, [False, True, True]),
        ([LEFT, LEFT], [np.nan, np.nan], 1, [True, False]),
        ([LEFT], [0.5], 0, [False]),
    ],
)
def test_boxes_are_added_from_the_most_confident_down_while_no_pixel_is_covered_too_often(
    boxes, confidence, limit, kept
):
    assert limit_cover(np.array(boxes), np.array(confidence), limit, 100, 50).tolist() == kept


@given(
    st.lists(st.tuples(*[st.integers(0, 11)] * 4, st.integers(0, 5)), max_size=12),
    st.integers(1, 3),
)
def test_the_limit_holds_for_every_pixel_and_no_box_was_left_out_without_need(drawn, limit):
    boxes = np.array(
        [[min(a, b), min(c, d), max(a, b) + 1, max(c, d) + 1] for a, b, c, d, _ in drawn]
    ).reshape(-1, 4)
    confidence = np.array([score for *_, score in drawn], float)
    keep = limit_cover(boxes / 12, confidence, limit, 12, 12)
    counts = np.zeros((12, 12), int)
    for index in np.argsort(-confidence, kind="stable"):
        x1, y1, x2, y2 = boxes[index]
        fits = counts[x1:x2, y1:y2].max() < limit
        assert keep[index] == fits
        counts[x1:x2, y1:y2] += fits
