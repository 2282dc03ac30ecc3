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
    other_tables,
    prunable,
    repaired,
    without_lost_helps,
)
from utils.labels.lineage import is_astray
from utils.labels.lost_work import astray, older, taken_back
from utils.labels.state import Change, State
from utils.labels.store import LabelStore

_MADE_ANEW = {  # where no older snapshot is whole, an empty table serves
    "images": "initialize looks at them again",
    "failed": "initialize looks at them again",
    "effort": "what people did until now is counted no more",
}
# What models found, and why images were chosen: it helps, and the next commands make it anew. The
# two of a pretrained model belong together.
_OF_PRETRAINED = ("init_totag", "init_predicted")
_HELPS = ("selection", "predicted", "gone", "crosscheck", *_OF_PRETRAINED)
_ONLY_COPIES = ("tagged", "conflicts")  # what people did, and nobody can make anew


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


def check(store: LabelStore, state: State, *, repair: bool, older_labels: bool = False) -> Checked:
    """Look whether the rules are kept; with `repair`, mend first what has one right answer.
    `older_labels`: go back to an older snapshot of people's work where the newest is gone or
    damaged, though images may be missing in it that were reviewed since.

    Raises OutsideError when something would be mended and a table cannot be read, nor brought back.
    """
    found, read, back = _look(store, state, older_labels)
    mended = [finding for finding in found if finding.repairable] if repair else []
    if mended:
        if any(name not in read and name not in back for name in CHECKED):
            unread = "; ".join(str(finding) for finding in found if finding.rule == 5)
            raise OutsideError(f"nothing was mended, because a table cannot be read: {unread}")
        broken = found

        def mend(now: State) -> Change:
            if now.commit != state.commit and back:
                raise OutsideError(
                    "nothing was mended, because somebody changed the state meanwhile; run the same"
                    " command again"
                )
            present = {
                name: store.table_at(back.get(name, now.blob(name)), name)
                for name in dict.fromkeys([*CHECKED, *back])
            }
            new = {**present, **taken_back(store, now, present, astray(store, now)).tables}
            new |= repaired(new)
            lost = tables.image_set(present["tagged"]) - tables.image_set(new["tagged"])
            if lost:  # no rule takes a label away
                raise OutsideError(
                    f"nothing was mended: {len(lost)} images would lose their labels"
                )
            changed = {
                name: frame
                for name, frame in new.items()
                if name in back or frame is not present[name]
            }
            return Change(changed, without_lost_helps(now, broken, store))

        state, _ = store.commit(mend, what="mending the state")
        found, read, _ = _look(store, state, older_labels)

    images = tables.image_set(read.get("images", tables.empty("images")))
    return Checked(state.commit, found, mended, len(named_blobs(state)), len(images))


def prune(store: LabelStore, state: State, now: datetime) -> Pruned:
    """Delete what `prunable` names."""
    blobs = [
        blob if blob.metadata else store.container.info(blob.name)
        for blob in store.container.list()
    ]
    kept = {
        blob.name
        for blob in blobs
        if is_astray(state.document, blob.name, blob.metadata.get("commit", ""))
    }
    gone = prunable(blobs, named_blobs(state), state.document["history"], now, astray=kept)
    for name in gone:
        store.container.delete(name)

    size = {blob.name: blob.size for blob in blobs}
    return Pruned(store.container.address, gone, sum(size[name] for name in gone), len(blobs))


def _look(
    store: LabelStore, state: State, older_labels: bool
) -> tuple[list[Finding], dict, dict[str, str | None]]:
    """Every rule that is broken, the tables that could be read, and the snapshots ({table: blob},
    None: an empty table) that are to be brought back.
    """
    found, read = check_blobs(store, state)
    brought_back: dict[str, str | None] = {}
    for name in CHECKED:
        if name in _MADE_ANEW and name not in read and not older(store, state, name):
            text = f"tables.{name}: no older snapshot is whole; {_MADE_ANEW[name]}"
            found.append(Finding(5, text, repairable=True))
            brought_back[name] = None  # an empty one
        unnamed = name == "tagged" and state.blob(name) is None
        if (name in read and not unnamed) or not (blob := older(store, state, name)):
            continue
        text = f"tables.{name}: the newest snapshot that is whole is {blob}"
        if name in _ONLY_COPIES and not unnamed:
            count = len(tables.image_set(store.table_at(blob, name)))
            text += (
                f", with {count} images; --repair --older-labels goes back to it, without what came"
                " since"
            )
        if older_labels or unnamed or name not in _ONLY_COPIES:
            brought_back[name] = blob
        found.append(Finding(5, text, repairable=name in brought_back))
    lost = [name for name in other_tables(state) if name not in read]
    if set(lost) & set(_OF_PRETRAINED):
        lost += [name for name in _OF_PRETRAINED if name in read]
    for name in lost:
        blob = None if name in _HELPS else older(store, state, name)
        if blob or name in _HELPS:
            text = f"the newest snapshot that is whole is {blob}"
            text = text if blob else "it only helps; it is dropped, and begun anew"
            found.append(Finding(5, f"tables.{name}: {text}", repairable=True))
            brought_back[name] = blob
    found += check_tables(read)
    if all(name in read for name in CHECKED):
        back = taken_back(store, state, read, astray(store, state))
        found += [
            Finding(
                4,
                f"{len(images)} images have work in {blob}, which is not part of the labels",
                tuple(sorted(images)),
                True,
            )
            for blob, images in back.images.items()
        ]
    return found, read, brought_back
