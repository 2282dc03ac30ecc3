"""JSON that somebody else may have written or damaged: read whole, and checked member by member.

A check is called with a value and its place in the document, and yields the places of what is
wrong. Members that no check names may be anything.
"""

import json
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Check = Callable[[Any, str], Iterator[str]]  # (value, its place) → places of what is wrong
MOST = 2**62  # of a number
_LONGEST = 80  # characters of a place, in messages


def read_regular(path: Path) -> bytes:
    """The content of a file. Raises FileNotFoundError when nothing is there, ValueError when it is
    no file: a folder, or a pipe, on which a program would wait for ever.
    """
    try:
        mode = path.stat().st_mode
    except NotADirectoryError:
        raise FileNotFoundError(path) from None
    if not stat.S_ISREG(mode):
        raise ValueError("it is not a file" if not stat.S_ISDIR(mode) else "it is a folder")
    return path.read_bytes()


def json_object(data: bytes) -> dict:
    """The JSON object in these bytes. Raises ValueError, saying what is wrong with them."""
    try:
        document = json.loads(data, object_pairs_hook=_once)
        json.dumps(document, ensure_ascii=False).encode()  # halves of characters cannot be written
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


def check_shape(document: dict, check: Check) -> None:
    """Raises ValueError naming the members that are not as they must be."""
    if wrong := list(check(document, "")):
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise ValueError(f"bad {', '.join(place[:_LONGEST] for place in wrong[:5])}{more}")


def _once(pairs: list[tuple[str, Any]]) -> dict:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in members if names.count(name) > 1)
        raise ValueError(f"{twice[:_LONGEST]!r} stands there twice")
    return members


def of(*types: type, least: float = -MOST, most: float = MOST, nan: bool = False) -> Check:
    """A value of one of these types; numbers from `least` to `most`, NaN only with `nan`."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            yield place
        elif isinstance(value, int | float) and not least <= value <= most:
            if not (nan and value != value):
                yield place

    return check


def that(holds: Callable[[Any], bool]) -> Check:
    """A value of which this holds."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not holds(value):
            yield place

    return check


def maybe(inside: Check) -> Check:
    """null, or what is checked inside."""

    def check(value: Any, place: str) -> Iterator[str]:
        if value is not None:
            yield from inside(value, place)

    return check


def each(inside: Check) -> Check:
    """A list, each item of which is checked."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield place
            return
        for number, item in enumerate(value):
            yield from inside(item, f"{place}[{number}]")

    return check


def mapping(inside: Callable[[str], Check]) -> Check:
    """An object; what its members are depends on their names."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield place
            return
        for name, member in value.items():
            yield from inside(name)(member, f"{place}.{name}".lstrip("."))

    return check


def members(required: dict[str, Check], **optional: Check) -> Check:
    """An object with these members; the optional ones may be absent."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield place
            return
        for name, inside in required.items():
            yield from inside(value.get(name), f"{place}.{name}".lstrip("."))
        for name in optional.keys() & value.keys():
            yield from optional[name](value[name], f"{place}.{name}".lstrip("."))

    return check


def both(*checks: Check) -> Check:
    """A value that passes all of these; what the first one finds is said."""

    def check(value: Any, place: str) -> Iterator[str]:
        for inside in checks:
            if wrong := list(inside(value, place)):
                yield from wrong
                return

    return check


def is_hexadecimal(value: Any) -> bool:
    """Is it the text of a digest?"""
    return isinstance(value, str) and bool(re.fullmatch("([0-9a-f]{2})+", value))


def anything(value: Any, place: str) -> Iterator[str]:
    """Whatever it is."""
    return iter(())


TEXT, WHOLE, TRUTH = of(str), of(int), of(bool)
NUMBER = of(int, float, nan=True)  # of what was measured, which may be nothing
COUNT = of(int, least=0)
OBJECT = mapping(lambda name: anything)
TEXTS = each(TEXT)
NAMES = mapping(lambda name: TEXT)  # {text: text}
