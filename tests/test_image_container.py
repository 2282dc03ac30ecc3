"""The state names the container in which the images of a project lie."""

import os
from itertools import count

import pytest
from helpers_batch import BatchProject, picture
from helpers_programs import run
from helpers_tables import labels

from utils.labels import tables

NAMES = ("a.jpg", "b.jpg")


@pytest.fixture
def project(store, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = BatchProject(store, tmp_path, "")
    for name in NAMES:
        project.images.write(name, picture())
    assert run("train/initialize.py", project.config).returncode == 0
    return project


def test_a_config_that_names_another_image_container_is_refused(project):
    assert project.state().document["image_container"] == project.images.name
    project.run("download", 2)
    project.commit(members={"image_container": "another"})
    held = project.images.name
    before = project.labels.container.read("label_state.json")
    for program, options in (
        ("train/initialize.py", ()),
        ("train/sync_images.py", ()),
        ("tag/download_vott_json.py", (1,)),
        ("tag/upload_vott_json.py", ()),
        ("tag/status.py", ()),
    ):
        done = run(program, *options, project.config)
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert f"are in the container another, and image_container_name={held};" in done.stderr
    assert project.labels.container.read("label_state.json") == before


def test_an_older_state_learns_it_from_the_program_that_lists_the_images(project):
    project.commit(members={"image_container": ""})
    project.run("download", 2)
    assert not project.state().document["image_container"]
    assert run("train/initialize.py", project.config).returncode == 0
    assert project.state().document["image_container"] == project.images.name


def test_images_that_were_moved_are_said_to_be(project):
    project.commit(members={"image_container": "before"})
    done = run("train/initialize.py", project.config)
    assert done.returncode == 2 and "active_learning_initialize.sh CONFIG --moved" in done.stderr
    for options in (("--moved",), ()):  # once is enough
        done = run("train/active_learning_initialize.sh", project.config, *options)
        assert done.returncode == 0, done.stderr
    assert project.state().document["image_container"] == project.images.name
    assert run("tag/status.py", project.config).returncode == 0


@pytest.fixture
def labelled(store, tmp_path, monkeypatch):
    """Six images, two of which are labelled."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = BatchProject(store, tmp_path, "")
    for number in range(6):
        put(project, f"{number}.jpg", number)
    assert run("train/active_learning_initialize.sh", project.config).returncode == 0
    tagged = labels("0.jpg bird 0.1 0.5 0.2 0.8\n1.jpg NULL")
    totag = tables.without(project.table("totag"), {"0.jpg", "1.jpg"})
    project.commit(tagged=tagged, totag=totag)
    return project


_seconds = count(1_800_000_000)


def put(project, name, number, size=4000):
    """A picture, each number another one, of the same size in bytes and of another time."""
    data = picture(200, 100)
    comment = bytes([number]) * (size - len(data) - 4)
    data = data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]
    project.images.write(name, data)
    if path := project.images.path_of(name):
        os.utime(path, (1, next(_seconds)))


@pytest.mark.parametrize("size", [4000, 5000])
@pytest.mark.parametrize("names", ["the same", "others"])
def test_a_container_whose_pictures_are_all_others_is_asked_about(labelled, names, size):
    for number in range(6):
        if names == "others":
            labelled.images.delete(f"{number}.jpg")
        name = f"{number}.jpg" if names == "the same" else f"x{number}.jpg"
        put(labelled, name, number + 100, size)
    before = labelled.labels.container.read("label_state.json")[0]
    for program in ("train/active_learning_initialize.sh", "train/sync_images.py"):
        for options in ((), ("--moved",)) if program.endswith(".sh") else ((),):
            done = run(program, labelled.config, *options)
            assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
            assert "Is that the image container of this project?" in done.stderr
            assert "active_learning_initialize.sh CONFIG --other-images" in done.stderr
    assert labelled.labels.container.read("label_state.json")[0] == before

    done = run("train/active_learning_initialize.sh", labelled.config, "--other-images")
    assert done.returncode == 0, done.stderr
    assert labelled.names("tagged") == ["0.jpg", "1.jpg"]
    assert labelled.names("replaced") == (["0.jpg", "1.jpg"] if names == "the same" else [])
    for program in ("train/active_learning_initialize.sh", "train/sync_images.py"):
        assert run(program, labelled.config).returncode == 0


def test_pictures_that_were_copied_renamed_or_taken_away_in_part_are_the_projects(labelled):
    for number in range(6):
        put(labelled, f"{number}.jpg", number)  # at another time, by another copy
    assert run("train/active_learning_initialize.sh", labelled.config).returncode == 0
    for number in range(6):
        data = labelled.images.read(f"{number}.jpg")[0]
        labelled.images.write(f"Wiese/{number}.jpg", data)
        labelled.images.delete(f"{number}.jpg")
    done = run("train/active_learning_initialize.sh", labelled.config)
    assert done.returncode == 0 and "6 images have another name" in done.stdout
    for number in range(5):
        labelled.images.delete(f"Wiese/{number}.jpg")
        put(labelled, f"new/{number}.jpg", number + 100)
    assert run("train/active_learning_initialize.sh", labelled.config).returncode == 0
    for number in range(4):
        put(labelled, f"new/{number}.jpg", number + 110)
    assert run("train/sync_images.py", labelled.config).returncode == 0
