"""Classes and their ids: the label map (`label_map.pbtxt`, 1-based ids), and what the state says
about renamed and dropped classes.

An id, once given, belongs to its class for ever: a trained model knows numbers only. So a class
that is no longer used leaves its id in the file as a comment, `# retired: 3 "fox"`; it gets it back
when it returns, and no other class gets it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from utils.errors import InputError
from utils.files import write_text
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.tables import without_boxes
from utils.storage.container import Missing
from utils.terminal import say

_STRING = r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
_TOKEN = re.compile(
    rf"""\s+|\#[^\n]*|(?P<string>{_STRING})|(?P<word>[\w.+-]+)|(?P<mark>[{{}}:,;<>])"""
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))", re.DOTALL)
_RETIRED = re.compile(rf"^# retired: (\d+) {_STRING}\s*$", re.MULTILINE)


def read_label_map(source: Path | str, name: str = "") -> dict[str, int]:
    """The classes of a label map (a path, or its text) as {name: id}, by id. `display_name`, where
    there is one, is the name.

    Raises InputError naming the file, when it is no label map, or an id or name is there twice.
    """
    text, name = _text(source, name)
    label_map: dict[str, int] = {}
    for item in _items(text, name):
        label, number = item.get("display_name", item.get("name")), item.get("id")
        if not isinstance(label, str) or not isinstance(number, int) or number < 1:
            raise InputError(f"{name}: an item needs a name and an id from 1, found {item}")
        if label in label_map or number in label_map.values():
            raise InputError(f"{name}: id {number} or name {label!r} is there twice")
        label_map[label] = number
    if not label_map:
        raise InputError(
            f'{name}: no label map; expected items such as  item {{ id: 1 name: "fox" }}'
        )
    return dict(sorted(label_map.items(), key=lambda pair: pair[1]))


def previous_label_map(store: LabelStore, state: State) -> dict[str, int]:
    """The ids that the live model gave to classes, those of retired ones too; empty before the
    first model.
    """
    blob = state.live.get("label_map")
    if not blob:
        return {}
    try:
        text = store.container.read(blob)[0].decode("utf-8-sig", "replace")
    except Missing:
        say(
            f"warning: {blob} is gone from {store.container.address}; the classes are numbered"
            " anew",
            error=True,
        )
        return {}
    return {**read_retired(text), **read_label_map(text, blob)}


def read_retired(source: Path | str) -> dict[str, int]:
    """The classes of a label map that are not used any more, {name: id}."""
    text, _ = _text(source, "")
    return {_unquoted(label): int(number) for number, label in _RETIRED.findall(text)}


def label_map_text(label_map: Mapping[str, int], retired: Mapping[str, int] | None = None) -> str:
    """The text of a label map file, in the form that the tools of tensorflow/models read."""
    items = [
        f"item {{\n  id: {number}\n  name: {_quoted(label)}\n}}\n"
        for label, number in _by_id(label_map)
    ]
    return "\n".join(items) + "".join(
        f"# retired: {number} {_quoted(label)}\n" for label, number in _by_id(retired or {})
    )


def write_label_map(
    path: Path, label_map: Mapping[str, int], retired: Mapping[str, int] | None = None
) -> None:
    """Write a label map file, beside and renamed."""
    write_text(path, label_map_text(label_map, retired))


def label_map_for(
    classes: Sequence[str],
    previous: Mapping[str, int] | None = None,
    dropped: Iterable[str] = (),
    renamed: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """{name: id} for these classes without the dropped ones, by id.

    A class that `previous` knows (put its retired ones in too) keeps its id, under its new name if
    it was renamed; new ones get the numbers after the highest one that was ever used, in their
    order.
    """
    known: dict[str, int] = {}
    for label, number in _by_id(previous or {}):
        new = current_name(label, renamed or {})
        # when two classes were made one, the id of the one that had the name stays
        if new not in known or label == new:
            known[new] = number
    highest = max((previous or {}).values(), default=0)
    gone = {current_name(label, renamed or {}) for label in dropped}
    label_map = {}
    for label in dict.fromkeys(current_name(label, renamed or {}) for label in classes):
        if label in gone:
            continue
        if label not in known:
            highest += 1
            known[label] = highest
        label_map[label] = known[label]
    return dict(_by_id(label_map))


def retired_from(
    label_map: Mapping[str, int], previous: Mapping[str, int] | None
) -> dict[str, int]:
    """What of `previous` has an id that `label_map` does not use: {name: id}."""
    used = set(label_map.values())
    return {label: number for label, number in (previous or {}).items() if number not in used}


def current_name(label: str, renamed: Mapping[str, str]) -> str:
    """A class by the name it has now, through all renamings (a circle stops where it began)."""
    seen = {label}
    while (new := renamed.get(label, label)) not in seen:
        seen.add(new)
        label = new
    return label


def with_current_classes(
    frame: pd.DataFrame, renamed: Mapping[str, str], dropped: Iterable[str]
) -> pd.DataFrame:
    """Rows of labels with renamed classes under their new names and without boxes of dropped ones.

    An image that has only such boxes keeps one NULL row: somebody has looked at it, and there is
    nothing of what is looked for.
    """
    if not len(frame):
        return frame
    names = {label: current_name(label, renamed) for label in frame["class"].unique()}
    frame = frame.assign(**{"class": frame["class"].map(names).astype("str")})
    gone = frame["class"].isin([current_name(label, renamed) for label in dropped])
    return without_boxes(frame, gone)


def _text(source: Path | str, name: str) -> tuple[str, str]:
    if not isinstance(source, Path):
        return source, name or "label map"
    try:
        return source.read_text(encoding="utf-8-sig"), name or str(source)
    except UnicodeDecodeError:
        raise InputError(f"{source}: no label map (not UTF-8 text)") from None
    except FileNotFoundError:
        raise InputError(
            f'{source}: no such label map; expected items such as  item {{ id: 1 name: "fox" }}'
        ) from None


def _items(text: str, name: str) -> list[dict]:
    """The blocks `item { key: value … }` as dicts; numbers as int, everything else as text. Nested
    blocks are skipped.
    """
    items, depth, key = [], 0, None
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            line = text.count("\n", 0, position) + 1
            raise InputError(
                f"{name}, line {line}: no label map; expected items such as  item {{ id: 1 name:"
                ' "fox" }'
            )
        position = token.end()
        word, string, mark = token["word"], token["string"], token["mark"]
        if mark in ("{", "<"):
            depth, key = depth + 1, None
            if depth == 1:
                items.append({})
        elif mark in ("}", ">"):
            depth, key = max(depth - 1, 0), None
        elif depth == 1 and (word or string):
            if key is None:
                key = word
            else:
                items[-1].setdefault(
                    key, _unquoted(string) if string else int(word) if word.isdigit() else word
                )
                key = None
    return items


def _by_id(label_map: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(label_map.items(), key=lambda pair: pair[1])


def _quoted(label: str) -> str:
    return (
        '"'
        + "".join(
            {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}.get(character, character)
            for character in label
        )
        + '"'
    )


def _unquoted(literal: str) -> str:
    """A quoted string's value; numeric escapes are bytes of UTF-8, as in protocol buffers."""
    return _ESCAPE.sub(_byte, literal[1:-1].encode("utf-8")).decode("utf-8", "replace")


def _byte(escape: re.Match) -> bytes:
    octal, hexadecimal, letter = escape.groups()
    if letter is not None:
        return {b"n": b"\n", b"r": b"\r", b"t": b"\t"}.get(letter, letter)
    return bytes([int(octal, 8) & 255 if octal else int(hexadecimal, 16)])
