"""Labelled data sets as other machines and tools write them: names of images, labels without boxes,
boxes that cannot be meant.
"""

import json

import pytest
from PIL import Image

from utils.formats.annotated_sets import read_annotated
from utils.formats.image_names import Ambiguous, ImageNames
from utils.labels.tables import blob_names

BOX = [20, 20, 80, 60]


@pytest.fixture
def photos(tmp_path):
    """A function that makes photos of 200 x 100 pixels below a folder, and gives the folder."""

    def make(*names):
        for name in names:
            path = tmp_path / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (200, 100)).save(path)
        return tmp_path / "photos"

    return make


def coco(folder, names, annotations, categories=("empty", "deer")):
    """A COCO file of these images; each annotation is (place of the image, category, bbox or None)
    with further members.
    """
    listed = []
    for number, (image, category, box, *more) in enumerate(annotations):
        entry = {"id": number, "image_id": image, "category_id": categories.index(category)}
        listed.append(entry | ({} if box is None else {"bbox": box}) | dict(*more))
    document = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "annotations": listed,
        "categories": [{"id": number, "name": name} for number, name in enumerate(categories)],
    }
    path = folder / "labels.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def labels_of(annotated) -> list[str]:
    """`image class`, one for each row."""
    return [
        f"{blob} {name}"
        for blob, name in zip(blob_names(annotated.boxes), annotated.boxes["class"], strict=True)
    ]


@pytest.mark.parametrize(
    "name",
    [
        "images/0.jpg",
        "images\\0.jpg",
        ".\\images\\0.jpg",
        "./images/0.jpg",
        "../survey/images/0.jpg",
        "/home/anna/photos/images/0.jpg",
        "D:\\photos\\images\\0.jpg",
        "file:///D:/photos/images/0.jpg",
        "\\\\server\\share\\images\\0.jpg",
        "/data/local-files/?d=images/0.jpg",
        "0.jpg",
    ],
)
def test_an_image_is_found_by_its_path_as_any_machine_writes_it(photos, name):
    folder = photos("images/0.jpg", "images/1.jpg", "other/2.jpg")
    read = read_annotated(coco(folder, [name], [(0, "deer", BOX)]))
    assert (labels_of(read), read.bad) == (["images/0.jpg deer"], [])
    assert read.files == {"images/0.jpg": folder / "images/0.jpg"}


def test_names_with_more_or_fewer_folders_than_there_are_mean_the_same_file(photos):
    names = ImageNames(photos("a/0.jpg", "b/0.jpg", "c/deep/1.jpg", "a b/2.jpg"))
    assert names.find("survey/a/0.jpg") == "a/0.jpg"
    assert names.find("deep\\1.jpg") == "c/deep/1.jpg"
    assert names.find("a%20b/2.jpg") == "a b/2.jpg"
    for nowhere in ("", "/", "3.jpg", "c/0.jpg", "x/1.jpg", "/home/c/0.jpg"):
        assert names.find(nowhere) is None
    with pytest.raises(Ambiguous, match="a/0.jpg or b/0.jpg"):
        names.find("0.jpg")


def test_the_longest_path_that_a_name_ends_with_is_meant(photos):
    names = ImageNames(photos("0.jpg", "a/0.jpg"))
    assert names.find("/x/a/0.jpg") == "a/0.jpg" and names.find("/x/b/0.jpg") == "0.jpg"


def test_two_names_for_one_file_and_a_name_for_two_files_are_used_for_none(photos):
    folder = photos("0.jpg", "x/1.jpg", "y/1.jpg", "2.jpg")
    names = ["/one/0.jpg", "/two/0.jpg", "1.jpg", "2.jpg"]
    read = read_annotated(coco(folder, names, [(place, "deer", BOX) for place in range(4)]))
    assert labels_of(read) == ["2.jpg deer"]
    assert sorted(read.bad) == [
        "/one/0.jpg: the image is listed twice, also as /two/0.jpg",
        "1.jpg: it may be x/1.jpg or y/1.jpg",
    ]


