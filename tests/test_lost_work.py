"""Labels that are in our own snapshots and not in the state: found, taken back, never deleted."""

import json
import os
import shutil

import pandas as pd
import pytest
from helpers_programs import done, run
from helpers_state import StateProject
from helpers_tables import labels

from utils.labels import tables
from utils.labels.lost_work import older
from utils.labels.state import Change
from utils.labels.takeover import FOUNDING


@pytest.fixture
def project(store, tmp_path):
    return StateProject(store, tmp_path)


def diverge(project, *, mine=None, theirs=None):
    """Two people commit on top of the same state, each in a copy of the folder; then the copies
    meet, and the second state stands. Tables by name.
    """
    container = project.labels.container
    before, _ = container.read("label_state.json")
    project.commit(**mine)
    lost, _ = container.read("label_state.json")
    container.write("label_state.json", before)
    if theirs:
        project.commit(**theirs)
    return lost


def with_label(project, text, image):
    """tagged with this image labelled so."""
    return tables.concat("tagged", tables.without(project.table("tagged"), {image}), labels(text))


def check(project):
    ended = run("tag/status.py", project.config, "--check")
    return ended.stdout


def test_a_change_of_classes_that_was_killed_before_it_counted_has_left_no_work(project):
    container = project.labels.container
    before, _ = container.read("label_state.json")
    rows = project.rows()
    change = ("tag/change_classes.py", project.config, "--rename", "bird=gull")
    done(*change)
    assert project.rows() != rows
    container.write("label_state.json", before)
    assert "0 rules broken" in check(project)
    assert project.rows() == rows
    done(*change)
    assert "0 rules broken" in check(project) and project.rows() != rows


def test_labels_of_a_commit_that_no_state_names_are_found_and_taken_back(project):
    diverge(
        project,
        mine={"tagged": with_label(project, "a/1.jpg bird 0 1 0 1", "a/1.jpg")},
        theirs={"tagged": with_label(project, "a/2.jpg NULL", "a/2.jpg")},
    )
    assert project.names("tagged") == ["a/2.jpg", "d/1.jpg", "d/2.jpg", "d/3.jpg"]
    said = check(project)
    assert "rule 4: 1 images have work in tagged_" in said and "a/1.jpg (--repair mends it)" in said

    assert "mended: 1 images have work" in done("tag/status.py", project.config, "--repair")
    assert project.names("tagged") == ["a/1.jpg", "a/2.jpg", "d/1.jpg", "d/2.jpg", "d/3.jpg"]
    assert "a/1.jpg bird 0 1 0 1" in project.rows()
    assert "0 rules broken" in check(project)


def test_what_contradicts_goes_to_conflicts_once_and_what_nobody_changed_since_is_taken(project):
    mine = labels(
        "d/1.jpg bird 0 0.25 0 0.25\nd/2.jpg seal 0 1 0 1\nd/3.jpg seal 0 0.5 0 0.5\na/1.jpg NULL"
    )
    diverge(
        project,
        mine={"tagged": mine, "test": labels("d/3.jpg seal 0 0.5 0 0.5", "test")},
        theirs={"tagged": with_label(project, "d/1.jpg seal 0.5 1 0.5 1", "d/1.jpg")},
    )
    done("tag/status.py", project.config, "--repair")

    assert sorted(project.rows()) == [
        "a/1.jpg NULL 0 0 0 0",
        "d/1.jpg seal 0.5 1 0.5 1",
        "d/2.jpg seal 0 1 0 1",
        "d/3.jpg seal 0 0.5 0 0.5",
    ]
    assert project.rows("test") == ["d/3.jpg seal 0 0.5 0 0.5"]
    assert project.rows("conflicts") == ["d/1.jpg bird 0 0.25 0 0.25"]
    assert "which no state names" in project.table("conflicts")["reason"].iloc[0]
    assert "0 rules broken" in check(project)
    assert "0 mended" in done("tag/status.py", project.config, "--repair")
    assert len(project.table("conflicts")) == 1


