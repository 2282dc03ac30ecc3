"""What a person did with the boxes they were shown, and what it costs."""

from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from helpers_tables import effort_rows, labels
from hypothesis import given, settings
from hypothesis import strategies as some

from utils.effort import ledger
from utils.effort.comparing import GOOD_ENOUGH, compare
from utils.effort.fitting import counted, fitted
from utils.effort.seconds import ACTIONS, Seconds
from utils.labels import tables

BIRD = "bird 0.1 0.5 0.1 0.5"


def done_with(shown: str, back: str) -> dict[str, str]:
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
    assert done_with(shown, back) == expected


def test_what_is_good_enough_to_be_kept_can_be_said():
    shown, back = labels(f"a.jpg {BIRD}"), labels("a.jpg bird 0.2 0.5 0.1 0.5")  # IoU 0.75
    assert compare(shown, back, GOOD_ENOUGH)["kept"].tolist() == [1]
    assert compare(shown, back, 0.76)["moved"].tolist() == [1]


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


@settings(deadline=None, max_examples=40)
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


# The table


def lines(effort) -> list[str]:
    return [
        " ".join(str(value) for value in row)
        for row in effort[["filename", "class", "batch", "at", "images", *ACTIONS, "seconds"]]
        .fillna("-")
        .itertuples(index=False)
    ]


def test_a_batch_counts_each_photo_once_and_when_it_came_first():
    first = effort_rows("a.jpg bird 1", "a.jpg seal 0 0 0 1", "b.jpg NULL", seconds=10.0)
    effort = ledger.with_work(tables.empty("effort"), first, "2026-01-01T00:00:00Z", Seconds())
    assert ledger.with_work(effort, first, "2026-02-01T00:00:00Z", Seconds()) is effort
    corrected = effort_rows("a.jpg bird 0 1", at="")
    effort = ledger.with_work(effort, corrected, "2026-02-01T00:00:00Z", Seconds())
    assert lines(effort) == [
        "b.jpg NULL b1 2026-01-01T00:00:00Z 1.0 0 0 0 0 0 10.0",
        "a.jpg bird b1 2026-01-01T00:00:00Z 1.0 0 1 0 0 0 10.0",
    ]
    other = effort_rows("a.jpg bird 0 0 0 0 1", batch="b2", at="")
    effort = ledger.with_work(effort, other, "2026-02-01T00:00:00Z", Seconds())
    assert len(effort) == 3 and effort["at"].iloc[2] == "2026-02-01T00:00:00Z"


def test_the_table_does_not_grow_with_the_project(monkeypatch):
    monkeypatch.setattr(ledger, "ONE_BY_ONE", 4)
    effort = tables.empty("effort")
    for number in range(1, 6):
        new = effort_rows("a.jpg bird 1", "b.jpg bird 0 1", "b.jpg seal 1", batch=f"b{number}")
        effort = ledger.with_work(effort, new, f"2026-01-0{number}T00:00:00Z", Seconds())
    single = effort[effort["filename"] != ""]
    assert set(single["batch"]) == {"b4", "b5"}
    # 2 photos in 5 + 2 and 5 + 6 + 2 seconds
    assert lines(effort[effort["batch"] == "b1"]) == [
        " bird b1 2026-01-01T00:00:00Z 2.0 1 1 0 0 0 20.0",
        " seal b1 2026-01-01T00:00:00Z 2.0 1 0 0 0 0 20.0",
    ]
    every = ledger.photos(effort)
    assert every["images"].sum() == 10 and every["kept"].sum() == 10
    assert counted(every, Seconds()).sum() == 100
    late = effort_rows("c.jpg bird 1", batch="b1")
    assert ledger.with_work(effort, late, "2026-03-01T00:00:00Z", Seconds()) is effort


@settings(deadline=None, max_examples=15)
@given(
    some.lists(
        some.dictionaries(some.sampled_from("abcd"), some.integers(0, 3), min_size=1), max_size=5
    )
)
def test_whatever_is_uploaded_again_a_photo_counts_as_it_came_last(uploads):
    effort, last = tables.empty("effort"), {}
    for number, upload in enumerate(uploads, 1):
        new = effort_rows(*(f"{name}.jpg bird {kept}" for name, kept in upload.items()))
        effort = ledger.with_work(effort, new, f"2026-01-0{number}T00:00:00Z", Seconds())
        last |= upload
    counted = dict(zip(effort["filename"].str[0], effort["kept"], strict=True))
    assert counted == last and len(effort) == len(last)


