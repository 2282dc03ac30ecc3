"""Containers of blobs: the interface that everything uses, and the folder store, where a container is a folder on this machine.

Azure Blob Storage is in utils/azure_storage.py. Both keep the same contract (tests/test_storage.py runs one set of tests on both).
"""
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from utils.errors import InputError, OutsideError
from utils.files import local_path, refused, write_beside, write_text

_INTERNAL = ".store"  # below a container's folder: lock and metadata; not listed
_LOCK_SECONDS = 120


@dataclass(frozen=True)
class Blob:
    """What a container knows about one blob. Time is UTC. `metadata` may be absent in listings, `md5` where the service has none."""
    name: str
    size: int
    etag: str
    last_modified: datetime
    md5: bytes | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class Missing(OutsideError):
    """There is no blob of that name."""


class Damaged(OutsideError):
    """What arrived is not what the blob holds: its length or MD5 differs, each time it was tried."""


class Conflict(Exception):
    """A precondition of a write failed: the blob is not as the writer believed. After a lost answer it may be our own."""


class Container(Protocol):
    """A set of named blobs. Every method raises OutsideError when storage, network or disk fails, InputError for a name it refuses."""
    name: str
    address: str  # for people; holds no secret

    def list(self, prefix: str = "") -> Iterator[Blob]:
        """All blobs whose name begins with `prefix`, sorted by name."""

    def info(self, name: str) -> Blob:
        """One blob's description, with metadata. Raises Missing."""

    def read(self, name: str) -> tuple[bytes, Blob]:
        """A whole blob with the description that belongs to exactly these bytes. Raises Missing, Damaged."""

    def read_head(self, name: str, length: int) -> bytes:
        """The first `length` bytes, or fewer if the blob is shorter. Raises Missing."""

    def fetch(self, name: str, target: Path, durable: bool = True) -> Blob:
        """Write the blob to the file `target`, which is whole or as before; not `durable`: a power cut soon after may leave it shorter.

        Raises Missing, Damaged.
        """

    def write(self, name: str, data: bytes | Path, *, if_etag: str | None = None, new: bool = False,
              metadata: dict[str, str] | None = None) -> str:
        """Write a whole blob and return its ETag; only if it still has `if_etag`, or with `new` only if there is none. Raises Conflict."""

    def delete(self, name: str) -> None:
        """Remove a blob. Raises Missing."""

    def path_of(self, name: str) -> Path | None:
        """The file that is this blob, where blobs are files; else None."""


