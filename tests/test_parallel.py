"""Work in threads: in order or as it comes, never more than asked for ahead."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from utils.parallel import as_they_come, in_order


class Counted:
    """Items that say how many were taken."""

    def __init__(self, count: int):
        self.taken, self._count = 0, count

    def __iter__(self):
        for number in range(self._count):
            self.taken += 1
            yield number


@pytest.mark.parametrize("way", [in_order, as_they_come])
def test_without_items_there_is_nothing(way):
    with ThreadPoolExecutor(2) as pool:
        assert list(way(pool, abs, [], 3)) == []


def test_results_come_in_the_order_of_the_items():
    def slow_first(number):
        time.sleep(0.05 * (number == 0))
        return number * number

    with ThreadPoolExecutor(4) as pool:
        found = list(in_order(pool, slow_first, range(20), 8))
    assert found == [(number, number * number) for number in range(20)]


def test_every_result_comes_once_as_they_are_done():
    another_came = threading.Event()

    def the_first_waits_for_another(number):
        assert number or another_came.wait(10)
        return number

    came = []
    with ThreadPoolExecutor(2) as pool:
        for _, future in as_they_come(pool, the_first_waits_for_another, range(9), 4):
            came.append(future.result())
            another_came.set()
    assert came[0] != 0 and sorted(came) == list(range(9))


@pytest.mark.parametrize("way", [in_order, as_they_come])
def test_no_more_items_are_taken_than_may_be_ahead(way):
    items = Counted(100)
    with ThreadPoolExecutor(2) as pool:
        for number, _ in enumerate(way(pool, abs, items, 5)):
            assert items.taken <= number + 1 + 5


def test_what_the_work_raises_is_raised_at_its_item():
    def refuse(number):
        if number == 2:
            raise ValueError("no twos")
        return number

    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, refuse, range(4), 2)
        assert [next(results), next(results)] == [(0, 0), (1, 1)]
        with pytest.raises(ValueError, match="no twos"):
            next(results)


@pytest.mark.parametrize("way", [in_order, as_they_come])
def test_ended_early_it_cancels_what_was_not_begun(way):
    done = []

    def note(number):
        time.sleep(0.01)
        done.append(number)

    with ThreadPoolExecutor(1) as pool:
        results = way(pool, note, range(100), 50)
        next(results)
        results.close()
    assert len(done) < 10
