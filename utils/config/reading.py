"""From a config file to a Config: its entries read by their keys, what is missing filled in, and
what must fit together checked.
"""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.config import legacy, syntax
from utils.config.credentials import ENVIRONMENT, credentials, secrets_of
from utils.config.keys import Key, Reason, is_address
from utils.config.settings import KEYS, Config
from utils.config.shown import as_text, holds_a_key, without_query
from utils.destination import CONFIRMED
from utils.errors import InputError
from utils.masking import remember
from utils.names import LONGEST_TAGGER
from utils.terminal import say

QUIET = (  # set by the runner after the first step, so that a run prints its notices once
    "ACTIVE_LEARNING_NOTICES_SHOWN"
)


def load_config(path: str | Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a config file, of this generation or the earlier one. Notices go to stderr, one line
    each.

    Raises InputError naming file, key, value and what is allowed.
    """
    config, notices = read_config(path, environ)
    if not environ.get(QUIET):
        for notice in notices:
            say(notice, error=True)
    return config


def read_config(
    path: str | Path, environ: Mapping[str, str] = os.environ
) -> tuple[Config, list[str]]:
    """As load_config, but hands the notices back instead of printing them."""
    path = Path(os.path.expanduser(path))
    path = Path(os.path.realpath(path.parent)) / path.name
    text, notices = syntax.read_text(path)
    entries, warnings = syntax.parse(text, path)
    notices += warnings + _unknown_keys(path, entries)

    reader = _Reader(path, entries, environ)
    of_environment = secrets_of(environ)
    of_file = [reader.value(name, spec) for name, spec in KEYS.items() if spec.secret]
    remember([*of_environment, *of_file])
    values = {name: reader.value(name, spec) for name, spec in KEYS.items()}
    values |= credentials(path, values, environ)
    _complete(path, values)
    _check_images(path, values, reader.lack("image_container_name", KEYS["image_container_name"]))
    _check_together(path, values)
    legacy.take_over_model(path, values, reader.written, notices)
    read = Config(path=path, written=reader.written, **values)
    remember([*of_environment, *read.secrets])
    return read, notices


class _Reader:
    """Turns the entries of one file into values; remembers what was written for messages."""

    def __init__(self, path: Path, entries: Mapping[str, syntax.Entry], environ: Mapping[str, str]):
        self.path, self.entries, self.environ = path, entries, environ
        self.written: dict[str, str] = {}

    def value(self, name: str, spec: Key) -> Any:
        text = self._text(name, spec)
        self.written[name] = "" if spec.secret else text

        empty = text.lower() in ("", "none")
        if empty or re.fullmatch(r"<[^<>]*>", text):
            if spec.required:
                raise InputError(f"{self.path}: {self.lack(name, spec)}; {spec.allowed}")
            return spec.default

        try:
            return spec.read(text, self.path)
        except ValueError as error:
            shown = "(not shown)" if spec.secret else without_query(text)
            detail = f" ({error})" if isinstance(error, Reason) else ""
            raise InputError(
                f"{self.path}: {spec.name}={shown}{detail} is not allowed; {spec.allowed}"
            ) from None

    def _text(self, name: str, spec: Key) -> str:
        """What the file says, with its references replaced; "" when it does not have the key."""
        if name not in self.entries:
            return ""
        try:
            text = syntax.expand(name, {**_PLACES, **self.entries}, self.environ).strip()
        except LookupError as error:
            shown = "(not shown)" if spec.secret else self.entries[name].text
            raise InputError(
                f"{self.path}: {spec.name}={shown} refers to {error.args[0]}"
            ) from None

        if not spec.secret and holds_a_key(name, text):
            raise InputError(
                f"{self.path}: {spec.name}=(not shown) has a key in it, such as a connection string"
                f" or a SAS address has; {spec.allowed}. Keys may stand in AZURE_STORAGE_KEY and in"
                " the environment"
            )
        return text

    def lack(self, name: str, spec: Key) -> str:
        """What is wrong with a required key that says nothing."""
        text = self.written[name]
        if name not in self.entries:
            return f"{spec.name} is missing"
        return f"{spec.name}={text} is " + ("a placeholder" if "<" in text else "empty")


def _places() -> dict[str, syntax.Entry]:
    """The folders and files as a config file would say them, for references to keys that are not
    written down.
    """
    texts = {"data_dir": "data"}
    texts |= {name: "${data_dir}/" + spec.below for name, spec in KEYS.items() if spec.below}
    return {name: syntax.Entry(name, text, False, 0) for name, text in texts.items()}


_PLACES = _places()


def _unknown_keys(path: Path, entries: Mapping[str, syntax.Entry]) -> list[str]:
    """Notices about keys of the file that mean nothing."""
    notices = []
    stale = [entry.name for name, entry in entries.items() if name in legacy.WITHOUT_MEANING]
    if stale:
        notices.append(f"{path}: no meaning any more, may be deleted: {', '.join(stale)}")

    for name, entry in entries.items():
        if name not in KEYS and name not in legacy.WITHOUT_MEANING:
            # a line that ends in = alone may be the end of a key that was wrapped
            shown = entry.name if entry.text.strip("= ") else "(not shown, it has no value)"
            notices.append(
                f"{path}, line {entry.line}: unknown key {shown}, ignored; {_hint(name)}"
            )
    return notices


def _hint(name: str) -> str:
    """What somebody may have meant by an unknown key."""
    if name.upper() in (*ENVIRONMENT, CONFIRMED):
        return "it counts only in the environment"

    import difflib  # few need it

    near = difflib.get_close_matches(name, KEYS, n=1)
    return f"did you mean {KEYS[near[0]].name}?" if near else "config_description.md lists the keys"


def _check_images(path: Path, values: Mapping[str, Any], lack: str) -> None:
    """Where the images are must be said once. lack: what is wrong with image_container_name when it
    says nothing.
    """
    location, url = values["image_location"], values["storage_url"]
    if location is None and not values["image_container_name"]:
        raise InputError(f"{path}: {lack}; {KEYS['image_container_name'].allowed}")
    if location is not None and (not url or is_address(url)):
        raise InputError(
            f"{path}: image_location={location} is for a project in a folder, and this one is in"
            " Azure, where images lie in image_container_name; leave one of image_location and"
            " Azure out (storage_url says where a project lies)"
        )


def _complete(path: Path, values: dict[str, Any]) -> None:
    """Fill in what depends on other values."""
    if values["prelabel_confidence"] is None:
        values["prelabel_confidence"] = values["min_confidence"]
    values["tagger_name"] = values["tagger_name"] or _user_at_host()

    values["data_dir"] = values["data_dir"] or path.parent / "data"
    for name, spec in KEYS.items():
        if spec.below:
            values[name] = values[name] or values["data_dir"] / spec.below


def _check_together(path: Path, values: Mapping[str, Any]) -> None:
    shares, classes = values["ideal_class_balance"], values["classes"]
    if shares and len(shares) != len(classes) + 1:
        raise InputError(
            f"{path}: ideal_class_balance={as_text(shares)} has {len(shares)} shares; expected"
            f" {len(classes) + 1}: one for each of the {len(classes)} classes, then the share of"
            " images without detections"
        )
    if shares and abs(math.fsum(shares) - 1) > 0.01 + 1e-9:
        raise InputError(
            f"{path}: ideal_class_balance={as_text(shares)} sums to {math.fsum(shares):g};"
            " expected 1 (0.99 to 1.01)"
        )
    if values["min_tile_size"] > values["max_tile_size"]:
        raise InputError(
            f"{path}: min_tile_size={values['min_tile_size']} is larger than"
            f" max_tile_size={values['max_tile_size']}; expected the shorter and the longer side of"
            " what the model sees"
        )
    if values["image_container_name"] == values["label_container_name"]:
        raise InputError(
            f"{path}: label_container_name={values['label_container_name']} is the image container"
            " too; expected another"
        )


def _user_at_host() -> str:
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "user"
    return f"{user}@{socket.gethostname()}"[:LONGEST_TAGGER]
