"""The cold start: a pretrained model's predictions, chosen by a class map and handed out under our class names."""
import json

from helpers_programs import done, image_sets, photos, put, run, state_tables

from utils import tables
from utils.config import load_config
from utils.label_state import Change, open_labels

CLASS_MAP = {"classmap": [{"initclass": "16", "map": "bird", "balance": "0.5"}, {"initclass": "NULL", "map": "NULL", "balance": "0.5"}],
             "unmapclass": ["1"], "default_class": "thing"}


def test_images_are_chosen_by_the_class_map_and_handed_out_with_its_names(store, tmp_path):
    config, class_map = tmp_path / "config.ini", tmp_path / "map.json"
    config.write_text(store.config_text(), encoding="utf-8")
    class_map.write_text(json.dumps(CLASS_MAP), encoding="utf-8")
    put(store.images, photos(6), tmp_path)
    done("train/active_learning_initialize.sh", config)
    asked = run("tag/download_vott_json.py", 2, config, class_map)
    assert asked.returncode == 2 and "no pretrained model has been run over the images yet" in asked.stderr

    _, labels = open_labels(load_config(config))
    (totag,) = state_tables(config, "totag")
    found = tables.concat("init_totag", totag)
    found["class"] = ["16", "16", "1", "NULL", "7", "16"]
    found["box_confidence"] = found["image_confidence"] = [0.9, 0.8, 0.1, 0.0, 0.2, 0.7]
    boxes = found["class"] != "NULL"
    found.loc[boxes, ["xmax", "ymax"]] = 0.5
    labels.commit(lambda state: Change({"init_totag": found}), what="test")

    assert "4 images, 2 boxes" in done("tag/download_vott_json.py", 4, config, class_map).splitlines()[-1]
    names = tables.blob_names(found).tolist()
    (tagging,) = state_tables(config, "tagging")
    handed_out = dict(zip(tables.blob_names(tagging), tagging["class"], strict=True))
    assert handed_out == {names[1]: "bird", names[5]: "bird", names[2]: "NULL", names[3]: "NULL"}
    out, left = image_sets(config, "tagging", "totag")
    assert left == set(names) - out
    (totag,) = state_tables(config, "totag")
    assert set(totag["class"]) == {"NULL"}, "what the pretrained model found is handed out, and stays out of totag"


def test_a_class_map_of_before_a_renaming_hands_out_the_new_names(folder_store, tmp_path):
    config, class_map = tmp_path / "config.ini", tmp_path / "map.json"
    config.write_text(folder_store.config_text(), encoding="utf-8")
    class_map.write_text(json.dumps({**CLASS_MAP, "default_class": "seal"}), encoding="utf-8")
    put(folder_store.images, photos(2), tmp_path)
    done("train/active_learning_initialize.sh", config)
    _, labels = open_labels(load_config(config))
    (totag,) = state_tables(config, "totag")
    found = tables.concat("init_totag", totag).assign(**{"class": ["16", "7"], "xmax": 0.5, "ymax": 0.5, "box_confidence": 0.9,
                                                         "image_confidence": 0.9})
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
