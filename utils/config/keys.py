"""What a key of config.ini is, and the readers that turn the text of one into a value.

A reader takes (text, path of the config file) and raises ValueError when the text is not allowed.
"""

import dataclasses
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from utils.names import LONGEST_CLASS, short, why_no_class, why_no_tagger
from utils.reserved import AVERAGE, NULL
from utils.terminal import visible

ANNOTATION_TOOLS = ("page", "vott", "labelme", "label_studio", "cvat")
MODEL_NAMES = (
    "faster_rcnn_resnet50_fpn",
    "faster_rcnn_resnet18_fpn",
    "faster_rcnn_resnet101_fpn",
    "faster_rcnn_mobilenet_v2_fpn",
)

Reader = Callable[[str, Path], Any]


@dataclass(frozen=True)
class Key:
    """A key of config.ini: how its text becomes a value (ValueError: not allowed), what is allowed
    in words, its default, and its name in the file.

    `below`: where it lies below data_dir when the file does not say so.
    """

    read: Reader
    allowed: str
    default: Any = None
    name: str = ""
    required: bool = False
    secret: bool = False
    below: str = ""


def key(read: Reader, allowed: str, default: Any = None, **more: Any) -> Any:
    """A field of Config that is a key of config.ini; `more` as in Key. Its name is the field's when
    none is given.
    """
    spec = Key(read, allowed, default, **more)
    return dataclasses.field(repr=not spec.secret, metadata={Key: spec})


def keys_of(config: type) -> dict[str, Key]:
    """{field: key} of a class whose fields were made by `key`; other fields are left out."""
    return {
        field.name: dataclasses.replace(spec, name=spec.name or field.name)
        for field in dataclasses.fields(config)
        if (spec := field.metadata.get(Key))
    }


_QUOTES = {'""', "''", "“”", "„“", "„”", "‘’", "«»", "»«"}  # as keyboards and word processors write


class Reason(ValueError):
    """A value that is not allowed, with a reason worth saying."""


def any_text(text: str, _: Path) -> str:
    """The text as it is."""
    return text


def tagger(text: str, _: Path) -> str:
    """The name of a person, which others see as it is."""
    if why := why_no_tagger(text):
        raise Reason(why)
    return text


def true_or_false(text: str, _: Path) -> bool:
    """True or False, also yes and no, 1 and 0."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise ValueError
    return words[text.lower()]


def number(low: float, high: float = math.inf, *, whole: bool = False) -> Reader:
    """Reads a number from `low` to `high`."""

    def read(text: str, _: Path) -> float:
        value = int(text) if whole else float(text)
        if not low <= value <= high or math.isinf(value):
            raise ValueError
        return value

    return read


AUTO = "auto"


def number_or_auto(low: float, high: float = math.inf, *, whole: bool = False) -> Reader:
    """Reads a number from `low` to `high`, or the word auto."""
    plain = number(low, high, whole=whole)

    def read(text: str, config: Path) -> float | str:
        return AUTO if text.lower() == AUTO else plain(text, config)

    return read


def above_zero(text: str, _: Path, most: float = math.inf) -> float:
    """A number above 0."""
    value = float(text)
    if not 0 < value <= most or math.isinf(value):
        raise ValueError
    return value


def hours(text: str, config: Path) -> float:
    """Hours, for at most a hundred years: Python's dates end somewhere."""
    return above_zero(text, config, 1e6)


def cluster_address(text: str, _: Path) -> str:
    """The word auto, or host:port."""
    if text.lower() == AUTO:
        return AUTO
    host, _, port = text.rpartition(":")
    if not host or "/" in host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError
    return text


def one_of(*allowed: str) -> Reader:
    """Reads one of these words, in upper or lower case."""

    def read(text: str, _: Path) -> str:
        if text.lower() not in allowed:
            raise ValueError
        return text.lower()

    return read


