"""What the review page saves is read exactly: reviewed, nothing there, not looked at, and to the
last digit.
"""

import json

import pytest
from helpers_tools import BIRD, SEAL, batch, came_back, hand_out, review_of

from utils.formats import page
from utils.formats.page import Saved
from utils.formats.returned import BadFile
from utils.formats.sheets import Box

THIRD = Box("bird", 1 / 3, 2 / 3, 1 / 7, 0.1 + 0.2 + 0.3)


def test_reviewed_empty_skipped_and_not_looked_at_are_told_apart(tmp_path):
    handed_out = batch(tmp_path, {name: (BIRD,) for name in ("a", "b", "c", "d", "e", "f")})
    saved = {
        "Images/a": Saved(page.REVIEWED, boxes=(THIRD, BIRD), seconds=3.25, at="2026"),
        "Images/b": Saved(page.REVIEWED, boxes=()),
        "Images/c": Saved(page.SKIPPED),
        "Images/d": Saved(page.SKIPPED, page.UNUSABLE, boxes=()),
        "Images/e": Saved(boxes=(THIRD,), revision=2),
    }
    hand_out(page, handed_out)
    (tmp_path / page.FILE).write_bytes(page.document(saved, handed_out.number))
    answers = came_back(handed_out, "page")
    assert answers.faults == answers.notes == answers.strays == []
    a, b, c, d, e, f = (review_of(answers, name) for name in "abcdef")
    assert a.reviewed and a.boxes == (THIRD, BIRD) and a.seconds == pytest.approx(3.2, abs=0.06)
    assert b.reviewed and b.boxes == ()
    assert not c.reviewed and c.why == "skipped for now" and c.then == ""
    assert not d.reviewed and d.then == "unusable"
    assert not e.reviewed and not e.why and e.boxes == (THIRD,), "begun is not reviewed"
    assert not f.reviewed and f.boxes == (BIRD,)


def test_what_the_page_saves_comes_back_to_it_as_it_was(tmp_path):
    handed_out = batch(tmp_path)
    saved = {"Images/a.jpg": Saved(page.REVIEWED, boxes=(THIRD, SEAL), revision=7, at="2026")}
    data = page.document(saved, handed_out.number, at="Images/b.jpg")
    assert page.saved_images(data, handed_out) == (saved, "Images/b.jpg")
    with pytest.raises(BadFile, match="another batch"):
        page.saved_images(page.document(saved, "other"), handed_out)


@pytest.mark.parametrize(
    "change",
    [
        {"state": "done"},
        {"state": "open", "then": "unusable"},
        {"boxes": [{"tag": "bird", "xmin": 0.5, "xmax": 0.2, "ymin": 0, "ymax": 1}]},
        {"boxes": [{"tag": " ", "xmin": 0, "xmax": 0.2, "ymin": 0, "ymax": 1}]},
        {"boxes": [{"tag": "bird", "xmin": 0, "xmax": 1.5, "ymin": 0, "ymax": 1}]},
        {"boxes": "none"},
        {"seconds": -1},
    ],
)
def test_what_no_page_has_saved_leaves_its_image_reserved(tmp_path, change):
    handed_out = batch(tmp_path, {"a.jpg": (BIRD,), "b.jpg": ()})
    saved = {"Images/a.jpg": Saved(page.REVIEWED, boxes=(BIRD,)), "Images/b.jpg": Saved("reviewed")}
    document = json.loads(page.document(saved, handed_out.number))
    document["images"]["Images/a.jpg"] |= change
    (tmp_path / page.FILE).write_text(json.dumps(document))
    answers = came_back(handed_out, "page")
    assert review_of(answers, "a.jpg").fault and review_of(answers, "b.jpg").reviewed


def test_a_file_of_a_newer_page_and_of_another_batch_are_left_alone(tmp_path):
    handed_out = batch(tmp_path, {"a.jpg": (BIRD,)})
    saved = {"Images/a.jpg": Saved(page.REVIEWED, boxes=())}
    newer = json.loads(page.document(saved, handed_out.number)) | {"format": 2}
    (tmp_path / page.FILE).write_text(json.dumps(newer))
    answers = came_back(handed_out, "page")
    assert "another version of the review page" in answers.faults[0] and not answers.reviews
    (tmp_path / page.FILE).write_bytes(page.document(saved, "of yesterday"))
    answers = came_back(handed_out, "page")
    assert answers.notes == [f"{tmp_path / page.FILE}: 1 images of other batches; left out"]
    assert not answers.reviews
