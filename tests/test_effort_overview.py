"""What the work on a project has cost, what pre-labels saved of it, and what more will bring."""

import json
import re

import numpy as np
import pytest
from helpers_programs import done
from helpers_state import StateProject
from helpers_tables import effort_rows
from hypothesis import given, settings
from hypothesis import strategies as some

from utils.effort.forecast import LearningCurve
from utils.effort.seconds import Seconds
from utils.effort.work import project_work
from utils.labels import tables

JANUARY, FEBRUARY, MARCH = (f"2026-0{month}-15T00:00:00Z" for month in (1, 2, 3))


def rows(*parts):
    return tables.concat("effort", *parts)


def test_work_belongs_to_the_cycle_that_learned_from_it_first():
    effort = rows(
        effort_rows("a.jpg bird 1", "b.jpg NULL", at=JANUARY),  # 5 + 2, 5
        effort_rows("a.jpg bird 0 0 0 1", batch="b2", at=FEBRUARY, tagger="bob", seconds=30.0),
        effort_rows("c.jpg bird 0 1", batch="b3", at=MARCH),  # 5 + 6
        effort_rows("a.jpg bird 1", batch="b1-review", at=MARCH, seconds=9.0),
    )
    cycles = [
        {"started_at": "2026-02-01T00:00:00Z", "at": "2026-02-20T00:00:00Z"},
        {"at": "2026-02-28T00:00:00Z"},
    ]
    work = project_work(effort, Seconds(), cycles)
    first, second = work.cycles
    assert (first.photos, first.seconds, first.saved) == (2, 12, 5)
    assert (second.photos, second.seconds, second.saved) == (1, 30, -2), "measured: 30 s"
    assert (work.since.photos, work.since.seconds, work.since.saved) == (2, 20, 1)
    assert work.total.measured == 2 and work.total.seconds == 62 and work.total.saved == 4
    assert {name: one.photos for name, one in work.taggers.items()} == {"anna": 4, "bob": 1}
    assert not work.fitted and work.total.each == 62 / 5


def test_a_project_without_the_table_has_no_work():
    work = project_work(tables.empty("effort"), Seconds(), [{"at": FEBRUARY}, {}])
    assert work.total.photos == 0 and len(work.cycles) == 2 and not work.total.prelabels_cost


def test_pre_labels_that_cost_more_than_they_save_are_named_when_there_were_enough():
    kept, wrong = "a.jpg bird 3", "b.jpg bird 0 0 0 {}"
    few = project_work(effort_rows(kept, wrong.format(8)), Seconds(), [])
    assert few.total.saved == 3 * 5 - 8 * 2 and not few.newest.prelabels_cost
    many = project_work(effort_rows(kept, wrong.format(18)), Seconds(), [])
    assert many.newest.prelabels_cost and (many.newest.shown, many.newest.deleted) == (21, 18)
    # what is newer counts
    better = rows(effort_rows(wrong.format(30), at=JANUARY), effort_rows("c.jpg bird 20", at=MARCH))
    work = project_work(better, Seconds(), [{"at": FEBRUARY}])
    assert work.total.saved == 100 - 60 and not work.newest.prelabels_cost
    assert work.cycles[0].prelabels_cost


def test_status_says_what_the_work_cost_and_what_pre_labels_saved(store, tmp_path):
    project = StateProject(store, tmp_path, prelabel_confidence=0.4)
    project.commit(
        effort=rows(
            effort_rows("d/1.jpg bird 40", at=JANUARY),
            effort_rows("d/2.jpg bird 0 0 0 60", batch="b2", at=MARCH, tagger="bob", seconds=300.0),
        ),
        cycle={"at": FEBRUARY, "images_labelled": 2, "metrics": {"Average": {"AP": 0.5}}},
    )
    lines = [" ".join(line.split()) for line in done("tag/status.py", project.config).splitlines()]
    for expected in (
        # 5 + 40 x 2 seconds, and 300; saved 40 x 5 - 60 x 2
        "work 6 min (2 photos of 192 s, 1 of them measured; pre-labels saved 1 min against drawing"
        " every box)",
        "1 min anna, 1 photos",
        "5 min bob, 1 photos",
        "from 1 min of work in 1 photos; pre-labels saved 3 min",
        "warning: pre-labels cost more than they save: 60 of 60 were deleted; try"
        " prelabel_confidence=0.7 or auto (now 0.4)",
        "what more images will bring is not known yet: 4 cycles with different numbers of labelled"
        " images are needed; there is 1",
    ):
        assert expected in lines, "\n".join(lines)
    found = json.loads(done("tag/status.py", "--json", project.config))
    assert found["work"]["hours"] == pytest.approx(385 / 3600, abs=1e-4)
    assert found["work"]["since"]["saved_hours"] == pytest.approx(-120 / 3600, abs=1e-4)
    assert found["cycles"][0]["work"]["photos"] == 1


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("0.95", "try prelabel_confidence=0.98 or auto (now 0.95)"),
        ("1", "try prelabel_confidence=auto (now 1)"),
        ("auto", "were deleted; the next cycle counts anew from which scores they are worth"),
    ],
)
def test_a_higher_score_is_proposed_where_there_is_one(folder_store, tmp_path, now, said):
    project = StateProject(folder_store, tmp_path, prelabel_confidence=now)
    project.commit(effort=effort_rows("d/1.jpg bird 0 0 0 60"))
    assert said in done("tag/status.py", project.config)


