"""Renaming, merging and dropping classes: in everything there is, and in what comes back later."""

import json

import pytest
from helpers_programs import done
from helpers_state import StateProject
from helpers_tables import labels

from utils.config import load_config
from utils.errors import InputError
from utils.labels.class_changes import (
    ClassChange,
    current_classes,
    parse_change,
    recorded,
    updated_since,
    with_present_names,
)

NONE = {"renamed": {}, "dropped": []}


def change(*arguments):
    import change_classes

    return change_classes.main([str(argument) for argument in arguments])


@pytest.fixture
def project(folder_store, tmp_path):
    return StateProject(folder_store, tmp_path)


def test_an_empty_table_stays_empty():
    assert (
        len(
            with_present_names(
                "totag",
                labels("", "totag"),
                {"renamed": {"a": "b"}, "dropped": ["c"], "removed": ["c"]},
            )
        )
        == 0
    )


def test_options_say_what_becomes_of_each_class():
    asked = parse_change(["sea  gull=gull"], ["raven, crow=corvid"], ["boat"])
    assert asked == ClassChange(
        {"sea gull": "gull", "raven": "corvid", "crow": "corvid"}, frozenset({"boat"})
    )


@pytest.mark.parametrize(
    "rename, merge, drop",
    [
        ([], [], []),
        (["a"], [], []),
        (["=b"], [], []),
        (["a="], [], []),
        (["a=NULL"], [], []),
        (["a=b", "a=c"], [], []),
        (["a=b", "b=a"], [], []),
        (["a=b"], [], ["a"]),
        (["a=b"], [], ["b"]),
        ([], ["=c"], []),
        ([], [",=c"], []),
        ([], [], ["NULL"]),
        ([], [], [""]),
        (["a=b, c"], [], []),
        ([], ["a,b=c,d"], []),
        (["a=b\x1b[2K"], [], []),
        ([], ["a,b=\u202ec"], []),
        (["a=\ufeff"], [], []),
        (['a="'], [], []),
        (["a=b;c"], [], []),
    ],
)
def test_what_has_no_clear_meaning_is_one_line(rename, merge, drop):
    with pytest.raises(InputError) as error:
        parse_change(rename, merge, drop)
    assert "\n" not in str(error.value)


def test_later_changes_follow_earlier_ones_and_a_name_may_come_back():
    first = recorded(NONE, parse_change(["a=b"], [], ["x"]))
    step = {"renamed": {"a": "b"}, "dropped": ["x"]}
    assert first == {"renamed": {"a": "b"}, "dropped": ["x"], "removed": ["x"], "changes": [step]}
    assert recorded(first, parse_change(["a=b"])) == first
    second = recorded(first, parse_change(["b=c"]))
    assert second["renamed"] == {"a": "c", "b": "c"}
    back = recorded(second, parse_change(["c=a"], [], []))
    assert back["renamed"] == {"b": "a", "c": "a"}
    assert recorded(first, parse_change(["y=x"])) == {
        "renamed": {"a": "b", "y": "x"},
        "dropped": [],
        "removed": [],
        "changes": [step, {"renamed": {"y": "x"}, "dropped": []}],
    }


def test_rows_of_any_time_come_under_the_names_of_today_though_names_were_swapped_and_given_anew():
    classes = NONE
    for asked in (
        parse_change(["a=tmp"]),
        parse_change(["b=a"]),
        parse_change(["tmp=b"]),
        parse_change(drop=["c"]),
        parse_change(["d=c"]),
    ):
        classes = recorded(classes, asked)
    rows = labels(
        "".join(
            f"1.jpg {name} 0 0.{place} 0 1\n"
            for place, name in enumerate(("a", "b", "c", "d", "tmp"), 1)
        )
    )
    today = [list(updated_since("tagged", rows, classes, known)["class"]) for known in (0, 1, 3, 5)]
    assert today == [
        ["b", "a", "c", "b"],
        ["a", "a", "c", "b"],
        ["a", "b", "c", "b"],
        ["a", "b", "c", "c", "b"],
    ]


