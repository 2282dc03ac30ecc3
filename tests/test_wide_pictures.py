"""Pictures of more than 8 bits, such as those of thermal cameras: one value is one grey in every
picture of a project, for annotators, training and prediction.
"""

import json

import compare_models
import create_predictions
import create_tf_records
import evaluate_model
import initialize
import numpy as np
import publish_cycle
import sync_images
import tensorflow as tf
from helpers_cycle import CycleProject
from helpers_programs import done
from official.vision.dataloaders.tf_example_decoder import TfExampleDecoder
from PIL import Image

from train.network.records import read_records
from train.prediction.pipeline import fitted
from utils.batch.batch import read_batch
from utils.images.greys import Greys
from utils.images.measured_greys import measured

COOL, WARM, ANIMAL = 7100, 7400, 7900  # what the camera says; black is 7100, white is 7900


class Detector:
    canvas, inner_size = (48, 64), None


def thermal(project, blob, background):
    """64 x 48 values of 16 bits, with an animal in the right half."""
    values = np.full((48, 64), background, np.uint16)
    values[12:36, 32:64] = ANIMAL
    path = project.folder / "store" / "images" / blob
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def test_one_temperature_is_one_grey_for_annotators_training_and_prediction(tmp_path, capsys):
    project = CycleProject(tmp_path, filetype="*", min_confidence=0.2)
    files = [
        thermal(project, f"a/{number}.{('png', 'tif')[number % 2]}", (COOL, WARM)[number // 3])
        for number in range(6)
    ]
    project.photo("a/daylight.png", (230, 20, 20))
    initialize.main([str(project.config)])
    assert (
        "pictures of 16 bits: 7100 is shown black and 7900 white, to annotators and to the model"
        " alike"
    ) in capsys.readouterr().out
    greys = project.labels.read().greys
    assert greys == Greys({"16 bits": (7100.0, 7900.0)})

    seen = [fitted(Detector, file, 64, greys) for file in files]
    for number, picture in enumerate(seen):
        assert picture[24, 48].tolist() == [255] * 3
        assert picture[5, 5].tolist() == [(0, 96)[number // 3]] * 3

    done("tag/download_vott_json.py", 7, project.config)
    batch = read_batch(tmp_path / "tag")
    for local, item in batch.images.items():
        if item.blob != "a/daylight.png":
            with Image.open(batch.path(local)) as image:
                shown = np.asarray(image.convert("RGB")).astype(int)
            assert np.abs(shown - seen[int(item.blob[2])]).max() <= 3  # a TIFF comes as a JPEG
    done("tag/abandon.py", project.config)

    project.tag(*((f"a/{number}.{('png', 'tif')[number % 2]}", "red thing") for number in range(6)))
    project.train()
    create_tf_records.main([str(project.config)])
    records = read_records(project.settings.tf_record_location)
    pictures = [
        TfExampleDecoder().decode(raw)["image"].numpy()
        for raw in tf.data.TFRecordDataset([str(path) for path in records.train.shards])
    ]
    assert pictures
    for picture in pictures:
        assert any(np.array_equal(picture, one) for one in seen)

    for program in (create_predictions, evaluate_model, compare_models, publish_cycle):
        program.main([str(project.config)])
    assert project.labels.read().cycles[-1]["greys"] == {"16 bits": [7100, 7900]}


def test_a_kind_that_joins_later_is_measured_and_what_is_settled_stays(tmp_path):
    project = CycleProject(tmp_path, filetype="*")
    project.photo("a/1.png")
    initialize.main([str(project.config)])
    assert project.labels.read().document["greys"] == {}

    thermal(project, "a/2.png", COOL)
    sync_images.main([str(project.config)])
    assert project.labels.read().greys.ranges == {"16 bits": (COOL, ANIMAL)}

    thermal(project, "a/3.png", 20_000)
    Image.fromarray(np.array([[15.0, 35.0]], np.float32)).save(
        tmp_path / "store" / "images" / "a" / "4.tif"
    )
    initialize.main([str(project.config)])
    ranges = project.labels.read().greys.ranges
    assert ranges["16 bits"] == (COOL, ANIMAL)
    assert np.allclose(ranges["floating point"], (15, 35), atol=0.1)


def test_a_project_from_before_is_looked_through_once(tmp_path):
    project = CycleProject(tmp_path, filetype="*")
    thermal(project, "a/1.png", COOL)
    initialize.main([str(project.config)])
    without = {
        key: value for key, value in project.labels.read().document.items() if key != "greys"
    }
    (tmp_path / "store" / "labels" / "label_state.json").write_text(json.dumps(without))
    assert project.labels.read().greys == Greys()
    initialize.main([str(project.config)])
    assert project.labels.read().greys.ranges == {"16 bits": (COOL, ANIMAL)}


def test_a_few_pictures_with_a_covered_lens_do_not_decide_the_range(tmp_path):
    files = []
    for number in range(60):
        values = np.full((10, 10), COOL, np.uint16)
        values[5:] = ANIMAL
        files.append(tmp_path / f"{number:02d}.png")
        Image.fromarray(values if number != 30 else values * 0).save(files[-1])
    (tmp_path / "cut.png").write_bytes(files[0].read_bytes()[:60])
    found = measured([*files, tmp_path / "cut.png", tmp_path / "gone.tif"], Greys())
    assert found.ranges == {"16 bits": (COOL, ANIMAL)}
