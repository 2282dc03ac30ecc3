"""The state of a label container at one commit, and what a commit makes different."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from utils.images.greys import Greys


@dataclass(frozen=True)
class State:
    """One commit. `document` is label_state.json (not to be changed in place), `etag` its version,
    None when there is none yet.
    """

    document: dict
    etag: str | None = None

    def blob(self, table: str) -> str | None:
        """The snapshot that holds this table, None when there is none."""
        return self.document["tables"].get(table)

    @property
    def commit(self) -> str:
        return self.document["commit"]

    @property
    def project(self) -> str:
        """What tells this project from others, wherever the container lies; "" before the first
        commit.
        """
        return self.document.get("project") or ""

    @property
    def image_container(self) -> str:
        """The name of the container in which the images lie; "" when nobody has said it yet."""
        return self.document.get("image_container") or ""

    @property
    def live(self) -> dict:
        return self.document.get("live") or {}

    @property
    def predicted_by(self) -> dict[str, str]:
        """Which published model each key in the column model of the table `predicted` means, of
        those that are known.
        """
        return self.document.get("predicted_by") or {}

    @property
    def report(self) -> str | None:
        """The newest report on the project, a page; None when there is none."""
        return self.document.get("report")

    @property
    def cycles(self) -> list[dict]:
        return self.document.get("cycles") or []

    @property
    def greys(self) -> Greys:
        """How values of more than 8 bits are shown in this project."""
        return Greys.from_json(self.document.get("greys"))

    @property
    def classes(self) -> dict:
        return {"renamed": {}, "dropped": [], **(self.document.get("classes") or {})}


@dataclass(frozen=True)
class PublishedFile:
    """What becomes the immutable blob `<kind>_<ms><suffix>` beside the tables of a commit; `marks`
    go into its metadata.
    """

    kind: str
    suffix: str
    data: bytes
    marks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What a commit makes different. Tables whose content is as before are not written again.

    `members`: other top-level members of label_state.json, each replaced as a whole. `cycle` is
    appended to cycles. `files`: {word: file} are published with the tables. Members and cycle may
    be functions: they get {table or word: blob} as the commit has made them. `note`: what the
    change found in the state that it was made for, for whoever commits it. `before_write` is called
    before anything is written to the container: it puts on this disk what must be there by then.
    `marks`: metadata of what it writes.
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    members: dict | Callable[[dict[str, str]], dict] = field(default_factory=dict)
    cycle: dict | Callable[[dict[str, str]], dict] | None = None
    files: dict[str, PublishedFile] = field(default_factory=dict)
    note: Any = None
    before_write: Callable[[], None] | None = None
    marks: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether it leaves the state as it is, whatever that is."""
        return not self.tables and not self.members and self.cycle is None


def new_commit_id() -> str:
    return uuid.uuid4().hex
