"""Files from the network, once: fetched beside and renamed, gone on with after a cut, checked; and
archives unpacked into one folder.
"""

import gzip
import hashlib
import json
import re
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from utils.certificates import distrusted
from utils.destination import in_clear
from utils.disk import room
from utils.errors import InputError, OutsideError
from utils.files import local_path, replace_file, sha256_of, write_text
from utils.masking import looks_secret
from utils.progress import progress_bar
from utils.terminal import say

_TIMEOUT = (10, 60)  # seconds: to connect, between two pieces
_PIECE = 1 << 20
_BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
_NOT_UNPACKED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,  # encrypted
    NotImplementedError,  # a way of compression that Python does not know
)
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|!--|\?xml|html|head|body|error)", re.IGNORECASE)


def fetch_url(url: str, target: Path, sha256: str | None = None) -> Path:
    """Fetch an http or https address into the file `target`, unless it is there already; returns
    `target`.

    The checksum may also stand behind the address, as `#sha256=…` (the argument wins). What a cut
    left behind is gone on with where the server can (Range with If-Range). A file with another
    checksum than `sha256`, or of another length than announced, or an error page in its place,
    never becomes `target`. Raises OutsideError, which says what to put where without a network.
    """
    url, given = split_checksum(url)
    sha256 = sha256 or given
    if in_clear(url) and looks_secret(url):
        raise InputError(
            f"{shown(url)}: the secret in this address would go there without encryption; expected"
            " an https address"
        )
    if target.is_file():
        if what := stand_in(target):
            raise OutsideError(f"{target}: {what}; delete it and run again")
        if sha256 and sha256_of(target) != sha256:
            raise OutsideError(
                f"{target} is not the file that was published (its SHA-256 differs); delete it and"
                " run again"
            )
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    otherwise = f"without a network, fetch it elsewhere and put it at {target}"
    try:
        for attempt in Retrying(
            stop=stop_after_attempt(4),
            wait=wait_random_exponential(max=10),
            reraise=True,
            retry=retry_if_exception(_may_pass),
            before_sleep=lambda attempt: say(
                f"{shown(url)}: {_reason(attempt.outcome.exception())}; trying again", error=True
            ),
        ):
            with attempt, room(target.parent):
                _fetch(url, part)
    except (requests.RequestException, _Cut, ValueError) as error:  # ValueError: an odd redirect
        if isinstance(error, ValueError):
            _forget(part)
        if why := distrusted(error):
            raise OutsideError(f"{shown(url)}: {why}; {otherwise}") from None
        raise OutsideError(
            f"{shown(url)} could not be fetched ({_reason(error)}); {otherwise}"
        ) from None
    if what := stand_in(part):
        _forget(part)
        raise OutsideError(f"{shown(url)}: what came is {what}; {otherwise}")
    if sha256 and sha256_of(part) != sha256:
        _forget(part)
        raise OutsideError(
            f"{shown(url)}: what came is not the file that was published (its SHA-256 differs);"
            f" {otherwise}"
        )
    replace_file(part, target)
    _forget(part)
    return target


def fetch_archive(url: str, folder: Path, sha256: str | None = None) -> Path:
    """Fetch an archive to its place below `folder`, and unpack it beside, both once; returns the
    folder with what was in it.
    """
    archive = place_for(url, folder)
    inside = archive.with_name(f"{archive.name}_unpacked")
    if not archive.is_file():
        # ours: from an archive that was deleted since, to have another one fetched
        shutil.rmtree(inside, ignore_errors=True)
    return unpack(fetch_url(url, archive, sha256), inside)


def place_for(url: str, folder: Path) -> Path:
    """Where the file of this address lies below `folder`: never where that of another address lies
    (the query does not count).

    A file of that name in `folder` itself was put there by hand, and is taken if it can be: where
    nothing was fetched, and with the checksum that the address has, if any.
    """
    site, _, name = shown(url).rstrip("/").rpartition("/")
    last = re.sub(r"[^\w.-]", "_", site.rpartition("/")[2])
    site_folder = folder / f"{last}-{hashlib.sha256(site.encode()).hexdigest()[:8]}"
    place, by_hand = local_path(site_folder, name), local_path(folder, name)
    if place.is_file() or not by_hand.is_file():
        return place
    return by_hand if split_checksum(url)[1] in (None, sha256_of(by_hand)) else place


