"""Every upload notes what people did with the boxes they were shown, once, with its labels."""

import json
from datetime import UTC, datetime, timedelta

from helpers_batch import THREE, BatchProject, region
from helpers_programs import done

from utils.formats import page
from utils.formats.page import Saved
from utils.formats.sheets import Box
from utils.labels import tables
from utils.labels.state import Change
from utils.overview.upkeep import prune

ONE = THREE.strip().splitlines()[0]
BIRD = region("bird", 20, 100, 20, 80)  # as north/1.jpg of THREE has it


def work(project) -> dict[str, str]:
    """{"image class": what was done, and the seconds}"""
    frame = project.table("effort")
    return {
        f"{blob} {row['class']}": " ".join(
            [f"{name} {row[name]}" for name in COUNTS if row[name]]
            + ([f"{row['seconds']:g} s"] if row["seconds"] >= 0 else [])
        )
        for blob, row in zip(tables.blob_names(frame), frame.to_dict("records"), strict=True)
    }


COUNTS = ("kept", "moved", "class_changed", "deleted", "drawn")


def save_page(project, images: dict[str, Saved]) -> None:
    """Save as the review page does, by blob name."""
    number = json.loads((project.place / page.FILE).read_bytes())["batch"]
    saved = {f"Images/{project.local(blob)}": one for blob, one in images.items()}
    (project.place / page.FILE).write_bytes(page.document(saved, number))


def test_an_upload_notes_what_was_done_in_the_commit_of_its_labels(store, tmp_path):
    project = BatchProject(store, tmp_path, THREE)
    project.run("download", 3)
    moved = region("bird", 30, 100, 20, 80)
    project.save(
        {"north/1.jpg": [moved], "south/1.jpg": [region("seal", 50, 150, 10, 30)]},
        visited=["south/2.jpg"],
    )
    commits = len(project.state().document["history"])
    project.run("upload")
    assert work(project) == {
        "north/1.jpg bird": "moved 1",
        "south/1.jpg seal": "drawn 1",
        "south/2.jpg NULL": "",
    }
    assert len(project.state().document["history"]) == commits + 1
    frame = project.table("effort")
    assert set(frame["tagger"]) == {"anna"} and frame["batch"].nunique() == 1
    assert set(frame["images"]) == {1.0} and frame["seconds"].isna().all()
    assert frame["at"].str.endswith("Z").all()