def test_conflicts_of_a_commit_that_no_state_names_come_back(project):
    rows = labels("d/1.jpg bird 0 0.25 0 0.25").assign(
        tagger="bob", at="2026-01-01T00:00:00Z", reason="r"
    )
    project.commit(conflicts=rows)
    more = labels("d/2.jpg bird 0 1 0 1").assign(
        tagger="eve", at="2026-01-02T00:00:00Z", reason="r"
    )
    diverge(project, mine={"conflicts": pd.concat([rows, more], ignore_index=True)})
    done("tag/status.py", project.config, "--repair")
    assert project.rows("conflicts") == ["d/1.jpg bird 0 0.25 0 0.25", "d/2.jpg bird 0 1 0 1"]


def test_a_commit_that_was_made_once_more_after_a_kill_lost_nothing(project):
    again = {"tagged": with_label(project, "a/1.jpg bird 0 1 0 1", "a/1.jpg")}
    diverge(project, mine=again, theirs=again)
    assert "0 rules broken" in check(project)


def test_what_was_in_force_once_is_nobodys_lost_work_however_long_ago(folder_store, tmp_path):
    project = StateProject(folder_store, tmp_path)
    for number in range(5):
        project.commit(tagged=with_label(project, f"a/1.jpg bird 0 1 0 0.{number + 1}", "a/1.jpg"))
    project.commit(tagged=labels("d/1.jpg bird 0.1 0.5 0.1 0.5\nd/3.jpg seal 0 1 0 1"))
    container = project.labels.container
    document = json.loads(container.read("label_state.json")[0])
    document["history"] = document["history"][-1:]
    container.write("label_state.json", json.dumps(document).encode())
    assert "rule 4" not in check(project)


def test_prune_never_deletes_work_that_no_state_has_named(folder_store, tmp_path):
    project = StateProject(folder_store, tmp_path)
    lost = diverge(
        project,
        mine={"tagged": with_label(project, "a/1.jpg bird 0 1 0 1", "a/1.jpg")},
        theirs={"tagged": with_label(project, "a/2.jpg NULL", "a/2.jpg")},
    )
    for number in range(6):
        project.commit(tagged=with_label(project, f"a/2.jpg bird 0 1 0 0.{number + 1}", "a/2.jpg"))
    folder = tmp_path / "store" / "labels"
    for path in folder.glob("*.*"):
        os.utime(path, (1e9, 1e9))
    blob = json.loads(lost)["tables"]["tagged"]
    assert "files deleted" in done("tag/status.py", project.config, "--prune")
    assert (folder / blob).exists()
    done("tag/status.py", project.config, "--repair")
    done("tag/status.py", project.config, "--prune")
    assert (folder / blob).exists() and "a/1.jpg" in project.names("tagged")


@pytest.mark.parametrize(
    "name",
    [
        "label_state (anna's conflicted copy 2026-11-29).json",
        "label_state-LAPTOP.json",
        "label_state.sync-conflict-20261129.json",
    ],
)
def test_a_second_state_beside_the_first_is_said_at_every_start(folder_store, tmp_path, name):
    project = StateProject(folder_store, tmp_path)
    folder = tmp_path / "store" / "labels"
    shutil.copy(folder / "label_state.json", folder / name)
    for program in ("tag/status.py", "tag/abandon.py"):
        ended = run(program, project.config)
        assert f"{name} lies beside label_state.json" in ended.stderr
        assert "A synced copy is no shared folder" in ended.stderr


# Tables that are gone or damaged


@pytest.fixture
def labelled(project):
    """tagged in two snapshots: 3 images, then 4."""
    project.commit(tagged=with_label(project, "a/1.jpg bird 0 1 0 1", "a/1.jpg"))
    return project


def harm(project, table, how):
    container, blob = project.labels.container, project.labels.read().blob(table)
    data, described = container.read(blob)
    container.delete(blob)
    if how != "gone":
        data = data[:-7] if how == "cut" else data.replace(b"jpg", b"jpe")
        container.write(blob, data, metadata=described.metadata)
    shutil.rmtree(project.labels.cache, ignore_errors=True)
    return blob


@pytest.mark.parametrize("how", ["gone", "cut", "changed"])
def test_older_labels_come_back_only_when_that_is_said(labelled, how):
    harm(labelled, "tagged", how)
    before = labelled.labels.read().document
    ended = run("tag/status.py", labelled.config, "--repair")
    assert ended.returncode == 1 and labelled.labels.read().document == before
    assert "with 3 images; --repair --older-labels goes back to it" in ended.stderr

    said = done("tag/status.py", labelled.config, "--repair", "--older-labels")
    assert "mended: tables.tagged" in said
    assert labelled.names("tagged") == ["d/1.jpg", "d/2.jpg", "d/3.jpg"]
    assert "0 rules broken" in check(labelled)


