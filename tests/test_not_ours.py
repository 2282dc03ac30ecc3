"""What this program did not write is neither deleted nor overwritten, and what is not uploaded is
not thrown away.
"""

import json

import pytest
from helpers_batch import THREE, BatchProject, picture, region

from utils.batch.batch import read_batch
from utils.storage.sync import list_images, sync_images

OWN = b"somebody's own photo"


@pytest.fixture
def project(folder_store, tmp_path):
    return BatchProject(folder_store, tmp_path, THREE)


def finish(project):
    """Say that every image of the batch was looked at, and upload."""
    project.run("upload", "--all")


# tagging_location


def test_a_linked_folder_in_tagging_location_is_refused_and_left_as_it_is(project, tmp_path):
    originals = tmp_path / "store" / "images"
    before = {path: path.read_bytes() for path in originals.rglob("*.jpg")}
    project.run("download", 1)
    finish(project)
    for file in (project.place / "Images").iterdir():
        file.unlink()
    (project.place / "Images").rmdir()
    (project.place / "Images").symlink_to(originals / "north", target_is_directory=True)

    said = project.run("download", 2, code=2)

    assert "Images is a link to another folder" in said and "remove the link" in said
    assert {path: path.read_bytes() for path in originals.rglob("*.jpg")} == before


def test_a_batch_is_cleared_only_of_files_with_the_content_that_was_written(project, tmp_path):
    project.run("download", 3)
    finish(project)
    images = project.place / "Images"
    first, second, third = sorted(images.iterdir())
    first.write_bytes(OWN)
    second.unlink()
    second.symlink_to(tmp_path / "store" / "images" / "south" / "1.jpg")
    (images / "mine.jpg").write_bytes(OWN)

    read_batch(project.place).clear()

    assert first.read_bytes() == OWN and second.is_symlink() and not third.exists()
    assert (images / "mine.jpg").read_bytes() == OWN


def test_an_own_file_named_like_a_later_image_is_not_overwritten(project):
    project.run("download", 1, "--strategy", "random")
    finish(project)
    images = project.place / "Images"
    own = ["north__1.jpg", "south__1.jpg", "SOUTH__2.JPG"]
    lying = {path.name for path in images.iterdir()}
    for name in own:
        if name.lower() not in lying:
            (images / name).write_bytes(OWN)

    project.run("download", 2)

    kept = [name for name in own if name.lower() not in lying]
    assert [(images / name).read_bytes() for name in kept] == [OWN] * 2
    assert sorted(project.batch["images"]) == sorted(
        f"Images/{name.lower().replace('.jpg', '_2.jpg')}" for name in kept
    )
    for local in project.batch["images"]:
        assert (project.place / local).read_bytes() == picture()


def test_the_names_of_the_batch_before_are_free_for_the_next(project):
    project.run("download", 3)
    project.run("download", 3, "--discard")
    assert sorted(project.batch["images"]) == [
        "Images/north__1.jpg",
        "Images/south__1.jpg",
        "Images/south__2.jpg",
    ]


def test_fetching_again_does_not_overwrite_what_somebody_put_there(project):
    project.run("download", 3)
    first, second, third = sorted((project.place / "Images").iterdir())
    first.write_bytes(OWN)  # shorter than the image, and no part of it
    second.write_bytes(second.read_bytes()[:50])
    said = project.run("download", 3, "--again", code=2)
    assert f"{first}: a file lies there that this program did not write" in said
    assert first.read_bytes() == OWN

    first.unlink()
    project.run("download", 3, "--again")
    assert {path.read_bytes() for path in (first, second, third)} == {picture()}


def test_a_batch_of_an_earlier_version_is_cleared_by_name_and_size(project):
    project.run("download", 3)
    finish(project)
    marker = project.place / "batch.json"
    document = json.loads(marker.read_text())
    for item in document["images"].values():
        del item["sha256"]
    marker.write_text(json.dumps(document))
    first = sorted((project.place / "Images").iterdir())[0]
    first.write_bytes(OWN)
    read_batch(project.place).clear()
    assert list((project.place / "Images").iterdir()) == [first]


# What is not uploaded


def killed_again(project) -> None:
    """As after a killed `--again`: the batch is not whole, and one image's file is gone."""
    gone = project.place / "Images" / project.local("south/2.jpg")
    gone.unlink()
    marker = project.place / "batch.json"
    document = json.loads(marker.read_text(encoding="utf-8"))
    marker.write_text(json.dumps({**document, "fetched": False}), encoding="utf-8")


def lapse(project) -> None:
    """All reservations are over."""
    tagging = project.table("tagging").assign(reserved_at="2020-01-01T00:00:00Z")
    project.seed(project.table("totag"), tagging=tagging)


