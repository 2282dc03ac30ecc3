"""Label Studio: the tasks that it is given, and what its JSON export says."""

import json
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from helpers_tools import BIRD, SEAL, batch, came_back, close, hand_out, review_of

from utils.formats import label_studio
from utils.formats.sheets import Box, HandedOut


@pytest.fixture
def handed_out(tmp_path):
    handed_out = batch(tmp_path)
    hand_out(label_studio, handed_out)
    return handed_out


def tasks(handed_out) -> list[dict]:
    path = handed_out.place / label_studio.TASKS
    return json.loads(path.read_text(encoding="utf-8"))


def submitted(task: dict, result=None, **members) -> dict:
    """The task as it is exported after an annotation; by default as its prediction is."""
    result = task["predictions"][0]["result"] if result is None else result
    annotation = {"id": 1, "result": result, "was_cancelled": False, **members}
    return {**task, "id": 1, "annotations": [annotation, *task.get("annotations", [])]}


def export(handed_out, exported: list, name="export.json"):
    path = handed_out.place / name
    path.write_text(json.dumps(exported), encoding="utf-8")
    return path


def box(label="bird", x=10.0, y=20.0, width=40.0, height=60.0, **members) -> dict:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, **members}
    return {"type": "rectanglelabels", "value": {**value, "rectanglelabels": [label]}}


def test_tasks_have_the_boxes_as_predictions_and_the_config_every_class(handed_out):
    first, second = tasks(handed_out)
    assert unquote(first["data"]["image"]) == "/data/local-files/?d=Images/a.jpg"
    assert first["predictions"][0]["score"] == 0.7 and second["predictions"][0]["result"] == []
    result = first["predictions"][0]["result"][0]
    assert result["value"] == {
        "x": 10,
        "y": 20,
        "width": 40,
        "height": pytest.approx(60),
        "rotation": 0,
        "rectanglelabels": ["bird"],
    }
    assert (result["score"], result["original_width"], result["original_height"]) == (0.9, 200, 100)
    config = ElementTree.parse(handed_out.place / label_studio.CONFIG).getroot()
    assert [label.get("value") for label in config.iter("Label")] == ["bird", "harbour seal"]
    assert config.find("RectangleLabels").get("canRotate") == "false"
    how_to = (handed_out.place / label_studio.HOW_TO).read_text(encoding="utf-8")
    assert len(how_to.splitlines()) == 3 and str(handed_out.place) in how_to


def test_class_names_are_text_in_the_config_and_nothing_else(tmp_path):
    tags = ("a<b>&'\"", 'x"/><Choice value="')
    config = label_studio.write(HandedOut(tmp_path, {}, tags))[label_studio.CONFIG]
    labels = ElementTree.fromstring(config).iter("Label")
    assert tuple(label.get("value") for label in labels) == tags


def test_nothing_has_come_back_before_somebody_exports(handed_out):
    answers = came_back(handed_out, "label_studio")
    assert not answers.reviews and "nothing has come back from label_studio" in answers.faults[0]


def test_submitted_is_reviewed_and_skipped_drafted_or_untouched_is_not(tmp_path):
    handed_out = batch(tmp_path, {f"{name}.jpg": (BIRD,) for name in "abcde"})
    hand_out(label_studio, handed_out)
    a, b, c, d, e = tasks(handed_out)
    export(
        handed_out,
        [
            submitted(a, lead_time=4.5),
            submitted(b, []),
            submitted(c, was_cancelled=True),
            {**d, "annotations": [], "drafts": [{"result": [box()]}]},
            {**e, "annotations": []},
        ],
    )
    answers = came_back(handed_out, "label_studio")
    assert [review_of(answers, f"{name}.jpg").reviewed for name in "abcde"] == [True, True] + [
        False
    ] * 3
    assert review_of(answers, "a.jpg").seconds == 4.5
    assert review_of(answers, "b.jpg").boxes == ()
    assert "skipped" in review_of(answers, "c.jpg").why
    assert "draft" in review_of(answers, "d.jpg").why and review_of(answers, "e.jpg").why == ""


def test_of_several_annotations_the_newest_counts_that_was_not_cancelled(handed_out):
    task = submitted(tasks(handed_out)[0], [box("old")], updated_at="2026-01-01T00:00:00Z")
    task = submitted(task, [box("new")], updated_at="2026-01-03T00:00:00Z")
    task = submitted(task, [box("skip")], updated_at="2026-01-04T00:00:00Z", was_cancelled=True)
    task = submitted(task, [box("middle")], updated_at="2026-01-02T00:00:00Z")
    export(handed_out, [task])
    review = review_of(came_back(handed_out, "label_studio"), "a.jpg")
    assert review.boxes == (Box("new", 0.1, 0.5, 0.2, 0.8),)


