"""What a person can get wrong, each with the one line that says so and its exit code: 2 for wrong
input, 1 for the world outside.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers_programs import ROOT, done, image_sets, photos, put, review, run

PHOTOS = photos(6)


@pytest.fixture
def config(folder_store, tmp_path) -> Path:
    """The config of a folder store with six drawn photos, initialized."""
    put(folder_store.images, PHOTOS, tmp_path)
    path = write(tmp_path, folder_store.config_text(classes="knot,crack", data_dir="data"))
    done("train/initialize.py", path)
    return path


def write(folder: Path, text: str) -> Path:
    (folder / "config.ini").write_text(text, encoding="utf-8")
    return folder / "config.ini"


def check(finished: subprocess.CompletedProcess, code: int, line: str) -> None:
    """The program said exactly this line (a pattern) on stderr, and left with this code."""
    said = finished.stderr.splitlines()
    assert (finished.returncode, len(said)) == (code, 1), (
        finished.returncode,
        finished.stdout,
        finished.stderr,
    )
    assert re.fullmatch(line, said[0]), said[0]


PROGRAMS = [
    ("train/active_learning_initialize.sh", "initialize.py"),
    ("train/repartition_test_set_script.sh", "repartition_test_set.py"),
    ("tag/upload_vott_json.py", "upload_vott_json.py"),
]


@pytest.mark.parametrize("program, name", PROGRAMS)
def test_no_config(program, name, tmp_path):
    check(
        run(program, tmp_path / "config.ini"),
        2,
        rf"{name}: .*config.ini: there is no such config file; copy config.ini, fill it in, and"
        r" give its path",
    )


def test_no_config_in_a_training_run_names_the_step_too(tmp_path):
    finished = run("train/active_learning_train.sh", tmp_path / "config.ini", process=True)
    first, second = finished.stderr.splitlines()
    assert finished.returncode == 2
    assert first.startswith("sync_images.py: ") and "there is no such config file" in first
    assert second.startswith(
        "active_learning_train.sh: step sync_images failed (exit 2); to go on from it: bash "
    )


def test_placeholder_account(tmp_path):
    path = write(
        tmp_path,
        "AZURE_STORAGE_ACCOUNT=<STORAGE ACCOUNT"
        " NAME>\nimage_container_name=images\nlabel_container_name=labels\n"
        "classes=knot\ntagging_location=Tag\n",
    )
    for program, *arguments in (
        ("train/initialize.py",),
        ("tag/download_vott_json.py", 5),
        ("tag/upload_vott_json.py",),
    ):
        check(run(program, *arguments, path), 2, r".*config.ini: AZURE_STORAGE_ACCOUNT.*")


def test_wrong_key_and_no_such_container(azurite_store, tmp_path):
    text = azurite_store.config_text(data_dir="data")
    wrong = re.sub("AZURE_STORAGE_KEY=.*", "AZURE_STORAGE_KEY=d3Jvbmc=", text)
    check(
        run("train/initialize.py", write(tmp_path, wrong)),
        2,
        r"initialize.py: .*access refused.*AZURE_STORAGE_KEY.*",
    )
    elsewhere = re.sub("image_container_name=.*", "image_container_name=nowhere", text)
    check(
        run("train/initialize.py", write(tmp_path, elsewhere)),
        2,
        r"initialize.py: .*image_container_name=nowhere: no such container.*",
    )


def test_no_such_folder(folder_store, tmp_path):
    text = re.sub(
        "image_container_name=.*", "image_container_name=nowhere", folder_store.config_text()
    )
    check(
        run("train/initialize.py", write(tmp_path, text)),
        2,
        r"initialize.py: .*image_container_name=nowhere: no such container; .*",
    )


def test_empty_container(store, tmp_path):
    path = write(tmp_path, store.config_text(data_dir="data"))
    check(run("train/initialize.py", path), 2, r"initialize.py: .*empty.*")


def test_no_image_that_matches_filetype(folder_store, tmp_path):
    put(folder_store.images, PHOTOS[:2], tmp_path)
    path = write(tmp_path, folder_store.config_text(filetype="*.png", data_dir="data"))
    check(
        run("train/initialize.py", path),
        2,
        r"initialize.py: .*\*\.png; the file types there are \.JPG \(2\)",
    )


def test_no_labels_yet(config):
    check(
        run("train/repartition_test_set.py", config),
        2,
        r"repartition_test_set.py: .*no labels yet; download images with .*",
    )
    finished = run("train/active_learning_train.sh", config, process=True)
    assert finished.returncode == 2
    assert "no labels yet" in finished.stderr.splitlines()[-2]


def test_download_before_initialize(folder_store, tmp_path):
    path = write(tmp_path, folder_store.config_text())
    check(
        run("tag/download_vott_json.py", 5, path),
        2,
        r"download_vott_json.py: .*active_learning_initialize.sh.*",
    )


def test_a_class_nobody_drew_is_a_warning(config):
    config.write_text(config.read_text().replace("knot,crack", "knot,crack,nail"))
    done("tag/download_vott_json.py", 6, config)
    review(config, PHOTOS)
    done("tag/upload_vott_json.py", config)
    for program, *arguments in (
        ("train/sync_images.py",),
        ("train/repartition_test_set.py", "--top-up"),
        ("train/create_tf_records.py",),
    ):
        finished = run(program, *arguments, config)
        assert finished.returncode == 0, finished.stderr
    assert [
        line
        for line in finished.stderr.splitlines()
        if "nail" in line and line.startswith("warning: ")
    ]


def test_a_class_that_the_config_does_not_know_is_named_before_training(config):
    done("tag/download_vott_json.py", 6, config)
    review(config, PHOTOS)
    done("tag/upload_vott_json.py", config)
    config.write_text(config.read_text().replace("knot,crack", "knot"))
    done("train/sync_images.py", config)
    done("train/repartition_test_set.py", "--top-up", config)
    check(
        run("train/create_tf_records.py", config),
        2,
        r"create_tf_records.py: .*classes in the labels .*crack.*",
    )


def test_a_truncated_photo_is_set_aside_and_another_takes_its_place(folder_store, tmp_path):
    put(folder_store.images, PHOTOS, tmp_path)
    name = PHOTOS[3].blob
    whole = folder_store.images.path_of(name).read_bytes()
    folder_store.images.path_of(name).write_bytes(whole[: len(whole) // 2])
    path = write(tmp_path, folder_store.config_text(classes="knot,crack", data_dir="data"))
    done("train/initialize.py", path)
    done("tag/download_vott_json.py", 6, path)
    failed, tagging, totag = image_sets(path, "failed", "tagging", "totag")
    assert (failed, len(tagging), totag) == (set(), 5, {name})
    done("train/initialize.py", path)  # the training machine looks at it, and decides
    assert image_sets(path, "failed", "totag") == [{name}, set()]


def test_a_malformed_vott_file_keeps_its_images_reserved(config):
    done("tag/download_vott_json.py", 4, config)
    (config.parent / "Tag" / "Images.json").write_text('{"frames": {')
    finished = run("tag/upload_vott_json.py", config)
    assert finished.returncode == 1
    assert any(
        "Images.json" in line and "not JSON" in line
        for line in (finished.stdout + finished.stderr).splitlines()
    )
    tagging, tagged = image_sets(config, "tagging", "tagged")
    assert (len(tagging), tagged) == (4, set())


def test_download_when_nothing_is_left(config):
    done("tag/download_vott_json.py", 6, config)
    review(config, PHOTOS)
    done("tag/upload_vott_json.py", config)
    check(
        run("tag/download_vott_json.py", 1, config),
        2,
        r"download_vott_json.py: nothing is left to tag: 6 images are tagged, .*",
    )


def test_a_second_download_while_the_first_is_out(config):
    done("tag/download_vott_json.py", 2, config)
    check(run("tag/download_vott_json.py", 2, config), 2, r"download_vott_json.py: .*upload.*")


def test_upload_without_a_batch(config):
    check(
        run("tag/upload_vott_json.py", config),
        2,
        r"upload_vott_json.py: .*no batch is there; get one with download_vott_json.py N .*",
    )


def test_a_folder_of_ones_own_as_tagging_location(config):
    (config.parent / "Tag").mkdir()
    (config.parent / "Tag" / "thesis.doc").write_text("mine")
    check(
        run("tag/download_vott_json.py", 2, config),
        2,
        r"download_vott_json.py: tagging_location=.*thesis.doc.*",
    )
    assert (config.parent / "Tag" / "thesis.doc").read_text() == "mine"


def test_the_disk_is_full_while_syncing(azurite_store, tmp_path):
    """The real thing: image_dir on a file system of 256 kB, in a mount namespace of its own."""
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"]).returncode
    ):
        pytest.skip("needs a Linux on which this user may make a mount namespace")
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    for number in range(10):
        azurite_store.images.write(f"a/{number}.jpg", cv2.imencode(".jpg", noise)[1].tobytes())
    small = tmp_path / "small"
    small.mkdir()
    path = write(tmp_path, azurite_store.config_text(data_dir="data", image_dir="small"))
    mount = 'mount -t tmpfs -o size=256k none "$1" && exec "$2" "$3" "$4"'
    finished = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            mount,
            "sh",
            small,
            sys.executable,
            ROOT / "train" / "initialize.py",
            path,
        ],
        text=True,
        capture_output=True,
        env=dict(os.environ),
    )
    check(
        finished,
        1,
        r"initialize.py: .*small: the disk is full after \d+ of 10 images \(0\.\d MB are free on"
        r" .*small\); make room and run the same command again, .*",
    )
