"""batch.json as data: what may stand in it, checked where it is read. A person may have changed it,
and a disk may have damaged it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from utils.errors import InputError
from utils.files import refused
from utils.formats.tools import TOOLS
from utils.json_shape import (
    COUNT,
    NAMES,
    TEXT,
    TRUTH,
    Check,
    check_shape,
    each,
    json_object,
    mapping,
    maybe,
    members,
    of,
    that,
)
from utils.labels.tables import MOST
from utils.times import moment

FORMAT = 1


def read_document(data: bytes, path: Path) -> dict:
    """The document in these bytes of the file `path`. Raises InputError, in one line, when it is
    damaged or of a newer format.
    """
    try:
        document = json_object(data)
        if isinstance(document.get("format"), int) and document["format"] > FORMAT:
            raise InputError(
                f"{path} was written by a newer version of this program; bring your copy of the"
                " repository up to date"
            )
        check_shape(document, _DOCUMENT)
    except ValueError as error:
        raise InputError(not_a_batch(path, error)) from None
    return document


def not_a_batch(path: Path, error: Exception) -> str:
    """What is said of a batch.json with this fault."""
    return (
        f"{path}: not readable ({error}); restore it, or move the folder away and run"
        " download_vott_json.py with --again"
    )


def _box(value: Any, place: str) -> Iterator[str]:
    """A Box as a list: its tag, four sides, and its score where it is known."""
    if not isinstance(value, list) or len(value) not in (5, 6):
        yield place
        return
    for side in value[1:5]:
        yield from _SIDE(side, place)
    yield from TEXT(value[0], place)
    yield from maybe(_SIDE)(value[5:6] and value[5], place)


def _below(inside: Check, depth: int | None = None) -> Check:
    """An object whose names are files below the batch; `depth`: in so many folders."""

    def check(value: Any, place: str) -> Iterator[str]:
        yield from mapping(lambda name: inside)(value, place)
        for name in value if isinstance(value, dict) else ():
            if refused(name) or depth not in (None, name.count("/")):
                yield f"{place}.{name}: it lies outside its folder"

    return check


_SIDE = of(int, float)  # earlier versions did not clip all of them to the image
_PIXELS = of(int, least=0, most=MOST)
_ITEM = members(
    {"folder": TEXT, "filename": TEXT, "boxes": maybe(each(_box)), "sent": each(each(_box))},
    etag=TEXT,
    md5=TEXT,
    size=COUNT,
    width=_PIXELS,
    height=_PIXELS,
    sha256=TEXT,
    uploaded=TEXT,
    why=TEXT,
)
_DOCUMENT = members(
    {
        "format": COUNT,
        "tagger": TEXT,
        "reserved_at": that(lambda text: moment(text) is not None),
        "wanted": COUNT,
        "images": _below(_ITEM, depth=1),
    },
    by_folder=TRUTH,
    commit=TEXT,
    fetched=TRUTH,
    review=TEXT,
    class_changes=COUNT,
    of_project=TEXT,
    discarded=TRUTH,
    tool=that(lambda name: isinstance(name, str) and name in TOOLS),
    files=_below(TEXT),
    leftovers=NAMES,
    sending=maybe(members({"commit": TEXT, "digests": NAMES})),
    tags=NAMES,
)
