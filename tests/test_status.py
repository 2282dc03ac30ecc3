"""status.py says how a project stands, finds what is broken, mends what has one right answer, and
prunes only what nobody needs.
"""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from helpers_programs import done, run
from helpers_state import StateProject
from helpers_tables import images, labels
from labelling_project import check_step

from utils.errors import InputError
from utils.labels import tables
from utils.labels.check import check_tables, prunable, repaired
from utils.labels.state import Change
from utils.labels.tables import image_set
from utils.storage.container import Blob

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def status(*arguments):
    import status

    return status.main([str(argument) for argument in arguments])


def shown(project, capsys, *arguments) -> dict:
    status(project.config, "--json", *arguments)
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def project(folder_store, tmp_path):
    return StateProject(folder_store, tmp_path)


# The rules, as functions of tables


def test_an_empty_state_breaks_no_rule():
    assert check_tables({}) == [] and repaired({}) == {}


def broken(**at) -> list[str]:
    return [
        f"{finding.rule} {' '.join(finding.images)} {finding.repairable}"
        for finding in check_tables(at)
    ]


def mended(**at) -> dict:
    new = repaired(at)
    assert all(not finding.repairable for finding in check_tables({**at, **new}))
    return new


def test_an_image_in_no_list_goes_back_to_totag():
    at = {
        "images": images("1.jpg", "2.jpg", "3.jpg"),
        "totag": labels("1.jpg NULL", "totag"),
        "failed": tables.make("failed", filename=["3.jpg"]),
    }
    assert broken(**at) == ["1 2.jpg True"]
    assert list(mended(**at)["totag"]["filename"]) == ["1.jpg", "2.jpg"]


def test_totag_may_still_list_what_is_out_tagged_or_failed():
    at = {
        "images": images("1.jpg", "2.jpg", "3.jpg"),
        "totag": labels("1.jpg NULL\n2.jpg NULL\n3.jpg NULL", "totag"),
        "tagged": labels("1.jpg NULL"),
        "tagging": labels("2.jpg NULL 0 0 0 0 0 0 a t", "tagging"),
        "failed": tables.make("failed", filename=["3.jpg"]),
    }
    assert broken(**at) == [] and mended(**at) == {}


def test_an_image_that_is_tagged_is_not_out():
    at = {
        "tagged": labels("1.jpg NULL"),
        "tagging": labels("1.jpg NULL 0 0 0 0 0 0 anna t", "tagging"),
    }
    assert broken(**at) == ["1 1.jpg True"]
    assert len(mended(**at)["tagging"]) == 0


def test_an_image_is_out_to_one_person():
    tagging = labels(
        "1.jpg a 0 1 0 1 1 1 anna t\n1.jpg b 0 1 0 1 1 1 anna t\n"
        "2.jpg a 0 1 0 1 1 1 anna t\n2.jpg a 0 1 0 1 1 1 bob t",
        "tagging",
    )
    assert broken(tagging=tagging) == ["2 2.jpg False"]


def test_rows_that_cannot_be_are_cleaned():
    tagged = labels(
        "1.jpg a 0 1 0 1\n1.jpg NULL\n2.jpg a 0.5 0.1 -0.2 0.3\n3.jpg NULL\n3.jpg NULL\n4.jpg a 0 1"
        " 0 1\n4.jpg b 0 1 0 1"
    )
    assert broken(tagged=tagged) == ["3 1.jpg 2.jpg 3.jpg True"]
    new = mended(tagged=tagged)["tagged"]
    columns = new[["filename", "class", "xmin", "ymin"]]
    assert sorted(
        f"{name} {label} {x:g} {y:g}" for name, label, x, y in columns.itertuples(index=False)
    ) == ["1.jpg a 0 0", "2.jpg a 0.1 0", "3.jpg NULL 0 0", "4.jpg a 0 0", "4.jpg b 0 0"]


def test_the_test_set_has_the_rows_of_tagged():
    at = {
        "tagged": labels("1.jpg a 0 1 0 1\n1.jpg a 0 1 0 1\n2.jpg a 0 1 0 1"),
        "test": labels("1.jpg a 0 1 0 1\n2.jpg a 0 1 0 1\n3.jpg NULL", "test"),
    }
    assert broken(**at) == ["4 3.jpg True", "3 1.jpg True"]
    new = mended(**at)  # no label is lost: a row of the test set is one of tagged
    assert image_set(new["tagged"]) == {"1.jpg", "2.jpg", "3.jpg"}
    assert new["test"].equals(new["tagged"])


def test_an_image_under_review_is_tagged():
    review = tables.make("review", filename=["1.jpg"], tagger=["anna"])
    assert broken(review=review) == ["2 1.jpg True"] and len(mended(review=review)["review"]) == 0


