"""The demo's parts that need no training: what is drawn, and that the scripted annotator works as a
person would.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import pytest
from PIL import Image

from train.demo import annotator, pictures
from utils.errors import InputError
from utils.images import decoding

ROOT = Path(__file__).resolve().parent.parent


PHOTOS = [pictures.draw(number) for number in range(24)]


def test_a_third_is_empty_a_class_is_rare_and_names_repeat_in_every_folder():
    photos = [pictures.draw(number) for number in range(240)]
    objects = Counter(name for photo in photos for name, _ in photo.objects)
    assert sum(not photo.objects for photo in photos) == 80
    assert objects["knot"] > 6 * objects["crack"] > 6 * 30
    folders, names = zip(*(photo.blob.rsplit("/", 1) for photo in photos), strict=True)
    assert len(set(folders)) == 4
    assert set(Counter(names).values()) == {4}
    assert len({photo.blob for photo in photos}) == 240


def test_a_photo_is_drawn_the_same_every_time():
    assert (pictures.draw(5).picture == PHOTOS[5].picture).all()
    assert pictures.draw(5).objects == PHOTOS[5].objects


def test_the_first_photo_lies_on_its_side_and_says_so(tmp_path):
    pictures.save(PHOTOS[0], tmp_path / "a.jpg", 0)
    pictures.save(PHOTOS[1], tmp_path / "b.jpg", 1)
    assert Image.open(tmp_path / "a.jpg").size == (192, 256)
    assert decoding.read_header(tmp_path / "a.jpg").orientation == 6
    assert decoding.read_header(tmp_path / "b.jpg").taken_at.startswith("2026-05-01T06:07")
    upright = decoding.decode((tmp_path / "a.jpg").read_bytes())
    assert abs(upright.astype(int) - PHOTOS[0].picture).mean() < 5


@pytest.fixture
def batch(tmp_path):
    """A batch folder with photos 0, 1 and 2 upright and no boxes; write(frames) puts boxes into its
    JSON.
    """
    (tmp_path / "Images").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "Images" / f"x{number}.jpg"), PHOTOS[number].picture[..., ::-1])

    def write(frames: dict) -> Path:
        (tmp_path / "Images.json").write_text(
            json.dumps(
                {"frames": frames, "inputTags": "knot,crack", "tag_colors": ["#f00", "#0f0"]}
            )
        )
        return tmp_path

    return write


def region(box, tag="knot", **more):
    return {
        "x1": box[0],
        "y1": box[1],
        "x2": box[2],
        "y2": box[3],
        "width": 256,
        "height": 192,
        "tags": [tag],
        "type": "Rectangle",
        "UID": "1",
        **more,
    }


def test_the_annotator_keeps_good_boxes_draws_missing_ones_and_removes_the_rest(batch):
    good = PHOTOS[0].objects[0][1]
    place = batch(
        {"x0.jpg": [region(good, id=9), region((0, 0, 9, 9))], "x1.jpg": [region((5, 5, 50, 50))]}
    )
    work = annotator.Annotator(PHOTOS).review(place)
    project = json.loads((place / "Images.json").read_text())
    assert (work.images, work.kept, work.removed) == (3, 1, 2)
    assert work.drawn == len(PHOTOS[0].objects) - 1 + len(PHOTOS[2].objects)
    assert project["visitedFrames"] == ["x0.jpg", "x1.jpg", "x2.jpg"]
    assert project["frames"]["x1.jpg"] == []  # photo 1 is empty
    assert [entry["tags"] for entry in project["frames"]["x2.jpg"]] == [
        [name] for name, _ in PHOTOS[2].objects
    ]
    assert all("points" in entry and "box" in entry for entry in project["frames"]["x0.jpg"])
    assert project["inputTags"] == "knot,crack"


def test_the_annotator_stops_at_an_image_that_is_not_upright(batch):
    place = batch({})
    cv2.imwrite(
        str(place / "Images" / "x0.jpg"), cv2.rotate(PHOTOS[0].picture[..., ::-1], cv2.ROTATE_180)
    )
    with pytest.raises(InputError, match="x0.jpg: this is none of the demo's photos, upright"):
        annotator.Annotator(PHOTOS).review(place)


@pytest.mark.parametrize(
    "content, line",
    [
        (
            {"mine.txt": "x"},
            (
                "there is something in it that is not the demo's; name a folder that is empty or"
                " does not exist"
            ),
        ),
        (
            {"demo.json": '{"finished": ["draw", "the end"]}'},
            (
                "the demo was run to its end here; for another run name a new folder, or delete "
                "this one"
            ),
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_line(tmp_path, content, line):
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, ROOT / "train" / "run_demo.py", tmp_path], text=True, capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        f"run_demo.py: {tmp_path}: {line}\n",
    )
