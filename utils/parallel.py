"""Work in threads, a bounded number of items ahead: a million waiting jobs fill memory."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[tuple[Item, Result]]:
    """(item, work(item)) in the order of the items, at most `ahead` of them under way or waiting.

    What `work` raises is raised here, at its item. Ended early, it cancels what was not begun.
    """
    items = iter(items)
    waiting: deque[tuple[Item, Future]] = deque()
    try:
        while True:
            for item in itertools.islice(items, ahead - len(waiting)):
                waiting.append((item, pool.submit(work, item)))
            if not waiting:
                return
            item, future = waiting.popleft()
            yield item, future.result()
    finally:
        for _, future in waiting:
            future.cancel()


def as_they_come(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[tuple[Item, Future]]:
    """(item, finished future of work(item)) as they are done, at most `ahead` of them under way."""
    items = iter(items)
    running: dict[Future, Item] = {}
    try:
        while True:
            for item in itertools.islice(items, ahead - len(running)):
                running[pool.submit(work, item)] = item
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future
    finally:
        for future in running:
            future.cancel()


def side_by_side(
    work: Callable[[Item], Iterable[Result]],
    items: Iterable[Item],
    at_once: int,
    turns: Iterable[Item] | None = None,
) -> Iterator[Result]:
    """All that work(item) gives, item by item in their order, while `at_once` of them go on in
    threads. They are begun in that order, or in that of `turns`. What `work` raises is raised here.
    Ended early, each stops at the next thing it gives.
    """
    ended = threading.Event()

    def go_on(item: Item, given: SimpleQueue) -> None:
        try:
            for result in () if ended.is_set() else work(item):
                given.put((result, None))
                if ended.is_set():
                    return
            given.put(None)
        except BaseException as fault:
            given.put((None, fault))

    with ThreadPoolExecutor(at_once) as pool:
        try:
            queues = {item: SimpleQueue() for item in items}
            for item in queues if turns is None else turns:
                pool.submit(go_on, item, queues[item])
            for given in queues.values():
                while (entry := given.get()) is not None:
                    result, fault = entry
                    if fault:
                        raise fault
                    yield result
        finally:
            ended.set()
