"""A fault of a machine is never written down as a fault of an image."""

import os
import threading
import time

import numpy as np
import pytest
from helpers_batch import THREE, BatchProject, picture
from helpers_programs import run, state_tables
from helpers_rights import failing_file, ordinary_rights
from helpers_tables import images, labels

from utils.errors import Unreadable
from utils.images import room
from utils.images.decoding import BadImage, decode, encode_jpeg, read_file, read_header
from utils.labels.state import Change
from utils.labels.tables import image_set
from utils.storage.sync import list_images

PNG = encode_jpeg(np.zeros((3, 4, 3), np.uint8))


# What a machine cannot read


def denied(folder):
    (folder / "x.jpg").write_bytes(PNG)
    (folder / "x.jpg").chmod(0)


def pipe(folder):
    os.mkfifo(folder / "x.jpg")


def loop(folder):
    (folder / "x.jpg").symlink_to("x.jpg")


def nowhere(folder):
    (folder / "x.jpg").symlink_to("nothing")


FAULTS = [denied, pipe, loop, nowhere, lambda folder: failing_file(folder / "x.jpg")]
NAMES = ["denied", "pipe", "loop", "nowhere", "failing"]


@pytest.fixture(params=zip(FAULTS, NAMES, strict=True), ids=NAMES)
def fault(request):
    """Puts x.jpg into a folder, which cannot be read."""
    return request.param[0]


def test_what_a_machine_cannot_read_is_no_bad_image(tmp_path, fault):
    fault(tmp_path)
    with ordinary_rights():
        for read in (read_header, read_file):
            with pytest.raises(Unreadable):
                read(tmp_path / "x.jpg")


