"""Looking at labelled images again: queue, hand-out, upload, giving back. They stay labelled all
the while.
"""

import importlib
import io
import json
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import pytest
from helpers_programs import ROOT, done
from helpers_state import StateProject
from helpers_tables import labels

from utils.errors import InputError
from utils.formats.sheets import Box, unmoved
from utils.labels import review_queue, tables
from utils.labels.check import check_tables
from utils.labels.state import Change
from utils.labels.tables import blob_names, image_set

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LABELLED = ["d/1.jpg", "d/2.jpg", "d/3.jpg"]
ROWS = [
    "d/1.jpg bird 0.1 0.5 0.1 0.5",
    "d/1.jpg seal 0.5 0.9 0.1 0.5",
    "d/2.jpg NULL 0 0 0 0",
    "d/3.jpg seal 0 1 0 1",
]
DOWNLOAD, UPLOAD = "tag/download_vott_json.py", "tag/upload_vott_json.py"


@pytest.fixture
def project(folder_store, tmp_path):
    return StateProject(folder_store, tmp_path)


def review(*rows) -> object:
    """A review table from (image, tagger, reserved_at)."""
    folders, filenames = zip(*(tables.split_name(row[0]) for row in rows), strict=True)
    return tables.make(
        "review",
        filename=filenames,
        folder=folders,
        tagger=[row[1] for row in rows],
        reserved_at=[row[2] for row in rows],
    )


def queue(project, *images):
    project.commit(review=review(*((image, "", "") for image in images)))


def held(project) -> list[str]:
    """`image tagger` of every row of review; a queued image has no tagger."""
    frame = project.table("review")
    return sorted(
        f"{image} {tagger}".strip()
        for image, tagger in zip(blob_names(frame), frame["tagger"], strict=True)
    )


def colleague(project, name="bob"):
    """The config of another annotator of the same project."""
    folder = project.config.parent / name
    folder.mkdir(exist_ok=True)
    (folder / "config.ini").write_text(
        project.config.read_text(encoding="utf-8").replace("anna", name), encoding="utf-8"
    )
    return folder / "config.ini"


def region(tag, x1, x2, y1, y2):
    """A VoTT region, in pixels of an image of 200 x 100."""
    return {
        "x1": x1,
        "x2": x2,
        "y1": y1,
        "y2": y2,
        "width": 200,
        "height": 100,
        "tags": [tag],
        "type": "Rectangle",
    }


def vott(config, name="Images") -> dict:
    return json.loads((config.parent / "Tag" / f"{name}.json").read_text(encoding="utf-8"))


def save(config, frames=None, visited=(), name="Images"):
    """Save as VoTT does: `frames` replaces the boxes of images, `visited` were stepped past; both
    by local name.
    """
    saved = vott(config, name)
    saved["frames"].update(frames or {})
    saved["visitedFrames"] = list(visited)
    (config.parent / "Tag" / f"{name}.json").write_text(json.dumps(saved), encoding="utf-8")


def call(program, *arguments) -> str:
    """Run a program of tag/ in this process, expect success, and give what it printed."""
    with redirect_stdout(io.StringIO()) as output:
        assert (
            importlib.import_module(Path(program).stem).main(
                [str(argument) for argument in arguments]
            )
            == 0
        )
    return output.getvalue()


def clean(project):
    assert "0 rules broken" in call("tag/status.py", project.config, "--check")


# The whole way, on both stores


