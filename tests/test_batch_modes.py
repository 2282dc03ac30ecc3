"""Images to tag, and labelled images to look at again: both are reserved by changes that touch
nothing, and batch.json is on the annotator's disk before the container says so.
"""

from datetime import UTC, datetime

import pytest
from helpers_state import StateProject

from utils.batch.batch import Batch, read_batch
from utils.batch.choosing import Wishes
from utils.batch.downloading import download
from utils.batch.modes import mode_of
from utils.batch.request import Request
from utils.config import load_config
from utils.labels import review_queue
from utils.labels.store import STATE
from utils.labels.tables import image_set
from utils.storage.folder import FolderContainer
from utils.times import utc_text

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TABLE = {"": "tagging", review_queue.RANDOM: "review"}
both_modes = pytest.mark.parametrize("review", TABLE)


@pytest.fixture
def project(folder_store, tmp_path):
    return StateProject(
        folder_store, tmp_path, tagging_location=tmp_path / "Tag", classes="bird,seal"
    )


def mode_and_batch(project, review, wanted=2):
    """The mode of an empty batch, and that batch."""
    config = load_config(project.config)
    batch = Batch(config.tagging_location, "anna", "2026-05-01T00:00:00Z", wanted, review=review)
    return mode_of(batch, config, project.labels, NOW, Wishes()), batch


@both_modes
def test_reserving_is_a_change_that_touches_neither_batch_nor_disk_nor_container(project, review):
    mode, batch = mode_and_batch(project, review)
    state = project.labels.read()
    held_before = mode.held(state, "anna")

    reservation = mode.reserve(state, batch, refused=())

    chosen = image_set(reservation.rows)
    assert len(chosen) == 2 and chosen <= image_set(reservation.change.tables[TABLE[review]])
    assert not batch.images and not batch.place.exists()
    assert project.labels.read().document == state.document
    assert mode.held(state, "anna") == held_before


@both_modes
def test_what_is_given_back_is_free_again_and_nothing_else(project, review):
    mode, batch = mode_and_batch(project, review)
    names = {name: project.names(name) for name in ("tagged", "tagging", "review")}
    state, _ = project.labels.commit(
        lambda state: mode.reserve(state, batch, refused=()).change, what="reserving"
    )
    given = mode.held(state, "anna", since=batch.reserved_at)
    assert len(given) == 2

    project.labels.commit(lambda state: mode.give_back(state, given), what="giving back")
    assert {name: project.names(name) for name in names} == names


@both_modes
def test_batch_json_is_on_the_disk_before_a_reservation_is_in_the_container(
    project, review, monkeypatch
):
    seen = []
    write = FolderContainer.write

    def watched(container, blob, *arguments, **options):
        if blob.startswith(TABLE[review]):
            batch = read_batch(load_config(project.config).tagging_location)
            seen.append((batch.fetched, len(batch.images)))
        return write(container, blob, *arguments, **options)

    monkeypatch.setattr(FolderContainer, "write", watched)
    request = Request(str(project.config), 2, review=review)
    lines = list(download(load_config(project.config), request))

    assert seen == [(False, 2)]
    assert lines[-1].startswith("2 images")


@both_modes
def test_each_mode_says_why_there_is_nothing_left(project, review):
    mode, batch = mode_and_batch(project, review, wanted=9)
    state, _ = project.labels.commit(
        lambda state: mode.reserve(state, batch, refused=()).change, what="reserving"
    )
    assert mode.reserve(state, batch, refused=()) is None
    assert mode.nothing_left(state, batch).startswith(
        "no image is there to be looked at again: 3 are labelled, 3 of them are out"
        if review
        else "nothing is left to tag: 3 images are tagged, 5 are out, 0 cannot be read"
    )


def test_when_somebody_else_is_faster_the_choice_is_made_anew_in_one_batch(project, monkeypatch):
    config = load_config(project.config)
    other = Batch(config.tagging_location, "bob", utc_text(datetime.now(UTC)), 1)
    taken = set()
    write = FolderContainer.write

    def after_bob(container, blob, *arguments, **options):
        if blob == STATE and not taken:
            mode = mode_of(other, config, project.labels, datetime.now(UTC), Wishes())
            reservation = mode.reserve(project.labels.read(), other, refused=())
            taken.update(image_set(reservation.rows))
            project.labels.commit(lambda _: reservation.change, what="being faster")
        return write(container, blob, *arguments, **options)

    monkeypatch.setattr(FolderContainer, "write", after_bob)
    lines = list(download(config, Request(str(project.config), 2)))

    batch = read_batch(config.tagging_location)
    there = {path.name for path in (config.tagging_location / "Images").iterdir()}
    assert lines[-1].startswith("2 images")
    assert len(batch.blobs) == 2 and len(taken) == 1 and not batch.blobs & taken
    assert there == {local.rpartition("/")[2] for local in batch.images}
