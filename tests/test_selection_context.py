"""From tables to what choosing depends on."""
import numpy as np
import pyarrow as pa
import pytest
from helpers_tables import images, labels

from utils.config import load_config
from utils.embeddings import MODEL, Basis, Embeddings
from utils.label_state import State
from utils.selection_context import ap50_of, make_context

TOTAG = """
a/1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.3
a/1.jpg seal 0.1 0.5 0.2 0.8 0.3 0.3
a/2.jpg seal 0.1 0.5 0.2 0.8 0.3 0.3
a/3.jpg NULL 0 0 0 0 0 0
b/1.jpg NULL
"""
TAGGED = "a/4.jpg bird 0.1 0.5 0.1 0.5\na/4.jpg bird 0.5 0.9 0.1 0.5\na/5.jpg seal 0.1 0.5 0.1 0.5\nb/2.jpg NULL"
LISTED = images("a/1.jpg", "a/2.jpg", "a/3.jpg", "a/4.jpg", "a/5.jpg", "b/1.jpg", "b/2.jpg").assign(
    taken_at=[f"2026-05-01T{time}Z" for time in ("10:00:30", "12:00:00", "10:00:00", "10:00:59", "12:00:01", "09:00:00", "09:00:01")])


@pytest.fixture
def config(tmp_path):
    def made(**settings):
        lines = {"image_container_name": "i", "label_container_name": "l", "classes": "bird,seal", "user_folders": True, **settings}
        path = tmp_path / "config.ini"
        path.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        return load_config(path)
    return made


def test_labels_are_counted_in_images_per_class(config):
    context = make_context(labels(TOTAG, "totag"), config(), tagged=labels(TAGGED))
    assert context.labelled == {"bird": 1, "seal": 1} and context.classes == ("bird", "seal")


def test_bursts_and_their_labelled_images_come_from_the_times(config):
    context = make_context(labels(TOTAG, "totag"), config(), images=LISTED, tagged=labels(TAGGED))
    assert [context.burst_names[number] for number in context.burst] == ["a/3.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg"]
    assert context.labelled_in_burst.tolist() == [1, 1, 1, 1]
    assert np.argsort(context.order).tolist() == [3, 2, 0, 1]


def test_an_image_that_is_not_listed_is_a_burst_of_its_own(config):
    context = make_context(labels(TOTAG, "totag"), config(), images=LISTED.iloc[1:], tagged=labels(TAGGED))
    assert [context.burst_names[number] for number in context.burst] == ["a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg"]
    assert len(set(context.burst.tolist())) == 4 and context.labelled_in_burst.tolist() == [0, 1, 1, 1]


def test_boxes_that_nobody_gets_to_see_do_not_make_an_image_one_of_their_class(config):
    context = make_context(labels(TOTAG, "totag"), config(prelabel_confidence=0.5))
    assert context.pool.empty.tolist() == [False, True, True, True] and context.pool.unseen.tolist() == [False, False, False, True]
    assert {name: places.tolist() for name, places in context.pool.classes.items()} == {"bird": [0]}
    assert len(context.pool.box_score) == 3


def test_labelled_images_and_those_that_are_out_are_centres(config):
    names = ["a/1.jpg", "a/4.jpg", "c/9.jpg"]
    vectors = np.array([[1, 0], [2, 0], [3, 0]], np.float16)
    embeddings = Embeddings(pa.array(names, pa.large_string()), vectors, np.array([0.1, np.nan, np.nan], np.float32), "m",
                            Basis(MODEL, np.zeros(2, np.float32), np.eye(2, dtype=np.float32)))
    held = labels("c/9.jpg NULL 0 0 0 0 0 0 bob 2026-05-01T00:00:00Z", "tagging")
    context = make_context(labels(TOTAG, "totag"), config(), tagged=labels(TAGGED), held=held, embeddings=embeddings)
    assert context.vectors[0].tolist() == [1, 0] and np.isnan(context.vectors[1:]).all()
    assert context.centres.tolist() == [[2, 0], [3, 0]] and not context.hashes
    assert context.disagreement[0] == pytest.approx(0.1) and np.isnan(context.disagreement[1:]).all()


def test_the_figures_of_the_last_cycle_count_under_present_names():
    assert ap50_of(State({"tables": {}})) == {}
    cycles = [{"metrics": {"bird": {"AP": 0.1}}},
              {"metrics": {"Average": {"AP": 0.5}, "bird": {"AP": 0.7}, "cat": {"AP": 0.3}, "fish": {"AP": None}}}]
    state = State({"tables": {}, "cycles": cycles, "classes": {"renamed": {"cat": "seal"}, "dropped": []}})
    assert ap50_of(state) == {"Average": 0.5, "bird": 0.7, "seal": 0.3}
