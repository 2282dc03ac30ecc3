"""A table of the label container as a CSV file, for people and other programs."""

import difflib
from pathlib import Path

from utils.errors import InputError
from utils.files import write_bytes
from utils.labels import tables
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.names import short


def export(store: LabelStore, state: State, name: str, folder: Path) -> str:
    """Write a table of this state as `<name of its snapshot>.csv` into the folder; a line for
    people. Raises InputError for a table that the state does not have, and where another file of
    that name lies.
    """
    present = sorted(
        table
        for table, blob in state.document["tables"].items()
        if blob and table in tables.COLUMNS
    )
    if name not in present:
        near = difflib.get_close_matches(name, present, 1)
        there = f"; near: {near[0]}" if near else f"; there are: {', '.join(present) or 'none'}"
        raise InputError(f"--export {short(name)}: there is no such table{there}")

    frame = store.table(state, name)
    data = tables.to_csv(name, frame, store.user_folders)
    path = folder / f"{state.blob(name).rpartition('.')[0]}.csv"
    if path.exists() and path.read_bytes() != data:
        raise InputError(f"{path}: another file lies there; move it away")
    write_bytes(path, data)
    return f"{len(frame)} rows of {state.blob(name)} → {path}"
