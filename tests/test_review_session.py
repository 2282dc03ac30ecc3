"""What is done at the review page is on disk at once, overwrites nothing, and arrives as it is."""

import json

import pytest
from helpers_batch import THREE, BatchProject
from helpers_page import Here, Program
from helpers_programs import run
from helpers_tables import labels

from utils.config import load_config
from utils.errors import InputError
from utils.formats import page
from utils.formats.page import Saved
from utils.formats.sheets import Box
from utils.labels.state import Change
from utils.review.opening import open_session
from utils.review.session import Gone, Session, Stale

BOX = Box("seal", 0.25, 0.5, 0.25, 0.75)
FIRST, SECOND = "Images/north__1.jpg", "Images/south__1.jpg"


@pytest.fixture
def project(folder_store, tmp_path):
    made = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    made.run("download", 3)
    return made


def opened(project) -> Session:
    return open_session(load_config(project.config), str(project.config))[0]


def on_disk(project) -> dict:
    return json.loads((project.place / page.FILE).read_text(encoding="utf-8"))["images"]


def test_what_is_saved_is_on_disk_and_in_the_next_session(project):
    session = opened(project)
    assert session.saved(FIRST).boxes == (Box("bird", 0.1, 0.5, 0.2, 0.8, 0.9),)
    session.save(FIRST, 0, Saved(page.REVIEWED, boxes=(BOX,)), seconds=2.5)
    assert on_disk(project)[FIRST]["boxes"][0]["xmin"] == 0.25
    again = opened(project)
    saved = again.saved(FIRST)
    assert (saved.boxes, saved.revision, saved.seconds) == ((BOX,), 1, 2.5)
    assert saved.at and again.at == FIRST
    again.look(SECOND, 1.0)
    assert again.saved(SECOND).seconds == 1.0 and again.saved(SECOND).revision == 0
    assert again.describe()["at"] == 1


def test_a_change_to_an_image_that_was_changed_meanwhile_is_refused(project):
    session = opened(project)
    session.save(FIRST, 0, Saved(page.REVIEWED, boxes=(BOX,)))
    with pytest.raises(Stale) as stale:
        session.save(FIRST, 0, Saved(page.REVIEWED, boxes=()))
    assert stale.value.present.boxes == (BOX,)
    assert session.saved(FIRST).boxes == (BOX,)


def test_a_change_whose_answer_was_lost_may_be_sent_again(project):
    session = opened(project)
    session.save(FIRST, 0, Saved(page.REVIEWED, boxes=(BOX,)))
    assert session.save(FIRST, 0, Saved(page.REVIEWED, boxes=(BOX,))).boxes == (BOX,)


def test_two_programs_notice_what_the_other_has_saved(project):
    one, other = opened(project), opened(project)
    one.save(FIRST, 0, Saved(page.REVIEWED, boxes=(BOX,)))
    other.save(SECOND, 0, Saved(page.REVIEWED, boxes=()))
    assert on_disk(project).keys() == {FIRST, SECOND}
    with pytest.raises(Stale):
        other.save(FIRST, 0, Saved(page.REVIEWED, boxes=()))


def test_nothing_is_saved_into_a_folder_in_which_another_batch_lies(project):
    session = opened(project)
    project.run("download", 1, "--discard")
    with pytest.raises(Gone):
        session.save(FIRST, 0, Saved(page.REVIEWED, boxes=(BOX,)))
    with pytest.raises(Gone):
        session.describe()
    assert on_disk(project) == {}


def test_a_damaged_file_is_named_and_not_overwritten(project):
    (project.place / page.FILE).write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="repair it, or move it away"):
        opened(project)
    assert (project.place / page.FILE).read_text(encoding="utf-8") == "{"
    (project.place / page.FILE).unlink()
    assert opened(project).saved(FIRST).revision == 0


def test_the_page_is_open_once_and_no_other_batch_comes_under_it_while_uploads_may(project):
    with Program(project.config) as program:
        second = run("tag/review.py", project.config, "--no-browser")
        assert second.returncode == 1 and "the review page is open there" in second.stderr
        assert "the review page is open there" in project.run("download", 1, "--discard", code=1)
        opened(project).save(FIRST, 0, Saved(page.REVIEWED, boxes=(BOX,)))
        assert project.last(project.run("upload")).startswith("1 images, 1 boxes")
        line = program.end()[-1]
        assert line.startswith(f"1 of 3 images are reviewed, in {project.place / page.FILE}")
    assert not (project.place / ".review.lock").exists()


