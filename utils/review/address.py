"""Where the page of a folder is reached: a free port and a secret path.

Both are kept among the person's own cache files, so that a window that is open finds the program
again when it was ended and is started anew.
"""

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from utils.files import write_text


@dataclass(frozen=True)
class Address:
    """port: 0 for any free one. secret: the first part of every path."""

    port: int
    secret: str


def last_address(place: Path) -> Address:
    """The address that the page of this folder had, or a new one."""
    try:
        known = json.loads(_file(place).read_bytes())
        port, secret = int(known["port"]), str(known["secret"])
    except (OSError, ValueError, KeyError, TypeError):
        port, secret = 0, ""
    if 1024 <= port < 65536 and len(secret) >= 32 and secret.isalnum():
        return Address(port, secret)
    return Address(0, secrets.token_hex(16))


def keep(place: Path, address: Address) -> None:
    """Note the address that the page of this folder has. A cache that cannot be written is none."""
    file = _file(place)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.chmod(file.parent, 0o700)
        write_text(file, json.dumps({"port": address.port, "secret": address.secret}))
    except OSError:
        pass


def _file(place: Path) -> Path:
    name = hashlib.sha256(str(place.resolve()).encode()).hexdigest()[:16]
    cache = Path(platformdirs.user_cache_dir("active-learning-detect", appauthor=False))
    return cache / "review" / f"{name}.json"
