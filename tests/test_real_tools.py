"""What real annotation tools wrote from one batch of eight images (../shared/tools) arrives as its
truth.json and the README of each folder say.
"""

import shutil

import pytest
from helpers_tools import came_back, close, review_of, shared_batch, truth_of

from utils.formats.sheets import Box

A, B, C, D = "a_plain.jpg", "b with space.jpg", "c#hash 100%.jpg", "d_Blüte_雪.jpg"
E, F, G, H = "e_orient6.jpg", "f_wrong_only.jpg", "g_nothing.jpg", "h_never.jpg"
ALL = (A, B, C, D, E, F, G, H)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "Images").mkdir()
    return tmp_path


def said(answers) -> dict[str, str]:
    """Of each image of which a file says something: reviewed, open, or the fault."""
    return {
        key.rpartition("/")[2]: review.fault or ("reviewed" if review.reviewed else "open")
        for key, (_, review) in answers.reviews.items()
    }


def test_labelme_6_3_1_arrives_as_it_was_reviewed(shared, place):
    batch = shared_batch(shared, place)
    shutil.copytree(shared / "tools/labelme/saved", place / "Images", dirs_exist_ok=True)
    answers = came_back(batch, "labelme")
    reviewed = dict.fromkeys((A, C, E, F, G), "reviewed")
    assert said(answers) == reviewed | dict.fromkeys((B, D, H), "open")
    assert not answers.faults and not answers.strays
    moved, kept, drawn = review_of(answers, A).boxes
    assert close((kept,), truth_of(batch, A)[1:2]) and kept.score == 0.91
    assert (moved.tag, moved.score) == ("WBC", 0.91)
    assert moved.xmin == pytest.approx(0.46239, abs=1e-5)
    assert (drawn.tag, drawn.score) == ("Platelets", None)
    assert close(review_of(answers, E).boxes, truth_of(batch, E))
    assert review_of(answers, F).boxes == review_of(answers, G).boxes == ()
    outside, swapped, plain = review_of(answers, C).boxes
    assert outside.sides == (300 / 320, 1, 200 / 240, 1), "clipped to the image"
    assert close((swapped, plain), truth_of(batch, C)[1:]), "corners in order"


def test_x_anylabeling_4_2_1_arrives_as_it_was_reviewed(shared, place):
    batch = shared_batch(shared, place)
    shutil.copytree(shared / "tools/x-anylabeling/saved", place / "Images", dirs_exist_ok=True)
    answers = came_back(batch, "labelme")
    reviewed = dict.fromkeys((A, C, E, F, G), "reviewed")
    assert said(answers) == reviewed | dict.fromkeys((B, D, H), "open")
    assert close(review_of(answers, A).boxes, truth_of(batch, A)), "four corners each"
    assert close(review_of(answers, C).boxes[:3], truth_of(batch, C))
    assert review_of(answers, C).boxes[3][0] == "Platelets"
    assert review_of(answers, F).boxes == review_of(answers, G).boxes == ()
    assert review_of(answers, D).why == "marked as failed in X-AnyLabeling"
    sheet = batch.images[f"Images/{E}"]
    assert not review_of(answers, E).fits(sheet.width, sheet.height), "it was shown unturned"


def test_label_studio_1_23_2_arrives_as_it_was_reviewed(shared, place):
    batch = shared_batch(shared, place)
    for everything, extra in (("true", {H: "open"}), ("false", {})):
        export = place / "project-1.json"
        shutil.copy(shared / f"tools/label-studio/export_JSON_all-{everything}.json", export)
        answers = came_back(batch, "label_studio")
        reviewed = dict.fromkeys((A, B, D, E, F, G), "reviewed")
        assert said(answers) == {**reviewed, C: "open", **extra}
        assert not answers.faults and not answers.strays
    assert review_of(answers, C).why == "skipped in Label Studio"
    for name in (B, D, E):
        assert close(review_of(answers, name).boxes, truth_of(batch, name))
        assert {box.score for box in review_of(answers, name).boxes} == {0.91}
    assert review_of(answers, F).boxes == review_of(answers, G).boxes == ()
    moved, kept, drawn = review_of(answers, A).boxes
    assert close((kept,), truth_of(batch, A)[1:2])
    assert drawn == Box("Platelets", *drawn.sides) and moved.xmin == pytest.approx(0.4668024)
    assert review_of(answers, B).seconds == 2.211
    assert review_of(answers, F).at.startswith("2026-11-28T21:28:10")


@pytest.mark.parametrize("export", ["export_JSON_MIN_all-true.json", "export_COCO_all-true"])
def test_what_label_studio_exports_besides_is_no_review(shared, place, export):
    source = shared / "tools/label-studio" / export
    shutil.copy(source / "result.json" if source.is_dir() else source, place / "export.json")
    answers = came_back(shared_batch(shared, place), "label_studio")
    assert not answers.reviews and str(place / "export.json") in answers.faults[0]
    assert "JSON" in answers.faults[0] or "COCO does not tell" in answers.faults[0]


def test_cvat_for_images_arrives_as_its_tags_say(shared, place):
    batch = shared_batch(shared, place)
    shutil.copy(shared / "tools/cvat-datumaro/ours/annotations.xml", place / "export.xml")
    answers = came_back(batch, "cvat")
    assert said(answers) == dict.fromkeys(ALL, "open") | {A: "reviewed", G: "reviewed"}
    assert close(review_of(answers, A).boxes, truth_of(batch, A), 1e-6)
    assert {box.score for box in review_of(answers, A).boxes} == {0.91}
    assert close(review_of(answers, E).boxes, truth_of(batch, E), 1e-6)
    assert review_of(answers, G).boxes == ()


def test_cvat_without_our_tag_says_of_no_image_that_it_was_reviewed(shared, place):
    batch = shared_batch(shared, place)
    shutil.copy(shared / "tools/cvat-datumaro/datumaro_export.xml", place / "export.xml")
    answers = came_back(batch, "cvat")
    assert said(answers) == dict.fromkeys(ALL, "open")
    assert all(close(review_of(answers, name).boxes, truth_of(batch, name), 1e-6) for name in ALL)


def test_of_labelimg_what_is_verified_arrives_and_nothing_else(shared, place):
    batch = shared_batch(shared, place)
    for path in (shared / "tools/labelimg").glob("*.xml"):
        shutil.copy(path, place / "Images")
    answers = came_back(batch, "vott")
    assert said(answers) == {A: "reviewed", E: "open", F: "open", G: "reviewed"}
    assert close(review_of(answers, A).boxes, truth_of(batch, A), 1 / 240), "it has whole pixels"
    assert review_of(answers, G).boxes == ()
    assert "not marked as verified" in review_of(answers, F).why


def test_coco_yolo_and_voc_are_never_taken_for_a_review(shared, place):
    batch, source = shared_batch(shared, place), shared / "tools/coco-yolo-voc"
    shutil.copy(source / "datumaro_coco/instances_default.json", place)
    shutil.copy(source / "datumaro_yolo/obj_train_data/a_plain.txt", place / "Images")
    for path in (source / "datumaro_voc/Annotations").glob("*.xml"):
        shutil.copy(path, place / "Images")
    answers = came_back(batch, "vott")
    assert set(said(answers).values()) == {"open"}
    assert all(review.why for _, review in answers.reviews.values()), "--all takes none of them"
    coco, yolo = answers.faults[:2]
    assert "COCO does not tell" in coco and "--listed-means-reviewed" in coco
    assert "YOLO does not tell" in yolo