def test_work_is_counted_once_however_often_it_is_uploaded(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    project.save({"north/1.jpg": []}, visited=["south/1.jpg"])
    project.run("upload")
    before = project.state().document
    project.run("upload")
    assert project.state().document == before, "the same again changes nothing"
    assert work(project) == {"north/1.jpg bird": "deleted 1", "south/1.jpg NULL": ""}

    seal = region("seal", 50, 150, 10, 30)
    project.save({"north/1.jpg": [BIRD, seal]}, visited=["south/2.jpg", "south/1.jpg"])
    project.run("upload")
    assert work(project) == {
        "south/1.jpg NULL": "",
        "north/1.jpg bird": "kept 1",
        "north/1.jpg seal": "drawn 1",
        "south/2.jpg NULL": "",
    }, "against what was shown, not against what was uploaded before"


def test_the_seconds_of_the_review_page_are_noted(store, tmp_path):
    project = BatchProject(store, tmp_path, THREE, annotation_tool="page")
    project.run("download", 3)
    kept = Saved(page.REVIEWED, seconds=3.25)
    drawn = (Box("seal", 0.1, 0.2, 0.1, 0.2),)
    save_page(
        project,
        {
            "north/1.jpg": kept,
            "south/1.jpg": Saved(page.REVIEWED, boxes=drawn, seconds=20),
            "south/2.jpg": Saved(page.SKIPPED, page.GIVE_BACK, seconds=4),
        },
    )
    project.run("upload")
    assert work(project) == {
        "north/1.jpg bird": "kept 1 3.2 s",
        "south/1.jpg seal": "drawn 1 20 s",
    }
    again = Saved(page.REVIEWED, boxes=(), seconds=9)
    save_page(project, {"north/1.jpg": again, "south/1.jpg": Saved(page.REVIEWED, boxes=drawn)})
    project.run("upload")
    assert work(project) == {
        "south/1.jpg seal": "drawn 1 20 s",
        "north/1.jpg bird": "deleted 1 9 s",
    }


def test_looking_at_labelled_photos_again_is_work_of_its_own(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    project.run("upload", "--all")
    done("tag/download_vott_json.py", 3, project.config, "--review-random")
    project.save({"north/1.jpg": [{**BIRD, "tags": ["seal"]}]}, visited=["south/1.jpg"])
    project.run("upload")
    frame = project.table("effort")
    assert frame["batch"].nunique() == 2
    review = frame[frame["batch"].str.endswith("-review")]
    assert len(review) == 2 and review["class_changed"].sum() == 1
    assert frame["kept"].sum() == 1


def test_work_set_aside_was_work_too(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, ONE)
    project.run("download", 1)
    project.commit(tagged=project.table("tagging").assign(**{"class": "seal"}))
    project.save({"north/1.jpg": [BIRD, region("seal", 150, 190, 10, 30)]})
    assert "set aside" in project.run("upload")
    assert work(project) == {"north/1.jpg bird": "kept 1", "north/1.jpg seal": "drawn 1"}


def test_classes_that_were_changed_meanwhile_are_those_of_the_table(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    project.save({"north/1.jpg": [{**BIRD, "tags": ["seal"]}]})
    done("tag/change_classes.py", project.config, "--rename", "seal=phoca")
    project.run("upload")
    assert work(project) == {"north/1.jpg phoca": "class_changed 1"}

    project.save({"south/1.jpg": [BIRD, region("seal", 150, 190, 10, 30)]})
    project.run("upload")
    assert work(project)["south/1.jpg bird"] == "drawn 1"
    done("tag/change_classes.py", project.config, "--merge", "bird,phoca=animal")
    assert work(project) == {
        "north/1.jpg animal": "class_changed 1",
        "south/1.jpg animal": "drawn 2",
    }
    done("tag/change_classes.py", project.config, "--drop", "animal")
    assert work(project)["south/1.jpg animal"] == "drawn 2", "the time went into it all the same"


def test_labels_arrive_where_the_table_is_damaged_and_repair_brings_an_older_one_back(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    project.save({}, visited=["north/1.jpg"])
    project.run("upload")
    first = work(project)
    project.save({}, visited=["north/1.jpg", "south/1.jpg"])
    project.run("upload")
    project.labels.container.path_of(project.state().blob("effort")).write_bytes(b"junk")

    project.save({}, visited=["north/1.jpg", "south/1.jpg", "south/2.jpg"])
    project.run("upload")
    assert len(project.names("tagged")) == 3
    assert "tables.effort" in done("tag/status.py", project.config, "--repair")
    assert work(project) == first


def test_where_no_older_table_is_whole_the_count_begins_anew(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 1)
    project.run("upload", "--all")
    project.labels.container.delete(project.state().blob("effort"))
    done("tag/status.py", project.config, "--repair")
    assert work(project) == {}
    done("tag/status.py", project.config, "--check")


def test_work_that_is_counted_twice_is_found_and_mended(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    project.run("upload", "--all")
    frame = project.table("effort")
    project.commit(effort=tables.concat("effort", frame, frame[:1]))
    output = done("tag/status.py", project.config, "--repair")
    assert "1 images have work in effort that is counted twice" in output
    assert project.table("effort").equals(frame)


def test_a_photo_that_was_renamed_keeps_its_work(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    done("train/initialize.py", project.config)
    project.run("download", 3)
    project.run("upload", "--all")
    place = project.images.path_of("north/1.jpg").parent
    place.rename(place.with_name("east"))
    assert "another name" in done("train/initialize.py", project.config)
    assert set(work(project)) == {"east/1.jpg bird", "south/1.jpg NULL", "south/2.jpg NULL"}


def test_programs_that_do_not_know_the_table_keep_it(folder_store, tmp_path, monkeypatch):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 2)
    project.run("upload", "--all")
    blob = project.state().blob("effort")
    monkeypatch.delitem(tables.COLUMNS, "effort")
    change = Change({"review": project.table("review")}, {"x": 1})
    project.labels.commit(lambda state: change, what="an earlier version")
    assert project.state().blob("effort") == blob


def test_tables_that_nothing_names_any_more_are_pruned(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    blobs = []
    for number in range(6):
        project.save({"north/1.jpg": [region("seal", 0, 50, 0, 50)] * number})
        project.run("upload")
        blobs.append(project.state().blob("effort"))
    assert len(set(blobs)) == 6
    later = datetime.now(UTC) + timedelta(days=40)
    gone = prune(project.labels, project.state(), later).gone
    assert blobs[0] in gone and blobs[-1] not in gone
    done("tag/status.py", project.config, "--check")


def test_the_lead_time_of_label_studio_is_noted(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, ONE, annotation_tool="label_studio")
    project.run("download", 1)
    (task,) = json.loads((project.place / "label_studio_tasks.json").read_bytes())
    result = task["predictions"][0]["result"]
    annotation = {"id": 1, "result": result, "was_cancelled": False, "lead_time": 4.56}
    export = [{**task, "annotations": [annotation]}]
    (project.place / "export.json").write_text(json.dumps(export), encoding="utf-8")
    project.run("upload")
    assert work(project) == {"north/1.jpg bird": "kept 1 4.6 s"}
