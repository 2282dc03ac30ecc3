"""Whatever lies in cycle.json, run.json and watcher.json: one line, or it stops nobody."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from helpers_json import DAMAGED, JUNK, places, with_value
from helpers_programs import run
from helpers_state import StateProject
from hypothesis import given, settings
from hypothesis import strategies as st

from train.cycle import alone
from train.cycle.files import begin_cycle, cycle_of, read_cycle, training_cycle, update_cycle
from train.cycle.progress import interrupted_at, note_next
from utils.errors import InputError
from utils.labels.lease import FILE, Lease, document_of, holder_text, is_alive, read_watcher

NOW = datetime.now(UTC)
CYCLE = {
    "base": "c",
    "base_tables": {"tagged": "tagged_1.csv", "test": None},
    "started_at": "2026-01-01T00:00:00Z",
    "listed": 3,
    "class_changes": 0,
    "pred_dir": None,
    "nothing_new": "",
    "records": {"greys": {"16 bits": [0, 4095]}, "train": {"images": 3}},
    "training": {"steps": 3, "best": {"step": 3, "ap50": None}},
    "durations": {"create_predictions": 1.5},
    "random_share": None,
    "model": "m.pb",
    "model_blob": "model_1.pb",
    "names": {"1": "bird"},
    "verdict": {"live": None, "publish": True, "why": "better"},
    "published": {"id": "x", "blobs": {"model": "model_2.pb"}},
    "watcher": {"next": "train_detector", "settings": "x"},
}
WATCHER = {
    "format": 1,
    "holder": "x",
    "name": "anna@desk",
    "pid": 1,
    "place": "/data",
    "started": "2026-01-01T00:00:00Z",
    "heartbeat": "2026-01-01T00:00:00Z",
    "phase": "idle",
    "phase_since": "2026-01-01T00:00:00Z",
    "failures": 1,
    "retry_at": None,
    "error": {"at": "2026-01-01T00:00:00Z", "phase": "x", "text": "why"},
    "new_since": None,
}


@pytest.fixture
def project(folder_store, tmp_path):
    project = StateProject(folder_store, tmp_path, data_dir="data")
    project.settings.data_dir.mkdir(exist_ok=True)
    return project


def put(path: Path, content: bytes | str) -> None:
    """Bytes, a "folder" or a "pipe" in the place of a file."""
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("Windows has no such pipes")
        os.mkfifo(path)
    else:
        path.write_bytes(content)


ODD = {**DAMAGED, "a folder": "folder", "a pipe": "pipe"}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_a_damaged_cycle_is_one_line_and_the_next_one_begins_anew(project, content):
    path, config = project.settings.data_dir / "cycle.json", project.settings
    put(path, content)
    for ask in (read_cycle, training_cycle, update_cycle):
        with pytest.raises(InputError, match=r"cycle\.json: damaged .*; begin the cycle") as error:
            ask(config)
        assert "\n" not in str(error.value)
    assert interrupted_at(config) is None
    note_next(config, "train_detector")
    if content != "folder":
        begin_cycle(config, **CYCLE)
        assert read_cycle(config) == CYCLE


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_a_damaged_note_of_who_works_there_stops_nobody(tmp_path, monkeypatch, content):
    put(tmp_path / "run.json", content)
    alone.take(tmp_path)
    if content != "folder":
        monkeypatch.setenv(alone.RUN, str(os.getpid()))
        alone.take(tmp_path)
        assert json.loads((tmp_path / "run.json").read_bytes())["process"] == os.getpid()


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.sampled_from(["process", "since"]), JUNK)
def test_junk_in_the_note_of_who_works_there_stops_nobody(tmp_path_factory, place, junk):
    folder = tmp_path_factory.getbasetemp()
    note = {"process": 2**22 + 1, "since": "x"}  # more than there are processes
    (folder / "run.json").write_text(json.dumps(note | {place: junk}))
    if not (place == "process" and isinstance(junk, int) and 0 < junk < 2**22):
        alone.take(folder)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.sampled_from(places(CYCLE)), JUNK)
def test_junk_anywhere_in_a_cycle_is_a_cycle_or_one_line(place, junk):
    try:
        cycle = cycle_of(json.dumps(with_value(CYCLE, place, junk)).encode())
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert all(int(number) >= 0 for number in cycle["names"])
    for name in ("base", "started_at", "model", "model_blob"):
        assert isinstance(cycle[name], str)
    for name in ("base_tables", "durations", "names", "published"):
        assert isinstance(cycle[name], dict)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.sampled_from(places(WATCHER)), JUNK)
def test_junk_anywhere_in_a_watcher_is_a_watcher_or_none(place, junk):
    document = document_of(json.dumps(with_value(WATCHER, place, junk)).encode())
    if document is not None:
        is_alive(document, NOW)
        assert holder_text(document) and (document.get("failures") or 0) + 1 > 0


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_watcher_hides_nothing_and_is_replaced(project, content):
    store = project.labels.container
    store.write(FILE, content)
    assert run("tag/status.py", project.config).returncode == 0
    lease = Lease(store, "anna@desk", project.settings.data_dir)
    if content == DAMAGED["a newer format"]:
        with pytest.raises(InputError, match="update your copy"):
            lease.take()
        return
    lease.take()
    assert read_watcher(store)["name"] == "anna@desk"


@pytest.mark.parametrize("member", WATCHER)
@pytest.mark.parametrize("junk", [{}, [1], "x\n\x1b[2J", 10**400, float("nan"), None, True])
def test_the_status_shows_a_project_with_any_watcher(project, member, junk):
    document = WATCHER | {member: junk}
    project.labels.container.write(FILE, json.dumps(document).encode())
    done = run("tag/status.py", project.config)
    assert (done.returncode, done.stderr) == (0, "") and "\x1b" not in done.stdout
