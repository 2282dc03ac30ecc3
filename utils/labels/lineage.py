"""Which snapshots of people's work the states of a project have named: the member `work` of
label_state.json, {"since": ms, "made": {table: [ms]}}, with `ms` as in the names of blobs.

In a synced folder two people may commit before their copies meet; then one state stands, and what
the other one named lies in the container without being part of the labels. A commit that was killed
leaves such snapshots too. The history of commits ends too soon to tell them from what was in force
once.
"""

import re
from collections.abc import Mapping

WORK = ("tagged", "conflicts", "test")
OF_CLASSES = "of_classes"  # in the metadata of snapshots that differ by the names of classes only
HISTORY = 100  # commits that a state remembers
_MOST = 10_000  # of each table
_NAME = re.compile(rf"({'|'.join(WORK)})_(\d+)\.csv")


def with_made(before: dict, new: Mapping[str, str]) -> dict:
    """The member `work` after a commit upon the document `before` that wrote the snapshots `new`
    ({table: blob}); {} when it is as before.
    """
    made = {name: _stamp(blob) for name, blob in new.items() if name in WORK}
    if not made:
        return {}
    known = before.get("work")
    if not known:
        named = [blob for name, blob in before["tables"].items() if name in WORK and blob]
        known = {"since": max(map(_stamp, named), default=0), "made": {}}
    lists, since = dict(known["made"]), known["since"]
    for name, stamp in made.items():
        stamps = [*lists.get(name, []), stamp]
        lists[name] = stamps[-_MOST:]
        since = max([since, *stamps[:-_MOST]])
    return {"work": {"since": since, "made": lists}}


def is_astray(document: dict, blob: str, commit: str) -> bool:
    """Whether a snapshot of people's work that this commit made is one that no state of the
    project has named.
    """
    match = _NAME.fullmatch(blob)
    if not match or commit in ("", "none", *document["history"]):
        return False
    if blob in document["tables"].values():
        return False
    name, stamp = match[1], int(match[2])
    work = document.get("work")
    if not work:  # an earlier version wrote the state
        return len(document["history"]) < HISTORY
    return stamp > work["since"] and stamp not in work["made"].get(name, [])


def _stamp(blob: str) -> int:
    match = _NAME.fullmatch(blob)
    return int(match[2]) if match else 0
