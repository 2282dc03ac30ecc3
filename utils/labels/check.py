"""Does the label container keep its rules? Checks over one state as pure functions of its tables,
what they can mend, what may be pruned.

1. Every image of images or failed is in one of tagged, tagging, failed, totag (of several the first
   named holds it; totag may still list images of the others).
2. An image is out to one person.
3. Rows are whole: no image is empty and has boxes, coordinates are ordered fractions, test has the
   rows of tagged.
4. What was labelled stays labelled.
5. Every blob that is named is there, and whole.
6. What people did is counted once.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from utils.errors import InputError
from utils.labels import tables
from utils.labels.assignments import add_new_images
from utils.labels.effort_table import counted_twice
from utils.labels.renamed import present_names, under_present_names
from utils.labels.reports import is_page, page_of, twin_of
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.table_files import BASE, MOST_PARTS
from utils.labels.tables import blob_names, image_set, only, without
from utils.labels.takeover import clean
from utils.python_check import quoted
from utils.reserved import NULL
from utils.storage.container import Blob, Container, Damaged, Missing

CHECKED = (
    "images",
    "failed",
    "totag",
    "tagging",
    "tagged",
    "test",
    "review",
    "conflicts",
    "effort",
)
_BOX_TABLES = ("totag", "tagging", "tagged", "test")
_FILES = ("model", "label_map", "embeddings", "config", "candidate", "report", "shortlist")
_OURS = re.compile(rf"({'|'.join((*tables.COLUMNS, *_FILES))})_\d{{10,}}\.\w+")
_HELPS = ("embeddings", "tested", "report", "shortlist")  # what can be made anew, or done without
_CYCLE_BLOBS = (
    "tagged",
    "test",
    "totag",
    "model",
    "label_map",
    "config",
    "performance",
    "tested",
    "report",
    "embeddings",
)
# commits before the 30 days whose snapshots are kept: the state of that day may have named any of
# them
_SPARE = 3


@dataclass(frozen=True)
class Finding:
    """A rule that is broken. `images` are concerned; `repairable`: there is one right answer, which
    `repaired` gives.
    """

    rule: int
    text: str
    images: tuple[str, ...] = ()
    repairable: bool = False

    def __str__(self) -> str:
        shown = ", ".join(self.images[:3]) + (
            f" and {len(self.images) - 3} more" if len(self.images) > 3 else ""
        )
        colon = ": " if shown else ""
        mended = " (--repair mends it)" if self.repairable else ""
        return f"rule {self.rule}: {self.text}{colon}{shown}{mended}"


def check_tables(present: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Rules 1 to 4 and 6 over the tables of one state ({name: table}; those of CHECKED that are not
    there count as empty).
    """
    at = {name: present.get(name, tables.empty(name)) for name in CHECKED}
    held = {name: image_set(at[name]) for name in CHECKED}
    listed = held["images"] | held["failed"]
    found = []

    def report(rule: int, text: str, images: Iterable[str], repairable: bool = True) -> None:
        if images := tuple(sorted(images)):
            found.append(Finding(rule, f"{len(images)} images {text}", images, repairable))

    report(
        1,
        "are in no list",
        listed - held["totag"] - held["tagging"] - held["tagged"] - held["failed"],
    )
    report(1, "are tagged, and handed out as well", held["tagging"] & held["tagged"])
    for name in ("tagging", "review"):
        # without a tagger: queued
        out = at[name][at[name]["tagger"] != ""] if name == "review" else at[name]
        holders = out.assign(image=blob_names(out))[
            ["image", "tagger", "reserved_at"]
        ].drop_duplicates()
        report(
            2,
            f"are in {name} under several names or times",
            set(holders["image"][holders["image"].duplicated()]),
            False,
        )
    report(2, "are under review, and not tagged", held["review"] - held["tagged"])
    for name in _BOX_TABLES:
        report(3, f"of {name} have rows that cannot be", _impossible(at[name]))
    report(4, "of the test set are not tagged any more", held["test"] - held["tagged"])
    report(
        3,
        "of the test set have other rows there than in tagged",
        _differing(at["test"], at["tagged"]),
    )
    twice = image_set(at["effort"][counted_twice(at["effort"])])
    report(6, "have work in effort that is counted twice", twice)
    return found