def test_boxes_that_become_equal_become_one_and_confidences_follow():
    frame = labels(
        """
        1.jpg raven 0.1 0.5 0.1 0.5 0.9 0.3
        1.jpg crow 0.1 0.5 0.1 0.5 0.8 0.3
        1.jpg boat 0.6 0.7 0.1 0.5 0.3 0.3
        2.jpg boat 0.1 0.5 0.1 0.5 0.4 0.4
        3.jpg NULL""",
        "totag",
    )
    classes = recorded(NONE, parse_change([], ["raven,crow=corvid"], ["boat"]))
    changed = with_present_names("totag", frame, classes)
    columns = changed[["filename", "class", "box_confidence", "image_confidence"]]
    assert [" ".join(map(str, row)) for row in columns.itertuples(index=False)] == [
        "1.jpg corvid 0.9 0.9",
        "2.jpg NULL 0.0 0.0",
        "3.jpg NULL nan nan",
    ]


def test_classes_that_are_only_left_out_of_training_keep_their_boxes():
    frame = labels("1.jpg fox 0.1 0.5 0.1 0.5")
    assert with_present_names("tagged", frame, {"renamed": {}, "dropped": ["fox"]}).equals(frame)
    assert with_present_names(
        "tagged", frame, {"renamed": {}, "dropped": [], "removed": ["fox"]}
    ).equals(frame)


def test_classes_of_the_config_and_their_shares_follow():
    classes = recorded(NONE, parse_change([], ["raven,crow=corvid"], ["boat"]))
    assert current_classes(("raven", "boat", "crow"), classes, (0.25, 0.25, 0.25, 0.25)) == (
        ("corvid",),
        (0.5, 0.5),
    )
    assert current_classes(("owl",), classes) == (("owl",), ())


def test_one_commit_changes_every_table_and_is_recorded(project, capsys):
    before = project.labels.read()
    assert change(project.config, "--rename", "bird=tern", "--drop", "seal") == 0
    state = project.labels.read()
    assert len(state.document["history"]) == len(before.document["history"]) + 1
    assert state.classes == {
        "renamed": {"bird": "tern"},
        "dropped": ["seal"],
        "removed": ["seal"],
        "changes": [{"renamed": {"bird": "tern"}, "dropped": ["seal"]}],
    }
    assert project.rows("totag") == [
        "a/1.jpg tern 0.1 0.5 0.2 0.8 0.9 0.9",
        "a/2.jpg NULL 0 0 0 0 0 0",
        "b/1.jpg NULL 0 0 0 0 nan nan",
    ]
    assert project.rows("tagging") == [
        "c/1.jpg tern 0.1 0.2 0.1 0.2 0.6 0.6",
        "c/2.jpg NULL 0 0 0 0 0 0",
    ]
    assert list(project.table("tagging")["tagger"]) == ["anna", "bob"]
    assert project.rows() == [
        "d/1.jpg tern 0.1 0.5 0.1 0.5",
        "d/2.jpg NULL 0 0 0 0",
        "d/3.jpg NULL 0 0 0 0",
    ]
    assert project.rows("test") == ["d/3.jpg NULL 0 0 0 0"]
    output = capsys.readouterr().out
    assert "write: classes=tern " in output
    assert output.splitlines()[-1].startswith(
        "1 classes renamed, 1 dropped: 2 boxes in 1 images of totag, 1 boxes in 1 images of"
        " tagging, 3 boxes in 2 images of tagged, 1 boxes in 1 images of test → tagged_"
    )


def test_the_line_for_the_config_file_is_read_back_as_the_names_that_hold(project, capsys):
    change(project.config, "--rename", "bird=bird #2")
    line = (
        next(line for line in capsys.readouterr().out.splitlines() if "write: " in line)
        .split("write: ")[1]
        .split("   (")[0]
    )
    project.config.write_text(project.config.read_text() + f"\n{line}\n")
    assert load_config(project.config).classes == ("bird #2", "seal")


