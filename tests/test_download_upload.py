"""download_vott_json.py and upload_vott_json.py as a person starts them: real processes on a folder and on Azurite."""
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers_tables import images, labels
from PIL import Image

from utils import tables
from utils.batch import Batch, read_batch
from utils.config import load_config
from utils.errors import InputError
from utils.label_state import Change, open_labels
from utils.tables import blob_names, image_set, split_name

TAG = Path(__file__).resolve().parent.parent / "tag"
ORANGE, BLUE = (255, 128, 0), (0, 0, 255)


def picture(width=200, height=100, form="JPEG", orientation=1, mode="RGB") -> bytes:
    """An image that is orange at the left and blue at the right, as its pixels are stored."""
    pixels = np.full((height, width, 3), BLUE, np.uint8)
    pixels[:, :width // 2] = ORANGE
    image = Image.fromarray(pixels).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, form, **({"exif": exif} if orientation != 1 else {}))
    return buffer.getvalue()


class Project:
    """A store with images and predictions, and a config file of an annotator."""

    def __init__(self, store, folder: Path, totag: str, **settings):
        self.store, self.folder, self.place = store, folder, folder / "Tag"
        self.config = folder / "config.ini"
        self.config.write_text(store.config_text(**{"tagger_name": "anna", "classes": "bird,seal", **settings}), encoding="utf-8")
        self.images, self.labels = open_labels(load_config(self.config))
        self.seed(labels(totag, "totag"))

    def seed(self, totag, **others):
        """Put images of 200 x 100 pixels in the container and their predictions in the state."""
        for blob in image_set(totag):
            self.images.write(blob, picture())
        self.labels.commit(lambda state: Change({"totag": totag, **others}), what="seeding")
        return self

    def run(self, program, *arguments, code=0, cwd=None) -> str:
        """Run a program to its end; its output. `CONFIG` and the name of the program are added."""
        config = self.config if cwd is None else os.path.relpath(self.config, cwd)
        command = [sys.executable, str(TAG / f"{program}_vott_json.py"), *map(str, arguments), str(config)]
        done = subprocess.run(command, cwd=cwd or self.folder, capture_output=True, encoding="utf-8", timeout=300)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        if code == 2:
            assert len(done.stderr.strip().splitlines()) == 1
        return done.stdout + done.stderr

    def table(self, name):
        return self.labels.table(self.labels.read(), name)

    def names(self, table) -> list[str]:
        return sorted(image_set(self.table(table)))

    def boxes(self, table="tagged") -> list[str]:
        """`image class xmin xmax ymin ymax`, coordinates to the third decimal."""
        frame = self.table(table)
        sides = frame[["xmin", "xmax", "ymin", "ymax"]].round(3)
        return sorted(f"{blob} {name} {' '.join(f'{value:g}' for value in row)}"
                      for blob, name, row in zip(blob_names(frame), frame["class"], sides.to_numpy(), strict=True))

    @property
    def batch(self) -> dict:
        return json.loads((self.place / "batch.json").read_text(encoding="utf-8"))

    def local(self, blob) -> str:
        """The local name of an image."""
        return next(name.rpartition("/")[2] for name, item in self.batch["images"].items()
                    if (item["folder"], item["filename"]) == split_name(blob))

    def vott(self, name="Images") -> dict:
        return json.loads((self.place / f"{name}.json").read_text(encoding="utf-8"))

    def save(self, frames=None, visited=(), name="Images"):
        """Save as VoTT does: `frames` replaces regions by image (blob name), `visited` are images stepped past."""
        project = self.vott(name)
        project["frames"].update({self.local(blob): regions for blob, regions in (frames or {}).items()})
        project["visitedFrames"] = [self.local(blob) for blob in visited]
        (self.place / f"{name}.json").write_text(json.dumps(project), encoding="utf-8")

    @staticmethod
    def last(output) -> str:
        return output.strip().splitlines()[-1]


