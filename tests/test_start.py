"""From a folder of photos to the first box: tag/start.py."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers_batch import picture
from helpers_page import Program, Window
from helpers_programs import ROOT, done, run

from utils.config import load_config
from utils.errors import InputError
from utils.formats import page
from utils.formats.page import Saved
from utils.formats.sheets import Box
from utils.labels import tables
from utils.labels.adding_classes import add_classes
from utils.labels.assignments import row_digests
from utils.labels.store import open_labels
from utils.review.opening import open_session
from utils.selection.embeddings import HASH, published_embeddings
from utils.starting.first_look import in_drawing_order, look_at
from utils.starting.meanwhile import Meanwhile
from utils.starting.next_steps import next_steps
from utils.starting.project import make, project_for
from utils.storage.sync import bring_images

NAMES = (
    "2024/May 50%#1/IMG_0001.JPG",
    "2024/May 50%#1/deep/er/鳥 été.jpg",
    "2025/IMG_0001.JPG",
    "it's $HOME.jpeg",
    "plain.png",
    "turned.jpg",
)


@pytest.fixture
def photos(tmp_path) -> Path:
    return photos_in(tmp_path / "my photos, 100%")


def photos_in(folder: Path, names=NAMES) -> Path:
    """A folder of photos that may only be read, and something else."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        form = "PNG" if name.endswith("png") else "JPEG"
        path.write_bytes(picture(form=form, orientation=6 if name == "turned.jpg" else 1))
    (folder / "notes.txt").write_text("no photo")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


