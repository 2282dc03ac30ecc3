import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.formats.sheets import Box, Sheet, same_boxes
from utils.formats.vott import (
    BadVott,
    Frame,
    drawable,
    is_reviewed,
    read_project,
    tag_names,
    write_project,
)

BIRD = Box("bird", 0.1, 0.5, 0.25, 0.75)
REGION = {
    "x1": 10,
    "x2": 50,
    "y1": 25,
    "y2": 75,
    "width": 100,
    "height": 100,
    "tags": ["bird"],
    "type": "Rectangle",
    "id": 1,
    "name": 1,
}


def written(sheets, tags=("bird", "fish")):
    return json.loads(write_project(sheets, tags))


def read(frames, listing=(), **members):
    return read_project(
        json.dumps({"frames": frames, "inputTags": "bird", **members}).encode(), listing
    )


# Writing


def test_a_folder_without_boxes_has_no_keys_and_an_empty_visited_list():
    project = written([Sheet("a.jpg", 40, 30)])
    assert project["frames"] == {} and project["visitedFrames"] == []


def test_a_region_has_the_members_that_both_lines_of_vott_need():
    assert written([Sheet("a.jpg", 200, 100, (BIRD,))])["frames"] == {
        "a.jpg": [
            {
                "x1": 20,
                "x2": 100,
                "y1": 25,
                "y2": 75,
                "width": 200,
                "height": 100,
                "id": 1,
                "name": 1,
                "type": "Rectangle",
                "tags": ["bird"],
                "UID": "00000001",
            }
        ]
    }


def test_the_top_level_is_what_vott_1_writes():
    project = written([Sheet("a.jpg", 200, 100, (BIRD,))])
    assert {
        name: value for name, value in project.items() if name not in ("frames", "tag_colors")
    } == {"framerate": "1", "inputTags": "bird,fish", "suggestiontype": "track", "scd": False}


def test_only_images_with_boxes_get_a_key():
    assert list(written([Sheet("a.jpg", 9, 9), Sheet("b.jpg", 9, 9, (BIRD,))])["frames"]) == [
        "b.jpg"
    ]


@pytest.mark.parametrize(
    "names, with_boxes, visited",
    [
        (["a.jpg", "b.jpg"], "a.jpg", None),
        (["a.jpg", "b.jpg"], "b.jpg", []),
        (["a.jpg", "B.jpg"], "a.jpg", []),
        (["a.jpg", "B.jpg"], "B.jpg", []),
    ],
)
def test_visited_frames_is_left_out_only_when_the_first_image_has_boxes_however_case_is_sorted(
    names, with_boxes, visited
):
    project = written([Sheet(name, 9, 9, (BIRD,) if name == with_boxes else ()) for name in names])
    assert project.get("visitedFrames") == visited


def test_every_tag_used_is_on_offer_and_there_is_one_colour_for_each():
    project = written([Sheet("a.jpg", 9, 9, (BIRD, Box("moth", 0, 1, 0, 1)))], ["bird", "fish"])
    assert project["inputTags"] == "bird,fish,moth"
    assert len(set(project["tag_colors"])) == 3 and all(
        len(color) == 7 for color in project["tag_colors"]
    )


def test_each_region_has_its_own_uid():
    frames = written([Sheet("a.jpg", 9, 9, (BIRD, BIRD)), Sheet("b.jpg", 9, 9, (BIRD,))])["frames"]
    assert len({region["UID"] for regions in frames.values() for region in regions}) == 3


def test_names_that_are_not_ascii_are_written_as_they_are():
    assert "Vögel.jpg" in write_project([Sheet("Vögel.jpg", 9, 9, (BIRD,))], []).decode()


def test_boxes_that_vanish_in_the_file_are_not_drawable():
    assert drawable(
        [BIRD, Box("bird", 0.5, 0.50001, 0, 1), Box("bird", 0, 1, 0.3, 0.3)], 100, 100
    ) == (BIRD,)


# Tags


def test_no_classes_no_tags():
    assert tag_names([]) == {}


def test_spaces_and_commas_become_underscores():
    assert tag_names(["dark bird", "a,b", "fish", "a \tb"]) == {
        "dark_bird": "dark bird",
        "a_b": "a,b",
        "fish": "fish",
        "a__b": "a \tb",
    }


