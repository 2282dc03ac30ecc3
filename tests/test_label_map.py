import pytest
from helpers_tables import labels

from utils.errors import InputError
from utils.labels.label_map import (
    label_map_for,
    label_map_text,
    read_label_map,
    read_retired,
    retired_from,
    with_current_classes,
    write_label_map,
)
from utils.labels.tables import blob_names


def test_a_file_without_items_is_no_label_map():
    with pytest.raises(InputError, match="no label map"):
        read_label_map("")


def test_a_label_map_comes_back_as_it_was_written(tmp_path):
    written = {"fox": 1, "red deer": 2, 'it\'s "one"': 3, "back\\slash": 4, "naïve 鹿": 7}
    write_label_map(tmp_path / "map.pbtxt", written, {"wolf": 5, 'crow "x"': 6})
    assert read_label_map(tmp_path / "map.pbtxt") == written
    assert read_retired(tmp_path / "map.pbtxt") == {"wolf": 5, 'crow "x"': 6}


def test_the_file_looks_as_tensorflow_tools_expect_it():
    assert label_map_text({"fox": 1}) == 'item {\n  id: 1\n  name: "fox"\n}\n'


def test_label_maps_of_other_tools_are_read():
    text = """# COCO
item { name: '/m/01g317' id: 1 display_name: 'person' }
item {\r
  id: 3,
  name: "caf\\303\\251"
  keypoints { id: 9 label: "nose" }
}"""
    assert read_label_map(text) == {"person": 1, "café": 3}


@pytest.mark.parametrize(
    "text",
    [
        'item { id: 0 name: "a" }',
        "item { id: 1 }",
        'item { id: 1 name: "a" } item { id: 1 name: "b" }',
        'item { id: 1 name: "a }',
        "\\",
        'item { id: 1 name: "a" } item { id: 2 name: "a" }',
    ],
)
def test_a_damaged_label_map_is_named(text):
    with pytest.raises(InputError, match="map.pbtxt"):
        read_label_map(text, "map.pbtxt")


def test_a_missing_label_map_is_wrong_input(tmp_path):
    with pytest.raises(InputError, match="no such label map"):
        read_label_map(tmp_path / "absent.pbtxt")


def test_the_first_label_map_has_the_order_of_the_classes():
    assert label_map_for(["knife", "fox", "knife"]) == {"knife": 1, "fox": 2}


def test_a_class_that_stays_keeps_its_id_and_new_ones_get_the_next():
    assert label_map_for(["crow", "fox", "ant"], {"fox": 1, "crow": 2}) == {
        "fox": 1,
        "crow": 2,
        "ant": 3,
    }


def test_the_id_of_a_dropped_class_is_never_given_to_another():
    first = label_map_for(["fox", "crow"])
    second = label_map_for(["fox", "crow"], first, dropped=["crow"])
    assert second == {"fox": 1} and retired_from(second, first) == {"crow": 2}
    third = label_map_for(["fox", "ant"], {**retired_from(second, first), **second})
    assert third == {"fox": 1, "ant": 3}
    assert label_map_for(["fox", "crow"], {"crow": 2, **third}) == {"fox": 1, "crow": 2}


def test_a_renamed_class_keeps_its_id_even_while_the_config_has_the_old_name():
    assert label_map_for(["fox", "red fox"], {"fox": 4}, renamed={"fox": "red fox"}) == {
        "red fox": 4
    }


def test_two_classes_made_one_keep_the_id_of_the_one_that_had_the_name():
    assert label_map_for(["crow"], {"raven": 1, "crow": 2}, renamed={"raven": "crow"}) == {
        "crow": 2
    }


def test_boxes_of_renamed_classes_have_the_new_name():
    frame = labels("a.jpg fox .1 .2 .1 .2\nb.jpg NULL")
    assert list(with_current_classes(frame, {"fox": "red", "red": "red fox"}, [])["class"]) == [
        "red fox",
        "NULL",
    ]


def test_an_image_with_only_dropped_boxes_becomes_an_empty_one():
    frame = labels(
        "a.jpg fox .1 .2 .1 .2\na.jpg fox .3 .4 .1 .2\nb.jpg crow .1 .2 .1 .2\nb.jpg fox .1 .2"
        " .1 .2"
    )
    current = with_current_classes(frame, {}, ["fox"])
    rows = zip(blob_names(current), current["class"], current["xmax"], strict=True)
    assert list(rows) == [("a.jpg", "NULL", 0.0), ("b.jpg", "crow", 0.2)]


def test_a_table_without_rows_stays_one():
    assert len(with_current_classes(labels(""), {"a": "b"}, ["c"])) == 0
