"""The state names the container in which the images of a project lie."""

import pytest
from helpers_batch import BatchProject, picture
from helpers_programs import run

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
    assert done.returncode == 2 and "initialize.py --moved CONFIG" in done.stderr
    assert run("train/initialize.py", "--moved", project.config).returncode == 0
    assert project.state().document["image_container"] == project.images.name
    assert run("tag/status.py", project.config).returncode == 0
