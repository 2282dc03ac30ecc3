"""Whatever lies in batch.json, every program that reads it works or answers in one line; nothing is
lost, and nothing is deleted.
"""

import json
import os
import shutil

import pytest
from helpers_batch import THREE, BatchProject
from helpers_json import DAMAGED, JUNK, places, with_value
from helpers_programs import run
from helpers_project import Project
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils.batch.batch import batch_of, read_batch
from utils.errors import InputError

PROGRAMS = [
    ("tag/upload_vott_json.py",),
    ("tag/upload_vott_json.py", "--all"),
    ("tag/download_vott_json.py", 2),
    ("tag/download_vott_json.py", 2, "--again"),
    ("tag/download_vott_json.py", 2, "--discard"),
    ("tag/review.py",),
    ("tag/status.py",),
]


@pytest.fixture
def project(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    project.run("download", 2)
    return project


def tree(place) -> dict:
    return {
        path.relative_to(place): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and path.name != "batch.json"
    }


def refused_by_all(project) -> None:
    """Every program that reads batch.json says one line, and leaves files and labels alone."""
    files, state = tree(project.place), project.state().document
    for program, *arguments in PROGRAMS:
        status = program == "tag/status.py"
        said = Project.run(project, program, *arguments, code=0 if status else 2)
        assert "batch.json" in said, (program, said)
    assert tree(project.place) == files and project.state().document == state


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_batch_is_one_line_of_every_program(project, content):
    (project.place / "batch.json").write_bytes(content)
    refused_by_all(project)
    assert (project.place / "batch.json").read_bytes() == content


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_one_line_of_every_program(project, kind):
    marker = project.place / "batch.json"
    marker.unlink()
    if kind == "folder":
        marker.mkdir()
    elif hasattr(os, "mkfifo"):
        os.mkfifo(marker)
    else:
        pytest.skip("Windows has no such pipes")
    refused_by_all(project)


def test_a_member_that_stands_there_twice_is_one_line_of_every_program(project):
    marker = project.place / "batch.json"
    text = marker.read_text(encoding="utf-8")
    marker.write_text(text.replace('"format": 1,', '"format": 1, "images": {},', 1))
    refused_by_all(project)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda batch: batch["files"].update({"../own.txt": "x"}), "outside its folder"),
        (lambda batch: batch["images"].update({"/own.jpg": {}}), "outside its folder"),
        (lambda batch: batch["images"].update({"a/b/own.jpg": {}}), "outside its folder"),
        (lambda batch: batch.update(place="/"), "place"),
        (lambda batch: batch.update(invented=1), "invented"),
        (lambda batch: [one.update(filename="1.jpg") for one in batch["images"].values()], ""),
    ],
)
def test_a_batch_that_names_other_files_is_one_line_of_every_program(project, change, said):
    batch = project.batch
    change(batch)
    if not said:
        for one in batch["images"].values():
            one.update(folder="north")
        said = "the same"
    (project.place / "batch.json").write_text(json.dumps(batch))
    with pytest.raises(InputError, match=said):
        read_batch(project.place)
    refused_by_all(project)


GOOD = {
    "format": 1,
    "tagger": "anna",
    "reserved_at": "2026-01-01T00:00:00Z",
    "wanted": 2,
    "commit": "c",
    "fetched": True,
    "tool": "page",
    "files": {"page.json": "0"},
    "sending": {"commit": "d", "digests": {"a/1.jpg": "0"}},
    "tags": {"bird": "bird"},
    "images": {
        "Images/1.jpg": {
            "folder": "a",
            "filename": "1.jpg",
            "boxes": [["bird", 0.1, 0.5, 0.2, 0.8, 0.9], ["seal", 0, 1, 0, 1, None]],
            "sent": [[["bird", 0.1, 0.5, 0.2, 0.8]]],
            "etag": "1-2",
            "width": 200,
            "height": 100,
        }
    },
}


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.sampled_from(places(GOOD)), JUNK)
def test_junk_anywhere_is_a_batch_or_one_line(tmp_path_factory, place, junk):
    text = json.dumps(with_value(GOOD, place, junk)).encode()
    try:
        batch = batch_of(text, tmp_path_factory.getbasetemp())
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert batch.handed_out.number and batch.folders is not None
    assert len(batch.blobs) == len(batch.images)


@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_with_junk_anywhere_in_it_programs_work_or_say_one_line(project, data):
    """No image leaves the project, and what somebody labelled stays."""
    folder = project.place.parent
    if not (folder / "whole").exists():
        shutil.copytree(project.place, folder / "whole")
        shutil.copytree(folder / "store", folder / "stored")
    for place, whole in ((project.place, "whole"), (folder / "store", "stored")):
        shutil.rmtree(place)
        shutil.copytree(folder / whole, place)
    place, junk = data.draw(st.sampled_from(places(project.batch))), data.draw(JUNK)
    text = json.dumps(with_value(project.batch, place, junk))
    (project.place / "batch.json").write_text(text, encoding="utf-8")
    program, *arguments = data.draw(st.sampled_from(PROGRAMS[:5] + PROGRAMS[6:]))
    done = run(program, *arguments, project.config)
    assert "Traceback" not in done.stderr, (text, done.stderr)
    assert done.returncode in (0, 1, 2)
    held = [blob for name in ("totag", "tagging", "tagged") for blob in project.names(name)]
    assert [held.count(blob) for blob in ("north/1.jpg", "south/1.jpg", "south/2.jpg")] == [1] * 3
