"""CSV tables: what is written is what is read; an image is folder and file name."""

import math

import numpy as np
import pytest
from helpers_tables import images, labels
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.errors import InputError
from utils.labels import tables

HEADER = "filename,class,xmin,xmax,ymin,ymax,height,width,folder"
# Everything but a lone \r and broken Unicode, which sync refuses, and the zero byte.
TEXT = st.text(st.characters(blacklist_characters="\r\0", blacklist_categories=("Cs",)), max_size=8)
FRACTION = st.floats(0, 1)


@pytest.mark.parametrize("table", tables.COLUMNS)
def test_an_empty_table_is_a_header_and_comes_back_with_all_columns_typed(table):
    data = tables.to_csv(table, tables.empty(table), user_folders=True)
    assert data.decode() == ",".join(tables.COLUMNS[table]) + "\n"
    assert tables.parse(table, data).equals(tables.empty(table)) and tables.empty(
        table
    ).dtypes.equals(tables.parse(table, data).dtypes)


def test_a_table_is_written_as_people_know_it():
    frame = labels("cam/a.jpg dog .25 .5 .125 1 .75 .5\ncam/b.jpg NULL", "totag")
    assert (
        tables.to_csv("totag", frame, user_folders=True).decode()
        == "filename,class,xmin,xmax,ymin,ymax,height,width,folder,"
        "box_confidence,image_confidence\n"
        "a.jpg,dog,0.25,0.5,0.125,1,100,200,cam,0.75,0.5\n"
        "b.jpg,NULL,0,0,0,0,100,200,cam,,\n"
    )
    assert (
        tables.to_csv("tagged", labels("a.jpg NULL"), user_folders=False).decode()
        == "filename,class,xmin,xmax,ymin,ymax,height,width\na.jpg,NULL,0,0,0,0,100,200\n"
    )


def test_text_that_looks_like_numbers_or_nothing_stays_text():
    frame = tables.parse(
        "tagged", f"{HEADER}\n0001,NULL,0,0,0,0,10,20,NA\nnan,1.0,0,1,0,1,10,20,\n".encode()
    )
    assert frame[["filename", "class", "folder"]].to_numpy().tolist() == [
        ["0001", "NULL", "NA"],
        ["nan", "1.0", ""],
    ]
    assert tables.blob_names(frame).tolist() == ["NA/0001", "nan"]


