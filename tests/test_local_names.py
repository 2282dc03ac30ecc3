import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.batch import batch
from utils.batch.local_names import LONGEST, folded, folder_names, local_names
from utils.errors import InputError
from utils.files import _refused_by_windows


def names(*blobs, **options):
    return list(local_names(blobs, **options).values())


def test_nothing_gets_no_names():
    assert local_names([]) == {}


def test_a_plain_name_stays_and_its_folders_are_joined_to_it():
    assert names("IMG_0001.JPG", "site B/2021/IMG_0001.JPG") == [
        "IMG_0001.JPG",
        "site B__2021__IMG_0001.JPG",
    ]


def test_equal_file_names_of_different_folders_stay_apart_without_the_folder():
    assert names("a/1.jpg", "b/1.jpg", "c/1.JPG", with_folder=False) == [
        "1.jpg",
        "1_2.jpg",
        "1_3.JPG",
    ]


def test_what_vott_or_windows_cannot_hold_becomes_an_underscore():
    assert names("50%#1?.jpg", 'a:b*c"d<e>f|g\\h.png', "x (1) [2].jpeg") == [
        "50__1_.jpg",
        "a_b_c_d_e_f_g_h.png",
        "x (1) [2].jpeg",
    ]


def test_letters_of_other_scripts_stay():
    assert names("Vögel/été 鳥.jpg") == ["Vögel__été 鳥.jpg"]


def test_names_that_only_differ_in_case_or_in_the_encoding_of_an_accent_are_told_apart():
    assert names("A.jpg", "a.jpg", "é.jpg", "e\u0301.jpg") == [
        "A.jpg",
        "a_2.jpg",
        "é.jpg",
        "é_2.jpg",
    ]


def test_two_blobs_that_become_the_same_name_are_told_apart():
    assert names("a/b.jpg", "a__b.jpg", "a#b.jpg", "a?b.jpg") == [
        "a__b.jpg",
        "a__b_2.jpg",
        "a_b.jpg",
        "a_b_2.jpg",
    ]


def test_formats_that_vott_does_not_list_are_named_png_and_a_tiff_jpg():
    assert names("a.bmp", "c", "d.v2", "b.TIF", "b.tiff") == [
        "a.bmp.png",
        "c.png",
        "d.v2.png",
        "b.TIF.jpg",
        "b.tiff.jpg",
    ]


def test_reserved_names_of_windows_are_not_used():
    assert names("con.jpg", "Aux.x.png", "nul .jpg", "console.jpg") == [
        "_con.jpg",
        "_Aux.x.png",
        "_nul.jpg",
        "console.jpg",
    ]


def test_dots_and_spaces_at_the_ends_are_dropped():
    assert names(" .hidden .jpg", "....jpg") == ["hidden.jpg", "_.jpg"]


def test_long_names_are_shortened_and_stay_unique():
    first, second = names("d" * 300 + "1.jpg", "d" * 300 + "2.jpg")
    assert (
        len(first) == LONGEST
        and first != second
        and first.endswith(".jpg")
        and first.startswith("ddd")
    )


@pytest.mark.parametrize(
    "name",
    [
        "CON",
        "con.jpg",
        "Lpt1.tar.gz",
        "COM\u00b9.jpg",
        "CONIN$",
        "conout$.jpg",
        "a.",
        "a ",
        "a:b.jpg",
        "a?",
        "a*",
        'a"b',
        "<a>",
        "a|b",
        "a\tb",
    ],
)
def test_names_that_windows_cannot_hold_are_refused_there_and_get_another_for_annotators(name):
    refused = "Windows cannot hold a file of this name"
    assert (
        _refused_by_windows([name])
        == _refused_by_windows(["cam", name])
        == _refused_by_windows([name, "a.jpg"])
        == refused
    )
    assert [
        _refused_by_windows([local])
        for local in (*names(f"cam/{name}"), *names(name, with_folder=False))
    ] == [None, None]


@pytest.mark.parametrize(
    "name", ["console.jpg", "com10.jpg", ".jpg", "a b.jpg", "a.b", "\u732b.jpg"]
)
def test_names_that_windows_holds_are_taken_there(name):
    assert _refused_by_windows([name]) is None


def test_names_already_in_use_are_not_given_again():
    assert names("b.jpg", taken=["B.JPG"]) == ["b_2.jpg"]


def test_each_image_folder_gets_one_local_folder():
    assert folder_names(["", "a/b", "a__b", "con"], top="Images") == {
        "": "Images",
        "a/b": "a__b",
        "a__b": "a__b_2",
        "con": "_con",
    }


@given(
    st.lists(
        st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=150),
        unique=True,
        max_size=20,
    )
)
def test_any_names_become_unique_safe_file_names(blobs):
    given_names = list(local_names(blobs).values())
    assert len({folded(name) for name in given_names}) == len(blobs)
    for name in given_names:
        assert (
            len(name) <= LONGEST
            and len(name.encode()) <= 200
            and not set(name) & set('/\\:*?"<>|#%\0\n\r')
        )
        assert name == name.strip(" .") and name.lower().endswith((".jpg", ".jpeg", ".png"))


@pytest.mark.parametrize("by_folder", [False, True])
def test_a_batch_keeps_within_the_260_characters_of_windows(tmp_path, monkeypatch, by_folder):
    place = tmp_path / "Tag"
    longest = len(str(place)) + 90
    monkeypatch.setattr("utils.batch.batch.LONGEST_PATH", longest)
    made = batch.Batch(place, "anna", "", 4, by_folder=by_folder)
    blobs = [
        f"{folder * 60}/{name}{number}.jpg"
        for folder in "ab"
        for name in ("x" * 80, "y")
        for number in (1, 2)
    ]
    made.add({blob: [] for blob in blobs})
    paths = [made.path(local) for local in made.images] + [
        made.project(folder) for folder in made.folders
    ]
    pieces = [path.with_name(f".{'0' * 16}.part") for path in paths]
    assert (
        made.blobs == set(blobs)
        and len(set(paths)) == len(paths)
        and max(len(str(path)) for path in paths + pieces) <= longest
    )
    monkeypatch.setattr("utils.batch.batch.LONGEST_PATH", len(str(place)) + 35)
    with pytest.raises(InputError, match="Windows allows"):
        batch.Batch(place, "anna", "", 1, by_folder=by_folder).add({"a/1.jpg": []})