def local_path(text: str, config: Path) -> Path:
    """A path of this machine; a relative one is relative to the config file."""
    if _foreign(text):
        raise Reason("a Windows path on another system")
    if "\0" in text:
        raise ValueError
    return Path(os.path.normpath(config.parent / os.path.expanduser(text)))


def own_path(text: str, config: Path) -> Path | None:
    """A path of one machine only: None on a machine whose paths look different."""
    return None if _foreign(text) else local_path(text, config)


def checkpoint(text: str, config: Path) -> str:
    """`scratch`, or the path of a TensorFlow checkpoint."""
    return "scratch" if text.lower() == "scratch" else str(local_path(text, config))


def coco_or_path(text: str, config: Path) -> str:
    """`COCO`, or the path of a label map."""
    return "COCO" if text.lower() == "coco" else str(local_path(text, config))


def is_address(text: str) -> bool:
    """Whether this is an http or https address of some host."""
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        return False


def address(text: str, _: Path) -> str:
    """Where something is fetched from."""
    if urlsplit(text).scheme not in ("http", "https", "file", "gs"):
        raise ValueError
    return text


def store_address(text: str, config: Path) -> str:
    """The address of a storage account, or the path of a folder."""
    if text.lower().startswith("file:"):
        return _folder_of_file_address(text, config)
    if "://" not in text:
        return str(local_path(text, config))
    if not is_address(text) or re.search(r"[\\\s\x00-\x20\x7f]", text):
        raise ValueError
    if urlsplit(text).username is not None:
        raise Reason("a user and a password in an address are used nowhere")
    if "#" in text:
        raise Reason("a # in an address")
    scheme, _, rest = text.partition("://")
    text = f"{scheme.lower()}://{rest}"
    return text if "?" in text else text.rstrip("/")


def blob_folder(text: str, _: Path) -> str | None:
    """A folder of a container, without strokes at its ends; None for all of it."""
    return text.replace("\\", "/").strip("/") or None


def class_names(text: str, _: Path) -> tuple[str, ...]:
    """Different names, separated by commas, none of them reserved; quotes round a name go."""
    names = tuple(_without_quotes(name.strip()) for name in text.split(","))
    if "" in names:
        raise Reason("an empty name between two commas")

    for sign, what in (('"', 'a quote (")'), (";", "a semicolon"), ("\n", "a line end")):
        if any(sign in name for name in names):
            raise Reason(f"{what} inside a name; commas separate names")

    if long := [name for name in names if len(name) > LONGEST_CLASS]:
        raise Reason(f"{short(long[0])}: {why_no_class(long[0])}")

    for name, use in (
        (NULL, "the mark of an image without boxes"),
        (AVERAGE, "the row of all classes together in the performance table"),
    ):
        if name in names:
            raise Reason(f"{name} is {use}")

    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Reason(f"{', '.join(twice)} stands twice")
    return names


def new_class_names(text: str, config: Path) -> tuple[str, ...]:
    """As `class_names`, for names that come into use: without control characters, too."""
    if visible(text) != text:  # a config of before may have one
        raise Reason("a control character inside a name")
    return class_names(text, config)


def _without_quotes(name: str) -> str:
    quoted = len(name) > 1 and name[0] + name[-1] in _QUOTES
    return name[1:-1].strip() if quoted else name


def shares(text: str, _: Path) -> tuple[float, ...]:
    """Shares from 0 to 1, separated by commas."""
    values = tuple(float(share) for share in text.split(","))
    if any(not 0 <= value <= 1 for value in values):
        raise ValueError
    return values


def _foreign(text: str) -> bool:
    """Whether a path is a Windows path and this is not Windows."""
    return os.name != "nt" and bool(re.match(r"^([A-Za-z]:[\\/]|\\\\)", text))


def _folder_of_file_address(text: str, config: Path) -> str:
    from urllib.request import url2pathname  # takes long to load, and few need it

    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise ValueError
    return str(local_path(url2pathname(parts.path), config))
