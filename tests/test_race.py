"""Annotators at once, and programs that are killed: a sample of benchmarks/annotators_race.py and
benchmarks/killer.py.
"""

import annotators_race
import killer
import pytest


@pytest.mark.parametrize("kind", ["folder", "azurite"])
def test_annotators_at_one_moment_get_images_and_lose_no_box_while_predictions_are_published(
    kind,
):
    for played in annotators_race.race(kind, 2):
        assert played.wrong == [] and played.published > 0


def test_a_killed_program_leaves_a_clean_state_and_finishes_when_it_is_run_again():
    hunted = killer.hunt("folder", 15, seed=1)
    assert hunted.wrong == [] and hunted.kills.total() == 15


@pytest.fixture
def every_table_is_large(monkeypatch):
    """Parquet tables here and in the programs that are started."""
    monkeypatch.setenv("ALD_SMALL_TABLE", "0")
    monkeypatch.setattr("utils.labels.table_files.SMALL", 0)


def test_annotators_at_one_moment_lose_nothing_in_a_project_of_large_tables(every_table_is_large):
    (played,) = annotators_race.race("folder", 1)
    assert played.wrong == [] and played.published > 0


def test_a_killed_program_leaves_a_clean_state_in_a_project_of_large_tables(every_table_is_large):
    hunted = killer.hunt("folder", 4, seed=2)
    assert hunted.wrong == [] and hunted.kills.total() == 4