def test_too_little_memory_is_no_bad_image(monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr("utils.images.decoding._eight_bit", full)
    with pytest.raises(Unreadable, match="memory"):
        decode(PNG)


def test_initialize_leaves_out_what_it_cannot_read_and_tries_it_again(
    folder_store, tmp_path, fault
):
    config = tmp_path / "config.ini"
    config.write_text(folder_store.config_text(), encoding="utf-8")
    folder_store.images.write("a.jpg", PNG)
    place = tmp_path / "store" / "images"
    fault(place)

    with ordinary_rights():
        begun = run("train/initialize.py", config)
    assert begun.returncode == 0, begun.stderr
    known, failed = state_tables(config, "images", "failed")
    assert (image_set(known), image_set(failed)) == ({"a.jpg"}, set())

    (place / "x.jpg").unlink()
    (place / "x.jpg").write_bytes(PNG)
    os.utime(place / "x.jpg", (1, 1))  # another ETag would be reason enough
    assert run("train/initialize.py", config).returncode == 0
    known, failed = state_tables(config, "images", "failed")
    assert (image_set(known), image_set(failed)) == ({"a.jpg", "x.jpg"}, set())


def test_an_image_that_is_known_keeps_its_row_while_it_cannot_be_read(folder_store, tmp_path):
    config = tmp_path / "config.ini"
    config.write_text(folder_store.config_text(), encoding="utf-8")
    for name in ("a.jpg", "x.jpg"):
        folder_store.images.write(name, PNG)
    assert run("train/initialize.py", config).returncode == 0
    before = state_tables(config, "images", "failed")
    file = tmp_path / "store" / "images" / "x.jpg"
    file.write_bytes(picture())
    file.chmod(0)

    with ordinary_rights():
        again = run("train/initialize.py", config)
    assert "1 images cannot be read on this machine now" in again.stderr and "x.jpg" in again.stderr
    for old, new in zip(before, state_tables(config, "images", "failed"), strict=True):
        assert old.equals(new)
    assert [image_set(table) for table in before] == [{"a.jpg", "x.jpg"}, set()]


@pytest.mark.parametrize("mode", [0o000, 0o444], ids=["shut", "without looking at files"])
def test_a_folder_that_cannot_be_read_is_a_warning_and_the_rest_goes_on(
    folder_store, tmp_path, capsys, mode
):
    for name in ("a/1.jpg", "b/1.jpg", "b/2.jpg", "c/1.jpg"):
        folder_store.images.write(name, PNG)
    shut = tmp_path / "store" / "images" / "b"
    shut.chmod(mode)
    try:
        with ordinary_rights():
            listed = list_images(folder_store.images, "*.jpg", True)
    finally:
        shut.chmod(0o755)

    assert [blob.name for blob in listed.blobs] == ["a/1.jpg", "c/1.jpg"]
    warning = capsys.readouterr().err
    assert warning.count("warning") == 1 and f"{shut} cannot be read" in warning


# An annotator's machine


@pytest.fixture
def project(store, tmp_path):
    return BatchProject(store, tmp_path, THREE)


def everything(project):
    """The tables that say which images there are for people, as they are now."""
    state = project.labels.read()
    return {
        name: sorted(image_set(project.labels.table(state, name)))
        for name in ("images", "failed", "tagged")
    }


@pytest.mark.parametrize("how", [(), ("--review-random",)], ids=["to tag", "to review"])
def test_a_wrong_image_container_costs_the_project_nothing(store, tmp_path, how):
    project = BatchProject(store, tmp_path, THREE)
    tagged = labels("d/1.jpg bird 0 1 0 1\nd/2.jpg NULL\nd/3.jpg NULL")
    project.seed(labels(THREE, "totag"), tagged=tagged, images=images("d/1.jpg", "north/1.jpg"))
    before = everything(project)
    for blob in [blob.name for blob in project.images.list()]:
        project.images.delete(blob)

    said = project.run("download", 2, *how, code=1)
    assert "Is that the image container of this project, and is it mounted?" in said
    assert len(said.strip().splitlines()) == 1
    assert everything(project) == before

    for blob in ("north/1.jpg", "south/1.jpg", "south/2.jpg", "d/1.jpg", "d/2.jpg", "d/3.jpg"):
        project.images.write(blob, picture())
    project.run("download", 2, *how)
    assert everything(project)["failed"] == [] and len(project.batch["images"]) == 2


def test_a_container_that_vanishes_meanwhile_does_not_empty_the_pool(store, tmp_path):
    totag = "\n".join(f"{number}.jpg NULL" for number in range(12))
    project = BatchProject(store, tmp_path, totag)
    project.run("download", 2)
    for blob in [blob.name for blob in project.images.list()]:
        project.images.delete(blob)
    taken = len(project.batch["images"])
    assert "Is that the image container" in project.run("download", 5, "--discard", code=1)

    assert everything(project)["failed"] == []
    assert taken == 2 and len(project.names("tagging")) == 5


def test_single_images_that_are_gone_are_left_out_given_back_and_named(project):
    project.images.delete("north/1.jpg")
    said = project.run("download", 2, "--strategy", "random")
    more = project.run("download", 3, "--discard", "--strategy", "random")
    assert "north/1.jpg: it is gone from the image container; left out of this batch" in said + more
    assert project.names("failed") == []
    assert project.names("tagging") == ["south/1.jpg", "south/2.jpg"]
    free = project.names("totag")
    assert "north/1.jpg" in free


def test_an_image_that_this_machine_may_not_read_is_left_out_and_given_back(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    (tmp_path / "store" / "images" / "north" / "1.jpg").chmod(0)
    with ordinary_rights():
        said = project.run("download", 3)
    assert "north/1.jpg cannot be read on this machine now" in said
    assert (project.names("failed"), "north/1.jpg" in project.names("totag")) == ([], True)
    assert len(project.batch["images"]) == 2


def test_no_file_in_the_place_of_an_image_hangs_or_ends_a_download(folder_store, tmp_path, fault):
    project = BatchProject(folder_store, tmp_path, THREE)
    place = tmp_path / "store" / "images" / "north"
    (place / "1.jpg").unlink()
    fault(place)
    (place / "x.jpg").rename(place / "1.jpg")
    with ordinary_rights():
        said = project.run("download", 3)
    assert "north/1.jpg" in said and "left out of this batch" in said
    assert (project.names("failed"), len(project.batch["images"])) == ([], 2)


def test_a_download_decodes_no_more_at_once_than_there_is_room_for(
    folder_store, tmp_path, monkeypatch
):
    monkeypatch.setattr(room, "MOST", 40_000)  # two of these pictures
    at_once, most = [], []

    def counted(*arguments, **options):
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.005)
        try:
            return decode(*arguments, **options)
        finally:
            at_once.pop()

    monkeypatch.setattr("utils.images.decoding.decode", counted)
    project = BatchProject(folder_store, tmp_path, "\n".join(f"{n}.jpg NULL" for n in range(9)))
    project.run("download", 9)
    assert len(most) == 9 and max(most) <= 2


def test_only_the_training_machine_says_that_an_image_is_broken(store, tmp_path):
    project = BatchProject(store, tmp_path, THREE)
    project.images.write("north/1.jpg", picture()[:-300])
    assert run("train/initialize.py", project.config).returncode == 0
    assert project.names("failed") == []  # its header is whole

    said = project.run("download", 3)
    assert "north/1.jpg: image file is truncated" in said
    assert (project.names("failed"), "north/1.jpg" in project.names("totag")) == ([], True)

    assert run("train/initialize.py", project.config).returncode == 0
    assert (project.names("failed"), project.names("images")) == (
        ["north/1.jpg"],
        ["south/1.jpg", "south/2.jpg"],
    )
    assert run("train/initialize.py", project.config).returncode == 0
    assert project.names("failed") == ["north/1.jpg"]


def test_a_doubt_that_the_training_machine_does_not_share_is_forgotten(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    assert run("train/initialize.py", project.config).returncode == 0
    etag = project.images.info("north/1.jpg").etag
    project.labels.commit(
        lambda state: Change({}, {"doubted": {"north/1.jpg": etag, "gone.jpg": "1"}}), what="test"
    )
    assert run("train/initialize.py", project.config).returncode == 0
    assert project.names("failed") == [] and len(project.names("images")) == 3
    assert project.labels.read().document["doubted"] == {"gone.jpg": "1"}  # it was not there


# Memory


def test_what_is_decoded_at_once_is_bounded_in_pixels(monkeypatch):
    monkeypatch.setattr(room, "MOST", 100)
    inside, most, lock = [], [], threading.Lock()

    def work(pixels):
        with room.room_for(pixels), room.room_for(pixels):
            with lock:
                inside.append(pixels)
                most.append(sum(inside))
            time.sleep(0.002)
            with lock:
                inside.remove(pixels)

    threads = [threading.Thread(target=work, args=(size,)) for size in [40, 60, 250, 10, 90] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 20 and all(pixels <= 100 or pixels == 250 for pixels in most)


def test_room_is_given_back_by_what_fails(monkeypatch):
    monkeypatch.setattr(room, "MOST", 12)
    for _ in range(3):
        with pytest.raises(BadImage):
            decode(PNG[:-10])
    assert decode(PNG).shape == (3, 4, 3)
