"""label_state.json as data: what may stand in it, checked where it is read.

Whoever may write to the label container may write anything there. A blob that it names is one that
a commit may have made (`<table>_<ms>.<ending>`), never a path, and each member that programs read
has the type that they expect. Members that we do not know may be anything.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from utils.errors import InputError
from utils.labels import tables

STATE = "label_state.json"
FORMAT = 1
_RESTORE = "restore it from the blob's history or a copy"
_MOST = 2**62  # of a number in it
# members of a cycle that name a blob; there are others, such as `predicted`, that are counts
_PUBLISHED = (
    "model",
    "label_map",
    "config",
    "embeddings",
    "performance",
    "images",
    "tagged",
    "test",
    "totag",
)

Check = Callable[[Any, str], Iterator[str]]  # (value, its place) → places of what is wrong


def read_document(data: bytes, where: str) -> dict:
    """The document in these bytes. Raises InputError, in one line that begins with `where`."""
    try:
        document = json.loads(data)
        json.dumps(document, ensure_ascii=False).encode()  # halves of characters cannot be written
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is damaged (not JSON: {error}); {_RESTORE}") from None
    if not isinstance(document, dict):
        raise InputError(f"{where} is damaged (not an object); {_RESTORE}")
    if isinstance(document.get("format"), int) and document["format"] > FORMAT:
        raise InputError(
            f"{where} has format {document['format']}, this program knows {FORMAT}; update your"
            " copy of the repository"
        )
    if wrong := list(_DOCUMENT(document, "")):
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise InputError(f"{where} is damaged (bad {', '.join(wrong[:5])}{more}); {_RESTORE}")
    return document


def is_blob_of(kind: str, name: Any) -> bool:
    """Whether a commit may have made a blob of this name for a table (or a file) of that kind."""
    pattern = rf"{re.escape(kind)}_[0-9]{{1,20}}\.[a-z0-9]{{1,10}}"
    return isinstance(name, str) and bool(re.fullmatch(pattern, name))


def _of(*types: type) -> Check:
    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            yield place
        elif isinstance(value, int | float) and abs(value) > _MOST:
            yield place

    return check


def _blob(kind: str) -> Check:
    def check(value: Any, place: str) -> Iterator[str]:
        if not is_blob_of(kind, value):
            yield place

    return check


def _maybe(inside: Check) -> Check:
    def check(value: Any, place: str) -> Iterator[str]:
        if value is not None:
            yield from inside(value, place)

    return check


def _list(each: Check) -> Check:
    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield place
            return
        for number, item in enumerate(value):
            yield from each(item, f"{place}[{number}]")

    return check


def _map(each: Callable[[str], Check]) -> Check:
    """An object; what its members are depends on their names."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield place
            return
        for name, member in value.items():
            yield from each(name)(member, f"{place}.{name}".lstrip("."))

    return check


def _members(required: dict[str, Check], **optional: Check) -> Check:
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


def _anything(value: Any, place: str) -> Iterator[str]:
    return iter(())


_TEXT, _WHOLE, _NUMBER = _of(str), _of(int), _of(int, float)
_TEXTS = _list(_TEXT)
_NAMES = _map(lambda name: _TEXT)
_FIGURES = _map(lambda name: _members({}, AP=_maybe(_NUMBER)))


def _table(name: str) -> Check:
    return _maybe(_blob(name))


def _made(name: str) -> Check:
    """A member of a cycle, of a candidate or of `live` that names what was published."""
    kind = re.sub("^(base|made)_", "", name)
    names_a_blob = name in _PUBLISHED or (name != kind and kind in tables.COLUMNS)
    return _maybe(_blob(kind)) if names_a_blob else _anything


def _both(*checks: Check) -> Check:
    def check(value: Any, place: str) -> Iterator[str]:
        for inside in checks:
            if wrong := list(inside(value, place)):
                yield from wrong
                return

    return check


_CYCLE = _both(
    _map(_made),
    _members(
        {},
        id=_maybe(_TEXT),
        at=_maybe(_TEXT),
        images_labelled=_maybe(_WHOLE),
        boxes_labelled=_maybe(_WHOLE),
        class_changes=_maybe(_WHOLE),
        metrics=_maybe(_FIGURES),
        training=_maybe(_map(lambda name: _anything)),
        random_share=_maybe(_members(dict.fromkeys(("AP", "low", "high"), _maybe(_NUMBER)))),
        verdict=_maybe(_members({}, why=_maybe(_TEXT))),
    ),
)
# A model that was measured need not be one of ours.
_EVALUATION = _members({}, performance=_table("performance"), test=_table("test"))
_CHANGE = _members({"renamed": _NAMES, "dropped": _TEXTS})
_CLASSES = _members({}, renamed=_NAMES, dropped=_TEXTS, removed=_TEXTS, changes=_list(_CHANGE))
_DOCUMENT = _members(
    {"format": _WHOLE, "commit": _TEXT, "history": _TEXTS, "tables": _map(_table)},
    at=_maybe(_TEXT),
    by=_maybe(_TEXT),
    project=_maybe(_TEXT),
    image_container=_maybe(_TEXT),
    live=_maybe(_map(_made)),
    candidate=_maybe(_CYCLE),
    cycles=_maybe(_list(_CYCLE)),
    evaluations=_maybe(_list(_EVALUATION)),
    classes=_maybe(_CLASSES),
    foreign=_maybe(_members({}, checked=_TEXT, blobs=_TEXTS, settled=_TEXTS)),
    predicted_by=_maybe(_NAMES),
    init_classes=_maybe(_NAMES),
    greys=_maybe(_map(lambda name: _list(_NUMBER))),
    pretrained_next=_maybe(_of(bool)),
    doubted=_maybe(_NAMES),
    work=_maybe(_members({"since": _WHOLE, "made": _map(lambda name: _list(_WHOLE))})),
)
