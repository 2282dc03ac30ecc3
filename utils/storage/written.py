"""The images in `image_dir`: which of the files there this program wrote, and with what content."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from utils.files import replace_file, sha256_of
from utils.storage.container import Blob, Container, Listed

# in image_dir: one line [name, etag, SHA-256] for each image that was fetched; earlier versions
# wrote no SHA-256
JOURNAL = ".synced.jsonl"


@dataclass(frozen=True)
class Written:
    """What the journal says of a file: the ETag it came with, and its SHA-256 ("" not known)."""

    etag: str | None
    sha256: str = ""


UNKNOWN = Written(None)


class NotOurs(Exception):
    """A file of that name lies there which this program has not written."""


def bring(
    container: Container, listed: Blob, target: Path, written: Written
) -> tuple[Listed | Blob, str]:
    """Fetch one image, and give its description and its SHA-256. Raises NotOurs when another file
    lies there.
    """
    if target.is_file() and not _as_written(target, written):
        beside = target.with_name(f".{secrets.token_hex(8)}.part")
        try:
            blob = container.fetch(listed.name, beside, durable=False, listed=listed)
            digest = sha256_of(beside)
            if sha256_of(target) != digest:
                if not _begins_with(beside, target):
                    raise NotOurs
                replace_file(beside, target, durable=False)  # ours, cut short by a power failure
        finally:
            beside.unlink(missing_ok=True)
        return blob, digest
    blob = container.fetch(listed.name, target, durable=False, listed=listed)
    return blob, sha256_of(target)


def _as_written(file: Path, written: Written) -> bool:
    if written.etag is None:
        return False
    return not written.sha256 or sha256_of(file) == written.sha256


def _begins_with(whole: Path, piece: Path) -> bool:
    start = piece.read_bytes()
    with whole.open("rb") as file:
        return file.read(len(start)) == start


def read_journal(journal: Path) -> dict[str, Written]:
    """Image name → how it was written. A line cut short by a kill is no line."""
    known = {}
    if journal.exists():
        for line in journal.read_text(encoding="utf-8").splitlines():
            try:
                name, *written = json.loads(line)
                known[name] = Written(*written)
            except (TypeError, ValueError):
                continue
    return known


def journal_line(name: str, written: Written) -> bytes:
    """One entry; the line end in front keeps it apart from an entry that a kill has cut short."""
    return b"\n" + json.dumps([name, written.etag, written.sha256]).encode()