def test_queued_images_go_out_with_their_boxes_stay_labelled_and_come_back(store, tmp_path):
    project = StateProject(store, tmp_path)
    done("tag/change_classes.py", project.config, "--rename", "bird=tern", "--review")
    assert held(project) == ["d/1.jpg"]
    output = done(DOWNLOAD, 5, project.config, "--review")
    assert output.splitlines()[-1].startswith("1 images to look at again, 2 boxes → ")
    assert (
        held(project) == ["d/1.jpg", "d/1.jpg anna"]
        and project.names("tagged") == LABELLED
        and len(project.names("tagging")) == 2
    )
    assert [box["tags"] for box in vott(project.config)["frames"]["d__1.jpg"]] == [
        ["tern"],
        ["seal"],
    ]
    clean(project)

    save(project.config, {"d__1.jpg": [region("tern", 20, 100, 10, 50)]})
    assert (
        done(UPLOAD, project.config)
        .splitlines()[-1]
        .startswith("1 images changed, 1 boxes → tagged_")
    )
    assert sorted(project.rows()) == ["d/1.jpg tern 0.1 0.5 0.1 0.5", *ROWS[2:]] and held(
        project
    ) == [] == project.names("conflicts")
    before = project.labels.read().document
    assert "1 as they were" in done(UPLOAD, project.config)
    assert project.labels.read().document == before
    clean(project)


def test_a_class_change_and_a_normal_upload_at_the_same_moment_as_a_review_upload_lose_nothing(
    store, tmp_path
):
    project = StateProject(store, tmp_path)
    other = colleague(project)
    done("tag/abandon.py", project.config, "--tagger", "bob")
    done(DOWNLOAD, 10, other)
    done(DOWNLOAD, 3, project.config, "--review-random")
    save(
        project.config,
        {"d__1.jpg": [region("bird", 0, 20, 0, 10)], "d__3.jpg": [region("seal", 0, 20, 0, 10)]},
        ["d__2.jpg"],
    )
    commands = [
        (UPLOAD, project.config),
        (UPLOAD, other, "--all"),
        ("tag/change_classes.py", project.config, "--rename", "bird=tern"),
    ]
    started = [
        subprocess.Popen(
            [sys.executable, str(ROOT / program), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        for program, *arguments in commands
    ]
    outputs = [process.communicate(timeout=1800)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], outputs
    assert {"d/1.jpg tern 0 0.1 0 0.1", "d/2.jpg NULL 0 0 0 0", "d/3.jpg seal 0 0.1 0 0.1"} <= set(
        project.rows()
    )
    assert "a/1.jpg tern 0.1 0.5 0.2 0.8" in project.rows() and "bird" not in set(
        project.table("tagged")["class"]
    )
    assert project.rows("test") == ["d/3.jpg seal 0 0.1 0 0.1"] and held(
        project
    ) == [] == project.names("conflicts")
    clean(project)


def test_annotators_who_ask_for_review_at_the_same_moment_get_different_images(
    folder_store, tmp_path
):
    project = StateProject(folder_store, tmp_path)
    queue(project, *LABELLED)
    commands = [
        [sys.executable, str(ROOT / DOWNLOAD), "1", str(colleague(project, name)), "--review"]
        for name in ("bob", "cleo", "dan")
    ]
    started = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        )
        for command in commands
    ]
    outputs = [process.communicate(timeout=1800)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], outputs
    rows = [row.split() for row in held(project)]
    assert [row[0] for row in rows if len(row) == 2] == LABELLED and {
        row[1] for row in rows if len(row) == 2
    } == {"bob", "cleo", "dan"}


# Which images


def test_an_empty_queue_and_unlabelled_images_give_nothing():
    nothing, none = tables.empty("review"), tables.empty("tagged")
    for how in ("queue", "random", "class bird"):
        assert review_queue.choose(none, nothing, how, 3, hours=72, now=NOW) == []
    assert review_queue.choose(labels("1.jpg NULL"), nothing, "queue", 3, hours=72, now=NOW) == []


