"""An upload sends what the person has changed since the last one, and touches nothing else."""

import json

import pytest
from helpers_batch import THREE, BatchProject, region
from helpers_programs import done
from helpers_tables import labels

from utils.labels import tables
from utils.labels.state import Change
from utils.labels.store import LabelStore

BIRD, SEAL = region("bird", 20, 100, 20, 80), region("seal", 100, 180, 10, 50)
A, B = "north/1.jpg bird 0.1 0.5 0.2 0.8", "north/1.jpg seal 0.5 0.9 0.1 0.5"
STANDS = "north/1.jpg: uploaded before, and changed by somebody else since; that stands"


@pytest.fixture
def project(store, tmp_path):
    """Anna has uploaded an image with the box A, and then with A and B."""
    project = BatchProject(store, tmp_path, THREE)
    project.run("download", 2)
    project.save(visited=["north/1.jpg"])
    project.run("upload")
    project.save({"north/1.jpg": [BIRD, SEAL]}, ["north/1.jpg"])
    return project


def takes_b_away(project, how, folder):
    """Somebody else puts the image back to what anna had uploaded first."""
    if how == "import":
        (folder / "first.csv").write_bytes(tables.to_csv("tagged", labels(A), True))
        done("tag/import_labels.py", folder / "first.csv", project.config, "--replace")
        return
    (folder / "ben").mkdir()
    ben = BatchProject(project.store, folder / "ben", "far/9.jpg NULL", tagger_name="ben")
    ben.run("download", 1, "--review-class", "seal")
    ben.save({"north/1.jpg": [BIRD]}, ["north/1.jpg"])
    ben.run("upload")


@pytest.mark.parametrize("how", ["review", "import"])
def test_a_version_that_somebody_else_put_back_stands_when_the_rest_follows(project, how, tmp_path):
    project.run("upload")
    assert project.boxes() == [A, B]
    takes_b_away(project, how, tmp_path)
    project.save(visited=["north/1.jpg", "south/1.jpg"])
    said = project.run("upload")
    assert STANDS in said and project.last(said).startswith("1 images, 0 boxes")
    assert project.boxes() == [A, "south/1.jpg NULL 0 0 0 0"]
    assert project.names("conflicts") == []


@pytest.mark.parametrize("how", ["review", "import"])
def test_what_both_changed_is_set_aside(project, how, tmp_path):
    project.run("upload")
    takes_b_away(project, how, tmp_path)
    project.save({"north/1.jpg": [SEAL]}, ["north/1.jpg"])
    assert "north/1.jpg: somebody else has uploaded it meanwhile" in project.run("upload")
    assert project.boxes() == [A] and project.boxes("conflicts") == [B]


def test_an_upload_that_was_killed_after_its_commit_has_arrived(project, tmp_path, monkeypatch):
    commit = LabelStore.commit

    def killed(*arguments, **options):
        commit(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LabelStore, "commit", killed)
        project.run("upload", code=130)
    assert project.boxes() == [A, B] and project.batch["sending"]
    takes_b_away(project, "review", tmp_path)
    assert STANDS in project.run("upload")
    assert project.boxes() == [A] and project.names("conflicts") == []
    assert not project.batch["sending"]


def test_an_upload_that_was_killed_before_its_commit_is_sent(project, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LabelStore, "publish_file", killed)
        project.run("upload", code=130)
    assert project.boxes() == [A] and project.batch["sending"]
    assert project.last(project.run("upload")).startswith("1 images, 2 boxes")
    assert project.boxes() == [A, B]


def test_going_back_to_a_version_of_ones_own_is_a_change_like_any_other(project):
    project.run("upload")
    project.save({"north/1.jpg": [BIRD]}, ["north/1.jpg"])
    assert project.last(project.run("upload")).startswith("1 images, 1 boxes")
    assert project.boxes() == [A]


def test_classes_that_were_renamed_since_are_no_change_of_somebody_else(project):
    project.run("upload")
    done("tag/change_classes.py", project.config, "--rename", "bird=tern")
    said = project.run("upload")
    assert "stands" not in said and project.last(said).startswith("0 images, 0 boxes")
    project.save({"north/1.jpg": [BIRD]}, ["north/1.jpg"])
    project.run("upload")
    assert project.boxes() == ["north/1.jpg tern 0.1 0.5 0.2 0.8"]


def test_a_batch_json_of_before_with_every_version_in_it_sends_only_what_changed(project, tmp_path):
    project.run("upload")
    marker = project.place / "batch.json"
    old = project.batch
    del old["sending"]
    item = old["images"]["Images/north__1.jpg"]
    item["sent"] = [[box for box in item["sent"][0] if box[0] == "bird"], *item["sent"]]
    marker.write_text(json.dumps(old), encoding="utf-8")
    takes_b_away(project, "import", tmp_path)
    assert STANDS in project.run("upload") and project.boxes() == [A]


def test_who_found_nothing_to_change_undoes_nothing(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.seed(labels(THREE, "totag"), tagged=labels(A))
    project.run("download", 1, "--review-class", "bird")
    project.labels.commit(lambda state: Change({"tagged": labels(B)}), what="correcting")
    said = project.run("upload", "--all")
    assert "north/1.jpg: not changed by you, and changed by somebody else since" in said
    assert project.boxes() == [B]
    assert project.names("conflicts") == project.names("review") == []
