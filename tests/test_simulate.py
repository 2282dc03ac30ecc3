"""A labelling project played through: readers of data sets, cached trainings, learning curves, and
the program as a process.
"""

import csv
import json
import os
import shutil
import signal
import subprocess

import numpy as np
import pandas as pd
import pytest
from helpers_programs import ROOT, begun
from helpers_training import environment
from PIL import Image, ImageDraw

from train.simulation import learning_curves
from train.simulation.learning_curves import continued, drawn, in_words, mean_curve, needed
from utils.effort.seconds import ACTIONS, Seconds
from utils.errors import InputError
from utils.formats.annotated_sets import read_annotated
from utils.labels import tables
from utils.reserved import NULL

PROGRAM = ROOT / "train" / "simulate_active_learning.py"
WIDTH, HEIGHT = 96, 64
TINY = (
    "--side",
    "64",
    "--steps",
    "2",
    "--batch-size",
    "2",
    "--start",
    "8",
    "--batch",
    "4",
    "--cycles",
    "2",
    "--seeds",
    "1",
    "--strategies",
    "random,lowest_box",
    "--model-name",
    "faster_rcnn_mobilenet_v2_fpn",
    "--checkpoint",
    "scratch",
    "--threads",
    "1",
)


def discs(number: int) -> list[tuple[str, int, int, int, int]]:
    """What is on photo `number`: class and whole pixels xmin, ymin, xmax, ymax; every third photo
    is empty.
    """
    left, top = 5 * number % 50, 3 * number % 30
    return (
        []
        if number % 3 == 0
        else [(("disc", "square")[number % 2], left, top, left + 30, top + 25)]
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder with 30 photos and their labels in the three forms."""
    folder = tmp_path_factory.mktemp("labelled")
    names = [f"camera {number % 2}/IMG_{number:03d}.jpg" for number in range(30)]
    coco = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 7, "name": "disc"}, {"id": 3, "name": "square"}],
    }
    rows = []
    for number, name in enumerate(names):
        path = folder / "JPEGImages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", (WIDTH, HEIGHT), (90, 100, 110))
        for kind, *box in discs(number):
            (
                ImageDraw.Draw(picture).ellipse
                if kind == "disc"
                else ImageDraw.Draw(picture).rectangle
            )(box, fill=(220, 40, 40))
        picture.save(path)
        coco["images"].append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for kind, xmin, ymin, xmax, ymax in discs(number):
            coco["annotations"].append(
                {
                    "id": len(coco["annotations"]),
                    "image_id": number,
                    "category_id": 7 if kind == "disc" else 3,
                    "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
                    "iscrowd": 0,
                }
            )
        rows += [
            (name, kind, xmin / WIDTH, xmax / WIDTH, ymin / HEIGHT, ymax / HEIGHT)
            for kind, xmin, ymin, xmax, ymax in discs(number) or [(NULL, 0, 0, 0, 0)]
        ]
        objects = "".join(
            f"<object><name>{kind}</name><bndbox><xmin>{xmin + 1}</xmin>"
            f"<ymin>{ymin + 1}</ymin><xmax>{xmax}</xmax>"
            f"<ymax>{ymax}</ymax></bndbox></object>"
            for kind, xmin, ymin, xmax, ymax in discs(number)
        )
        xml = folder / "Annotations" / f"{name[:-4]}.xml"
        xml.parent.mkdir(parents=True, exist_ok=True)
        xml.write_text(f"<annotation><filename>{path.name}</filename>{objects}</annotation>")
    (folder / "coco.json").write_text(json.dumps(coco))
    images, kinds, xmin, xmax, ymin, ymax = zip(*rows, strict=True)
    folders, filenames = zip(*map(tables.split_name, images), strict=True)
    frame = tables.make(
        "tagged",
        filename=filenames,
        folder=folders,
        class_=kinds,
        xmin=xmin,
        xmax=xmax,
        ymin=ymin,
        ymax=ymax,
        height=[HEIGHT] * len(rows),
        width=[WIDTH] * len(rows),
    )
    (folder / "tagged.csv").write_bytes(tables.to_csv("tagged", frame, user_folders=True))
    return folder


def simulate(*arguments, check: bool = True) -> subprocess.CompletedProcess:
    with begun(PROGRAM, *arguments, env=environment(), stderr=subprocess.PIPE) as running:
        said, faults = running.communicate()
    assert not check or running.returncode == 0, said + faults
    return subprocess.CompletedProcess(running.args, running.returncode, said, faults)


def test_csv_coco_and_voc_give_the_same_tables(photos):
    ours, coco, voc = (
        read_annotated(photos / name, photos / "JPEGImages")
        for name in ("tagged.csv", "coco.json", ".")
    )
    assert (len(ours.boxes), len(ours.files), ours.classes, ours.bad) == (
        30,
        30,
        ["disc", "square"],
        [],
    )
    for other in (coco, voc):
        pd.testing.assert_frame_equal(ours.boxes, other.boxes, rtol=0, atol=1e-12)
        pd.testing.assert_frame_equal(ours.images, other.images)
        assert (ours.files, other.bad) == (other.files, [])


def test_boxes_of_a_turned_photo_are_those_of_the_upright_picture_and_are_clipped(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side: 60 x 40 in the file, 40 x 60 upright
    Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "labels.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg", "width": 60, "height": 40}],
                "categories": [{"id": 1, "name": "bird"}],
                "annotations": [
                    {"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 30, 40, 15]},
                    {
                        "id": 2,
                        "image_id": 1,
                        "category_id": 1,
                        "bbox": [0, 0, 40, 60],
                        "iscrowd": 1,
                    },
                ],
            }
        )
    )
    boxes = read_annotated(tmp_path / "labels.json").boxes
    assert boxes[["height", "width", "xmin", "xmax", "ymin", "ymax"]].values.tolist() == [
        [60, 40, 0.5, 1, 0.5, 0.75]
    ]


def test_items_that_cannot_be_used_are_named_in_a_line_each(photos, tmp_path):
    document = json.loads((photos / "coco.json").read_text())
    document["images"] += [
        {"id": 99, "file_name": "gone.jpg"},
        {"id": 98, "file_name": "../outside.jpg"},
    ]
    document["annotations"] += [
        {"id": 77, "image_id": 1234, "category_id": 7, "bbox": [0, 0, 1, 1]}
    ]
    (tmp_path / "coco.json").write_text(json.dumps(document))
    read = read_annotated(tmp_path / "coco.json", photos / "JPEGImages")
    assert len(read.files) == 30
    assert sorted(line.split(":")[0] for line in read.bad) == [
        "../outside.jpg",
        "annotation 77",
        "gone.jpg",
    ]


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("no.json", None, "no such file"),
        ("bad.json", "{", "not readable JSON"),
        ("other.json", "{}", "images, annotations, categories"),
        ("labels.txt", "x", "unknown kind of file"),
        ("empty", None, "no labels"),
    ],
)
def test_labels_that_are_none_are_refused_in_a_line(tmp_path, name, text, said):
    if text:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        read_annotated(tmp_path / name)


def test_no_class_can_be_called_as_all_of_them_together(photos, tmp_path):
    (tmp_path / "labels.json").write_text(
        (photos / "coco.json").read_text().replace('"disc"', '"Average"')
    )
    with pytest.raises(InputError, match="a class is called Average"):
        read_annotated(tmp_path / "labels.json", photos / "JPEGImages")


def results(**curves) -> pd.DataFrame:
    """A table of results with one seed per list of AP50 at 10, 20, 30 … images."""
    return pd.DataFrame(
        [
            {
                "strategy": strategy,
                "seed": seed,
                "cycle": cycle,
                "images": 10 * (cycle + 1),
                "boxes": 30 * (cycle + 1),
                "class": "Average",
                "ap50": ap50,
                "images_of_class": 0,
                "boxes_of_class": 0,
            }
            for strategy, seeds in curves.items()
            for seed, values in enumerate(seeds)
            for cycle, ap50 in enumerate(values)
        ]
    )


def test_the_labels_that_a_strategy_needs_are_read_from_its_mean_curve():
    table = results(
        random=[[0.2, 0.4, 0.6, 0.7], [0.2, 0.4, 0.6, 0.9]],
        hybrid=[[0.2, 0.6, 0.9, 0.9]],
        lowest_box=[[0.2, 0.1, 0.3, 0.5]],
    )
    assert needed(mean_curve(table, "hybrid"), 0.8) == pytest.approx(20 + 10 * 2 / 3)
    assert np.isnan(needed(mean_curve(table, "lowest_box"), 0.8))
    random, hybrid, lowest = in_words(table, ["random", "hybrid", "lowest_box"])
    assert random == "random: AP50 0.800 ± 0.141 with 40 images (120 boxes), 2 seeds"
    assert hybrid.endswith("reaches 0.800 with 27 images (80 boxes), 33% fewer images")
    assert lowest.endswith(
        "never reaches 0.800; below random by more than its spread at 20, 30, 40 images"
    )


def test_it_is_said_when_random_was_at_its_final_ap_clearly_before_the_end():
    early, late = (
        in_words(results(random=[values]), ["random", "hybrid"])
        for values in ([0.2, 0.6, 0.8, 0.6], [0.2, 0.4, 0.5, 0.6])
    )
    assert early == [
        "random: AP50 0.600 ± 0.000 with 40 images (120 boxes), 1 seed; first reached with 20"
        " images"
    ]
    assert late == ["random: AP50 0.600 ± 0.000 with 40 images (120 boxes), 1 seed"]


def test_the_plot_has_panels_for_images_and_boxes_with_a_band_of_one_deviation_around_each_curve():
    table = results(random=[[0.2, 0.4], [0.4, 0.4]], hybrid=[[0.3, 0.6]])
    panels = drawn(table, ["random", "hybrid"], [], "title").axes
    for panel, axis, labels in zip(
        panels, ("labelled images", "labelled boxes"), ([10, 20], [30, 60]), strict=True
    ):
        assert panel.get_xlabel() == axis and [line.get_label() for line in panel.lines] == [
            "random",
            "hybrid",
        ]
        np.testing.assert_allclose(
            panel.lines[0].get_xydata(), [[labels[0], 0.3], [labels[1], 0.4]]
        )
        band = panel.collections[0].get_paths()[0].vertices
        spread = np.std([0.2, 0.4], ddof=1)
        corners = {(x, round(y, 6)) for x, y in band}
        assert corners == {
            (labels[0], round(0.3 - spread, 6)),
            (labels[0], round(0.3 + spread, 6)),
            (labels[1], 0.4),
        }


def with_work(table: pd.DataFrame, kept: dict[str, float]) -> pd.DataFrame:
    """The results with what people did: of all boxes so many were kept, and the rest drawn."""
    share = table["strategy"].map(kept)
    done = dict.fromkeys(ACTIONS, 0.0)
    done |= {"kept": table["boxes"] * share, "drawn": table["boxes"] * (1 - share)}
    return table.assign(**done)


def test_the_time_of_a_project_is_what_people_did_in_seconds():
    table = with_work(results(random=[[0.2, 0.4]], hybrid=[[0.3, 0.4]]), {"random": 0, "hybrid": 1})
    # 10 images and 30 boxes, then twice as many
    assert mean_curve(table, "random")["hours"].tolist() == [260 / 3600, 520 / 3600]
    assert mean_curve(table, "hybrid")["hours"].tolist() == [110 / 3600, 220 / 3600]
    slow = Seconds(look=10, draw=25)
    assert mean_curve(table, "random", seconds=slow)["hours"].tolist() == [850 / 3600, 1700 / 3600]
    assert np.isnan(mean_curve(results(random=[[0.2]]), "random")["hours"]).all()
    *_, hybrid = in_words(table, ["random", "hybrid"])
    assert hybrid.endswith("reaches 0.400 with 20 images (60 boxes, 4 minutes), no fewer images")


def test_what_a_strategy_saves_is_told_for_quick_and_slow_people():
    table = with_work(
        results(random=[[0.2, 0.5, 0.4]], hybrid=[[0.3, 0.4, 0.6]], entropy=[[0.1, 0.1, 0.1]]),
        {"random": 0, "hybrid": 0.5, "entropy": 0},
    )
    found = learning_curves.sensitivity(table, "hybrid")
    assert found[["look", "draw"]].values.tolist() == [
        [look, draw] for look in (2, 5, 10) for draw in (7, 15, 25)
    ]
    assert set(found["ap50"]) == {0.5}, "the best of random, not its last one"
    first = found.iloc[0]
    # random: 20 images and 60 boxes; hybrid: 25 images and 75 boxes, half of them kept
    assert first["random"] * 3600 == pytest.approx(20 * 2 + 60 * 7)
    assert first["hours"] * 3600 == pytest.approx(25 * 2 + 37.5 * 2 + 37.5 * 7)
    assert first["saved"] == pytest.approx(1 - first["hours"] / first["random"])
    said = learning_curves.sensitivity_in_words(table, ["random", "hybrid", "entropy"])
    assert said[0].startswith("hybrid: of a person's time until random's best AP50 0.500 it saves")
    assert "2 and 7 s: 16%" in said[0] and "10 and 25 s: " in said[0]
    assert said[1:] == ["entropy never reaches random's best AP50 0.500"]
    assert learning_curves.sensitivity_in_words(results(random=[[0.2]]), ["random"]) == []


def test_the_plot_has_a_panel_for_hours_where_they_are_known():
    table = with_work(results(random=[[0.2, 0.4]]), {"random": 0})
    panels = drawn(table, ["random"], [], "title").axes
    assert [panel.get_xlabel() for panel in panels][2] == "hours of a person"
    np.testing.assert_allclose(
        panels[2].lines[0].get_xydata(), [[260 / 3600, 0.2], [520 / 3600, 0.4]]
    )


def test_results_of_an_earlier_version_stay_beside_new_ones():
    old, new = results(random=[[0.2, 0.4]]), with_work(results(hybrid=[[0.5]]), {"hybrid": 0})
    both = continued(old, new)
    assert np.isnan(mean_curve(both, "random")["hours"]).all()
    assert mean_curve(both, "hybrid")["hours"].tolist() == [260 / 3600]
    assert learning_curves.sensitivity(both, "hybrid").empty


@pytest.mark.parametrize(
    "name", ["=HYPERLINK(1)", "+1", "'=1", "a $x_{$ b\\frac{", "<b>", "NA", 'é,"\n', "'"]
)
def test_a_class_of_any_name_is_drawn_as_it_is_and_no_formula_in_the_table(tmp_path, name):
    table = pd.concat(
        [results(random=[[0.2, 0.4]]), results(random=[[0.2, None]]).assign(**{"class": name})],
        ignore_index=True,
    )
    learning_curves.write(table, tmp_path / "results.csv")
    pd.testing.assert_frame_equal(learning_curves.read(tmp_path / "results.csv"), table)
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        assert not any(
            cell.startswith(("=", "+", "-", "@")) for row in csv.reader(file) for cell in row
        )
    learning_curves.plot(table, ["random"], [name], tmp_path / "curves.png", f"labels of {name}")
    assert Image.open(tmp_path / "curves.png").width > 500


def test_results_that_are_not_calculated_again_are_kept():
    before, now = (
        results(random=[[0.1, 0.2], [0.3]], hybrid=[[0.4]]),
        results(random=[[0.5]], coreset=[[0.6]]),
    )
    kept = continued(before, now)
    assert kept[["strategy", "seed", "cycle", "ap50"]].values.tolist() == [
        ["random", 0, 1, 0.2],
        ["random", 1, 0, 0.3],
        ["hybrid", 0, 0, 0.4],
        ["random", 0, 0, 0.5],
        ["coreset", 0, 0, 0.6],
    ]
    pd.testing.assert_frame_equal(continued(before.iloc[:0], now), now)


def test_a_mean_is_taken_over_seeds_that_have_come_equally_far():
    table = results(random=[[0.2, 0.4, 0.6], [0.4, 0.6]])
    assert mean_curve(table, "random")["ap50"].tolist() == pytest.approx([0.3, 0.5])


def test_a_simulation_that_was_killed_goes_on_and_trains_nothing_twice(photos, tmp_path):
    command = [
        photos / "coco.json",
        "--images",
        photos / "JPEGImages",
        "--out",
        tmp_path / "out",
        "--fast",
        *TINY,
    ]
    with begun(PROGRAM, *command, env=environment()) as first:
        while not any(
            line.startswith("random, seed 0, 12 images") for line in iter(first.stdout.readline, "")
        ):
            assert first.poll() is None
        first.send_signal(signal.SIGKILL)
        first.stdout.read()
    done = {folder.name for folder in (tmp_path / "out/models").iterdir() if folder.suffix == ""}
    assert len(done) >= 2
    second = simulate(*command)
    last = second.stdout.splitlines()[-1]
    models = {folder.name for folder in (tmp_path / "out/models").iterdir()}
    assert len(models) == 5 and done <= models  # the cold start is the same for both strategies
    assert f"6 models, {5 - len(done)} of them trained now" in last
    table = pd.read_csv(tmp_path / "out/results.csv")
    assert table.groupby("strategy")["images"].unique().map(list).to_dict() == {
        "lowest_box": [8, 12, 16],
        "random": [8, 12, 16],
    }
    assert set(table["class"]) == {"Average", "disc", "square"}
    assert Image.open(tmp_path / "out/learning_curves.png").width > 500
    again = simulate(*command)
    assert "6 models, 0 of them trained now" in again.stdout
    pd.testing.assert_frame_equal(table, pd.read_csv(tmp_path / "out/results.csv"))

    # the same content elsewhere, with other times
    copied = shutil.copytree(photos, tmp_path / "copy")
    for file in copied.rglob("*.jpg"):
        os.utime(file, (0, 0))
    other = simulate(
        copied / "coco.json",
        "--images",
        copied / "JPEGImages",
        *command[3:],
        "--strategies",
        "random",
        "--cycles",
        "1",
    )
    assert "2 models, 0 of them trained now" in other.stdout and "lowest_box: AP50" in other.stdout
    order = ["strategy", "cycle", "class"]
    kept = pd.read_csv(tmp_path / "out/results.csv")
    pd.testing.assert_frame_equal(
        kept.sort_values(order, ignore_index=True), table.sort_values(order, ignore_index=True)
    )
    anew = simulate(*command, "--strategies", "random", "--cycles", "1", "--max-per-burst", "3")
    assert "results.csv: of other labels, images or settings; begun anew" in anew.stdout
    assert pd.read_csv(tmp_path / "out/results.csv")["images"].tolist() == [8, 8, 8, 12, 12, 12]


@pytest.mark.parametrize("way", ["--fast", "--batch=99"])
def test_disagreement_looks_at_mirror_images_on_features_and_after_a_training_of_its_own(
    photos, tmp_path, way
):
    options = ["--strategies", "disagreement", "--cycles", "1", way]
    done = simulate(
        photos / "tagged.csv",
        "--images",
        photos / "JPEGImages",
        "--out",
        tmp_path / "out",
        *TINY,
        *options,
    )
    assert "2 of them trained now" in done.stdout.splitlines()[-1]
    table = pd.read_csv(tmp_path / "out/results.csv")
    assert table["ap50"].between(0, 1).all() and table["cycle"].tolist() == [0, 0, 0, 1, 1, 1]
    looked_at = [np.load(file) for file in (tmp_path / "out/models").rglob("disagreement.npy")]
    assert (
        [len(values) for values in looked_at] == [30]
        and ((looked_at[0] >= 0) & (looked_at[0] <= 1)).all()
        and looked_at[0].any()
    )


def test_boxes_in_a_mirror_image_are_told_from_the_edge_of_the_picture_not_of_the_canvas():
    from train.simulation import frozen_features

    # in canvases 100 pixels wide, of pictures 40 and 80 wide
    boxes = np.array([[[10, 70, 20, 90]], [[10, 30, 20, 90]]])
    assert frozen_features.moved_left(boxes, np.array([40, 80]), 100).tolist() == [
        [[10, 10, 20, 30]],
        [[10, 10, 20, 70]],
    ]


def test_what_is_wrong_with_the_options_is_said_before_anything_is_trained(photos, tmp_path):
    for options, said in (
        (["--strategies", "random,luck"], "luck is no strategy"),
        (["--fast", "--train-backbone"], "leave one of them out"),
        (["--frozen-backbone", "--train-backbone"], "not allowed with argument"),
        (["--checkpoint", tmp_path / "nowhere"], "no TensorFlow checkpoint"),
    ):
        done = simulate(
            photos / "tagged.csv",
            "--images",
            photos / "JPEGImages",
            "--out",
            tmp_path / "out",
            *options,
            check=False,
        )
        assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