def test_the_queue_is_worked_off_in_its_order_without_what_somebody_has():
    tagged = labels(
        "1.jpg a 0 1 0 1\n2.jpg b 0 1 0 1\n3.jpg a 0 1 0 1\n4.jpg NULL\n5.jpg a 0 1 0 1"
    )
    table = review(
        ("3.jpg", "", ""),
        ("1.jpg", "", ""),
        ("2.jpg", "", ""),
        ("gone.jpg", "", ""),
        ("1.jpg", "bob", "2026-04-30T12:00:00Z"),
        ("4.jpg", "bob", "2026-01-01T00:00:00Z"),
        ("5.jpg", "bob", "2026-04-30T12:00:00Z"),
    )

    def chosen(how, count=9, **options):
        return review_queue.choose(tagged, table, how, count, hours=72, now=NOW, **options)

    assert chosen("queue") == ["3.jpg", "2.jpg"] and chosen("queue", 1) == ["3.jpg"]
    assert chosen("class a") == ["3.jpg"] and chosen("class b") == ["2.jpg"]
    assert sorted(chosen("random")) == ["2.jpg", "3.jpg", "4.jpg"] and sorted(
        chosen("random", refused={"2.jpg"})
    ) == ["3.jpg", "4.jpg"]


def test_queued_images_of_a_class_come_before_others_of_it():
    tagged = labels("\n".join(f"{number}.jpg a 0 1 0 1" for number in range(50)))
    table = review(("31.jpg", "", ""), ("7.jpg", "", ""))
    assert review_queue.choose(tagged, table, "class a", 2, hours=72, now=NOW) == [
        "31.jpg",
        "7.jpg",
    ]


def test_a_random_sample_takes_every_labelled_image_equally_often():
    tagged = labels("\n".join(f"{number}.jpg NULL" for number in range(4)))
    table = review(("1.jpg", "", ""))
    counts = dict.fromkeys(image_set(tagged), 0)
    for _ in range(400):
        for image in review_queue.choose(tagged, table, "random", 1, hours=72, now=NOW):
            counts[image] += 1
    assert all(abs(count - 100) < 80 for count in counts.values()), counts  # 9 standard deviations


def test_images_of_a_class_or_at_random_go_out_without_a_queue(project):
    call(DOWNLOAD, 5, project.config, "--review-class", "seal")
    assert held(project) == ["d/1.jpg anna", "d/3.jpg anna"]
    call("tag/abandon.py", project.config)
    assert held(project) == []
    call(DOWNLOAD, 3, project.config, "--review-random")
    assert held(project) == [f"{image} anna" for image in LABELLED]


def test_a_class_that_was_renamed_is_found_under_its_old_name_too(project):
    call("tag/change_classes.py", project.config, "--rename", "bird=tern")
    call(DOWNLOAD, 5, project.config, "--review-class", "bird")
    assert held(project) == ["d/1.jpg anna"]


@pytest.mark.parametrize(
    "options, said",
    [
        (["--review"], "nothing waits to be looked at again (0 queued, 0 out)"),
        (["--review-class", "brid"], "no labelled image has a box of brid; there are bird, seal"),
        (["map.json", "--review"], "choose among images to tag, not for review"),
        (["--strategy", "random", "--review"], "choose among images to tag, not for review"),
    ],
)
def test_what_cannot_be_handed_out_for_review_is_one_line(project, options, said):
    before = project.labels.read().document
    with pytest.raises(InputError, match=re.escape(said)):
        call(DOWNLOAD, 5, project.config, *options)
    assert (
        project.labels.read().document == before
        and not (project.config.parent / "Tag" / "Images").exists()
    )


