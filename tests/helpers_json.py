"""Junk in JSON documents, for the tests of those who read them."""

import json

from hypothesis import strategies as st

DAMAGED = {  # bytes that are no document of ours
    "empty": b"",
    "cut": b'{"format": 1, "images": {',
    "zeros": bytes(400),
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "a huge number": b"1" * 5000,
    "too deep": b'{"format":' + b"[" * 100_000,
    "another encoding": '{"format": 1, "tagger": "Jörg"}'.encode("latin-1"),
    "half a character": b'{"format": 1, "tagger": "\\ud800"}',
    "a newer format": b'{"format": 2}',
    "a format that is huge": b'{"format": 1e400}',
    "an escape": b'{"format": 1, "images": {"\\u001b[2J\\n": 3}}',
}

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "../x", "\x1b[2J", "a\nb", "\ud800", 10**400, -1, 1e308, "tagged_1.csv"])
    | st.text(max_size=5),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(["AP", "renamed", "dropped", "why", "tagged", "x", "blobs", "next"]),
            inside,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def places(value, place=()) -> list[tuple]:
    """Every place in a JSON value."""
    if not isinstance(value, dict | list):
        return [place]
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    below = [one for name, each in inside for one in places(each, (*place, name))]
    return ([place] if place else []) + below


def with_value(document: dict, place: tuple, value) -> dict:
    """The document with another value in this place, of which the containers are made."""
    changed = json.loads(json.dumps(document))
    at = changed
    for name, after in zip(place, place[1:], strict=False):
        if isinstance(name, str) and not at.get(name):
            at[name] = [{}] if isinstance(after, int) else {}
        at = at[name]
    at[place[-1]] = value
    return changed
