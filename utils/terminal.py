"""Where text leaves a program: printed lines.

What others wrote (names of blobs, of people, of classes, errors about images) is in most of it. A
line is one line on the terminal, whatever it holds: control characters are made visible, and
secrets masked.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

from utils.masking import masked

# C0, DEL and C1; what turns or hides text; ends of lines and paragraphs; halves of characters
_CONTROL = (
    r"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
_HIDDEN = re.compile(f"[{_CONTROL}]")
_HIDDEN_IN_BLOCK = re.compile(f"(?![\n\t])[{_CONTROL}]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(text: str) -> str:
    r"""The text as one line, each control character as JSON writes it: `\n`, `\u001b`."""
    return _HIDDEN.sub(_escaped, text)


def shown(text: str) -> str:
    """The text as it may be seen: one line, without secrets."""
    return visible(masked(text))


def say(*lines: str, error: bool = False) -> None:
    """Print lines, at once; `error`: to stderr. Nothing else in utils, tag and train prints."""
    stream = sys.stderr if error else sys.stdout
    stream.write("".join(f"{shown(line)}\n" for line in lines))
    stream.flush()


@contextmanager
def filtered() -> Iterator[None]:
    """While this lasts, what Python code of others prints (help, warnings) has no secret and no
    control character in it but ends of lines.
    """
    with redirect_stdout(_Filtered(sys.stdout)), redirect_stderr(_Filtered(sys.stderr)):
        yield


def unfiltered(stream: TextIO) -> TextIO:
    """The stream behind `filtered`, for what moves the cursor itself: progress bars."""
    return stream.behind if isinstance(stream, _Filtered) else stream


def block(text: str) -> str:
    """A text of several lines as it may be seen."""
    return _HIDDEN_IN_BLOCK.sub(_escaped, masked(text))


class _Filtered:
    """A text stream that shows what is written to it as `block` does."""

    def __init__(self, behind: TextIO):
        self.behind = unfiltered(behind)

    def write(self, text: str) -> int:
        self.behind.write(block(text))
        return len(text)

    def writelines(self, lines) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


def _escaped(found: re.Match) -> str:
    """The sign as JSON writes it, so that JSON stays JSON."""
    sign = found[0]
    if sign in _SHORT:
        return _SHORT[sign]
    number = ord(sign)
    if number > 0xFFFF:
        high, low = divmod(number - 0x10000, 0x400)
        return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
    return f"\\u{number:04x}"
