"""What programs say when nothing was there to do: who holds images, which classes there are."""

import pytest
from helpers_state import StateProject
from helpers_tables import labels

from utils.labels import tables


@pytest.fixture
def project(folder_store, tmp_path):
    return StateProject(folder_store, tmp_path)


def test_giving_back_what_a_misspelt_person_holds_names_who_holds_images(project):
    said = project.run("tag/abandon.py", "--tagger", "ana", code=1)
    assert said.splitlines()[-1] == "out now: anna 1, bob 1"


def test_giving_back_ones_own_images_twice_is_no_fault(project):
    assert "1 images given back, 1 of anna" in project.run("tag/abandon.py")
    assert project.run("tag/abandon.py").splitlines()[-1] == "out now: bob 1"


def test_a_rename_that_was_done_already_names_the_classes_of_the_boxes(project):
    assert "1 classes renamed" in project.run("tag/change_classes.py", "--rename", "seal=walrus")
    said = project.run("tag/change_classes.py", "--rename", "seal=walrus")
    assert "no box is of class seal (any more); the classes of the boxes are bird, walrus" in said


def test_all_images_count_in_the_status_also_those_that_cannot_be_read(project):
    failed = tables.make("failed", filename=["x.jpg", "y.jpg"], reason="broken", etag="1")
    project.commit(failed=failed)
    first, *_ = project.run("tag/status.py").splitlines()
    assert ": 10 images; last change" in first


def test_what_the_pretrained_model_has_seen_is_told_apart(project):
    assert "(1 that no model has seen)" in project.run("tag/status.py")
    project.commit(init_totag=labels("b/1.jpg 17 0 1 0 1 .9 .9\na/1.jpg NULL", "totag"))
    said = project.run("tag/status.py")
    assert "1 that no model of yours has seen; the pretrained model has seen 1 of them" in said


def test_a_conflict_is_not_always_two_people(project):
    project.commit(
        conflicts=tables.concat(
            "conflicts",
            labels("d/1.jpg bird 0 1 0 1").assign(tagger="x", at="2026-01-01T00:00:00Z", reason=""),
        )
    )
    assert "labels that contradict those that are there" in project.run("tag/status.py")