def stand_in(file: Path) -> str | None:
    """What a file is that stands where another should: an error page or a Git LFS pointer. None for
    anything else.
    """
    with file.open("rb") as content:
        start = content.read(1000)
    if _PAGE.match(start):
        return "an HTML or XML text, not a model (an error page of the server it came from?)"
    return (
        "a Git LFS pointer, not the file itself (`git lfs pull` fetches it)"
        if start.startswith(b"version https://git-lfs")
        else None
    )


def is_archive(name: str) -> bool:
    """Whether `unpack` knows this kind of file, by its name or address."""
    return name.lower().rstrip("/").endswith(_ARCHIVES)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a .tar.gz, .tgz, .tar or .zip into `folder` (made at once, or not at all), unless it
    is there; returns `folder`.

    Members that would lie outside the folder, links out of it and devices are refused. Raises
    InputError for a damaged archive.
    """
    if folder.is_dir():
        return folder
    piece = folder.with_name(folder.name + ".part")
    shutil.rmtree(piece, ignore_errors=True)  # ours: left by a run that was killed here
    piece.mkdir(parents=True)
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(piece)  # takes .. and absolute paths out by itself
        else:
            _check_gzip(archive)
            with tarfile.open(archive) as tar:
                tar.extractall(piece, filter="data")
    except _NOT_UNPACKED as error:
        shutil.rmtree(piece, ignore_errors=True)
        with room(folder.parent):
            if isinstance(error, OSError) and error.errno is not None:  # the disk, not the archive
                raise
        raise InputError(
            f"{archive}: cannot be unpacked ({stand_in(archive) or error}); expected a whole"
            " .tar.gz or .zip. Delete it to have it fetched again"
        ) from None
    piece.rename(folder)
    return folder


def split_checksum(url: str) -> tuple[str, str | None]:
    """An address without what stands behind `#`, and the SHA-256 (lower case) that stands there as
    `sha256=…`.

    Raises InputError when something else stands there, for then somebody believes that it is
    checked.
    """
    address, mark, fragment = url.partition("#")
    if not mark:
        return url, None
    found = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", fragment.strip())
    if not found:
        raise InputError(
            f"{shown(url)}#{fragment}: what stands behind # is no checksum; expected #sha256= and"
            " 64 hexadecimal digits, or nothing"
        )
    return address, found[1].lower()


def shown(url: str) -> str:
    """An address without its query, which may be a secret, without a password, and without a
    checksum.
    """
    parts = urlsplit(url)
    return parts._replace(query="", fragment="", netloc=parts.netloc.rpartition("@")[2]).geturl()


def _check_gzip(archive: Path) -> None:
    """Read a compressed archive to its end, where its checksum is: tar stops before."""
    with archive.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return
    with gzip.open(archive) as content:
        while content.read(_PIECE):
            pass


class _Cut(Exception):
    """The connection ended before the announced length."""


def _fetch(url: str, part: Path) -> None:
    """Fetch into `part`, going on behind what is there if the server still has the same file."""
    mark = part.with_name(part.name + ".json")
    there = part.stat().st_size if part.is_file() else 0
    validator = (
        json.loads(mark.read_text(encoding="utf-8"))["validator"]
        if there and mark.is_file()
        else None
    )
    headers = {"Accept-Encoding": "identity"}
    if there and validator:
        headers |= {"Range": f"bytes={there}-", "If-Range": validator}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if answer.status_code == 416:  # nothing behind what is there: start again
            _forget(part)
            raise _Cut("the server has another file now")
        answer.raise_for_status()
        resumed = answer.status_code == 206
        start = there if resumed else 0
        etag = answer.headers.get("ETag", "")
        validator = (
            etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified")
        )
        write_text(mark, json.dumps({"validator": validator}))
        length = _length(answer)
        # keep what came before a cut; the length is checked below
        answer.raw.enforce_content_length = False
        total = None if length is None else start + length
        with (
            part.open("ab" if resumed else "wb") as file,
            progress_bar(
                what=part.name.removesuffix(".part"),
                total=total,
                initial=start,
                unit="B",
                unit_scale=True,
            ) as bar,
        ):
            for piece in answer.iter_content(_PIECE):
                file.write(piece)
                bar.update(len(piece))
    if total is not None and part.stat().st_size != total:
        raise _Cut(f"{part.stat().st_size} of {total} bytes came")


def _length(answer: requests.Response) -> int | None:
    """The announced length in bytes; None when there is none that can be meant."""
    told = answer.headers.get("Content-Length", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 19 else None


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".json").unlink(missing_ok=True)


def _may_pass(error: BaseException) -> bool:
    """Whether another try may succeed."""
    return isinstance(error, (*_BROKEN, _Cut)) and not distrusted(error)


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, _BROKEN):
        return "no connection"
    return str(error)
