"""The folder store: a container is a folder on this machine, a blob a file below it."""

import hashlib
import json
import os
import shlex
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile

from filelock import FileLock, Timeout

from utils.disk import room
from utils.errors import OutsideError, Unreadable
from utils.files import is_link, local_path, refused, write_beside, write_text
from utils.storage.container import Blob, Conflict, Damaged, Listed, Missing
from utils.storage.shared import file_mode, share
from utils.terminal import say

_INTERNAL = ".store"  # below a container's folder: lock and metadata; not listed
_LOCK_SECONDS = 120
_LEFT_SECONDS = 24 * 3600  # what a living writer has not touched for so long is nobody's


class FolderContainer:
    """A folder as a container; a blob is a file below it, and images are used where they lie. Links
    in it are not followed: they lead out of it, or to what it has already.

    ETag = size and mtime in ns; for JSON documents, which programs replace under a condition, a
    hash of the content. Conditional writes hold a lock of the folder and rename a finished file
    into place.
    """

    def __init__(self, folder: Path):
        self.name = folder.name
        self.address = str(folder)
        self._folder = folder

    def list(self, prefix: str = "") -> Iterator[Blob]:
        start = prefix.rpartition("/")[0]
        if start and refused(start):
            return
        names, links = [], []
        above = [Path(start), *Path(start).parents][:-1] if start else []
        if any(is_link(self._folder / folder) for folder in above):
            links.append(start)
        else:
            _collect(self._folder / start, start + "/" if start else "", prefix, names, links)
        if links:
            say(
                f"warning: {self.address}: {len(links)} links in it are not followed, e.g."
                f" {min(links)}; put the files themselves there",
                error=True,
            )
        names.sort()
        below = os.path.join(self._folder, "")  # of many names, paths as texts are twice as fast
        shut: set[str] = set()
        for name in names:
            try:
                yield self._describe(name, below + name)
            except FileNotFoundError:
                continue  # removed since
            except PermissionError as error:  # files may be listed there, and not looked at
                folder = name.rpartition("/")[0]
                if folder not in shut:
                    _warn(self._folder / folder, error)
                shut.add(folder)

    def info(self, name: str) -> Blob:
        path = self._existing(name)
        return replace(self._describe(name, path), metadata=self._metadata(name))

    def read(self, name: str, listed: Listed | Blob | None = None) -> tuple[bytes, Blob]:
        path = self._existing(name)
        try:
            # a rename beside us leaves this file as it is: bytes and status belong together
            with path.open("rb") as file:
                data, status = file.read(), os.fstat(file.fileno())
        except FileNotFoundError:
            raise self._missing(name) from None
        except OSError as error:
            raise self._unreadable(name, error) from None
        return data, replace(_blob(name, status, data), metadata=self._metadata(name))

    def read_part(
        self, name: str, start: int, length: int, listed: Listed | Blob | None = None
    ) -> bytes:
        path = self._existing(name)
        try:
            with path.open("rb") as file:
                now = _blob(name, os.fstat(file.fileno()), b"")
                if listed and now.etag != listed.etag:
                    raise Damaged(f"{self.address}: {name} was replaced while it was read")
                file.seek(start)
                return file.read(length)
        except OSError as error:
            raise self._unreadable(name, error) from None

    def fetch(
        self,
        name: str,
        target: Path,
        durable: bool = True,
        listed: Listed | Blob | None = None,
    ) -> Blob:
        path = self._existing(name)
        with write_beside(target, durable=durable) as piece:
            blob = self.info(name)
            shutil.copyfile(path, piece)
            if piece.stat().st_size != blob.size or self._describe(name, path).etag != blob.etag:
                raise Damaged(
                    f"{self.address}: {name} changed while it was copied; run the same command"
                    " again"
                )
        return blob

    def write(
        self,
        name: str,
        data: bytes | Path,
        *,
        if_etag: str | None = None,
        new: bool = False,
        metadata: dict[str, str] | None = None,
    ) -> str:
        path = local_path(self._folder, name)
        with self._locked(), write_beside(path, self._folder / _INTERNAL) as piece:
            share(path.parent, self._folder)
            if new and path.exists():
                raise Conflict(f"{self.address}: {name} is there already")
            if if_etag is not None and not (
                path.exists() and self._describe(name, path).etag == if_etag
            ):
                raise Conflict(f"{self.address}: {name} was changed meanwhile")
            if isinstance(data, Path):
                shutil.copyfile(data, piece)
            else:
                piece.write_bytes(data)
            share(piece, self._folder)
            etag = self._describe(name, piece).etag
            self._keep_metadata(name, metadata)
        return etag

    def delete(self, name: str) -> None:
        with self._locked():
            self._existing(name).unlink()
            self._keep_metadata(name, None)

    def clock_ahead(self) -> timedelta:
        with self._in_store() as internal, TemporaryFile(dir=internal) as file:
            file.write(b"x")
            file.flush()
            written = _utc(os.fstat(file.fileno()))
            return written - datetime.now(UTC)

    def path_of(self, name: str) -> Path | None:
        return local_path(self._folder, name)

    def _existing(self, name: str) -> Path:
        path = local_path(self._folder, name)
        try:
            if stat.S_ISREG(path.stat().st_mode):
                return path
        except PermissionError as error:
            raise self._unreadable(name, error) from None
        except OSError:  # a link to itself, a folder that is a file
            pass
        raise self._missing(name)

    def _missing(self, name: str) -> Missing:
        return Missing(f"{self.address}: there is no {name}")

    def _unreadable(self, name: str, error: OSError) -> Unreadable:
        return Unreadable(
            f"{self.address}: {name} cannot be read on this machine now ({error.strerror or error})"
        )

    def _describe(self, name: str, path: Path | str) -> Blob:
        status = os.stat(path)
        content = Path(path).read_bytes() if _is_document(name) else b""
        return _blob(name, status, content)

    @contextmanager
    def _in_store(self) -> Iterator[Path]:
        """The folder of the store's own files, made if need be. Raises OutsideError where this
        user may not write in it, or not into a file in it, and when the disk is full.
        """
        internal = self._folder / _INTERNAL
        try:
            with room(self._folder):
                internal.mkdir(exist_ok=True)
                share(internal, self._folder)
                yield internal
        except PermissionError as error:
            path = Path(error.filename or internal)
            if not path.is_relative_to(self._folder):
                raise
            raise OutsideError(
                f"{path}: you may not write there; whoever began"
                f" {self._folder}, or its owner, lets the group of the folder write with: chmod -R"
                f" g+rwX {shlex.quote(str(self._folder))}"
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._in_store() as internal:
            path = internal / "lock"
            try:
                with FileLock(path, timeout=_LOCK_SECONDS, mode=file_mode(self._folder)):
                    share(path, self._folder)
                    _sweep(internal)
                    yield
            except Timeout:
                raise OutsideError(
                    f"{self.address}: another program has been writing there for {_LOCK_SECONDS} s;"
                    " try again later"
                ) from None

    def _metadata(self, name: str) -> dict[str, str]:
        try:
            return json.loads(self._metadata_file(name).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}

    def _keep_metadata(self, name: str, metadata: dict[str, str] | None) -> None:
        if metadata:
            file = self._metadata_file(name)
            write_text(file, json.dumps(metadata))
            share(file.parent, self._folder)
            share(file, self._folder)
        else:
            self._metadata_file(name).unlink(missing_ok=True)

    def _metadata_file(self, name: str) -> Path:
        return local_path(self._folder / _INTERNAL / "metadata", name + ".json")


def _sweep(internal: Path) -> None:
    """Remove what writers that were killed have left behind."""
    long_ago = time.time() - _LEFT_SECONDS
    for piece in internal.glob(".*.part"):
        with suppress(OSError):  # another user's, or gone meanwhile
            if piece.stat().st_mtime < long_ago:
                piece.unlink()


def _collect(folder: Path, above: str, prefix: str, names: list[str], links: list[str]) -> None:
    """Append the names of all files below `folder` that begin with `prefix`, and of all links."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        if not above:
            raise
        _warn(folder, error)
        return
    for entry in entries:
        name = above + entry.name
        if name == _INTERNAL or not (name.startswith(prefix) or prefix.startswith(name + "/")):
            continue
        kind = _kind(entry)
        if kind == "folder":
            _collect(Path(entry.path), name + "/", prefix, names, links)
        elif kind:
            (names if kind == "file" else links).append(name)


def _kind(entry: os.DirEntry) -> str:
    """ "file", "folder", "link", or "" for what is none: pipes, devices."""
    try:
        # only Windows has junctions, and tells them without another look at the disk
        if entry.is_symlink() or (os.name == "nt" and is_link(Path(entry.path))):
            return "link"
        return "folder" if entry.is_dir() else "file" if entry.is_file() else ""
    except PermissionError:
        return "file"  # whoever looks at it says so
    except OSError:  # gone since
        return ""


def _warn(folder: Path, error: OSError) -> None:
    say(
        f"warning: {folder} cannot be read on this machine ({error.strerror or error}); what is in"
        " it is left out",
        error=True,
    )


def _is_document(name: str) -> bool:
    return name.endswith(".json")


def _blob(name: str, status: os.stat_result, content: bytes) -> Blob:
    """What its status says of a file; `content` counts for documents."""
    changed = 0 if os.name == "nt" else status.st_ctime_ns  # there it is when a file was made
    etag = _etag(name, status, content)
    return Blob(name, status.st_size, etag, _utc(status), changed=changed)


def _etag(name: str, status: os.stat_result, content: bytes) -> str:
    return (
        hashlib.sha256(content).hexdigest()[:32]
        if _is_document(name)
        else f"{status.st_size}-{status.st_mtime_ns}"
    )


def _utc(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)
