"""VoTT files that do not say what the annotator meant: nothing is guessed, the images stay reserved."""

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
