"""download --review-suspect: labelled images that a model contradicts which was not trained on
them, strongest first.
"""

import hashlib

import pytest
from helpers_batch import BatchProject, picture, region
from helpers_programs import done
from helpers_tables import effort_rows, labels

from utils.batch.batch import read_batch
from utils.boxes.suspects import OFF, OVERLOOKED, SWAPPED, UNSUPPORTED
from utils.labels.tables import blob_names, empty, image_set, make, only, to_csv
from utils.review.session import Session
from utils.selection.reasons import RANDOM, reason

GOOD = "bird 0.1 0.5 0.2 0.8"
MISTAKES = {  # what is labelled wrongly where the model sees GOOD; the strongest first
    "none.jpg": [GOOD, "bird 0.6 0.9 0.1 0.4"],
    "over.jpg": ["NULL"],
    "swap.jpg": ["seal 0.1 0.5 0.2 0.8"],
    "off.jpg": ["bird 0.3 0.7 0.2 0.8"],
}
RIGHT = [f"{number}.jpg" for number in range(6)]
TAGGED = "\n".join(
    [f"{name} {GOOD}" for name in RIGHT]
    + [f"{name} {row}" for name, rows in MISTAKES.items() for row in rows]
)
SCORES = {"over.jpg": 0.99, "swap.jpg": 0.95, "none.jpg": 0.9, "off.jpg": 0.9}
SEEN = "\n".join(f"{name} {GOOD} {SCORES.get(name, 0.9)} 0.9" for name in [*RIGHT, *MISTAKES])


def publish(project, table: str, rows, at="2026-05-01T00:00:00Z", tagged=None, **members):
    """Put down a cycle that has published these predictions as `tested` or `totag`; it was trained
    on what was `tagged`, nothing by default.
    """
    commits = {
        table: to_csv(table, rows, True),
        "tagged": to_csv("tagged", empty("tagged") if tagged is None else tagged, True),
        "test": to_csv("test", empty("test"), True),
    }
    blobs = {
        name: project.labels.publish_file(name, ".csv", data) for name, data in commits.items()
    }
    entry = {"id": at, "at": at, "model": "model_1.pb", **blobs, **members}
    project.commit({"cycles": [*project.state().cycles, entry]})


@pytest.fixture
def project(folder_store, tmp_path):
    return started(folder_store, tmp_path)


def started(store, folder, **settings):
    made = BatchProject(store, folder, "new.jpg NULL", user_folders="True", **settings)
    tagged = labels(TAGGED)
    for blob in image_set(tagged):
        made.images.write(blob, picture())
    made.commit(tagged=tagged)
    return made


def handed_out(project) -> list[str]:
    return [blob for blob, tagger in _review(project) if tagger]


def _review(project):
    frame = project.table("review")
    return list(zip(blob_names(frame), frame["tagger"], strict=True))


@pytest.mark.parametrize("table", ["tested", "totag"])
def test_all_four_kinds_come_first_with_the_reason_and_go_back_as_any_review(
    store, tmp_path, table
):
    project = started(store, tmp_path)
    publish(project, table, labels(SEEN, table))
    output = project.run("download", 4, "--review-suspect")
    assert handed_out(project) == list(MISTAKES)
    assert "over.jpg: no box where the model sees bird (score 0.99)" in output
    assert "swap.jpg: labelled seal, the model sees bird (score 0.95)" in output
    assert "off.jpg: the box of bird may be off: it shares 0.33" in output
    assert "none.jpg: the model sees nothing where bird is labelled" in output
    assert (
        "(1 nothing labelled where the model is sure, 1 another class, 1 a box that may be off, 1 a"
        " label that the model does not support)" in output
    )
    assert project.last(output).startswith("4 images to look at again, 4 boxes")
    page = Session(read_batch(project.place)).describe()["images"]
    whys = {image["name"]: image["why"] for image in page}
    assert whys["swap.jpg"] == "labelled seal, the model sees bird (score 0.95)"

    project.save({"swap.jpg": [region("bird", 20, 100, 20, 80)]}, ["swap.jpg"])
    project.run("upload", "--all")
    assert "swap.jpg bird 0.1 0.5 0.2 0.8" in project.boxes()
    # what somebody has looked at again is believed, corrected or not
    output = project.run("download", 2, "--review-suspect")
    assert not set(handed_out(project)) & set(MISTAKES)
    assert "left out: 4 images that were looked at again since" in output


def test_the_table_selection_says_why_beside_why_it_was_chosen_to_be_labelled(project):
    first = make("selection", filename=["swap.jpg", "0.jpg"], strategy="random", random="1")
    project.commit(selection=first)
    publish(project, "tested", labels(SEEN, "tested"))
    for again in ([], ["--discard"]):  # the second time in place of the first
        project.run("download", 4, "--review-suspect", *again)
        rows = project.table("selection").to_dict("records")
        assert [(row["filename"], row["strategy"], row["class"]) for row in rows] == [
            ("swap.jpg", "random", ""),
            ("0.jpg", "random", ""),
            ("none.jpg", UNSUPPORTED, "bird"),
            ("over.jpg", OVERLOOKED, "bird"),
            ("swap.jpg", SWAPPED, "bird"),
            ("off.jpg", OFF, "bird"),
        ]
    assert [reason(row) for row in rows[1:]] == [
        RANDOM,
        f"the model sees nothing where bird is labelled (suspicion {rows[2]['score']:.2f})",
        f"the model sees bird where nothing is labelled (suspicion {rows[3]['score']:.2f})",
        f"the model sees bird where another class is labelled (suspicion {rows[4]['score']:.2f})",
        f"a box of bird may be off (suspicion {rows[5]['score']:.2f})",
    ]


