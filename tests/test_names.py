"""Names have a greatest length and no control characters, wherever they come from; what has one
that cannot be is refused or left out by name, and the rest goes on.
"""

import json

import pytest
from helpers_batch import THREE, BatchProject, region
from helpers_programs import run
from helpers_state import StateProject
from helpers_tables import labels

from utils.config import load_config
from utils.errors import InputError
from utils.files import refused
from utils.labels import tables
from utils.labels.adding_classes import add_classes
from utils.names import LONGEST_BLOB, LONGEST_CLASS, LONGEST_TAGGER

LONG, LONGEST = "c" * (LONGEST_CLASS + 1), "c" * LONGEST_CLASS
BAD = {
    "an escape": "bi\x1b[31mrd",
    "a line end": "bi\nrd",
    "a tab": "bi\trd",
    "one that turns text": "bi\u202erd",
    "a long one": LONG,
}


@pytest.fixture
def project(folder_store, tmp_path):
    return StateProject(folder_store, tmp_path)


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
@pytest.mark.parametrize("form", ["csv", "coco"])
def test_labels_of_a_class_that_cannot_be_are_left_out_by_name(project, tmp_path, name, form):
    if form == "csv":
        rows = labels("a/1.jpg bird 0.1 0.5 0.2 0.8\na/2.jpg X 0.1 0.5 0.2 0.8")
        file = tmp_path / "labels.csv"
        rows["class"] = rows["class"].replace("X", name)
        file.write_bytes(tables.to_csv("tagged", rows, True))
    else:
        file = tmp_path / "labels.json"
        sides = {"height": 100, "width": 200}
        box = {"bbox": [20, 20, 80, 60], "area": 4800, "iscrowd": 0}
        images = [{"id": n, "file_name": f"a/{n}.jpg", **sides} for n in (1, 2)]
        boxes = [{"id": n, "image_id": n, "category_id": n, **box} for n in (1, 2)]
        names = [{"id": 1, "name": "bird"}, {"id": 2, "name": name}]
        file.write_text(json.dumps({"images": images, "annotations": boxes, "categories": names}))
    said = project.run("tag/import_labels.py", "--listed-means-reviewed", file)
    assert "1 images, 1 boxes" in said and "1 left out" in said
    (line,) = [line for line in said.splitlines() if "a/2.jpg" in line]
    assert "control character" in line or f"{LONGEST_CLASS} are the most" in line
    assert name not in said and len(line) < 300
    assert "a/1.jpg" in project.names("tagged") and "a/2.jpg" not in project.names("tagged")


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
def test_an_image_with_such_a_tag_stays_reserved_and_is_named(folder_store, tmp_path, name):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    one, other = project.names("tagging")
    frames = {one: [region(name, 20, 100, 20, 80)], other: [region(LONGEST, 20, 100, 20, 80)]}
    project.save(frames=frames, visited=[one, other])
    said = project.run("upload")
    assert "the image stays reserved" in said and project.local(one) in said and name not in said
    assert project.names("tagging") == [one] and project.names("tagged") == [other]


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
def test_no_class_gets_such_a_name(project, tmp_path, name):
    before = project.labels.container.read("label_state.json")[0]
    if not {"\n", "\t"} & set(name):  # these become blanks
        done = run("tag/change_classes.py", project.config, "--rename", f"bird={name}")
        assert done.returncode == 2 and done.stderr.count("\n") == 1
    with pytest.raises(InputError, match="no name of a class"):
        add_classes(project.settings, [name])
    entry = {"initclass": "1", "map": name, "balance": 1}
    named = {"classmap": [entry], "unmapclass": [], "default_class": "bird"}
    for document in (named, {**named, "classmap": [], "default_class": name}):
        (tmp_path / "map.json").write_text(json.dumps(document))
        done = run("tag/download_vott_json.py", 1, project.config, tmp_path / "map.json")
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and name not in done.stderr
    assert project.labels.container.read("label_state.json")[0] == before


def test_names_in_a_config_have_a_greatest_length(project, monkeypatch):
    text = project.config.read_text()
    project.config.write_text(text.replace("classes=bird,seal", f"classes={LONGEST},seal"))
    load_config(project.config)
    for before, after, why in (
        ("classes=bird,seal", f"classes={LONG},seal", "200 are the most"),
        ("tagger_name=anna", f"tagger_name={'t' * (LONGEST_TAGGER + 1)}", "100 are the most"),
    ):
        project.config.write_text(text.replace(before, after))
        with pytest.raises(InputError, match=why):
            load_config(project.config)
    project.config.write_text(text.replace("tagger_name=anna\n", ""))
    monkeypatch.setattr("socket.gethostname", lambda: "host" * 60)
    assert len(load_config(project.config).tagger_name) == LONGEST_TAGGER


@pytest.mark.parametrize("tagger", ["t" * (LONGEST_TAGGER + 1), "bo\x1bb"])
def test_reservations_of_somebody_with_such_a_name_are_left_out(project, tmp_path, tagger):
    rows = labels(
        "a/1.jpg NULL 0 0 0 0 0 0 X 2999-01-01T00:00:00Z\n"
        "a/2.jpg NULL 0 0 0 0 0 0 bob 2999-01-01T00:00:00Z",
        "tagging",
    )
    rows["tagger"] = rows["tagger"].replace("X", tagger)
    (tmp_path / "tagging_1.csv").write_bytes(tables.to_csv("tagging", rows, True))
    said = project.run("tag/import_labels.py", tmp_path / "tagging_1.csv")
    assert "1 left out" in said and tagger not in said and "a/1.jpg: out to" in said
    assert "a/2.jpg" in project.names("tagging") and "a/1.jpg" not in project.names("tagging")


def test_a_photo_with_a_longer_name_than_azure_has_is_left_out_by_name(project):
    folder = "/".join(["f" * 200] * 6)
    assert refused("x" * (LONGEST_BLOB - 4) + ".jpg") is None
    project.images.path_of("a/1.jpg").parent.joinpath(folder).mkdir(parents=True)
    data = project.images.read("a/1.jpg")[0]
    project.images.path_of("a/1.jpg").parent.joinpath(folder, "x.jpg").write_bytes(data)
    said = project.run("train/initialize.py")
    assert "1 images are left out" in said and "the name is longer than 1024 characters" in said
    assert len(project.names("images")) == 8