def test_an_image_is_out_for_review_to_one_person_until_the_reservation_is_old(project):
    queue(project, "d/1.jpg", "d/2.jpg")
    other = colleague(project)
    call(DOWNLOAD, 1, project.config, "--review")
    call(DOWNLOAD, 5, other, "--review")
    assert held(project) == ["d/1.jpg", "d/1.jpg anna", "d/2.jpg", "d/2.jpg bob"]
    late = (
        project.table("review")
        .replace({"reserved_at": {"": ""}})
        .assign(
            reserved_at=lambda frame: [
                "2026-01-01T00:00:00Z" if tagger == "anna" else time
                for tagger, time in zip(frame["tagger"], frame["reserved_at"], strict=True)
            ]
        )
    )
    project.commit(review=late)
    save(other, visited=["d__2.jpg"])
    call(UPLOAD, other)
    call(DOWNLOAD, 5, other, "--review")
    assert held(project) == ["d/1.jpg", "d/1.jpg bob"]

    save(project.config, {"d__1.jpg": [region("seal", 0, 20, 0, 10)]})
    call(UPLOAD, project.config)  # late, and before bob
    assert held(project) == [] and "d/1.jpg seal 0 0.1 0 0.1" in project.rows()
    save(other, {"d__1.jpg": []})
    assert "d/1.jpg: its boxes were changed meanwhile; yours are set aside in conflicts_" in call(
        UPLOAD, other
    )
    assert (
        project.rows("conflicts") == ["d/1.jpg NULL 0 0 0 0"]
        and "d/1.jpg seal 0 0.1 0 0.1" in project.rows()
    )


# What comes back


def test_images_that_are_right_leave_the_queue_and_tagged_is_not_written_anew(project):
    exact = labels(
        f"d/1.jpg bird 0.1234567890123 {1 / 3!r} 0.1 0.5\nd/1.jpg seal 0.5 0.5 0.1 0.4\nd/2.jpg"
        " NULL\nd/3.jpg seal 0 1 0 1"
    )
    project.commit(tagged=exact)
    queue(project, *LABELLED)
    call(DOWNLOAD, 3, project.config, "--review")
    before = project.labels.read().blob("tagged")
    # VoTT cannot hold a box without area
    assert len(vott(project.config)["frames"]["d__1.jpg"]) == 1
    output = call(UPLOAD, project.config, "--all")
    assert output.splitlines()[-1].startswith(
        f"0 images changed, 0 boxes → {before}; 3 as they were"
    )
    assert held(project) == [] and project.labels.read().blob("tagged") == before


def test_only_the_box_that_was_moved_has_other_coordinates(project):
    project.commit(
        tagged=labels(
            f"d/1.jpg bird 0.1234567890123 {1 / 3!r} 0.1 0.5\nd/1.jpg seal 0.5 0.9 0.1 0.5\nd/3.jpg"
            " seal 0 1 0 1"
        )
    )
    call(DOWNLOAD, 3, project.config, "--review-class", "bird")
    boxes = vott(project.config)["frames"]["d__1.jpg"]
    save(project.config, {"d__1.jpg": [boxes[0], {**boxes[1], "x1": 90}]})
    call(UPLOAD, project.config)
    rows = project.table("tagged")
    assert rows[rows["class"] == "bird"][["xmin", "xmax"]].to_numpy().tolist() == [
        [0.1234567890123, 1 / 3]
    ]
    assert "d/1.jpg seal 0.45 0.9 0.1 0.5" in project.rows()


def test_boxes_that_nobody_moved_keep_what_the_file_rounds_away():
    exact = [Box("a", 0.12345678, 0.5, 0.1, 0.2), Box("a", 0.12345679, 0.5, 0.1, 0.2)]
    rounded = [
        Box("a", 0.1235, 0.5, 0.1, 0.2),
        Box("a", 0.1235, 0.5, 0.1, 0.2),
        Box("b", 0.1235, 0.5, 0.1, 0.2),
    ]
    assert unmoved(rounded, exact, 200, 100) == (*exact, rounded[2])
    assert unmoved([], exact, 200, 100) == () and unmoved(rounded, [], 200, 100) == tuple(rounded)


def test_a_test_image_stays_in_the_test_set_with_the_new_rows(project):
    call(DOWNLOAD, 3, project.config, "--review-random")
    save(project.config, {"d__3.jpg": [region("bird", 0, 100, 0, 50)]})
    call(UPLOAD, project.config)
    assert project.rows("test") == ["d/3.jpg bird 0 0.5 0 0.5"]
    clean(project)


