"""What a person did with the boxes they were shown, and what it costs."""

import numpy as np
import pytest
from helpers_tables import labels
from hypothesis import given
from hypothesis import strategies as some

from utils.effort.comparing import compare
from utils.effort.seconds import ACTIONS, Seconds
from utils.labels import tables

BIRD = "bird 0.1 0.5 0.1 0.5"


def counted(shown: str, back: str) -> dict[str, str]:
    """{"image class": the numbers that are not 0} of what was done."""
    frame = compare(labels(shown), labels(back))
    numbers = frame[list(ACTIONS)].to_dict("records")
    return {
        f"{blob} {name}": " ".join(f"{action} {n}" for action, n in row.items() if n)
        for blob, name, row in zip(tables.blob_names(frame), frame["class"], numbers, strict=True)
    }


@pytest.mark.parametrize(
    ("shown", "back", "expected"),
    [
        (f"a.jpg {BIRD}", f"a.jpg {BIRD}", {"a.jpg bird": "kept 1"}),
        # a width of 0.39 of 0.4 is an IoU of 0.975, one of 0.37 is 0.925
        (f"a.jpg {BIRD}", "a.jpg bird 0.11 0.5 0.1 0.5", {"a.jpg bird": "kept 1"}),
        (f"a.jpg {BIRD}", "a.jpg bird 0.13 0.5 0.1 0.5", {"a.jpg bird": "moved 1"}),
        (f"a.jpg {BIRD}", "a.jpg seal 0.1 0.5 0.1 0.5", {"a.jpg seal": "class_changed 1"}),
        (f"a.jpg {BIRD}", "a.jpg seal 0.13 0.5 0.1 0.5", {"a.jpg seal": "class_changed 1"}),
        (f"a.jpg {BIRD}", "a.jpg NULL", {"a.jpg bird": "deleted 1"}),
        ("a.jpg NULL", f"a.jpg {BIRD}", {"a.jpg bird": "drawn 1"}),
        ("a.jpg NULL", "a.jpg NULL", {"a.jpg NULL": ""}),
        ("", "a.jpg NULL", {"a.jpg NULL": ""}),
        # half of what both cover: an IoU of just 0.5, and then of less
        (f"a.jpg {BIRD}", "a.jpg bird 0.3 0.5 0.1 0.5", {"a.jpg bird": "moved 1"}),
        (f"a.jpg {BIRD}", "a.jpg bird 0.31 0.5 0.1 0.5", {"a.jpg bird": "deleted 1 drawn 1"}),
        # one to one: of two that came back, the one that fits better is the one that was shown
        (
            f"a.jpg {BIRD}",
            f"a.jpg bird 0.12 0.5 0.1 0.5\na.jpg {BIRD}",
            {"a.jpg bird": "kept 1 drawn 1"},
        ),
        (
            f"a.jpg {BIRD}\na.jpg {BIRD}",
            f"a.jpg {BIRD}",
            {"a.jpg bird": "kept 1 deleted 1"},
        ),
        # the same class comes first, though another one lies there more exactly
        (
            f"a.jpg {BIRD}",
            "a.jpg seal 0.1 0.5 0.1 0.5\na.jpg bird 0.13 0.5 0.1 0.5",
            {"a.jpg bird": "moved 1", "a.jpg seal": "drawn 1"},
        ),
        # a box without area is itself
        ("a.jpg bird 0.1 0.1 0 1", "a.jpg bird 0.1 0.1 0 1", {"a.jpg bird": "kept 1"}),
        # photos that did not come back do not count, and photos are told apart
        (
            f"a.jpg {BIRD}\nb.jpg {BIRD}\nx/a.jpg {BIRD}",
            f"b.jpg NULL\nx/a.jpg {BIRD}",
            {"b.jpg bird": "deleted 1", "x/a.jpg bird": "kept 1"},
        ),
    ],
)
def test_what_was_done_with_each_box_is_told(shown, back, expected):
    assert counted(shown, back) == expected


def box_text(box: tuple) -> str:
    """A line for `labels`, on a grid of fifteenths."""
    name, left, width, top, height = box
    sides = [side / 15 for side in (left, left + width, top, top + height)]
    return " ".join(["a.jpg", name, *map(str, sides)])


BOX = some.tuples(
    some.sampled_from(["bird", "seal"]),
    *[some.integers(0, 9), some.integers(1, 6)] * 2,
).map(box_text)
BOXES = some.lists(BOX, max_size=6)


@given(shown=BOXES, back=BOXES)
def test_every_box_is_counted_once(shown, back):
    frame = compare(labels("\n".join(shown)), labels("\n".join(back or ["a.jpg NULL"])))
    total = frame[list(ACTIONS)].sum()
    assert total[["kept", "moved", "class_changed", "drawn"]].sum() == len(back)
    assert total[["kept", "moved", "class_changed", "deleted"]].sum() == len(shown)
    if sorted(shown) == sorted(back):
        assert total["kept"] == len(shown)


def test_nothing_compared_is_nothing():
    frame = compare(labels(""), labels(""))
    assert len(frame) == 0 and list(frame) == ["filename", "folder", "class", *ACTIONS]


def test_a_photo_costs_a_look_and_what_was_done_in_it():
    frame = compare(
        labels(f"a.jpg {BIRD}\na.jpg seal 0.6 0.9 0.6 0.9\na.jpg seal 0.6 0.9 0 0.2"),
        labels(f"a.jpg {BIRD}\na.jpg seal 0.65 0.9 0.6 0.9\na.jpg bird 0 0.05 0 0.05\nb.jpg NULL"),
    )
    rows = frame.groupby("filename")[list(ACTIONS)].sum()
    # 5 + kept 2 + moved 6 + deleted 2 + drawn 7, and 5
    assert Seconds().spent(1, rows).tolist() == [22, 5]
    # three boxes drawn are 21
    assert Seconds().saved(rows).tolist() == [21 - 17, 0]
    assert Seconds(10, 0, 1, 2, 3).spent(np.array([1, 2]), rows).tolist() == [16, 20]


def test_the_config_says_what_things_cost(folder_store, tmp_path):
    from utils.config import load_config

    config = tmp_path / "config.ini"
    config.write_text(folder_store.config_text(classes="bird"), encoding="utf-8")
    assert Seconds.of_config(load_config(config)) == Seconds()
    text = folder_store.config_text(classes="bird", seconds_draw="25.5", seconds_look="0")
    config.write_text(text, encoding="utf-8")
    assert Seconds.of_config(load_config(config)) == Seconds(look=0, draw=25.5)
