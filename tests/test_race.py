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