def test_images_without_a_mark_stay_reserved_and_are_counted(project):
    queue(project, *LABELLED)
    call(DOWNLOAD, 3, project.config, "--review")
    save(project.config, visited=["d__2.jpg"])
    line = call(UPLOAD, project.config).splitlines()[-1]
    assert (
        "1 as they were" in line and "2 of 3 not counted as reviewed (d__1.jpg, d__3.jpg)" in line
    )
    assert held(project) == ["d/1.jpg", "d/1.jpg anna", "d/3.jpg", "d/3.jpg anna"]
    with pytest.raises(InputError, match="2 of 3 images of the batch"):
        call(DOWNLOAD, 3, project.config, "--review")


def test_rows_that_somebody_changed_meanwhile_stand_and_the_image_is_queued_still(project):
    queue(project, "d/1.jpg")
    call(DOWNLOAD, 1, project.config, "--review")
    project.commit(
        tagged=labels("d/1.jpg bird 0.2 0.5 0.1 0.5\nd/2.jpg NULL\nd/3.jpg seal 0 1 0 1")
    )
    save(project.config, {"d__1.jpg": [region("seal", 0, 20, 0, 10)]})
    output = call(UPLOAD, project.config)
    assert "d/1.jpg: its boxes were changed meanwhile; yours are set aside in conflicts_" in output
    assert "d/1.jpg bird 0.2 0.5 0.1 0.5" in project.rows() and project.rows("conflicts") == [
        "d/1.jpg seal 0 0.1 0 0.1"
    ]
    assert held(project) == ["d/1.jpg"]
    before = project.labels.read().document
    call(UPLOAD, project.config)
    assert project.labels.read().document == before


def test_an_old_review_batch_does_not_undo_a_newer_one_that_put_the_boxes_back(project):
    other = colleague(project)
    call(DOWNLOAD, 3, project.config, "--review-class", "bird")
    save(project.config, {"d__1.jpg": [region("seal", 0, 20, 0, 10)]})
    call(UPLOAD, project.config)
    call(DOWNLOAD, 3, other, "--review-random")
    save(other, {"d__1.jpg": [region("bird", 20, 100, 10, 50), region("seal", 100, 180, 10, 50)]})
    call(UPLOAD, other)
    assert sorted(project.rows()) == ROWS
    assert "d/1.jpg: uploaded before, and changed by somebody else since; that stands" in call(
        UPLOAD, project.config
    )
    assert sorted(project.rows()) == ROWS and project.rows("conflicts") == []


def test_uploading_an_earlier_batch_again_takes_nothing_out_of_the_queue(project):
    call("tag/abandon.py", project.config)
    call(DOWNLOAD, 4, project.config)
    call(UPLOAD, project.config, "--all")
    queue(project, "a/1.jpg", "d/1.jpg")
    call(UPLOAD, project.config, "--all")
    assert held(project) == ["a/1.jpg", "d/1.jpg"]
    other = colleague(project)
    call(DOWNLOAD, 1, other, "--review")
    save(other, visited=["a__1.jpg"])
    call(UPLOAD, other)
    queue(project, "a/1.jpg", "d/1.jpg")
    call(UPLOAD, other)
    assert held(project) == ["a/1.jpg", "d/1.jpg"]


def test_class_changes_meanwhile_apply_to_a_review_batch(project):
    call(DOWNLOAD, 3, project.config, "--review-random")
    call("tag/change_classes.py", project.config, "--rename", "bird=tern", "--drop", "seal")
    save(
        project.config,
        {"d__2.jpg": [region("bird", 0, 20, 0, 10), region("seal", 0, 20, 0, 20)]},
        ["d__1.jpg", "d__3.jpg"],
    )
    line = call(UPLOAD, project.config).splitlines()[-1]
    assert line.startswith("1 images changed, 1 boxes") and "2 as they were" in line
    assert sorted(project.rows()) == [
        "d/1.jpg tern 0.1 0.5 0.1 0.5",
        "d/2.jpg tern 0 0.1 0 0.1",
        "d/3.jpg NULL 0 0 0 0",
    ]
    assert held(project) == [] == project.names("conflicts")


