"""VoTT files that do not say what was meant: nothing is guessed, the images stay reserved."""

import json

from helpers_batch import THREE, Project, region


def test_an_image_with_a_forgotten_tag_stays_reserved_and_the_others_are_uploaded(
    folder_store, tmp_path
):
    project = Project(folder_store, tmp_path, THREE)
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
    project = Project(folder_store, tmp_path, FOUR)
    project.run("download", 4)
    tags = ["seal", "hare", "fox", "bird"]
    frames = {str(place): [region(tag, 20, 100, 20, 80)] for place, tag in enumerate(tags)}
    as_vott_1_5(project, frames, [0, 1, 2, 3])
    said = project.run("upload", "--all", code=1)
    assert f"{project.place / 'Images.json'}: it names images by their place in a list" in said
    assert "its 4 images stay reserved" in said
    assert project.boxes() == [] and len(project.names("tagging")) == 4


def test_places_beside_the_names_of_our_boxes_do_not_make_these_reviewed(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, "a/0.jpg bird 0.5 0.9 0.2 0.6 0.9 0.9\na/1.jpg NULL")
    project.run("download", 2)
    as_vott_1_5(project, {"0": [region("fox", 20, 100, 20, 80)]}, [0, 1])
    said = project.run("upload", code=1)
    assert "two keys for a__0.jpg" in said and "its 2 images stay reserved" in said
    assert project.names("tagging") == ["a/0.jpg", "a/1.jpg"] and project.boxes() == []


def test_places_that_every_file_system_orders_alike_are_uploaded(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, "a/0.jpg NULL\na/1.jpg NULL\na/2.jpg NULL")
    project.run("download", 3)
    as_vott_1_5(project, {"1": [region("seal", 20, 100, 20, 80)]}, [0, 1])
    project.run("upload")
    assert project.boxes() == ["a/0.jpg NULL 0 0 0 0", "a/1.jpg seal 0.1 0.5 0.2 0.8"]
    assert project.names("tagging") == ["a/2.jpg"]


def test_two_spellings_of_one_name_with_different_boxes_are_a_fault(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, "a/0.jpg NULL\na/1.jpg NULL")
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
