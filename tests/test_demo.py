"""The demo's parts that need no training: what is drawn, and that the scripted annotator works as a
person would.
"""

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers_programs import run
from PIL import Image

from train.cycle.files import write_working
from train.demo import annotator, beside_truth, pictures, story
from utils.config import load_config
from utils.errors import InputError
from utils.images import decoding
from utils.labels import tables
from utils.reserved import NULL

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
    done = run("train/run_demo.py", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        f"run_demo.py: {tmp_path}: {line}\n",
    )


def test_the_demo_chooses_as_a_new_config_does(tmp_path):
    (tmp_path / "config.ini").write_text(story.CONFIG)
    demo, new = load_config(tmp_path / "config.ini"), load_config(ROOT / "config.ini")
    for key in (
        "selection_strategy",
        "random_share",
        "max_per_burst",
        "prelabel_confidence",
        "min_confidence",
    ):
        assert getattr(demo, key) == getattr(new, key), key
    assert demo.selection_strategy == "hybrid"


def true_boxes(*rows):
    """A table of test boxes, each row (blob name, class, xmin, ymin, xmax, ymax)."""
    folders, names = zip(*(tables.split_name(row[0]) for row in rows), strict=True)
    places = {
        place: [row[column] for row in rows]
        for column, place in enumerate(("xmin", "ymin", "xmax", "ymax"), 2)
    }
    return tables.make(
        "test",
        folder=folders,
        filename=names,
        class_=[row[1] for row in rows],
        height=192,
        width=256,
        **places,
    )


def test_photos_for_the_picture_are_taken_in_turn_rare_classes_first_whatever_the_model_finds():
    nowhere = (0.0, 0.0, 0.0, 0.0)
    truth = true_boxes(
        *((f"b/knot{number}.jpg", "knot", 0, 0, 0.5, 0.5) for number in range(4)),
        ("a/both.jpg", "knot", 0, 0, 0.5, 0.5),
        ("a/both.jpg", "crack", 0, 0, 0.5, 0.5),
        ("c/empty2.jpg", NULL, *nowhere),
        ("c/empty1.jpg", NULL, *nowhere),
    )
    assert beside_truth.choose(truth, 5) == [
        "a/both.jpg",
        "b/knot0.jpg",
        "c/empty1.jpg",
        "b/knot1.jpg",
        "c/empty2.jpg",
    ]
    assert len(beside_truth.choose(truth, 99)) == 7


def test_boxes_for_the_picture_are_pixels_with_their_scores():
    truth = true_boxes(("a/x.jpg", "knot", 0.25, 0.5, 0.5, 1), ("y.jpg", NULL, 0, 0, 0, 0))
    assert beside_truth.boxes_of(truth, "a/x.jpg") == (("knot", (64.0, 96.0, 128.0, 192.0)),)
    assert beside_truth.boxes_of(truth, "y.jpg") == ()
    found = tables.concat("totag", truth).assign(box_confidence=0.876)
    assert beside_truth.boxes_of(found, "a/x.jpg")[0][0] == "knot 0.88"


def test_the_picture_shows_each_photo_and_each_box_in_the_color_of_its_class(tmp_path):
    box = (60.0, 60.0, 160.0, 130.0)
    white = np.full((192, 256, 3), 255, np.uint8)
    shown = [
        beside_truth.Shown("what is there", white, (("knot", box),)),
        beside_truth.Shown("what the model found", white, (("crack 0.90", box),)),
        beside_truth.Shown("alone in its line", white, ()),
    ]
    beside_truth.draw(shown, 2, tmp_path / "new" / "picture.png", "The demo")
    drawn = np.asarray(Image.open(tmp_path / "new" / "picture.png").convert("RGB"))
    left, right = np.split(drawn[: len(drawn) // 2], 2, axis=1)
    crack, knot = ((0x00, 0xE5, 0xFF), (0xFF, 0xEA, 0x00))
    assert (left == knot).all(axis=2).sum() > 300 > (left == crack).all(axis=2).sum()
    assert (right == crack).all(axis=2).sum() > 300 > (right == knot).all(axis=2).sum()


def test_the_demo_ends_with_a_picture_and_says_where_it_lies(tmp_path, capsys):
    demo = story.Demo(tmp_path / "demo")
    for name in ("data", "store/images", "store/labels"):
        (tmp_path / "demo" / name).mkdir(parents=True)
    demo.config_path.write_text(story.CONFIG)
    truth = true_boxes(
        *(
            (photo.blob, name, *(np.array(box) / (256, 192, 256, 192)))
            for photo in demo.photos[:6]
            for name, box in photo.objects
        )
    )
    found = tables.concat("totag", truth).assign(box_confidence=0.9, image_confidence=0.9)
    config = load_config(demo.config_path)
    write_working(config, "test", truth)
    write_working(config, "test_predictions", found)

    demo.picture()
    demo.last_words()

    picture = Image.open(demo.folder / "predictions.png")
    assert picture.width > 1000
    assert f"{demo.folder}/predictions.png " in capsys.readouterr().out