def test_status_says_what_more_images_will_bring(folder_store, tmp_path):
    project = StateProject(folder_store, tmp_path)
    project.commit(effort=effort_rows("d/1.jpg bird 0 0 0 0 1", at=JANUARY))  # 12 s
    for images in (40, 80, 160, 320):
        ap = {"Average": {"AP": 0.9 - 2 / images**0.5}}
        project.commit(cycle={"at": FEBRUARY, "images_labelled": images, "metrics": ap})
    output = done("tag/status.py", project.config)
    gain = 2 / 320**0.5 - 2 / 420**0.5
    said = re.search(r"to be expected: the next 100 images AP (\S+) \(\S+ to \S+\); ", output)
    assert float(said[1]) == pytest.approx(gain, abs=0.001)
    assert "the next hour (300 images) AP" in output
    assert "a power law through 4 cycles" in output


# The learning curve


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([], "there are none"),
        ([(40, 0.5)], "there is 1"),
        ([(40, 0.5), (40, 0.6), (80, None), (120, float("nan")), (160, 0.7)], "there are 2"),
    ],
)
def test_with_too_few_cycles_it_says_what_is_missing(points, said):
    curve = LearningCurve(points)
    assert said in curve.missing
    with pytest.raises(ValueError):
        curve.gain(100)


@pytest.mark.parametrize("power", [0.3, 0.7, 1.2])
def test_a_power_law_is_found_again(power):
    points = [(n, 0.9 - 2 * n**-power) for n in (40, 80, 120, 160, 200)]
    curve = LearningCurve(points)
    truth = 2 * 200**-power - 2 * 300**-power
    assert curve.gain(100).gain == pytest.approx(truth, rel=0.05)
    assert curve.after(120) == pytest.approx(points[2][1], abs=0.002)


def test_more_images_bring_more_and_a_flat_curve_next_to_nothing():
    rising = LearningCurve([(n, 0.9 - 2 * n**-0.5) for n in (40, 80, 120, 160)])
    assert 0 < rising.gain(50).gain < rising.gain(100).gain < rising.gain(1000).gain < 0.2
    assert not rising.gain(100).little
    flat = LearningCurve([(n, 0.9) for n in (400, 800, 1200, 1600, 2000)])
    assert flat.gain(100).gain == pytest.approx(0) and flat.gain(100).little


def test_the_interval_holds_what_comes():
    random, held = np.random.default_rng(0), 0
    for _ in range(40):
        noise = random.normal(0, 0.03, 6)
        ap = [0.85 - 3 * n**-0.6 + off for n, off in zip(range(50, 350, 50), noise, strict=True)]
        curve = LearningCurve(zip(range(50, 300, 50), ap[:5], strict=True))
        gain = curve.gain(50)
        held += gain.low <= ap[5] - curve.after(250) <= gain.high
    assert 32 <= held, "about nine of ten"


@settings(deadline=None, max_examples=15)
@given(
    some.lists(
        some.tuples(some.integers(1, 10**6), some.floats(0, 1)),
        min_size=4,
        max_size=12,
        unique_by=lambda point: point[0],
    )
)
def test_whatever_the_points_the_curve_rises_and_stays_below_1(points):
    curve = LearningCurve(points)
    gain = curve.gain(100)
    assert gain.gain >= 0 and gain.low <= gain.high and np.isfinite(gain.most)
    assert curve.after(10**7) <= 1 + 1e-9