def test_the_same_change_again_changes_nothing(project):
    change(project.config, "--rename", "bird=tern", "--drop", "seal")
    before = project.labels.read().document
    change(project.config, "--rename", "bird=tern", "--drop", "seal")
    assert project.labels.read().document == before


def test_a_class_that_is_not_there_is_named_and_nothing_changes(project):
    before = project.labels.read().document
    with pytest.raises(InputError, match="there is no class brid; there are bird, seal"):
        change(project.config, "--rename", "brid=tern")
    assert project.labels.read().document == before


def test_review_queues_the_labelled_images_concerned(project):
    change(project.config, "--rename", "bird=tern", "--review")
    assert project.names("review") == ["d/1.jpg"] and set(project.table("review")["tagger"]) == {""}
    change(project.config, "--drop", "seal", "--review")
    assert project.names("review") == ["d/1.jpg", "d/3.jpg"]


def test_a_batch_that_comes_back_with_old_names_is_changed_at_upload(store, tmp_path):
    project = StateProject(store, tmp_path)
    done("tag/abandon.py", project.config)
    done("tag/download_vott_json.py", 4, project.config)
    done("tag/change_classes.py", project.config, "--rename", "bird=tern", "--drop", "seal")
    done("tag/upload_vott_json.py", project.config, "--all")
    assert {"a/1.jpg tern 0.1 0.5 0.2 0.8", "c/1.jpg tern 0.1 0.2 0.1 0.2"} <= set(project.rows())
    assert not {"bird", "seal"} & set(project.table("tagged")["class"])
    assert project.names("conflicts") == []
    document = project.labels.read().document
    done("tag/upload_vott_json.py", project.config, "--all")
    assert project.labels.read().document == document
    done("tag/status.py", project.config, "--check")


def test_a_batch_may_be_corrected_after_its_classes_were_changed(store, tmp_path):
    project = StateProject(store, tmp_path)
    done("tag/abandon.py", project.config)
    done("tag/download_vott_json.py", 4, project.config)
    done("tag/upload_vott_json.py", project.config, "--all")
    done("tag/change_classes.py", project.config, "--rename", "bird=tern")
    place = project.config.parent / "Tag" / "Images.json"
    vott = json.loads(place.read_text(encoding="utf-8"))
    del vott["frames"]["a__1.jpg"][1]
    place.write_text(json.dumps(vott), encoding="utf-8")
    done("tag/upload_vott_json.py", project.config, "--all")
    assert [row for row in project.rows() if row.startswith("a/1.jpg")] == [
        "a/1.jpg tern 0.1 0.5 0.2 0.8"
    ]
    assert project.names("conflicts") == []


def test_a_batch_that_was_out_while_two_names_were_swapped_comes_back_with_its_meaning(
    project, capsys
):
    import abandon
    import download_vott_json
    import upload_vott_json

    config = str(project.config)
    abandon.main([config])
    download_vott_json.main(["4", config])
    for step in ("bird=tmp", "seal=bird", "tmp=seal"):
        change(config, "--rename", step)
    assert "in use again: seal" in capsys.readouterr().out
    for _ in range(2):
        upload_vott_json.main([config, "--all"])
        assert {
            "a/1.jpg seal 0.1 0.5 0.2 0.8",
            "a/1.jpg bird 0.6 0.9 0.2 0.8",
            "c/1.jpg seal 0.1 0.2 0.1 0.2",
        } <= set(project.rows())
    assert (
        "classes were changed meanwhile" in capsys.readouterr().out
        and project.names("conflicts") == []
    )


def test_vott_offers_the_present_names_even_while_the_config_has_the_old_ones(project):
    done("tag/change_classes.py", project.config, "--rename", "bird=tern")
    done("tag/abandon.py", project.config)
    done("tag/download_vott_json.py", 3, project.config)
    place = project.config.parent / "Tag" / "Images.json"
    assert sorted(json.loads(place.read_text(encoding="utf-8"))["inputTags"].split(",")) == [
        "seal",
        "tern",
    ]
