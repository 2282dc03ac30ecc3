"""watcher.json in the label container: which watcher (train/watch.py) looks after it, what it is
doing, and what went wrong last.

It is the lease too: one watcher per container. The holder writes a heartbeat every
HEARTBEAT_SECONDS, each time only if the blob is still the one that it wrote; a heartbeat older than
STALE_SECONDS is taken over by whoever comes. (The machines' clocks must agree to within some
minutes.) A watcher that ends by itself lets go, so that the next one does not wait.

    {"format": 1, "holder": id or null, "name": "user@host", "pid": 1, "place": its data_dir,
     "started": UTC, "heartbeat": UTC, "phase": "idle" or a step or "stopped", "phase_since": UTC,
     "failures": cycles that failed in a row, "retry_at": UTC or null,
     "error": {"at": UTC, "phase": step, "text": one line} or null, "new_since": UTC or null}
"""

import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from utils.errors import InputError
from utils.files import write_text
from utils.json_shape import TEXT, WHOLE, check_shape, json_object, maybe, members, of
from utils.storage.container import Conflict, Container, Missing
from utils.times import moment, utc_text

FILE = "watcher.json"
FORMAT = 1
HEARTBEAT_SECONDS = 300
STALE_SECONDS = 900
IDLE = "idle"
# the last heartbeat: another watcher can begin at once
RELEASED = {
    "holder": None,
    "phase": "stopped",
}
_OWN_IDS = "watcher.ids"


class LeaseLost(Exception):
    """Another watcher has taken over; the message says who."""


def read_watcher(container: Container) -> dict | None:
    """The document, None when there has never been a watcher (or what is there is no such
    document).
    """
    return _read(container)[0]


def is_alive(document: dict, now: datetime) -> bool:
    """Whether somebody holds the lease and has said so not too long ago."""
    heartbeat = moment(document.get("heartbeat"))
    return (
        bool(document.get("holder"))
        and heartbeat is not None
        and now - heartbeat < timedelta(seconds=STALE_SECONDS)
    )


def holder_text(document: dict) -> str:
    """Who holds it, for people."""
    return (
        f"{document.get('name')} (process {document.get('pid')}, {document.get('place')}), last"
        f" heard of at {document.get('heartbeat')}"
    )


class Lease:
    """The hold of one watcher on a container. `document` is watcher.json as this watcher wrote it
    last.

    `name`: user@host; `folder`: whose lock this process holds, so that every earlier watcher that
    worked there has ended. The ids in its file watcher.ids are known by that to be free.
    """

    def __init__(self, container: Container, name: str, folder: Path):
        self._container, self._id, self._name, self._folder = (
            container,
            uuid.uuid4().hex,
            name,
            folder,
        )
        self._etag: str | None = None
        self.document: dict = {}

    def take(self) -> None:
        """Become the holder; failures and the last error of the one before stay. Raises InputError
        naming the watcher that is at work.
        """
        before, etag = _read(self._container)
        before = before or {}
        if _is_newer(before):
            raise InputError(
                f"{self._container.address}: {FILE} has format {before['format']}, this program"
                f" knows {FORMAT}; update your copy of the repository"
            )
        own = self._own_ids()
        if is_alive(before, datetime.now(UTC)) and before["holder"] not in own:
            raise InputError(
                f"{self._container.address} is watched already, by {holder_text(before)}; stop that"
                f" one first, or wait {STALE_SECONDS // 60} minutes after its end"
            )
        kept = {name: before.get(name) for name in ("failures", "retry_at", "error", "new_since")}
        now = utc_text(datetime.now(UTC))
        self.document = {
            "format": FORMAT,
            **kept,
            "failures": before.get("failures") or 0,
            "holder": self._id,
            "name": self._name,
            "pid": os.getpid(),
            "place": str(self._folder),
            "started": now,
            "phase": IDLE,
            "phase_since": now,
        }
        try:
            self._write(etag)
        except Conflict:
            document = read_watcher(self._container) or {}
            if document.get("holder") != self._id:
                raise InputError(
                    f"{self._container.address} is watched since this moment by"
                    f" {holder_text(document)}"
                ) from None
            self.beat()

    def beat(self, **members) -> None:
        """Write a heartbeat, with these members changed. Raises LeaseLost, or OutsideError when it
        cannot be written.
        """
        if "phase" in members and members["phase"] != self.document["phase"]:
            members["phase_since"] = utc_text(datetime.now(UTC))
        self.document = {**self.document, **members}
        try:
            self._write(self._etag)
        except Conflict:
            document, etag = _read(self._container)
            if document is not None and document.get("holder") != self._id:
                raise LeaseLost(
                    f"another watcher has taken over: {holder_text(document)}"
                ) from None
            # the answer to an earlier write was lost, or somebody deleted the blob
            self._write(etag)

    def due(self, now: datetime) -> bool:
        """Whether it is time for a heartbeat."""
        return now - moment(self.document["heartbeat"]) >= timedelta(seconds=HEARTBEAT_SECONDS)

    def _own_ids(self) -> list[str]:
        """The ids of earlier watchers that worked in this folder, and this one's, which is noted
        before it is used.
        """
        note = self._folder / _OWN_IDS
        known = note.read_text(encoding="utf-8").split() if note.exists() else []
        if self._id not in known:
            known = [*known[-9:], self._id]
            write_text(note, "\n".join(known))
        return known

    def _write(self, etag: str | None) -> None:
        document = {**self.document, "heartbeat": utc_text(datetime.now(UTC))}
        data = json.dumps(document, indent=1, ensure_ascii=False).encode()
        self._etag = self._container.write(FILE, data, if_etag=etag, new=etag is None)
        self.document = document


def _read(container: Container) -> tuple[dict | None, str | None]:
    """The document and its ETag; no document when what is there is damaged, which the next
    heartbeat mends. Of a newer
    format that may be all that is known.
    """
    try:
        data, blob = container.read(FILE)
    except Missing:
        return None, None
    return document_of(data), blob.etag


def document_of(data: bytes) -> dict | None:
    """The document in these bytes of a watcher.json; None when it is none."""
    try:
        document = json_object(data)
    except ValueError:
        return None
    try:
        check_shape(document, _DOCUMENT)
    except ValueError:
        return {"format": document["format"]} if _is_newer(document) else None
    return document


def _is_newer(document: dict) -> bool:
    format_there = document.get("format")
    return isinstance(format_there, int) and format_there > FORMAT


_DOCUMENT = members(
    {"format": WHOLE},
    holder=maybe(TEXT),
    name=TEXT,
    pid=WHOLE,
    place=TEXT,
    started=TEXT,
    heartbeat=TEXT,
    phase=TEXT,
    phase_since=TEXT,
    failures=maybe(of(int, least=0, most=10**6)),
    retry_at=maybe(TEXT),
    error=maybe(members({"at": TEXT, "phase": TEXT, "text": TEXT})),
    new_since=maybe(TEXT),
)
