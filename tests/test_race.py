"""Annotators at once, and programs that are killed: a sample of benchmarks/annotators_race.py and
benchmarks/killer.py. Each program is a process, the fork of one that has its packages loaded.
"""

from collections.abc import Iterator

import annotators_race
import killer
import pytest
from helpers_programs import host_of_tests

from train.cycle.host import host


@pytest.mark.parametrize("kind", ["folder", "azurite"])
def test_annotators_at_one_moment_get_images_and_lose_no_box_while_predictions_are_published(
    kind,
):
    for played in annotators_race.race(kind, 2, host=host_of_tests()):
        assert played.wrong == [] and played.published > 0


def test_a_killed_program_leaves_a_clean_state_and_finishes_when_it_is_run_again():
    hunted = killer.hunt("folder", 15, seed=1, host=host_of_tests())
    assert hunted.wrong == [] and hunted.kills.total() == 15


@pytest.fixture
def host_with_large_tables(monkeypatch) -> Iterator[str | None]:
    """Parquet tables here, and in the programs that are forks of this host."""
    monkeypatch.setenv("ALD_SMALL_TABLE", "0")
    monkeypatch.setattr("utils.labels.table_files.SMALL", 0)
    with host() as address:
        yield address


def test_annotators_at_one_moment_lose_nothing_in_a_project_of_large_tables(host_with_large_tables):
    (played,) = annotators_race.race("folder", 1, host=host_with_large_tables)
    assert played.wrong == [] and played.published > 0


def test_a_killed_program_leaves_a_clean_state_in_a_project_of_large_tables(host_with_large_tables):
    hunted = killer.hunt("folder", 4, seed=2, host=host_with_large_tables)
    assert hunted.wrong == [] and hunted.kills.total() == 4
