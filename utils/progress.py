"""Progress bars, where a person watches."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from utils.terminal import say, shown, unfiltered


def progress_bar(
    items: Iterable | None = None,
    what: str = "",
    total: int | None = None,
    *,
    quiet: bool = False,
    **options: Any,
) -> tqdm:
    """A bar on stderr if that is a terminal and not `quiet`, else nothing; `what` may hold names of
    others. Further options are tqdm's.
    """
    options |= {"file": unfiltered(sys.stderr), "disable": True if quiet else None}
    return tqdm(items, desc=shown(what), total=total, **options)


def say_beside(bar: tqdm, line: str) -> None:
    """Print a line while a bar is there."""
    if bar.disable:
        say(line)
        return
    bar.clear()
    say(line)
    bar.refresh()
