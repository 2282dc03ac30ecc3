"""What is broken in a label container and can be mended, and what nobody needs any more."""

from dataclasses import dataclass
from datetime import datetime

from utils.errors import OutsideError
from utils.labels import tables
from utils.labels.check import (
    CHECKED,
    Finding,
    check_blobs,
    check_tables,
    named_blobs,
    prunable,
    repaired,
    without_lost_helps,
)
from utils.labels.store import Change, LabelStore, State


@dataclass(frozen=True)
class Checked:
    """What a check found: rules that are (still) broken, what was mended, how much it looked at."""

    commit: str | None
    found: list[Finding]
    mended: list[Finding]
    files: int
    images: int

    def document(self) -> dict:
        """For programs."""
        return {
            "commit": self.commit,
            "findings": [vars(finding) for finding in self.found],
            "mended": [vars(finding) for finding in self.mended],
        }

    def lines(self) -> list[str]:
        """For people, the closing line last."""
        return [
            *(f"mended: {finding.text}" for finding in self.mended),
            *map(str, self.found),
            f"{self.files} files and {self.images} images checked, {len(self.found)} rules broken,"
            f" {len(self.mended)} mended → commit {self.commit or 'none'}",
        ]


@dataclass(frozen=True)
class Pruned:
    """Which files were deleted, and of how many."""

    address: str
    gone: list[str]
    bytes: int
    of: int

    def document(self) -> dict:
        """For programs."""
        return {"deleted": self.gone, "bytes": self.bytes}

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"{len(self.gone)} of {self.of} files deleted, {self.bytes / 1e6:.1f} MB →"
            f" {self.address}"
        ]


def check(labels: LabelStore, state: State, *, repair: bool) -> Checked:
    """Look whether the rules are kept; with `repair`, mend first what has one right answer.

    Raises OutsideError when something would be mended and a table cannot be read.
    """
    found, read = _look(labels, state)
    mended = [finding for finding in found if finding.repairable] if repair else []
    if mended:
        if any(name not in read for name in CHECKED):
            unread = next(str(finding) for finding in found if finding.rule == 5)
            raise OutsideError(f"nothing was mended, because a table cannot be read: {unread}")
        broken = found
        state, _ = labels.commit(
            lambda now: Change(
                repaired({name: labels.table(now, name) for name in CHECKED}),
                without_lost_helps(now, broken, labels),
            ),
            what="mending the state",
        )
        found, read = _look(labels, state)

    images = tables.image_set(read.get("images", tables.empty("images")))
    return Checked(state.commit, found, mended, len(named_blobs(state)), len(images))


def prune(labels: LabelStore, state: State, now: datetime) -> Pruned:
    """Delete what `prunable` names."""
    blobs = [
        blob if blob.metadata else labels.container.info(blob.name)
        for blob in labels.container.list()
    ]
    gone = prunable(blobs, named_blobs(state), state.document["history"], now)
    for name in gone:
        labels.container.delete(name)

    size = {blob.name: blob.size for blob in blobs}
    return Pruned(labels.container.address, gone, sum(size[name] for name in gone), len(blobs))


def _look(labels: LabelStore, state: State) -> tuple[list[Finding], dict]:
    """Every rule that is broken, and the tables that could be read."""
    found, read = check_blobs(labels, state)
    return found + check_tables(read), read
