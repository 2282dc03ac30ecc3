"""From tables to what choosing depends on."""

import numpy as np
import pyarrow as pa
import pytest
from helpers_state import ALL, StateProject
from helpers_tables import effort_rows, images, labels

from utils.config import load_config
from utils.effort.seconds import Seconds
from utils.labels.pool import pool_of
from utils.labels.state import State
from utils.selection.context import ap50_of, context_of_state, make_context
from utils.selection.embeddings import MODEL, Basis, Embeddings, to_parquet
from utils.strategies import STRATEGIES

TOTAG = """
a/1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.3
a/1.jpg seal 0.1 0.5 0.2 0.8 0.3 0.3
a/2.jpg seal 0.1 0.5 0.2 0.8 0.3 0.3
a/3.jpg NULL 0 0 0 0 0 0
b/1.jpg NULL
"""
TAGGED = (
    "a/4.jpg bird 0.1 0.5 0.1 0.5\na/4.jpg bird 0.5 0.9 0.1 0.5\na/5.jpg seal 0.1 0.5 0.1"
    " 0.5\nb/2.jpg NULL"
)
LISTED = images("a/1.jpg", "a/2.jpg", "a/3.jpg", "a/4.jpg", "a/5.jpg", "b/1.jpg", "b/2.jpg").assign(
    taken_at=[
        f"2026-05-01T{time}Z"
        for time in (
            "10:00:30",
            "12:00:00",
            "10:00:00",
            "10:00:59",
            "12:00:01",
            "09:00:00",
            "09:00:01",
        )
    ]
)


@pytest.fixture
def config(tmp_path):
    def made(**settings):
        lines = {
            "image_container_name": "i",
            "label_container_name": "l",
            "classes": "bird,seal",
            "user_folders": True,
            **settings,
        }
        path = tmp_path / "config.ini"
        path.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        return load_config(path)

    return made


def test_labels_are_counted_in_images_per_class(config):
    context = make_context(labels(TOTAG, "totag"), config(), tagged=labels(TAGGED))
    assert context.labelled == {"bird": 1, "seal": 1} and context.classes == ("bird", "seal")


def test_bursts_and_their_labelled_images_come_from_the_times(config):
    context = make_context(labels(TOTAG, "totag"), config(), images=LISTED, tagged=labels(TAGGED))
    assert [context.burst_names[number] for number in context.burst] == [
        "a/3.jpg",
        "a/2.jpg",
        "a/3.jpg",
        "b/1.jpg",
    ]
    assert context.labelled_in_burst.tolist() == [1, 1, 1, 1]
    assert np.argsort(context.order).tolist() == [3, 2, 0, 1]


def test_an_image_that_is_not_listed_is_a_burst_of_its_own(config):
    context = make_context(
        labels(TOTAG, "totag"), config(), images=LISTED.iloc[1:], tagged=labels(TAGGED)
    )
    assert [context.burst_names[number] for number in context.burst] == [
        "a/1.jpg",
        "a/2.jpg",
        "a/3.jpg",
        "b/1.jpg",
    ]
    assert len(set(context.burst.tolist())) == 4 and context.labelled_in_burst.tolist() == [
        0,
        1,
        1,
        1,
    ]


def test_boxes_that_nobody_gets_to_see_do_not_make_an_image_one_of_their_class(config):
    context = make_context(labels(TOTAG, "totag"), config(prelabel_confidence=0.5))
    assert context.pool.empty.tolist() == [
        False,
        True,
        True,
        True,
    ] and context.pool.unseen.tolist() == [False, False, False, True]
    assert {name: places.tolist() for name, places in context.pool.classes.items()} == {"bird": [0]}
    assert len(context.pool.box_score) == 3


def test_labelled_images_and_those_that_are_out_are_centres(config):
    names = ["a/1.jpg", "a/4.jpg", "c/9.jpg"]
    vectors = np.array([[1, 0], [2, 0], [3, 0]], np.float16)
    embeddings = Embeddings(
        pa.array(names, pa.large_string()),
        vectors,
        np.array([0.1, np.nan, np.nan], np.float32),
        "m",
        Basis(MODEL, np.zeros(2, np.float32), np.eye(2, dtype=np.float32)),
    )
    held = labels("c/9.jpg NULL 0 0 0 0 0 0 bob 2026-05-01T00:00:00Z", "tagging")
    context = make_context(
        labels(TOTAG, "totag"), config(), tagged=labels(TAGGED), held=held, embeddings=embeddings
    )
    assert context.vectors[0].tolist() == [1, 0] and np.isnan(context.vectors[1:]).all()
    assert context.centres.tolist() == [[2, 0], [3, 0]] and not context.hashes
    assert (
        context.disagreement[0] == pytest.approx(0.1) and np.isnan(context.disagreement[1:]).all()
    )