# Out, lost, given back


def test_images_given_back_are_queued_if_they_were_before(project):
    queue(project, "d/1.jpg")
    call(DOWNLOAD, 3, project.config, "--review-random")
    assert held(project) == ["d/1.jpg", "d/1.jpg anna", "d/2.jpg anna", "d/3.jpg anna"]
    call("tag/change_classes.py", project.config, "--rename", "seal=walrus", "--review")
    assert held(project)[3] == "d/3.jpg"
    output = call("tag/abandon.py", project.config)
    assert output.startswith("4 images given back, 4 of anna, 3 of them labelled (under review)")
    assert held(project) == ["d/1.jpg", "d/3.jpg"] and project.names("tagged") == LABELLED
    clean(project)


def test_a_review_batch_by_folder_has_a_vott_file_for_each(project):
    call("tag/abandon.py", project.config)
    call(DOWNLOAD, 4, project.config)
    call(UPLOAD, project.config, "--all")
    queue(project, "a/1.jpg", "d/1.jpg")
    call(DOWNLOAD, 5, project.config, "--review", "--by-folder")
    save(project.config, {"1.jpg": []}, name="a")
    save(project.config, visited=["1.jpg"], name="d")
    call(UPLOAD, project.config)
    assert "a/1.jpg NULL 0 0 0 0" in project.rows() and held(project) == []


def test_images_under_review_that_are_no_longer_on_this_disk_are_fetched_once_more(project):
    queue(project, "d/1.jpg")
    call(DOWNLOAD, 3, project.config, "--review-random")
    shutil.rmtree(project.config.parent / "Tag")
    with pytest.raises(InputError, match="anna holds 3 images .* --again"):
        call(DOWNLOAD, 3, project.config, "--review")
    assert (
        call(DOWNLOAD, 1, project.config, "--review", "--again")
        .splitlines()[-1]
        .startswith("3 images to look at again, 3 boxes")
    )
    assert held(project) == ["d/1.jpg", "d/1.jpg anna", "d/2.jpg anna", "d/3.jpg anna"]
    (project.config.parent / "Tag" / "Images" / "d__2.jpg").unlink()
    call(DOWNLOAD, 1, project.config, "--again")
    save(project.config, {"d__1.jpg": []}, ["d__2.jpg"])
    call(UPLOAD, project.config)
    assert "d/1.jpg NULL 0 0 0 0" in project.rows() and held(project) == ["d/3.jpg anna"]


def test_an_interrupted_review_download_goes_on_as_one(project):
    call(DOWNLOAD, 2, project.config, "--review-random")
    marker, place = project.config.parent / "Tag" / "batch.json", project.config.parent / "Tag"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "fetched": False}))
    (place / "Images.json").unlink()
    next((place / "Images").iterdir()).unlink()
    before = held(project)
    output = call(DOWNLOAD, 7, project.config)
    assert "2 of 2 images are reserved" in output and output.splitlines()[-1].startswith(
        "2 images to look at again"
    )
    assert held(project) == before and len(list((place / "Images").iterdir())) == 2


def test_a_labelled_image_that_is_gone_stays_queued_and_another_takes_its_place(store, tmp_path):
    project = StateProject(store, tmp_path)
    queue(project, *LABELLED)
    store.images.delete("d/1.jpg")
    store.images.write("d/2.jpg", b"no picture")
    output = call(DOWNLOAD, 1, project.config, "--review")
    assert (
        "d/1.jpg: it is gone from the image container; left out of this batch; it is labelled"
        " still, and to be looked at as before" in output
    )
    assert (
        held(project) == ["d/1.jpg", "d/2.jpg", "d/3.jpg", "d/3.jpg anna"]
        and project.names("failed") == []
        and project.names("tagged") == LABELLED
    )
    clean(project)


