"""Changing `classes`: ids are for ever, and what is dropped is recorded."""

from helpers_programs import done, state_tables
from helpers_tables import labels

from utils.config import load_config
from utils.labels.label_map import label_map_text, read_label_map
from utils.labels.state import Change
from utils.labels.store import open_labels


def test_classes_that_stay_keep_their_ids_and_dropped_ones_come_back_with_theirs(
    folder_store, tmp_path
):
    config = tmp_path / "config.ini"

    def update(classes: str) -> tuple[list[str], dict[str, int], list[str]]:
        config.write_text(folder_store.config_text(classes=classes), encoding="utf-8")
        said = done("train/active_learning_update_label_map.sh", config).splitlines()
        _, store = open_labels(load_config(config))
        return (
            said[:-1],
            read_label_map(load_config(config).label_map_path),
            store.read().classes["dropped"],
        )

    assert update("bird,seal,trash") == (
        [
            "added: bird (id 1), 0 boxes in the labels",
            "added: seal (id 2), 0 boxes in the labels",
            "added: trash (id 3), 0 boxes in the labels",
        ],
        {"bird": 1, "seal": 2, "trash": 3},
        [],
    )
    _, store = open_labels(load_config(config))
    store.commit(
        lambda state: Change(
            {
                "tagged": labels(
                    "a.jpg seal .1 .2 .1 .2\na.jpg seal .3 .4 .1 .2\nb.jpg fox .1 .2 .1 .2"
                )
            }
        ),
        what="test",
    )

    assert update("bird,trash,fox") == (
        [
            "added: fox (id 4), 1 boxes in the labels",
            "dropped: seal, 2 boxes in the labels; they stay there and are left out of training",
        ],
        {"bird": 1, "trash": 3, "fox": 4},
        ["seal"],
    )
    assert len(state_tables(config, "tagged")[0]) == 3
    assert update("bird,trash,fox") == ([], {"bird": 1, "trash": 3, "fox": 4}, ["seal"])
    assert update("seal,bird,trash,fox") == (
        ["added: seal (id 2), 2 boxes in the labels"],
        {"bird": 1, "seal": 2, "trash": 3, "fox": 4},
        [],
    )


def test_ids_come_from_the_live_model_where_this_machine_has_no_label_map(folder_store, tmp_path):
    config = tmp_path / "config.ini"
    config.write_text(folder_store.config_text(classes="seal,owl"), encoding="utf-8")
    _, store = open_labels(load_config(config))
    blob = store.publish_file(
        "label_map", ".pbtxt", label_map_text({"bird": 1, "seal": 2}).encode()
    )
    store.commit(lambda state: Change(members={"live": {"label_map": blob}}), what="test")
    assert "dropped: bird" in done("train/active_learning_update_label_map.sh", config)
    assert read_label_map(load_config(config).label_map_path) == {"seal": 2, "owl": 3}