def test_a_label_of_a_whole_image_is_no_empty_image(photos):
    folder = photos(*(f"{number}.jpg" for number in range(7)))
    annotations = [
        (0, "empty", None),
        (1, "deer", None),
        (2, "deer", BOX),
        (2, "deer", None),
        (3, "deer", BOX),
        (3, "fox", None),
        (4, "empty", None),
        (4, "deer", BOX),
        (5, "deer", []),
    ]
    names = [f"{number}.jpg" for number in range(7)]
    read = read_annotated(coco(folder, names, annotations, ("empty", "deer", "fox")))
    assert labels_of(read) == ["0.jpg NULL", "2.jpg deer", "6.jpg NULL"]
    assert read.bad == [
        "1.jpg: deer is there, without a box that says where",
        "3.jpg: fox is there, without a box that says where",
        "4.jpg: it is labelled empty, and has boxes",
        "5.jpg: deer is there, without a box that says where",
    ]


def test_an_image_with_a_box_that_cannot_be_used_is_left_out_and_not_empty(photos):
    folder = photos(*(f"{number}.jpg" for number in range(6)))
    annotations = [
        (0, "deer", BOX, {"iscrowd": 1}),
        (1, "deer", [1, 2, 3]),
        (2, "deer", ["a", 2, 3, 4]),
        (3, "deer", BOX, {"category_id": 99}),
        (4, "deer", BOX, {"iscrowd": 1}),
        (4, "deer", BOX),
    ]
    read = read_annotated(coco(folder, [f"{number}.jpg" for number in range(6)], annotations))
    assert labels_of(read) == ["4.jpg deer", "5.jpg NULL"]
    assert read.bad == [
        "0.jpg: it has boxes of crowds only",
        "1.jpg: annotation 1 has a bbox that is no box",
        "2.jpg: annotation 2 has a bbox that is no box",
        "3.jpg: annotation 3 is of no category that is listed",
    ]


@pytest.mark.parametrize(
    "box", [[210, 20, 30, 30], [-30, 20, 20, 20], [20, 20, 0, 30], [80, 20, -40, 30]]
)
def test_a_box_without_area_inside_the_picture_is_refused_with_its_image(photos, box):
    folder = photos("0.jpg", "1.jpg")
    path = coco(folder, ["0.jpg", "1.jpg"], [(0, "deer", box), (0, "deer", BOX), (1, "deer", BOX)])
    read = read_annotated(path)
    assert labels_of(read) == ["1.jpg deer"]
    assert len(read.bad) == 1
    assert read.bad[0].startswith(
        "0.jpg: a box of deer has no area inside the picture of 200 x 100"
    )


def test_a_row_of_a_csv_without_area_inside_the_picture_is_refused_with_its_image(photos):
    folder = photos("0.jpg", "1.jpg")
    (folder / "labels.csv").write_text(
        "filename,class,xmin,xmax,ymin,ymax,height,width\n"
        "0.jpg,deer,1.2,1.4,0.1,0.5,100,200\n"
        "1.jpg,deer,0.2,0.4,0.1,0.5,100,200\n"
    )
    read = read_annotated(folder / "labels.csv")
    assert labels_of(read) == ["1.jpg deer"]
    assert "0.jpg: a box of deer has no area inside the picture" in read.bad[0]


def test_a_voc_folder_may_name_the_file_by_a_path_of_another_machine(photos):
    folder = photos("JPEGImages/0.jpg")
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "0.xml").write_text(
        "<annotation><filename>D:\\survey\\0.jpg</filename><object><name>deer</name><bndbox>"
        "<xmin>21</xmin><ymin>21</ymin><xmax>100</xmax><ymax>80</ymax></bndbox></object></annotation>"
    )
    assert labels_of(read_annotated(folder)) == ["0.jpg deer"]
