"""The last three steps of a cycle: predictions of all images, their evaluation, and one commit of
everything.
"""

import os
import shutil
from datetime import UTC, datetime

import create_predictions
import fetch_model
import initialize
import publish_predictions
import pytest
import sync_images
from helpers_colour_graph import write_frozen_graph
from helpers_cycle import GREEN, RED, CycleProject
from helpers_programs import done, run

from train.cycle import publishing
from train.cycle.files import read_cycle
from train.cycle.outputs import CycleOutputs
from utils.errors import InputError
from utils.labels import tables
from utils.labels.state import Change
from utils.labels.tables import image_set, without
from utils.times import utc_text


@pytest.fixture
def project(tmp_path):
    made = CycleProject(tmp_path)
    made.fill()
    return made


def lines(frame):
    return [
        f"{row.folder}/{row.filename} {row['class']} {row.xmin:.2f} {row.ymin:.2f} {row.xmax:.2f}"
        f" {row.ymax:.2f} {row.box_confidence:.2f} {row.image_confidence:.2f}"
        for _, row in frame.iterrows()
    ]


def test_nothing_predicted_yet_is_one_line_that_names_the_step(tmp_path):
    made = CycleProject(tmp_path)
    for program, step in (
        ("create_predictions", "sync_images.py"),
        ("evaluate_model", "repartition_test_set.py"),
        ("publish_cycle", "export_model.py"),
    ):
        finished = run(f"train/{program}.py", made.config)
        assert (finished.returncode, finished.stdout) == (2, "")
        last = finished.stderr.strip().splitlines()[-1]
        assert last.startswith(f"{program}.py: ") and f"not there; {step}" in last


def test_the_last_steps_run_as_programs_and_publish_one_commit(project):
    said = [
        done(f"train/{program}.py", project.config).splitlines()
        for program in ("create_predictions", "evaluate_model", "compare_models", "publish_cycle")
    ]
    assert said[0][-1].startswith("9 images, 4 boxes from 0.5 up, ") and said[0][-1].endswith(
        f"→ {project.settings.untagged_output}"
    )
    assert said[1][0].split() == [
        "class",
        "images",
        "boxes",
        "AP",
        "coco_ap50",
        "coco_ap",
        "precision",
        "recall",
        "threshold",
    ]
    assert (
        said[1][1].startswith("red thing ")
        and said[1][2].startswith("green thing ")
        and said[1][3].startswith("Average ")
    )
    state = project.state()
    entry = state.cycles[0]
    assert (
        said[3][-1] == f"cycle 1: 4 images, 2 boxes labelled, average AP 1.00 → {entry['model']},"
        f" {entry['totag']}, {entry['performance']}"
    )
    assert lines(project.table("totag")) == [
        "a/2.png red thing 0.50 0.25 1.00 0.75 0.90 0.90",
        "a/3.png red thing 0.50 0.25 1.00 0.75 0.90 0.90",
        "b/2.png NULL 0.00 0.00 0.00 0.00 0.00 0.00",
        "b/3.png NULL 0.00 0.00 0.00 0.00 0.00 0.00",
        "b/9.png NULL 0.00 0.00 0.00 0.00 0.00 0.00",
    ]
    reviewed = tables.parse("totag", project.settings.tagged_predictions)
    assert image_set(reviewed) == {"a/0.png", "a/1.png", "b/0.png", "b/1.png"}
    assert image_set(project.table("test")) == image_set(
        tables.parse("totag", project.settings.data_dir / "test_predictions.csv")
    )
    assert state.live == {
        kind: entry[kind] for kind in ("model", "label_map", "config", "embeddings")
    }
    assert entry["metrics"]["Average"] == {
        "AP": 1.0,
        "coco_ap": pytest.approx(1, abs=0.3),
        "coco_ap50": 1.0,
    }
    assert entry["metrics"]["green thing"] == {"AP": None, "coco_ap": None, "coco_ap50": None}
    assert entry["weights"] == "scratch" and entry["seed"] == 0 and entry["training"]["steps"] == 7
    assert entry["versions"]["tensorflow"] and entry["durations"]["create_predictions"] >= 0
    assert entry["tagged"] == state.blob("tagged") and entry["test"] == state.blob("test")
    labels = project.folder / "store" / "labels"
    assert (labels / entry["model"]).read_bytes() == (
        project.settings.inference_output_dir / "frozen_inference_graph.pb"
    ).read_bytes()
    assert "classes" in (labels / entry["config"]).read_text()
    assert (labels / entry["performance"]).read_text().splitlines()[1].startswith("Average,1,")


def test_test_images_are_predicted_from_a_hundredth_up_whatever_min_confidence_is(project):
    project.photo("a/0.png", GREEN)  # found with 0.3, below min_confidence
    project.photo("a/1.png", GREEN)
    project.tag(("a/0.png", "green thing"), ("a/1.png", "green thing"))
    project.train()
    project.predict()
    tested = tables.parse("totag", project.settings.data_dir / "test_predictions.csv")
    assert set(tested["class"]) == {"green thing", "NULL"}
    assert set(tables.parse("totag", project.settings.tagged_predictions)["class"]) == {"NULL"}


