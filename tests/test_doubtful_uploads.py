"""VoTT files that do not say what was meant: nothing is guessed, the images stay reserved."""

import json
import shutil

import pytest
from helpers_batch import THREE, BatchProject, region


def test_an_image_with_a_forgotten_tag_stays_reserved_and_the_others_are_uploaded(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    forgotten = {**region("", 20, 100, 20, 80), "tags": []}
    as_text = {**region("", 20, 100, 20, 80), "tags": "seal"}
    project.save(
        {
            "north/1.jpg": [region("bird", 20, 100, 20, 80), forgotten],
            "south/1.jpg": [as_text],
            "south/2.jpg": [],
        },
        visited=["north/1.jpg", "south/1.jpg", "south/2.jpg"],
    )
    said = project.run("upload", "--all")
    assert "north__1.jpg: box 2 has no tag; give it one, or delete the box; the image stays" in said
    assert 'south__1.jpg: box 1 has tags that are no list of names: "seal"; the image stays' in said
    assert project.boxes() == ["south/2.jpg NULL 0 0 0 0"]
    assert project.names("tagging") == ["north/1.jpg", "south/1.jpg"]


FOUR = """
Zoo/1.jpg NULL
alpha/1.jpg NULL
site_b/1.jpg NULL
sitea/1.jpg NULL
"""


def as_vott_1_5(project, frames, visited):
    """Save with places instead of names."""
    saved = {**project.vott(), "visitedFrames": visited}
    saved["frames"] = {**saved["frames"], **frames}
    (project.place / "Images.json").write_text(json.dumps(saved), encoding="utf-8")


def test_places_in_a_listing_whose_order_nobody_knows_give_boxes_to_no_image(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, FOUR)
    project.run("download", 4)
    tags = ["seal", "hare", "fox", "bird"]
    frames = {str(place): [region(tag, 20, 100, 20, 80)] for place, tag in enumerate(tags)}
    as_vott_1_5(project, frames, [0, 1, 2, 3])
    said = project.run("upload", "--all", code=1)
    assert f"{project.place / 'Images.json'}: it names images by their place in a list" in said
    assert "its 4 images stay reserved" in said
    assert project.boxes() == [] and len(project.names("tagging")) == 4


def test_places_beside_the_names_of_our_boxes_do_not_make_these_reviewed(folder_store, tmp_path):
    project = BatchProject(
        folder_store, tmp_path, "a/0.jpg bird 0.5 0.9 0.2 0.6 0.9 0.9\na/1.jpg NULL"
    )
    project.run("download", 2)
    as_vott_1_5(project, {"0": [region("fox", 20, 100, 20, 80)]}, [0, 1])
    said = project.run("upload", code=1)
    assert "two keys for a__0.jpg" in said and "its 2 images stay reserved" in said
    assert project.names("tagging") == ["a/0.jpg", "a/1.jpg"] and project.boxes() == []


def test_places_that_every_file_system_orders_alike_are_uploaded(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, "a/0.jpg NULL\na/1.jpg NULL\na/2.jpg NULL")
    project.run("download", 3)
    as_vott_1_5(project, {"1": [region("seal", 20, 100, 20, 80)]}, [0, 1])
    project.run("upload")
    assert project.boxes() == ["a/0.jpg NULL 0 0 0 0", "a/1.jpg seal 0.1 0.5 0.2 0.8"]
    assert project.names("tagging") == ["a/2.jpg"]


def test_two_spellings_of_one_name_with_different_boxes_are_a_fault(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, "a/0.jpg NULL\na/1.jpg NULL")
    project.run("download", 2)
    frames = {
        "a__0.jpg": [region("seal", 20, 100, 20, 80)],
        "A__0.JPG": [region("bird", 20, 100, 20, 80)],
    }
    as_vott_1_5(project, frames, ["a__0.jpg", "a__1.jpg"])
    assert "a__0.jpg: it has two keys, with different boxes; the image stays" in project.run(
        "upload"
    )
    assert project.boxes() == ["a/1.jpg NULL 0 0 0 0"] and project.names("tagging") == ["a/0.jpg"]


def test_a_photo_deleted_while_tagging_is_not_usable_and_not_empty(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    for blob in ("north/1.jpg", "south/1.jpg"):
        (project.place / "Images" / project.local(blob)).unlink()
    project.save({}, visited=["north/1.jpg", "south/1.jpg", "south/2.jpg"])
    said = project.run("upload")
    for name in ("north__1.jpg", "south__1.jpg"):
        assert f"{name}: the photo was deleted while tagging: it is not usable" in said
    assert project.last(said).startswith("1 images, 0 boxes")
    assert "2 deleted while tagging" in project.last(said)
    assert project.boxes() == ["south/2.jpg NULL 0 0 0 0"]
    assert project.names("failed") == ["north/1.jpg", "south/1.jpg"]
    assert project.names("tagging") == []
    assert "nothing is left to tag" in project.run("download", 1, code=2)
    assert "2 deleted while tagging" in project.run("upload") and len(project.boxes()) == 1


def test_boxes_drawn_in_a_photo_that_is_gone_now_are_kept(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    (project.place / "Images" / project.local("south/1.jpg")).unlink()
    project.save({"south/1.jpg": [region("seal", 20, 100, 20, 80)]}, visited=["south/1.jpg"])
    project.run("upload")
    assert project.boxes() == ["south/1.jpg seal 0.1 0.5 0.2 0.8"]
    assert project.names("failed") == []


def test_when_all_photos_are_gone_none_is_taken_for_empty_or_unusable(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    shutil.rmtree(project.place / "Images")
    project.save({}, visited=["north/1.jpg", "south/1.jpg", "south/2.jpg"])
    said = project.run("upload", code=1)
    assert said.count("the photos of this folder are gone, so it is not taken for empty") == 3
    assert project.boxes() == [] and len(project.names("tagging")) == 3


DOUBLED = {
    "a key of frames": '{"frames": {"a__0.jpg": %s, "a__0.jpg": %s}}',
    "the frames": '{"frames": {"a__0.jpg": %s}, "frames": {"a__0.jpg": %s}}',
    "upper and lower case": '{"frames": {"a__0.jpg": %s, "A__0.JPG": %s}}',
    "a path of another machine": '{"frames": {"C:\\\\\\\\a\\\\\\\\a__0.jpg": %s, "a__0.jpg": %s}}',
    "a path and its name in other case": '{"frames": {"/mnt/A__0.jpg": %s, "a__0.JPG": %s}}',
}


@pytest.mark.parametrize("content", DOUBLED.values(), ids=DOUBLED)
def test_an_image_that_is_there_twice_is_a_fault_of_it_and_of_no_other(
    content, folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, "a/0.jpg NULL\na/1.jpg NULL")
    project.run("download", 2)
    seal, bird = (
        json.dumps([region(tag, left, left + 40, 20, 80)])
        for tag, left in (("seal", 20), ("bird", 90))
    )
    visited = '"visitedFrames": ["a__0.jpg", "a__1.jpg"]'
    text = content % (seal, bird)
    (project.place / "Images.json").write_text(f"{text[:-1]}, {visited}}}", encoding="utf-8")
    said = project.run("upload")
    assert "a__0.jpg: it has two keys, with different boxes; the image stays" in said
    assert project.boxes() == ["a/1.jpg NULL 0 0 0 0"] and project.names("tagging") == ["a/0.jpg"]

    text = content % (seal, seal)  # no word is lost
    (project.place / "Images.json").write_text(f"{text[:-1]}, {visited}}}", encoding="utf-8")
    project.run("upload")
    assert project.boxes() == ["a/0.jpg seal 0.1 0.3 0.2 0.8", "a/1.jpg NULL 0 0 0 0"]


def test_a_box_with_two_corners_of_one_name_is_a_fault_of_its_image(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, "a/0.jpg NULL\na/1.jpg NULL")
    project.run("download", 2)
    box = json.dumps(region("seal", 20, 100, 20, 80)).replace('"x1": 20', '"x1": 20, "x1": 90')
    (project.place / "Images.json").write_text(
        f'{{"frames": {{"a__0.jpg": [{box}]}}, "visitedFrames": ["a__0.jpg", "a__1.jpg"]}}'
    )
    assert "a__0.jpg: box 1 has two values of one kind; the image stays" in project.run("upload")
    assert project.names("tagged") == ["a/1.jpg"] and project.names("tagging") == ["a/0.jpg"]


def test_two_lists_of_what_was_seen_are_a_fault_of_the_file(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, "a/0.jpg NULL\na/1.jpg NULL")
    project.run("download", 2)
    (project.place / "Images.json").write_text(
        '{"frames": {}, "visitedFrames": ["a__0.jpg"], "visitedFrames": ["a__1.jpg"]}'
    )
    assert '"visitedFrames" twice, with different images; its 2 images' in project.run(
        "upload", code=1
    )
    assert project.names("tagged") == []


def test_a_labelme_file_with_two_lists_of_shapes_is_a_fault_of_its_image(folder_store, tmp_path):
    project = BatchProject(
        folder_store, tmp_path, "a/0.jpg NULL\na/1.jpg NULL", annotation_tool="labelme"
    )
    project.run("download", 2)
    shape = '{"label": "%s", "points": [[20, 20], [100, 80]], "shape_type": "rectangle"}'
    sides = '"imageWidth": 200, "imageHeight": 100, "version": "5.5.0", "flags": {}'
    both = f'"shapes": [{shape % "seal"}], "shapes": [{shape % "bird"}]'
    for number, shapes in ((0, both), (1, f'"shapes": [{shape % "seal"}]')):
        name = f"a__{number}"
        (project.place / "Images" / f"{name}.json").write_text(
            f'{{"imagePath": "{name}.jpg", {shapes}, {sides}}}'
        )
    said = project.run("upload")
    assert "a__0.json: 'shapes' stands there twice in one place" in said
    assert project.boxes() == ["a/1.jpg seal 0.1 0.5 0.2 0.8"]
    assert project.names("tagging") == ["a/0.jpg"]


def test_of_a_broken_file_it_is_not_advised_what_does_not_help(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    (project.place / "Images.json").write_text("{")
    said = project.run("upload", code=1)
    assert "Images.json: it is not JSON" in said and "--all" not in said
    assert project.last(said).endswith("as said above")
    assert len(project.names("tagging")) == 3


def test_of_images_with_and_without_a_fault_only_these_are_said_to_lack_a_mark(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    untagged = region("bird", 10, 20, 10, 20) | {"tags": []}
    project.save({"north/1.jpg": [untagged]}, ["north/1.jpg"])
    last = project.last(project.run("upload", code=1))
    assert "3 of 3 not counted as reviewed" in last and ": 2 of them lack a mark only: " in last
