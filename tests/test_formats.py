"""What all annotation tools have in common: a batch written for a tool, and what comes back."""

import copy
import json
from xml.etree import ElementTree

import pytest
from helpers_batch import THREE, BatchProject
from helpers_tools import BIRD, batch, came_back, hand_out, review_of

from utils.files import refused
from utils.formats import cvat, label_studio, labelme, page, voc, vott_folder
from utils.formats.answers import read_answers
from utils.formats.returned import File
from utils.formats.tools import TOOLS


def test_the_boxes_of_a_batch_carry_their_models_score(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    handed_out = [box for item in project.batch["images"].values() for box in item["boxes"]]
    assert handed_out == [["bird", 0.1, 0.5, 0.2, 0.8, 0.9]]


JUNK = (None, True, -1, 1e308, float("nan"), "", "\ud800", "é" * 3, [], {}, [[]], {"a": [1]})


def places(document, path=()):
    """The way to every member of a JSON document."""
    members = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in members:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))


def with_junk(document, path, junk):
    changed = copy.deepcopy(document)
    inside = changed
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = junk
    return changed


def answer_of(tool, handed_out) -> tuple[str, object]:
    """(name, JSON) of a file that has boxes and every kind of member."""
    if tool is label_studio:
        tasks = json.loads(label_studio.write(handed_out)[label_studio.TASKS])
        annotation = {"id": 1, "updated_at": "2026", "lead_time": 1, "was_cancelled": False}
        for task in tasks:
            task["annotations"] = [{**annotation, "result": task["predictions"][0]["result"]}]
        return "export.json", tasks
    if tool is page:
        saved = page.Saved(page.REVIEWED, boxes=(BIRD,), seconds=2, revision=1, at="2026")
        return page.FILE, json.loads(page.document({"Images/a.jpg": saved}, handed_out.number))
    name = next(iter(tool.answers(handed_out)))
    return name, json.loads(tool.write(handed_out)[name])


@pytest.mark.parametrize("tool", [page, labelme, label_studio, vott_folder])
def test_junk_anywhere_in_an_answer_is_said_or_ignored_and_never_a_traceback(tool, tmp_path):
    handed_out = batch(tmp_path, {"a.jpg": (BIRD,)})
    name, document = answer_of(tool, handed_out)
    for path in places(document):
        for junk in JUNK:
            text = json.dumps(with_junk(document, path, junk)).encode("utf-8", "replace")
            answers = read_answers(handed_out, tool.NAME, [File(tmp_path / name, text, "Images")])
            for _, review in answers.reviews.values():
                assert all(0 <= side <= 1 for box in review.boxes for side in box.sides)


@pytest.mark.parametrize("junk", ["", "nan", "1e400", "-1", "x", "é"])
def test_junk_in_an_answer_in_xml_is_said_or_ignored_and_never_a_traceback(tmp_path, junk):
    handed_out = batch(tmp_path, {"a.jpg": (BIRD,)})
    of_cvat = cvat.write(handed_out)[cvat.ANNOTATIONS]
    of_voc = voc.document("a.jpg", 200, 100, [("bird", 20, 20, 100, 80)])
    of_voc = of_voc.replace(b"<annotation>", b'<annotation verified="yes">')
    for data in (of_cvat, of_voc):
        for place in range(len(list(ElementTree.fromstring(data).iter()))):
            root = ElementTree.fromstring(data)
            element = list(root.iter())[place]
            element.attrib = dict.fromkeys(element.attrib, junk)
            element.text = junk
            file = File(tmp_path / "x.xml", ElementTree.tostring(root), "Images")
            read_answers(handed_out, "cvat", [file])


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_a_tool_keeps_the_promises_of_the_interface(tool, tmp_path):
    handed_out = batch(tmp_path)
    given = tool.write(handed_out)
    assert set(tool.answers(handed_out)) <= set(given)
    assert {key for keys in tool.answers(handed_out).values() for key in keys} <= set(
        handed_out.images
    )
    assert all(refused(name) is None for name in given)
    assert tool.write(handed_out) == given, "the same batch is written the same"
    assert str(tmp_path) in tool.how(handed_out) and tool.MARK
    assert tool.tag_names(["a", "b c"], {"x": "y"}) | {"x": "y", "a": "a"} == tool.tag_names(
        ["a", "b c"], {"x": "y"}
    )


def test_two_files_that_contradict_each_other_leave_the_image_reserved(tmp_path):
    handed_out = batch(tmp_path, {"a.jpg": (BIRD,)})
    hand_out(labelme, handed_out)
    path = tmp_path / "Images/a.json"
    document = json.loads(path.read_text()) | {"checked": True}
    path.write_text(json.dumps(document))
    verified = voc.document("a.jpg", 200, 100, [("bird", 20, 20, 100, 80)])
    other = tmp_path / "Images/a.xml"
    other.write_bytes(verified.replace(b"<annotation>", b'<annotation verified="yes">'))
    assert review_of(came_back(handed_out, "labelme"), "a.jpg").reviewed, "they say the same"
    other.write_bytes(other.read_bytes().replace(b"<xmin>20", b"<xmin>50"))
    fault = review_of(came_back(handed_out, "labelme"), "a.jpg").fault
    assert fault == "it was reviewed twice, with different boxes (also in a.json)"
