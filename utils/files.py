"""Files on the local disk: written beside and renamed, their digests, and where a blob of a given
name may lie below a folder.
"""

import hashlib
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from utils.disk import room
from utils.errors import InputError, OutsideError
from utils.names import LONGEST_BLOB

_JUNCTION = 0xA0000003  # IO_REPARSE_TAG_MOUNT_POINT, which Python names on Windows only
_WINDOWS_RESERVED = re.compile(
    r"^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)", re.IGNORECASE
)


@contextmanager
def write_beside(path: Path, beside: Path | None = None, durable: bool = True) -> Iterator[Path]:
    """Yield a new path in the same folder (or in `beside`, on the same file system); what was
    written there replaces `path` on success.

    Without success the piece is removed and `path` is as it was. Folders are made. `durable`: on
    disk before it takes the name. Raises OutsideError when another program holds `path`,
    or the disk is full.
    """
    with room(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        piece = (beside or path.parent) / f".{secrets.token_hex(8)}.part"
        try:
            yield piece
            replace_file(piece, path, durable)
        finally:
            piece.unlink(missing_ok=True)


def replace_file(source: Path, target: Path, durable: bool = True) -> None:
    """Rename `source` to `target`, which it replaces at once; if `durable`, on disk when this
    returns, as far as the system allows.
    """
    if durable:
        descriptor = os.open(source, os.O_RDWR | getattr(os, "O_BINARY", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    try:
        _rename(source, target)
    except PermissionError:
        raise OutsideError(
            f"{target} cannot be replaced: another program holds it open, or it may not be written."
            " Close that program and run the same command again"
        ) from None


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file, beside and renamed."""
    with write_beside(path) as piece:
        piece.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    r"""Write a whole text file in UTF-8 with \n, beside and renamed."""
    write_bytes(path, text.encode("utf-8"))


def path_parts(name: str) -> tuple[str, ...]:
    """The folders and the file name of a path as any system writes it, without drive, `.` and what
    `..` steps out of.
    """
    kept: list[str] = []
    for part in re.split(r"[\\/]", re.sub(r"^[A-Za-z]:(?=[\\/])|^file://", "", name)):
        if part == ".." and kept:
            kept.pop()
        elif part not in ("", ".", ".."):
            kept.append(part)
    return tuple(kept)


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def is_link(path: Path) -> bool:
    """Is it a symbolic link, or what Windows has in its place?"""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) == _JUNCTION


def md5_of(file: Path) -> str:
    """The MD5 of a file's content, in hexadecimal, as Azure has it too."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
        return digest.hexdigest()


def refused(blob: str) -> str | None:
    """Why a blob of this name is not taken: it would leave the folder it is put into, or a CSV
    cannot carry it. None = it is taken.
    """
    parts = blob.split("/")
    try:
        blob.encode("utf-8")
    except UnicodeEncodeError:
        return "the name is not valid Unicode"
    if len(blob) > LONGEST_BLOB:
        return f"the name is longer than {LONGEST_BLOB} characters"
    if "\r" in blob or "\0" in blob:
        return "the name holds a control character that a CSV cannot carry"
    if blob.startswith("/") or re.match(r"[A-Za-z]:", blob):
        return "the name is an absolute path"
    if ".." in parts or "." in parts or "" in parts:
        return "the name has an empty part, . or .. and would lie elsewhere on disk"
    if "\\" in blob:
        return "the name holds a backslash"
    if os.name == "nt":
        return _refused_by_windows(parts)
    return None


def within(path: Path, folder: Path) -> bool:
    """Whether a path, which need not exist, is this folder or lies in it, whatever links and
    spellings of names lead there.
    """
    real = Path(os.path.realpath(path))
    for place in (real, *real.parents):
        try:
            if os.path.samefile(place, folder):
                return True
        except OSError:
            if place == Path(os.path.realpath(folder)):
                return True
    return False


def folded(name: str) -> str:
    """The form in which two spellings of a file name are compared: file systems change case and the
    encoding of accents.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def local_path(folder: Path, blob: str) -> Path:
    """Where the blob of that name lies below `folder`. Raises InputError if the name is refused."""
    reason = refused(blob)
    if reason:
        raise InputError(f"{ascii(blob)}: {reason}")
    return folder.joinpath(*blob.split("/"))


def _refused_by_windows(parts: list[str]) -> str | None:
    for part in parts:
        if (
            re.search(r'[<>:"|?*\x00-\x1f]', part)
            or part.endswith((".", " "))
            or _WINDOWS_RESERVED.match(part)
        ):
            return "Windows cannot hold a file of this name"
    return None


# seconds; a virus scanner may hold either file for a moment
_PATIENCE = 3 if os.name == "nt" else 0


@retry(
    retry=retry_if_exception_type(PermissionError),
    stop=stop_after_delay(_PATIENCE),
    wait=wait_fixed(0.2),
    reraise=True,
)
def _rename(source: Path, target: Path) -> None:
    os.replace(source, target)