def test_it_says_what_is_missing_before_it_shows_anything(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    done = run("tag/review.py", project.config)
    assert done.returncode == 2 and "no batch is there" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = run("tag/review.py", project.config, "--strategy", "random")
    assert done.returncode == 2 and "say how many images are wanted" in done.stderr
    project.run("download", 2)
    project.config.write_text(project.config.read_text().replace("=anna", "=bob"))
    done = run("tag/review.py", project.config)
    assert done.returncode == 2 and "handed out to anna, and you are bob" in done.stderr


def test_with_a_number_an_unfinished_batch_is_gone_on_with(project):
    with Program(project.config, 2) as program:
        assert "the batch there is not done; the next 2 images come after it" in program.said[-2]


def test_skipped_images_are_given_back_set_aside_or_kept(store, tmp_path):
    project = BatchProject(store, tmp_path, THREE, annotation_tool="page")
    project.run("download", 3)
    session = opened(project)
    session.save(FIRST, 0, Saved(page.SKIPPED))
    session.save(SECOND, 0, Saved(page.SKIPPED, page.GIVE_BACK))
    session.save("Images/south__2.jpg", 0, Saved(page.SKIPPED, page.UNUSABLE))
    said = project.run("upload", "--all")
    assert "north__1.jpg: skipped for now; not counted as reviewed" in said
    assert "; 1 not usable; 1 given back; 1 of 3 not counted" in project.last(said)
    assert project.names("tagging") == ["north/1.jpg"]
    assert project.names("failed") == ["south/2.jpg"] and project.names("tagged") == []
    assert project.table("failed")["reason"].tolist() == ["not usable, says anna"]
    assert "not usable" in project.run("upload", "--all"), "nothing is left to do"

    session.save("Images/south__2.jpg", 1, Saved(page.REVIEWED, boxes=(BOX,)))
    project.run("upload")
    assert project.names("failed") == [] and project.names("tagged") == ["south/2.jpg"]
    assert run("tag/status.py", project.config, "--check").returncode == 0


def test_labelled_images_that_are_looked_at_again_may_be_skipped_and_stay_labelled(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    tagged = labels("north/1.jpg bird 0.1 0.5 0.2 0.8\nsouth/1.jpg NULL")
    project.labels.commit(lambda state: Change({"tagged": tagged}), what="seeding")
    project.run("download", 2, "--review-random")
    session = opened(project)
    assert session.describe()["again"]
    session.save(FIRST, 0, Saved(page.SKIPPED, page.UNUSABLE))
    session.save(SECOND, 0, Saved(page.SKIPPED, page.GIVE_BACK))
    assert project.last(project.run("upload")).startswith("0 images changed")
    assert project.names("tagged") == ["north/1.jpg", "south/1.jpg"]
    assert project.names("review") == [] and project.names("failed") == []


def test_what_another_tool_saved_later_contradicts_openly(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="vott")
    project.run("download", 3)
    project.save(visited=["north/1.jpg"])
    session = opened(project)
    session.save(FIRST, 0, Saved(page.REVIEWED, boxes=(BOX,)))
    assert project.last(project.run("upload")).startswith("1 images, 1 boxes")
    project.save({"north/1.jpg": []})
    assert "it was reviewed twice, with different boxes" in project.run("upload", code=1)
    assert project.boxes() == ["north/1.jpg seal 0.25 0.5 0.25 0.75"]


def test_a_batch_of_an_unreadable_tool_file_opens_and_the_upload_still_says_so(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="vott")
    project.run("download", 3)
    (project.place / "Images.json").write_text("{", encoding="utf-8")
    session = opened(project)
    session.save(FIRST, 0, Saved(page.REVIEWED, boxes=(BOX,)))
    said = project.run("upload")
    assert "Images.json: cut short or damaged" in said
    assert project.last(said).startswith("1 images, 1 boxes")


def test_the_page_ends_with_the_batch_that_it_shows(project):
    with Here(project.config) as here:
        assert here.server.desk.upload() == {
            "lines": [
                "0 images, 0 boxes → nothing; 3 of 3 not counted as reviewed (north__1.jpg,"
                " south__1.jpg, south__2.jpg): step past them on the review page (python"
                " tag/review.py CONFIG), or upload with --all if you have looked at every image"
            ],
            "useful": False,
        }
        refused = here.server.desk.next_batch(1, discard=False)
        assert "3 of 3 images of the batch" in refused["error"]
        taken = here.server.desk.next_batch(1, discard=True)
        assert "error" not in taken and len(here.server.desk.session.keys) == 1
