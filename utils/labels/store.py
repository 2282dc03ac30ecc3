"""The label container as one versioned state: `label_state.json` says which immutable snapshots
belong together.

Reading is `store.read()` and `store.table(state, name)`. Changing is `store.commit(change,
what=…)`: `change(state)` returns what is to be different; new snapshots are written, then
`label_state.json` is replaced only if it is still the one that was read. If it is not, `change` is
called again with the new state. So `change` reads its tables from the state it is given, and has no
effects of its own.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import platformdirs
from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from utils.errors import InputError, OutsideError
from utils.labels import table_files, tables
from utils.labels.document import STATE, WITH_PARQUET, read_document
from utils.labels.figures import figures_after
from utils.labels.lineage import HISTORY, with_made
from utils.labels.snapshots import Snapshots
from utils.labels.state import Change, PublishedFile, State, new_commit_id
from utils.labels.table_files import CSV, is_parquet, parse, table_file
from utils.labels.takeover import (
    FOUNDING,
    foreign_blobs,
    refuse_folders,
    refuse_lost_state,
    taken_over,
)
from utils.masking import masked, masked_in
from utils.python_check import quoted
from utils.storage.container import Conflict, Container, Damaged, Missing
from utils.storage.opening import open_containers
from utils.terminal import say
from utils.times import utc_text

_EXACT = timedelta(minutes=1)  # what clocks differ by is no fault
_WRONG = timedelta(minutes=5)


class LabelStore:
    """The label container of one project. `by` names the tagger or machine in commits; `cache`
    holds snapshots fetched from Azure. `images_in`: the name of the image container, which must be
    the one that the state names; "": it is not compared.
    """

    def __init__(
        self,
        container: Container,
        *,
        by: str,
        user_folders: bool,
        reservation_hours: float = 72,
        cache: Path | None = None,
        images_in: str = "",
    ):
        self.images_in = images_in
        self.container, self.by, self.user_folders, self.reservation_hours = (
            container,
            by,
            user_folders,
            reservation_hours,
        )
        place = hashlib.sha256(f"{container.address}|{container.name}".encode()).hexdigest()[:16]
        self.cache = (
            cache or Path(platformdirs.user_cache_dir("active-learning-detect", appauthor=False))
        ) / place
        self._foreign: dict | None = None
        self._ahead: timedelta | None = None  # the clock of the container, of ours
        self._snapshots = Snapshots(container, self.cache)

    def now(self) -> datetime:
        """The time by the clock that all machines of the project share, the container's. A clock
        here that is minutes wrong is said once: by it, reservations of others would seem to be
        over, or ours to last for ever.
        """
        if self._ahead is None:
            ahead = self.container.clock_ahead()
            self._ahead = ahead if abs(ahead) > _EXACT else timedelta(0)
            if abs(ahead) > _WRONG:
                minutes = round(abs(ahead).total_seconds() / 60)
                much = f"{minutes} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
                say(
                    f"warning: the clock of this machine is {much}"
                    f" {'behind' if ahead > timedelta(0) else 'ahead of'} that of"
                    f" {self.container.address}, which counts for reservations; set it right",
                    error=True,
                )
        return datetime.now(UTC) + self._ahead

    def read(self, report_foreign: bool = False) -> State:
        """The present state; a container of the earlier generation is taken over (and committed) at
        first contact. Raises InputError, and writes nothing, when it is gone and snapshots of ours
        are there.

        `report_foreign` warns on stderr about labels that another tool has written beside the
        state. Raises InputError when label_state.json is damaged or of a newer format.
        """
        state = self._read() or self._take_over()
        if report_foreign:
            self._warn_of_copies()
            self._foreign = foreign_blobs(self.container, state.document)
            for blob in self._foreign["blobs"]:
                say(
                    f"warning: {blob} in {self.container.address} was written by another tool and"
                    f" is not part of the labels; python tag/import_labels.py {quoted(blob)} CONFIG"
                    " takes it in",
                    error=True,
                )
        return state

    def _warn_of_copies(self) -> None:
        """A program that syncs folders keeps what it cannot merge beside the other, under a name of
        its own.
        """
        if self.container.path_of(STATE) is None:
            return
        stem, ending = STATE.split(".")
        for blob in self.container.list(stem):
            if blob.name != STATE and blob.name.endswith(f".{ending}") and "/" not in blob.name:
                say(
                    f"warning: {blob.name} lies beside {STATE} in {self.container.address}: a"
                    " program that syncs folders (OneDrive, Dropbox) has kept two versions, and one"
                    " of them counts. status.py CONFIG --check says what is missing, --repair takes"
                    " it back; then remove that file. A synced copy is no shared folder",
                    error=True,
                )

    def read_project(self, report_foreign: bool = True) -> State:
        """As `read`, where a project must be there already. Raises InputError when there is none:
        on a share that is not mounted nothing is to begin anew.
        """
        state = self.read(report_foreign)
        if state.etag is None:
            raise InputError(
                f"{self.container.address}: no project there yet; it begins with"
                " train/active_learning_initialize.sh CONFIG on the training machine. If yours has"
                " begun: is that its label container, and is it mounted? Correct"
                " label_container_name or storage_url"
            )
        return state

    def table(self, state: State, name: str) -> pd.DataFrame:
        """A table of that state, typed; empty when there is none.

        Raises InputError when its snapshot does not hold what was written there, as the next change
        would make that the truth, and when it has folders and user_folders is False.
        """
        return self.table_at(state.blob(name), name)

    def table_at(self, blob: str | None, name: str) -> pd.DataFrame:
        """The snapshot `blob` of a table, as `table`, of whatever state; None: an empty one."""
        if not blob:
            return tables.empty(name)
        frame = parse(name, self._snapshots.parts(blob), blob)
        if not self.user_folders:
            refuse_folders(frame, f"{blob} in {self.container.address}")
        return frame

    def is_small(self, blob: str) -> bool:
        """Whether a snapshot of a table is small enough to be written anew at each hand-out."""
        return not is_parquet(blob) and self.container.info(blob).size <= table_files.SMALL

    def file_of(self, name: str, frame: pd.DataFrame) -> PublishedFile:
        """A whole table as a file of its own, to be published."""
        file = table_file(name, frame, self.user_folders)
        return PublishedFile(name, file.suffix, file.data, file.marks)

    def commit(
        self, change: Callable[[State], Change | None], *, what: str, commit_id: str | None = None
    ) -> tuple[State, Any]:
        """Make `change` part of the state; return the new state and the note of the change.

        None (or a change that makes nothing different) leaves the state as it is. `what` is said in
        errors ("handing out images"). `commit_id` only if blobs were published under it before.
        """
        commit_id = commit_id or new_commit_id()
        written: dict[tuple[str, str], str] = {}
        wanted: Change | None = None
        tries = Retrying(
            retry=retry_if_exception_type(Conflict),
            wait=wait_random_exponential(multiplier=0.05, max=0.5),
            stop=stop_after_delay(600),
        )
        try:
            for attempt in tries:
                with attempt:
                    state = self.read()
                    # held already: the answer to the last try was lost; it stands
                    if not self._holds(state, commit_id):
                        wanted = change(state)
                        state = self._apply(state, wanted, commit_id, written)
                    return state, wanted.note if wanted else None
        except RetryError:
            raise OutsideError(
                f"{what}: {STATE} in {self.container.address} kept changing for ten minutes; try"
                " again later"
            ) from None

    def publish_file(
        self,
        kind: str,
        suffix: str,
        source: Path | bytes,
        commit_id: str = "",
        marks: dict[str, str] | None = None,
    ) -> str:
        """Write an immutable blob `<kind>_<ms><suffix>` and return its name; a taken name gets the
        next millisecond.

        Its metadata say which commit made it, and its length and hash, by which status.py --check
        knows it to be whole; `marks` are further ones.
        """
        return self._snapshots.publish(kind, suffix, source, commit_id, marks or {})

    def publish_twins(
        self, kind: str, sources: dict[str, bytes], commit_id: str = ""
    ) -> dict[str, str]:
        """Write immutable blobs that differ in their suffix only, {suffix: content}; their names,
        {suffix: blob}.
        """
        return self._snapshots.publish_twins(kind, sources, commit_id)

    def checked_file(self, blob: str) -> Path:
        """As `cached_file`, when it is what was written there. Raises InputError when not."""
        return self._snapshots.whole(blob)

    def parts_of(self, blob: str | None) -> list[str]:
        """The snapshots of which that of a table consists: itself first, its first base last."""
        return self._snapshots.names_of_parts(blob)

    def cached_file(self, blob: str) -> Path:
        """An immutable published file, as a file on this machine, fetched if need be."""
        return self._snapshots.local(blob)

    def fetch_file(self, blob: str, target: Path) -> Path:
        """A published file as the local file `target`; not fetched again while blob and file are as
        they were (ETag and size).

        Users replace models of their own under the same name.
        """
        return self._snapshots.fetch_file(blob, target)

    def _read(self) -> State | None:
        try:
            data, blob = self.container.read(STATE)
        except Missing:
            return None
        state = State(read_document(data, self._where), blob.etag)
        if self.images_in and state.image_container not in ("", self.images_in):
            raise InputError(
                f"{self.container.address}: the images of this project are in the container"
                f" {state.image_container}, and image_container_name={self.images_in}; correct it."
                " If they were moved there: bash train/active_learning_initialize.sh CONFIG --moved"
            )
        return state

    def _take_over(self) -> State:
        refuse_lost_state(self.container)
        found = taken_over(self.container, self.user_folders, datetime.now(UTC))
        first = State(
            {
                "format": 1,
                "commit": "",
                "history": [],
                "tables": {},
                "live": {},
                "candidate": None,
                "classes": {"renamed": {}, "dropped": []},
                "cycles": [],
            }
        )
        if not found:
            return first
        frames, members = found
        try:
            return self._apply(first, Change(frames, members), new_commit_id(), {})
        except Conflict:  # another machine was faster
            return self._read() or first

    def _apply(self, state: State, change: Change | None, commit_id: str, written: dict) -> State:
        if change is None or change.is_empty:
            return state
        if change.before_write is not None:
            change.before_write()
        marks = {**change.marks, **({FOUNDING: "yes"} if state.etag is None else {})}
        new = {}
        for name, frame in change.tables.items():
            table = self._new_file(state.blob(name), name, frame)
            if table is not None:
                new[name] = self._publish_once(table, commit_id, written, marks)
        files = {
            word: self._publish_once(file, commit_id, written, marks)
            for word, file in change.files.items()
        }
        names = {**state.document["tables"], **new, **files}
        members = {
            name: value
            for name, value in _of(change.members, names).items()
            if state.document.get(name) != value
        }
        if not new and not members and change.cycle is None and state.etag is not None:
            return state
        large = any(map(is_parquet, new.values()))
        named = {**state.document["tables"], **new}
        figures = figures_after(
            state.document,
            named,
            lambda name: self.table(state, name),
            lambda name: change.tables[name] if name in change.tables else self.table(state, name),
        )
        document = {
            **state.document,
            **members,
            **figures,
            "format": WITH_PARQUET if large else state.document["format"],
            "project": state.project or commit_id,
            "commit": commit_id,
            "by": masked(self.by),
            "at": utc_text(datetime.now(UTC)),
            "history": [*state.document["history"], commit_id][-HISTORY:],
            "tables": named,
            **with_made(state.document, new),
        }
        if change.cycle is not None:
            document["cycles"] = [*state.cycles, masked_in(_of(change.cycle, names))]
        if self._foreign and "foreign" not in members:
            document["foreign"] = self._foreign
        data = json.dumps(document, indent=1, ensure_ascii=False).encode()
        read_document(data, f"what would be written as {self._where}")
        try:
            etag = self.container.write(STATE, data, if_etag=state.etag, new=state.etag is None)
        except OutsideError:  # not known whether it was written: the container says
            present = self._read()
            if present is None or not self._holds(present, commit_id):
                raise
            return present
        return State(document, etag)

    def _new_file(
        self, present: str | None, name: str, frame: pd.DataFrame
    ) -> PublishedFile | None:
        """The file that makes a table what it is to be; None when its snapshot holds the same."""
        try:
            file = table_file(name, frame, self.user_folders, present, self._snapshots.parts)
        except (InputError, Missing, Damaged):  # what was there is gone or damaged
            file = table_file(name, frame, self.user_folders)
        if file is None or (file.suffix == CSV and self._snapshots.same(present, file.data)):
            return None
        return PublishedFile(name, file.suffix, file.data, file.marks)

    def _publish_once(
        self, file: PublishedFile, commit_id: str, written: dict, marks: dict[str, str]
    ) -> str:
        """The blob of a file of this commit; a commit that is tried again does not write it again.

        `written`: what the commit has published so far, {(kind, sha256): blob}.
        """
        key = (file.kind, hashlib.sha256(file.data).hexdigest())
        if key not in written:
            marks = {**marks, **file.marks}
            written[key] = self.publish_file(file.kind, file.suffix, file.data, commit_id, marks)
            self._snapshots.keep(written[key], file.data)
        return written[key]

    @property
    def _where(self) -> str:
        return f"{STATE} in {self.container.address}"

    @staticmethod
    def _holds(state: State, commit_id: str) -> bool:
        return commit_id in state.document["history"]


def _of(value: dict | Callable[[dict[str, str]], dict], names: dict[str, str]) -> dict:
    """What a change gives: itself, or made from the names of the blobs of its commit."""
    return value(names) if callable(value) else value


def open_labels(config, moved: bool = False) -> tuple[Container, LabelStore]:
    """The image container and the label store that a config names. `moved`: the images may lie in
    another container than before.
    """
    images, labels = open_containers(config)
    return images, LabelStore(
        labels,
        by=config.tagger_name,
        user_folders=config.user_folders,
        reservation_hours=config.reservation_hours,
        images_in="" if moved or config.image_location else images.name,
    )
