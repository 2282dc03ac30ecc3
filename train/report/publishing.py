"""Publishing a report: the page and its twin, and one commit that names them."""

import json
from dataclasses import dataclass
from pathlib import Path

from train.report.document import make_report
from train.report.material import gather
from train.report.page import page
from utils.config import Config
from utils.files import write_bytes
from utils.labels.reports import DATA, KIND, PAGE
from utils.labels.state import Change, State, new_commit_id
from utils.labels.store import LabelStore
from utils.storage.container import Container


@dataclass(frozen=True)
class Published:
    """The blobs of a report, the page as a file of this machine, and its data."""

    page: str
    data: str
    file: Path
    document: dict


def publish_report(config: Config, container: Container, store: LabelStore) -> Published:
    """Make a report of the project as it is now, and publish it. The newest cycle gets it, if it
    has none yet. Raises InputError when there is no project.
    """
    state = store.read_project()
    report = make_report(gather(config, container, store, state))
    html = page(report)
    data = json.dumps(report.document, indent=1).encode() + b"\n"
    commit = new_commit_id()
    names = store.publish_twins(KIND, {PAGE: html, DATA: data}, commit)

    def change(now: State) -> Change:
        members: dict = {"report": names[PAGE]}
        if now.cycles and now.cycles[-1].get("id") == _id_of_last(state):
            *before, last = now.cycles
            members["cycles"] = [*before, {"report": names[PAGE], **last}]
        return Change(members=members)

    store.commit(change, what="publishing the report", commit_id=commit)
    file = config.data_dir / f"{KIND}{PAGE}"
    write_bytes(file, html)
    return Published(names[PAGE], names[DATA], file, report.document)


def _id_of_last(state: State) -> str | None:
    return state.cycles[-1].get("id") if state.cycles else None
