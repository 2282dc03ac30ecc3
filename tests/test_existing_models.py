"""Models that exist: the cold start, predicting without training, measuring; what has not changed
is not predicted again.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import time

import create_predictions
import fetch_model
import initialize
import numpy as np
import publish_predictions
import pytest
import sync_images
from helpers_colour_graph import write_frozen_graph
from helpers_cycle import GREEN, RED, CycleProject
from helpers_programs import ROOT, done, run, state_tables
from PIL import Image

from train.cycle.files import update_cycle
from utils.labels import tables
from utils.labels.label_map import write_label_map
from utils.labels.state import Change
from utils.labels.tables import blob_names, image_set

PREDICT, EVALUATE = "train/active_learning_predict_no_train.sh", "train/active_learning_eval.sh"


@pytest.fixture
def project(tmp_path):
    """Nine photos of which four are reviewed and two are the test set, and one published cycle."""
    made = CycleProject(tmp_path, min_confidence=0.2)
    made.fill()
    made.predict()
    made.publish()
    return made


def setting(project, line: str) -> None:
    project.config.write_text(project.config.read_text() + line + "\n")


def predictions(project) -> list[tuple]:
    totag = project.table("totag")
    return sorted(zip(blob_names(totag), totag["class"], strict=True))


def test_only_new_and_changed_images_are_predicted_even_on_a_new_machine(project, capfd):
    before = predictions(project)
    assert "0 predicted now" in done(PREDICT, project.config)
    shutil.rmtree(
        project.settings.data_dir
    )  # a new machine: what was published is all that is known
    said = done(PREDICT, project.config)
    assert "2 labelled images were predicted on another machine: left out" in said
    assert "7 images, 4 boxes from 0.2 up, 2 predicted now" in said, (
        "the test images, which evaluation looks at"
    )
    assert predictions(project) == before
    assert "0 predicted now" in done(PREDICT, project.config)
    project.photo("b/2.png", GREEN)
    project.photo("c/new.png", RED)
    assert "2 predicted now" in done(PREDICT, project.config)
    assert predictions(project) == sorted(
        {**dict(before), "b/2.png": "green thing", "c/new.png": "red thing"}.items()
    )
    assert "10 predicted now" in done(PREDICT, project.config, "--force")
    assert len(project.state().cycles) == 1


def test_predictions_that_were_killed_go_on_with_the_images_that_are_missing(tmp_path, capsys):
    project = CycleProject(tmp_path, min_confidence=0.2)
    project.fill()
    order = blob_names(tables.parse("images", project.settings.data_dir / "images.csv")).tolist()
    # nothing comes out of one file: the run stands still behind the six images before it
    program = f"""if True:
        import sys, time
        sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "train")!r}]
        import create_predictions
        from train.prediction import pipeline
        read = pipeline.read_file
        def slow(file):
            if str(file).endswith({order[6]!r}):
                time.sleep(600)
            return read(file)
        pipeline.read_file = slow
        create_predictions.main(sys.argv[1:])"""
    journal = project.settings.data_dir / "predictions.journal"
    running = subprocess.Popen([sys.executable, "-c", program, project.config, "--batch-size", "2"])
    while not journal.exists() or len(journal.read_bytes().splitlines()) < 1 + 6:
        assert running.poll() is None
        time.sleep(0.05)
    running.kill()
    running.wait()
    assert not project.settings.untagged_output.exists()
    create_predictions.main([str(project.config)])
    assert "9 images, 5 boxes from 0.2 up, 3 predicted now" in capsys.readouterr().out
    found = tables.concat(
        "totag",
        *(
            tables.parse("totag", path)
            for path in (project.settings.untagged_output, project.settings.tagged_predictions)
        ),
    )
    assert dict(zip(blob_names(found), found["class"], strict=True)) == {
        blob: (
            "red thing" if blob.startswith("a") else "green thing" if blob == "b/9.png" else "NULL"
        )
        for blob in order
    }


def test_in_tiles_an_object_on_a_border_is_found_once_and_there_is_no_limit_of_boxes(
    tmp_path, capsys
):
    tiled = dict(tile=True, min_tile_size=100, max_tile_size=200, max_detections=3)
    project = CycleProject(tmp_path, min_confidence=0.2, pred_model_name="model_1.pb", **tiled)
    write_frozen_graph(tmp_path / "store" / "labels" / "model_1.pb")
    # from left to right; tiles end at 200, and begin at 160
    boxes = [
        (150, 210),
        (400, 440),
        (550, 600),
        (700, 750),
        (900, 950),
    ]
    picture = np.full((150, 1000, 3), 128, np.uint8)
    for left, right in boxes:
        picture[60:100, left:right] = RED
    Image.fromarray(picture).save(tmp_path / "store" / "images" / "wide.png")
    initialize.main([str(project.config)])

    def predict(**settings) -> str:
        lines = [
            line
            for line in project.config.read_text().splitlines()
            if not line.startswith(tuple(settings))
        ]
        project.config.write_text(
            "\n".join([*lines, *(f"{key}={value}" for key, value in settings.items())]) + "\n"
        )
        capsys.readouterr()
        for program, *options in (
            (sync_images, "--pred-dir"),
            (fetch_model,),
            (create_predictions,),
            (publish_predictions,),
        ):
            program.main([*options, str(project.config)])
        return capsys.readouterr().out

    assert "1 images, 5 boxes from 0.2 up, 1 predicted now" in predict()
    found = project.table("totag").sort_values("xmin")
    assert set(found["class"]) == {"red thing"}
    np.testing.assert_allclose(found[["xmin", "xmax"]] * 1000, boxes, atol=1)
    np.testing.assert_allclose(found[["ymin", "ymax"]] * 150, [(60, 100)] * 5, atol=1)
    assert "5 boxes from 0.2 up, 0 predicted now" in predict()
    assert "1 boxes from 0.2 up, 1 predicted now" in predict(tile=False)
    assert "5 boxes from 0.2 up, 1 predicted now" in predict(tile=True)
    assert "5 boxes from 0.2 up, 1 predicted now" in predict(max_tile_size=250)


def test_a_model_of_the_earlier_generation_is_run_with_the_classes_of_the_config(project):
    labels = project.folder / "store" / "labels"
    shutil.copyfile(
        project.settings.inference_output_dir / "frozen_inference_graph.pb",
        labels / "model_1593140460.pb",
    )
    setting(project, "pred_model_name=model_1593140460.pb\nclasses=rot,gruen")
    assert "no label map was published with it" in done(PREDICT, project.config)
    assert dict(predictions(project))["b/9.png"] == "gruen"


def test_boxes_of_classes_that_the_config_does_not_know_are_left_out_with_a_count(project):
    setting(project, "classes=red thing")
    said = done(PREDICT, project.config)
    assert (
        "green thing stand not in classes" in said
        and "1 boxes of classes that are not in classes" in said
    )
    assert dict(predictions(project))["b/9.png"] == "NULL"


def test_a_model_that_is_not_there_is_named(project):
    setting(project, "pred_model_name=model_7.pb")
    finished = run(PREDICT, project.config)
    assert (
        finished.returncode == 2
        and "pred_model_name=model_7.pb: there is no such model" in finished.stderr
    )


def test_a_model_is_measured_without_touching_anything_else(project):
    before = project.state().document
    said = done(EVALUATE, project.config)
    after = project.state().document
    assert (
        after["tables"] == before["tables"]
        and after["cycles"] == before["cycles"]
        and after["live"] == before["live"]
    )
    (entry,) = after["evaluations"]
    assert entry["model"] == before["live"]["model"]
    assert said.splitlines()[-1] == f"{entry['model']}: average AP 1.00 → {entry['performance']}"
    assert (
        tables.parse("performance", project.folder / "store" / "labels" / entry["performance"])[
            "AP"
        ][0]
        == 1.0
    )


def test_a_model_is_measured_on_a_machine_that_has_never_trained(project):
    shutil.rmtree(project.settings.data_dir)
    said = done(EVALUATE, project.config)
    assert said.splitlines()[-1].startswith(f"{project.state().live['model']}: average AP 1.00")


def test_what_flatters_or_limits_the_figures_of_an_existing_model_is_said(project):
    setting(project, "classes=red thing,green thing,blue thing")
    project.tag(
        ("a/0.png", "red thing"),
        ("a/1.png", "red thing"),
        ("b/0.png", "blue thing"),
        ("b/1.png", "blue thing"),
    )
    assert "test images are such" not in done(EVALUATE, project.config)
    tagged = project.table("tagged")
    project.labels.commit(
        lambda state: Change({"test": tagged}, {"pretrained_next": True}), what="a redraw"
    )
    said = done(EVALUATE, project.config)
    assert "2 of 4 test images are such that a published model was trained on them" in said
    assert "not measured, as the model does not know them: blue thing (2 boxes)" in said


def test_a_model_with_other_classes_than_the_one_trained_here_is_measured_by_its_own(project):
    labels = project.folder / "store" / "labels"
    shutil.copyfile(
        project.settings.inference_output_dir / "frozen_inference_graph.pb", labels / "model_7.pb"
    )
    # the wrong way round: it finds nothing
    write_label_map(labels / "label_map_7.pbtxt", {"green thing": 1, "red thing": 2})
    setting(project, "pred_model_name=model_7.pb")
    assert done(EVALUATE, project.config).splitlines()[-1].startswith("model_7.pb: average AP 0.00")


def test_classes_renamed_or_made_one_since_the_training_are_predicted_and_measured_by_new_names(
    project,
):
    done("tag/change_classes.py", project.config, "--merge", "red thing,green thing=thing")
    said = done(PREDICT, project.config, "--force")
    assert "left out" not in said
    assert {name for _, name in predictions(project)} == {"thing", "NULL"} and dict(
        predictions(project)
    )["b/9.png"] == "thing"
    assert "average AP 1.00" in done(EVALUATE, project.config).splitlines()[-1]


def test_a_candidate_is_run_with_the_label_map_that_was_published_with_it(project):
    labels = project.folder / "store" / "labels"
    shutil.copyfile(
        project.settings.inference_output_dir / "frozen_inference_graph.pb", labels / "model_5.pb"
    )
    write_label_map(labels / "label_map_6.pbtxt", {"green thing": 1, "red thing": 2})
    candidate = {"model": "model_5.pb", "label_map": "label_map_6.pbtxt"}
    project.labels.commit(lambda state: Change(members={"candidate": candidate}), what="test")
    setting(project, "pred_model_name=model_5.pb")
    assert "2 classes (label_map_6.pbtxt)" in done(PREDICT, project.config)
    assert dict(predictions(project))["b/9.png"] == "red thing"


@pytest.mark.parametrize(
    "program", ["train/train_detector.py", "train/export_model.py", "train/publish_cycle.py"]
)
def test_a_cycle_does_not_go_on_with_what_another_run_left_in_its_place(project, program):
    before = project.state().document
    update_cycle(
        project.settings, model="model_7.pb", model_blob="model_7.pb", names={"1": "red thing"}
    )  # as fetch_model.py
    (project.settings.train_dir).mkdir(parents=True, exist_ok=True)
    finished = run(program, project.config)
    assert (
        finished.returncode == 2
        and "a run without training (of model_7.pb) has used it" in finished.stderr
    )
    assert project.state().document == before


def test_the_cold_start_publishes_what_a_fetched_model_finds_with_its_ids(tmp_path):
    project = CycleProject(tmp_path, min_confidence=0.2)
    project.photo("a/0.png", RED)
    project.photo("a/1.png", GREEN)
    project.photo("a/2.png")
    graph = write_frozen_graph(tmp_path / "zoo" / "colours_2018" / "frozen_inference_graph.pb")
    with tarfile.open(tmp_path / "downloads.tar.gz", "w:gz") as archive:
        archive.add(graph, "colours_2018/frozen_inference_graph.pb")
    place = project.settings.download_location
    place.mkdir(parents=True)
    # already fetched: no network is needed, nor asked
    shutil.move(tmp_path / "downloads.tar.gz", place / "colours_2018.tar.gz")
    checksum = hashlib.sha256((place / "colours_2018.tar.gz").read_bytes()).hexdigest()
    setting(
        project,
        f"init_model_name=colours_2018\ninit_pred_tf_url=http://127.0.0.1:9/${{init_model_name}}.tar.gz#sha256={checksum}",
    )
    said = done("train/active_learning_init_pred.sh", project.config)
    assert "person" in said and "3 images (3 predicted now), 2 boxes" in said.splitlines()[-1]
    (found,) = state_tables(project.config, "init_totag")
    assert sorted(zip(blob_names(found), found["class"], strict=True)) == [
        ("a/0.png", "1"),
        ("a/1.png", "2"),
        ("a/2.png", "NULL"),
    ]
    project.photo("a/3.png", RED)
    assert (
        "4 images (1 predicted now), 3 boxes"
        in done("train/active_learning_init_pred.sh", project.config).splitlines()[-1]
    )
    assert image_set(project.table("totag")) == {f"a/{number}.png" for number in range(4)}
    # as on a new machine: what was published is all that is known
    (project.settings.data_dir / "init_predictions.journal").unlink()
    assert (
        "4 images (0 predicted now), 3 boxes"
        in done("train/active_learning_init_pred.sh", project.config).splitlines()[-1]
    )
    (again,) = state_tables(project.config, "init_totag")
    assert sorted(zip(blob_names(again), again["class"], strict=True)) == [
        *sorted(zip(blob_names(found), found["class"], strict=True)),
        ("a/3.png", "1"),
    ]
    assert (
        "4 images (4 predicted now)"
        in done("train/active_learning_init_pred.sh", project.config, "--force").splitlines()[-1]
    )


@pytest.mark.parametrize(
    "content, said",
    [
        (b"<!DOCTYPE html>", "an HTML or XML text, not a model"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
    ],
)
def test_a_cold_start_model_that_is_none_is_one_line(tmp_path, content, said):
    project = CycleProject(tmp_path, min_confidence=0.2)
    project.photo("a/0.png", RED)
    (tmp_path / "graph.pb").write_bytes(content)
    setting(project, f"init_model_graph={tmp_path / 'graph.pb'}")
    finished = run("train/active_learning_init_pred.sh", project.config)
    assert finished.returncode == 2
    assert said in next(
        line
        for line in finished.stderr.splitlines()
        if line.startswith("create_init_predictions.py")
    )
