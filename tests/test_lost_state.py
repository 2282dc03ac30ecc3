"""A label container that is not there, or has lost its state or the content of a table: one line,
and no write.
"""

import shutil

import pytest
from helpers_batch import THREE, BatchProject, region
from helpers_programs import run

from utils.config import load_config
from utils.errors import InputError
from utils.labels import tables
from utils.labels.store import open_labels

PROGRAMS = [
    ("tag/status.py",),
    ("tag/status.py", "--check"),
    ("tag/status.py", "--repair"),
    ("tag/status.py", "--prune"),
    ("tag/download_vott_json.py", "2"),
    ("tag/upload_vott_json.py",),
    ("tag/abandon.py",),
    ("tag/change_classes.py", "--rename", "bird=gull"),
    ("train/sync_images.py",),
    ("train/export_labels.py", "--format", "coco"),
    ("train/initialize.py",),
]
IDS = [" ".join(words) for words in PROGRAMS]


@pytest.fixture
def project(store, tmp_path):
    project = BatchProject(store, tmp_path, THREE)
    project.run("download", 2)
    project.save({"north/1.jpg": [region("bird", 10, 90, 10, 90)]})
    return project


def call(program, config):
    name, *words = program
    return run(name, *words[:1], config) if words[:1] == ["2"] else run(name, config, *words)


def content(container):
    return {blob.name: container.read(blob.name)[0] for blob in container.list()}


@pytest.mark.parametrize("program", PROGRAMS, ids=IDS)
def test_without_its_state_a_project_is_neither_begun_anew_nor_changed(project, program):
    project.run("upload")
    project.labels.container.delete("label_state.json")
    before = content(project.labels.container)

    ended = call(program, project.config)

    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "label_state.json is gone" in ended.stderr
    assert content(project.labels.container) == before


def test_a_first_commit_that_was_killed_does_not_stand_in_the_way(store, tmp_path):
    project = BatchProject(store, tmp_path, THREE)
    project.labels.container.delete("label_state.json")  # what it wrote before is there
    assert run("train/initialize.py", project.config).returncode == 0
    assert project.names("images") == ["north/1.jpg", "south/1.jpg", "south/2.jpg"]


@pytest.mark.parametrize("program", PROGRAMS[:-1], ids=IDS[:-1])
def test_while_the_share_is_not_mounted_nothing_is_founded_under_the_mount_point(
    project, store, program
):
    for blob in list(project.labels.container.list()):
        project.labels.container.delete(blob.name)

    ended = call(program, project.config)

    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert list(project.labels.container.list()) == []


def test_an_upload_goes_on_once_the_share_is_mounted_again(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    project.save({"north/1.jpg": [region("bird", 10, 90, 10, 90)]})
    mounted, away = tmp_path / "store" / "labels", tmp_path / "away"
    shutil.move(mounted, away)
    mounted.mkdir()
    assert "is it mounted?" in project.run("upload", code=2)
    assert list(mounted.iterdir()) == []

    mounted.rmdir()
    shutil.move(away, mounted)
    project.run("upload")
    assert project.names("tagged") == ["north/1.jpg"]


# Damage


def flip(project, blob):
    """Change one byte of a snapshot, and leave its length and its metadata."""
    container = project.labels.container
    data, described = container.read(blob)
    at = data.rindex(b"0")
    container.write(blob, data[:at] + b"1" + data[at + 1 :], metadata=described.metadata)


def test_damage_of_equal_length_is_not_copied_into_the_next_snapshot(store, tmp_path):
    project = BatchProject(store, tmp_path, THREE)
    project.run("download", 3)
    project.save({"north/1.jpg": [region("bird", 10, 90, 10, 90)]})
    project.run("upload")
    project.save({"south/1.jpg": [region("bird", 10, 90, 10, 90)]})
    damaged = project.labels.read().blob("tagged")
    flip(project, damaged)
    if store.kind == "azurite":  # as another machine, which has no copy
        shutil.rmtree(project.labels.cache)
    before = content(project.labels.container)

    said = project.run("upload", code=2)

    assert f"{damaged} in " in said and "is damaged" in said
    assert content(project.labels.container) == before


def test_a_damaged_copy_on_this_machine_is_fetched_again(azurite_store, tmp_path):
    project = BatchProject(azurite_store, tmp_path, THREE)
    project.run("download", 2)
    labels = open_labels(load_config(project.config))[1]
    blob = labels.read().blob("totag")
    labels.table(labels.read(), "totag")
    copy = labels.cache / blob
    data = copy.read_bytes()
    copy.write_bytes(data[:-2] + b"7\n")
    assert len(labels.table(labels.read(), "totag")) == 1
    assert copy.read_bytes() == data


def test_a_snapshot_is_hashed_once(folder_store, tmp_path, monkeypatch):
    project = BatchProject(folder_store, tmp_path, THREE)
    hashed = []
    monkeypatch.setattr(
        "utils.labels.snapshots.sha256_of", lambda path: hashed.append(path) or sha256(path)
    )
    from utils.files import sha256_of as sha256

    for _ in range(3):
        project.table("totag")
    assert len(hashed) == 1


def test_a_cut_snapshot_says_how_much_of_it_is_there(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    path = tmp_path / "store" / "labels" / project.labels.read().blob("totag")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError, match="20 of [0-9]+ bytes"):
        project.table("totag")


def status(project, *options, code=0) -> str:
    return super(BatchProject, project).run("tag/status.py", *options, code=code)


HELPS = ("selection", "predicted", "crosscheck", "init_totag", "init_predicted", "gone")


@pytest.mark.parametrize("how", ["flip", "cut", "delete"])
@pytest.mark.parametrize("name", [*HELPS, "drawn", "replaced", "renamed"])
def test_a_damaged_table_that_only_helps_is_dropped_and_others_come_back(
    folder_store, tmp_path, name, how
):
    project = BatchProject(folder_store, tmp_path, THREE)
    rows = {
        table: tables.make(table, filename=["1.jpg"], folder="north") for table in (*HELPS, name)
    }
    project.commit(**rows)
    if name not in HELPS:
        first = project.table(name)
        more = tables.make(name, filename=["1.jpg", "1.jpg"], folder=["north", "south"])
        project.commit(**{name: more})
    blob = project.state().blob(name)
    path = folder_store.labels.path_of(blob)
    if how == "flip":
        path.write_bytes(path.read_bytes().replace(b"north", b"norfh"))
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-3])
    else:
        path.unlink()

    said = status(project, "--check", code=1)
    assert f"tables.{name}: " in said and "(--repair mends it)" in said
    said = status(project, "--repair")
    assert f"mended: tables.{name}: " in said and "0 rules broken" in said
    assert "0 rules broken" in status(project, "--check")
    left = project.table(name)
    if name in HELPS:
        pair = {"init_totag": "init_predicted", "init_predicted": "init_totag"}.get(name, name)
        assert not len(left) and not len(project.table(pair))
        others = set(HELPS) - {name, pair}
        assert all(len(project.table(other)) == 1 for other in others)
    else:
        assert left.equals(first)
    project.run("download", 2)
