"""The class map of a cold start."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.errors import InputError
from utils.labels import tables
from utils.labels.class_map import ClassMap, apply_class_map, parse_class_map, read_class_map


def document(**changes):
    return {
        "classmap": [
            {"initclass": "1", "map": "person", "balance": "0.5"},
            {"initclass": 19, "map": "grazer", "balance": 0.2},
            {"initclass": "21", "map": "grazer", "balance": 0.2},
            {"initclass": "NULL", "map": "NULL", "balance": "0.1"},
        ],
        "unmapclass": ["64", 86],
        "default_class": "other",
        **changes,
    }


def entry(**changes):
    return document(classmap=[{"initclass": "1", "map": "person", "balance": "1", **changes}])


def test_several_ids_may_map_to_one_name_and_their_balances_add_up():
    assert parse_class_map(document(), "map.json") == ClassMap(
        {"1": "person", "19": "grazer", "21": "grazer"},
        frozenset({"64", "86"}),
        "other",
        {"person": 0.5, "grazer": 0.4},
        0.1,
    )


def test_a_map_that_users_have_is_read(shared):
    assert read_class_map(shared / "legacy" / "init_classes_map.json").shares == {
        "person": 0.8,
        "horse": 0.2,
    }


@pytest.mark.parametrize(
    "bad, said",
    [
        ([], "expected an object"),
        ({"classmap": []}, "unmapclass, default_class is missing"),
        (document(default=1), "unknown key 'default'"),
        (document(classmap={}), "are lists"),
        (document(default_class=""), "default_class=''"),
        (document(unmapclass=["1"]), "1 stands in classmap and in unmapclass"),
        (document(unmapclass=["dog"]), "unmapclass='dog': expected the number of a class"),
        (document(unmapclass=["99"]), "the model has no class 99; its ids are 1, 2, 3, …, 90"),
        (entry(balance="half"), "entry 1: balance='half': expected a number from 0 to 1"),
        (entry(balance=True), "balance=True"),
        (entry(balance="nan"), "balance='nan'"),
        (entry(balance="0.8"), "the balances sum to 0.8, expected 1"),
        (entry(initclass="person"), "initclass='person'"),
        (entry(map=""), "map=''"),
        (entry(colour="red"), "entry 1: unknown key 'colour'"),
        (document(classmap=[{"initclass": "1"}]), "entry 1: map, balance is missing"),
        (document(classmap=document()["classmap"] * 2), "initclass 1 is there twice"),
    ],
)
def test_a_wrong_map_is_named_with_what_is_wrong(bad, said):
    with pytest.raises(InputError, match="map.json") as raised:
        parse_class_map(bad, "map.json", {str(number) for number in range(1, 91)})
    assert said in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe{", b"[" * 100_000])
def test_a_file_that_is_no_json_is_named(tmp_path, content):
    path = tmp_path / "map.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="map.json: not JSON"):
        read_class_map(path)


SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["1", "NULL", "0.5", 0.5, "bird"])
)
ANYTHING = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)
ENTRY = (
    st.fixed_dictionaries(
        {"initclass": SCALAR | ANYTHING, "map": SCALAR | ANYTHING, "balance": SCALAR | ANYTHING}
    )
    | ANYTHING
)
MAP = st.fixed_dictionaries(
    {
        "classmap": st.lists(ENTRY, max_size=4) | ANYTHING,
        "unmapclass": st.lists(SCALAR, max_size=3) | ANYTHING,
        "default_class": SCALAR | ANYTHING,
    }
)


@given(MAP | ANYTHING)
def test_any_json_is_a_class_map_or_one_line(value):
    try:
        found = parse_class_map(value, "map.json", {"1", "2"})
    except InputError as error:
        assert str(error).startswith("map.json: ")
        return
    assert abs(sum(found.shares.values()) + found.empty_share - 1) <= 0.01 + 1e-9


def test_a_file_that_is_absent_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_class_map(tmp_path / "none.json")


def test_a_map_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "map.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(document()).encode())
    assert read_class_map(path).default == "other"


def test_no_predictions_stay_none():
    assert apply_class_map(tables.empty("init_totag"), parse_class_map(document(), "")).equals(
        tables.empty("totag")
    )


def test_boxes_are_renamed_or_dropped_and_an_image_that_loses_all_is_seen_empty():
    predictions = tables.make(
        "init_totag",
        filename=["a.jpg", "a.jpg", "b.jpg", "c.jpg", "d.jpg"],
        class_=["1", "64", "86", "NULL", "7"],
        xmin=[0.1, 0.2, 0.3, 0.0, 0.1],
        xmax=[0.2, 0.3, 0.4, 0.0, 0.2],
        ymin=[0.1, 0.2, 0.3, 0.0, 0.1],
        ymax=[0.2, 0.3, 0.4, 0.0, 0.2],
        height=10,
        width=20,
        folder="f",
        box_confidence=[0.9, 0.4, 0.8, 0.0, 0.7],
        image_confidence=[0.4, 0.4, 0.8, 0.0, 0.7],
    )
    named = apply_class_map(predictions, parse_class_map(document(), "")).sort_values("filename")
    assert named[
        ["filename", "class", "xmax", "box_confidence", "image_confidence"]
    ].values.tolist() == [
        ["a.jpg", "person", 0.2, 0.9, 0.9],
        ["b.jpg", "NULL", 0.0, 0.0, 0.0],
        ["c.jpg", "NULL", 0.0, 0.0, 0.0],
        ["d.jpg", "other", 0.2, 0.7, 0.7],
    ]
