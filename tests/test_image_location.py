"""Images in a folder that image_location names: used where they lie, never written."""

import os
from pathlib import Path

import pytest
from helpers_batch import picture
from helpers_programs import done, run
from helpers_project import Project

from utils.config import load_config
from utils.errors import InputError
from utils.formats import page
from utils.formats.page import Saved
from utils.labels import tables
from utils.labels.store import open_labels
from utils.review.opening import open_session

NAMES = ("a#b 50%/1.jpg", "a#b 50%/deep/鳥 été.JPG", "top's $x.jpg", "two.png")
LINES = """storage_url=project
label_container_name=labels
user_folders=True
filetype=*.jpg,*.png
classes=bird,seal
tagging_location=to_review
annotation_tool=page
random_share=0
data_dir=data
test_percentage=.5
"""


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder of photos that may only be read."""
    folder = tmp_path / "my photos"
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(form="PNG" if name.endswith("png") else "JPEG"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


def config_in(folder: Path, *lines: str) -> Path:
    (folder / "project" / "labels").mkdir(parents=True, exist_ok=True)
    config = folder / "config.ini"
    config.write_text(LINES + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return config


def listed(folder: Path) -> dict[str, tuple]:
    """All that lies in a folder, and how."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.stat()
        found[str(path)] = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode)
    return found


def test_every_program_uses_the_images_where_they_lie(photos, tmp_path):
    config, before = config_in(tmp_path, f"image_location={photos.name}"), listed(photos)
    assert done("train/initialize.py", config).startswith("4 images (4 new, 0 failed)")
    done("tag/download_vott_json.py", 4, config)
    session, _ = open_session(load_config(config), "config.ini")
    for key in session.keys:
        box = page.Box("bird", 0.1, 0.5, 0.2, 0.8)
        session.save(key, 0, Saved(page.REVIEWED, boxes=(box,)))
    assert done("tag/upload_vott_json.py", config).startswith("4 images, 4 boxes")
    assert "4 images" in done("tag/status.py", config)
    assert "0 rules broken" in done("tag/status.py", config, "--check")

    done("train/sync_images.py", config)  # tests/test_start.py goes on with the records
    assert not (tmp_path / "data" / "AllImages").exists()
    assert listed(photos) == before

    _, labels = open_labels(load_config(config))
    assert tables.image_set(labels.table(labels.read(), "tagged")) == set(NAMES)


def test_a_batch_does_not_go_into_the_folder_of_the_images(photos, tmp_path):
    config = config_in(tmp_path, f"image_location={photos}", f"tagging_location={photos}/a/b")
    finished = run("tag/download_vott_json.py", 1, config)
    assert finished.returncode == 2 and "it lies in the container" in finished.stderr


def test_it_may_be_anywhere_on_this_machine(photos, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    config = config_in(tmp_path / "elsewhere", f"image_location={photos}")
    images, _ = open_labels(load_config(config))
    assert {blob.name for blob in images.list()} == set(NAMES)
    assert images.path_of("two.png") == photos / "two.png"


@pytest.mark.parametrize(
    "lines, said",
    [
        (["image_location=nowhere"], "there is no such folder"),
        (["image_location=config.ini"], "there is no such folder"),
        (["image_location=project"], "label_container_name=labels lie in one another"),
        (["image_location=project/labels/x"], "label_container_name=labels lie in one another"),
        (["image_location=."], "lie in one another"),
        (["image_location=link", "label_container_name=../photos/x"], "lie in one another"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, lines, said):
    for name in ("photos/x", "project/labels/x"):
        (tmp_path / name).mkdir(parents=True)
    os.symlink(tmp_path / "photos", tmp_path / "link")
    finished = run("tag/status.py", config_in(tmp_path, *lines))
    assert finished.returncode == 2 and "Traceback" not in finished.stderr
    said_last = finished.stderr.splitlines()[-1]
    assert "image_location=" in said_last and said in said_last


@pytest.mark.parametrize(
    "lines",
    [
        "AZURE_STORAGE_ACCOUNT=birds\n",
        "storage_url=http://127.0.0.1:10000/devstoreaccount1\n",
        "storage_url=https://birds.blob.core.windows.net/?sv=1&sig=abc\n",
    ],
)
def test_an_account_of_azure_has_its_images_in_a_container(tmp_path, lines):
    config = tmp_path / "config.ini"
    config.write_text(
        f"{lines}image_location=photos\nimage_container_name=i\nlabel_container_name=l\nclasses=a\n"
    )
    with pytest.raises(InputError, match="image_location=.*photos is for a project in a folder"):
        load_config(config, {})


def test_one_of_the_two_keys_is_needed(tmp_path):
    config = config_in(tmp_path)
    with pytest.raises(InputError, match="image_container_name is missing; expected the name"):
        load_config(config, {})


@pytest.mark.parametrize("container", ["images", "labels"])
def test_a_data_dir_inside_a_container_is_refused(folder_store, tmp_path, container):
    inside = tmp_path / "store" / container / "data"
    project = Project(folder_store, tmp_path)
    project.config.write_text(project.config.read_text() + f"data_dir={inside}\n")
    for program in ("train/initialize.py", "train/sync_images.py", "tag/status.py"):
        said = project.run(program, code=2)
        assert f"data_dir={inside} lies in the container" in said
    assert not inside.exists()