def as_it_lies(folder: Path) -> dict[str, tuple]:
    """Everything in a folder, and how it is."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.stat()
        found[str(path)] = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode)
    return found


def state_of(config: Path) -> dict[str, set[str]]:
    """{table: its images}"""
    _, labels = open_labels(load_config(config))
    state = labels.read()
    names = ("images", "failed", "totag", "tagging", "tagged")
    return {name: tables.image_set(labels.table(state, name)) for name in names}


def started(photos: Path, *options) -> Program:
    return Program(photos, *options, program="tag/start.py")


def begun(photos: Path, count: int = 20) -> Path:
    """The config of a project that was started in this process, with a batch of so many photos."""
    config = make(project_for(photos, None), ["deer"])
    container, labels = open_labels(config)
    listing, _ = bring_images(container, config)
    with Meanwhile(config, container, labels, listing, listing.blobs) as meanwhile:
        meanwhile.join()
    done("tag/download_vott_json.py", count, config.path)
    return config.path


def label_all(config: Path, every: int = 2) -> None:
    """Review the batch: a box in every other photo, nothing in the others; then upload."""
    session, _ = open_session(load_config(config), str(config))
    for place, key in enumerate(session.keys):
        boxes = (Box("deer", 0.1, 0.5, 0.25, 0.75),) if place % every == 0 else ()
        session.save(key, 0, Saved(page.REVIEWED, boxes=boxes))
    done("tag/upload_vott_json.py", config)


def test_one_command_leads_to_the_first_box_and_the_same_goes_on(photos, tmp_path, browser):
    before = as_it_lies(photos)
    project = tmp_path / "my photos, 100%-project"
    with started(photos, "--classes", "deer,fox", "--batch", "4") as program:
        assert str(project) in program.said[0]
        with Window(browser, program.url) as window:
            assert window.place == "1 / 4" and window.boxes() == []
            window.drag((10, 10), (60, 60))
            window.press("c")
            window.page.keyboard.type("red  squirrel")
            window.press("Enter")  # a class of that name is made, and given to the box
            window.until("document.querySelector('.box text').textContent === 'red squirrel'")
            window.press("Space", "e", "e")
            window.saved()
        rest = program.end()
    assert load_config(project / "config.ini").classes == ("deer", "fox", "red squirrel")
    assert "new in classes" in rest[0] and "3 of 4 images are reviewed" in rest[1]
    assert rest[2].startswith("to train here, once photos are uploaded:")
    assert "Azure" in rest[-1]

    with started(photos) as program, Window(browser, program.url) as window:
        assert window.place == "4 / 4"
        assert "red squirrel" in window.text("#classes")
        window.press("1", "Space")
        window.press("Enter")
        window.page.wait_for_selector("#last pre")
        assert "4 images, 1 boxes" in window.text("#last pre")
        rest = "\n".join(program.end())
    for command in (
        f"bash train/active_learning_train.sh '{project / 'config.ini'}'",
        f"bash train/active_learning_auto.sh '{project / 'config.ini'}'",
        "python tag/import_labels.py ",
    ):
        assert command in rest

    state = state_of(project / "config.ini")
    assert state["images"] == set(NAMES) and len(state["tagged"]) == 4
    assert as_it_lies(photos) == before


def test_twenty_photos_are_reserved_in_the_project_that_is_named_and_a_browser_is_opened(tmp_path):
    photos = photos_in(tmp_path / "photos", [f"{number}.jpg" for number in range(25)])
    project = tmp_path / "projects" / "deer"
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{opened}"\n')
    browser.chmod(0o755)
    command = [ROOT / "tag/start.py", photos, "--classes", "deer", "--project", project]
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        env={**os.environ, "BROWSER": f"{browser} %s"},
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        next(line for line in process.stdout if line.startswith("the page is at"))
        end = time.monotonic() + 60
        while not opened.exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert opened.read_text().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=600)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0 and f"--project {project}" in rest
    assert len(state_of(project / "config.ini")["tagging"]) == 20
    assert not (tmp_path / "photos-project").exists()


def test_a_class_that_cannot_be_made_is_said_in_the_page(photos, tmp_path, browser):
    config = tmp_path / "my photos, 100%-project" / "config.ini"
    with started(photos, "--classes", "deer") as program, Window(browser, program.url) as window:
        for name, said in (("a;b", "semicolon"), ("NULL", "without boxes"), ("a,b", "commas")):
            window.press("c")
            window.page.keyboard.type(name)
            window.press("Enter")
            window.until(f"document.getElementById('message').textContent.includes('{said}')")
            window.page.keyboard.press("Escape")
        done("tag/change_classes.py", config, "--rename", "deer=roe deer")
        window.press("c")
        window.page.keyboard.type("deer two")
        window.press("Enter")
        window.until("document.querySelectorAll('#classes [role=radio]').length === 2")
    assert load_config(config).classes == ("deer", "deer two")


def test_new_photos_join_and_the_end_is_said(photos):
    config = begun(photos)
    label_all(config)
    finished = run("tag/start.py", photos, "--no-browser")
    assert finished.returncode == 0, finished.stderr
    assert "there is no photo left" in finished.stdout

    for path in (photos, photos / "2025"):
        path.chmod(0o755)
    (photos / "2025" / "new.jpg").write_bytes(picture(300, 200))
    (photos / "broken.jpg").write_bytes(b"no photo")
    with started(photos) as program:
        assert any("1 images, 0 boxes" in line for line in program.said)
        program.end()
    state = state_of(config)
    assert state["tagging"] == {"2025/new.jpg"} and state["failed"] == {"broken.jpg"}


def test_the_project_is_trained_like_any_other(photos):
    config = begun(photos)
    label_all(config)
    for step in ("sync_images", "repartition_test_set", "create_tf_records"):
        done(f"train/{step}.py", config)
    assert not (config.parent / "data" / "AllImages").exists()
    assert "0 rules broken" in done("tag/status.py", config, "--check")


def test_a_project_moves_to_azure_with_everything_that_was_labelled(
    photos, tmp_path, azurite_store
):
    config = begun(photos, 4)
    label_all(config)
    _, labels = open_labels(load_config(config))
    said = "\n".join(next_steps(project_for(photos, None), labels))

    for name in NAMES:
        azurite_store.images.write(name, (photos / name).read_bytes())
    azure = tmp_path / "azure.ini"
    azure.write_text(
        azurite_store.config_text(classes="deer", filetype="*.jpg,*.jpeg,*.png"), encoding="utf-8"
    )
    done("train/initialize.py", azure)
    tagged = re.search(r"import_labels.py '?(.*?tagged_\d+\.csv)'? AZURE_CONFIG", said)[1]
    assert "4 images" in done("tag/import_labels.py", tagged, azure)

    here, there = (digests(path) for path in (config, azure))
    assert here == there and len(here) == 4
    assert state_of(azure)["totag"] - set(here) == set(NAMES) - set(here)


def digests(config: Path) -> dict[str, str]:
    _, labels = open_labels(load_config(config))
    return row_digests(labels.table(labels.read(), "tagged"))


# What is on the command line, and what the one line says. P: the photos.
WRONG = {
    "nowhere": (["{top}/nowhere", "--classes", "a"], "there is no such folder"),
    "a file": (["{P}/plain.png", "--classes", "a"], "it is a file"),
    "no photo": (["{top}/empty", "--classes", "a"], "there is no photo in it"),
    "other files": (["{top}/papers", "--classes", "a"], "there is no photo in it"),
    "all broken": (["{top}/broken", "--classes", "a"], "none of 2 photos can be read, e.g. "),
    "no classes": (["{P}"], "--classes deer,fox"),
    "bad classes": (["{P}", "--classes", "a,,b"], "an empty name between two commas"),
    "control characters": (["{P}", "--classes", "a,\x1b[2Kb"], "a control character inside a name"),
    "reserved": (["{P}", "--classes", "NULL"], "--classes NULL"),
    "inside": (["{P}", "--classes", "a", "--project", "{P}/x"], "lie in one another"),
    "around": (["{P}", "--classes", "a", "--project", "{top}"], "lie in one another"),
    "the same": (["{P}", "--classes", "a", "--project", "{P}"], "lie in one another"),
    "by a link": (["{P}", "--classes", "a", "--project", "{top}/link/x"], "lie in one another"),
    "the root": (["/", "--classes", "a"], "lie in one another"),
    "taken": (["{P}", "--classes", "a", "--project", "{top}/papers"], "other files lie there"),
    "not possible": (["{P}", "--classes", "a", "--project", "{top}/papers/1.txt/x"], "--project"),
    "batch": (["{P}", "--classes", "a", "--batch", "0"], "a whole number from 1"),
    "odd name": (["{top}/a\n\nb", "--classes", "a"], "config.ini cannot carry"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_begun_is_one_line_and_leaves_nothing(photos, tmp_path, case):
    top = tmp_path
    for name in ("empty", "papers", "broken"):
        (top / name).mkdir()
    (top / "papers" / "1.txt").write_text("a paper")
    for name in ("1.jpg", "2.jpg"):
        (top / "broken" / name).write_bytes(b"no photo")
    photos_in(top / "a\n\nb", ["1.jpg"])
    os.symlink(photos, top / "link")
    words, said = WRONG[case]
    words = [word.format(P=photos, top=top) for word in words]

    finished = run("tag/start.py", *words, "--no-browser")

    assert finished.returncode == 2 and said in finished.stderr, finished.stderr
    assert finished.stderr.count("\n") == 1
    assert case == "all broken" or not list(top.glob("*-project/config.ini"))
    assert [path.name for path in (top / "papers").iterdir()] == ["1.txt"]


def test_a_project_that_is_there_is_for_its_own_photos_and_classes(photos, tmp_path):
    config = make(project_for(photos, None), ["deer", "fox"]).path
    others = photos_in(tmp_path / "others", ["1.jpg"])
    for words, said in (
        ([photos, "--classes", "fox"], "leaves out deer"),
        ([photos, "--classes", "deer,owl"], "leaves out fox"),
        ([others, "--project", config.parent], "is for the photos in"),
        ([config.parent, "--classes", "deer"], "there is no photo in it"),
    ):
        finished = run("tag/start.py", *words, "--no-browser")
        assert finished.returncode == 2 and said in finished.stderr, finished.stderr
        assert finished.stderr.count("\n") == 1
    assert load_config(config).classes == ("deer", "fox")

    with started(photos, "--classes", "deer,fox,owl") as program:
        assert "owl" in program.said[0]
        program.end()
    assert load_config(config).classes == ("deer", "fox", "owl")
    for inside in (config.parent, config.parent / "labels", config.parent / "to_review"):
        finished = run("tag/start.py", inside, "--classes", "deer", "--no-browser")
        assert finished.returncode == 2 and finished.stderr.count("\n") == 1


def test_photos_and_project_may_be_moved_together(photos, tmp_path):
    make(project_for(photos, None), ["deer"])
    (tmp_path / "elsewhere").mkdir()
    for folder in (photos, tmp_path / "my photos, 100%-project"):
        shutil.move(folder, tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere" / photos.name
    with started(moved) as program:
        assert "going on" in program.said[0]
        program.end()


def test_a_second_start_says_that_one_is_open(photos):
    with started(photos, "--classes", "deer") as program:
        finished = run("tag/start.py", photos, "--no-browser")
        assert finished.returncode == 1 and finished.stderr.count("\n") == 1
        program.end()


@pytest.fixture
def many(tmp_path):
    """A project of 60 photos, one of them broken, of which none is taken in."""
    photos = photos_in(tmp_path / "many", [f"{number % 7}/{number}.jpg" for number in range(60)])
    broken = photos / "3" / "3.jpg"
    broken.chmod(0o644)
    broken.write_bytes(b"no photo")
    config = make(project_for(photos, None), ["deer"])
    container, labels = open_labels(config)
    listing, _ = bring_images(container, config)
    return config, container, labels, listing


def test_a_first_look_is_as_long_as_it_may_be(many):
    config, container, labels, listing = many
    blobs = in_drawing_order(listing.blobs, config.seed)
    assert sorted(blob.name for blob in blobs) == [blob.name for blob in listing.blobs]

    def look(**limits) -> int:
        greys = labels.read().greys
        return len(look_at(container, config.image_dir, blobs, greys, **limits).hashes)

    assert look(fewest=5, most=20, seconds=0) == 5
    assert look(fewest=5, most=20, seconds=1000) == 20
    assert look(fewest=500, most=900, seconds=0) == 59


def test_the_others_are_taken_in_meanwhile_and_what_was_done_stays(many, capsys):
    config, container, labels, listing = many
    with Meanwhile(config, container, labels, listing, listing.blobs) as meanwhile:
        meanwhile.join()
    assert meanwhile.lines() == []
    assert "all photos are taken in now: 59, and 1 that cannot be read" in capsys.readouterr().out
    state = state_of(config.path)
    assert len(state["totag"]) == 59 and state["failed"] == {"3/3.jpg"}
    present = published_embeddings(labels, labels.read())
    assert present.basis.kind == HASH and len(present.names) == 59


def test_ended_early_the_next_start_goes_on(many):
    config, container, labels, listing = many
    with Meanwhile(config, container, labels, listing, listing.blobs) as meanwhile:
        pass
    left = 60 - sum(len(state_of(config.path)[name]) for name in ("images", "failed"))
    said = meanwhile.lines()
    assert said == ([] if not left else [said[0]]) and (not left or f"{left} of 60" in said[0])
    with started(config.image_location) as program:
        program.end()
    state = state_of(config.path)
    assert len(state["images"]) + len(state["failed"]) == 60


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "line, after",
    [
        ("classes=deer", "classes=deer,owl"),
        ('classes = "deer, fox"  # two', "classes =deer,fox,owl  # two"),
        ("classes=old\nclasses=deer", "classes=old\nclasses=deer,owl"),
        ("classes=$5 deer", "classes='$5 deer,owl'"),
    ],
)
def test_a_new_class_changes_one_line_of_the_config(tmp_path, line, after, ending):
    def text(line: str) -> str:
        lines = ["\ufeff# é", "storage_url=.", line, "image_location=p", "label_container_name=l"]
        return ending.join("\n".join([*lines, ""]).split("\n"))

    file = tmp_path / "config.ini"
    file.write_bytes(text(line).encode())
    file.chmod(0o600)
    assert add_classes(load_config(file), ["owl"]).classes[-1] == "owl"
    assert file.read_bytes() == text(after).encode()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_class_that_would_break_the_config_is_refused(tmp_path):
    file = tmp_path / "config.ini"
    text = "image_container_name=i\nlabel_container_name=l\nclasses=${a}\na=deer\n"
    file.write_text(text)
    recorded = {"renamed": {"fox": "red fox"}, "dropped": ["owl"]}
    for name in ("fox", "owl", "", " ", "a,b", "NULL", 'x"y', "\x1b[2Kb", "\u202ex"):
        with pytest.raises(InputError):
            add_classes(load_config(file), [name], recorded)
    assert file.read_text() == text
    file.write_text(text + "ideal_class_balance=.5,.5\n")
    with pytest.raises(InputError, match="ideal_class_balance"):
        add_classes(load_config(file), ["hare"])
