"""What we write is read by programs that are not ours: datumaro, and MegaDetector's own package."""

import json

import pytest
from helpers_batch import picture
from helpers_readers import read_by
from helpers_state import StateProject
from helpers_tools import BIRD, SEAL, batch, hand_out

from utils.formats import cvat, label_studio, labelme

DATUMARO = """
import json, sys
import datumaro
found = {}
form, place = sys.argv[1:]
dataset = datumaro.Dataset.import_from(place, form)
names = [label.name for label in dataset.categories()[datumaro.AnnotationType.label]]
for item in dataset:
    boxes = [
        [names[a.label], *(round(side, 2) for side in a.points), a.attributes.get("score")]
        for a in item.annotations if a.type == datumaro.AnnotationType.bbox
    ]
    tags = [names[a.label] for a in item.annotations if a.type == datumaro.AnnotationType.label]
    found[item.id] = [item.subset, sorted(boxes), tags]
print(json.dumps(found))
"""
VALIDATE = """
import json, sys
from megadetector.postprocessing.validate_batch_results import (
    ValidateBatchResultsOptions, validate_batch_results,
)
options = ValidateBatchResultsOptions()
options.raise_errors = True
print(json.dumps(validate_batch_results(sys.argv[1], options)["validation_results"]))
"""
LABELME = """
import json, sys
from megadetector.data_management.labelme_to_coco import labelme_to_coco
coco = labelme_to_coco(sys.argv[1], no_json_handling="skip")
names = {category["id"]: category["name"] for category in coco["categories"]}
found = {image["file_name"]: [] for image in coco["images"]}
for annotation in coco["annotations"]:
    if "bbox" in annotation:
        found[annotation["image_id"]].append(
            [names[annotation["category_id"]], *annotation["bbox"]]
        )
print()
print(json.dumps(found))
"""
# Of helpers_state.Project, in pixels of 200 x 100
BOXES = {
    "d/1": [["bird", 20, 10, 100, 50, None], ["seal", 100, 10, 180, 50, None]],
    "d/2": [],
    "d/3": [["seal", 0, 0, 200, 100, None]],
}


@pytest.fixture
def exported(folder_store, tmp_path):
    """Exports the labels of a small project, with its photos beside."""
    import export_labels

    project = StateProject(folder_store, tmp_path)

    def export(form: str, photos: str = ""):
        output = tmp_path / form
        export_labels.main([str(project.config), "--format", form, "--output", str(output)])
        for stem in BOXES if photos else ():
            photo = output / photos / f"{stem}.jpg"
            photo.parent.mkdir(parents=True, exist_ok=True)
            photo.write_bytes(picture())
        return output

    return export


def test_datumaro_reads_our_coco(exported):
    found = read_by("datumaro", DATUMARO, "coco", exported("coco", "images"))
    assert {name: boxes for name, (_, boxes, _) in found.items()} == BOXES
    assert {name: part for name, (part, _, _) in found.items()} == {
        "d/1": "train",
        "d/2": "train",
        "d/3": "test",
    }


def test_datumaro_reads_our_voc(exported):
    found = read_by("datumaro", DATUMARO, "voc", exported("voc", "JPEGImages"))
    assert {name: boxes for name, (_, boxes, _) in found.items()} == BOXES
    assert found["d/3"][0] == "test" and found["d/2"][0] == "train"


def test_datumaro_reads_our_yolo(exported):
    found = read_by("datumaro", DATUMARO, "yolo", exported("yolo", "images"))
    # it drops the folders
    assert {f"d/{name}": boxes for name, (_, boxes, _) in found.items()} == BOXES


def test_datumaro_reads_what_cvat_is_given(tmp_path):
    handed_out = batch(tmp_path)
    hand_out(cvat, handed_out)
    place = tmp_path / "task"
    (place / "images").mkdir(parents=True)
    (tmp_path / cvat.ANNOTATIONS).rename(place / "annotations.xml")
    for name in ("a.jpg", "b.jpg"):
        (place / "images" / name).write_bytes(picture())
    found = read_by("datumaro", DATUMARO, "cvat", place)
    assert [box[:5] for box in found["a"][1]] == [
        ["bird", 20, 20, 100, 80],
        ["harbour seal", 120, 20, 180, 80],
    ]
    assert [float(box[5]) for box in found["a"][1]] == [0.9, 0.7]
    assert found["b"][1:] == [[], []]


def test_megadetectors_validator_accepts_our_results(exported):
    output = exported("megadetector")
    for part in ("train", "test"):
        said = read_by("megadetector", VALIDATE, output / f"{part}.json")
        assert said["errors"] == [] and said["warnings"] == []


def test_megadetectors_package_reads_our_labelme_files(exported):
    output = exported("labelme")
    found = {}
    for part in ("train", "test"):
        for stem in BOXES:
            if (output / part / f"{stem}.json").exists():
                (output / part / f"{stem}.jpg").write_bytes(picture())
        found |= read_by("megadetector", LABELME, output / part)
    assert {name.removesuffix(".jpg"): sorted(boxes) for name, boxes in found.items()} == {
        stem: [[label, x, y, right - x, bottom - y] for label, x, y, right, bottom, _ in boxes]
        for stem, boxes in BOXES.items()
    }


def test_megadetectors_package_reads_what_labelme_is_given(tmp_path):
    handed_out = batch(tmp_path)
    hand_out(labelme, handed_out)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "Images" / name).write_bytes(picture())
    found = read_by("megadetector", LABELME, tmp_path / "Images")
    assert found == {
        "a.jpg": [["bird", 20, 20, 80, 60], ["harbour seal", 120, 20, 60, 60]],
        "b.jpg": [],
    }


def test_label_studios_tasks_are_what_its_own_export_began_with(shared, tmp_path):
    """The tasks that Label Studio 1.23.2 took in have the members that ours have."""
    handed_out = batch(tmp_path, {"a.jpg": (BIRD, SEAL)})
    (ours,) = json.loads(label_studio.write(handed_out)[label_studio.TASKS])
    path = shared / "tools/label-studio/tasks_handed_out.json"
    taken = json.loads(path.read_text(encoding="utf-8"))[0]

    def members(value):
        if isinstance(value, dict):
            return {key: members(inner) for key, inner in value.items() if key != "meta"}
        if isinstance(value, list):
            return members(value[0]) if value else None
        return type(value).__name__.replace("int", "float")

    assert members(ours) == members(taken)
