"""The report on a project: what its figures are, and what it says when something is not there."""

import base64
import io
import json
import re

import pytest
from helpers_programs import done, run
from helpers_report import TAGGED, TEST, TESTED, TOTAG, ReportProject
from helpers_store import folder_store_in
from helpers_tables import effort_rows, labels
from PIL import Image

from train.report.material import gather
from train.report.pictures import Album
from utils.labels import tables
from utils.labels.reports import twin_of
from utils.selection.reasons import WORDS
from utils.strategies import STRATEGIES


@pytest.fixture
def project(folder_store, tmp_path):
    made = ReportProject(folder_store, tmp_path)
    made.fill()
    return made


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A project with its report, for tests that only look: (project, the twin, the page)."""
    folder = tmp_path_factory.mktemp("filled")
    made = ReportProject(folder_store_in(folder), folder)
    made.fill()
    return made, *report(made)


def report(project) -> tuple[dict, str]:
    """Make the report as a person does; (the twin, the page)."""
    done("train/active_learning_report.sh", project.config)
    page = project.state().report
    read = project.store.labels.read
    return json.loads(read(twin_of(page))[0]), read(page)[0].decode()


def test_the_figures_are_those_that_can_be_counted_by_hand(filled):
    _, found, _ = filled
    assert found["test"] == {"images": 4, "empty": 2, "boxes": 3}
    assert found["confusion"] == {
        "classes": ["seal", "bird", "background"],
        "matrix": [[0, 1, 1], [0, 1, 0], [1, 1, 0]],
    }
    images = found["images"]
    assert (images["found"], images["with_objects"], images["recall"]) == (2, 2, 1)
    assert (images["false_alarms"], images["empty"]) == (1, 2)
    assert (images["false_alarms_per_100_empty"], images["false_alarms_per_100"]) == (50, 25)
    at = dict(zip(images["curve"]["threshold"], images["curve"]["recall"], strict=True))
    assert (at[0.0], at[0.6], at[0.65], at[0.95]) == (1, 1, 0.5, 0)
    by_class = {entry["class"]: entry for entry in found["classes"]}
    assert by_class["bird"]["AP"] == 1 and by_class["bird"]["best_threshold"] == 0.9
    assert by_class["bird"]["as_prelabelled"] == {
        "threshold": 0.5,
        "shown": 3,
        "right": 1,
        "wrong": 2,
        "missing": 0,
    }
    assert by_class["seal"]["recall"] == 0.5 and by_class["seal"]["precision"] == 0.5
    assert by_class["seal"]["F1"] == 0.5
    assert by_class["bird"]["curve"]["recall"] == [1, 1]
    assert found["AP"]["AP"] == pytest.approx((1 + 0.25) / 2)
    assert found["AP"]["low"] <= found["AP"]["AP"] <= found["AP"]["high"]


def test_what_another_threshold_would_cost_is_counted(filled):
    costs = {row["threshold"]: row for row in filled[1]["costs"]}
    assert costs[0.5] == {
        "threshold": 0.5,
        "shown": 4,
        "right": 1,
        "wrong": 3,
        "missing": 2,
        "seconds": 1 * 2 + 3 * 2 + 2 * 7,  # kept, deleted, drawn
    }
    assert costs[0.1]["seconds"] == 2 * 2 + 3 * 2 + 1 * 7
    assert (costs[0.95]["shown"], costs[0.95]["missing"], costs[0.95]["seconds"]) == (0, 3, 21)


def test_with_auto_each_class_has_its_own_threshold_and_all_figures_follow(project):
    text = project.config.read_text() + "prelabel_confidence=auto\n"
    project.config.write_text(text)
    entry = {
        "thresholds": {"bird": 0.8, "seal": None},
        "images": 4,
        "seconds": {"with": 8, "without": 9},
    }
    project.cycle(labels(TESTED, "tested"), prelabels=entry)
    found, page = report(project)
    assert found["confusion"]["matrix"] == [[0, 0, 2], [0, 1, 0], [0, 0, 0]]
    assert found["now"] == {"shown": 1, "right": 1, "wrong": 0, "missing": 2, "seconds": 16}
    by_class = {entry["class"]: entry for entry in found["classes"]}
    assert (by_class["bird"]["shown_from"], by_class["seal"]["shown_from"]) == (0.8, None)
    assert (found["images"]["found"], found["images"]["false_alarms"]) == (1, 0)
    assert found["mistakes"]["false"]["count"] == 0
    assert "boxes are shown by score: bird from 0.80, seal never" in page


def test_mistakes_come_worst_first_with_their_pictures(filled):
    _, found, page = filled
    mistakes = found["mistakes"]
    assert {kind: part["count"] for kind, part in mistakes.items()} == {
        "missed": 1,
        "false": 2,
        "mixed_up": 1,
    }
    (missed,) = mistakes["missed"]["shown"]
    assert (missed["image"], missed["truth"], missed["score"]) == ("a/2.jpg", "seal", None)
    assert [case["image"] for case in mistakes["false"]["shown"]] == ["a/2.jpg", "b/3.jpg"]
    (mixed,) = mistakes["mixed_up"]["shown"]
    assert (mixed["truth"], mixed["model"], mixed["score"]) == ("seal", "bird", 0.7)
    pictures = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    sizes = [Image.open(io.BytesIO(base64.b64decode(data))).size for data in pictures]
    # the mistakes, and the next photos
    assert sorted(map(max, sizes)) == [200] * 3 + [320] * 4


def test_of_what_was_missed_the_one_without_a_trace_comes_first(project):
    rows = labels(
        "a/1.jpg bird 0.1 0.5 0.1 0.5 0.9 0.3\na/1.jpg seal 0.6 0.9 0.5 0.9 0.3 0.3\n"
        "a/2.jpg NULL 0 0 0 0 0 0",
        "tested",
    )
    project.cycle(rows)
    shown = report(project)[0]["mistakes"]["missed"]["shown"]
    assert [(case["image"], case["score"]) for case in shown] == [
        ("a/2.jpg", None),
        ("a/1.jpg", 0.3),
    ]


def test_of_a_missed_object_it_is_said_when_a_box_was_drawn_too_far_off(project):
    off = "a/1.jpg bird 0.1 0.5 0.1 0.5 0.9 0.9\na/1.jpg seal 0.6 0.75 0.5 0.8 0.8 0.8"
    project.cycle(labels(f"{off}\na/2.jpg seal 0.1 0.5 0.1 0.5 0.9 0.9", "tested"))
    found, page = report(project)
    (missed,) = found["mistakes"]["missed"]["shown"]
    assert (missed["score"], missed["off"]) == (0.8, True) and "of 0.80 lies too far off" in page


def test_folders_that_were_trained_on_are_told_from_those_that_were_not(filled):
    folders = filled[1]["folders"]
    first, second = folders["shown"]
    assert (first["folder"], first["trained_on"], first["boxes"], first["boxes_found"]) == (
        "a",
        True,
        3,
        1,
    )
    assert (second["folder"], second["trained_on"], second["false_alarms"]) == ("b", False, 1)
    assert second["recall"] is None
    known, unknown = folders["groups"]
    assert known["AP"]["AP"] == pytest.approx(0.75) and unknown["AP"] is None
    assert (unknown["folders"], unknown["images"], unknown["false_alarms_per_100_empty"]) == (
        1,
        2,
        50,
    )


def test_the_next_photos_are_shown_with_the_reason_and_nothing_is_handed_out(filled):
    project, found, page = filled
    batch = found["next_batch"]
    assert batch["from"] == 3 and {row["image"] for row in batch["images"]} == {
        "a/5.jpg",
        "b/6.jpg",
        "b/7.jpg",
    }
    why = {row["image"]: row["why"] for row in batch["images"]}
    assert why["a/5.jpg"] == "its least sure box has a score of 0.90"
    assert why["b/6.jpg"] == "no box was found" and why["b/6.jpg"] in page
    assert why["b/7.jpg"] == "no model has seen it yet"
    assert project.names("tagging") == []


def test_the_course_compares_models_on_the_same_images(project):
    project.cycle(labels("a/1.jpg bird 0.1 0.5 0.1 0.5 0.9 0.9", "tested"))  # a quarter of them
    better = labels(
        "a/1.jpg bird 0.1 0.5 0.1 0.5 0.9 0.8\na/1.jpg seal 0.6 0.9 0.5 0.9 0.8 0.8\n"
        "a/2.jpg seal 0.1 0.5 0.1 0.5 0.9 0.9\nb/3.jpg NULL 0 0 0 0 0 0\nb/4.jpg NULL 0 0 0 0 0 0",
        "tested",
    )
    project.cycle(better)
    first, second, third = report(project)[0]["course"]
    assert (first["same"]["AP"], first["same"]["images"]) == (0.625, 4)
    assert second["same"] is None and second["AP_then"] == 0.5
    assert third["same"] == {"AP": 1, "low": 1, "high": 1, "images": 4}
    assert (first["images"], first["boxes"], third["cycle"]) == (5, 4, 3)


def test_status_names_the_newest_report_and_a_cycle_keeps_its_own(project):
    report(project)
    first = project.state().report
    assert project.state().cycles[-1]["report"] == first
    report(project)
    assert project.state().report != first and project.state().cycles[-1]["report"] == first
    assert f"newest report: {project.images.path_of('x').parent.parent / 'labels'}" in done(
        "tag/status.py", project.config
    )
    said = json.loads(done("tag/status.py", project.config, "--json"))
    assert said["report"].endswith(project.state().report)
    assert "0 rules broken" in done("tag/status.py", project.config, "--check")


def test_the_page_asks_nothing_of_anybody(filled):
    project, _, page = filled
    assert "<script" not in page and "default-src 'none'" in page
    assert not re.findall(r"(?:src|href)=\"(?!#|data:image/jpeg)[^\"]*", page)
    assert len(page.encode()) < 500_000
    assert (project.settings.data_dir / "report.html").read_bytes() == page.encode()


@pytest.mark.parametrize("lost", ["report", "twin", "tested"])
def test_a_report_that_is_gone_is_found_and_forgotten(project, lost):
    report(project)
    state = project.state()
    blob = {
        "report": state.report,
        "twin": twin_of(state.report),
        "tested": state.cycles[-1]["tested"],
    }[lost]
    project.store.labels.delete(blob)
    assert run("tag/status.py", project.config, "--check").returncode == 1
    done("tag/status.py", project.config, "--repair")
    assert "0 rules broken" in done("tag/status.py", project.config, "--check")
    found, _ = report(project)
    assert ("test" in found) == (lost != "tested")


def test_a_report_is_made_on_every_store(store, tmp_path):
    project = ReportProject(store, tmp_path)
    project.fill()
    found, page = report(project)
    state = project.state()
    assert found["test"]["images"] == 4 and page.count("data:image/jpeg;base64,") == 7
    assert state.cycles[-1]["report"] == state.report in done("tag/status.py", project.config)
    assert "0 rules broken" in done("tag/status.py", project.config, "--check")


def test_the_random_share_is_measured_for_the_live_model(project):
    assert report(project)[0]["random_share"] is None
    model = project.state().live["model"]
    drawn = labels("a/9.jpg bird 0 1 0 1 0.9 0.9", "drawn").assign(model=model)
    project.commit(drawn=tables.concat("drawn", drawn))
    found, page = report(project)
    share = found["random_share"]
    assert (share["model"], share["AP"], share["images"]) == (model, 1, 1)
    assert "On photos drawn at random" in page


def test_predictions_that_were_imported_as_a_model_are_shown_too(folder_store, tmp_path):
    made = ReportProject(folder_store, tmp_path)
    made.fill()
    made.commit({"live": {}, "cycles": []})
    rows = labels(TESTED, "tested").assign(image_confidence=0.5)
    (tmp_path / "found.csv").write_bytes(tables.to_csv("totag", rows, True))
    done(
        "train/import_predictions.py", tmp_path / "found.csv", made.config, "--as-model", "detector"
    )
    found, _ = report(made)
    assert (found["model"], found["test"]["images"], found["course"]) == ("detector", 4, [])


def test_a_first_model_that_is_only_a_candidate_is_shown_too(project):
    (cycle,) = project.state().cycles
    candidate = {**cycle, "verdict": {"why": "it is no better"}}
    project.commit({"live": {}, "cycles": [], "candidate": candidate})
    found, page = report(project)
    assert (found["model"], found["test"]["images"]) == (cycle["model"], 4)
    assert "was kept and is not in use: it is no better" in page


def test_a_page_does_not_grow_with_the_project(folder_store, tmp_path):
    names = [f"class {number}" for number in range(250)]
    made = ReportProject(folder_store, tmp_path, classes=",".join(names))
    lines = [f"f{number}/1.jpg x 0.1 0.5 0.1 0.5" for number in range(250)]
    tagged = labels("\n".join(lines)).assign(**{"class": names})
    tested = labels("\n".join(f"{line} 0.9 0.9" for line in lines), "tested")
    made.commit(tagged=tagged, test=tagged)
    made.cycle(tested.assign(**{"class": names[1:] + names[:1]}))
    found, page = report(made)
    assert len(found["folders"]["shown"]) == 40 and found["folders"]["count"] == 250
    assert [len(row) for row in found["confusion"]["matrix"]] == [14] * 14
    assert sum(map(sum, found["confusion"]["matrix"])) == 250
    assert len(found["classes"]) == 200 and page.count('<svg class="chart"') == 12 + 2
    assert found["mistakes"]["mixed_up"]["count"] == 250
    assert len(found["mistakes"]["mixed_up"]["shown"]) == 12 and len(page) < 700_000


def test_pictures_stop_where_the_page_is_full(project):
    album = Album(gather(project.settings, project.images, project.labels, project.state()), 1)
    assert album.whole("a/1.jpg", [], 200).address.startswith("data:image/jpeg")
    assert "too large" in album.whole("a/1.jpg", [], 200).why


def test_every_strategy_has_words_for_why():
    assert WORDS.keys() == STRATEGIES.keys()


def test_the_time_of_people_is_there_where_it_is_known(project):
    assert report(project)[0]["work"] is None
    rows = effort_rows("a/1.jpg bird 1 0 0 0 1", at="2026-10-01T00:00:00Z", seconds=60)
    project.commit(effort=rows)
    found, page = report(project)
    (cycle,) = found["course"]
    # a kept box saves 5 seconds
    assert (cycle["hours"], cycle["saved_hours"]) == (0.0167, round(5 / 3600, 4))
    assert (found["work"]["hours"], found["work"]["saved_hours"]) == (0.0167, round(5 / 3600, 4))
    assert "anna" not in page and "anna" not in json.dumps(found)
    assert "<b>1.0 min</b>" in page and "<td>0.1 min</td>" in page.replace(' class="optional"', "")


def test_pre_labels_that_cost_more_than_they_save_are_named_with_a_higher_score(project):
    late = effort_rows("a/1.jpg bird 0 0 0 60", at="2026-10-01T00:00:00Z")
    project.commit(effort=late)
    found, page = report(project)
    said = (
        "pre-labels cost more than they save: 60 of 60 were deleted; try prelabel_confidence=0.75"
    )
    assert said in page and said in found["work"]["prelabels"]
    assert found["course"][0]["saved_hours"] == round(-120 / 3600, 4) and "-2.0 min" in page
    assert "pre-labels cost 2.0 min more than they saved" in page


# What is not there


def with_notes(project) -> tuple[dict, str]:
    """The twin, and its notes, which are on the page too."""
    found, page = report(project)
    for note in found["notes"]:
        assert note.split("'")[0].split('"')[0][:40] in page
    return found, "\n".join(found["notes"])


def test_without_a_project_one_line_says_so(folder_store, tmp_path):
    finished = run("train/active_learning_report.sh", ReportProject(folder_store, tmp_path).config)
    assert finished.returncode == 2 and "no project there yet" in finished.stderr


def test_without_labels_or_a_model_the_page_says_what_to_do(folder_store, tmp_path):
    made = ReportProject(folder_store, tmp_path)
    made.photos(["a/5.jpg", "b/6.jpg", "b/7.jpg"])
    made.commit(totag=labels(TOTAG, "totag"))
    found, said = with_notes(made)
    assert "There is no model yet" in said and "No photo has been reviewed yet" in said
    assert (
        found["next"].startswith("download_vott_json.py")
        and len(found["next_batch"]["images"]) == 3
    )


def test_without_a_test_set_the_page_says_so(project):
    project.commit(test=tables.empty("test"))
    assert "There is no test set" in with_notes(project)[1]


def test_of_an_old_container_without_stored_predictions_the_page_names_the_way(project):
    project.cycle(None)
    found, said = with_notes(project)
    assert "was not kept" in said and "active_learning_eval.sh" in said
    assert [row["AP_then"] for row in found["course"]] == [0.5, 0.5]


def test_an_evaluation_of_the_live_model_serves_as_well(project):
    model = project.cycle(None)
    data = tables.to_csv("tested", labels(TESTED, "tested"), True)
    blob = project.labels.publish_file("tested", ".csv", data)
    entry = {"at": "2026-12-01T00:00:00Z", "model": model, "tested": blob}
    project.commit({"evaluations": [entry]})
    assert report(project)[0]["test"]["images"] == 4


def test_a_class_without_test_boxes_is_named_and_has_no_figure(project):
    project.config.write_text(project.config.read_text().replace("bird,seal", "bird,seal,fox"))
    found, said = with_notes(project)
    assert "No test photo shows fox" in said
    fox = next(entry for entry in found["classes"] if entry["class"] == "fox")
    assert (fox["AP"], fox["boxes"], fox["curve"]) == (None, 0, None)


def test_test_images_that_joined_later_or_are_gone_are_counted(project):
    tagged = labels(TAGGED + "a/5.jpg NULL\na/gone.jpg NULL\n")
    project.commit(tagged=tagged, test=tables.only(tagged, {*TEST, "a/5.jpg", "a/gone.jpg"}))
    found, said = with_notes(project)
    assert "1 test photos are gone" in said and "1 test photos were not shown" in said
    assert found["test"]["images"] == 4


def test_pictures_that_are_gone_or_damaged_leave_a_word_in_their_place(project):
    project.images.delete("a/2.jpg")
    project.images.delete("b/3.jpg")
    project.images.write("b/3.jpg", b"no picture")
    page = report(project)[1]
    assert page.count("this photo cannot be read now") == 3
    assert page.count("data:image/jpeg;base64,") == 1 + 3


def test_only_empty_test_images_give_a_page_without_ap(project):
    project.commit(test=labels("b/3.jpg NULL\nb/4.jpg NULL"))
    found, page = report(project)
    assert found["AP"] is None and found["images"]["false_alarms_per_100_empty"] == 50
    assert "no test photo shows an object" in page


def test_names_that_are_html_are_text(project):
    bad = "<script>alert(1)</script>"
    names, classes = {"a/1.jpg": f"a/{bad}.jpg".replace("/s", "_s")}, {"bird": bad}
    project.photos([*names.values(), "a/2.jpg", "b/3.jpg", "b/4.jpg", "a/9.jpg"])
    tagged = project.renamed(labels(TAGGED), names, classes)
    project.config.write_text(
        project.config.read_text().replace("bird,seal", f"{bad},seal"), encoding="utf-8"
    )
    project.commit(tagged=tagged, test=tables.only(tagged, {*TEST, *names.values()}))
    project.cycle(project.renamed(labels(TESTED, "tested"), names, classes))
    page = report(project)[1]
    assert "&lt;script&gt;alert(1)" in page and "<script" not in page


def test_secrets_do_not_come_out(project):
    names = {"a/1.jpg": "a/password=verysecret1.jpg"}
    project.photos([*names.values(), "a/2.jpg", "b/3.jpg", "b/4.jpg", "a/9.jpg"])
    tagged = project.renamed(labels(TAGGED), names)
    project.commit(tagged=tagged, test=tables.only(tagged, {*TEST, *names.values()}))
    project.cycle(project.renamed(labels(TESTED, "tested"), names))
    found, page = report(project)
    assert "password=***" in page and "password=***" in json.dumps(found)
    assert "verysecret1" not in page and "verysecret1" not in json.dumps(found)