def test_publishing_twice_publishes_nothing_twice(project, capsys):
    project.predict()
    project.publish()
    first, said = project.state(), capsys.readouterr().out.splitlines()
    project.publish()
    again = capsys.readouterr().out.splitlines()
    assert project.state() == first
    assert again[0] == "this cycle was published already" and again[-1] == said[-1]
    assert len(project.blobs("model")) == 1


def test_a_publication_that_was_cut_off_before_the_commit_goes_on_with_the_blobs_it_wrote(project):
    project.predict()
    before = project.state()
    publishing.publish_files(project.settings, project.labels, CycleOutputs.read(project.settings))
    assert project.state() == before
    project.publish()
    assert len(project.state().cycles) == 1
    assert [
        len(project.blobs(kind)) for kind in ("model", "label_map", "config", "performance")
    ] == [1, 1, 1, 1]


def test_a_publication_whose_end_was_not_seen_is_recognised(project):
    project.predict()
    saved = project.settings.data_dir / "cycle.json"
    before = saved.read_bytes()
    project.publish()
    saved.write_bytes(before)  # as if the power had failed before anything was written here
    project.publish()
    assert len(project.state().cycles) == 1


def test_predicting_anew_with_another_model_is_a_new_cycle(project):
    project.predict()
    project.publish()
    write_frozen_graph(
        project.settings.inference_output_dir / "frozen_inference_graph.pb", canvas=(128, 128)
    )
    project.predict()
    project.publish()
    assert len(project.state().cycles) == 2


def test_images_handed_out_or_reviewed_meanwhile_do_not_come_back(project):
    project.predict()
    project.reserve("a/2.png")
    project.tag(("b/2.png", "green thing"))
    project.publish()
    assert image_set(project.table("totag")) == {"a/3.png", "b/3.png", "b/9.png"}
    assert image_set(project.table("tagging")) == {"a/2.png"}
    assert "b/2.png" in image_set(project.table("tagged"))


def test_images_that_others_took_in_meanwhile_are_kept_unseen(project):
    project.predict()
    project.photo("c/new.png", RED)
    initialize.main([str(project.config)])
    project.publish()
    assert "c/new.png" in image_set(project.table("images"))
    new = tables.only(project.table("totag"), {"c/new.png"})
    assert new["class"].tolist() == ["NULL"] and new["box_confidence"].isna().all()


def test_an_image_that_was_replaced_meanwhile_gets_no_predictions_of_the_picture_before(project):
    def etags():
        listed = project.table("images")
        return dict(zip(tables.blob_names(listed), listed["etag"], strict=True))

    project.predict()
    old = etags()
    project.photo("a/2.png", GREEN)
    initialize.main([str(project.config)])
    new = etags()
    assert {image for image in new if new[image] != old[image]} == {"a/2.png"}
    project.publish()
    assert etags() == new
    assert tables.only(project.table("totag"), {"a/2.png"})["box_confidence"].isna().all()
    assert image_set(project.table("predicted")) == {"a/3.png", "b/2.png", "b/3.png", "b/9.png"}


def test_an_image_found_broken_meanwhile_stays_failed(project):
    project.predict()

    def broken(state):
        gone = tables.only(project.labels.table(state, "images"), {"a/2.png"})
        failed = tables.make(
            "failed",
            filename=gone["filename"],
            folder=gone["folder"],
            reason=["gone"],
            etag=gone["etag"],
        )
        return Change(
            {
                "failed": failed,
                "totag": without(project.labels.table(state, "totag"), {"a/2.png"}),
                "images": without(project.labels.table(state, "images"), {"a/2.png"}),
            }
        )

    project.labels.commit(broken, what="test")
    project.publish()
    assert image_set(project.table("failed")) == {"a/2.png"}
    assert "a/2.png" not in image_set(project.table("images")) | image_set(project.table("totag"))


def test_images_gone_from_the_container_leave_totag_and_labelled_ones_stay_labelled(project):
    for blob in ("a/0.png", "a/3.png"):
        os.remove(project.folder / "store" / "images" / blob)
    project.train()
    project.predict()
    project.publish()
    assert image_set(project.table("totag")) == {"a/2.png", "b/2.png", "b/3.png", "b/9.png"}
    assert "a/0.png" in image_set(project.table("tagged"))
    assert not {"a/0.png", "a/3.png"} & image_set(project.table("images"))


def test_an_image_that_goes_between_sync_and_prediction_is_left_out(project, capsys):
    os.remove(project.folder / "store" / "images" / "a" / "3.png")
    project.predict()
    assert (
        "1 images are gone or were replaced since the sync, or cannot be read now: left out"
        in capsys.readouterr().out
    )
    project.publish()
    assert "a/3.png" not in image_set(project.table("images")) | image_set(
        project.table("totag")
    ) | image_set(project.table("failed"))