def test_what_was_predicted_before_an_image_was_drawn_at_random_counts(project):
    drawn = labels(SEEN, "drawn").assign(model="model_1.pb")
    project.commit(drawn=drawn)
    project.run("download", 2, "--review-suspect")
    assert handed_out(project) == ["none.jpg", "over.jpg"]


def test_predictions_of_a_model_that_was_trained_on_the_image_do_not_count(project):
    trained = labels(f"over.jpg {GOOD}\nswap.jpg {GOOD}")
    publish(project, "totag", empty("totag"), "2026-04-01T00:00:00Z", tagged=trained)
    publish(project, "tested", labels(SEEN, "tested"), tagged=trained)  # it may have begun there
    output = project.run("download", 2, "--review-suspect")
    assert handed_out(project) == ["none.jpg", "off.jpg"]
    assert (
        "left out: 2 labelled images, as every model that has seen them was trained on them or has"
        " left no predictions" in output
    )


def test_the_validation_part_of_a_cycle_counts_and_a_model_that_was_only_measured_may_be_any(
    project,
):
    # tagged then, and tested beside the test images: its validation part
    validated = labels(f"over.jpg {GOOD}\nswap.jpg {GOOD}\noff.jpg {GOOD}")
    rows = labels(SEEN, "tested")
    publish(project, "tested", only(rows, {"over.jpg", "swap.jpg"}), tagged=validated)
    tested = project.labels.publish_file("tested", ".csv", to_csv("tested", rows, True))
    project.commit({"evaluations": [{"at": "2026-03-01T00:00:00Z", "tested": tested}]})
    output = project.run("download", 9, "--review-suspect")
    assert {"none.jpg", "over.jpg", "swap.jpg"} <= set(handed_out(project))
    assert "left out: 1 labelled images" in output and "off.jpg" not in handed_out(project)


def test_the_newest_predictions_count(project):
    publish(project, "totag", labels(SEEN, "totag"), "2026-04-01T00:00:00Z")
    later = labels("over.jpg NULL 0 0 0 0 0 0", "totag")
    publish(project, "totag", later, "2026-05-01T00:00:00Z")
    project.run("download", 2, "--review-suspect")
    assert handed_out(project) == ["none.jpg", "swap.jpg"]


def test_who_looked_again_before_the_newest_predictions_may_look_once_more(project):
    looked = effort_rows("over.jpg bird 0 0 0 0 1", batch="b-review", at="2026-04-20T00:00:00Z")
    project.commit(effort=looked)
    publish(project, "tested", labels(SEEN, "tested"), "2026-05-01T00:00:00Z")
    project.run("download", 2, "--review-suspect")
    assert handed_out(project) == ["none.jpg", "over.jpg"]


def test_classes_that_were_renamed_are_compared_under_their_present_names(project):
    publish(project, "tested", labels(SEEN, "tested"))
    done("tag/change_classes.py", project.config, "--rename", "bird=tern")
    output = project.run("download", 3, "--review-suspect")
    assert handed_out(project) == ["none.jpg", "over.jpg", "swap.jpg"]
    assert "labelled seal, the model sees tern" in output


def test_pictures_that_were_replaced_since_and_files_that_are_gone_do_not_count(project):
    listed = project.listed(*RIGHT, *MISTAKES)
    before = listed.assign(md5=listed["md5"].where(blob_names(listed) != "over.jpg", "old"))
    images = project.labels.publish_file("images", ".csv", to_csv("images", before, True))
    publish(project, "tested", labels(SEEN, "tested"), images=images)
    publish(project, "totag", labels(SEEN, "totag"), "2026-06-01T00:00:00Z")
    gone = project.state().cycles[-1]["totag"]
    (project.labels.container.path_of("x").parent / gone).unlink()
    data = picture()
    md5 = hashlib.md5(data).hexdigest()
    project.commit(images=listed.assign(md5=md5))
    project.run("download", 2, "--review-suspect")
    assert handed_out(project) == ["none.jpg", "swap.jpg"]


def test_where_nothing_is_to_be_said_one_line_says_what_helps(project):
    said = project.run("download", 1, "--review-suspect", code=2)
    assert "no labelled image contradicts what a model says that was not trained on it" in said
    assert "10 labelled images" in said and "active_learning_crosscheck.sh CONFIG" in said
    for other in (["--like", "0.jpg"], ["--strategy", "random"]):
        said = project.run("download", 1, "--review-suspect", *other, code=2)
        assert "choose among images to tag, not for review" in said


def test_as_many_as_fit_into_the_time_and_only_those_that_nobody_has(project):
    publish(project, "tested", labels(SEEN, "tested"))
    output = project.run("download", "--minutes", 1, "--review-suspect")
    assert handed_out(project)[0] == "none.jpg" and "images will probably take" in output
    project.run("download", 1, "--review-suspect", "--discard")
    assert handed_out(project) == ["none.jpg"]
