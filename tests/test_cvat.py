"""CVAT for images 1.1: the file that it is given, and what its export says."""

import json
import zipfile
from xml.etree import ElementTree

import pytest
from helpers_tools import BIRD, SEAL, batch, came_back, close, hand_out, review_of

from utils.formats import cvat
from utils.formats.sheets import Box, HandedOut


@pytest.fixture
def handed_out(tmp_path):
    handed_out = batch(tmp_path)
    hand_out(cvat, handed_out)
    return handed_out


def exported(handed_out, tagged=(), change=lambda image: None, name="export.xml"):
    """An export, with the tag on some images, and changed."""
    root = ElementTree.parse(handed_out.place / cvat.ANNOTATIONS).getroot()
    for image in root.iter("image"):
        if image.get("name") in tagged:
            ElementTree.SubElement(image, "tag", {"label": "reviewed", "source": "manual"})
        change(image)
    path = handed_out.place / name
    path.write_bytes(ElementTree.tostring(root, encoding="utf-8"))
    return path


def first_box(image) -> ElementTree.Element:
    found = image.find("box")
    return ElementTree.Element("box") if found is None else found


def test_the_labels_declare_every_class_and_the_tag_of_reviewed_images(handed_out):
    labels = json.loads((handed_out.place / cvat.LABELS).read_text(encoding="utf-8"))
    assert [(label["name"], label["type"]) for label in labels] == [
        ("bird", "rectangle"),
        ("harbour seal", "rectangle"),
        ("reviewed", "tag"),
    ]
    root = ElementTree.parse(handed_out.place / cvat.ANNOTATIONS).getroot()
    assert [label.text for label in root.iterfind("meta/task/labels/label/name")] == [
        "bird",
        "harbour seal",
        "reviewed",
    ]
    box = root.find("image/box")
    assert [box.get(side) for side in ("xtl", "ytl", "xbr", "ybr")] == [
        "20.00",
        "20.00",
        "100.00",
        "80.00",
    ]
    assert box.find("attribute").text == "0.9"


def test_the_tag_means_reviewed_and_what_was_handed_out_is_no_answer(handed_out):
    assert "nothing has come back from cvat" in came_back(handed_out, "cvat").faults[0]
    exported(handed_out, tagged=("a.jpg", "b.jpg"))
    answers = came_back(handed_out, "cvat")
    assert review_of(answers, "a.jpg").reviewed and review_of(answers, "b.jpg").boxes == ()
    assert close(review_of(answers, "a.jpg").boxes, (BIRD, SEAL), 1e-6)


def test_changed_boxes_without_the_tag_are_named_and_not_taken(handed_out):
    exported(handed_out, change=lambda image: image.clear() if len(image) else None)
    path = handed_out.place / "export.xml"
    path.write_text(path.read_text().replace("<image />", '<image name="a.jpg" />'))
    review = review_of(came_back(handed_out, "cvat"), "a.jpg")
    assert not review.reviewed and review.why == "its boxes changed, but it has no tag reviewed"


def test_an_export_in_a_zip_is_read(handed_out):
    path = exported(handed_out, tagged=("a.jpg",))
    with zipfile.ZipFile(handed_out.place / "task.zip", "w") as archive:
        archive.write(path, "annotations.xml")
        archive.writestr("images/a.jpg", b"...")
    path.unlink()
    assert review_of(came_back(handed_out, "cvat"), "a.jpg").reviewed


@pytest.mark.parametrize("damaged", [b"PK\x03\x04 cut short", b"PK\x05\x06" + b"\0" * 18 + b"x"])
def test_a_damaged_zip_is_one_line(handed_out, damaged):
    (handed_out.place / "task.zip").write_bytes(damaged)
    answers = came_back(handed_out, "cvat", handed_out.place / "task.zip")
    assert len([line for line in answers.faults if "task.zip" in line]) == 1


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda image: first_box(image).set("rotation", "30.5"), "rotated by 30.5 degrees"),
        (lambda image: first_box(image).set("xtl", "left"), "no usable coordinates"),
        (lambda image: first_box(image).set("xtl", "nan"), "no usable coordinates"),
        (lambda image: first_box(image).set("label", ""), "no label"),
        (lambda image: ElementTree.SubElement(image, "polygon"), "of the kind polygon"),
    ],
)
def test_what_is_no_upright_box_with_a_label_is_a_fault_of_its_image(handed_out, change, said):
    exported(
        handed_out,
        tagged=("a.jpg", "b.jpg"),
        change=lambda image: change(image) if image.get("name") == "a.jpg" else None,
    )
    answers = came_back(handed_out, "cvat")
    assert said in review_of(answers, "a.jpg").fault and review_of(answers, "b.jpg").reviewed


def test_cvat_for_video_is_refused_by_name(handed_out):
    path = handed_out.place / "export.xml"
    path.write_text("<annotations><version>1.1</version><meta/><track/></annotations>")
    answers = came_back(handed_out, "cvat")
    assert f"{path}: " in answers.faults[0] and "CVAT for video" in answers.faults[0]


def test_a_class_called_reviewed_is_told_from_the_tag(tmp_path):
    sheets = batch(tmp_path, {"a.jpg": (Box("reviewed", 0, 0.5, 0, 0.5),)}).images
    handed_out = HandedOut(tmp_path, sheets, ("reviewed",))
    hand_out(cvat, handed_out)
    labels = json.loads((tmp_path / cvat.LABELS).read_text(encoding="utf-8"))
    assert [label["name"] for label in labels] == ["reviewed", "reviewed_"]