@settings(deadline=None, max_examples=10)
@given(some.lists(some.integers(1, 6), min_size=1, max_size=8), some.integers(1, 10))
def test_summing_old_batches_loses_nothing(sizes, kept_apart):
    effort = tables.empty("effort")
    with patch.object(ledger, "ONE_BY_ONE", kept_apart):
        for number, size in enumerate(sizes, 1):
            new = effort_rows(
                *(f"{name}.jpg bird 1 0 2" for name in range(size)), batch=str(number)
            )
            effort = ledger.with_work(effort, new, f"2026-01-0{number}T00:00:00Z", Seconds())
    each = ledger.photos(effort)
    assert each["images"].sum() == sum(sizes) == each["kept"].sum()
    assert counted(each, Seconds()).sum() == sum(sizes) * (5 + 2 + 12)
    apart = (effort["filename"] != "").sum()
    assert apart <= max(kept_apart, sizes[-1])


def test_a_batch_larger_than_all_that_is_kept_stays_whole(monkeypatch):
    monkeypatch.setattr(ledger, "ONE_BY_ONE", 1)
    new = effort_rows("a.jpg bird 1", "b.jpg bird 0 1")
    effort = ledger.with_work(tables.empty("effort"), new, "2026-01-01T00:00:00Z", Seconds())
    assert len(effort) == 2


# Measured seconds


def counts_of(number: int, seed: int = 0):
    """Photos in which chance decides what is done."""
    random = np.random.default_rng(seed)
    frame = {action: random.poisson(1.5, number) for action in ACTIONS}
    return pd.DataFrame({"images": 1.0, "seconds": np.nan, **frame})


def test_the_model_counts_until_50_photos_were_measured():
    photos = counts_of(50).assign(seconds=1.0)
    assert fitted(photos[:49], Seconds()) == Seconds()
    assert fitted(photos, Seconds()) != Seconds()
    some = photos.assign(seconds=photos["seconds"].where(photos.index > 0))
    assert fitted(some, Seconds()) == Seconds()


@pytest.mark.parametrize("times", [0.25, 1, 3])
def test_a_person_who_is_always_as_much_slower_changes_all_times_alike(times):
    photos = counts_of(60)
    photos["seconds"] = Seconds().spent(1, photos) * times
    assert list(fitted(photos, Seconds())) == pytest.approx([part * times for part in Seconds()])


def test_what_nobody_has_done_keeps_its_proportion():
    photos = counts_of(100).assign(moved=0, class_changed=0, deleted=0, kept=0, drawn=0)
    photos["seconds"] = 15.0
    found = fitted(photos, Seconds())
    assert found.look == pytest.approx(15)
    assert found.draw / found.keep == pytest.approx(7 / 2)


def test_the_fit_finds_the_times_behind_noisy_ones_with_breaks_in_them():
    truth = Seconds(3, 1.2, 5, 12, 1.5)
    photos = counts_of(400)
    random = np.random.default_rng(1)
    times = truth.spent(1, photos) * random.lognormal(-0.045, 0.3, 400)
    photos["seconds"] = np.where(random.random(400) < 0.03, 7200.0, times)
    found = fitted(photos, Seconds())
    assert found.draw == pytest.approx(12, rel=0.1)
    assert found.change == pytest.approx(5, rel=0.2)
    assert found.spent(1, photos).sum() == pytest.approx(truth.spent(1, photos).sum(), rel=0.05)
    # a break counts as much as a photo that takes five times as long as expected
    assert counted(photos, found).sum() < 1.3 * truth.spent(1, photos).sum()


def test_what_was_measured_counts_and_the_rest_by_the_model():
    photos = pd.DataFrame(
        {
            "images": [1.0, 1.0, 1.0, 40.0],
            "seconds": [31.5, np.nan, 7200.0, 512.0],
            **dict.fromkeys(ACTIONS, [0, 0, 0, 9]),
        }
    )
    assert counted(photos, Seconds()).tolist() == [31.5, 5.0, 120.0, 512.0]