class FolderContainer:
    """A folder as a container; a blob is a file below it, and images are used where they lie.

    ETag = size and mtime in ns; for JSON documents, which programs replace under a condition, a hash of the content.
    Conditional writes hold a lock of the folder and rename a finished file into place.
    """

    def __init__(self, folder: Path):
        self.name = folder.name
        self.address = str(folder)
        self._folder = folder

    def list(self, prefix: str = "") -> Iterator[Blob]:
        start = prefix.rpartition("/")[0]
        if start and refused(start):
            return
        names = []
        _collect(self._folder / start, start + "/" if start else "", prefix, frozenset(), names)
        names.sort()
        for name in names:
            try:
                yield self._describe(name, self._folder / name)
            except FileNotFoundError:
                continue  # removed since, or a broken link

    def info(self, name: str) -> Blob:
        path = self._existing(name)
        return replace(self._describe(name, path), metadata=self._metadata(name))

    def read(self, name: str) -> tuple[bytes, Blob]:
        path = self._existing(name)
        try:
            with path.open("rb") as file:  # a rename beside us leaves this file as it is: bytes and description belong together
                data, status = file.read(), os.fstat(file.fileno())
        except FileNotFoundError:
            raise self._missing(name) from None
        return data, Blob(name, len(data), _etag(name, status, data), _utc(status), metadata=self._metadata(name))

    def read_head(self, name: str, length: int) -> bytes:
        with self._existing(name).open("rb") as file:
            return file.read(length)

    def fetch(self, name: str, target: Path, durable: bool = True) -> Blob:
        path = self._existing(name)
        with write_beside(target, durable=durable) as piece:
            blob = self.info(name)
            shutil.copyfile(path, piece)
            if piece.stat().st_size != blob.size or self._describe(name, path).etag != blob.etag:
                raise Damaged(f"{self.address}: {name} changed while it was copied; run the same command again")
        return blob

    def write(self, name: str, data: bytes | Path, *, if_etag: str | None = None, new: bool = False,
              metadata: dict[str, str] | None = None) -> str:
        path = local_path(self._folder, name)
        internal = self._folder / _INTERNAL
        internal.mkdir(exist_ok=True)
        with self._locked(), write_beside(path, internal) as piece:
            if new and path.exists():
                raise Conflict(f"{self.address}: {name} is there already")
            if if_etag is not None and not (path.exists() and self._describe(name, path).etag == if_etag):
                raise Conflict(f"{self.address}: {name} was changed meanwhile")
            if isinstance(data, Path):
                shutil.copyfile(data, piece)
            else:
                piece.write_bytes(data)
            etag = self._describe(name, piece).etag
            self._keep_metadata(name, metadata)
        return etag

    def delete(self, name: str) -> None:
        with self._locked():
            self._existing(name).unlink()
            self._keep_metadata(name, None)

    def path_of(self, name: str) -> Path | None:
        return local_path(self._folder, name)

    def _existing(self, name: str) -> Path:
        path = local_path(self._folder, name)
        if not path.is_file():
            raise self._missing(name)
        return path

    def _missing(self, name: str) -> Missing:
        return Missing(f"{self.address}: there is no {name}")

    def _describe(self, name: str, path: Path) -> Blob:
        status = path.stat()
        content = path.read_bytes() if _is_document(name) else b""
        return Blob(name, status.st_size, _etag(name, status, content), _utc(status))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        (self._folder / _INTERNAL).mkdir(exist_ok=True)
        try:
            with FileLock(self._folder / _INTERNAL / "lock", timeout=_LOCK_SECONDS):
                yield
        except Timeout:
            raise OutsideError(f"{self.address}: another program has been writing there for {_LOCK_SECONDS} s; try again later") from None

    def _metadata(self, name: str) -> dict[str, str]:
        try:
            return json.loads(self._metadata_file(name).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}

    def _keep_metadata(self, name: str, metadata: dict[str, str] | None) -> None:
        if metadata:
            write_text(self._metadata_file(name), json.dumps(metadata))
        else:
            self._metadata_file(name).unlink(missing_ok=True)

    def _metadata_file(self, name: str) -> Path:
        return local_path(self._folder / _INTERNAL / "metadata", name + ".json")


def open_containers(config) -> tuple[Container, Container]:
    """The image and the label container that the configuration names, both checked to be there.

    Raises InputError (one line) for an account not filled in, a wrong key, a container that does not exist; OutsideError for the network.
    """
    if not config.storage_url or config.storage_url.startswith(("http://", "https://")):
        from utils.azure_storage import open_azure  # people with a folder store need no Azure packages
        return open_azure(config)
    images, labels = (_open_folder(config, key) for key in ("image_container_name", "label_container_name"))
    return images, labels


def _open_folder(config, key: str) -> FolderContainer:
    folder = Path(config.storage_url) / config.need(key)
    if not folder.is_dir():
        raise InputError(f"{config.path}: {key}={folder.name}: no such container; make the folder {folder}, or correct the key")
    return FolderContainer(folder)


def _collect(folder: Path, above: str, prefix: str, ancestors: frozenset, names: list[str]) -> None:
    """Append the names of all files below `folder` that begin with `prefix`; links are followed, but not round in circles."""
    try:
        status = folder.stat()
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    if (status.st_dev, status.st_ino) in ancestors:
        return
    for entry in entries:
        name = above + entry.name
        if name == _INTERNAL or not (name.startswith(prefix) or prefix.startswith(name + "/")):
            continue
        if entry.is_dir():
            _collect(Path(entry.path), name + "/", prefix, ancestors | {(status.st_dev, status.st_ino)}, names)
        else:
            names.append(name)


def _is_document(name: str) -> bool:
    return name.endswith(".json")


def _etag(name: str, status: os.stat_result, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32] if _is_document(name) else f"{status.st_size}-{status.st_mtime_ns}"


def _utc(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)
