"""download_vott_json.py and upload_vott_json.py as a person starts them: real processes on a folder
and on Azurite.
"""

import json
import os
import shutil

import numpy as np
import pytest
from helpers_batch import ORANGE, TAG, THREE, BatchProject, picture, region
from helpers_project import Project
from helpers_tables import labels
from PIL import Image

from utils.batch.batch import Batch, read_batch
from utils.errors import InputError
from utils.labels import tables
from utils.labels.state import Change
from utils.labels.tables import split_name

# The way there and back, on both stores


def test_a_batch_goes_out_is_reviewed_and_comes_back(store, tmp_path):
    project = BatchProject(store, tmp_path, THREE)
    output = project.run("download", 2)
    assert project.last(output) == f"2 images, 1 boxes → {project.place / 'Images.json'}"
    assert project.names("tagging") == ["north/1.jpg", "south/1.jpg"] and project.names(
        "totag"
    ) == ["south/2.jpg"]
    assert sorted(path.name for path in (project.place / "Images").iterdir()) == [
        "north__1.jpg",
        "south__1.jpg",
    ]
    assert project.vott()["frames"]["north__1.jpg"][0] == {
        **region("bird", 20, 100, 20, 80),
        "id": 1,
        "name": 1,
        "UID": "00000001",
    }

    project.save({"south/1.jpg": [region("seal", 50, 150, 10, 30)]}, visited=["north/1.jpg"])
    output = project.run("upload")
    assert project.last(output).startswith("2 images, 2 boxes → tagged_")
    assert project.boxes() == [
        "north/1.jpg bird 0.1 0.5 0.2 0.8",
        "south/1.jpg seal 0.25 0.75 0.1 0.3",
    ]
    assert project.names("tagging") == [] and project.names("totag") == ["south/2.jpg"]


def test_the_same_batch_twice_changes_nothing_and_a_corrected_one_replaces_its_rows(
    store, tmp_path
):
    project = BatchProject(store, tmp_path, THREE)
    project.run("download", 3)
    project.run("upload", "--all")
    before = project.labels.read().document
    assert "0 images, 0 boxes" in project.run(
        "upload", "--all"
    ) and "3 uploaded before" in project.run("upload", "--all")
    assert project.labels.read().document == before

    project.save({"north/1.jpg": []})
    assert project.last(project.run("upload")).startswith("1 images, 0 boxes → tagged_")
    assert project.boxes() == [
        "north/1.jpg NULL 0 0 0 0",
        "south/1.jpg NULL 0 0 0 0",
        "south/2.jpg NULL 0 0 0 0",
    ]


def test_names_of_any_kind_go_out_and_come_back(folder_store, tmp_path):
    blobs = [
        "bär/été 鳥 (1) [2].jpg",
        "a/1.jpg",
        "a__1.jpg",
        "A/1.jpg",
        "con_/aux_.jpg",
        "x" * 150 + ".jpg",
        "50%#1.jpg",
    ]
    project = BatchProject(folder_store, tmp_path, "")
    one = labels("1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.9", "totag")
    project.seed(
        tables.concat(
            "totag",
            *(
                one.assign(folder=folder, filename=filename)
                for folder, filename in map(split_name, blobs)
            ),
        )
    )
    project.run("download", 7)
    project.save(visited=blobs[:6])
    project.run("upload")
    assert project.boxes() == sorted(f"{blob} bird 0.1 0.5 0.2 0.8" for blob in blobs[:6])
    assert project.names("tagging") == ["50%#1.jpg"]


# Choosing


def test_images_of_a_class_share_the_batch_and_boxes_over_one_pixel_are_limited(
    folder_store, tmp_path
):
    project = BatchProject(
        folder_store,
        tmp_path,
        """
        1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.6
        1.jpg bird 0.1 0.5 0.2 0.7 0.6 0.6
        2.jpg seal 0.1 0.5 0.2 0.8 0.9 0.9
        3.jpg bird 0.1 0.5 0.2 0.8 0.7 0.7
        4.jpg NULL 0 0 0 0 0 0
        """,
        ideal_class_balance="0.5,0.5,0",
        max_tags_per_pixel="1",
    )
    assert "2 images, 2 boxes" in project.run("download", 2)
    assert (
        project.names("tagging") == ["1.jpg", "2.jpg"]
        and len(project.vott()["frames"]["1.jpg"]) == 1
    )