def region(tag, x1, x2, y1, y2, width=200, height=100, **members):
    """A VoTT region, in pixels."""
    return {"x1": x1, "x2": x2, "y1": y1, "y2": y2, "width": width, "height": height, "tags": [tag], "type": "Rectangle", **members}


THREE = """
north/1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.9
south/1.jpg NULL 0 0 0 0 0 0
south/2.jpg NULL
"""


# The way there and back, on both stores

def test_a_batch_goes_out_is_reviewed_and_comes_back(store, tmp_path):
    project = Project(store, tmp_path, THREE)
    output = project.run("download", 2)
    assert project.last(output) == f"2 images, 1 boxes → {project.place / 'Images.json'}"
    assert project.names("tagging") == ["north/1.jpg", "south/1.jpg"] and project.names("totag") == ["south/2.jpg"]
    assert sorted(path.name for path in (project.place / "Images").iterdir()) == ["north__1.jpg", "south__1.jpg"]
    assert project.vott()["frames"]["north__1.jpg"][0] == {**region("bird", 20, 100, 20, 80), "id": 1, "name": 1, "UID": "00000001"}

    project.save({"south/1.jpg": [region("seal", 50, 150, 10, 30)]}, visited=["north/1.jpg"])
    output = project.run("upload")
    assert project.last(output).startswith("2 images, 2 boxes → tagged_")
    assert project.boxes() == ["north/1.jpg bird 0.1 0.5 0.2 0.8", "south/1.jpg seal 0.25 0.75 0.1 0.3"]
    assert project.names("tagging") == [] and project.names("totag") == ["south/2.jpg"]


def test_the_same_batch_twice_changes_nothing_and_a_corrected_one_replaces_its_rows(store, tmp_path):
    project = Project(store, tmp_path, THREE)
    project.run("download", 3)
    project.run("upload", "--all")
    before = project.labels.read().document
    assert "0 images, 0 boxes" in project.run("upload", "--all") and "3 uploaded before" in project.run("upload", "--all")
    assert project.labels.read().document == before

    project.save({"north/1.jpg": []})
    assert project.last(project.run("upload")).startswith("1 images, 0 boxes → tagged_")
    assert project.boxes() == ["north/1.jpg NULL 0 0 0 0", "south/1.jpg NULL 0 0 0 0", "south/2.jpg NULL 0 0 0 0"]


def test_names_of_any_kind_go_out_and_come_back(folder_store, tmp_path):
    blobs = ["bär/été 鳥 (1) [2].jpg", "a/1.jpg", "a__1.jpg", "A/1.jpg", "con_/aux_.jpg", "x" * 150 + ".jpg", "50%#1.jpg"]
    project = Project(folder_store, tmp_path, "")
    one = labels("1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.9", "totag")
    project.seed(tables.concat("totag", *(one.assign(folder=folder, filename=filename) for folder, filename in map(split_name, blobs))))
    project.run("download", 7)
    project.save(visited=blobs[:6])
    project.run("upload")
    assert project.boxes() == sorted(f"{blob} bird 0.1 0.5 0.2 0.8" for blob in blobs[:6])
    assert project.names("tagging") == ["50%#1.jpg"]


# Choosing

def test_images_of_a_class_share_the_batch_and_boxes_over_one_pixel_are_limited(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, """
        1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.6
        1.jpg bird 0.1 0.5 0.2 0.7 0.6 0.6
        2.jpg seal 0.1 0.5 0.2 0.8 0.9 0.9
        3.jpg bird 0.1 0.5 0.2 0.8 0.7 0.7
        4.jpg NULL 0 0 0 0 0 0
        """, ideal_class_balance="0.5,0.5,0", max_tags_per_pixel="1")
    assert "2 images, 2 boxes" in project.run("download", 2)
    assert project.names("tagging") == ["1.jpg", "2.jpg"] and len(project.vott()["frames"]["1.jpg"]) == 1