def test_a_class_that_needs_no_change_keeps_its_name_and_the_other_gets_a_number():
    assert tag_names(["a b", "a_b", "a,b", "a_b"]) == {"a_b_2": "a b", "a_b": "a_b", "a_b_3": "a,b"}


def test_tags_that_are_in_use_stay_when_classes_join():
    assert tag_names(["a_b", "fish", "a b"], {"a_b": "a b"}) == {
        "a_b": "a b",
        "a_b_2": "a_b",
        "fish": "fish",
    }


# Reading


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"{}", b'{"frames": []}', b"\xff\xfe", b"[" * 100_000]
)
def test_what_is_no_project_is_refused(data):
    with pytest.raises(BadVott):
        read_project(data)


def test_boxes_of_any_view_of_the_image_fit_and_those_of_a_turned_one_do_not():
    view = {**REGION, "width": 1366, "height": 683}
    frames = read(
        {
            "a.jpg": [REGION, view],
            "b.jpg": [view],
            "c.jpg": [{**REGION, "width": 100, "height": 200}],
            "d.jpg": [],
        }
    ).frames
    assert [frames[name].fits(4000, 2000) for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg")] == [
        False,
        True,
        False,
        True,
    ]


def test_pixels_are_divided_by_the_size_that_the_region_names():
    assert read({"a.jpg": [REGION]}).frames == {"a.jpg": Frame((BIRD,))}


def test_a_byte_order_mark_is_read_over():
    assert read_project(b'\xef\xbb\xbf{"frames": {"a.jpg": []}}').frames == {"a.jpg": Frame()}


def test_corners_are_ordered_and_clipped():
    region = {**REGION, "x1": 50.5, "x2": -3, "y1": 120, "y2": 25}
    assert read({"a.jpg": [region]}).frames["a.jpg"].boxes == (Box("bird", 0, 0.505, 0.25, 1),)


def test_a_box_without_area_in_the_image_is_left_out_and_said():
    frame = read({"a.jpg": [{**REGION, "x1": 110, "x2": 120}, REGION]}).frames["a.jpg"]
    assert frame.boxes == (BIRD,) and frame.notes == (
        "box 1 (bird) has no area inside the image and was left out",
    )


def test_a_region_with_two_tags_is_two_boxes():
    frame = read({"a.jpg": [{**REGION, "tags": ["bird", "young"]}]}).frames["a.jpg"]
    assert frame == Frame((BIRD, BIRD._replace(tag="young")))


@pytest.mark.parametrize("tags", [[], [" "], ["bird", ""], None, "bird", {"bird": 1}, [1], [[]]])
def test_a_box_whose_tag_cannot_be_told_is_a_fault_of_its_image_which_is_not_empty(tags):
    project = read(
        {"a.jpg": [REGION, {**REGION, "tags": tags}], "b.jpg": [REGION]},
        visitedFrames=["a.jpg", "b.jpg"],
    )
    assert project.frames["a.jpg"].fault.startswith("box 2 has ")
    assert not is_reviewed("a.jpg", project, (BIRD,), 100, 100)
    assert is_reviewed("b.jpg", project, (BIRD,), 100, 100)


def test_a_region_without_tags_is_a_fault():
    region = {name: value for name, value in REGION.items() if name != "tags"}
    assert read({"a.jpg": [region]}).frames["a.jpg"].fault == (
        "box 1 has no tag; give it one, or delete the box"
    )


def test_a_click_that_left_no_area_needs_no_tag():
    frame = read({"a.jpg": [{**REGION, "x2": 10, "tags": []}]}).frames["a.jpg"]
    assert frame.notes == ("box 1 (no tag) has no area inside the image and was left out",)


@pytest.mark.parametrize("shape", ["Polygon", "POLYLINE", "Point", "", None, 1])
def test_a_shape_that_is_no_rectangle_is_a_fault_of_its_image(shape):
    assert (
        "and only rectangles are boxes"
        in read({"a.jpg": [{**REGION, "type": shape}]}).frames["a.jpg"].fault
    )


@pytest.mark.parametrize("shape", ["Rectangle", "RECTANGLE", "Square"])
def test_rectangles_and_squares_are_boxes(shape):
    assert read({"a.jpg": [{**REGION, "type": shape}]}).frames["a.jpg"] == Frame((BIRD,))


