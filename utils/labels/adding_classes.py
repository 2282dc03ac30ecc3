"""New classes, written into the config file; everything else in it stays as it is."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from utils.config import Config, read_config
from utils.config.keys import Reason, new_class_names
from utils.config.syntax import quote, read_text
from utils.errors import InputError
from utils.files import write_beside
from utils.labels.class_changes import current_classes

# the key, what it says, and a comment behind it
_LINE = re.compile(
    r"(?:(?<=[\r\n])|\A)([ \t]*(?:export\s+)?classes[ \t]*=)([^\r\n]*?)([ \t]+#[^\"'\r\n]*)?"
    r"(?=[\r\n]|\Z)",
    re.IGNORECASE,
)


def add_classes(config: Config, names: Sequence[str], recorded: dict | None = None) -> Config:
    """Write these classes into the config file, behind those that are there; how it reads then.
    recorded: how the project's classes were changed (State.classes), where it has labels.

    Raises InputError when a name is not allowed, or the file cannot be changed so.
    """
    new = [name for name in names if name not in config.classes]
    if not new:
        return config
    classes = (*config.classes, *new)
    _check(config, new, classes, recorded)

    file = Path(os.path.realpath(config.path))
    text, _ = read_text(file)
    places = list(_LINE.finditer(text))
    if not places:
        raise InputError(f"{config.path}: there is no line classes=… to change; add it by hand")
    last = places[-1]  # the one that counts
    text = text[: last.end(1)] + quote(",".join(classes)) + (last[3] or "") + text[last.end() :]

    mark = "\ufeff" if file.read_bytes().startswith(b"\xef\xbb\xbf") else ""
    with write_beside(file) as piece:
        piece.touch(mode=0o600)
        shutil.copymode(file, piece)  # there may be a key in it
        piece.write_bytes((mark + text).encode())
        if read_config(piece)[0].classes != classes:
            raise InputError(
                f"{config.path}: {', '.join(new)} cannot be written into classes there; do it by"
                " hand"
            )
    return read_config(config.path)[0]


def _check(config: Config, new: list[str], classes: tuple[str, ...], recorded: dict | None) -> None:
    """Raises InputError when these classes may not be."""
    try:
        parts = [new_class_names(name, config.path) for name in new]
    except ValueError as error:
        why = str(error) if isinstance(error, Reason) else "it is not allowed"
        raise InputError(f"{', '.join(new)}: no name of a class: {why}") from None
    if parts != [(name,) for name in new]:
        raise InputError(f"{', '.join(new)}: no name of a class; commas separate names")
    if config.ideal_class_balance:
        raise InputError(
            f"{config.path}: ideal_class_balance has a share for each class; add"
            f" {', '.join(new)} to classes there, and a share for it"
        )
    if recorded is not None and not set(new) <= set(current_classes(classes, recorded)[0]):
        raise InputError(
            f"{', '.join(new)}: a class of this name was renamed or dropped (change_classes.py);"
            " take another name"
        )
