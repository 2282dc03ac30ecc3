"""In which order tests run: the longest first, shared out among the processes that run them."""

import os
from collections.abc import Sequence
from typing import TypeVar

Test = TypeVar("Test")
# Test functions that take most of a minute or more, the longest first.
LONGEST = (
    "test_cycles_happen_by_themselves_while_two_annotators_upload_and_a_kill_and_a_stop_cost_nothing",
    "test_two_machines_train_what_one_trains_and_the_chief_alone_writes",
    "test_from_a_container_of_photos_to_a_model_and_back_to_the_annotator",
    "test_a_config_of_the_earlier_generation_trains",
    "test_when_a_machine_is_killed_the_chief_ends_with_one_line_and_the_next_start_goes_on",
    "test_an_interrupted_or_killed_run_goes_on_where_it_was_and_starts_afresh_with_other_settings",
    "test_a_simulation_that_was_killed_goes_on_and_trains_nothing_twice",
    "test_real_models_are_trained_and_judge_and_leave_nothing_behind",
    "test_disagreement_looks_at_mirror_images_on_features_and_after_a_training_of_its_own",
    "test_programs_finish_their_work_over_a_line_that_spoils_many_answers",
    "test_a_cycle_by_itself_among_odd_images_and_images_that_vanish",
)


def processes() -> int:
    """How many processes of pytest-xdist run the tests."""
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))


def shared_out(tests: Sequence[Test], names: Sequence[str], among: int) -> list[Test]:
    """The tests in an order in which each of `among` equal parts, as pytest-xdist makes them,
    begins with some of the longest. `names`: the function of each test.
    """
    places = range(len(tests))
    long = sorted(
        (place for place in places if names[place] in LONGEST),
        key=lambda place: LONGEST.index(names[place]),
    )
    others = [place for place in places if names[place] not in LONGEST]
    order = []
    for part in range(among):
        first = long[part::among]
        end = (part + 1) * len(tests) // among - len(order) - len(first)
        order += [*first, *others[:end]]
        del others[:end]
    return [tests[place] for place in order]
