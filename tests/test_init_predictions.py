"""The cold start: a pretrained model's predictions, chosen by a class map and handed out under our
class names.
"""

import json
import zipfile

import numpy as np
from helpers_http import serving
from helpers_programs import done, image_sets, photos, put, run, state_tables

from train.prediction.journal import PredictionJournal
from train.prediction.run import model_key, version
from utils.boxes.detections import Detections
from utils.config import load_config
from utils.images.decoding import BadImage
from utils.images.greys import Greys
from utils.labels import tables
from utils.labels.state import Change
from utils.labels.store import open_labels

CLASS_MAP = {
    "classmap": [
        {"initclass": "16", "map": "bird", "balance": "0.5"},
        {"initclass": "NULL", "map": "NULL", "balance": "0.5"},
    ],
    "unmapclass": ["1"],
    "default_class": "thing",
}


def test_images_are_chosen_by_the_class_map_and_handed_out_with_its_names(store, tmp_path):
    config, class_map = tmp_path / "config.ini", tmp_path / "map.json"
    config.write_text(store.config_text(min_confidence="0.1"), encoding="utf-8")
    class_map.write_text(json.dumps(CLASS_MAP), encoding="utf-8")
    put(store.images, photos(6), tmp_path)
    done("train/active_learning_initialize.sh", config)
    asked = run("tag/download_vott_json.py", 2, config, class_map)
    assert (
        asked.returncode == 2
        and "no pretrained model has been run over the images yet" in asked.stderr
    )

    _, labels = open_labels(load_config(config))
    (totag,) = state_tables(config, "totag")
    found = tables.concat("init_totag", totag)
    found["class"] = ["16", "16", "1", "NULL", "7", "16"]
    found["box_confidence"] = found["image_confidence"] = [0.9, 0.8, 0.1, 0.0, 0.2, 0.7]
    boxes = found["class"] != "NULL"
    found.loc[boxes, ["xmax", "ymax"]] = 0.5
    labels.commit(lambda state: Change({"init_totag": found}), what="test")

    assert (
        "4 images, 2 boxes"
        in done("tag/download_vott_json.py", 4, config, class_map).splitlines()[-1]
    )
    names = tables.blob_names(found).tolist()
    (tagging,) = state_tables(config, "tagging")
    handed_out = dict(zip(tables.blob_names(tagging), tagging["class"], strict=True))
    assert handed_out == {names[1]: "bird", names[5]: "bird", names[2]: "NULL", names[3]: "NULL"}
    out, left = image_sets(config, "tagging", "totag")
    assert left == set(names) - out
    (totag,) = state_tables(config, "totag")
    assert set(totag["class"]) == {"NULL"}, (
        "what the pretrained model found is handed out, and stays out of totag"
    )


def test_a_new_machine_goes_on_with_what_another_has_published(store, tmp_path):
    config = tmp_path / "config.ini"
    (tmp_path / "graph.pb").write_bytes(
        b"a model that need not be loaded, since nothing is left to predict"
    )
    config.write_text(
        store.config_text(init_model_graph=tmp_path / "graph.pb", min_confidence=0.5),
        encoding="utf-8",
    )
    put(store.images, photos(3), tmp_path)
    done("train/active_learning_initialize.sh", config)
    settings = load_config(config)
    (images,) = state_tables(config, "images")
    journal = settings.data_dir / "init_predictions.journal"
    # as a first machine leaves it behind
    with PredictionJournal(
        journal, model_key(settings.init_model_graph, settings, Greys())
    ) as found:
        for number, (blob, etag) in enumerate(
            zip(tables.blob_names(images), images["etag"], strict=True)
        ):
            boxes = np.array([[0.1, 0.2, 0.5, 0.6]] * number).reshape(-1, 4)
            found.add(
                blob,
                version(etag, 0.5),
                Detections(boxes, np.array([16, 1][:number], int), np.array([0.9, 0.75][:number])),
            )
    said = done("train/create_init_predictions.py", config)
    assert said.splitlines()[-1].startswith("3 images (0 predicted now), 3 boxes")
    first, listed = state_tables(config, "init_totag", "init_predicted")
    assert (
        tables.blob_names(listed).tolist() == tables.blob_names(images).tolist()
        and listed["etag"].tolist() == images["etag"].tolist()
    )
    journal.unlink()
    said = done("train/create_init_predictions.py", config)
    assert said.splitlines()[-1].startswith("3 images (0 predicted now), 3 boxes")
    (again,) = state_tables(config, "init_totag")
    columns = ["filename", "folder", "class", "box_confidence", "xmin"]
    assert (
        again.sort_values(columns)[columns].values.tolist()
        == first.sort_values(columns)[columns].values.tolist()
    )


