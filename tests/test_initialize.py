"""initialize.py and sync_images.py as people run them, on both kinds of store."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from helpers_programs import ROOT, run
from helpers_project import Project

from utils.images.decoding import encode_jpeg
from utils.labels import tables


def jpeg(width: int = 4, height: int = 3) -> bytes:
    return encode_jpeg(np.zeros((height, width, 3), np.uint8))


def ran(project: Project, program: str) -> tuple[int, str, str]:
    """A program of train/ with this config: its exit code, what it printed, and its faults."""
    done = run(f"train/{program}", project.config)
    return done.returncode, done.stdout, done.stderr


def started(project: Project, program: str) -> subprocess.Popen:
    """The same in a process of its own, that goes on."""
    return subprocess.Popen(
        [sys.executable, ROOT / "train" / program, project.config],
        text=True,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def project(store, tmp_path, monkeypatch) -> Project:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Project(store, tmp_path)


def test_an_empty_container_is_one_line_and_exit_code_2(project):
    code, out, err = ran(project, "initialize.py")

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "is empty" in err


def test_initialize_lists_every_image_and_puts_readable_ones_on_the_list_to_tag(project):
    project.store.images.write("a/1.jpg", jpeg(4, 3))
    project.store.images.write("b/1.jpg", jpeg(8, 6))
    project.store.images.write("2.jpg", b"no image")

    code, out, err = ran(project, "initialize.py")

    assert (code, err) == (0, "")
    assert out.startswith("3 images (3 new, 1 failed) → totag_") and out.count("\n") == 1
    totag = project.table("totag")
    assert totag[["filename", "class", "height", "width", "folder"]].values.tolist() == [
        ["1.jpg", "NULL", 3, 4, "a"],
        ["1.jpg", "NULL", 6, 8, "b"],
    ]
    assert totag[["box_confidence", "image_confidence"]].isna().all(axis=None)
    assert tables.image_set(project.table("images")) == {"a/1.jpg", "b/1.jpg"}
    assert tables.image_set(project.table("failed")) == {"2.jpg"}
    assert 'name: "bird"' in (project.folder / "data" / "pascal_label_map.pbtxt").read_text()


def test_initialize_again_changes_nothing(project):
    project.store.images.write("1.jpg", jpeg())
    ran(project, "initialize.py")
    before = [(blob.name, blob.etag) for blob in project.store.labels.list()]

    code, out, _ = ran(project, "initialize.py")

    assert code == 0 and out.startswith("1 images (0 new, 0 failed) → totag_")
    assert [(blob.name, blob.etag) for blob in project.store.labels.list()] == before


def test_initialize_again_adds_new_images_and_leaves_all_other_rows(project):
    for name in ("labelled.jpg", "out.jpg", "free.jpg", "gone.jpg"):
        project.store.images.write(name, jpeg())
    ran(project, "initialize.py")
    row = project.table("totag").iloc[[0]]
    tagged = row.assign(filename="labelled.jpg")[tables.COLUMNS["tagged"]]
    tagging = row.assign(filename="out.jpg", tagger="ann", reserved_at="2026-01-01T00:00:00Z")
    free = tables.only(project.table("totag"), {"free.jpg", "gone.jpg"})
    seen = free.assign(
        **{
            "class": "bird",
            "xmax": 0.5,
            "ymax": 0.5,
            "box_confidence": 0.9,
            "image_confidence": 0.9,
        }
    )
    project.commit(tagged=tagged, tagging=tagging, totag=seen)
    project.store.images.delete("gone.jpg")
    project.store.images.write("new.jpg", jpeg(5, 3))

    code, out, _ = ran(project, "initialize.py")

    assert code == 0 and out.splitlines()[-1].startswith("5 images (1 new, 0 failed)")
    totag = project.table("totag")
    assert tables.without(totag, {"new.jpg"}).equals(seen.reset_index(drop=True))
    assert totag[totag["filename"] == "new.jpg"]["class"].tolist() == ["NULL"]
    assert project.table("tagged").equals(tagged) and project.table("tagging").equals(tagging)


def test_two_initializes_at_once_list_each_image_once(project):
    names = [f"{number}.jpg" for number in range(20)]
    for name in names:
        project.store.images.write(name, jpeg())

    ends = [
        process.communicate() + (process.returncode,)
        for process in [started(project, "initialize.py") for _ in range(3)]
    ]

    assert [code for _, _, code in ends] == [0, 0, 0]
    assert (
        sorted(project.table("totag")["filename"])
        == sorted(project.table("images")["filename"])
        == sorted(names)
    )


def test_images_left_out_are_counted_with_the_key_and_listed(store, tmp_path):
    project = Project(store, tmp_path, user_folders="False")
    store.images.write("1.jpg", jpeg())
    store.images.write("a/2.jpg", jpeg())

    code, out, err = ran(project, "initialize.py")

    assert code == 0 and out.startswith("1 images (1 new, 0 failed)")
    assert err == "warning: 1 images in folders are left out; user_folders=True takes them in\n"
    assert (
        "folder"
        not in store.labels.read(next(blob.name for blob in store.labels.list("totag_")))[
            0
        ].decode()
    )


def test_a_name_that_leaves_the_folder_is_reported(azurite_store, tmp_path):
    project = Project(azurite_store, tmp_path)
    azurite_store.images.write("1.jpg", jpeg())
    azurite_store.images.write("C:/evil.jpg", jpeg())

    code, out, err = ran(project, "initialize.py")

    listed_in = tmp_path / "data" / "left_out.csv"
    assert code == 0 and out.startswith("1 images (1 new")
    assert (
        err
        == "warning: 1 images are left out, e.g. 'C:/evil.jpg': the name is an absolute path; all"
        f" of them: {listed_in}\n"
    )
    assert listed_in.read_text() == 'name,reason\n"C:/evil.jpg","the name is an absolute path"\n'


def test_a_name_of_broken_unicode_is_reported(folder_store, tmp_path):
    project = Project(folder_store, tmp_path)
    folder_store.images.write("1.jpg", jpeg())
    folder = os.fsencode(folder_store.images.path_of("1.jpg").parent)
    try:
        with open(folder + b"/broken\xff.jpg", "wb") as file:
            file.write(jpeg())
    except OSError:
        pytest.skip("this file system holds Unicode names only")

    code, out, err = ran(project, "initialize.py")

    assert code == 0 and out.startswith("1 images (1 new")
    assert "not valid Unicode" in err


def test_when_no_image_can_be_read_the_exit_code_says_so(folder_store, tmp_path):
    project = Project(folder_store, tmp_path)
    folder_store.images.write("1.jpg", b"no image")

    code, out, _ = ran(project, "initialize.py")

    assert code == 1 and out.startswith("1 images (1 new, 1 failed)")


def test_a_cycle_begins_with_the_images_and_the_labels_as_they_are(project):
    for name in ("a/1.jpg", "a/2.jpg", "gone.jpg"):
        project.store.images.write(name, jpeg())
    project.store.images.write("bad.jpg", b"no image")
    ran(project, "initialize.py")
    tagged = tables.make(
        "tagged",
        filename=["1.jpg", "gone.jpg"],
        class_="NULL",
        xmin=0.0,
        xmax=0.0,
        ymin=0.0,
        ymax=0.0,
        height=3,
        width=4,
        folder=["a", ""],
    )
    state = project.commit(tagged=tagged)
    project.store.images.delete("gone.jpg")
    project.store.images.write("new.jpg", jpeg())
    before = [blob.etag for blob in project.store.labels.list()]

    code, out, err = ran(project, "sync_images.py")

    data = project.folder / "data"
    fetched = 0 if project.store.kind == "folder" else 1
    assert (code, out, err) == (
        0,
        f"4 images ({fetched} fetched, 1 failed), 2 labelled → {data / 'images.csv'}\n",
        "",
    )
    assert tables.image_set(tables.parse("images", data / "images.csv")) == {
        "a/1.jpg",
        "a/2.jpg",
        "new.jpg",
    }
    assert tables.image_set(tables.parse("failed", data / "failed.csv")) == {"bad.jpg"}
    assert tables.parse("tagged", data / "tagged.csv").equals(tagged)
    assert (
        len(tables.parse("tagging", data / "tagging.csv"))
        == len(tables.parse("test", data / "test.csv"))
        == 0
    )
    cycle = json.loads((data / "cycle.json").read_text())
    assert (cycle["base"], cycle["listed"]) == (state.commit, 4)
    assert [blob.etag for blob in project.store.labels.list()] == before


def test_real_photographs_have_their_upright_size_and_their_time(folder_store, shared, tmp_path):
    source = shared / "data" / "pigeons" / "images"
    for file in source.iterdir():
        folder_store.images.write(file.name, file)
    filetype = "*" + next(source.iterdir()).suffix

    project = Project(folder_store, tmp_path, filetype=filetype)
    code, out, _ = ran(project, "initialize.py")

    images = tables.parse(
        "images",
        folder_store.labels.read(next(blob.name for blob in folder_store.labels.list("images_")))[
            0
        ],
    )
    assert code == 0 and len(images) > 100
    assert (images["height"] > 0).all() and (images["taken_at"] != "").any()


def test_a_blob_that_stands_for_a_folder_is_no_image_whatever_it_is_called(azurite_store, tmp_path):
    project = Project(azurite_store, tmp_path)
    azurite_store.images.write("cam.jpg/1.jpg", jpeg())
    azurite_store.images.write("cam.jpg", b"", metadata={"hdi_isfolder": "true"})
    azurite_store.images.write("empty.jpg/", b"")

    code, out, err = ran(project, "initialize.py")

    assert (code, err) == (0, "") and out.startswith("1 images (1 new, 0 failed)")
