"""export_labels.py: the labels in forms that other programs read, empty images kept, the test set
apart; read back by ourselves.
"""

import json

import pytest
from helpers_programs import done, run
from helpers_state import ROOT, StateProject
from helpers_tables import labels

from utils.errors import InputError
from utils.formats.annotated_sources import form_of
from utils.formats.pictures import Picture
from utils.formats.predicted_sets import read_predictions
from utils.labels.tables import image_set

COCO_TRAIN = "x/annotations/instances_train.json"
FORMATS = ("coco", "yolo", "voc", "megadetector", "labelme")
# What helpers_state.Project has labelled, in pixels of 200 x 100: d/3.jpg is the test image.
TRAIN = {
    "d/1.jpg": [("bird", 20, 10, 100, 50), ("seal", 100, 10, 180, 50)],
    "d/2.jpg": [],
}
TEST = {"d/3.jpg": [("seal", 0, 0, 200, 100)]}


@pytest.fixture
def project(folder_store, tmp_path):
    return StateProject(folder_store, tmp_path)


def export(*arguments) -> None:
    import export_labels

    export_labels.main([str(argument) for argument in arguments])


def in_pixels(picture) -> list[tuple]:
    scale = (200, 100, 200, 100) if picture.fractions else (1, 1, 1, 1)
    return sorted(
        (label, *(round(side * unit, 3) for side, unit in zip(sides, scale, strict=True)))
        for label, *sides in picture.boxes
    )


def read_set(path) -> dict[str, list]:
    """{image: boxes in pixels} of a data set as our own reader has it."""
    bad: list[str] = []
    pictures = list(form_of(path)[1](path, bad))
    assert not bad and not any(picture.fault for picture in pictures)
    return {picture.name: in_pixels(picture) for picture in pictures}


def without_ending(images: dict) -> dict:
    return {name.rpartition(".")[0]: boxes for name, boxes in images.items()}


@pytest.mark.parametrize("form", FORMATS)
def test_labels_go_out_by_the_program_and_no_folder_is_overwritten(store, tmp_path, form):
    project = StateProject(store, tmp_path)
    said = done("train/export_labels.py", project.config, "--format", form)
    output = tmp_path / "data" / f"labels_{form}"
    assert said.splitlines() == [
        f"3 images (1 of them empty, 1 in the test set), 3 boxes → {output}"
    ]
    again = run("train/export_labels.py", project.config, "--format", form)
    assert again.returncode == 2 and "it is there already" in again.stderr
    assert len(again.stderr.splitlines()) == 1
    assert not list(output.parent.glob(".*.part"))


def test_coco(project, tmp_path):
    export(project.config, "--format", "coco", "--output", tmp_path / "x")
    assert read_set(tmp_path / COCO_TRAIN) == TRAIN
    assert read_set(tmp_path / "x/annotations/instances_test.json") == TEST
    document = json.loads((tmp_path / COCO_TRAIN).read_text())
    assert [category["name"] for category in document["categories"]] == ["bird", "seal"]


def test_voc(project, tmp_path):
    export(project.config, "--format", "voc", "--output", tmp_path / "x")
    assert read_set(tmp_path / "x") == TRAIN | TEST
    lists = tmp_path / "x/ImageSets/Main"
    assert (lists / "train.txt").read_text() == "d/1\nd/2\n"
    assert (lists / "test.txt").read_text() == "d/3\n"


def test_yolo(project, tmp_path):
    export(project.config, "--format", "yolo", "--output", tmp_path / "x")
    assert read_set(tmp_path / "x") == TRAIN | TEST
    assert (tmp_path / "x/train.txt").read_text() == "./images/d/1.jpg\n./images/d/2.jpg\n"
    assert (tmp_path / "x/test.txt").read_text() == "./images/d/3.jpg\n"
    assert (tmp_path / "x/labels/d/2.txt").read_text() == ""


def test_labelme(project, tmp_path):
    export(project.config, "--format", "labelme", "--output", tmp_path / "x")
    assert read_set(tmp_path / "x/train") == TRAIN
    assert read_set(tmp_path / "x/test") == TEST
    assert json.loads((tmp_path / "x/train/d/2.json").read_text())["flags"] == {"reviewed": True}