@pytest.mark.parametrize(
    "result, said",
    [
        (box(rotation=12), "box 1 (bird) is rotated by 12 degrees"),
        ({**box(), "image_rotation": 90}, "picture that was turned"),
        (box(x="left"), "no usable coordinates"),
        (box(width=float("inf")), "no usable coordinates"),
        (box(label=""), "no label"),
        ({**box(), "value": {"x": 1}}, "no label"),
        ({**box(), "type": "polygonlabels"}, "of the kind polygonlabels"),
        ({**box(), "type": "rectangle"}, "of the kind rectangle"),
        ("x", "not as Label Studio writes it"),
    ],
)
def test_what_is_no_upright_box_with_a_label_is_a_fault_of_its_image(handed_out, result, said):
    first, second = tasks(handed_out)
    export(handed_out, [submitted(first, [result]), submitted(second)])
    answers = came_back(handed_out, "label_studio")
    assert said in review_of(answers, "a.jpg").fault and review_of(answers, "b.jpg").reviewed


def test_choices_beside_the_boxes_are_no_boxes(handed_out):
    choice = {"type": "choices", "value": {"choices": ["blurred"]}}
    export(handed_out, [submitted(tasks(handed_out)[0], [choice, box()])])
    assert len(review_of(came_back(handed_out, "label_studio"), "a.jpg").boxes) == 1


def test_boxes_are_clipped_and_several_labels_are_several_boxes(handed_out):
    both = box(x=-10, y=90, width=60, height=30)
    both["value"]["rectanglelabels"] = ["bird", "seal"]
    export(handed_out, [submitted(tasks(handed_out)[0], [both])])
    review = review_of(came_back(handed_out, "label_studio"), "a.jpg")
    assert review.boxes == (Box("bird", 0, 0.5, 0.9, 1), Box("seal", 0, 0.5, 0.9, 1))


def test_a_name_is_found_by_the_address_of_the_picture_too(handed_out):
    first, second = tasks(handed_out)
    first["data"] = {"image": "/data/upload/3/0f3a99cc-a.jpg"}
    second["data"] = {"image": "/data/local-files/?d=elsewhere%2FImages%2Fb.jpg"}
    export(handed_out, [submitted(first), submitted(second)])
    answers = came_back(handed_out, "label_studio")
    assert review_of(answers, "a.jpg").reviewed and review_of(answers, "b.jpg").reviewed


def test_tasks_of_other_batches_in_the_same_project_are_left_out_in_one_line(handed_out):
    first, second = tasks(handed_out)
    second["meta"] = {"batch": "another"}
    path = export(handed_out, [submitted(first), submitted(second)])
    answers = came_back(handed_out, "label_studio")
    assert list(answers.reviews) == ["Images/a.jpg"] and not answers.faults
    assert answers.notes == [f"{path}: 1 images of other batches; left out"]
    assert "Images/b.jpg" in came_back(handed_out, "label_studio", path).reviews, "named in words"


def test_a_later_export_stands_above_an_earlier_one(handed_out):
    first, second = tasks(handed_out)
    early = submitted(first, [box("early")], updated_at="2026-01-01T00:00:00Z")
    late = submitted(first, [box("late")], updated_at="2026-01-02T00:00:00Z")
    export(handed_out, [late, submitted(second)], "1.json")
    export(handed_out, [early, {**second, "annotations": []}], "2.json")
    answers = came_back(handed_out, "label_studio")
    assert review_of(answers, "a.jpg").boxes[0].tag == "late"
    assert review_of(answers, "b.jpg").reviewed


def test_json_min_is_refused_by_name(handed_out):
    path = export(handed_out, [{"id": 1, "image": "a.jpg", "annotation_id": 1, "label": []}])
    answers = came_back(handed_out, "label_studio")
    assert f"{path}: " in answers.faults[0] and "JSON-MIN" in answers.faults[0]


def test_untouched_predictions_come_back_to_the_last_digit(handed_out):
    export(handed_out, [submitted(task) for task in tasks(handed_out)])
    review = review_of(came_back(handed_out, "label_studio"), "a.jpg")
    assert close(review.boxes, (BIRD, SEAL)) and [box.score for box in review.boxes] == [0.9, 0.7]