def test_empty_confidences_are_unseen_and_zero_ones_are_not():
    rows = "a,NULL,0,0,0,0,1,1,,,\nb,NULL,0,0,0,0,1,1,,0,0.0\n"
    frame = tables.parse("totag", f"{HEADER},box_confidence,image_confidence\n{rows}".encode())
    assert frame["image_confidence"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + HEADER.encode() + b"\r\na.jpg,dog,0,1,0,1,10,20,cam\r\n",  # BOM and CRLF
        # everything quoted
        f'"filename","class",{HEADER[15:]}\n"a.jpg","dog",0,1,0,1,10,20,"cam"\n'.encode(),
        # another order, no last line end
        b"width,folder,height,ymax,ymin,xmax,xmin,class,filename\n20,cam,10,1,0,1,0,dog,a.jpg",
        HEADER.encode() + b",box_confidence,notes\na.jpg,dog,0,1,0,1,10.0,20.0,cam,.9,x\n",
    ],
)  # columns of somebody else
def test_the_same_row_is_read_however_it_was_written(data):
    expected = tables.make(
        "tagged",
        filename=["a.jpg"],
        class_="dog",
        xmin=0.0,
        xmax=1.0,
        ymin=0.0,
        ymax=1.0,
        height=10,
        width=20,
        folder="cam",
    )
    assert tables.parse("tagged", data).equals(expected)


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "tagged_1.csv"),
        (b"\x00\x01\xff", "tagged_1.csv"),
        (b"filename,class\na,b\n", "the column xmin, xmax, ymin, ymax, height, width is missing"),
        (f"{HEADER}\na,dog,0,1,0,1,10\n".encode(), "not a readable tagged CSV"),
        (f"{HEADER}\na,dog,zero,1,0,1,10,20,\n".encode(), "zero"),
        (
            f"{HEADER}\na,dog,0,1,0,1,,20,\n".encode(),
            "height has a cell that is empty or no number",
        ),
        (
            f"{HEADER}\na,dog,0,1,0,1,nan,20,\n".encode(),
            "height has a cell that is empty or no number",
        ),
        (HEADER.replace(",", ";").encode(), "with commas between them, not semicolons"),
        (f"{HEADER}\n\xe9,dog,0,1,0,1,10,20,\n".encode("latin-1"), "tagged_1.csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_is_wrong(data, said):
    with pytest.raises(InputError, match="tagged_1.csv") as error:
        tables.parse("tagged", data, "tagged_1.csv")
    assert said in str(error.value) and len(str(error.value)) < 400


def test_a_file_is_read_like_its_bytes(tmp_path):
    for name, cell in (("plain", "a.jpg"), ("quoted", '"a ""big"", long\nname.jpg"')):
        data = f"{HEADER}\n{cell},dog,0,1,0,1,10,20,cam\n".encode()
        (tmp_path / name).write_bytes(data)
        assert tables.parse("tagged", tmp_path / name).equals(tables.parse("tagged", data))
    assert tables.parse("tagged", data)["filename"].tolist() == ['a "big", long\nname.jpg']


def cells(column: str):
    """What a cell of this column may hold. An image always has a name."""
    if column == "filename":
        return TEXT.filter(bool)
    if column in tables._INTS:
        return st.integers(0, 2**40)
    if column in tables._COUNTS:
        return st.one_of(st.just(math.nan), st.integers(0, 2**40).map(float))
    return st.one_of(st.just(math.nan), FRACTION) if column in tables._FLOATS else TEXT


@pytest.mark.parametrize("user_folders", [True, False])
@pytest.mark.parametrize("table", tables.COLUMNS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_table_comes_back_from_csv_as_it_was(table, user_folders, data):
    columns = [column for column in tables.COLUMNS[table] if user_folders or column != "folder"]
    rows = data.draw(st.lists(st.tuples(*map(cells, columns)), max_size=6))
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    frame = tables.make(table, **dict(zip(columns, values, strict=True)))
    assert tables.parse(table, tables.to_csv(table, frame, user_folders)).equals(frame)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["", "n", "n/m"]), st.sampled_from("abc")), max_size=8),
    st.sets(st.sampled_from(["a", "n/a", "n/m/c"])),
)
def test_only_and_without_divide_a_table_by_image_whatever_the_order_of_its_rows(pairs, chosen):
    frame = tables.make(
        "failed",
        filename=[name for _, name in pairs],
        folder=[folder for folder, _ in pairs],
        reason=[str(number) for number in range(len(pairs))],
        etag="",
    )
    inside = [f"{folder}/{name}".lstrip("/") in chosen for folder, name in pairs]
    assert tables.only(frame, chosen)["reason"].tolist() == [
        str(number) for number, found in enumerate(inside) if found
    ]
    assert tables.without(frame, chosen)["reason"].tolist() == [
        str(number) for number, found in enumerate(inside) if not found
    ]
    assert tables.image_set(frame) == {f"{folder}/{name}".lstrip("/") for folder, name in pairs}


def test_an_image_is_its_folder_and_its_name():
    frame = labels(
        "IMG_1.jpg dog\nnorth/IMG_1.jpg dog\nnorth/cam_2/IMG_1.jpg dog\nnorth/IMG_1.jpg cat"
    )
    assert tables.blob_names(frame).tolist() == [
        "IMG_1.jpg",
        "north/IMG_1.jpg",
        "north/cam_2/IMG_1.jpg",
        "north/IMG_1.jpg",
    ]
    assert [tables.split_name(name) for name in ("a.jpg", "n/m/a.jpg")] == [
        ("", "a.jpg"),
        ("n/m", "a.jpg"),
    ]
    assert tables.image_starts(labels("a dog\na cat\nb dog\nn/b dog\nn/b dog\na dog")).tolist() == [
        0,
        2,
        3,
        5,
    ]


def test_counts_may_be_missing_and_are_written_as_whole_numbers():
    frame = tables.make(
        "performance",
        **{
            "Class Name": ["Average", "dog"],
            "AP": [0.5, None],
            "images": [None, 3],
            "boxes": [12, 0],
        },
    )
    data = tables.to_csv("performance", frame, user_folders=True)
    assert data.decode().splitlines()[1:] == ["Average,0.5,,12,,,,,", "dog,,3,0,,,,,"]
    assert tables.parse("performance", data).equals(frame)


def test_tables_are_joined_with_the_columns_of_the_one_asked_for():
    joined = tables.concat(
        "tagged", labels("a.jpg dog", "totag"), tables.empty("tagged"), labels("b.jpg NULL")
    )
    assert list(joined.columns) == tables.COLUMNS["tagged"] and joined["filename"].tolist() == [
        "a.jpg",
        "b.jpg",
    ]
    assert joined.dtypes.equals(tables.empty("tagged").dtypes)
    assert tables.concat("tagged").equals(tables.empty("tagged"))


def test_numbers_have_their_types():
    frame = images("a.jpg")
    assert [frame[name].dtype for name in ("height", "width", "bytes")] == [np.int64] * 3
    assert labels("a.jpg dog")["xmin"].dtype == np.float64
