"""abandon.py gives reserved images back, with their boxes."""

import json

import pytest
from helpers_programs import done, run
from helpers_state import StateProject
from helpers_tables import labels

from utils.errors import InputError
from utils.labels import table_files, tables
from utils.labels.pool import pool_of


def abandon(*arguments):
    import abandon

    return abandon.main([str(argument) for argument in arguments])


@pytest.fixture
def project(folder_store, tmp_path):
    return StateProject(folder_store, tmp_path)


def test_nobody_holds_anything_and_nothing_changes(project):
    project.commit(tagging=tables.empty("tagging"))
    before = project.labels.read().document
    assert abandon(project.config) == 0 and project.labels.read().document == before


def test_ones_own_images_go_back_with_their_boxes(store, tmp_path):
    project = StateProject(store, tmp_path)
    output = done("tag/abandon.py", project.config)
    assert output.startswith("1 images given back, 1 of anna → totag_")
    assert project.names("tagging") == [
        "c/2.jpg"
    ] and "c/1.jpg bird 0.1 0.2 0.1 0.2 0.6 0.6" in project.rows("totag")
    assert list(project.table("totag").columns) == tables.COLUMNS["totag"]


def test_those_of_a_tagger_or_out_for_long_go_back(project):
    abandon(project.config, "--tagger", "bob")
    assert project.names("tagging") == ["c/1.jpg"]
    abandon(project.config, "--tagger", "")
    assert project.names("tagging") == ["c/1.jpg"]
    abandon(project.config, "--older-than", "48")
    assert project.names("tagging") == []


def test_the_images_named_go_back_and_those_that_are_not_out_are_named(project, capsys):
    assert abandon(project.config, "c/2.jpg", "a/1.jpg") == 0
    output = capsys.readouterr().out
    assert "not out: a/1.jpg" in output and "1 images given back, 1 of bob" in output
    assert project.names("tagging") == ["c/1.jpg"]
    assert abandon(project.config, "nowhere.jpg") == 1


def test_a_large_totag_is_not_read_and_the_images_are_free(project, monkeypatch, capsys):
    monkeypatch.setattr(table_files, "SMALL", 0)
    project.commit(totag=labels("a/1.jpg NULL", "totag"))
    read, parse = [], table_files.parse
    with monkeypatch.context() as patched:
        patched.setattr(
            "utils.labels.store.parse",
            lambda name, *rest: (read.append(name), parse(name, *rest))[1],
        )
        assert abandon(project.config) == 0
    assert "1 images given back, 1 of anna" in capsys.readouterr().out
    assert not set(read) & table_files.LARGE_TABLES
    free = pool_of(project.labels, project.labels.read())
    assert tables.only(free, {"c/1.jpg"})[["class", "box_confidence"]].to_numpy().tolist() == [
        ["bird", 0.6]
    ]
    assert abandon(project.config) == 0 and abandon(project.config, "--tagger", "") == 1
    assert capsys.readouterr().out.count("0 images given back") == 2
    shown = done("tag/status.py", project.config)
    assert "bob since" in shown and "(nobody)" not in shown


def test_an_image_that_totag_still_lists_is_not_there_twice(project):
    project.commit(totag=labels("c/1.jpg bird 0.1 0.2 0.1 0.2 0.6 0.6", "totag"))
    abandon(project.config)
    assert project.rows("totag") == ["c/1.jpg bird 0.1 0.2 0.1 0.2 0.6 0.6"]


def test_an_image_under_review_stays_tagged_and_is_queued_if_it_was(project):
    time = "2026-01-01T00:00:00Z"
    review = tables.make(
        "review",
        filename=["1.jpg", "1.jpg", "2.jpg", "3.jpg"],
        folder="d",
        tagger=["", "anna", "anna", "bob"],
        reserved_at=["", time, time, time],
    )
    project.commit(review=review)
    abandon(project.config)
    rows = project.table("review")
    assert list(zip(rows["filename"], rows["tagger"], strict=True)) == [
        ("1.jpg", ""),
        ("3.jpg", "bob"),
    ]
    assert "d/1.jpg" in project.names("tagged")


def test_work_that_is_uploaded_all_the_same_is_taken(project):
    done("tag/abandon.py", project.config)
    done("tag/download_vott_json.py", 2, project.config)
    out = project.names("tagging")
    done("tag/abandon.py", project.config)
    assert project.names("tagging") == ["c/2.jpg"]
    done("tag/upload_vott_json.py", project.config, "--all")
    assert set(out) - {"c/2.jpg"} <= set(project.names("tagged"))
    done("tag/status.py", project.config, "--check")


def test_of_two_who_had_an_image_in_turn_the_first_upload_stands_and_the_other_is_set_aside(
    project, capsys
):
    import download_vott_json
    import upload_vott_json

    (project.config.parent / "bob").mkdir()
    bob = project.config.parent / "bob" / "config.ini"
    bob.write_text(
        project.config.read_text(encoding="utf-8").replace("anna", "bob"), encoding="utf-8"
    )
    abandon(project.config)
    download_vott_json.main(["1", str(project.config)])
    held = tables.only(project.table("tagging"), set(project.names("tagging")) - {"c/2.jpg"})
    (image,) = tables.image_set(held)
    project.commit(tagging=held.assign(reserved_at="2026-01-01T00:00:00Z"))
    download_vott_json.main(["4", str(bob)])
    assert image in project.names("tagging") and set(project.table("tagging")["tagger"]) == {"bob"}

    place = bob.parent / "Tag" / "Images.json"
    vott = json.loads(place.read_text(encoding="utf-8"))
    box = {
        "x1": 0,
        "x2": 20,
        "y1": 0,
        "y2": 10,
        "width": 200,
        "height": 100,
        "tags": ["seal"],
        "type": "Rectangle",
    }
    vott["frames"][image.replace("/", "__")] = [box]
    place.write_text(json.dumps(vott), encoding="utf-8")
    assert upload_vott_json.main([str(project.config), "--all"]) == 0
    annas = [row for row in project.rows() if row.startswith(image)]
    assert annas and "seal" not in annas[0]
    assert upload_vott_json.main([str(bob), "--all"]) == 0
    assert (
        f"{image}: somebody else has uploaded it meanwhile; your boxes are set aside in conflicts_"
        in capsys.readouterr().out
    )
    assert [row for row in project.rows() if row.startswith(image)] == annas
    assert project.names("conflicts") == [image] and set(project.table("conflicts")["tagger"]) == {
        "bob"
    }
    assert project.names("tagging") == []


@pytest.mark.parametrize(
    "arguments", [("--older-than", "soon"), ("--older-than", "-1"), ("--older-than", "nan")]
)
def test_hours_that_are_none_are_refused(project, arguments):
    finished = run("tag/abandon.py", project.config, *arguments)
    assert finished.returncode == 2 and "no number of hours" in finished.stderr


def test_two_choices_at_once_are_one_line(project):
    with pytest.raises(InputError, match="not several"):
        abandon(project.config, "c/1.jpg", "--tagger", "bob")
    assert project.names("tagging") == ["c/1.jpg", "c/2.jpg"]
