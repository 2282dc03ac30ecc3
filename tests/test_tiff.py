"""Photographs in TIFF files, from the first look at them to the annotator's screen."""

import json

import compare_models
import create_predictions
import create_tf_records
import evaluate_model
import initialize
import numpy as np
import publish_cycle
import tensorflow as tf
from helpers_cycle import GREEN, RED, CycleProject
from helpers_programs import done
from official.vision.dataloaders.tf_example_decoder import TfExampleDecoder
from PIL import Image

from train.network.records import read_records
from utils.batch.batch import read_batch
from utils.labels.tables import blob_names, image_set


def test_tiff_images_are_trained_on_predicted_and_handed_out_as_jpegs_of_the_same_size(tmp_path):
    project = CycleProject(tmp_path, filetype="*.tif", min_confidence=0.2)
    for number in range(6):
        project.photo(f"a/{number}.tif", RED)
    project.photo("b/new.TIF", GREEN)
    (tmp_path / "store" / "images" / "b" / "cut.tif").write_bytes(
        (tmp_path / "store" / "images" / "b" / "new.TIF").read_bytes()[:900]
    )
    initialize.main([str(project.config)])
    images = project.table("images")
    assert set(zip(images["width"], images["height"], strict=True)) == {
        (64, 48)
    } and "b/new.TIF" in image_set(images)
    project.tag(*((f"a/{number}.tif", "red thing") for number in range(5)))
    project.train()

    create_tf_records.main([str(project.config)])
    kept = read_records(project.settings.tf_record_location)
    pictures = [
        TfExampleDecoder().decode(raw)
        for raw in tf.data.TFRecordDataset([str(path) for path in kept.train.shards])
    ]
    assert pictures and len(image_set(project.table("test"))) + len(pictures) <= 5
    for picture in pictures:
        assert picture["image"].shape == (48, 64, 3) and picture["image"][
            24, 48
        ].numpy().tolist() == list(RED)
        np.testing.assert_allclose(picture["groundtruth_boxes"], [[0.25, 0.5, 0.75, 1]])

    for program in (create_predictions, evaluate_model, compare_models, publish_cycle):
        program.main([str(project.config)])
    totag = project.table("totag")
    assert dict(zip(blob_names(totag), totag["class"], strict=True)) == {
        "a/5.tif": "red thing",
        "b/new.TIF": "green thing",
    }
    assert image_set(project.table("failed")) == {"b/cut.tif"}

    done("tag/download_vott_json.py", 2, project.config)
    batch = read_batch(tmp_path / "tag")
    assert {item.blob: local for local, item in batch.images.items()} == {
        "a/5.tif": "Images/a__5.tif.jpg",
        "b/new.TIF": "Images/b__new.TIF.jpg",
    }
    for local, item in batch.images.items():
        with Image.open(batch.path(local)) as image:
            assert (image.format, image.size) == ("JPEG", (64, 48))
            colour = RED if item.blob == "a/5.tif" else GREEN
            assert np.abs(np.subtract(image.getpixel((48, 24)), colour)).max() < 12
    frames = json.loads((tmp_path / "tag" / "Images.json").read_text())["frames"]
    assert [(box["x1"], box["x2"], box["y1"], box["y2"]) for box in frames["a__5.tif.jpg"]] == [
        (32, 64, 12, 36)
    ]