def check_blobs(store: LabelStore, state: State) -> tuple[list[Finding], dict[str, pd.DataFrame]]:
    """Rule 5 for every blob that the state names, and rule 4 against what its cycles began with;
    with the tables that could be read.
    """
    found, read, bad = [], {}, set()
    for blob, where in sorted(named_blobs(state).items()):
        if problem := damage(store, blob):
            bad.add(blob)
            found.append(Finding(5, f"{where}: {problem}", repairable=_is_help(blob)))
    for name in (*CHECKED, *other_tables(state)):
        if state.blob(name) not in bad:
            try:
                read[name] = store.table(state, name)
            except InputError as error:
                found.append(Finding(5, f"tables.{name}: {error}"))
    if "tagged" in read:
        found += _lost_labels(store, state, read["tagged"])
    return found, read


def other_tables(state: State) -> list[str]:
    """The tables of a state beside those of CHECKED."""
    return [
        name
        for name, blob in state.document["tables"].items()
        if blob and name in tables.COLUMNS and name not in CHECKED
    ]


def named_blobs(state: State) -> dict[str, str]:
    """Every blob that the state needs, with who names it."""
    named = {blob: f"tables.{name}" for name, blob in state.document["tables"].items() if blob}
    for member in ("live", "candidate"):
        values = state.document.get(member) or {}
        named |= {
            blob: f"{member}.{kind}"
            for kind, blob in values.items()
            if isinstance(blob, str) and _OURS.fullmatch(blob)
        }
    named |= {
        entry[kind]: "evaluations"
        for entry in state.document.get("evaluations") or []
        for kind in ("performance", "tested")
        if isinstance(entry.get(kind), str)
    }
    if state.report:
        named[state.report] = "report"
    for number, cycle in enumerate(state.cycles, 1):
        named |= {
            cycle[kind]: f"cycle {number}, {kind}"
            for kind in _CYCLE_BLOBS
            if isinstance(cycle.get(kind), str)
        }
    return named | {twin_of(blob): where for blob, where in named.items() if is_page(blob)}