@pytest.mark.parametrize(
    "regions",
    [
        {},
        [1],
        [None],
        [{"x1": 1}],
        [{**REGION, "width": 0}],
        [{**REGION, "height": "x"}],
        [{**REGION, "x1": None}],
        [{**REGION, "x1": float("nan")}],
        [{**REGION, "y2": 10**400}],
        [{**REGION, "tags": ["\ud800"]}],
    ],
)
def test_boxes_that_cannot_be_read_are_a_fault_of_that_image_only(regions):
    frames = read({"a.jpg": regions, "b.jpg": [REGION]}).frames
    assert frames["a.jpg"].fault and frames["b.jpg"] == Frame((BIRD,))


def test_up_to_1_5_images_are_named_by_their_place_in_the_listing():
    project = read({"1": [REGION], "c.jpg": []}, ["a.jpg", "b.jpg"], visitedFrames=[0, "1", 7])
    assert list(project.frames) == ["b.jpg", "c.jpg"] and project.visited == {"a.jpg", "b.jpg", "7"}


SEAL = {**REGION, "tags": ["seal"]}
ZOO = ["Zoo__1.jpg", "alpha__1.jpg", "site_b__1.jpg", "sitea__1.jpg"]


@pytest.mark.parametrize(
    "names",
    [
        ["Zoo.jpg", "alpha.jpg"],  # upper case
        ["site_b.jpg", "siteA.jpg"],  # signs between the cases
        ["2.jpg", "10.jpg"],  # numbers
        ["é.jpg", "z.jpg"],  # accents
    ],
)
def test_places_in_a_listing_that_file_systems_order_differently_are_refused(names):
    for frames, visited in (({"0": [REGION]}, []), ({}, [1])):
        with pytest.raises(BadVott, match="place in a list"):
            read(frames, names, visitedFrames=visited)


def test_places_of_which_every_order_gives_the_same_images_are_taken():
    assert read({"0": [REGION], "2": [SEAL]}, ["c.jpg", "a.jpg", "b.jpg"]).frames == {
        "a.jpg": Frame((BIRD,)),
        "c.jpg": Frame((BIRD._replace(tag="seal"),)),
    }
    assert read({}, ZOO, visitedFrames=[0, 1, 2, 3]).visited == set(ZOO)
    assert set(read({key: [REGION] for key in "0123"}, ZOO).frames) == set(ZOO)


def test_places_are_refused_when_the_folder_has_other_images_now():
    listing = ["a.jpg", "b.jpg", "c.jpg"]
    for now in (["b.jpg", "c.jpg"], ["_.jpg", *listing]):
        with pytest.raises(BadVott, match="place in a list"):
            read_project(json.dumps({"frames": {"1": [REGION]}}).encode(), listing, now)
    with pytest.raises(BadVott, match="image 3 of a list .* that has 3 images now"):
        read({"3": [REGION]}, listing)


@pytest.mark.parametrize(
    "frames, visited",
    [
        ({"0": [SEAL], "a.jpg": [REGION]}, []),
        ({"0": [], "a.jpg": [REGION]}, []),
        ({"a.jpg": [REGION]}, [0]),
        ({"0": [SEAL], "C:\\tag\\a.jpg": [REGION]}, [0]),
    ],
)
def test_a_place_and_a_name_that_say_different_things_of_one_image_are_refused(frames, visited):
    with pytest.raises(BadVott, match="two keys for a.jpg"):
        read(frames, ["a.jpg", "b.jpg"], visitedFrames=visited)


def test_a_place_and_a_name_that_say_the_same_are_taken():
    project = read({"0": [REGION], "a.jpg": [REGION], "b.jpg": [{}]}, ["a.jpg", "b.jpg"])
    assert project.frames == {"a.jpg": Frame((BIRD,)), "b.jpg": Frame()}
    assert read({"b.jpg": [{}]}, ["a.jpg", "b.jpg"], visitedFrames=[1]).visited == {"b.jpg"}


def test_two_paths_to_one_image_with_different_boxes_are_a_fault_of_that_image():
    frames = read({"x/a.jpg": [REGION], "y/a.jpg": [SEAL], "b.jpg": [REGION]}).frames
    assert frames["a.jpg"].fault == "it has two keys, with different boxes"
    assert frames["b.jpg"] == Frame((BIRD,))


def test_a_key_may_be_a_path():
    assert list(read({"C:\\tag\\Images\\a.jpg": [], "/home/x/b.jpg": []}).frames) == [
        "a.jpg",
        "b.jpg",
    ]