def test_fewer_images_than_asked_for_are_all_handed_out_and_that_is_said(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    assert "5 images were asked for; there are no more to hand out" in project.run("download", 5)
    assert len(project.batch["images"]) == 3


def test_what_is_gone_or_broken_goes_to_failed_and_the_next_takes_its_place(store, tmp_path):
    project = Project(store, tmp_path, "\n".join(f"a/{n}.jpg NULL" for n in range(5)))
    project.images.delete("a/0.jpg")
    project.images.write("a/1.jpg", picture(width=2000)[:4000])
    output = project.run("download", 2)
    assert project.names("tagging") == ["a/2.jpg", "a/3.jpg"] and project.names("totag") == ["a/4.jpg"]
    failed = project.table("failed").sort_values("filename")
    assert list(zip(blob_names(failed), failed["reason"] != "", failed["etag"] != "", strict=True)) == [
        ("a/0.jpg", True, False), ("a/1.jpg", True, True)]
    assert "a/0.jpg: it is gone" in output and project.last(output).startswith("2 images")


def test_a_batch_of_only_broken_images_is_one_line(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, "a/0.jpg NULL")
    project.images.write("a/0.jpg", b"no image")
    assert "no image could be fetched; the first: a/0.jpg" in project.run("download", 2, code=1)
    assert project.names("failed") == ["a/0.jpg"] and project.names("tagging") == []


# Images in a form that every tool shows alike

def test_plain_images_are_handed_out_byte_by_byte(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, "1.jpg NULL")
    project.run("download", 1)
    assert (project.place / "Images" / "1.jpg").read_bytes() == picture()


def test_everything_else_is_handed_out_as_an_upright_copy_of_the_same_size(folder_store, tmp_path):
    originals = {"turned.jpg": picture(orientation=6), "really_png.jpg": picture(form="PNG"), "rgba.png": picture(form="PNG", mode="RGBA"),
                 "really_jpeg.png": picture(), "bitmap.bmp": picture(form="BMP"), "scan.tif": picture(form="TIFF")}
    project = Project(folder_store, tmp_path, "\n".join(f"{blob} NULL" for blob in originals))
    for blob, data in originals.items():
        project.images.write(blob, data)
    project.run("download", 6)
    for blob in originals:
        with Image.open(project.place / "Images" / project.local(blob)) as image:
            assert image.size == ((100, 200) if blob == "turned.jpg" else (200, 100)), blob
            assert image.format == ("JPEG" if blob.endswith(("jpg", "tif")) else "PNG") and image.mode == "RGB"
            assert image.getexif().get(0x0112, 1) == 1
            assert np.abs(np.asarray(image.getpixel((5, 5)), int) - ORANGE).max() < 12, blob


def test_boxes_of_a_turned_photo_are_in_the_upright_frame_both_ways(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, "1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.9")
    project.images.write("1.jpg", picture(orientation=6))
    project.run("download", 1)
    shown = project.vott()["frames"]["1.jpg"][0]
    assert [shown[name] for name in ("x1", "x2", "y1", "y2", "width", "height")] == [10, 50, 40, 160, 100, 200]
    project.run("upload", "--all")
    assert project.boxes() == ["1.jpg bird 0.1 0.5 0.2 0.8"]
    assert project.table("tagged")[["width", "height"]].to_numpy().tolist() == [[100, 200]]


# Classes

def test_classes_that_vott_cannot_hold_come_back_under_their_names(folder_store, tmp_path):
    totag = labels("1.jpg X 0.1 0.5 0.2 0.8 0.9 0.9\n1.jpg Y 0.1 0.5 0.2 0.8 0.9 0.9\n1.jpg moth 0.1 0.5 0.2 0.8 0.9 0.9", "totag")
    project = Project(folder_store, tmp_path, "1.jpg NULL", classes="a b,a_b,fish")
    project.seed(totag.assign(**{"class": ["a b", "a_b", "moth"]}))
    project.run("download", 1)
    assert project.vott()["inputTags"] == "a_b_2,a_b,fish,moth" and len(project.vott()["tag_colors"]) == 4
    project.run("upload", "--all")
    assert project.boxes() == [f"1.jpg {name} 0.1 0.5 0.2 0.8" for name in ("a b", "a_b", "moth")]


def test_a_class_that_is_not_in_the_config_is_kept_and_named(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, "1.jpg NULL")
    project.run("download", 1)
    project.save({"1.jpg": [region("walrus", 0, 20, 0, 10)]})
    assert "not in classes of config.ini: walrus (1 boxes)" in project.run("upload")
    assert project.boxes() == ["1.jpg walrus 0 0.1 0 0.1"]


# Reviewed or not

def test_images_without_a_mark_stay_reserved_and_are_named_with_the_way_out(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 3)
    project.save({"south/2.jpg": []})
    line = project.last(project.run("upload"))
    assert line.startswith("1 images, 0 boxes → tagged_") and "2 of 3 not counted as reviewed (north__1.jpg, south__1.jpg)" in line
    assert "--all" in line and project.names("tagging") == ["north/1.jpg", "south/1.jpg"]


def test_nothing_reviewed_is_exit_1(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 3)
    assert project.last(project.run("upload", code=1)).startswith("0 images, 0 boxes")
    assert project.names("tagged") == []


def test_boxes_that_cannot_be_taken_are_named_and_the_rest_goes_through(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 3)
    bad = [region("bird", 10, 10, 0, 5), region("NULL", 0, 5, 0, 5)]
    project.save({"north/1.jpg": [*bad, region("bird", 0, 20, 0, 10)], "south/1.jpg": [7]})
    saved = project.vott()
    saved["frames"]["stranger.jpg"] = []
    (project.place / "Images.json").write_text(json.dumps(saved))
    output = project.run("upload")
    assert "north__1.jpg: box 1 (bird) has no area" in output and "north__1.jpg: a box is tagged NULL" in output
    assert "south__1.jpg: box 1 is not a VoTT region; the image stays reserved" in output
    assert "stranger.jpg is not an image of this batch" in output
    assert project.boxes() == ["north/1.jpg bird 0 0.1 0 0.1"]


def test_a_box_tagged_with_the_name_of_all_classes_together_keeps_its_image_reserved(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 3)
    project.save({"north/1.jpg": [region("Average", 0, 20, 0, 10)], "south/1.jpg": [region("bird", 0, 20, 0, 10)]})
    assert "north__1.jpg: a box is tagged Average" in project.run("upload")
    assert project.boxes() == ["south/1.jpg bird 0 0.1 0 0.1"] and "north/1.jpg" in project.names("tagging")


def test_one_malformed_file_is_named_and_the_other_folders_go_through(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 3, "--by-folder")
    assert sorted(path.name for path in project.place.iterdir()) == ["batch.json", "north", "north.json", "south", "south.json"]
    (project.place / "north.json").write_text("{")
    output = project.run("upload", "--all")
    assert "north.json: it is not JSON" in output and project.last(output).startswith("2 images, 0 boxes")
    assert project.names("tagging") == ["north/1.jpg"]
    (project.place / "south.json").unlink()
    project.run("upload", "--all", code=1)


# One batch at a time

def test_a_second_download_is_refused_until_everything_is_uploaded(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 2)
    assert "2 of 2 images of the batch" in project.run("download", 1, code=2)
    project.save({"north/1.jpg": []})
    project.run("upload")
    assert "1 of 2 images of the batch" in project.run("download", 1, code=2)
    project.run("upload", "--all")
    project.save({"north/1.jpg": [region("bird", 0, 20, 0, 10)]})
    assert "1 of 2 images of the batch" in project.run("download", 1, code=2)
    project.run("upload", "--all")
    project.run("download", 1)
    assert [path.name for path in (project.place / "Images").iterdir()] == ["south__2.jpg"]


def test_a_batch_that_is_discarded_goes_back_and_makes_room_for_the_next(store, tmp_path):
    project = Project(store, tmp_path, THREE)
    project.run("download", 2)
    project.save({"north/1.jpg": [region("bird", 0, 20, 0, 10)]})

    said = project.run("download", 3, "--discard")

    assert "2 images of the batch" in said and "are given back" in said
    assert len(project.names("tagging")) == 3 and project.names("tagged") == []
    assert len(list((project.place / "Images").iterdir())) == 3
    assert "2 images" not in project.run("download", 1, "--discard") and len(project.names("tagging")) == 1


def test_what_was_discarded_stands_in_the_way_of_nothing(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 2)
    project.save({"north/1.jpg": [region("bird", 0, 20, 0, 10)]})
    elsewhere = project.table("tagging").iloc[[0]].assign(filename="2.jpg", folder="south", reserved_at="2999-01-01T00:00:00Z")
    project.labels.commit(lambda state: Change({"tagging": elsewhere}), what="a batch of the same person in another folder")
    assert "fetch them here once more with --again" in project.run("download", 1, "--discard", code=2)
    assert project.last(project.run("download", 1, "--again")).startswith("1 images") and project.names("tagging") == ["south/2.jpg"]


def test_a_folder_of_the_users_own_is_refused_and_left_alone(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    (project.place / "Images").mkdir(parents=True)
    (project.place / "Images" / "mine.txt").write_text("mine")
    assert "holds files that are not from this program (Images)" in project.run("download", 1, code=2)
    assert (project.place / "Images" / "mine.txt").read_text() == "mine" and project.names("tagging") == []


def test_only_our_own_files_are_removed_for_the_next_batch(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 2)
    (project.place / "Images" / "mine.txt").write_text("mine")
    project.run("upload", "--all")
    project.run("download", 1)
    assert sorted(path.name for path in (project.place / "Images").iterdir()) == ["mine.txt", "south__2.jpg"]


def test_images_that_are_held_but_no_longer_on_this_disk_are_fetched_once_more(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 2)
    shutil.rmtree(project.place)
    assert "anna holds 2 images" in project.run("download", 1, code=2)
    assert project.last(project.run("download", 1, "--again")).startswith("2 images, 1 boxes")
    assert project.names("tagging") == ["north/1.jpg", "south/1.jpg"]
    (project.place / "Images" / "north__1.jpg").unlink()
    assert "are gone or cut short (Images/north__1.jpg); --again" in project.run("download", 1, code=2)
    project.save({"south/1.jpg": []})
    project.run("download", 1, "--again")
    assert (project.place / "Images" / "north__1.jpg").read_bytes() == picture() and project.vott()["frames"]["south__1.jpg"] == []


def test_a_batch_of_another_tagger_is_not_uploaded(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 2)
    project.config.write_text(project.config.read_text().replace("anna", "bert"))
    assert "handed out to anna, and you are bert" in project.run("upload", "--all", code=2)


def test_a_batch_of_another_project_is_neither_uploaded_nor_given_back_nor_thrown_away(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 2)
    shutil.copytree(tmp_path / "store", tmp_path / "other/store")
    for file in (tmp_path / "other/store/labels").rglob("*"):
        file.unlink() if file.is_file() else None
    settings = folder_store.settings.replace(str(tmp_path / "store"), str(tmp_path / "other/store"))
    other = Project(replace(folder_store, settings=settings), tmp_path / "other", THREE, tagging_location=project.place)
    before = other.labels.read().document, project.labels.read().document, project.batch
    for program, *options in (("upload", "--all"), ("download", 2, "--discard"), ("download", 2, "--again"), ("download", 2)):
        assert "the batch there is of another project than" in other.run(program, *options, code=2)
    assert (other.labels.read().document, project.labels.read().document, project.batch) == before
    assert project.last(project.run("upload", "--all")).startswith("2 images, 1 boxes")


def test_what_was_uploaded_and_changed_by_somebody_else_since_stands_when_the_rest_of_the_batch_follows(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 2)
    project.save(visited=["north/1.jpg"])
    project.run("upload")
    corrected = labels("north/1.jpg seal 0 1 0 1")
    project.labels.commit(lambda state: Change({"tagged": corrected}), what="correcting")
    project.save(visited=["north/1.jpg", "south/1.jpg"])
    output = project.run("upload")
    assert "north/1.jpg: uploaded before, and changed by somebody else since; that stands" in output
    assert project.last(output).startswith("1 images, 0 boxes → tagged_") and "1 uploaded before" in project.last(output)
    assert project.boxes() == ["north/1.jpg seal 0 1 0 1", "south/1.jpg NULL 0 0 0 0"] and project.names("conflicts") == []


def test_what_somebody_else_uploaded_meanwhile_stands_and_ours_is_set_aside(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 2)
    theirs = labels("north/1.jpg seal 0 1 0 1")
    project.labels.commit(lambda state: Change({"tagged": theirs}), what="uploading")
    assert "north/1.jpg: somebody else has uploaded it meanwhile" in project.run("upload", "--all")
    assert project.boxes() == ["north/1.jpg seal 0 1 0 1", "south/1.jpg NULL 0 0 0 0"]
    assert project.boxes("conflicts") == ["north/1.jpg bird 0.1 0.5 0.2 0.8"]


# Kills

def slow_to_fetch(project, count) -> None:
    """Make the images a/00.jpg, a/01.jpg, … photographs that must be turned."""
    data = picture(3000, 2000, orientation=6)
    for number in range(count):
        project.images.write(f"a/{number:02}.jpg", data)


def stopped_when(project, condition, *arguments) -> None:
    """Start a download and kill it as soon as `condition` holds."""
    command = [sys.executable, str(TAG / "download_vott_json.py"), *map(str, arguments), str(project.config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    process.wait()


def test_a_download_that_died_while_fetching_goes_on_from_there(store, tmp_path):
    project = Project(store, tmp_path, "\n".join(f"a/{n:02}.jpg NULL" for n in range(12)))
    slow_to_fetch(project, 12)
    stopped_when(project, lambda: any((project.place / "Images").glob("*.jpg")), 12)
    held = project.names("tagging")
    assert len(held) == 12 and not (project.place / "Images.json").exists()
    assert "the download of this batch was interrupted" in project.run("upload", "--all", code=2)
    output = project.run("download", 5)
    assert "12 of 12 images are reserved" in output and project.last(output).startswith("12 images")
    assert project.names("tagging") == held and len(list((project.place / "Images").iterdir())) == 12
    assert project.labels.read().commit == project.batch["commit"]


def test_a_download_that_died_before_its_commit_starts_anew(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 2)
    batch = project.batch
    project.seed(labels(THREE, "totag"), tagging=tables.empty("tagging"))
    (project.place / "batch.json").write_text(json.dumps({**batch, "fetched": False, "commit": ""}))
    assert project.last(project.run("download", 3)).startswith("3 images")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_is_one_line_and_the_next_run_goes_on(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, "\n".join(f"a/{n:02}.jpg NULL" for n in range(20)))
    slow_to_fetch(project, 20)
    command = [sys.executable, str(TAG / "download_vott_json.py"), "20", str(project.config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    while not any((project.place / "Images").glob("*.jpg")) and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and errors.strip().splitlines() == [
        "download_vott_json.py: interrupted; run the same command again to go on"]
    assert project.last(project.run("download", 20)).startswith("20 images")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc for the packages that a process has loaded")
@pytest.mark.parametrize("package", ["numpy", "pyarrow"])
def test_ctrl_c_while_packages_are_loaded_is_one_line(folder_store, tmp_path, package):
    project = Project(folder_store, tmp_path, THREE)
    process = subprocess.Popen([sys.executable, str(TAG / "download_vott_json.py"), "1", str(project.config)], stderr=subprocess.PIPE,
                               stdout=subprocess.PIPE, encoding="utf-8")
    while f"/{package}/" not in Path(f"/proc/{process.pid}/maps").read_text() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and errors == "download_vott_json.py: interrupted\n" and project.names("tagging") == []


# Starting, and input that is wrong

def test_both_programs_run_from_any_folder(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 2, cwd=TAG)
    assert project.last(project.run("upload", "--all", cwd=TAG)).startswith("2 images")


def test_nothing_left_to_tag_is_one_line(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, "1.jpg NULL")
    project.run("download", 1)
    project.run("upload", "--all")
    assert "nothing is left to tag: 1 images are tagged, 0 are out, 0 cannot be read" in project.run("download", 1, code=2)


def test_a_container_that_nobody_initialized_is_one_line(store, tmp_path):
    project = Project.__new__(Project)
    project.folder, project.config = tmp_path, tmp_path / "config.ini"
    project.config.write_text(store.config_text())
    assert "run train/active_learning_initialize.sh CONFIG" in project.run("download", 1, code=2)


def test_no_batch_and_no_tagging_location_are_one_line(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, "1.jpg NULL")
    assert "no batch is there" in project.run("upload", code=2)
    project.config.write_text(project.config.read_text().replace("tagging_location=Tag", "tagging_location="))
    assert "tagging_location" in project.run("upload", code=2) and "tagging_location" in project.run("download", 1, code=2)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 9}', '{"format": 1, "images": [], "place": 1}', json.dumps(
    {"format": 1, "tagger": "", "reserved_at": "", "wanted": 1, "images": {"../x": {"folder": "", "filename": "x", "boxes": []}}})])
def test_a_damaged_batch_file_is_one_line(tmp_path, content):
    (tmp_path / "batch.json").write_text(content)
    with pytest.raises(InputError, match="batch.json"):
        read_batch(tmp_path)


def test_the_vott_file_of_an_image_folder_called_batch_is_not_our_marker(tmp_path):
    batch = Batch(tmp_path, "anna", "", 2, by_folder=True)
    batch.add({"batch/1.jpg": []})
    batch.add({"Batch/1.jpg": [], "1.jpg": []})
    assert {local: item.blob for local, item in batch.images.items()} == {
        "batch_2/1.jpg": "batch/1.jpg", "Images/1.jpg": "1.jpg", "Batch_3/1.jpg": "Batch/1.jpg"}


# Batches of the earlier generation

def test_a_batch_without_our_marker_is_uploaded_by_its_keys(folder_store, shared, tmp_path):
    totag = tables.parse("totag", shared / "legacy" / "csv" / "totag_source2.csv")
    project = Project(folder_store, tmp_path, "1.jpg NULL", filetype="*.png", classes="knot,defect")
    out = tables.concat("tagging", totag.assign(tagger="", reserved_at="2026-01-01T00:00:00Z"))
    project.labels.commit(lambda state: Change({"tagging": out}), what="seeding")
    project.place.mkdir()
    shutil.copy(shared / "legacy" / "vott" / "Images_source.json", project.place)
    shutil.copytree(shared / "legacy" / "vott" / "images", project.place / "Images_source")
    assert project.last(project.run("upload")).startswith("4 images, 10 boxes → tagged_")
    assert project.names("tagged") == [f"board_images_png/st{n}.png" for n in (1026, 1578, 1611, 1840)]
    assert project.last(project.run("upload")).startswith("0 images, 0 boxes") and "holds files" in project.run("download", 1, code=2)


def test_a_file_name_of_several_folders_is_told_by_the_name_of_the_vott_file(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, "9.jpg NULL")
    out = labels("a/north/1.jpg NULL 0 0 0 0 0 0\nb/south/1.jpg NULL 0 0 0 0 0 0", "tagging")
    project.labels.commit(lambda state: Change({"tagging": out}), what="seeding")
    project.place.mkdir()
    content = json.dumps({"frames": {"1.jpg": [region("bird", 0, 20, 0, 10)]}, "inputTags": "bird"})
    (project.place / "Images.json").write_text(content)
    assert "1.jpg: several images of that name handed out" in project.run("upload", code=1)
    (project.place / "Images.json").rename(project.place / "south.json")
    project.run("upload")
    assert project.boxes() == ["b/south/1.jpg bird 0 0.1 0 0.1"]


def test_an_image_without_a_size_stays_reserved_and_is_named_and_the_others_go_through(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, "9.jpg NULL")
    out = labels("1.jpg NULL 0 0 0 0 0 0\n2.jpg NULL 0 0 0 0 0 0\n3.jpg NULL 0 0 0 0 0 0", "tagging")
    nowhere = out.assign(**{side: out[side].where(out["filename"] == "1.jpg", 0) for side in ("height", "width")})
    project.labels.commit(lambda state: Change({"tagging": nowhere, "images": images("3.jpg", "9.jpg")}), what="seeding")
    project.place.mkdir()
    frames = {f"{number}.jpg": [region("bird", 0, 20, 0, 10)] for number in (1, 2, 3)}
    (project.place / "Images.json").write_text(json.dumps({"frames": frames, "inputTags": "bird"}))
    said = project.run("upload")
    assert f"{project.place / 'Images.json'}: 2.jpg: its size is known nowhere" in said
    assert project.names("tagged") == ["1.jpg", "3.jpg"] and project.names("tagging") == ["2.jpg"]
    assert set(project.table("tagged")["width"]) == {200} and set(project.table("tagged")["height"]) == {100}


def test_boxes_drawn_in_a_picture_that_was_turned_on_this_disk_are_not_taken(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 2)
    project.save({"north/1.jpg": [region("bird", 0, 20, 0, 10, width=100, height=200)],
                  "south/1.jpg": [region("bird", 0, 10, 0, 5, width=101, height=50)]})  # in a view of half the size
    said = project.run("upload")
    assert "north__1.jpg: its boxes were drawn in a picture of another shape than the 200 x 100 pixels that were handed out" in said
    assert project.boxes() == ["south/1.jpg bird 0 0.099 0 0.1"] and project.names("tagging") == ["north/1.jpg"]


def test_an_image_that_was_replaced_meanwhile_is_named_and_queued_to_be_looked_at_again(store, tmp_path):
    project = Project(store, tmp_path, THREE)
    project.run("download", 2)
    for blob in ("north/1.jpg", "south/2.jpg"):
        project.images.write(blob, picture(100, 200))
    listed = images("north/1.jpg", "south/1.jpg").assign(etag=[project.images.info("north/1.jpg").etag, "of a listing before"])
    project.labels.commit(lambda state: Change({"images": listed}), what="the next sync")
    said = project.run("upload", "--all")
    assert f"{project.place / 'Images.json'}: north__1.jpg: the image was replaced" in said and "south__1.jpg" not in said
    assert project.names("tagged") == ["north/1.jpg", "south/1.jpg"] and project.names("review") == ["north/1.jpg"]
    before = project.labels.read().document
    project.run("upload", "--all")
    assert project.labels.read().document == before


def test_an_image_that_was_deleted_meanwhile_is_named_and_keeps_its_boxes(store, tmp_path):
    project = Project(store, tmp_path, THREE)
    project.run("download", 2)
    project.save({"north/1.jpg": [region("bird", 0, 20, 0, 10)]})
    project.images.delete("north/1.jpg")
    project.labels.commit(lambda state: Change({"images": images("south/2.jpg")}), what="the next sync")
    said = project.run("upload", "--all")
    assert f"{project.place / 'Images.json'}: north__1.jpg: the image was deleted" in said and "south__1.jpg" not in said
    assert project.boxes() == ["north/1.jpg bird 0 0.1 0 0.1", "south/1.jpg NULL 0 0 0 0"] and project.names("tagging") == []
