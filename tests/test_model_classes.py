"""The classes that a pretrained model knows."""

import pytest

from utils.errors import InputError
from utils.labels.model_classes import COCO, read_model_classes


def test_coco_has_its_eighty_published_ids():
    assert len(COCO) == 80
    assert [COCO[number] for number in (1, 13, 16, 44, 72, 90)] == [
        "person",
        "stop sign",
        "bird",
        "bottle",
        "tv",
        "toothbrush",
    ]
    assert read_model_classes("COCO") == COCO


@pytest.mark.parametrize(
    "name, text",
    [
        ("map.pbtxt", 'item { id: 1 name: "animal" }\nitem { id: 3 name: "pick-up" }'),
        ("map.json", '{"1": "animal", "3": "pick-up"}'),
        ("map.json", '\ufeff{"pick-up": 3, "animal": 1}'),
    ],
)
def test_a_label_map_is_pbtxt_or_json_either_way_round(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_model_classes(str(tmp_path / name)) == {1: "animal", 3: "pick-up"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "[]",
        "{}",
        '{"a": "b"}',
        '{"0": "a"}',
        '{"1": ""}',
        '{"1": "a", "a": 1}',
        '{"1": true}',
    ],
)
def test_anything_else_is_named(tmp_path, text):
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(InputError, match="map.json"):
        read_model_classes(str(tmp_path / "map.json"))