def test_between_two_states_no_label_is_lost_and_no_reserved_image_changes_hands():
    tagging = labels(
        "1.jpg NULL 0 0 0 0 0 0 anna 2026-05-31T00:00:00Z\n2.jpg NULL 0 0 0 0 0 0 anna"
        " 2026-05-01T00:00:00Z",
        "tagging",
    )
    before = {"tagged": labels("3.jpg NULL"), "tagging": tagging}
    assert check_step(before, before, 72, NOW) == []
    after = {"tagged": labels("1.jpg NULL"), "tagging": tagging.assign(tagger="bob")}
    assert [(finding.rule, finding.images) for finding in check_step(before, after, 72, NOW)] == [
        (4, ("3.jpg",)),
        (2, ("1.jpg",)),
    ]


# What may go


def blob(name, days, commit="c"):
    return Blob(
        name, 1, "", NOW - timedelta(days=days), metadata={"commit": commit} if commit else {}
    )


def test_only_old_snapshots_of_ours_that_nothing_names_go():
    tagged = [
        blob(f"tagged_100000000000{number}.csv", days, str(number))
        for number, days in enumerate((90, 80, 70, 60, 50, 10), 1)
    ]
    models = [
        blob(f"model_100000000000{number}.pb", 100 - number, f"m{number}")
        for number in (1, 2, 3, 4, 5)
    ]
    others = [
        blob("tagged_1000000000007.csv", 99, None),
        blob("notes.csv", 99),
        blob("label_state.json", 99),
        blob("images/tagged_1000000000001.csv", 99),
    ]
    blobs = tagged + models + others
    assert prunable([], set(), [], NOW) == []
    named = {"tagged_1000000000001.csv", "model_1000000000001.pb"}
    assert prunable(blobs, named, [], NOW) == ["model_1000000000002.pb", "tagged_1000000000002.csv"]
    assert prunable(blobs, set(), ["5"], NOW) == [
        "model_1000000000001.pb",
        "model_1000000000002.pb",
        *(f"tagged_100000000000{number}.csv" for number in (1, 2, 3, 4)),
    ]


def test_a_model_that_was_live_within_30_days_stays_though_it_is_older_and_no_cycle_names_it():
    """Published 40 days ago by an evaluation or prediction, replaced 5 days ago."""
    blobs = [
        blob("embeddings_1000000000001.parquet", 40, "old"),
        blob("embeddings_1000000000002.parquet", 5, "new"),
        blob("model_1000000000001.pb", 40, "old"),
        blob("model_1000000000002.pb", 5, "new"),
    ]
    assert prunable(blobs, {blobs[1].name, blobs[3].name}, ["old", "new"], NOW) == []


def test_prune_keeps_the_performance_of_models_that_were_only_evaluated(project):
    blobs = [
        project.labels.publish_file("performance", ".csv", b"x", f"commit {number}")
        for number in range(6)
    ]
    project.commit({"evaluations": [{"performance": blobs[0]}]})
    folder = project.labels.container.path_of(blobs[0]).parent
    for path in folder.glob("*.*"):
        os.utime(path, (1e9, 1e9))
    done("tag/status.py", project.config, "--prune")
    assert [(folder / blob).exists() for blob in blobs] == [True, False, False, True, True, True]


def test_a_damaged_batch_file_does_not_hide_how_the_project_stands(project):
    place = project.config.parent / "Tag"
    place.mkdir()
    (place / "batch.json").write_text("{")
    said = done("tag/status.py", project.config)
    assert "batch.json: not readable" in said and "bob" in said


def test_prune_deletes_what_is_old_and_keeps_what_is_needed(project):
    folder = project.labels.container.path_of("x").parent
    first = project.labels.read().blob("tagged")
    project.labels.commit(
        lambda state: Change(cycle={"tagged": state.blob("tagged"), "at": "2026"}), what="test"
    )
    for number in range(6):
        project.commit(
            tagged=labels(f"d/1.jpg bird 0.{number} 1 0 1\nd/2.jpg NULL\nd/3.jpg seal 0 1 0 1")
        )
    for path in folder.glob("*.*"):
        os.utime(path, (1e9, 1e9))
    before = {path.name for path in folder.glob("*.*")}
    assert "5 of 12 files deleted" in done("tag/status.py", project.config, "--prune")
    gone = before - {path.name for path in folder.glob("*.*")}
    assert len(gone) == 5 and {name[:7] for name in gone} == {"tagged_"} and first not in gone
    assert "0 rules broken" in done("tag/status.py", project.config, "--check")
    assert "0 of 7 files deleted" in done("tag/status.py", project.config, "--prune")


# The program


def test_a_container_without_a_project_is_one_line(folder_store, tmp_path):
    config = tmp_path / "config.ini"
    config.write_text(folder_store.config_text())
    with pytest.raises(InputError, match="no project there yet"):
        status(config)


