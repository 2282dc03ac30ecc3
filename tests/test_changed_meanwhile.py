"""What upload does with a batch when something is not as it was handed out: labels, images, the
project, or the picture on the disk.
"""

import shutil
from dataclasses import replace

from helpers_batch import THREE, BatchProject, picture, region
from helpers_tables import images, labels

from utils.labels.state import Change


def test_a_batch_of_another_tagger_is_not_uploaded(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    project.config.write_text(project.config.read_text().replace("anna", "bert"))
    assert "handed out to anna, and you are bert" in project.run("upload", "--all", code=2)


def test_a_batch_of_another_project_is_neither_uploaded_nor_given_back_nor_thrown_away(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    shutil.copytree(tmp_path / "store", tmp_path / "other/store")
    for file in (tmp_path / "other/store/labels").rglob("*"):
        file.unlink() if file.is_file() else None
    settings = folder_store.settings.replace(str(tmp_path / "store"), str(tmp_path / "other/store"))
    other = BatchProject(
        replace(folder_store, settings=settings),
        tmp_path / "other",
        THREE,
        tagging_location=project.place,
    )
    before = other.labels.read().document, project.labels.read().document, project.batch
    for program, *options in (
        ("upload", "--all"),
        ("download", 2, "--discard"),
        ("download", 2, "--again"),
        ("download", 2),
    ):
        assert "the batch there is of another project than" in other.run(program, *options, code=2)
    assert (other.labels.read().document, project.labels.read().document, project.batch) == before
    assert project.last(project.run("upload", "--all")).startswith("2 images, 1 boxes")


def test_what_somebody_else_changed_after_an_upload_stands_when_the_rest_of_the_batch_follows(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    project.save(visited=["north/1.jpg"])
    project.run("upload")
    corrected = labels("north/1.jpg seal 0 1 0 1")
    project.labels.commit(lambda state: Change({"tagged": corrected}), what="correcting")
    project.save(visited=["north/1.jpg", "south/1.jpg"])
    output = project.run("upload")
    assert "north/1.jpg: uploaded before, and changed by somebody else since; that stands" in output
    assert project.last(output).startswith(
        "1 images, 0 boxes → tagged_"
    ) and "1 uploaded before" in project.last(output)
    assert (
        project.boxes() == ["north/1.jpg seal 0 1 0 1", "south/1.jpg NULL 0 0 0 0"]
        and project.names("conflicts") == []
    )


def test_what_somebody_else_uploaded_meanwhile_stands_and_ours_is_set_aside(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    theirs = labels("north/1.jpg seal 0 1 0 1")
    project.labels.commit(lambda state: Change({"tagged": theirs}), what="uploading")
    assert "north/1.jpg: somebody else has uploaded it meanwhile" in project.run("upload", "--all")
    assert project.boxes() == ["north/1.jpg seal 0 1 0 1", "south/1.jpg NULL 0 0 0 0"]
    assert project.boxes("conflicts") == ["north/1.jpg bird 0.1 0.5 0.2 0.8"]


def test_boxes_drawn_in_a_picture_that_was_turned_on_this_disk_are_not_taken(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    project.save(
        {
            "north/1.jpg": [region("bird", 0, 20, 0, 10, width=100, height=200)],
            "south/1.jpg": [region("bird", 0, 10, 0, 5, width=101, height=50)],
        }
    )  # in a view of half the size
    said = project.run("upload")
    assert (
        "north__1.jpg: its boxes were drawn in a picture of another shape than the 200 x 100 pixels"
        " that were handed out" in said
    )
    assert project.boxes() == ["south/1.jpg bird 0 0.099 0 0.1"] and project.names("tagging") == [
        "north/1.jpg"
    ]


def test_an_image_that_was_replaced_meanwhile_is_named_and_queued_to_be_looked_at_again(
    store, tmp_path
):
    project = BatchProject(store, tmp_path, THREE)
    project.run("download", 2)
    for blob in ("north/1.jpg", "south/2.jpg"):
        project.images.write(blob, picture(100, 200))
    listed = images("north/1.jpg", "south/1.jpg").assign(
        etag=[project.images.info("north/1.jpg").etag, "of a listing before"]
    )
    project.labels.commit(lambda state: Change({"images": listed}), what="the next sync")
    said = project.run("upload", "--all")
    assert (
        f"{project.place / 'Images.json'}: north__1.jpg: the image was replaced" in said
        and "south__1.jpg" not in said
    )
    assert project.names("tagged") == ["north/1.jpg", "south/1.jpg"] and project.names(
        "review"
    ) == ["north/1.jpg"]
    before = project.labels.read().document
    project.run("upload", "--all")
    assert project.labels.read().document == before


def test_an_image_that_was_deleted_meanwhile_is_named_and_keeps_its_boxes(store, tmp_path):
    project = BatchProject(store, tmp_path, THREE)
    project.run("download", 2)
    project.save({"north/1.jpg": [region("bird", 0, 20, 0, 10)]})
    project.images.delete("north/1.jpg")
    project.labels.commit(
        lambda state: Change({"images": images("south/2.jpg")}), what="the next sync"
    )
    said = project.run("upload", "--all")
    assert (
        f"{project.place / 'Images.json'}: north__1.jpg: the image was deleted" in said
        and "south__1.jpg" not in said
    )
    assert (
        project.boxes() == ["north/1.jpg bird 0 0.1 0 0.1", "south/1.jpg NULL 0 0 0 0"]
        and project.names("tagging") == []
    )