def test_images_that_the_pretrained_models_run_cannot_decode_are_listed_as_failed(
    folder_store, tmp_path
):
    config = tmp_path / "config.ini"
    (tmp_path / "graph.pb").write_bytes(
        b"a model that need not be loaded, since nothing is left to predict"
    )
    config.write_text(
        folder_store.config_text(init_model_graph=tmp_path / "graph.pb", min_confidence=0.5),
        encoding="utf-8",
    )
    put(folder_store.images, photos(3), tmp_path)
    done("train/active_learning_initialize.sh", config)
    settings = load_config(config)
    (images,) = state_tables(config, "images")
    good, cut, other = zip(tables.blob_names(images), images["etag"], strict=True)
    with PredictionJournal(
        settings.data_dir / "init_predictions.journal",
        model_key(settings.init_model_graph, settings, Greys()),
    ) as found:
        found.add(
            good[0],
            version(good[1], 0.5),
            Detections(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0)),
        )
        found.add(cut[0], version(cut[1], 0.5), BadImage("truncated"))
        found.add(other[0], version(other[1], 0.5), BadImage("truncated"))
    said = done("train/create_init_predictions.py", config).splitlines()
    assert said[-2].startswith(
        f"2 images cannot be decoded and are listed as failed, for example {cut[0]} (truncated)"
    )
    (failed,) = state_tables(config, "failed")
    assert failed[["filename", "reason", "etag"]].values.tolist() == [
        [tables.split_name(blob)[1], "truncated", etag] for blob, etag in (cut, other)
    ]
    assert image_sets(config, "images", "totag", "failed", "init_totag") == [
        {good[0]},
        {good[0]},
        {cut[0], other[0]},
        {good[0]},
    ]
    assert (
        "1 images (0 predicted now)"
        in done("train/create_init_predictions.py", config).splitlines()[-1]
    )


def test_a_class_map_of_before_a_renaming_hands_out_the_new_names(folder_store, tmp_path):
    config, class_map = tmp_path / "config.ini", tmp_path / "map.json"
    config.write_text(folder_store.config_text(), encoding="utf-8")
    class_map.write_text(json.dumps({**CLASS_MAP, "default_class": "seal"}), encoding="utf-8")
    put(folder_store.images, photos(2), tmp_path)
    done("train/active_learning_initialize.sh", config)
    _, labels = open_labels(load_config(config))
    (totag,) = state_tables(config, "totag")
    found = tables.concat("init_totag", totag).assign(
        **{
            "class": ["16", "7"],
            "xmax": 0.5,
            "ymax": 0.5,
            "box_confidence": 0.9,
            "image_confidence": 0.9,
        }
    )
    labels.commit(lambda state: Change({"init_totag": found}), what="test")
    done("tag/change_classes.py", config, "--rename", "bird=gull", "--drop", "seal")
    done("tag/download_vott_json.py", 2, config, class_map)
    (tagging,) = state_tables(config, "tagging")
    assert sorted(tagging["class"]) == ["NULL", "gull"]


def test_an_id_that_the_model_does_not_have_is_named(folder_store, tmp_path):
    config, class_map = tmp_path / "config.ini", tmp_path / "map.json"
    config.write_text(folder_store.config_text(), encoding="utf-8")
    class_map.write_text(json.dumps({**CLASS_MAP, "unmapclass": ["12"]}), encoding="utf-8")
    put(folder_store.images, photos(1), tmp_path)
    done("train/active_learning_initialize.sh", config)
    asked = run("tag/download_vott_json.py", 1, config, class_map)
    assert asked.returncode == 2 and "map.json: the model has no class 12" in asked.stderr


def test_models_whose_addresses_differ_little_are_each_fetched_and_unpacked(folder_store, tmp_path):
    from train.prediction.init_model import init_model

    served = {
        "x/ssd_0.75_2018.zip": b"first",
        "x/ssd_0.5_2018.zip": b"second",
        "y/ssd_0.75_2018.zip": b"third",
        "z/graph.pb": b"fourth",
    }
    for name, content in served.items():
        path = tmp_path / "served" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".pb":
            path.write_bytes(content)
        else:
            with zipfile.ZipFile(path, "w") as zipped:
                zipped.writestr("ssd/frozen_inference_graph.pb", content)
    config = tmp_path / "config.ini"

    def found(address: str) -> list[bytes]:
        settings = []
        for name in served:
            config.write_text(
                folder_store.config_text(init_pred_tf_url=f"{address}/{name}"), encoding="utf-8"
            )
            settings.append(load_config(config))
        return [init_model(each).read_bytes() for each in settings]

    with serving(tmp_path / "served") as address:
        assert found(address) == list(served.values())
    assert found(address) == list(served.values()), "nothing is asked of the network again"