def test_one_screen_says_how_the_project_stands(store, tmp_path):
    project = StateProject(store, tmp_path)
    project.labels.commit(
        lambda state: Change(
            cycle={
                "at": "2026-02-01T00:00:00Z",
                "images_labelled": 2,
                "model": "model_1.pb",
                "metrics": {"Average": {"AP": 0.75}, "bird": {"AP": 0.75}, "seal": {"AP": None}},
                "random_share": {
                    "model": "model_0.pb",
                    "images": 12,
                    "boxes": 20,
                    "AP": 0.5,
                    "low": 0.25,
                    "high": 0.75,
                },
            }
        ),
        what="test",
    )
    output = done("tag/status.py", project.config)
    lines = [" ".join(line.split()) for line in output.splitlines()]
    for expected in (
        "to tag 4 (1 that no model has seen)",
        "out 2",
        "1 anna since 2026-01-01T00:00:00Z, 1 of them so long that others may get them",
        "1 bob since 2999-01-01T00:00:00Z",
        "tagged 3 (1 of them empty)",
        "test set 1",
        "seal 2 1",
        "bird 1 0",
        "2026-02-01T00:00:00Z 2 images labelled, AP 0.750 (bird 0.750, seal –)",
        (
            "the model before it: AP 0.500 (0.250 to 0.750) on 12 images that were drawn at random,"
            " predicted before they were labelled"
        ),
    ):
        assert expected in lines, output
    assert lines[-1].startswith("next: you hold 1 images that are not in tagging_location")
    assert len(lines) < 40


def test_json_says_the_same_to_programs(project, capsys):
    found = shown(project, capsys)
    expected = {
        "images": 8,
        "to_tag": 4,
        "unseen": 1,
        "tagged": 3,
        "tagged_empty": 1,
        "test": 1,
        "boxes": {"seal": 2, "bird": 1},
        "failed": 0,
        "conflicts": 0,
    }
    assert {name: found[name] for name in expected} == expected
    assert found["out"]["anna"] == {"images": 1, "since": "2026-01-01T00:00:00Z", "expired": 1}


def test_check_lists_what_is_broken_and_repair_mends_it(store, tmp_path):
    project = StateProject(store, tmp_path)
    assert "0 rules broken" in done("tag/status.py", project.config, "--check")
    project.commit(totag=labels("a/1.jpg NULL", "totag"))
    finished = run("tag/status.py", project.config, "--check")
    assert (
        finished.returncode == 1
        and "rule 1: 2 images are in no list: a/2.jpg, b/1.jpg (--repair mends it)"
        in finished.stdout
    )
    assert "mended: 2 images are in no list" in done("tag/status.py", project.config, "--repair")
    assert "0 rules broken" in done("tag/status.py", project.config, "--check")
    assert project.names("totag") == ["a/1.jpg", "a/2.jpg", "b/1.jpg"]


@pytest.mark.parametrize("harm", ["remove", "cut", "change"])
def test_a_snapshot_that_is_gone_or_damaged_is_named_and_nothing_is_mended_over_it(
    project, capsys, harm
):
    path = project.labels.container.path_of(project.labels.read().blob("tagged"))
    data = path.read_bytes()
    (
        path.unlink()
        if harm == "remove"
        else path.write_bytes(data[:-20] if harm == "cut" else data.replace(b"bird", b"bord"))
    )
    document = project.labels.read().document
    assert status(project.config, "--check") == 1
    output = capsys.readouterr().out
    assert "rule 5: tables.tagged: " in output and path.name in output
    finished = run("tag/status.py", project.config, "--repair")
    assert finished.returncode == 1 and project.labels.read().document == document


def test_a_file_of_a_cycle_that_does_not_hold_what_was_made_is_named(store, tmp_path, capsys):
    project = StateProject(store, tmp_path)
    suffixes = {"model": ".pb", "label_map": ".pbtxt", "embeddings": ".parquet", "config": ".ini"}
    live = {
        kind: project.labels.publish_file(kind, suffix, b"as it was made")
        for kind, suffix in suffixes.items()
    }
    project.commit({"live": live})
    assert status(project.config, "--check") == 0
    container = project.labels.container
    for blob in live.values():
        container.write(blob, b"as it is today", metadata=container.info(blob).metadata)
    assert status(project.config, "--check") == 1
    output = capsys.readouterr().out
    assert all(f"rule 5: live.{kind}: {blob} is damaged" in output for kind, blob in live.items())


def test_labels_that_a_cycle_began_with_and_that_are_gone_are_found(project, capsys):
    project.labels.commit(lambda state: Change(cycle={"tagged": state.blob("tagged")}), what="test")
    project.commit(
        tagged=labels("d/1.jpg bird 0.1 0.5 0.1 0.5\nd/3.jpg seal 0 1 0 1"),
        totag=labels("d/2.jpg NULL", "totag"),
    )
    assert status(project.config, "--check") == 1
    assert "rule 4: 1 images were tagged when the last cycle began" in capsys.readouterr().out


def test_a_blob_that_a_cycle_names_and_nobody_has_is_found(project, capsys):
    project.labels.commit(
        lambda state: Change(
            cycle={"model": "model_1.pb"}, members={"live": {"model": "model_1.pb"}}
        ),
        what="test",
    )
    found = shown(project, capsys, "--check")["findings"]
    assert [finding["rule"] for finding in found] == [5]
