"""Data sets of other tools become labels when somebody says that listed means reviewed: COCO, YOLO,
Pascal VOC, labelme.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers_programs import done, run
from helpers_state import StateProject
from helpers_tools import shared_batch

from utils.errors import InputError
from utils.formats import voc
from utils.labels.tables import blob_names

LISTED = "--listed-means-reviewed"


@pytest.fixture
def project(folder_store, tmp_path):
    return StateProject(folder_store, tmp_path)


def take_in(project, path, *options) -> int:
    import import_labels

    return import_labels.main([str(path), str(project.config), *options])


def coco(path: Path, images: dict[str, list], size=(200, 100), **members) -> Path:
    """A COCO file: {name: [(class, x, y, width, height)]} in pixels."""
    classes = sorted({box[0] for boxes in images.values() for box in boxes})
    document = {
        "categories": [{"id": 7 + place, "name": name} for place, name in enumerate(classes)],
        "images": [
            {"id": place, "file_name": name, "width": size[0], "height": size[1]}
            for place, name in enumerate(images)
        ],
        "annotations": [
            {"image_id": place, "category_id": 7 + classes.index(box[0]), "bbox": list(box[1:])}
            for place, boxes in enumerate(images.values())
            for box in boxes
        ],
    }
    path.write_text(json.dumps(document | members), encoding="utf-8")
    return path


def yolo(folder: Path, images: dict[str, str], names="gull\nbird\n") -> Path:
    folder.mkdir()
    (folder / "classes.txt").write_text(names, encoding="utf-8")
    for stem, text in images.items():
        path = folder / "labels" / f"{stem}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def pascal(folder: Path, images: dict[str, list], verified=()) -> Path:
    for name, boxes in images.items():
        path = folder / "Annotations" / Path(name).with_suffix(".xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        data = voc.document(name, 200, 100, boxes)
        if name in verified:
            data = data.replace(b"<annotation>", b'<annotation verified="yes">')
        path.write_bytes(data)
    return folder


def labelme(folder: Path, images: dict[str, dict]) -> Path:
    for name, members in images.items():
        path = folder / Path(name).with_suffix(".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "version": "6.3.1",
            "flags": {},
            "shapes": [],
            "imagePath": Path(name).name,
            "imageWidth": 200,
            "imageHeight": 100,
        }
        path.write_text(json.dumps(document | members), encoding="utf-8")
    return folder


def rectangle(label, *points) -> dict:
    return {"label": label, "points": list(points), "shape_type": "rectangle"}


GULL = "gull 0.1 0.4 0.2 0.6"


def sets(folder: Path) -> dict[str, Path]:
    """The same two images in each form: a gull in a/1.jpg, nothing in b/1.jpg."""
    return {
        "coco": coco(folder / "x.json", {"a/1.jpg": [("gull", 20, 20, 60, 40)], "b/1.jpg": []}),
        "yolo": yolo(folder / "yolo", {"a/1": "0 0.25 0.4 0.3 0.4\n", "b/1": ""}),
        "voc": pascal(folder / "voc", {"a/1.jpg": [("gull", 20, 20, 80, 60)], "b/1.jpg": []}),
        "labelme": labelme(
            folder / "labelme",
            {"a/1.jpg": {"shapes": [rectangle("gull", [80, 60], [20, 20])]}, "b/1.jpg": {}},
        ),
    }


@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "labelme"])
def test_a_set_is_taken_when_listed_means_reviewed_and_never_without_these_words(
    project, tmp_path, form
):
    path = sets(tmp_path)[form]
    before = project.labels.read().document
    with pytest.raises(InputError, match=LISTED):
        take_in(project, path)
    assert project.labels.read().document == before
    assert take_in(project, path, LISTED) == 0
    assert project.rows()[-2:] == [f"a/1.jpg {GULL}", "b/1.jpg NULL 0 0 0 0"]


def test_a_set_comes_in_by_the_program_on_every_store(store, tmp_path):
    project = StateProject(store, tmp_path)
    said = done("tag/import_labels.py", sets(tmp_path)["coco"], project.config, LISTED)
    assert said.splitlines()[-1].startswith("2 images, 1 boxes, 0 known before, 0 left out")
    again = done("tag/import_labels.py", tmp_path / "yolo", project.config, LISTED)
    assert again.splitlines()[-1].startswith("0 images, 0 boxes, 2 known before")
    assert "0 rules broken" in done("tag/status.py", project.config, "--check")


def test_what_the_tool_itself_marks_as_reviewed_needs_no_words(project, tmp_path, capsys):
    path = pascal(tmp_path / "voc", {"a/1.jpg": [], "b/1.jpg": []}, verified=["a/1.jpg"])
    assert take_in(project, path) == 0
    assert project.rows()[-1] == "a/1.jpg NULL 0 0 0 0" and "b/1.jpg" not in project.names("tagged")
    assert "1 of 2 images are not marked as reviewed: left out" in capsys.readouterr().out
    labelme(
        tmp_path / "labelme",
        {"a/2.jpg": {"flags": {"reviewed": True}}, "b/1.jpg": {"flags": {"reviewed": False}}},
    )
    assert take_in(project, tmp_path / "labelme") == 0
    assert "a/2.jpg" in project.names("tagged") and "b/1.jpg" not in project.names("tagged")


def test_an_image_that_was_marked_as_failed_is_left_out_whatever_was_said(project, tmp_path):
    path = labelme(tmp_path / "x", {"a/1.jpg": {"checked": "failed"}, "b/1.jpg": {}})
    take_in(project, path, LISTED, "--skip-bad-rows")
    assert "a/1.jpg" not in project.names("tagged") and "b/1.jpg" in project.names("tagged")


def test_an_image_without_a_file_that_voc_lists_is_empty(project, tmp_path):
    path = pascal(tmp_path / "voc", {"a/1.jpg": [("gull", 20, 20, 80, 60)]})
    lists = path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "default.txt").write_text("a/1\nb/1\n")
    (lists / "gull_train.txt").write_text("a/1  1\nb/1 -1\n")
    take_in(project, path, LISTED)
    assert project.rows()[-2:] == [f"a/1.jpg {GULL}", "b/1.jpg NULL 0 0 0 0"]


def test_vocs_own_files_count_pixels_from_one(project, tmp_path):
    path = pascal(tmp_path / "voc", {"a/1.jpg": [("gull", 21, 21, 80, 60)]})
    file = path / "Annotations/a/1.xml"
    text = file.read_text()
    file.write_text(text.replace("active-learning-detect", "The VOC2007 Database"))
    take_in(project, path, LISTED)
    assert project.rows()[-1] == f"a/1.jpg {GULL}"


@pytest.mark.parametrize(
    "names, text",
    [
        ("obj.names", "gull\nbird\n"),
        ("data.yaml", "path: .\nnames: ['gull', bird]\nnc: 2\n"),
        ("data.yaml", "nc: 2\nnames:\n  0: gull\n  1: bird\n"),
        ("data.yaml", 'names:\n- "gull"  # the first\n- bird\ntrain: x\n'),
    ],
)
def test_yolos_classes_are_found_wherever_they_are_listed(project, tmp_path, names, text):
    path = yolo(tmp_path / "yolo", {"train/a/1": "0 0.25 0.4 0.3 0.4 0.99\n"})
    (path / "classes.txt").unlink()
    (path / names).write_text(text)
    take_in(project, path, LISTED)
    assert project.rows()[-1] == f"a/1.jpg {GULL}"


@pytest.mark.parametrize(
    "name", ["a\\1.jpg", "./a/1.jpg", "C:\\photos\\a\\1.jpg", "../photos/batch/a/1.jpg"]
)
def test_names_of_other_machines_are_found_where_one_image_fits(project, tmp_path, name):
    take_in(project, coco(tmp_path / "x.json", {name: []}), LISTED)
    assert "a/1.jpg" in project.names("tagged")


def test_what_cannot_be_meant_is_named_and_the_rest_goes_through(project, tmp_path, capsys):
    path = coco(
        tmp_path / "x.json",
        {
            "1.jpg": [],  # of a, b, c or d
            "a/1.jpg": [("gull", 20, 20, 60, 40)],
            "b/1.jpg": [("gull", 20, 20, float("nan"), 40)],
            "a/2.jpg": [("gull", 20, 20, 9000, 40)],
            "z/9.jpg": [],
            "c/2.jpg": [],
            "x/c/2.jpg": [],
        },
    )
    with pytest.raises(InputError, match="image 3 .*and 2 images more; .*--skip-bad"):
        take_in(project, path, LISTED)
    assert take_in(project, path, LISTED, "--skip-bad-rows") == 0
    output = capsys.readouterr().out
    for image, why in (
        ("b/1.jpg", "no number"),
        ("a/2.jpg", "far outside"),
        ("c/2.jpg", "listed twice"),
        ("z/9.jpg", "no such image"),
        ("1.jpg: ", "several images"),
    ):
        assert any(image in line and why in line for line in output.splitlines()), (image, output)
    assert project.rows()[-1] == f"a/1.jpg {GULL}" and "c/2.jpg" not in project.names("tagged")


@pytest.mark.parametrize(
    "write, said",
    [
        (lambda folder: (folder / "x.json").write_text("[1]"), "no COCO detection labels"),
        (lambda folder: (folder / "x.json").write_text("{"), "not readable JSON"),
        (lambda folder: (folder / "x.json").write_text('{"images": [1], "annotations": [], '
                                                       '"categories": []}'), "not as COCO"),
    ],
)  # fmt: skip
def test_what_is_no_set_is_one_line(project, tmp_path, write, said):
    write(tmp_path)
    finished = run("tag/import_labels.py", tmp_path / "x.json", project.config, LISTED)
    assert finished.returncode == 2 and said in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_a_folder_without_labels_and_one_with_several_forms_are_one_line(project, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no labels in it"):
        take_in(project, tmp_path / "empty", LISTED)
    pascal(tmp_path / "two", {"a/1.jpg": []})
    labelme(tmp_path / "two", {"a/1.jpg": {}})
    with pytest.raises(InputError, match="several forms \\(Pascal VOC, labelme\\)"):
        take_in(project, tmp_path / "two", LISTED)


def test_a_damaged_file_of_a_folder_is_named_and_left_out_when_asked(project, tmp_path, capsys):
    path = pascal(tmp_path / "voc", {"a/1.jpg": [], "b/1.jpg": []})
    (path / "Annotations/b/1.xml").write_text("<annotation>")
    with pytest.raises(InputError, match="Annotations/b/1.xml"):
        take_in(project, path, LISTED)
    assert take_in(project, path, LISTED, "--skip-bad-rows") == 0
    assert "b/1.jpg" not in project.names("tagged") and "a/1.jpg" in project.names("tagged")


def test_yolos_faults_are_named(project, tmp_path):
    faults = {
        "2 0.5 0.5 0.1 0.1": "class 2, and there are 2",
        "0 0.5 0.5 0.1": "line 1 is no box",
        "0 0.1 0.1 0.2 0.2 0.3 0.3 0.1 0.2": "polygon",
        "a b c d e": "no class and box",
    }
    for number, (text, said) in enumerate(faults.items()):
        path = yolo(tmp_path / f"yolo{number}", {"a/1": text})
        with pytest.raises(InputError, match=said):
            take_in(project, path, LISTED)


@pytest.fixture
def eight(folder_store, tmp_path, shared):
    """A project of the eight images of ../shared/tools."""
    from helpers_tables import images as listed

    from utils.config import load_config
    from utils.labels.state import Change
    from utils.labels.store import open_labels

    batch = shared_batch(shared, tmp_path)
    config = tmp_path / "config.ini"
    config.write_text(folder_store.config_text(user_folders="False", classes="RBC,WBC,Platelets"))
    container, labels = open_labels(load_config(config))
    frame = listed(*(sheet.name for sheet in batch.images.values()))
    frame["height"] = [sheet.height for sheet in batch.images.values()]
    frame["width"] = [sheet.width for sheet in batch.images.values()]
    for sheet in batch.images.values():
        path = shared / "tools/images" / sheet.name
        container.write(sheet.name, path.read_bytes())
    labels.commit(lambda state: Change({"images": frame}), what="test")
    return config, labels, batch


@pytest.mark.parametrize(
    "path, missing, within",
    [
        ("coco-yolo-voc/datumaro_coco/instances_default.json", (), 1e-6),
        ("coco-yolo-voc/datumaro_coco", (), 1e-6),
        ("coco-yolo-voc/datumaro_yolo", (), 1e-5),
        ("coco-yolo-voc/datumaro_voc", (), 1e-6),
        ("labelme/handed_out", ("g_nothing.jpg",), 1e-6),
        ("megadetector/md_to_coco.json", (), 1e-3),
    ],
)
def test_real_sets_arrive_as_the_truth(eight, shared, path, missing, within):
    import import_labels

    config, labels, batch = eight
    words = [LISTED, "--boxes-are", "upright"]
    assert import_labels.main([str(shared / "tools" / path), str(config), *words]) == 0
    tagged = labels.table(labels.read(), "tagged")
    for sheet in batch.images.values():
        rows = tagged[blob_names(tagged) == sheet.name]
        if sheet.name in missing:
            assert not len(rows)
            continue
        expected = [(box.tag, *box.sides) for box in sheet.boxes] or [("NULL", 0, 0, 0, 0)]
        found = rows[["class", "xmin", "xmax", "ymin", "ymax"]].itertuples(index=False, name=None)
        for one, other in zip(sorted(found), sorted(expected), strict=True):
            assert one[0] == other[0]
            assert np.allclose(one[1:], other[1:], atol=within), (sheet.name, one, other)


def test_a_category_called_empty_is_no_class(eight, shared):
    import import_labels

    config, labels, _ = eight
    path = shared / "tools/megadetector/labelme_to_coco_empty.json"
    assert import_labels.main([str(path), str(config), LISTED, "--boxes-are", "upright"]) == 0
    tagged = labels.table(labels.read(), "tagged").set_index("filename")["class"]
    assert tagged["g_nothing.jpg"] == tagged["f_wrong_only.jpg"] == "NULL"
    assert "empty" not in set(tagged)


@pytest.mark.parametrize("form", ["COCO", "YOLO", "VOC"])
@pytest.mark.parametrize("everything", ["true", "false"])
def test_label_studios_other_exports_come_in_by_words(eight, shared, form, everything):
    import import_labels

    config, labels, _ = eight
    path = shared / f"tools/label-studio/export_{form}_all-{everything}"
    words = [LISTED, "--boxes-are", "upright"]
    assert import_labels.main([str(path), str(config), *words]) == 0
    tagged = labels.table(labels.read(), "tagged")
    e = tagged[tagged["filename"] == "e_orient6.jpg"][["class", "xmin", "xmax", "ymin", "ymax"]]
    found = sorted(e.itertuples(index=False, name=None))
    assert found[0] == pytest.approx(("RBC", 0.1, 0.4, 0.1, 0.2), abs=1e-6)
    assert found[1] == pytest.approx(("WBC", 0.6, 0.9, 0.7, 0.95), abs=1e-6)


def test_an_image_that_is_turned_by_exif_is_asked_about(eight, shared):
    import import_labels

    config, _, _ = eight
    with pytest.raises(InputError, match="--boxes-are"):
        import_labels.main([str(shared / "tools/coco-yolo-voc/datumaro_yolo"), str(config), LISTED])
