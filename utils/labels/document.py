"""label_state.json as data: what may stand in it, checked where it is read.

Whoever may write to the label container may write anything there. A blob that it names is one that
a commit may have made (`<table>_<ms>.<ending>`), never a path, and each member that programs read
has the type that they expect. Members that we do not know may be anything.
"""

import re
from typing import Any

from utils.errors import InputError
from utils.json_shape import (
    COUNT,
    NAMES,
    NUMBER,
    OBJECT,
    TEXT,
    TEXTS,
    TRUTH,
    WHOLE,
    Check,
    anything,
    both,
    check_shape,
    each,
    json_object,
    mapping,
    maybe,
    members,
    that,
)
from utils.labels import tables

STATE = "label_state.json"
FORMAT = 2
WITH_PARQUET = 2  # from the first table on that is a Parquet file
_RESTORE = "restore it from the blob's history or a copy"
# members of a cycle that name a blob; there are others, such as `predicted`, that are counts
_PUBLISHED = (
    "model",
    "label_map",
    "config",
    "embeddings",
    "shortlist",
    "performance",
    "tested",
    "report",
    "images",
    "tagged",
    "test",
    "totag",
)


def read_document(data: bytes, where: str) -> dict:
    """The document in these bytes. Raises InputError, in one line that begins with `where`."""
    try:
        document = json_object(data)
        if isinstance(document.get("format"), int) and document["format"] > FORMAT:
            raise InputError(
                f"{where} has format {document['format']}, this program knows {FORMAT}; update your"
                " copy of the repository"
            )
        check_shape(document, _DOCUMENT)
    except ValueError as error:
        raise InputError(f"{where} is damaged ({error}); {_RESTORE}") from None
    return document


def is_blob_of(kind: str, name: Any) -> bool:
    """Whether a commit may have made a blob of this name for a table (or a file) of that kind."""
    pattern = rf"{re.escape(kind)}_[0-9]{{1,20}}\.[a-z0-9]{{1,10}}"
    return isinstance(name, str) and bool(re.fullmatch(pattern, name))


def blob_of(kind: str) -> Check:
    """The name of a blob as `is_blob_of` tells."""
    return that(lambda name: is_blob_of(kind, name))


_FIGURES = mapping(lambda name: members({}, AP=maybe(NUMBER)))


def _table(name: str) -> Check:
    return maybe(blob_of(name))


def _made(name: str) -> Check:
    """A member of a cycle, of a candidate or of `live` that names what was published."""
    kind = re.sub("^(base|made)_", "", name)
    names_a_blob = name in _PUBLISHED or (name != kind and kind in tables.COLUMNS)
    return maybe(blob_of(kind)) if names_a_blob else anything


_PRELABELS = members(
    {
        "thresholds": mapping(lambda name: maybe(NUMBER)),
        "images": WHOLE,
        "seconds": members({"with": NUMBER, "without": NUMBER}),
    }
)
_CYCLE = both(
    mapping(_made),
    members(
        {},
        id=maybe(TEXT),
        at=maybe(TEXT),
        images_labelled=maybe(WHOLE),
        boxes_labelled=maybe(WHOLE),
        class_changes=maybe(WHOLE),
        metrics=maybe(_FIGURES),
        training=maybe(OBJECT),
        random_share=maybe(members(dict.fromkeys(("AP", "low", "high"), maybe(NUMBER)))),
        prelabels=maybe(_PRELABELS),
        verdict=maybe(members({}, why=maybe(TEXT))),
    ),
)
# A model that was measured need not be one of ours.
_EVALUATION = members(
    {}, performance=_table("performance"), test=_table("test"), tested=_table("tested")
)
_CHANGE = members({"renamed": NAMES, "dropped": TEXTS})
_CLASSES = members({}, renamed=NAMES, dropped=TEXTS, removed=TEXTS, changes=each(_CHANGE))
_CLASS_MAP = members(
    {
        "names": NAMES,
        "unmapped": TEXTS,
        "default": TEXT,
        "shares": mapping(lambda name: NUMBER),
        "empty_share": NUMBER,
    }
)
_DOCUMENT = members(
    {"format": WHOLE, "commit": TEXT, "history": TEXTS, "tables": mapping(_table)},
    at=maybe(TEXT),
    by=maybe(TEXT),
    project=maybe(TEXT),
    image_container=maybe(TEXT),
    live=maybe(mapping(_made)),
    candidate=maybe(_CYCLE),
    cycles=maybe(each(_CYCLE)),
    evaluations=maybe(each(_EVALUATION)),
    report=_table("report"),
    classes=maybe(_CLASSES),
    foreign=maybe(members({}, checked=TEXT, blobs=TEXTS, settled=TEXTS)),
    figures=maybe(
        members(
            {
                **dict.fromkeys(("images", "to_tag", "unseen", "by_pretrained"), COUNT),
                "of": mapping(_table),
            }
        )
    ),
    predicted_by=maybe(NAMES),
    init_classes=maybe(NAMES),
    class_map=maybe(_CLASS_MAP),
    greys=maybe(mapping(lambda name: each(NUMBER))),
    pretrained_next=maybe(TRUTH),
    doubted=maybe(NAMES),
    looked_at=maybe(COUNT),
    swapped=maybe(each(members({"at": COUNT, "names": NAMES}))),
    work=maybe(members({"since": WHOLE, "made": mapping(lambda name: each(WHOLE))})),
)
