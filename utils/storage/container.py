"""A container of blobs: the interface that everything uses.

A folder on this machine is one (`folder.py`), and so is a container of Azure Blob Storage
(`azure.py`). Both keep the same contract: tests/test_storage.py runs one set of tests on both.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from utils.errors import OutsideError


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list said of a blob: enough to read just that one, also in another process."""

    name: str
    size: int
    etag: str
    md5: bytes | None = None


@dataclass(frozen=True)
class Blob:
    """What a container knows about one blob. Time is UTC. `metadata` may be absent in listings,
    `md5` where the service has none. `withheld`: why it cannot be read now, "" when it can.
    `changed`: when the file system says that it was touched last, in ns (also when its times were
    set by hand), 0 where nothing says so.
    """

    name: str
    size: int
    etag: str
    last_modified: datetime
    md5: bytes | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    withheld: str = ""
    changed: int = 0


class Missing(OutsideError):
    """There is no blob of that name."""


class Damaged(OutsideError):
    """What arrived is not what the blob holds: length or MD5 differs, whenever it was tried."""


class Conflict(Exception):
    """A precondition of a write failed: the blob is not as the writer believed. After a lost answer
    it may be our own.
    """


class Container(Protocol):
    """A set of named blobs. Every method raises OutsideError when storage, network or disk fails,
    Unreadable when only this blob cannot be read now, InputError for a name it refuses.
    """

    name: str
    address: str  # for people; holds no secret

    def list(self, prefix: str = "") -> Iterator[Blob]:
        """All blobs whose name begins with `prefix`, sorted by name."""

    def info(self, name: str) -> Blob:
        """One blob's description, with metadata. Raises Missing."""

    def read(
        self, name: str, listed: "Listed | Blob | None" = None
    ) -> tuple[bytes, "Listed | Blob"]:
        """A whole blob with the description that belongs to exactly these bytes. `listed`: what a
        list says of it, by which it may come faster; it may have been replaced since. Raises
        Missing, Damaged.
        """

    def read_part(
        self, name: str, start: int, length: int, listed: "Listed | Blob | None" = None
    ) -> bytes:
        """`length` bytes from the place `start`, or fewer if the blob ends there. Raises Missing,
        and Damaged when the blob is not the one that was `listed` any more.
        """

    def fetch(
        self,
        name: str,
        target: Path,
        durable: bool = True,
        listed: "Listed | Blob | None" = None,
    ) -> "Listed | Blob":
        """Write the blob to the file `target`, which is whole or as before; not `durable`: a power
        cut soon after may leave it shorter. `listed` as in `read`.

        Raises Missing, Damaged.
        """

    def write(
        self,
        name: str,
        data: bytes | Path,
        *,
        if_etag: str | None = None,
        new: bool = False,
        metadata: dict[str, str] | None = None,
    ) -> str:
        """Write a whole blob and return its ETag; only if it still has `if_etag`, or with `new`
        only if there is none. Raises Conflict.
        """

    def delete(self, name: str) -> None:
        """Remove a blob. Raises Missing."""

    def clock_ahead(self) -> timedelta:
        """How far the clock of the service (of the disk, for a folder) is ahead of this machine's,
        to a second or so.
        """

    def path_of(self, name: str) -> Path | None:
        """The file that is this blob, where blobs are files; else None."""
