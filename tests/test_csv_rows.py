"""CSV files as spreadsheets and people write them: what is accepted, and how a fault is named."""

import pytest

from utils.errors import InputError
from utils.labels.csv_rows import read_rows
from utils.labels.tables import blob_names

HEAD = "filename,class,xmin,xmax,ymin,ymax,height,width,folder\n"
ROW = "1.jpg,bird,0.1,0.5,0.2,0.6,120,160,cam\n"


def read(text, encoding="utf-8"):
    return read_rows("tagged", text.encode(encoding), "x.csv")


def bad(row) -> str:
    """What is said of one row behind a good one."""
    found = read(HEAD + ROW + row + "\n").bad
    return str(found[0]) if found else ""


@pytest.mark.parametrize(
    "header",
    [
        "Filename,Class,Xmin,Xmax,Ymin,Ymax,Height,Width,Folder",
        "FILENAME,CLASS,XMIN,XMAX,YMIN,YMAX,HEIGHT,WIDTH,FOLDER",
        "filename, class, xmin, xmax , ymin, ymax, height, width, folder ",
        '"filename","class","xmin","xmax","ymin","ymax","height","width","folder"',
        "folder,width,height,ymax,ymin,xmax,xmin,class,filename",
        "filename,class,xmin,xmax,ymin,ymax,height,width,folder,remark",
    ],
)
def test_a_header_is_read_in_other_letters_order_and_with_blanks(header):
    names = [name.strip(' "').lower() for name in header.split(",")]
    cells = dict(zip(HEAD.strip().split(","), ROW.strip().split(","), strict=True))
    rows = read("\ufeff" + header + "\r\n" + ",".join(cells.get(name, "?") for name in names))
    assert rows.frame.iloc[0].to_dict() == {
        "filename": "1.jpg",
        "class": "bird",
        "xmin": 0.1,
        "xmax": 0.5,
        "ymin": 0.2,
        "ymax": 0.6,
        "height": 120,
        "width": 160,
        "folder": "cam",
    }
    assert rows.bad == [] and rows.numbers.tolist() == [2]


def test_blank_rows_and_empty_cells_behind_the_last_column_are_skipped_and_counted():
    rows = read(HEAD + "\n,,,,,,,,\n" + ROW.strip() + ",,\n \n" + ROW.replace("1.jpg", "2.jpg"))
    assert list(blob_names(rows.frame)) == ["cam/1.jpg", "cam/2.jpg"]
    assert rows.numbers.tolist() == [4, 6] and rows.bad == []


@pytest.mark.parametrize(
    "data, said",
    [
        ((HEAD + ROW).encode("utf-16"), "x.csv: it is UTF-16 .*; save it as 'CSV UTF-8'"),
        ((HEAD + ROW).encode("utf-16-le"), "it is UTF-16"),
        (b"PK\x03\x04....", "it is a workbook"),
        ((HEAD + ROW).replace(",", "\t").encode(), "tabs between its columns"),
        ((HEAD + ROW).replace(",", ";").encode(), "commas between them, not semicolons"),
        (
            (HEAD + ROW + "ö").encode("cp1252"),
            r"row 3 has a letter that is not UTF-8 \(byte 0xf6\)",
        ),
        (HEAD.replace("xmax,", "").encode(), "the column xmax is missing; a tagged CSV has"),
        (HEAD.replace("folder", "XMIN").encode(), "the column xmin is there twice"),
        ((HEAD + ROW + '"a" b,' + ROW).encode(), "row 3: no CSV from here on"),
        ((HEAD + ROW + '"a,' + ROW).encode(), "row 3: no CSV from here on"),
        (b"", "the column filename, class"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_with_the_cause(data, said):
    with pytest.raises(InputError, match=said):
        read_rows("tagged", data, "x.csv")


@pytest.mark.parametrize(
    "row, said",
    [
        (
            "2.jpg,bird,1,50,0.2,0.6,120,160,cam",
            "row 3 (cam/2.jpg): xmax is 50; expected fractions",
        ),
        ("2.jpg,bird,a,0.5,0.2,0.6,120,160,cam", "xmin is 'a', which is no number"),
        ('2.jpg,bird,"0,1",0.5,0.2,0.6,120,160,cam', "no number; decimals have a point"),
        ("2.jpg,bird,nan,0.5,0.2,0.6,120,160,cam", "xmin is 'nan', which is no number"),
        ("2.jpg,bird,,0.5,0.2,0.6,120,160,cam", "row 3 (cam/2.jpg): xmin is empty"),
        ("2.jpg,bird,0.1,0.5,0.2,0.6,,160,cam", "height is empty"),
        ("2.jpg,bird,0.1,0.5,0.2,0.6,-1,160,cam", "height is -1, below 0"),
        (",bird,0.1,0.5,0.2,0.6,120,160,cam", "filename is empty"),
        ("2.jpg,bird,0.1", "row 3 (2.jpg): 3 cells, and the header has 9"),
        (ROW.strip() + ",more", "10 cells, and the header has 9"),
    ],
)
def test_a_bad_row_is_named_by_its_number_image_and_cause(row, said):
    assert said in bad(row)


def test_an_image_with_a_bad_row_is_left_out_whole():
    rows = read(HEAD + ROW + "cam\\1.jpg,bird,a,1,0,1,120,160,\n" + ROW.replace("1.jpg", "2.jpg"))
    assert [row.number for row in rows.bad] == [3]
    kept = rows.of_images_without_bad_rows()
    assert list(blob_names(kept.frame)) == ["cam/2.jpg"] and kept.numbers.tolist() == [4]


def test_a_row_that_says_nothing_is_there_needs_no_coordinates():
    rows = read(HEAD + "1.jpg,NULL,,,,,120,160,cam\n")
    assert rows.bad == [] and rows.frame.loc[0, "xmin":"ymax"].tolist() == [0, 0, 0, 0]


def test_pixels_throughout_are_said_to_be_no_fractions():
    rows = "".join(f"{number}.jpg,bird,10,50,20,60,120,160,cam\n" for number in range(3))
    with pytest.raises(InputError, match="x.csv: coordinates go up to 60; expected fractions"):
        read(HEAD + rows + "4.jpg,NULL,0,0,0,0,120,160,cam\n")
