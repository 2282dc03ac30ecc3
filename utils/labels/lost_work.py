"""Labels that are in our own snapshots and not in the state: of snapshots that no state has named,
and of tables whose snapshot is gone or damaged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from utils.labels import tables
from utils.labels.assignments import conflict_digests, row_digests
from utils.labels.check import damage
from utils.labels.class_changes import with_present_names
from utils.labels.lineage import OF_CLASSES, WORK, is_astray
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.tables import image_set, only, without
from utils.storage.container import Blob
from utils.times import utc_text

_SOMEBODY = "somebody"  # who made a snapshot it does not say


@dataclass
class TakenBack:
    """Tables with the work of snapshots that went astray, and per snapshot the images that came
    back, or went to conflicts as they contradict what is labelled now.
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    images: dict[str, set[str]] = field(default_factory=dict)


def astray(store: LabelStore, state: State) -> list[Blob]:
    """The whole snapshots of people's work that no state has named, oldest first. What a change of
    classes wrote, before it was killed, is nobody's work: made again, it writes it again.
    """
    found = []
    for table in WORK:
        for blob in store.container.list(f"{table}_"):
            if is_astray(state.document, blob.name, "?"):
                described = store.container.info(blob.name)
                commit = described.metadata.get("commit", "")
                if OF_CLASSES in described.metadata:
                    continue
                if is_astray(state.document, blob.name, commit) and not damage(store, blob.name):
                    found.append(described)
    return sorted(found, key=lambda blob: (_stamp(blob.name), blob.name))


def taken_back(
    store: LabelStore, state: State, present: Mapping[str, pd.DataFrame], snapshots: list[Blob]
) -> TakenBack:
    """What is to be taken back from these snapshots into the tables `present` (tagged, tagging,
    test, conflicts).

    Work is what a snapshot has otherwise than the one before it. An image that is as it was then,
    or not labelled, gets it; of one that was changed meanwhile it goes to conflicts, once.
    """
    now = {name: present[name] for name in WORK}
    result = TakenBack()
    for blob in snapshots:
        table = blob.name.rpartition("_")[0]
        rows, before = (
            with_present_names(table, frame, state.classes) if table != "conflicts" else frame
            for frame in (
                store.table_at(blob.name, table),
                _before(store, state, table, blob.name),
            )
        )
        if table == "conflicts":
            back = _rows_only_in(rows, before, now["conflicts"])
            images = image_set(back)
            if len(back):
                now["conflicts"] = tables.concat("conflicts", now["conflicts"], back)
        else:
            images = _labels_back(now, rows, before, table == "test", blob)
        if images:
            result.images[blob.name] = images
    result.tables = {name: frame for name, frame in now.items() if frame is not present[name]}
    return result


def _labels_back(
    now: dict[str, pd.DataFrame],
    rows: pd.DataFrame,
    before: pd.DataFrame,
    lost_only: bool,
    blob: Blob,
) -> set[str]:
    """Take the labels of a snapshot back into the tables `now`; the images concerned. `lost_only`:
    only of images that are not labelled.
    """
    new, old, present = (row_digests(frame) for frame in (rows, before, now["tagged"]))
    work = {image for image, digest in new.items() if old.get(image) != digest}
    back = {
        image
        for image in work
        if image not in present or present[image] == old.get(image) and not lost_only
    }
    set_aside = conflict_digests(now["conflicts"]) if len(now["conflicts"]) else set()
    contradicting = {
        image
        for image in work - back
        if present[image] != new[image] and (image, new[image]) not in set_aside and not lost_only
    }
    if back:
        kept = only(rows, back)
        now["tagged"] = tables.concat("tagged", without(now["tagged"], back), kept)
        if tested := image_set(now["test"]) & back:
            now["test"] = tables.concat("test", without(now["test"], tested), only(kept, tested))
    if contradicting:
        now["conflicts"] = tables.concat(
            "conflicts",
            now["conflicts"],
            only(rows, contradicting).assign(
                tagger=_SOMEBODY,
                at=utc_text(blob.last_modified),
                reason=f"labelled otherwise in {blob.name}, which no state names",
            ),
        )
    return back | contradicting


def older(store: LabelStore, state: State, table: str) -> str | None:
    """The newest whole snapshot of this table that a commit of the project made, other than the one
    that the state names.

    The newest is that of the last commit in the history: the number in a name is the time of a
    machine whose clock may have been wrong.
    """
    named, order = state.blob(table), {id: at for at, id in enumerate(state.document["history"])}
    commits = {
        blob.name: store.container.info(blob.name).metadata.get("commit", "none")
        for blob in store.container.list(f"{table}_")
        if blob.name != named and blob.name.rpartition("_")[0] == table
    }
    by_age = sorted(commits, key=lambda name: (order.get(commits[name], -1), _stamp(name)))
    for name in reversed(by_age):
        commit = commits[name]
        if commit == "none" or is_astray(state.document, name, commit):
            continue
        if not damage(store, name):
            return name
    return None


def _before(store: LabelStore, state: State, table: str, snapshot: str) -> pd.DataFrame:
    """The table as it was when somebody began with what is in this snapshot."""
    earlier = [
        blob.name
        for blob in store.container.list(f"{table}_")
        if blob.name.rpartition("_")[0] == table and _stamp(blob.name) < _stamp(snapshot)
    ]
    for name in sorted(earlier, key=_stamp, reverse=True):
        commit = store.container.info(name).metadata.get("commit", "none")
        if not is_astray(state.document, name, commit) and not damage(store, name):
            return store.table_at(name, table)
    return tables.empty(table)


def _rows_only_in(rows: pd.DataFrame, *others: pd.DataFrame) -> pd.DataFrame:
    """The rows that none of the others has."""
    known = {row for frame in others for row in frame.itertuples(index=False, name=None)}
    new = [row not in known for row in rows.itertuples(index=False, name=None)]
    return rows[new].reset_index(drop=True)


def _stamp(name: str) -> int:
    stamp = name.rpartition("_")[2].partition(".")[0]
    return int(stamp) if stamp.isdigit() else 0
