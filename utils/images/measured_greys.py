"""The ranges of values that a project's wide pictures have, from a sample of them."""

from collections.abc import Callable, Iterable
from pathlib import Path, PurePath
from typing import BinaryIO

from utils.errors import Unreadable
from utils.images.decoding import BadImage, read_header, wide_values
from utils.images.greys import Greys, common_range, range_of

SAMPLE = 100  # pictures of a kind
_EIGHT_BITS = {".jpg", ".jpeg", ".gif", ".bmp", ".webp"}


def measured(
    files: Iterable[PurePath],
    known: Greys,
    opened: Callable[[PurePath], Path | BinaryIO] = Path,
) -> Greys:
    """`known` with the ranges of the kinds of picture among these files that it lacks. `opened`
    gives what is read of a file, when it is another one than that.
    """
    of_kind: dict[str, list[PurePath]] = {}
    for file in files:
        kind = _kind(file, opened)
        if kind and kind not in known.ranges:
            of_kind.setdefault(kind, []).append(file)
    ranges = {}
    for kind, found in of_kind.items():
        every = -(-len(found) // SAMPLE)
        pairs = [pair for file in sorted(found)[::every] if (pair := _range(file, opened))]
        if pairs:
            ranges[kind] = common_range(pairs)
    return known.with_ranges(ranges)


def _kind(file: PurePath, opened: Callable[[PurePath], Path | BinaryIO]) -> str:
    if file.suffix.lower() in _EIGHT_BITS:
        return ""
    try:
        return read_header(opened(file)).depth
    except (BadImage, Unreadable):
        return ""


def _range(
    file: PurePath, opened: Callable[[PurePath], Path | BinaryIO]
) -> tuple[float, float] | None:
    try:
        return range_of(wide_values(opened(file)))
    except (BadImage, Unreadable):
        return None
