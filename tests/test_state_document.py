"""label_state.json is other people's text: nothing in it decides a path, and whatever lies in it is
answered in one line.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from helpers_json import JUNK, places, with_value
from helpers_programs import run
from helpers_state import StateProject
from helpers_tables import labels
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils.config import load_config
from utils.errors import InputError, OutsideError
from utils.files import local_path
from utils.labels.document import STATE, is_blob_of, read_document
from utils.labels.state import Change

NAMES = {
    "absolute": "/tmp/owned.csv",
    "upwards": "../../owned.csv",
    "upwards behind a good beginning": "tagged_1/../../../owned.csv",
    "with backslashes": "..\\..\\owned.csv",
    "of a drive": "C:\\owned.csv",
    "relative to a drive": "C:owned.csv",
    "of a share": "\\\\host\\share\\owned.csv",
    "of a share with strokes": "//host/share/owned.csv",
    "of a device": "\\\\.\\pipe\\owned",
    "in a home folder": "~/owned.csv",
    "in a folder": "tagged_1/owned.csv",
    "with a stream": "tagged_1.csv:owned",
    "with a line end": "tagged_1.csv\n",
    "with an escape": "tagged_1\x1b[2J.csv",
    "in other digits": "tagged_\u0661.csv",
    "of another table": "totag_1.csv",
    "empty": "",
    "reserved": "CON",
    "hidden": ".store",
    "the state itself": "label_state.json",
}
PLACES = [
    ("tables", "tagged"),
    ("tables", "images"),
    ("tables", "invented_later"),
    ("live", "model"),
    ("live", "embeddings"),
    ("live", "label_map"),
    ("candidate", "model"),
    ("candidate", "made_totag"),
    ("candidate", "base_tagged"),
    ("cycles", 0, "tagged"),
    ("cycles", 0, "model"),
    ("evaluations", 0, "performance"),
]
GOOD = {
    "format": 1,
    "commit": "c1",
    "history": ["c0", "c1"],
    "at": "2026-01-01T00:00:00Z",
    "by": "anna",
    "project": "p",
    "tables": {"tagged": "tagged_1.csv", "totag": None},
    "live": {"model": "model_1.pb", "embeddings": "embeddings_1.parquet"},
    "candidate": {"model": "model_2.pb", "verdict": {"why": "worse"}, "base_test": None},
    "cycles": [
        {
            "id": "1",
            "tagged": "tagged_1.csv",
            "images_labelled": 3,
            "predicted": {"images": 3},
            "metrics": {"Average": {"AP": 0.5, "coco_ap": None}},
            "random_share": {"AP": 0.1, "low": 0.0, "high": None, "images": 3},
        }
    ],
    "evaluations": [{"model": "their own.pb", "performance": "performance_1.csv"}],
    "classes": {"renamed": {"a": "b"}, "dropped": ["c"], "changes": []},
    "foreign": {"checked": "x", "blobs": ["tagged_by hand.csv"], "settled": []},
    "predicted_by": {"key": "their own.pb"},
    "greys": {"16 bits": [0, 4095]},
    "pretrained_next": False,
    "invented_later": {"x": [1, None]},
}


def kind_of(place: tuple) -> str:
    return str(place[-1]).removeprefix("made_").removeprefix("base_")


def refusal(document) -> str:
    with pytest.raises(InputError) as caught:
        read_document(json.dumps(document).encode(), "it")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def tree(*folders: Path) -> set[Path]:
    return {path for folder in folders for path in folder.rglob("*")}


def test_a_good_document_is_read_and_what_we_do_not_know_is_kept():
    assert read_document(json.dumps(GOOD).encode(), "it") == GOOD


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_blob_of_the_state_has_the_name_that_a_commit_gives(place, name):
    if (kind_of(place), name) == ("totag", NAMES["of another table"]):
        return
    said = refusal(with_value(GOOD, place, name))
    assert said.startswith("it is damaged (bad " + str(place[0]))
    assert not is_blob_of("tagged", name)


@pytest.mark.parametrize("name", [name for kind, name in NAMES.items() if kind != "hidden"])
def test_no_name_leaves_its_folder_on_any_system(tmp_path, name, monkeypatch):
    for system in ("posix", "nt"):
        monkeypatch.setattr("utils.files.os.name", system)
        try:
            path = local_path(tmp_path, name)
        except InputError:
            continue
        finally:
            monkeypatch.setattr("utils.files.os.name", os.name)
        assert path.parent.is_relative_to(tmp_path) and "\\" not in name


@pytest.mark.parametrize("name", ["absolute", "upwards", "with backslashes", "of a drive"])
@pytest.mark.parametrize("member", [("tables", "tagged"), ("live", "model")])
def test_a_state_that_names_a_path_writes_nothing_anywhere(
    store, tmp_path, monkeypatch, name, member
):
    """As an annotator would attack the others: a blob of that name is there too."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    project = StateProject(store, tmp_path, data_dir="data")
    blob = str(home / "owned.csv") if name == "absolute" else NAMES[name]
    if store.kind == "azurite":
        with suppress(OutsideError):  # Azurite takes no ..
            store.labels.write(blob, b"owned")
    state, before = project.labels.container.read(STATE)
    document = with_value(json.loads(state), member, blob)
    store.labels.write(STATE, json.dumps(document).encode(), if_etag=before.etag)
    there = tree(tmp_path)
    for program, *arguments in (
        ("tag/status.py", project.config),
        ("tag/status.py", project.config, "--check"),
        ("tag/status.py", project.config, "--repair"),
        ("tag/download_vott_json.py", 1, project.config),
        ("train/fetch_model.py", project.config),
        ("train/sync_images.py", project.config),
    ):
        done = run(program, *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert f"is damaged (bad {'.'.join(member)})" in done.stderr
    assert not [path for path in tree(tmp_path) - there if path.name.startswith("owned")]
    assert store.labels.read(STATE)[0] == json.dumps(document).encode()


def test_a_state_that_others_would_refuse_is_not_written(store, tmp_path):
    project = StateProject(store, tmp_path)
    before = project.labels.container.read(STATE)[0]
    with pytest.raises(InputError, match="what would be written"):
        project.labels.commit(
            lambda state: Change({"tagged": labels("a.jpg NULL")}, {"live": {"model": "../x"}}),
            what="test",
        )
    assert project.labels.container.read(STATE)[0] == before


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(places(GOOD)), JUNK)
def test_with_junk_anywhere_in_the_state_programs_work_or_say_one_line(folder_project, place, junk):
    project, state = folder_project
    try:
        text = json.dumps(with_value({**GOOD, **state}, place, junk)).encode()
    except (TypeError, KeyError, IndexError):
        return
    try:
        read_document(text, "it")
    except InputError as error:
        assert "\n" not in str(error)
        return
    (Path(project.labels.container.address) / STATE).write_bytes(text)
    for arguments in ([], ["--check"]):
        done = run("tag/status.py", project.config, *arguments)
        lines = done.stderr.splitlines()
        assert done.returncode in (0, 1) or (done.returncode == 2 and len(lines) == 1), lines


@pytest.fixture(scope="module")
def folder_project(tmp_path_factory):
    """A project whose state has every member, and those of its members that name its files."""
    folder = tmp_path_factory.mktemp("junk")
    for name in ("images", "labels"):
        (folder / "store" / name).mkdir(parents=True)

    class Store:
        def config_text(self, **chosen):
            lines = {
                "storage_url": folder / "store",
                "image_container_name": "images",
                "label_container_name": "labels",
                "user_folders": "True",
                "classes": "bird,seal",
                "tagging_location": "Tag",
                **chosen,
            }
            return "".join(f"{key}={value}\n" for key, value in lines.items())

    project = StateProject(Store(), folder)
    state = json.loads(project.labels.container.read(STATE)[0])
    load_config(project.config)
    return project, {
        name: state[name] for name in ("tables", "commit", "history", "foreign") if name in state
    }