def test_megadetector(project, tmp_path):
    export(project.config, "--format", "megadetector", "--output", tmp_path / "x")
    for part, expected in (("train", TRAIN), ("test", TEST)):
        found = read_predictions(tmp_path / f"x/{part}.json")
        boxes = {image.name: [box[:5] for box in image.boxes] for image in found.images}
        assert {
            name: in_pixels(Picture(name, of_image, fractions=True))
            for name, of_image in boxes.items()
        } == expected


@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "labelme"])
def test_what_goes_out_comes_in_again_as_it_was(project, tmp_path, form):
    import import_labels

    export(project.config, "--format", form, "--output", tmp_path / "x")
    before = project.rows()
    project.commit(tagged=labels(""), test=labels(""))
    coco = ("annotations/instances_train.json", "annotations/instances_test.json")
    parts = {"coco": coco, "labelme": ("train", "test")}
    for part in parts.get(form, ("",)):
        import_labels.main(
            [str(tmp_path / "x" / part), str(project.config), "--listed-means-reviewed"]
        )
    assert sorted(project.rows()) == sorted(before)


def test_names_with_every_letter_go_out_and_in(project, tmp_path):
    names = ["e/a b.jpg", "e/c#d 100%.jpg", "e/Blüte.jpg", "e/雪.jpg"]
    rows = labels("\n".join("x.jpg bird 0.1 0.5 0.2 0.6" for _ in names))
    rows["folder"], rows["filename"] = "e", [name[2:] for name in names]
    project.commit(tagged=rows)
    for form in ("coco", "yolo", "voc"):
        export(project.config, "--format", form, "--output", tmp_path / form)
        path = tmp_path / form / ("annotations/instances_train.json" if form == "coco" else "")
        assert set(read_set(path)) == set(names)


def test_images_that_would_share_a_file_are_refused_and_nothing_is_written(project, tmp_path):
    rows = labels("d/1.jpg bird 0 1 0 1\nd/1.png NULL")
    project.commit(tagged=rows)
    for form in ("yolo", "voc", "labelme"):
        with pytest.raises(InputError, match="d/1.jpg and d/1.png.*--format coco"):
            export(project.config, "--format", form, "--output", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    export(project.config, "--format", "coco", "--output", tmp_path / "x")


def test_classes_that_the_config_does_not_name_go_out_too_and_are_named(project, tmp_path, capsys):
    project.commit(tagged=labels("d/1.jpg gull 0 1 0 1\nd/1.jpg seal 0 1 0 1"))
    export(project.config, "--format", "yolo", "--output", tmp_path / "x")
    assert (tmp_path / "x/classes.txt").read_text() == "bird\nseal\ngull\n"
    assert "not in classes of config.ini, and exported: gull" in capsys.readouterr().out


def test_an_image_of_unknown_size_is_left_out_and_named_where_pixels_are_written(
    project, tmp_path, capsys
):
    rows = project.table("tagged")
    known = (rows["filename"] != "2.jpg").astype("int64")
    rows = rows.assign(height=rows["height"] * known, width=rows["width"] * known)
    listed = project.table("images")
    project.commit(tagged=rows, images=listed[listed["folder"] != "d"])
    export(project.config, "--format", "coco", "--output", tmp_path / "x")
    assert "1 images are left out: d/2.jpg (its size is known nowhere" in capsys.readouterr().out
    assert "d/2.jpg" not in read_set(tmp_path / COCO_TRAIN)


def test_a_project_without_labels_is_one_line(project, tmp_path):
    project.commit(tagged=labels(""), test=labels(""))
    finished = run("train/export_labels.py", project.config, "--format", "coco")
    assert finished.returncode == 2 and "nothing is labelled there yet" in finished.stderr
    assert not (ROOT / "data/labels_coco").exists() and not image_set(project.table("tagged"))


def test_pycocotools_reads_what_goes_out(project, tmp_path):
    from pycocotools.coco import COCO

    export(project.config, "--format", "coco", "--output", tmp_path / "x")
    train = COCO(str(tmp_path / COCO_TRAIN))
    assert {image["file_name"] for image in train.loadImgs(train.getImgIds())} == set(TRAIN)
    (seal,) = train.getCatIds(["seal"])
    (annotation,) = train.loadAnns(train.getAnnIds(catIds=[seal]))
    assert annotation["bbox"] == [100, 10, 80, 40] and annotation["area"] == 3200
