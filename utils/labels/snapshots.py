"""The immutable files in a label container, and their copies on this machine."""

import hashlib
import time
from pathlib import Path

from utils.errors import InputError
from utils.files import local_path, sha256_of, write_bytes, write_text
from utils.labels.document import is_blob_of
from utils.labels.table_files import BASE, MOST_PARTS, base_of, is_parquet
from utils.storage.container import Conflict, Container, Missing


class Snapshots:
    """The files that commits made in one container. `cache`: the folder of their copies, where
    blobs are no files of this machine.
    """

    def __init__(self, container: Container, cache: Path):
        self.container, self.cache = container, cache
        self._whole: dict[str, tuple[int, int]] = {}  # what was compared: size and mtime in ns

    def publish(
        self, kind: str, suffix: str, source: Path | bytes, commit_id: str, marks: dict[str, str]
    ) -> str:
        """Write an immutable blob `<kind>_<ms><suffix>` and return its name; a taken name gets the
        next millisecond.

        Its metadata say which commit made it, and its length and hash, by which it is known to be
        whole; `marks` are further ones.
        """
        return self.publish_twins(kind, {suffix: source}, commit_id, marks)[suffix]

    def publish_twins(
        self,
        kind: str,
        sources: dict[str, Path | bytes],
        commit_id: str,
        marks: dict[str, str] | None = None,
    ) -> dict[str, str]:
        """As `publish`, of files that differ in their suffix only, {suffix: source}; their names,
        {suffix: blob}.
        """
        stamp = time.time_ns() // 1_000_000
        while True:
            names = {suffix: f"{kind}_{stamp}{suffix}" for suffix in sources}
            try:
                for suffix, source in sources.items():
                    written = {"commit": commit_id or "none", **_written(source), **(marks or {})}
                    self.container.write(names[suffix], source, new=True, metadata=written)
                return names
            except Conflict:
                stamp += 1

    def keep(self, blob: str, data: bytes) -> None:
        """Put what was published into the cache, where there is one."""
        if self.container.path_of(blob) is None:
            self.cache.mkdir(parents=True, exist_ok=True)
            write_bytes(local_path(self.cache, blob), data)

    def local(self, blob: str) -> Path:
        """A snapshot as a file on this machine: where it lies in a folder store, else in the cache
        (fetched again if its size is wrong).
        """
        path = self._place(blob)
        if self.container.path_of(blob) is None and not (
            path.is_file() and path.stat().st_size == self.container.info(blob).size
        ):
            self.container.fetch(blob, path)
        return path

    def whole(self, blob: str) -> Path:
        """As `local`, after its length and hash were compared with what was written there; once
        while it stays as it is. Raises InputError when it is damaged.
        """
        path = self._place(blob)
        if path.is_file() and self._whole.get(blob) == _mark(path):
            return path
        in_cache = self.container.path_of(blob) is None
        if in_cache and not path.is_file():
            described = self.container.fetch(blob, path)
        else:
            described = self.container.info(blob)
        problem = _unlike(path, described.size, described.metadata)
        if problem and in_cache:  # perhaps only the copy here is damaged
            described = self.container.fetch(blob, path)
            problem = _unlike(path, described.size, described.metadata)
        if problem:
            raise InputError(
                f"{blob} in {self.container.address} is damaged ({problem}); restore it from a"
                " copy, or let status.py CONFIG --repair bring back an older one. status.py CONFIG"
                " --check lists everything that is"
            )
        self._whole[blob] = _mark(path)
        return path

    def parts(self, blob: str) -> list[Path]:
        """The files of which the snapshot of a table consists, checked: its bases first. Raises
        InputError as `whole`, and when a base is no snapshot of that table.
        """
        files, present, kind = [], blob, blob.rpartition("_")[0]
        while present:
            path = self.whole(present)
            files.insert(0, path)
            present = base_of(path, present) if is_parquet(present) else None
            if present and not (is_blob_of(kind, present) and len(files) < MOST_PARTS):
                raise InputError(f"{blob} in {self.container.address} is damaged: its base is none")
        return files

    def names_of_parts(self, blob: str | None) -> list[str]:
        """The names of the snapshots that `parts` reads, without reading them; itself first."""
        names: list[str] = []
        while blob and len(names) < MOST_PARTS:
            names.append(blob)
            blob = self.container.info(blob).metadata.get(BASE) if is_parquet(blob) else None
        return names

    def same(self, blob: str | None, data: bytes) -> bool:
        """Whether the snapshot holds just that."""
        try:
            return (
                blob is not None
                and self.container.info(blob).size == len(data)
                and self.local(blob).read_bytes() == data
            )
        except Missing:
            return False

    def fetch_file(self, blob: str, target: Path) -> Path:
        """A published file as the local file `target`; not fetched again while blob and file are as
        they were (ETag and size).

        Users replace models of their own under the same name.
        """
        mark = target.with_name(target.name + ".etag")
        info = self.container.info(blob)
        fetched = mark.read_text(encoding="utf-8") if mark.is_file() else ""
        if not (fetched == info.etag and target.is_file() and target.stat().st_size == info.size):
            mark.unlink(missing_ok=True)
            write_text(mark, self.container.fetch(blob, target).etag)
        return target

    def _place(self, blob: str) -> Path:
        return self.container.path_of(blob) or local_path(self.cache, blob)


def _mark(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _written(source: Path | bytes) -> dict[str, str]:
    if isinstance(source, bytes):
        return {"bytes": str(len(source)), "sha256": hashlib.sha256(source).hexdigest()}
    return {"bytes": str(source.stat().st_size), "sha256": sha256_of(source)}


def _unlike(path: Path, size: int, written: dict[str, str]) -> str:
    """How a file differs from what these metadata say was written, or has another length than the
    blob; "" when it does not.
    """
    here = path.stat().st_size
    told = written.get("bytes", "")
    expected = int(told) if told.isdecimal() else size
    if here != expected:
        return f"{here} of {expected} bytes"
    if "sha256" in written and sha256_of(path) != written["sha256"]:
        return "its length is right, its content is not what was written there"
    return ""
