"""Embeddings on their way from a prediction to the label container and the next batch."""

import shutil
import subprocess
import sys
import time

import create_predictions
import fetch_model
import publish_predictions
import pyarrow as pa
import pytest
import sync_images
from filelock import FileLock
from helpers_cycle import GREEN, RED, CycleProject
from helpers_programs import ROOT, done

from utils.selection.embeddings import HASH, MODEL, read_parquet
from utils.selection.picture_hashes import LOCK


@pytest.fixture
def project(tmp_path):
    """Nine photos, four of them reviewed, and one published cycle of a model with embeddings."""
    made = CycleProject(tmp_path)
    made.embedding = True
    made.fill()
    made.predict()
    made.publish()
    return made


def embeddings(project):
    return read_parquet(project.folder / "store" / "labels" / project.state().live["embeddings"])


def predict_without_training(project):
    """The steps of active_learning_predict_no_train.sh."""
    sync_images.main(["--pred-dir", str(project.config)])
    for step in (fetch_model, create_predictions, publish_predictions):
        step.main([str(project.config)])


def distance(embedded, one, other):
    rows = embedded.of(pa.array([one, other], pa.large_string())).astype(float)
    return float(((rows[0] - rows[1]) ** 2).sum() ** 0.5)


def test_a_cycle_publishes_embeddings_of_all_images_also_of_labelled_ones(project):
    embedded = embeddings(project)
    assert embedded.basis.kind == MODEL and len(embedded.names) == 9
    assert distance(embedded, "a/0.png", "a/3.png") == pytest.approx(0, abs=0.01)
    assert distance(embedded, "a/0.png", "b/9.png") > 0.1
    assert project.state().cycles[0]["embeddings"] == project.state().live["embeddings"]


def test_images_that_are_not_predicted_again_keep_their_embeddings_even_on_a_new_machine(project):
    before = embeddings(project)
    shutil.rmtree(project.settings.data_dir)
    project.photo("b/2.png", GREEN)
    project.photo("c/new.png", GREEN)
    predict_without_training(project)
    after = embeddings(project)
    assert len(after.names) == 10
    assert (
        distance(after, "c/new.png", "b/9.png")
        == distance(after, "b/2.png", "b/9.png")
        == pytest.approx(0, abs=0.01)
    )
    for image in ("a/0.png", "a/3.png", "b/9.png"):
        one = pa.array([image], pa.large_string())
        assert abs(before.of(one) - after.of(one)).max() < 0.01


def test_a_model_without_embeddings_leaves_perceptual_hashes(tmp_path):
    made = CycleProject(tmp_path)
    made.fill()
    made.predict()
    made.publish()
    embedded = embeddings(made)
    assert (
        embedded.basis.kind == HASH and len(embedded.names) == 9 and embedded.vectors.shape[1] == 64
    )


def test_the_mirror_image_is_looked_at_only_when_the_strategy_asks_for_it(project, capsys):
    everything = embeddings(project).names
    assert embeddings(project).disagreement_of(everything) is None
    project.config.write_text(project.config.read_text() + "selection_strategy=disagreement\n")
    predict_without_training(project)
    assert "9 predicted now" in capsys.readouterr().out
    known = embeddings(project).disagreement_of(everything)
    assert known.max() < 0.1
    predict_without_training(project)
    assert "0 predicted now" in capsys.readouterr().out


def test_without_pretrained_weights_the_first_batch_differs_by_perceptual_hashes(tmp_path):
    made = CycleProject(tmp_path, selection_strategy="hybrid", fine_tune_checkpoint="scratch")
    for number in range(5):
        made.photo(f"a/{number}.png")
    made.photo("a/5.png", RED)
    assert "perceptual hashes until there is a model, because training starts from scratch" in done(
        "train/initialize.py", made.config
    )
    assert embeddings(made).basis.kind == HASH
    made.photo("a/6.png", RED)
    done("train/initialize.py", made.config)
    assert len(embeddings(made).names) == 7
    said = done("tag/download_vott_json.py", 2, made.config)
    assert "spread over folders and time and to look different" in said
    assert made.table("tagging")["filename"].tolist() in (["0.png", "5.png"], ["0.png", "6.png"])


def test_weights_that_cannot_be_fetched_leave_perceptual_hashes_and_one_line(tmp_path):
    made = CycleProject(tmp_path, selection_strategy="hybrid", tf_url="http://127.0.0.1:9/ckpt-1")
    made.photo("a/0.png")
    said = done("train/initialize.py", made.config).splitlines()
    assert len(said) == 2 and said[0].startswith(
        "images are compared by perceptual hashes until there is a model"
    )
    assert embeddings(made).basis.kind == HASH and said[1].startswith("1 images (1 new, 0 failed)")


def test_a_pretrained_backbone_describes_new_images_until_there_is_a_model_and_goes_on_after_a_kill(
    tmp_path, shared
):
    made = CycleProject(
        tmp_path,
        selection_strategy="hybrid",
        model_name="faster_rcnn_mobilenet_v2_fpn",
        fine_tune_checkpoint=shared / "models" / "mobilenet_v2_imagenet" / "mobilenet_v2_imagenet",
    )
    for number in range(60):
        made.photo(f"a/{number}.png", (None, RED, GREEN)[number % 3])
    journal = made.settings.data_dir / "pretrained.journal"
    running = subprocess.Popen(
        [sys.executable, ROOT / "train" / "initialize.py", made.config],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert (
        "60 images are shown to the backbone of fine_tune_checkpoint" in running.stdout.readline()
    )
    while not journal.exists() or len(journal.read_bytes().splitlines()) < 1 + 16:
        assert running.poll() is None
        time.sleep(0.01)
    running.kill()
    running.communicate()
    known = len(journal.read_bytes().splitlines()) - 1
    assert embeddings(made).basis.kind == HASH and 16 <= known < 60
    assert (
        f"what 60 images look like to that backbone is published ({60 - known} looked at now)"
        in done("train/initialize.py", made.config)
    )
    before = embeddings(made)
    assert before.basis.kind == MODEL and not journal.exists()
    assert distance(before, "a/1.png", "a/4.png") < 0.1 < distance(before, "a/1.png", "a/2.png")

    made.photo("a/60.png", RED)
    assert "what 61 images look like to that backbone is published (1 looked at now)" in done(
        "train/initialize.py", made.config
    )
    assert distance(embeddings(made), "a/60.png", "a/1.png") < 0.1
    made.photo("a/60.png", GREEN)  # replaced
    cut = tmp_path / "store" / "images" / "a" / "61.png"
    # its header can be read
    cut.write_bytes((tmp_path / "store" / "images" / "a" / "1.png").read_bytes()[:120])
    assert "what 61 images look like to that backbone is published (2 looked at now)" in done(
        "train/initialize.py", made.config
    )
    assert distance(embeddings(made), "a/60.png", "a/2.png") < 0.1
    assert "backbone" not in done("train/initialize.py", made.config), (
        "what cannot be decoded is not looked at again"
    )
    with FileLock(made.settings.data_dir / LOCK):
        assert "is left to the other program" in done("train/initialize.py", made.config)
    said = done("tag/download_vott_json.py", 3, made.config)
    assert "to look different" in said
    assert {int(name[:-4]) % 3 for name in made.table("tagging")["filename"]} == {0, 1, 2}

    made.fill()
    made.predict()
    made.publish()
    live = made.state().live["embeddings"]
    assert (
        "backbone" not in done("train/initialize.py", made.config)
        and made.state().live["embeddings"] == live
    )