# Reviewed or not


def reviewed(frames, handed_out=(BIRD,), **members):
    return is_reviewed("a.jpg", read(frames, **members), handed_out, 100, 100)


def test_an_image_without_a_key_is_not_reviewed_unless_it_was_visited():
    assert not reviewed({}) and not reviewed({}, ()) and reviewed({}, (), visitedFrames=["a.jpg"])


def test_an_empty_key_means_looked_at_and_nothing_there():
    assert reviewed({"a.jpg": []}) and reviewed({"a.jpg": []}, ()) and reviewed({"a.jpg": [{}]}, ())


def test_boxes_as_they_were_handed_out_are_no_evidence():
    assert not reviewed({"a.jpg": [REGION]}) and reviewed(
        {"a.jpg": [REGION]}, visitedFrames=["a.jpg"]
    )


@pytest.mark.parametrize(
    "change",
    [{"points": []}, {"box": {}}, {"x1": 11}, {"tags": ["fish"]}, {"x2": 10}],
)
def test_a_box_that_was_displayed_or_changed_is_evidence(change):
    assert reviewed({"a.jpg": [{**REGION, **change}]})


def test_without_knowing_what_was_handed_out_a_key_is_enough():
    assert reviewed({"a.jpg": [REGION]}, None) and not reviewed({}, None)


def test_boxes_that_cannot_be_read_are_not_reviewed():
    assert not reviewed({"a.jpg": [1]}, None, visitedFrames=["a.jpg"])


def test_boxes_are_the_same_in_any_order_but_each_once():
    other = Box("fish", 0, 1, 0, 1)
    assert same_boxes([], [], 9, 9) and same_boxes([BIRD, other], [other, BIRD], 100, 100)
    assert not same_boxes([BIRD, BIRD], [BIRD, other], 100, 100) and not same_boxes(
        [BIRD], [BIRD, BIRD], 100, 100
    )


# Out and back

fraction = st.floats(0, 1)
boxes = st.builds(
    lambda tag, x, y: Box(tag, *sorted(x), *sorted(y)),
    st.sampled_from(["bird", "été", "a_b"]),
    st.tuples(fraction, fraction),
    st.tuples(fraction, fraction),
)


@given(st.lists(boxes, max_size=5), st.integers(1, 9000), st.integers(1, 9000))
def test_boxes_go_out_and_come_back_to_within_a_hundredth_of_a_pixel(handed_out, width, height):
    handed_out = drawable(handed_out, width, height)
    project = read_project(write_project([Sheet("a.jpg", width, height, handed_out)], []))
    back = project.frames["a.jpg"].boxes if handed_out else ()
    assert len(back) == len(handed_out)
    for box, came in zip(handed_out, back, strict=True):
        assert box.tag == came.tag
        for before, after, size in zip(
            box.sides, came.sides, (width, width, height, height), strict=True
        ):
            assert abs(before - after) * size < 0.01
    assert not is_reviewed("a.jpg", project, handed_out, width, height)


members = st.sampled_from(
    ["frames", "visitedFrames", "x1", "x2", "y1", "y2", "width", "height", "tags", "a"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(members, inner, max_size=10),
)


@given(
    st.dictionaries(st.sampled_from(["frames", "visitedFrames", "inputTags"]), json_values)
    | json_values
)
def test_any_json_is_a_project_or_refused(document):
    try:
        project = read_project(json.dumps(document).encode(), ["a"])
    except BadVott:
        return
    for name in project.frames:
        is_reviewed(name, project, (), 100, 100)


# Files of the earlier generation


def test_a_file_of_the_earlier_generation_is_read(shared):
    data = (shared / "legacy" / "vott" / "Images_source.json").read_bytes()
    project = read_project(data)
    assert {name: len(frame.boxes) for name, frame in project.frames.items()} == {
        "st1026.png": 3,
        "st1578.png": 2,
        "st1611.png": 2,
        "st1840.png": 3,
    }
    assert project.frames["st1026.png"].boxes[0] == Box(
        "knot", 144 / 488, 174 / 488, 205 / 512, 254 / 512
    )
    assert all(is_reviewed(name, project, None, 488, 512) for name in project.frames)
    assert not is_reviewed("st1194.png", project, None, 488, 512)
