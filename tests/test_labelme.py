"""labelme and X-AnyLabeling: what they are given, and what their files say."""

import json

import pytest
from helpers_tools import BIRD, SEAL, batch, came_back, close, hand_out, review_of

from utils.formats import labelme
from utils.formats.sheets import Box


@pytest.fixture
def handed_out(tmp_path):
    handed_out = batch(tmp_path)
    hand_out(labelme, handed_out)
    return handed_out


def saved(handed_out, name="a.json", **members):
    """The file of an image, saved with other members."""
    path = handed_out.place / "Images" / name
    document = json.loads(path.read_text(encoding="utf-8"))
    document.update(members)
    path.write_text(json.dumps(document), encoding="utf-8")
    return document


def shape(points, label="bird", kind="rectangle", **members) -> dict:
    return {"label": label, "points": points, "shape_type": kind, **members}


def test_each_image_gets_a_file_with_a_tick_box_also_where_nothing_is(handed_out):
    a, b = (saved(handed_out, name) for name in ("a.json", "b.json"))
    assert a["flags"] == b["flags"] == {"reviewed": False} and b["shapes"] == []
    first = a["shapes"][0]
    assert first["points"] == [[20, 20], [100, 80]] and first["shape_type"] == "rectangle"
    assert first["label"], first["score"] == ("bird", 0.9)
    assert first["description"] == "0.90"
    assert (a["imagePath"], a["imageWidth"], a["imageHeight"]) == ("a.jpg", 200, 100)
    labels = (handed_out.place / "Images.labels.txt").read_text(encoding="utf-8")
    assert labels.splitlines() == ["bird", "harbour seal"]


def test_what_nobody_touched_is_not_reviewed(handed_out):
    answers = came_back(handed_out, "labelme")
    assert not review_of(answers, "a.jpg").reviewed and not review_of(answers, "b.jpg").reviewed
    assert close(review_of(answers, "a.jpg").boxes, (BIRD, SEAL))
    assert not answers.faults and not answers.notes


@pytest.mark.parametrize("mark", [{"flags": {"reviewed": True}}, {"checked": True}])
def test_a_tick_or_a_check_means_reviewed_with_the_boxes_there(handed_out, mark):
    saved(handed_out, **mark)
    saved(handed_out, "b.json", **mark)
    answers = came_back(handed_out, "labelme")
    assert review_of(answers, "a.jpg").reviewed and review_of(answers, "b.jpg").reviewed
    assert close(review_of(answers, "a.jpg").boxes, (BIRD, SEAL))
    assert review_of(answers, "b.jpg").boxes == ()


def test_changed_boxes_mean_reviewed_and_failed_never_does(handed_out):
    four = [[20, 20], [150, 20], [150, 80], [20, 80]]
    saved(handed_out, shapes=[shape(four)])
    assert review_of(came_back(handed_out, "labelme"), "a.jpg").boxes == (
        Box("bird", 0.1, 0.75, 0.2, 0.8),
    )
    saved(handed_out, checked="failed", flags={"reviewed": True})
    review = review_of(came_back(handed_out, "labelme"), "a.jpg")
    assert not review.reviewed and "failed" in review.why


def test_corners_are_put_in_order_and_clipped_and_a_box_without_area_is_named(handed_out):
    shapes = [shape([[250, 90], [100, -20]]), shape([[300, 10], [400, 20]], "harbour seal")]
    saved(handed_out, shapes=shapes)
    review = review_of(came_back(handed_out, "labelme"), "a.jpg")
    assert review.boxes == (Box("bird", 0.5, 1, 0, 0.9),)
    assert review.notes == ("box 2 (harbour seal) has no area inside the image and was left out",)


@pytest.mark.parametrize(
    "wrong, said",
    [
        (shape([[1, 1], [2, 2], [3, 1]], kind="polygon"), '"polygon", and only rectangles'),
        (shape([[1, 1], [2, 2], [3, 1], [1, 1]], kind="rotation"), '"rotation"'),
        (shape([[1, 1], [2, 2], [3, 1]]), "two or four corners"),
        (shape([[1, 1], [2, "x"]]), "no usable coordinates"),
        (shape([[1, 1], [2, float("nan")]]), "no usable coordinates"),
        (shape([[1, 1], [2, 2]], label=" "), "no label"),
        (shape([[1, 1], [2, 2]], label=7), "no label"),
        (shape([[1, 1], [2, 2]], label="\ud800"), "not valid Unicode"),
        ("box", "not as labelme writes it"),
    ],
)
def test_what_is_no_box_is_a_fault_of_its_image_and_of_no_other(handed_out, wrong, said):
    saved(handed_out, shapes=[wrong], flags={"reviewed": True})
    saved(handed_out, "b.json", flags={"reviewed": True})
    answers = came_back(handed_out, "labelme")
    assert said in review_of(answers, "a.jpg").fault and review_of(answers, "b.jpg").reviewed


def test_boxes_of_a_picture_that_was_shown_unturned_do_not_fit(handed_out):
    saved(handed_out, imageWidth=100, imageHeight=200, checked=True)
    assert not review_of(came_back(handed_out, "labelme"), "a.jpg").fits(200, 100)


def test_a_file_that_is_gone_or_damaged_leaves_its_image_reserved_and_says_so(handed_out):
    (handed_out.place / "Images/a.json").write_text('{"shapes": [')
    answers = came_back(handed_out, "labelme")
    assert "Images/a.jpg" not in answers.reviews
    assert answers.faults == [
        f"{handed_out.place / 'Images/a.json'}: it is not JSON as labelme writes it (imagePath,"
        " shapes); its image stays reserved"
    ]
    for name in ("a.json", "b.json"):
        (handed_out.place / "Images" / name).unlink()
    (fault,) = came_back(handed_out, "labelme").faults
    assert "and 1 more files are gone (--again at download restores them)" in fault


def test_a_file_for_an_image_that_is_not_of_the_batch_is_named(handed_out):
    saved(handed_out, imagePath="C:\\photos\\other.jpg")
    answers = came_back(handed_out, "labelme")
    assert "other.jpg is not an image of this batch" in answers.faults[0]
    assert answers.strays == ["Images/C:\\photos\\other.jpg"]


def test_names_keep_their_letters(tmp_path):
    names = ["a b.jpg", "c#d 100%.jpg", "Blüte.jpg", "雪.jpg", "v1.2.jpg"]
    handed_out = batch(tmp_path, {name: (BIRD,) for name in names})
    hand_out(labelme, handed_out)
    for name in names:
        saved(handed_out, name.removesuffix(".jpg") + ".json", flags={"reviewed": True})
    answers = came_back(handed_out, "labelme")
    assert all(review_of(answers, name).reviewed for name in names)
