"""An image is its content: labels of a picture that was replaced are said, queued for review, and
kept out of training and test until somebody has looked. A file that was only written anew is the
same picture.
"""

import os

import pytest
from helpers_batch import BatchProject, picture
from helpers_tables import images, labels

from utils.labels import image_tables, table_files, tables
from utils.labels.tables import blob_names, image_set

NAMES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
SIZE = 4000  # bytes of every file


def photo(number: int) -> bytes:
    """Pictures of one size in pixels and in bytes, each another one."""
    data = picture(200, 100)
    comment = bytes([number]) * (SIZE - len(data) - 4)
    return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]


@pytest.fixture
def project(store, tmp_path, monkeypatch):
    """Four images, initialized; a and b are labelled, b is in the test set."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = BatchProject(store, tmp_path, "")
    for number, name in enumerate(NAMES):
        project.images.write(name, photo(number))
    train(project, "initialize")
    tagged = labels("a.jpg bird 0.1 0.5 0.2 0.8\nb.jpg seal 0 0.5 0 0.5")
    totag = tables.without(project.table("totag"), {"a.jpg", "b.jpg"})
    project.commit(tagged=tagged, test=tables.only(tagged, {"b.jpg"}), totag=totag)
    return project


def train(project, program) -> str:
    return super(BatchProject, project).run(f"train/{program}.py")


def replace(project, name, data):
    """Write an image, at another time than before."""
    project.images.write(name, data)
    path = project.images.path_of(name)
    if path:
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000_000))


def of_cycle(project) -> tuple[list[str], list[str]]:
    """The images of tagged and test that a cycle begins with."""
    settings = project.settings
    return tuple(
        sorted(image_set(tables.parse(name, path)))
        for name, path in (("tagged", settings.tagged_output), ("test", settings.test_output))
    )


def etags(project) -> dict[str, str]:
    frame = project.table("images")
    return dict(zip(blob_names(frame), frame["etag"], strict=True))


def test_labels_of_a_picture_that_was_replaced_wait_until_somebody_has_looked(project):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        replace(project, name, photo(ord(name[0])))
    said = train(project, "initialize")
    assert "2 labelled images are other pictures now than when they were labelled (a.jpg" in said
    assert project.names("replaced") == project.names("review") == ["a.jpg", "b.jpg"]
    assert project.names("tagged") == ["a.jpg", "b.jpg"]

    said = train(project, "sync_images")
    assert "2 labelled images are other pictures now" in said
    assert of_cycle(project) == ([], []) and project.names("test") == ["b.jpg"]
    status = super(BatchProject, project).run("tag/status.py")
    assert "replaced         2   (labelled, but other pictures now" in status
    before = project.state().document
    assert "other pictures" not in train(project, "initialize")
    assert project.state().document == before

    project.run("download", 2, "--review")
    assert "2 as they were" in project.run("upload", "--all")
    assert project.names("replaced") == project.names("review") == []
    train(project, "sync_images")
    assert of_cycle(project) == (["a.jpg", "b.jpg"], ["b.jpg"])


def test_a_cycle_sees_it_without_initialize_and_says_it_once(project):
    replace(project, "a.jpg", photo(99))
    before = etags(project)
    assert "(1 of them new)" in train(project, "sync_images")
    assert of_cycle(project) == (["b.jpg"], ["b.jpg"])
    assert project.names("replaced") == project.names("review") == ["a.jpg"]
    assert "(0 of them new)" in train(project, "sync_images")

    project.run("download", 1, "--review")
    project.run("upload", "--all")
    assert "other pictures" not in train(project, "sync_images")
    assert of_cycle(project)[0] == ["a.jpg", "b.jpg"]
    assert etags(project)["a.jpg"] != before["a.jpg"]


@pytest.fixture
def large(monkeypatch):
    """Tables of any size count as large."""
    monkeypatch.setattr(table_files, "SMALL", 0)


def test_a_cycle_of_a_large_project_sees_it_though_the_shortlist_is_older(large, project):
    test_a_cycle_sees_it_without_initialize_and_says_it_once(project)


def test_a_file_that_was_written_anew_is_the_same_picture(project):
    before, held = etags(project), project.state().document
    for number, name in enumerate(NAMES):
        replace(project, name, photo(number))
    said = train(project, "initialize")
    assert "other pictures" not in said and "written anew" not in said
    assert etags(project) == before
    assert project.names("replaced") == project.names("review") == []
    listed = project.table("images")["listed"]
    assert dict(zip(NAMES, listed, strict=True)) == {
        name: project.images.info(name).etag for name in NAMES
    }
    assert project.state().document["tables"]["totag"] == held["tables"]["totag"]
    again = project.state().document
    train(project, "initialize")
    train(project, "sync_images")
    assert project.state().document == again

    project.run("download", 2)
    assert "replaced" not in project.run("upload", "--all")
    assert project.names("replaced") == []


def hide(project, name, data):
    """Write another picture of the same size and, where files have one, of the same time."""
    path = project.images.path_of(name)
    before = path and path.stat()
    project.images.write(name, data)
    if path:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert project.images.info(name).etag == f"{before.st_size}-{before.st_mtime_ns}"


@pytest.mark.parametrize("program", ["initialize", "sync_images"])
def test_another_picture_of_the_same_size_and_time_is_another_picture(project, program):
    before = etags(project)
    for name in ("a.jpg", "c.jpg"):
        hide(project, name, photo(ord(name[0])))
    assert "1 " in train(project, program) and project.names("replaced") == ["a.jpg"]
    train(project, "initialize")
    assert {name for name in NAMES if etags(project)[name] != before[name]} == {"a.jpg", "c.jpg"}
    held = project.state().document
    train(project, "initialize")
    assert project.state().document == held
    project.run("download", 1, "--review")
    assert "replaced" not in project.run("upload", "--all")
    assert project.names("replaced") == []
    hide(project, "a.jpg", photo(0))
    train(project, "initialize")
    assert project.names("replaced") == ["a.jpg"]


def test_one_that_the_annotator_finds_is_left_out_and_looked_at(project):
    """Also where the file system does not say when files were touched, as on Windows."""
    hide(project, "c.jpg", photo(99))
    said = project.run("download", 2)
    assert "c.jpg: it is another picture than when it was listed" in said
    assert project.names("tagging") == ["d.jpg"]
    project.commit(members={"looked_at": 2**60 * 2})
    train(project, "initialize")
    project.run("upload", "--all")
    project.run("download", 1)
    assert project.names("tagging") == ["c.jpg"]
    assert "replaced" not in project.run("upload", "--all")


def test_one_that_came_while_the_batch_was_out_is_noticed_when_labels_arrive(project):
    project.run("download", 2)
    hide(project, "c.jpg", photo(99))
    train(project, "initialize")
    assert "c.jpg: the image was replaced" in project.run("upload", "--all")
    assert project.names("replaced") == project.names("review") == ["c.jpg"]


def test_files_that_were_only_touched_are_read_once(project, monkeypatch):
    train(project, "initialize")
    for name in NAMES:
        hide(project, name, photo(NAMES.index(name)))
    assert "other pictures" not in train(project, "initialize")
    held = project.state().document
    read = []
    md5_of = image_tables.md5_of
    monkeypatch.setattr(image_tables, "md5_of", lambda path: read.append(path) or md5_of(path))
    train(project, "initialize")
    assert read == [] and project.state().document == held


def test_the_picture_of_before_put_back_is_no_other_picture(project):
    replace(project, "a.jpg", photo(99))
    train(project, "initialize")
    assert project.names("replaced") == ["a.jpg"]
    replace(project, "a.jpg", photo(0))
    train(project, "initialize")
    assert project.names("replaced") == []


def test_an_older_container_gets_its_hashes_and_doubts_nothing_of_the_same_size(project):
    old = project.table("images").assign(md5="", listed="")
    project.commit(images=old)
    replace(project, "a.jpg", photo(0))
    replace(project, "b.jpg", photo(1) + b"longer")
    said = train(project, "initialize")
    assert "1 labelled images were written anew (a.jpg), of the same size" in said
    assert project.names("replaced") == ["b.jpg"]
    assert (project.table("images")["md5"] != "").all()


def test_labels_that_are_imported_are_of_the_present_picture(project, tmp_path):
    replace(project, "a.jpg", photo(99))
    train(project, "initialize")
    rows = labels("a.jpg seal 0 1 0 1")
    (tmp_path / "new.csv").write_bytes(tables.to_csv("tagged", rows, True))
    super(BatchProject, project).run("tag/import_labels.py", "--replace", tmp_path / "new.csv")
    assert project.names("replaced") == []


def test_boxes_of_a_picture_that_was_replaced_before_they_came_wait_too(project):
    project.run("download", 2)
    replace(project, "c.jpg", photo(99))
    train(project, "initialize")
    assert "c.jpg: the image was replaced" in project.run("upload", "--all")
    assert project.names("replaced") == project.names("review") == ["c.jpg"]
    train(project, "sync_images")
    assert of_cycle(project)[0] == ["a.jpg", "b.jpg", "d.jpg"]
    project.run("upload", "--all")
    assert project.names("replaced") == ["c.jpg"]


def test_a_picture_that_is_not_the_one_that_was_listed_is_left_out_of_a_batch(project):
    replace(project, "c.jpg", photo(99))
    said = project.run("download", 2)
    assert "c.jpg: it is another picture than when it was listed" in said
    assert [item["filename"] for item in project.batch["images"].values()] == ["d.jpg"]
    assert project.names("tagging") == ["d.jpg"] and "c.jpg" in project.names("totag")
    train(project, "initialize")
    project.run("upload", "--all")
    project.run("download", 2)
    assert [item["filename"] for item in project.batch["images"].values()] == ["c.jpg"]


@pytest.mark.parametrize("how", [(), ("--review-random",)], ids=["to tag", "to review"])
def test_another_container_with_the_same_file_names_is_asked_about(project, how):
    for number, name in enumerate(NAMES):
        replace(project, name, photo(number + 100))
    before = project.table("images")
    said = project.run("download", 2, *how, code=1)
    assert "Is that the image container of this project?" in said
    assert len(said.strip().splitlines()) == 1
    assert project.table("images").equals(before) and project.names("tagged") == ["a.jpg", "b.jpg"]


def test_images_of_which_nothing_is_known_are_handed_out(store, tmp_path):
    project = BatchProject(store, tmp_path, "a.jpg NULL\nb.jpg NULL", user_folders=False)
    project.commit(images=images("a.jpg", "b.jpg").assign(etag="", bytes=0))
    project.run("download", 2)
    project.run("upload", "--all")
    assert project.names("tagged") == ["a.jpg", "b.jpg"]