def test_an_image_that_cannot_be_decoded_is_failed_and_counted_and_never_handed_out(
    project, capsys
):
    path = project.folder / "store" / "images" / "a" / "2.png"
    path.write_bytes(path.read_bytes()[:-30])  # its header is fine
    project.train()
    project.predict()
    assert "1 images cannot be decoded, they are listed in " in capsys.readouterr().out
    project.predict()  # a second run says no more and no less
    project.publish()
    failed = project.table("failed")
    assert image_set(failed) == {"a/2.png"} and failed["reason"][0] and failed["etag"][0]
    assert "a/2.png" not in image_set(project.table("images")) | image_set(project.table("totag"))


def test_a_test_set_drawn_anew_meanwhile_stands_and_the_next_cycle_starts_from_pretrained_weights(
    project,
):
    project.predict()
    drawn = image_set(tables.parse("test", project.settings.test_output))

    def redraw(state):
        tagged = project.labels.table(state, "tagged")
        return Change({"test": without(tagged, drawn)}, {"pretrained_next": True})

    project.labels.commit(redraw, what="test")
    project.publish()
    state = project.state()
    assert image_set(project.table("test")) == image_set(project.table("tagged")) - drawn
    assert state.document["pretrained_next"] is True
    own = project.labels.table(type(state)({"tables": {"test": state.cycles[0]["test"]}}), "test")
    assert image_set(own) == drawn


def test_an_ordinary_cycle_clears_the_wish_for_pretrained_weights(project):
    project.labels.commit(lambda state: Change(members={"pretrained_next": True}), what="test")
    project.train()
    project.predict()
    project.publish()
    assert (
        project.state().document["pretrained_next"] is False and project.state().cycles[-1]["fresh"]
    )


def test_test_rows_follow_corrections_made_meanwhile(project):
    project.predict()
    blob = next(iter(sorted(image_set(tables.parse("test", project.settings.test_output)))))
    project.tag((blob, "green thing"))
    project.publish()
    assert tables.only(project.table("test"), {blob})["class"].tolist() == ["green thing"]


def test_images_outside_pred_dir_stay_as_they_are(project):
    project.predict()
    project.publish()
    before = project.table("totag")
    project.config.write_text(project.config.read_text() + "pred_dir=b\n")
    project.reserve("b/3.png")
    sync_images.main([str(project.config), "--pred-dir"])
    fetch_model.main([str(project.config)])
    create_predictions.main([str(project.config)])
    publish_predictions.main([str(project.config)])
    assert len(project.state().cycles) == 1
    assert image_set(project.table("totag")) == image_set(before) - {"b/3.png"}
    before = without(before, {"b/3.png"})
    assert sorted(lines(project.table("totag"))) == sorted(lines(before))
    assert len(project.table("images")) == 9


def test_without_any_test_image_performance_is_empty_and_that_is_said(tmp_path, capsys):
    made = CycleProject(tmp_path, test_percentage=0)
    made.photo("a/0.png", RED)
    made.photo("a/1.png", RED)
    initialize.main([str(made.config)])
    made.tag(("a/0.png", "red thing"))
    made.train()
    made.predict()
    assert "there is no test set, so nothing was measured" in capsys.readouterr().out
    made.publish()
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .startswith("cycle 1: 1 images, 1 boxes labelled, average AP - → model_")
    )


def test_when_no_image_at_all_can_be_predicted_that_is_an_error_and_old_files_stay(project):
    project.settings.untagged_output.write_text("from before")
    shutil.rmtree(project.folder / "store" / "images")
    (project.folder / "store" / "images").mkdir()
    with pytest.raises(
        InputError, match=r"none of 9 images could be predicted; the first: a/0.png \(gone\)"
    ):
        project.predict()
    assert project.settings.untagged_output.read_text() == "from before"


def test_what_a_cycle_leaves_behind_says_how_long_it_took(project):
    project.predict()
    cycle = read_cycle(project.settings)
    assert {"images": 9, "boxes": 4, "failed": 0}.items() <= cycle["predicted"].items()
    assert cycle["started_at"] <= utc_text(datetime.now(UTC))


def test_nothing_is_published_when_a_class_name_means_another_class_than_when_the_cycle_began(
    project,
):
    project.predict()
    done("tag/change_classes.py", project.config, "--rename", "red thing=rose")
    done("tag/change_classes.py", project.config, "--rename", "green thing=red thing")
    before = project.state()
    with pytest.raises(InputError, match="and red thing means another class now; begin it again"):
        project.publish()
    assert project.state() == before


def test_predictions_of_a_model_that_knows_old_class_names_are_published_under_the_present_ones(
    project,
):
    project.predict()
    done(
        "tag/change_classes.py",
        project.config,
        "--rename",
        "red thing=rose",
        "--drop",
        "green thing",
    )
    project.publish()
    assert sorted(set(project.table("totag")["class"])) == ["NULL", "rose"]
    done("tag/status.py", project.config, "--check")