def test_a_person_may_have_a_batch_to_tag_in_one_folder_and_one_for_review_in_another(project):
    call("tag/abandon.py", project.config)
    call(DOWNLOAD, 2, project.config)
    second = project.config.with_name("second.ini")
    second.write_text(
        project.config.read_text(encoding="utf-8").replace("=Tag", "=Second"), encoding="utf-8"
    )
    call(DOWNLOAD, 2, second, "--review-random")
    assert len(held(project)) == 2 and len(project.names("tagging")) == 3


# What status says


def test_boxes_that_no_upload_took_are_never_thrown_away_for_the_next_batch(project):
    call("tag/abandon.py", project.config)
    call(DOWNLOAD, 1, project.config)
    call(UPLOAD, project.config, "--all")
    (local,) = (path.name for path in (project.config.parent / "Tag" / "Images").iterdir())
    for frames in ({local: "not a list"}, {"my own.jpg": [region("bird", 0, 20, 0, 10)]}):
        save(project.config, {local: [], **frames})
        if local not in frames:
            call(UPLOAD, project.config, "--all")
        with pytest.raises(
            InputError, match=f"images of the batch of .* are not uploaded .*{next(iter(frames))}"
        ):
            call(DOWNLOAD, 1, project.config)
    save(project.config, {"my own.jpg": []})
    call(DOWNLOAD, 1, project.config)


def test_status_shows_what_waits_and_who_has_what(project):
    queue(project, "d/1.jpg", "d/2.jpg")
    call(DOWNLOAD, 1, project.config, "--review")
    output = call("tag/status.py", project.config)
    lines = [" ".join(line.split()) for line in output.splitlines()]
    assert "review 1 (wait to be looked at again: download_vott_json.py N CONFIG --review)" in lines
    assert any(line.startswith("1 anna since 20") for line in lines[lines.index("out 2") :][4:]), (
        output
    )
    shown = json.loads(call("tag/status.py", project.config, "--json"))
    assert shown["review_queue"] == 1 and shown["review_out"]["anna"]["images"] == 1
    assert "review your 2 images" in shown["next"] and "with vott, then" in shown["next"]
    with project.config.open("a", encoding="utf-8") as config:
        config.write("\nannotation_tool=page\n")
    shown = json.loads(call("tag/status.py", project.config, "--json"))
    assert shown["next"].endswith(": tag/review.py CONFIG")


def test_status_sends_people_to_the_queue_when_nothing_is_left_to_tag(project):
    project.labels.commit(lambda state: Change(cycle={"images_labelled": 3}), what="test")
    project.commit(
        totag=tables.empty("totag"),
        tagging=tables.empty("tagging"),
        review=review(("d/1.jpg", "", "")),
    )
    assert json.loads(call("tag/status.py", project.config, "--json"))["next"].endswith(
        "download_vott_json.py 40 CONFIG --review"
    )


def test_check_finds_an_image_that_two_people_have_and_one_that_is_not_labelled():
    tagged = labels("1.jpg NULL\n2.jpg NULL")
    assert (
        check_tables(
            {
                "tagged": tagged,
                "review": review(("1.jpg", "", ""), ("1.jpg", "anna", "t"), ("2.jpg", "bob", "t")),
            }
        )
        == []
    )
    found = check_tables(
        {
            "tagged": tagged,
            "review": review(("1.jpg", "anna", "t"), ("1.jpg", "bob", "t"), ("3.jpg", "", "")),
        }
    )
    assert [(finding.rule, finding.images) for finding in found] == [
        (2, ("1.jpg",)),
        (2, ("3.jpg",)),
    ]