def repaired(present: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables that differ after everything with one right answer was mended."""
    at = {name: present.get(name, tables.empty(name)) for name in CHECKED}
    new = dict(at)
    for name in _BOX_TABLES:
        if bad := _impossible(at[name]):
            new[name] = tables.concat(
                name, without(at[name], bad), clean(name, only(at[name], bad))
            )
    # they were labelled: a row of the test set is one of tagged
    lost = without(new["test"], image_set(new["tagged"]))
    new["tagged"] = tables.concat("tagged", new["tagged"], lost) if len(lost) else new["tagged"]
    new["tagging"] = without(new["tagging"], image_set(new["tagged"]) & image_set(new["tagging"]))
    if (members := image_set(at["test"])) and (
        _differing(new["test"], new["tagged"]) or members - image_set(new["tagged"])
    ):
        new["test"] = only(new["tagged"], members)
    new["review"] = only(new["review"], image_set(new["tagged"]))
    if (twice := counted_twice(new["effort"])).any():
        new["effort"] = new["effort"][~twice].reset_index(drop=True)
    totag = add_new_images(
        new["images"], new["failed"], new["totag"], new["tagged"], new["tagging"]
    )
    new["totag"] = new["totag"] if totag is None else totag
    return {
        name: frame
        for name, frame in new.items()
        if len(frame) != len(at[name]) or not frame.equals(at[name])
    }


def without_lost_helps(state: State, findings: Iterable[Finding], store: LabelStore) -> dict:
    """The members of a state that name what only helps (embeddings, what was found in test images,
    reports), without those that are gone or damaged.
    """
    if not any(finding.rule == 5 and finding.repairable for finding in findings):
        return {}
    helps = filter(_is_help, named_blobs(state))
    lost = {page_of(blob) for blob in helps if damage(store, blob)}

    def rest(names: dict) -> dict:
        return {
            key: value for key, value in names.items() if key not in _HELPS or value not in lost
        }

    candidate = state.document.get("candidate")
    evaluations = state.document.get("evaluations")
    return {
        "report": None if state.report in lost else state.report,
        "evaluations": evaluations and list(map(rest, evaluations)),
        "live": rest(state.live),
        "cycles": [rest(cycle) for cycle in state.cycles],
        "candidate": candidate and rest(candidate),
    }


def _is_help(blob: str) -> bool:
    return blob.startswith(tuple(f"{kind}_" for kind in _HELPS))


def prunable(
    blobs: Iterable[Blob],
    named: Iterable[str],
    history: Iterable[str],
    now: datetime,
    days: float = 30,
    astray: Collection[str] = (),
) -> list[str]:
    """Names of the snapshots (`blobs`, with metadata) that we wrote and that neither a state of the
    last `days` nor a cycle names. Those `astray` stay: people's work may be nowhere else.

    Which old snapshot was in force `days` ago the container does not tell for certain (a killed
    commit leaves some that never were), so of each kind those of the last commits before that day
    stay.
    """
    blobs = list(blobs)
    limit, named, history = now.astimezone(UTC) - timedelta(days=days), set(named), set(history)
    old: dict[str, list[Blob]] = {}
    for blob in blobs:
        if _OURS.fullmatch(blob.name) and "commit" in blob.metadata and blob.last_modified < limit:
            old.setdefault(_OURS.fullmatch(blob.name)[1], []).append(blob)
    gone = []
    for group in old.values():
        spared: list[str] = []
        for blob in sorted(group, key=lambda blob: (blob.last_modified, blob.name), reverse=True):
            commit = blob.metadata["commit"]
            if commit not in spared and len(spared) < _SPARE and not history & set(spared):
                spared.append(commit)
            if commit not in spared and blob.name not in named and blob.name not in astray:
                gone.append(blob.name)
    base_of = {blob.name: blob.metadata.get(BASE) for blob in blobs}
    return sorted(set(gone) - _bases(base_of.keys() - set(gone), base_of))


def _bases(names: Iterable[str], base_of: Mapping[str, str | None]) -> set[str]:
    """What these snapshots are based on, directly or not."""
    found: set[str] = set()
    for name in names:
        base = base_of.get(name)
        while base and base not in found:
            found.add(base)
            base = base_of.get(base)
    return found


def damage(store: LabelStore, blob: str) -> str | None:
    """What is wrong with a blob that the state names: it (or one that it is based on) is gone, or
    does not hold what was written.
    """
    present: str | None = blob
    for _ in range(MOST_PARTS):
        try:
            described = store.container.info(present)
            written = described.metadata
            same = int(written.get("bytes", described.size)) == described.size
            if same and "sha256" in written:
                same = _sha256(store.container, present) == written["sha256"]
        except (Missing, Damaged) as error:
            return str(error)
        if not same:
            return (
                f"{present} is damaged, it does not hold what was written there; restore it from a"
                " copy"
            )
        present = written.get(BASE)
        if not present:
            return None
    return f"{blob} is made of too many parts"


def _sha256(container: Container, blob: str) -> str:
    """The digest of what the container itself holds (not of a copy in the cache), by way of the
    disk: models are large.
    """
    with TemporaryDirectory() as folder:
        path = container.path_of(blob)
        if path is None:
            path = Path(folder) / "blob"
            container.fetch(blob, path, durable=False)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _impossible(frame: pd.DataFrame) -> set[str]:
    """Images that have boxes and are empty too, are empty twice, or have coordinates that are no
    ordered fractions.
    """
    if not len(frame):
        return set()
    names, null = blob_names(frame), frame["class"] == NULL
    bad = names[null].duplicated().reindex(names.index, fill_value=False) | (
        null & names.isin(set(names[~null]))
    )
    for low, high in (("xmin", "xmax"), ("ymin", "ymax")):
        bad |= ~((frame[low] >= 0) & (frame[low] <= frame[high]) & (frame[high] <= 1))
    return set(names[bad])


def _differing(test: pd.DataFrame, tagged: pd.DataFrame) -> set[str]:
    """Images of both tables whose rows are not the same."""
    both = image_set(test) & image_set(tagged)
    columns = [name for name in tables.COLUMNS["tagged"] if name not in ("folder", "filename")]
    rows = [only(frame, both) for frame in (test, tagged)]
    counted = [
        Counter(
            frame.assign(image=blob_names(frame))[["image", *columns]].itertuples(
                index=False, name=None
            )
        )
        for frame in rows
    ]
    return {row[0] for row in (counted[0] - counted[1]) + (counted[1] - counted[0])}


def _lost_labels(store: LabelStore, state: State, tagged: pd.DataFrame) -> list[Finding]:
    """Rule 4: an image that the last cycle found tagged is tagged still (under another folder, when
    folders were completed since).
    """
    blob = state.cycles[-1].get("tagged") if state.cycles else None
    if not blob or blob == state.blob("tagged"):
        return []
    try:
        before = store.table_at(blob, "tagged")
    except (Missing, InputError, OSError):
        return []  # rule 5 has said so
    before = under_present_names(before, present_names(store, state, blob))
    lost = without(before, image_set(tagged))
    lost = lost[~lost["filename"].isin(set(tagged["filename"]))]
    images = tuple(sorted(image_set(lost)))
    return (
        [
            Finding(
                4,
                f"{len(images)} images were tagged when the last cycle began, and are not any more;"
                f" their rows are in {blob}, which import_labels.py {quoted(blob)} CONFIG takes in",
                images,
            )
        ]
        if images
        else []
    )
