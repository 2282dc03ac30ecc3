"""What a training says of itself, and how it is told to end."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator

import tensorflow as tf

from utils.progress import progress_bar, say_beside

_LINE_SECONDS = 20.0


class Progress:
    """Step, loss, rate and time left: a bar on a terminal, else a line after two seconds and then
    every 20.
    """

    def __init__(self, first: int, total: int, say: Callable[[str], None]):
        self._first, self._total, self._say = first, total, say
        self._bar = progress_bar(what="training", total=total, initial=first, unit="step")
        self._began = self._line = None
        self._done = first

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()

    def due(self, number: int) -> bool:
        """Whether this step's loss is looked at (reading it waits for the step)."""
        return number - self._first < 3 or number % 10 == 0

    def at(self, number: int, loss: tf.Tensor) -> None:
        now, self._done = time.monotonic(), number
        if self._began is None:  # the first step builds the graph: it says nothing about the rate
            self._began, self._line, self._first = now, now + 2 - _LINE_SECONDS, number
            return self._bar.unpause()
        self._bar.update(number - self._bar.n)
        if not self._bar.disable:
            if self.due(number):
                self._bar.set_postfix(loss=f"{float(loss):.3f}")
        elif now - self._line > _LINE_SECONDS or number == self._total:
            rate = (number - self._first) / max(now - self._began, 1e-6)
            left = (self._total - number) / rate if rate else 0
            self._line = now
            self._say(
                f"step {number} of {self._total}, loss {float(loss):.3f}, {rate:.2f} steps/s,"
                f" {_minutes(left)} left"
            )

    def speed(self) -> tuple[int, float]:
        """(steps after the first one, seconds that they took)."""
        return self._done - self._first, time.monotonic() - self._began

    def ends(self, total: int, why: str) -> None:
        """The last step is another one now."""
        self._total = self._bar.total = total
        self.note(why)

    def note(self, text: str) -> None:
        """A line between the others."""
        if self._bar.disable:
            self._say(text)
        else:
            say_beside(self._bar, text)


@contextlib.contextmanager
def until_told() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM only raise a flag, so that a step is never cut in two; a second Ctrl-C
    ends at once.
    """
    flag = []

    def tell(number, _):
        if flag:
            raise KeyboardInterrupt
        flag.append(number)

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(flag)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _minutes(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )
