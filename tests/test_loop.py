"""The whole loop with a real, tiny training, as people run it, on a folder and on Azurite."""

import re
from pathlib import Path

import azurite
import cv2
import pytest
from helpers_http import serving
from helpers_once import made_once
from helpers_programs import done, image_sets, photos, put, review, run, state_tables
from helpers_secrets import blobs, files, leaks

from train.cycle.steps import TRAINING, name_of
from utils.config import load_config
from utils.labels import tables
from utils.labels.pool import pool_of
from utils.labels.store import open_labels

PHOTOS = photos(30)
SETTINGS = dict(
    classes="knot,crack",
    data_dir="data",
    model_name="faster_rcnn_resnet18_fpn",
    fine_tune_checkpoint="scratch",
    warm_start="True",
    batch_size="2",
    min_tile_size="64",
    max_tile_size="128",
    test_percentage="0.3",
    min_confidence="0.01",
    tagger_name="anna",
)


def check_that_every_image_is_in_one_list(config: Path, images: set[str]) -> None:
    listed, *lists = image_sets(config, "images", "totag", "tagging", "tagged", "failed")
    assert listed | lists[3] == images
    assert sum(map(len, lists)) == len(set().union(*lists)) == len(images)


def test_from_a_container_of_photos_to_a_model_and_back_to_the_annotator(store, tmp_path):
    """Initialize, download, review, upload, repartition, train, download again, upload, train again
    with a warm start.
    """
    put(store.images, PHOTOS[:28], tmp_path)
    store.images.write("yard/broken.jpg", b"this is no photo")
    config = tmp_path / "my config.ini"
    config.write_text(store.config_text(**SETTINGS), encoding="utf-8")
    everything = {photo.blob for photo in PHOTOS[:28]} | {"yard/broken.jpg"}

    # initialize: all images are listed, none has been seen by a model
    done("train/active_learning_initialize.sh", config)
    check_that_every_image_is_in_one_list(config, everything)
    images, failed, totag = state_tables(config, "images", "failed", "totag")
    assert list(failed["filename"]) == ["broken.jpg"]
    assert (len(images), set(images["height"]), set(images["width"])) == (28, {192}, {256})
    assert totag["image_confidence"].isna().all() and set(totag["class"]) == {"NULL"}

    # download, review, upload: what was drawn arrives, to within a pixel
    done("tag/download_vott_json.py", 24, config)
    (batch,) = image_sets(config, "tagging")
    assert len(batch) == 24
    review(config, PHOTOS)
    done("tag/upload_vott_json.py", config)
    tagging, tagged = image_sets(config, "tagging", "tagged")
    assert (tagging, tagged) == (set(), batch)
    check_that_every_image_is_in_one_list(config, everything)
    check_boxes(state_tables(config, "tagged")[0], batch)

    # a test set, drawn from the labelled images
    done("train/repartition_test_set_script.sh", config)
    (test,) = image_sets(config, "test")
    assert test < tagged and len(test) >= 8

    # one cycle: model, predictions for what nobody has reviewed, performance on the test images
    alone = store.kind == "folder"  # once as people start it, with a process for each step
    said = done("train/active_learning_train.sh", config, "--iterations", 3, process=alone)
    assert [line for line in said.splitlines() if line.startswith("[")] == [
        f"[{number}/{len(TRAINING)}] {name_of(step)}" for number, step in enumerate(TRAINING, 1)
    ]
    check_that_every_image_is_in_one_list(config, everything)
    settings = load_config(config)
    _, labels = open_labels(settings)
    state = labels.read()
    assert {"model", "label_map", "config"} <= set(state.live)
    assert re.fullmatch(r"model_\d+\.pb", state.live["model"])
    published = labels.container.read(state.live["config"])[0].decode()
    assert (
        "model_name=faster_rcnn_resnet18_fpn" in published and "AZURE_STORAGE_KEY" not in published
    )
    (cycle,) = state.cycles
    assert {cycle[name] for name in ("model", "label_map", "config")} == {
        state.live[name] for name in ("model", "label_map", "config")
    }
    assert tables.image_set(labels.table(state, "test")) == test
    performance = tables.parse("performance", labels.container.read(cycle["performance"])[0])
    assert list(performance["Class Name"]) == ["Average", "knot", "crack"]
    totag = pool_of(labels, state)
    assert tables.image_set(totag) == everything - tagged - {"yard/broken.jpg"}
    assert totag["image_confidence"].notna().all()  # a model has seen them all

    # images that are new join the list
    put(store.images, PHOTOS[28:], tmp_path)
    done("train/active_learning_initialize.sh", config)
    everything |= {photo.blob for photo in PHOTOS[28:]}
    check_that_every_image_is_in_one_list(config, everything)

    # the second cycle starts from the model of the first; the test set only grows
    done("tag/download_vott_json.py", 4, config)
    review(config, PHOTOS)
    done("tag/upload_vott_json.py", config)
    said = done("train/active_learning_train.sh", config, "--iterations", 2)
    assert f"warm start from {state.live['model']}" in said
    state = labels.read()
    assert len(state.cycles) == 2
    assert state.live["model"] != cycle["model"]
    assert (
        test
        <= tables.image_set(labels.table(state, "test"))
        < tables.image_set(labels.table(state, "tagged"))
    )
    check_that_every_image_is_in_one_list(config, everything)
    if store.kind == "azurite":
        (tmp_path / "store.ini").unlink()
        config.unlink()
        assert (
            leaks(
                azurite.KEY,
                {**files(tmp_path), **blobs(store), "what training said": said.encode()},
            )
            == []
        )


def check_boxes(tagged, images: set[str]) -> None:
    """The rows are what was drawn: same classes, boxes within a pixel, NULL for empty images."""
    for photo in PHOTOS:
        if photo.blob in images:
            rows = tables.only(tagged, [photo.blob])
            expected = sorted(photo.objects) or [("NULL", (0, 0, 0, 0))]
            found = sorted(
                (
                    row["class"],
                    (row["xmin"] * 256, row["ymin"] * 192, row["xmax"] * 256, row["ymax"] * 192),
                )
                for _, row in rows.iterrows()
            )
            assert [name for name, _ in found] == [name for name, _ in expected]
            for (_, box), (_, true) in zip(found, expected, strict=True):
                assert box == pytest.approx(true, abs=1)


# --- configs of the earlier generation


@pytest.fixture(scope="session")
def weights_address(tmp_path_factory):
    """The address of a backbone checkpoint on a web server of this machine: ResNet-50, with the
    names that published ones have.
    """

    def make(folder: Path) -> None:
        import tensorflow as tf
        import tf_keras
        from official.vision.modeling.backbones import ResNet

        backbone = ResNet(50, input_specs=tf_keras.layers.InputSpec(shape=[None, None, None, 3]))
        tf.train.Checkpoint(backbone=backbone).write(str(folder / "backbone"))

    folder, _ = made_once(tmp_path_factory, "weights", make)
    with serving(folder) as address:
        yield f"{address}/backbone"


@pytest.mark.parametrize("name", ["config.ini", "config_devtest.ini"])
def test_a_config_of_the_earlier_generation_trains(
    name, shared, folder_store, weights_address, tmp_path
):
    """Only paths and storage are changed, and where the weights come from. The labels are files of
    the earlier generation too.
    """
    text = (shared / "legacy" / "configs" / name).read_text()
    home = tmp_path / "data"
    for key, value in dict(
        data_dir=home,
        train_dir=home / "training",
        inference_output_dir=home / "graphs",
        download_location=tmp_path / "downloads",
        image_container_name="images",
        label_container_name="labels",
        tf_url=weights_address,
    ).items():
        text = re.sub(rf"^{key}=.*$", f"{key}={value}", text, flags=re.MULTILINE)
    config = tmp_path / name
    config.write_text(text + f"\nstorage_url={tmp_path / 'store'}\n")
    common, rare, *_ = load_config(config).classes
    ending = load_config(config).filetype[1:]
    rows = []
    for number, photo in enumerate(PHOTOS[:8]):
        blob = f"site {number % 2}/{number}{ending}"
        path = tmp_path / "store" / "images" / blob
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), photo.picture[..., ::-1])
        folder, filename = tables.split_name(blob)
        for drawn, (x1, y1, x2, y2) in photo.objects or [("NULL", (0, 0, 0, 0))]:
            label = {"knot": common, "crack": rare}.get(drawn, drawn)
            rows.append(
                f"{filename},{label},{x1 / 256},{x2 / 256},{y1 / 192},{y2 / 192},192,256,{folder}"
            )
    (tmp_path / "store" / "labels" / "tagged_1541000000.csv").write_text(
        "filename,class,xmin,xmax,ymin,ymax,height,width,folder\n" + "\n".join(rows) + "\n"
    )

    done("train/active_learning_initialize.sh", config)
    finished = run("train/active_learning_train.sh", config, "--iterations", 1)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert f"pretrained weights {weights_address}: backbone" in finished.stdout
    assert finished.stderr.count("no meaning any more") == 1
    state = open_labels(load_config(config))[1].read()
    assert len(state.cycles) == 1
    assert state.live["model"].startswith("model_")