def test_unsent_work_blocks_the_next_batch_also_after_a_killed_again(store, tmp_path):
    project = BatchProject(store, tmp_path, THREE)
    project.run("download", 3)
    project.save({"north/1.jpg": [region("bird", 10, 90, 10, 90)]})
    killed_again(project)
    lapse(project)

    said = project.run("download", 2, code=2)
    assert "1 of 3 images" in said and "not uploaded" in said and "north/1.jpg" in said
    assert (project.place / "Images.json").exists()

    project.run("upload")
    assert project.boxes() == ["north/1.jpg bird 0.05 0.45 0.1 0.9"]
    project.run("download", 2)
    assert len(project.batch["images"]) == 2


def test_going_on_keeps_what_was_drawn_in_images_that_lapsed(project):
    project.run("download", 3)
    project.save({"north/1.jpg": [region("bird", 10, 90, 10, 90)]})
    killed_again(project)
    tagging = project.table("tagging")
    lapsed = (tagging["filename"] == "1.jpg") & (tagging["folder"] == "north")
    tagging.loc[lapsed, "reserved_at"] = "2020-01-01T00:00:00Z"
    project.seed(project.table("totag"), tagging=tagging)

    project.run("download", 3)
    assert "north/1.jpg" in {
        f"{item['folder']}/{item['filename']}" for item in project.batch["images"].values()
    }
    project.run("upload")
    assert project.boxes() == ["north/1.jpg bird 0.05 0.45 0.1 0.9"]


def test_what_was_drawn_in_an_image_that_is_gone_is_sent_all_the_same(project):
    project.run("download", 3)
    project.save({"south/2.jpg": [region("bird", 10, 90, 10, 90)]})
    killed_again(project)
    project.images.delete("south/2.jpg")
    project.run("download", 3)
    assert len(project.batch["images"]) == 3
    project.run("upload")
    assert project.names("tagged") == ["south/2.jpg"]


def test_discard_throws_unsent_work_away_as_it_says(project):
    project.run("download", 3)
    project.save({"north/1.jpg": [region("bird", 10, 90, 10, 90)]})
    killed_again(project)
    lapse(project)
    project.run("download", 2, "--discard")
    assert len(project.batch["images"]) == 2 and project.names("tagged") == []


# image_dir


def synced(store, folder):
    result = sync_images(store.images, list_images(store.images, "*.jpg", True).blobs, folder)
    return result.downloaded, result.present, dict(result.failed)


def test_own_photos_in_image_dir_are_left_as_they_are(azurite_store, tmp_path):
    for name in ("a.jpg", "b.jpg", "c/d.jpg"):
        azurite_store.images.write(name, b"ours, of " + name.encode())
    here = tmp_path / "photos"
    (here / "c").mkdir(parents=True)
    (here / "a.jpg").write_bytes(OWN)
    (here / "c" / "d.jpg").write_bytes(b"ours, of c/d.jpg")  # the same picture

    downloaded, present, failed = synced(azurite_store, here)
    assert (downloaded, present, list(failed)) == (2, 0, ["a.jpg"])
    assert "that this program did not write" in failed["a.jpg"]
    assert (here / "a.jpg").read_bytes() == OWN
    assert synced(azurite_store, here)[:2] == (0, 2)


def test_of_what_was_fetched_only_what_is_as_it_was_written_is_replaced(azurite_store, tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        azurite_store.images.write(name, b"first")
    assert synced(azurite_store, tmp_path) == (3, 0, {})
    (tmp_path / "b.jpg").write_bytes(OWN)
    (tmp_path / "c.jpg").write_bytes(b"fi")  # as after a power failure
    azurite_store.images.write("a.jpg", b"second")

    downloaded, present, failed = synced(azurite_store, tmp_path)
    assert (downloaded, present, list(failed)) == (2, 0, ["b.jpg"])
    assert [(tmp_path / name).read_bytes() for name in ("a.jpg", "b.jpg", "c.jpg")] == [
        b"second",
        OWN,
        b"first",
    ]
    assert not list(tmp_path.glob("*.part"))


def test_a_journal_of_an_earlier_version_is_believed(azurite_store, tmp_path):
    azurite_store.images.write("a.jpg", b"first")
    synced(azurite_store, tmp_path)
    journal = tmp_path / ".synced.jsonl"
    name, etag, _ = json.loads(journal.read_text().strip())
    journal.write_text(json.dumps([name, etag]))
    azurite_store.images.write("a.jpg", b"second")
    assert synced(azurite_store, tmp_path) == (1, 0, {})
    assert (tmp_path / "a.jpg").read_bytes() == b"second"