def test_the_figures_of_the_last_cycle_count_under_present_names():
    assert ap50_of(State({"tables": {}})) == {}
    cycles = [
        {"metrics": {"bird": {"AP": 0.1}}},
        {
            "metrics": {
                "Average": {"AP": 0.5},
                "bird": {"AP": 0.7},
                "cat": {"AP": 0.3},
                "fish": {"AP": None},
            }
        },
    ]
    state = State(
        {"tables": {}, "cycles": cycles, "classes": {"renamed": {"cat": "seal"}, "dropped": []}}
    )
    assert ap50_of(state) == {"Average": 0.5, "bird": 0.7, "seal": 0.3}


# From the state: a, b and c/1.jpg (its reservation is over) are to tag, c/2.jpg is out, d is
# labelled


def of_state(project, strategy="hybrid", **others):
    state, config = project.labels.read(), load_config(project.config)
    return context_of_state(
        project.labels,
        state,
        pool_of(project.labels, state),
        config,
        strategy,
        config.classes,
        (),
        **others,
    )


def publish_embeddings(project):
    """Image number n of ALL looks like (n, 0)."""
    vectors = np.array([[number, 0] for number in range(len(ALL))], np.float16)
    embeddings = Embeddings(
        pa.array(ALL, pa.large_string()),
        vectors,
        np.full(len(ALL), np.nan, np.float32),
        "m",
        Basis(MODEL, np.zeros(2, np.float32), np.eye(2, dtype=np.float32)),
    )
    project.commit(
        {
            "live": {
                "embeddings": project.labels.publish_file(
                    "embeddings", ".parquet", to_parquet(embeddings)
                )
            }
        }
    )


def test_an_image_whose_reservation_is_over_is_no_centre_and_not_one_of_its_burst_that_somebody_has(
    folder_store, tmp_path
):
    project = StateProject(folder_store, tmp_path)
    publish_embeddings(project)
    project.commit(images=images(*ALL).assign(taken_at="2026-05-01T10:00:00Z"))
    context = of_state(project)
    assert context.pool.names.to_pylist() == ["a/1.jpg", "a/2.jpg", "b/1.jpg", "c/1.jpg"]
    assert sorted(context.centres[:, 0].tolist()) == [4, 5, 6, 7]
    assert context.labelled_in_burst.tolist() == [0, 0, 0, 1]  # c/2.jpg, which bob has
    assert context.given.tolist() == [0, 0, 0, 0] and of_state(
        project, batch=["c/2.jpg"]
    ).given.tolist() == [0, 0, 0, 1]


def test_images_that_are_out_count_before_anything_is_labelled(folder_store, tmp_path):
    project = StateProject(folder_store, tmp_path)
    publish_embeddings(project)
    project.commit(images=images(*ALL).assign(taken_at="2026-05-01T10:00:00Z"), tagged=labels(""))
    context = of_state(project)
    assert (
        context.centres.tolist() == [[4, 0]]
        and context.labelled_in_burst.tolist() == [0, 0, 0, 1]
        and context.labelled == {}
    )


def test_embeddings_are_fetched_only_for_strategies_that_use_them(folder_store, tmp_path, capsys):
    project = StateProject(folder_store, tmp_path, max_per_burst=2)
    project.commit({"live": {"embeddings": "embeddings_1.parquet"}})  # which is not there
    for strategy in STRATEGIES:
        assert of_state(project, strategy).vectors is None
        asked_for = "embeddings_1.parquet: gone or damaged" in capsys.readouterr().err
        wanted = ("hybrid", "hybrid_per_second", "coreset", "disagreement")
        assert asked_for == (strategy in wanted)


def test_the_figures_of_the_last_cycle_reach_the_choice(folder_store, tmp_path):
    project = StateProject(folder_store, tmp_path)
    project.commit(
        {
            "cycles": [
                {"metrics": {"bird": {"AP": 0.1}}},
                {"metrics": {"bird": {"AP": 0.9}, "seal": {"AP": None}}},
            ]
        }
    )
    assert of_state(project).ap50 == {"bird": 0.9}


def test_what_people_take_here_decides_what_an_image_costs(folder_store, tmp_path):
    project = StateProject(folder_store, tmp_path, seconds_look=20)
    assert of_state(project, "hybrid_per_second").seconds == Seconds(look=20)
    assert of_state(project).seconds == Seconds()
    rows = [f"{number}.jpg NULL" for number in range(60)]
    project.commit(effort=effort_rows(*rows, seconds=3.0))
    assert of_state(project, "hybrid_per_second").seconds.look == pytest.approx(3)
    path = folder_store.labels.path_of(project.state().blob("effort"))
    path.write_bytes(path.read_bytes()[:-3])
    assert of_state(project, "hybrid_per_second").seconds == Seconds(look=20)
