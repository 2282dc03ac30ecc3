"""A batch goes out for an annotation tool and comes back: what was reviewed arrives, on every
store, and nothing else.
"""

import json
import zipfile
from xml.etree import ElementTree

import pytest
from helpers_batch import THREE, BatchProject, region

from utils.formats import cvat, label_studio, page

TOOLS = ("page", "labelme", "label_studio", "cvat")


def mark(project, tool: str, blobs) -> None:
    """Save these images as reviewed in a tool, as they were handed out."""
    names = {f"Images/{project.local(blob)}" for blob in blobs}
    if tool == "page":
        review = json.loads((project.place / page.FILE).read_text(encoding="utf-8"))
        review["images"] = {name: {"state": "reviewed"} for name in names}
        (project.place / page.FILE).write_text(json.dumps(review), encoding="utf-8")
    elif tool == "labelme":
        for name in names:
            path = project.place / name.replace(".jpg", ".json")
            document = json.loads(path.read_text(encoding="utf-8"))
            document["flags"]["reviewed"] = True
            path.write_text(json.dumps(document), encoding="utf-8")
    elif tool == "label_studio":
        tasks = json.loads((project.place / label_studio.TASKS).read_text(encoding="utf-8"))
        for task in tasks:
            done = task["data"]["name"] in names
            result = task["predictions"][0]["result"]
            task["annotations"] = [{"id": 1, "result": result}] if done else []
        (project.place / "project-1.json").write_text(json.dumps(tasks), encoding="utf-8")
    else:
        root = ElementTree.parse(project.place / cvat.ANNOTATIONS).getroot()
        for image in root.iter("image"):
            if f"Images/{image.get('name')}" in names:
                ElementTree.SubElement(image, "tag", {"label": "reviewed"})
        with zipfile.ZipFile(project.place / "task.zip", "w") as archive:
            archive.writestr("annotations.xml", ElementTree.tostring(root))


@pytest.mark.parametrize("tool", TOOLS)
def test_what_was_reviewed_in_a_tool_arrives_and_nothing_else(store, tmp_path, tool):
    project = BatchProject(store, tmp_path, THREE, annotation_tool=tool)
    said = project.run("download", 3)
    assert "now: " in said and not (project.place / "Images.json").exists()
    assert "0 images" in project.last(project.run("upload", code=1)), "nobody has looked yet"
    mark(project, tool, ["north/1.jpg", "south/1.jpg"])
    said = project.last(project.run("upload"))
    assert said.startswith("2 images, 1 boxes") and "1 of 3 not counted as reviewed" in said
    assert project.boxes() == ["north/1.jpg bird 0.1 0.5 0.2 0.8", "south/1.jpg NULL 0 0 0 0"]
    assert project.names("tagging") == ["south/2.jpg"]


def test_the_tool_can_be_named_at_download_and_an_export_at_upload(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3, "--tool", "label_studio")
    mark(project, "label_studio", ["north/1.jpg"])
    elsewhere = tmp_path / "project-1.json"
    (project.place / "project-1.json").rename(elsewhere)
    assert "nothing has come back from label_studio" in project.run("upload", code=1)
    command = project.config, elsewhere
    import upload_vott_json

    assert upload_vott_json.main([str(part) for part in command]) == 0
    assert project.names("tagged") == ["north/1.jpg"]


def test_a_class_with_a_blank_keeps_its_name_in_tools_that_can_hold_it(folder_store, tmp_path):
    totag = THREE.replace("bird", "harbour_seal")
    project = BatchProject(
        folder_store, tmp_path, totag, classes="harbour seal", annotation_tool="cvat"
    )
    project.run("download", 3)
    labels = json.loads((project.place / cvat.LABELS).read_text(encoding="utf-8"))
    assert labels[0]["name"] == "harbour seal"


def test_an_answer_to_an_earlier_batch_is_none_to_the_next(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="cvat")
    project.run("download", 2)
    blobs = [item["filename"] for item in project.batch["images"].values()]
    reviewed = [f"{item['folder']}/{item['filename']}" for item in project.batch["images"].values()]
    mark(project, "cvat", reviewed)
    project.run("upload")
    assert len(blobs) == 2 and project.names("tagged") == sorted(reviewed)
    project.run("download", 2, "--review-random")
    assert (project.place / "task.zip").exists(), "it is not ours"
    assert "0 images changed" in project.last(project.run("upload", code=1))


def test_in_labelme_images_whose_names_differ_in_the_ending_only_get_files_of_their_own(
    folder_store, tmp_path
):
    project = BatchProject(
        folder_store,
        tmp_path,
        "north/1.jpg NULL\nnorth/1.png NULL",
        annotation_tool="labelme",
        filetype="*",
    )
    project.run("download", 2)
    assert len(list((project.place / "Images").glob("*.json"))) == 2


def test_coco_in_the_folder_of_a_batch_is_no_review(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    coco = {"images": [], "annotations": [], "categories": []}
    (project.place / "instances.json").write_text(json.dumps(coco))
    said = project.run("upload", "--all")
    assert "COCO does not tell" in said and "--listed-means-reviewed" in said
    assert project.last(said).startswith("3 images"), "VoTT's own file counts all the same"


def test_vott_is_read_in_a_batch_whatever_else_lies_there(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    project.save({"south/1.jpg": [region("bird", 0, 100, 0, 50)]}, visited=["north/1.jpg"])
    (project.place / "notes.json").write_text('{"of": "mine"}')
    assert project.last(project.run("upload")).startswith("2 images, 2 boxes")