def test_fewer_images_than_asked_for_are_all_handed_out_and_that_is_said(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    assert "5 images were asked for; there are no more to hand out" in project.run("download", 5)
    assert len(project.batch["images"]) == 3


def test_what_is_gone_or_broken_is_given_back_and_the_next_takes_its_place(store, tmp_path):
    project = BatchProject(store, tmp_path, "\n".join(f"a/{n}.jpg NULL" for n in range(5)))
    project.images.delete("a/0.jpg")
    project.images.write("a/1.jpg", picture(width=2000)[:4000])
    output = project.run("download", 2)
    assert project.names("tagging") == ["a/2.jpg", "a/3.jpg"]
    assert project.names("totag") == ["a/0.jpg", "a/1.jpg", "a/4.jpg"]
    assert project.names("failed") == []
    assert "a/0.jpg: it is gone" in output and project.last(output).startswith("2 images")


def test_a_batch_of_only_broken_images_is_one_line(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, "a/0.jpg NULL")
    project.images.write("a/0.jpg", b"no image")
    assert "no image could be fetched; the first: a/0.jpg" in project.run("download", 2, code=1)
    assert project.names("totag") == ["a/0.jpg"] and project.names("tagging") == []


# Images in a form that every tool shows alike


def test_plain_images_are_handed_out_byte_by_byte(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, "1.jpg NULL")
    project.run("download", 1)
    assert (project.place / "Images" / "1.jpg").read_bytes() == picture()


def test_everything_else_is_handed_out_as_an_upright_copy_of_the_same_size(folder_store, tmp_path):
    originals = {
        "turned.jpg": picture(orientation=6),
        "really_png.jpg": picture(form="PNG"),
        "rgba.png": picture(form="PNG", mode="RGBA"),
        "really_jpeg.png": picture(),
        "bitmap.bmp": picture(form="BMP"),
        "scan.tif": picture(form="TIFF"),
    }
    project = BatchProject(folder_store, tmp_path, "\n".join(f"{blob} NULL" for blob in originals))
    for blob, data in originals.items():
        project.images.write(blob, data)
    project.run("download", 6)
    for blob in originals:
        with Image.open(project.place / "Images" / project.local(blob)) as image:
            assert image.size == ((100, 200) if blob == "turned.jpg" else (200, 100)), blob
            assert (
                image.format == ("JPEG" if blob.endswith(("jpg", "tif")) else "PNG")
                and image.mode == "RGB"
            )
            assert image.getexif().get(0x0112, 1) == 1
            assert np.abs(np.asarray(image.getpixel((5, 5)), int) - ORANGE).max() < 12, blob


def test_boxes_of_a_turned_photo_are_in_the_upright_frame_both_ways(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, "1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.9")
    project.images.write("1.jpg", picture(orientation=6))
    project.run("download", 1)
    shown = project.vott()["frames"]["1.jpg"][0]
    assert [shown[name] for name in ("x1", "x2", "y1", "y2", "width", "height")] == [
        10,
        50,
        40,
        160,
        100,
        200,
    ]
    project.run("upload", "--all")
    assert project.boxes() == ["1.jpg bird 0.1 0.5 0.2 0.8"]
    assert project.table("tagged")[["width", "height"]].to_numpy().tolist() == [[100, 200]]


# Classes


def test_classes_that_vott_cannot_hold_come_back_under_their_names(folder_store, tmp_path):
    totag = labels(
        "1.jpg X 0.1 0.5 0.2 0.8 0.9 0.9\n1.jpg Y 0.1 0.5 0.2 0.8 0.9 0.9\n1.jpg moth 0.1 0.5 0.2"
        " 0.8 0.9 0.9",
        "totag",
    )
    project = BatchProject(folder_store, tmp_path, "1.jpg NULL", classes="a b,a_b,fish")
    project.seed(totag.assign(**{"class": ["a b", "a_b", "moth"]}))
    project.run("download", 1)
    assert (
        project.vott()["inputTags"] == "a_b_2,a_b,fish,moth"
        and len(project.vott()["tag_colors"]) == 4
    )
    project.run("upload", "--all")
    assert project.boxes() == [f"1.jpg {name} 0.1 0.5 0.2 0.8" for name in ("a b", "a_b", "moth")]


def test_a_class_that_is_not_in_the_config_is_kept_and_named(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, "1.jpg NULL")
    project.run("download", 1)
    project.save({"1.jpg": [region("walrus", 0, 20, 0, 10)]})
    assert "not in classes of config.ini: walrus (1 boxes)" in project.run("upload")
    assert project.boxes() == ["1.jpg walrus 0 0.1 0 0.1"]


# Reviewed or not


def test_images_without_a_mark_stay_reserved_and_are_named_with_the_way_out(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    project.save({"south/2.jpg": []})
    line = project.last(project.run("upload"))
    assert (
        line.startswith("1 images, 0 boxes → tagged_")
        and "2 of 3 not counted as reviewed (north__1.jpg, south__1.jpg)" in line
    )
    assert "--all" in line and project.names("tagging") == ["north/1.jpg", "south/1.jpg"]


def test_nothing_reviewed_is_exit_1(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    assert project.last(project.run("upload", code=1)).startswith("0 images, 0 boxes")
    assert project.names("tagged") == []


def test_boxes_that_cannot_be_taken_are_named_and_the_rest_goes_through(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    bad = [region("bird", 10, 10, 0, 5), region("NULL", 0, 5, 0, 5)]
    project.save({"north/1.jpg": [*bad, region("bird", 0, 20, 0, 10)], "south/1.jpg": [7]})
    saved = project.vott()
    saved["frames"]["stranger.jpg"] = []
    (project.place / "Images.json").write_text(json.dumps(saved))
    output = project.run("upload")
    assert (
        "north__1.jpg: box 1 (bird) has no area" in output
        and "north__1.jpg: a box is tagged NULL" in output
    )
    assert "south__1.jpg: box 1 is not a VoTT region; the image stays reserved" in output
    assert "stranger.jpg is not an image of this batch" in output
    assert project.boxes() == ["north/1.jpg bird 0 0.1 0 0.1"]


def test_a_box_tagged_with_the_name_of_all_classes_together_keeps_its_image_reserved(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    project.save(
        {
            "north/1.jpg": [region("Average", 0, 20, 0, 10)],
            "south/1.jpg": [region("bird", 0, 20, 0, 10)],
        }
    )
    assert "north__1.jpg: a box is tagged Average" in project.run("upload")
    assert project.boxes() == ["south/1.jpg bird 0 0.1 0 0.1"] and "north/1.jpg" in project.names(
        "tagging"
    )


def test_one_malformed_file_is_named_and_the_other_folders_go_through(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3, "--by-folder")
    assert sorted(path.name for path in project.place.iterdir()) == [
        "batch.json",
        "north",
        "north.json",
        "south",
        "south.json",
    ]
    (project.place / "north.json").write_text("{")
    output = project.run("upload", "--all")
    assert "north.json: it is not JSON" in output and project.last(output).startswith(
        "2 images, 0 boxes"
    )
    assert project.names("tagging") == ["north/1.jpg"]
    (project.place / "south.json").unlink()
    project.run("upload", "--all", code=1)


# One batch at a time


def test_a_second_download_is_refused_until_everything_is_uploaded(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    assert "2 of 2 images of the batch" in project.run("download", 1, code=2)
    project.save({"north/1.jpg": []})
    project.run("upload")
    assert "1 of 2 images of the batch" in project.run("download", 1, code=2)
    project.run("upload", "--all")
    project.save({"north/1.jpg": [region("bird", 0, 20, 0, 10)]})
    assert "1 of 2 images of the batch" in project.run("download", 1, code=2)
    project.run("upload", "--all")
    project.run("download", 1)
    assert [path.name for path in (project.place / "Images").iterdir()] == ["south__2.jpg"]


def test_a_batch_that_is_discarded_goes_back_and_makes_room_for_the_next(store, tmp_path):
    project = BatchProject(store, tmp_path, THREE)
    project.run("download", 2)
    project.save({"north/1.jpg": [region("bird", 0, 20, 0, 10)]})

    said = project.run("download", 3, "--discard")

    assert "2 images of the batch" in said and "are given back" in said
    assert len(project.names("tagging")) == 3 and project.names("tagged") == []
    assert len(list((project.place / "Images").iterdir())) == 3
    assert (
        "2 images" not in project.run("download", 1, "--discard")
        and len(project.names("tagging")) == 1
    )


def test_what_was_discarded_stands_in_the_way_of_nothing(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    project.save({"north/1.jpg": [region("bird", 0, 20, 0, 10)]})
    elsewhere = (
        project.table("tagging")
        .iloc[[0]]
        .assign(filename="2.jpg", folder="south", reserved_at="2999-01-01T00:00:00Z")
    )
    project.labels.commit(
        lambda state: Change({"tagging": elsewhere}),
        what="a batch of the same person in another folder",
    )
    assert "fetch them here once more with --again" in project.run(
        "download", 1, "--discard", code=2
    )
    assert project.last(project.run("download", 1, "--again")).startswith(
        "1 images"
    ) and project.names("tagging") == ["south/2.jpg"]


def test_a_folder_of_the_users_own_is_refused_and_left_alone(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    (project.place / "Images").mkdir(parents=True)
    (project.place / "Images" / "mine.txt").write_text("mine")
    assert "holds files that are not from this program (Images)" in project.run(
        "download", 1, code=2
    )
    assert (project.place / "Images" / "mine.txt").read_text() == "mine" and project.names(
        "tagging"
    ) == []


def test_only_our_own_files_are_removed_for_the_next_batch(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    (project.place / "Images" / "mine.txt").write_text("mine")
    project.run("upload", "--all")
    project.run("download", 1)
    assert sorted(path.name for path in (project.place / "Images").iterdir()) == [
        "mine.txt",
        "south__2.jpg",
    ]


def test_images_that_are_held_but_no_longer_on_this_disk_are_fetched_once_more(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    shutil.rmtree(project.place)
    assert "anna holds 2 images" in project.run("download", 1, code=2)
    assert project.last(project.run("download", 1, "--again")).startswith("2 images, 1 boxes")
    assert project.names("tagging") == ["north/1.jpg", "south/1.jpg"]
    (project.place / "Images" / "north__1.jpg").unlink()
    assert "are gone or cut short (Images/north__1.jpg); --again" in project.run(
        "download", 1, code=2
    )
    project.save({"south/1.jpg": []})
    project.run("download", 1, "--again")
    assert (project.place / "Images" / "north__1.jpg").read_bytes() == picture() and project.vott()[
        "frames"
    ]["south__1.jpg"] == []


# Starting, and input that is wrong


def test_both_programs_run_from_any_folder(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2, cwd=TAG)
    assert project.last(project.run("upload", "--all", cwd=TAG)).startswith("2 images")


def test_nothing_left_to_tag_is_one_line(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, "1.jpg NULL")
    project.run("download", 1)
    project.run("upload", "--all")
    assert (
        "nothing is left to tag: 1 images are tagged, 0 are out, 0 cannot be read"
        in project.run("download", 1, code=2)
    )


def test_a_container_that_nobody_initialized_is_one_line(store, tmp_path):
    project = Project(store, tmp_path)
    said = project.run("tag/download_vott_json.py", 1, code=2)
    assert "run train/active_learning_initialize.sh CONFIG" in said


def test_no_batch_and_no_tagging_location_are_one_line(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, "1.jpg NULL")
    assert "no batch is there" in project.run("upload", code=2)
    project.config.write_text(
        project.config.read_text().replace("tagging_location=Tag", "tagging_location=")
    )
    assert "tagging_location" in project.run(
        "upload", code=2
    ) and "tagging_location" in project.run("download", 1, code=2)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format": 9}',
        '{"format": 1, "images": [], "place": 1}',
        json.dumps(
            {
                "format": 1,
                "tagger": "",
                "reserved_at": "",
                "wanted": 1,
                "images": {"../x": {"folder": "", "filename": "x", "boxes": []}},
            }
        ),
    ],
)
def test_a_damaged_batch_file_is_one_line(tmp_path, content):
    (tmp_path / "batch.json").write_text(content)
    with pytest.raises(InputError, match="batch.json"):
        read_batch(tmp_path)


def test_the_vott_file_of_an_image_folder_called_batch_is_not_our_marker(tmp_path):
    batch = Batch(tmp_path, "anna", "", 2, by_folder=True)
    batch.add({"batch/1.jpg": []})
    batch.add({"Batch/1.jpg": [], "1.jpg": []})
    assert {local: item.blob for local, item in batch.images.items()} == {
        "batch_2/1.jpg": "batch/1.jpg",
        "Images/1.jpg": "1.jpg",
        "Batch_3/1.jpg": "Batch/1.jpg",
    }


@pytest.mark.parametrize("where", ["images", "images/a/Tag", "labels/Tag", "linked/Tag"])
def test_a_place_in_a_container_is_refused(folder_store, tmp_path, where):
    place = tmp_path / "store" / where
    os.symlink(tmp_path / "store" / "images", tmp_path / "store" / "linked")
    (tmp_path / "store" / "images" / "a").mkdir()
    project = BatchProject(folder_store, tmp_path, THREE, tagging_location=place)
    for blob in list(folder_store.images.list()):
        if where == "images":
            folder_store.images.delete(blob.name)
    before = [blob.name for blob in folder_store.images.list()]
    said = project.run("download", 2, code=2)
    if where != "images":
        assert "it lies in the container" in said and "name a folder elsewhere" in said
    assert [blob.name for blob in folder_store.images.list()] == before
    assert project.names("tagging") == []


def test_all_boxes_of_a_colony_of_300_are_drawn_and_come_back(folder_store, tmp_path):
    totag = "\n".join(
        f"a/1.jpg seal {x / 25} {(x + 0.5) / 25} {y / 12} {(y + 0.5) / 12} 0.9 0.9"
        for x in range(25)
        for y in range(12)
    )
    project = BatchProject(folder_store, tmp_path, totag, max_detections=400)
    assert ", 300 boxes" in project.run("download", 1)
    assert len(project.vott()["frames"][project.local("a/1.jpg")]) == 300
    project.save(visited=["a/1.jpg"])
    assert "1 images, 300 boxes" in project.run("upload")
    assert len(project.table("tagged")) == 300
