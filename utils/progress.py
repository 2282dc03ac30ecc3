"""Progress bars, where a person watches."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from utils.terminal import say, shown, unfiltered


def progress_bar(
    items: Iterable | None = None, what: str = "", total: int | None = None, **options: Any
) -> tqdm:
    """A bar on stderr if that is a terminal, else nothing; `what` may hold names of others. Further
    options are tqdm's.
    """
    stream = unfiltered(sys.stderr)
    return tqdm(items, desc=shown(what), total=total, file=stream, disable=None, **options)


def say_beside(bar: tqdm, line: str) -> None:
    """Print a line while a bar is there."""
    if bar.disable:
        say(line)
        return
    bar.clear()
    say(line)
    bar.refresh()