@pytest.mark.parametrize("table", ["totag", "tagging", "images", "test"])
def test_other_tables_come_back_from_the_snapshot_before(project, table):
    frame = project.table(table)
    newer = labels("d/2.jpg NULL\nd/3.jpg seal 0 1 0 1") if table == "test" else frame.iloc[:-1]
    project.commit(**{table: newer})
    harm(project, table, "changed")
    assert f"mended: tables.{table}" in done("tag/status.py", project.config, "--repair")
    assert "0 rules broken" in check(project)
    assert project.names("tagged") == ["d/1.jpg", "d/2.jpg", "d/3.jpg"]
    assert len(project.table(table)) == len(frame)


@pytest.mark.parametrize("how", ["gone", "cut", "changed"])
def test_a_first_list_of_failed_images_that_is_lost_begins_anew(project, how):
    broken = pd.DataFrame([["9.jpg", "d", "broken", "1"]], columns=tables.COLUMNS["failed"])
    project.commit(failed=broken)
    harm(project, "failed", how)
    assert "mended: tables.failed" in done("tag/status.py", project.config, "--repair")
    assert "0 rules broken" in check(project)
    assert project.names("failed") == []
    assert project.names("tagged") == ["d/1.jpg", "d/2.jpg", "d/3.jpg"]


@pytest.mark.parametrize("how", ["gone", "cut", "changed"])
def test_a_first_table_of_images_that_is_lost_is_made_anew(project, how):
    harm(project, "images", how)
    assert "mended: tables.images" in done("tag/status.py", project.config, "--repair")
    done("train/initialize.py", project.config)
    assert "0 rules broken" in check(project)
    assert len(project.names("images")) == 8
    assert project.names("tagged") == ["d/1.jpg", "d/2.jpg", "d/3.jpg"]


def test_older_is_what_was_committed_before_whatever_the_clock_said(project):
    ahead = project.labels.container.read(project.state().blob("tagged"))[0]
    first = project.state()
    project.commit(tagged=labels("d/1.jpg bird 0 1 0 1"))
    project.commit(tagged=labels("d/2.jpg seal 0 1 0 1"))
    # the first of them, by a machine whose clock was 31 years ahead
    project.labels.container.write(
        "tagged_2795964514436.csv", ahead, metadata={"commit": first.commit}
    )
    assert older(project.labels, project.state(), "tagged") == older_name(project)


def older_name(project) -> str:
    """The snapshot of the last commit but one."""
    *_, before, _ = project.state().document["history"]
    return next(
        blob.name
        for blob in project.labels.container.list("tagged_")
        if project.labels.container.info(blob.name).metadata.get("commit") == before
    )


def test_a_state_that_names_no_labels_gets_those_that_are_there(labelled):
    container = labelled.labels.container
    document = json.loads(container.read("label_state.json")[0])
    del document["tables"]["tagged"]
    container.write("label_state.json", json.dumps(document).encode())

    assert "tables.tagged: the newest snapshot that is whole is tagged_" in check(labelled)
    done("tag/status.py", labelled.config, "--repair")
    assert labelled.names("tagged") == ["a/1.jpg", "d/1.jpg", "d/2.jpg", "d/3.jpg"]
    assert "0 rules broken" in check(labelled)


def test_a_test_image_that_lost_its_label_is_labelled_again(project):
    project.commit(tagged=labels("d/1.jpg bird 0.1 0.5 0.1 0.5\nd/2.jpg NULL"))
    done("tag/status.py", project.config, "--repair")
    assert project.names("tagged") == ["d/1.jpg", "d/2.jpg", "d/3.jpg"]
    assert project.names("test") == ["d/3.jpg"]


def test_a_state_of_an_earlier_version_knows_its_history(project):
    """It has no member `work`; what its history does not name is not part of it."""
    container = project.labels.container
    document = json.loads(container.read("label_state.json")[0])
    del document["work"]
    container.write("label_state.json", json.dumps(document).encode())
    assert "0 rules broken" in check(project)
    project.labels.commit(lambda state: Change({}, {"pretrained_next": True}), what="test")
    assert "0 rules broken" in check(project)
    assert FOUNDING in container.info(document["tables"]["tagged"]).metadata
