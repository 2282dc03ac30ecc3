"""The figures that the commits of a large project carry along: always what counting would find."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from helpers_batch import THREE, BatchProject, picture
from helpers_state import StateProject, store_in
from helpers_tables import images, labels

from utils.batch.uploading import upload
from utils.labels import assignments, table_files, tables
from utils.labels.figures import figures_of
from utils.labels.pool import pool_of, pretrained_only, reserved
from utils.labels.state import Change
from utils.labels.tables import image_set
from utils.overview import figures as overview

NAMES = [f"c{number % 3}/{number:02}.jpg" for number in range(60)]


@pytest.fixture(autouse=True)
def every_table_is_large(monkeypatch):
    monkeypatch.setattr(table_files, "SMALL", 0)


def both(store, state, now):
    """(as status says it, as counted from the tables)"""
    document = {name: value for name, value in state.document.items() if name != "figures"}
    return overview._counted(store, state, now), overview._counted(
        store, replace(state, document=document), now
    )


class Walk:
    """Random things that happen to a project."""

    def __init__(self, store, seed: int, seen: int):
        self.store, self.random = store, random.Random(seed)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        rows = [
            f"{name} bird 0.1 0.5 0.2 0.8 0.9 0.9" if number < seen else f"{name} NULL"
            for number, name in enumerate(NAMES[:50])
        ]
        self.commit(
            lambda state: Change(
                {"images": images(*NAMES[:50]), "totag": labels("\n".join(rows), "totag")}
            )
        )

    def commit(self, change):
        return self.store.commit(change, what="test")[0]

    def some(self, of, most=4) -> set[str]:
        of = sorted(of)
        return set(self.random.sample(of, min(len(of), self.random.randint(1, most))))

    def hand_out(self, state):
        free = pool_of(self.store, state, self.now)
        images = self.some(image_set(free))
        return reserved(self.store, state, free, images, self.now) if images else Change()

    def upload(self, state):
        tagged, tagging = (self.store.table(state, name) for name in ("tagged", "tagging"))
        done = self.some(image_set(tagging))
        if not done:
            return Change()
        rows = labels("\n".join(f"{name} bird 0.1 0.2 0.3 0.4" for name in sorted(done)))
        return Change(
            {
                "tagged": tables.concat("tagged", tagged, rows),
                "tagging": tables.without(tagging, done),
            }
        )

    def give_back(self, state):
        totag, tagging = (self.store.table(state, name) for name in ("totag", "tagging"))
        return Change(
            assignments.release(
                totag,
                tagging,
                self.some(image_set(tagging)),
                lambda: pretrained_only(self.store, state),
            )
        )

    def not_usable(self, state):
        tagging, failed = (self.store.table(state, name) for name in ("tagging", "failed"))
        bad = self.some(image_set(tagging), 1)
        folders, filenames = zip(*map(tables.split_name, bad), strict=True) if bad else ((), ())
        rows = tables.make("failed", filename=filenames, folder=folders, reason="x", etag="e")
        return Change(
            {
                "failed": tables.concat("failed", failed, rows),
                "tagging": tables.without(tagging, bad),
            }
        )

    def label_elsewhere(self, state):
        """Labels of another tool, of an image that nobody has."""
        name = self.some(NAMES[:50], 1)
        rows = labels(f"{min(name)} seal 0 1 0 1")
        tagged, tagging = (self.store.table(state, name) for name in ("tagged", "tagging"))
        return Change(
            {
                "tagged": tables.concat("tagged", tables.without(tagged, name), rows),
                "tagging": tables.without(tagging, name),
            }
        )

    def new_images(self, state):
        now = {
            name: self.store.table(state, name) for name in ("failed", "totag", "tagged", "tagging")
        }
        totag = assignments.add_new_images(images(*NAMES), **now)
        changed = {"images": images(*NAMES)}
        return Change(changed if totag is None else {**changed, "totag": totag})

    def time_passes(self, state):
        self.now += timedelta(hours=self.random.choice((1, 80)))
        return None


@pytest.mark.parametrize("seen", [0, 30, 50])
@pytest.mark.parametrize("seed", range(4))
def test_the_figures_are_what_counting_would_find_whatever_happens(tmp_path, seed, seen):
    walk = Walk(store_in(tmp_path), seed, seen)
    often = ("hand_out", "upload", "hand_out", "give_back", "time_passes")
    rarely = ("not_usable", "label_elsewhere", "new_images")
    for _ in range(40):
        step = walk.random.choice(often if walk.random.random() < 0.85 else rarely)
        state = walk.commit(getattr(walk, step))
        told, counted = both(walk.store, state, walk.now)
        assert told == counted, step
        assert figures_of(state.document) is not None, step


def test_figures_of_other_tables_than_the_state_names_do_not_count(tmp_path):
    walk = Walk(store_in(tmp_path), 1, 0)
    state = walk.commit(walk.hand_out)
    document = {
        **state.document,
        "tables": {**state.document["tables"], "tagging": "tagging_1.csv"},
    }
    assert figures_of(document) is None


def test_a_small_project_carries_no_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "SMALL", 1_000_000)
    walk = Walk(store_in(tmp_path), 1, 0)
    assert "figures" not in walk.commit(walk.hand_out).document


def test_the_pretrained_model_counts_for_what_no_model_of_the_project_has_seen(tmp_path):
    walk = Walk(store_in(tmp_path), 1, 0)
    rows = "\n".join(f"{name} 1 0.1 0.2 0.3 0.4 0.5 0.5" for name in NAMES[:50])
    walk.commit(lambda state: Change({"init_totag": labels(rows, "init_totag")}))
    for step in ("hand_out", "upload", "hand_out", "time_passes", "time_passes"):
        state = walk.commit(getattr(walk, step))
        told, counted = both(walk.store, state, walk.now)
        assert told == counted and told.by_pretrained == told.unseen > 30


def test_status_and_an_upload_read_no_large_table(folder_store, tmp_path, monkeypatch):
    project = StateProject(folder_store, tmp_path)
    read = []
    parse = table_files.parse
    monkeypatch.setattr(
        "utils.labels.store.parse", lambda name, *rest: (read.append(name), parse(name, *rest))[1]
    )
    shown = overview.summary(project.settings, project.labels, project.state(), datetime.now(UTC))
    assert shown["to_tag"] == 4 and shown["images"] == 8 and shown["unseen"] == 1
    assert not set(read) & table_files.LARGE_TABLES


@pytest.mark.parametrize("gone", ["", "deleted", "replaced", "written anew"])
def test_an_upload_reads_no_large_table_and_sees_what_became_of_the_pictures(
    store, tmp_path, monkeypatch, gone
):
    project = BatchProject(store, tmp_path, THREE)
    project.commit(images=project.listed("north/1.jpg", "south/1.jpg", "south/2.jpg"))
    project.run("download", 2)
    project.save(visited=["north/1.jpg"])
    if gone == "deleted":
        project.images.delete("north/1.jpg")
    elif gone:
        size = 300 if gone == "replaced" else 200
        project.images.write("north/1.jpg", picture(size))
    read = []
    parse = table_files.parse
    monkeypatch.setattr(
        "utils.labels.store.parse", lambda name, *rest: (read.append(name), parse(name, *rest))[1]
    )
    sent = upload(project.settings, as_given="config.ini")
    assert not set(read) & table_files.LARGE_TABLES
    assert project.names("tagged") == ["north/1.jpg"]
    assert ("was deleted from the image container" in " ".join(sent.lines)) == (gone == "deleted")
    assert ("replaced in the image container" in " ".join(sent.lines)) == (gone == "replaced")
    assert project.names("replaced") == (["north/1.jpg"] if gone == "replaced" else [])


def test_a_damaged_table_takes_the_figures_away_and_stops_no_commit(tmp_path):
    walk = Walk(store_in(tmp_path), 1, 0)
    state = walk.commit(walk.upload)
    state = walk.commit(lambda state: Change({"failed": tables.empty("failed")}))
    path = walk.store.container.path_of(state.blob("failed"))
    path.write_bytes(path.read_bytes()[:-3])
    store = store_in(tmp_path)
    state, _ = store.commit(
        lambda state: Change(
            {"tagging": store.table(state, "tagging"), "tagged": labels("x NULL")}
        ),
        what="test",
    )
    assert figures_of(state.document) is None and store.table(state, "tagged").shape[0] == 1
