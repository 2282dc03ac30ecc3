"""download --like and --class: more of something rare, and why."""

import numpy as np
import pyarrow as pa
import pytest
from helpers_batch import BatchProject
from helpers_programs import done
from helpers_tables import images, labels

from utils.labels.tables import blob_names
from utils.selection.embeddings import HASH, MODEL, Basis, Embeddings, to_parquet
from utils.selection.finding import NEAR_COPY

ANGLES = {  # degrees from the example, old.jpg
    "a/far.jpg": 80,
    "a/mid.jpg": 40,
    "a/near.jpg": 25,
    "b/copy.jpg": 26,
    "b/same.jpg": 1,
    "b/off.jpg": -60,
}
ROWS = "\n".join(f"{name} bird 0.1 0.5 0.2 0.8 0.9 0.9" for name in ANGLES)


def unit(degrees) -> list[list[float]]:
    turned = np.radians(degrees)
    return np.stack([np.cos(turned), np.sin(turned)], 1).tolist()


def look(project, angles, kind=MODEL, etags=None):
    """Publish embeddings of length 1 for these images ({blob name: degrees})."""
    basis = Basis(kind, np.zeros(2, np.float32), np.eye(2, dtype=np.float32))
    file = Embeddings(
        pa.array(list(angles), pa.large_string()),
        np.array(unit(list(angles.values())), np.float16),
        np.full(len(angles), np.nan, np.float32),
        "m",
        basis,
        etags,
    )
    blob = project.labels.publish_file("embeddings", ".parquet", to_parquet(file))
    project.commit({"live": {"embeddings": blob}})


def started(store, folder, rows=ROWS, tagged="old.jpg seal 0.1 0.5 0.1 0.5", **settings):
    """A project with images to tag and a labelled one, and what all look like."""
    project = BatchProject(store, folder, rows, user_folders="True", **settings)
    project.seed(labels(rows, "totag"), tagged=labels(tagged))
    look(project, {**ANGLES, "old.jpg": 0})
    return project


def chosen(project) -> list[str]:
    """The images of the table `selection`, in the order in which they were chosen."""
    return blob_names(project.table("selection")).tolist()


def test_images_that_look_like_an_example_come_nearest_first_without_near_copies(store, tmp_path):
    project = started(store, tmp_path, random_share="0.5", selection_strategy="random")
    output = project.run("download", 3, "--like", "old.jpg")
    assert chosen(project) == ["a/near.jpg", "a/mid.jpg", "b/off.jpg"]
    why = project.table("selection")
    assert set(why["strategy"]) == {"like"} and set(why["random"]) == {"0"}
    assert why["score"].round(2).tolist() == [0.91, 0.77, 0.5]
    assert (
        "chosen because they look like the examples, from 6 images: 3, likeness 0.91 to 0.50 (1"
        " would be the same photo)" in output
    )
    assert "left out as near-copies of photos that are labelled or chosen: 2" in output
    assert project.table("drawn").empty


def test_near_copies_never_come_even_when_there_is_nothing_else(folder_store, tmp_path):
    project = started(folder_store, tmp_path)
    output = project.run("download", 9, "--like", "old.jpg")
    assert set(chosen(project)) == ANGLES.keys() - {"b/copy.jpg", "b/same.jpg"}
    assert "9 images were asked for; there are no more to hand out" in output
    project.run("upload", "--all")
    said = project.run("download", 9, "--like", "old.jpg", code=2)
    assert "--like: of the 2 images to tag all are near-copies" in said
    project.run("download", 9)  # the common way still gives them
    assert len(chosen(project)) == 6


def test_what_is_nearly_the_same_is_told_by_the_distance(folder_store, tmp_path):
    within = np.degrees(2 * np.arcsin(NEAR_COPY / 2))
    angles = {"1.jpg": within - 1, "2.jpg": within + 1}
    project = BatchProject(folder_store, tmp_path, "1.jpg NULL\n2.jpg NULL")
    project.seed(project.table("totag"), tagged=labels("old.jpg NULL"))
    look(project, {**angles, "old.jpg": 0})
    project.run("download", 2, "--like", "old.jpg")
    assert chosen(project) == ["2.jpg"]


def test_several_examples_count_each_and_one_that_is_not_labelled_comes_first(store, tmp_path):
    project = started(store, tmp_path)
    project.run("download", 3, "--like", "old.jpg", "--like", "a\\far.jpg")
    assert chosen(project) == ["a/far.jpg", "a/near.jpg", "a/mid.jpg"]
    assert project.table("selection")["score"].round(2).tolist() == [1.0, 0.91, 0.77]


def test_one_of_a_burst_comes_and_none_of_a_burst_that_is_labelled(folder_store, tmp_path):
    project = started(folder_store, tmp_path, tagged="b/old.jpg NULL\nold.jpg NULL")
    minutes = {"a/near": 5, "a/mid": 5, "a/far": 20, "b/old": 9, "b/off": 9, "old": 0}
    listed = images(*(f"{name}.jpg" for name in minutes))
    taken = [f"2026-05-01T10:{minute:02}:00Z" for minute in minutes.values()]
    project.commit(images=listed.assign(etag="", taken_at=taken))
    project.run("download", 9, "--like", "old.jpg")
    assert chosen(project) == ["a/near.jpg", "a/far.jpg"]
    assert project.table("selection")["burst"].tolist() == ["a/mid.jpg", "a/far.jpg"]


def test_the_surest_finds_of_a_class_come_first(store, tmp_path):
    rows = """
a/1.jpg bird 0.1 0.5 0.2 0.8 0.5 0.5
a/2.jpg seal 0.1 0.5 0.2 0.8 0.99 0.99
a/3.jpg bird 0.1 0.5 0.2 0.8 0.98 0.2
a/3.jpg seal 0.1 0.5 0.2 0.8 0.2 0.2
a/4.jpg bird 0.1 0.5 0.2 0.8 0.7 0.7
b/1.jpg bird 0.1 0.5 0.2 0.8 0.3 0.3
b/2.jpg NULL 0 0 0 0 0 0
"""
    project = BatchProject(store, tmp_path, rows, random_share="0.5", user_folders="True")
    output = project.run("download", 3, "--class", "bird")
    assert chosen(project) == ["a/3.jpg", "a/4.jpg", "a/1.jpg"]
    why = project.table("selection")
    assert why["strategy"].tolist() == ["surest"] * 3 and set(why["class"]) == {"bird"}
    assert why["score"].tolist() == [0.98, 0.7, 0.5]
    said = "chosen as the surest finds of bird, from 4 images with one: 3, scores 0.98 to 0.50"
    assert said in output
    project.run("upload", "--all")
    project.run("download", 3, "--class", "bird")
    assert project.names("tagging") == ["b/1.jpg"]
    project.run("upload", "--all")
    said = project.run("download", 3, "--class", "bird", code=2)
    assert "--class bird: the model found none in the 2 images to tag" in said


def test_a_class_that_was_renamed_is_found_by_either_name(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, ROWS)
    done("tag/change_classes.py", "--rename", "bird=tern", project.config)
    project.run("download", 1, "--class", "bird")
    assert set(project.table("selection")["class"]) == {"tern"}


@pytest.mark.parametrize(
    "options, said",
    [
        (
            ["--like", "a/naer.jpg"],
            "--like a/naer.jpg: this project has no such photo; near: a/",
        ),
        (["--like", "near.jpg"], "near: a/near.jpg"),
        (["--like", "C/NEAR.JPG"], "near: a/near.jpg"),
        (["--like", ""], "this project has no such photo; write it as FOLDER/FILE"),
        (["--like", "new.jpg"], "--like new.jpg: no model has looked at this photo as it is now"),
        (["--like", "old.jpg", "--like", "none.jpg"], "--like none.jpg: this project has no such"),
        (["--class", "Brid"], "--class Brid: there is no such class; near: bird"),
        (["--class", "zzz"], "--class zzz: there is no such class; there are: bird, seal"),
        (["--class", "NULL"], "--class NULL: there is no such class"),
        (
            ["--like", "old.jpg", "--class", "bird"],
            "--like says by itself which images come;",
        ),
        (["--like", "old.jpg", "--strategy", "hybrid"], "leave --strategy out (with --like or"),
        (["--class", "bird", "--score-between", 0, 1], "leave --score-between out"),
        (["--like", "old.jpg", "--review"], "choose among images to tag, not for review"),
        (["--class", "bird", "--review-random"], "labelled ones of a class: --review-class NAME"),
    ],
)
def test_what_cannot_be_found_is_one_line_and_nothing_is_given_back(
    folder_store, tmp_path, options, said
):
    project = started(folder_store, tmp_path, tagged="old.jpg seal 0.1 0.5 0.1 0.5\nnew.jpg NULL")
    project.run("download", 1)
    before = project.state().document
    assert said in project.run("download", 1, "--discard", *options, code=2)
    assert project.state().document == before and len(project.batch["images"]) == 1


def test_without_embeddings_it_is_said_what_to_run(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, ROWS)
    said = project.run("download", 1, "--like", "a/near.jpg", code=2)
    assert "there are no embeddings" in said and "active_learning_train.sh CONFIG" in said
    look(project, ANGLES, HASH)
    said = project.run("download", 1, "--like", "a/near.jpg", code=2)
    assert "only perceptual hashes, which know near-copies and no other likeness" in said


def test_an_example_whose_picture_was_replaced_has_no_embedding(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, ROWS)
    project.commit(images=project.listed(*ANGLES))
    look(project, ANGLES, etags=np.full(len(ANGLES), 7, np.uint32))
    said = project.run("download", 1, "--like", "a/near.jpg", code=2)
    assert "no model has looked at this photo as it is now" in said


def test_as_many_as_fit_into_the_time_and_images_without_embedding_are_counted(
    folder_store, tmp_path
):
    project = started(folder_store, tmp_path)
    look(project, {name: ANGLES[name] for name in list(ANGLES)[:3]} | {"old.jpg": 0})
    output = project.run("download", "--minutes", 60, "--like", "old.jpg")
    assert chosen(project) == ["a/near.jpg", "a/mid.jpg", "a/far.jpg"]
    assert "left out because no model has looked at them yet: 3" in output
    assert "3 images will probably take" in output


def test_finds_of_a_pretrained_model_go_by_the_class_map(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, "1.jpg NULL\n2.jpg NULL")
    found = labels(
        "1.jpg 16 0.1 0.5 0.2 0.8 0.6 0.6\n2.jpg 16 0.1 0.5 0.2 0.8 0.9 0.9", "init_totag"
    )
    project.commit(init_totag=found)
    path = tmp_path / "map.json"
    path.write_text(
        '{"classmap": [{"initclass": "16", "map": "gull", "balance": 1}], "unmapclass": [],'
        ' "default_class": "seal"}',
        encoding="utf-8",
    )
    done("tag/download_vott_json.py", 1, project.config, path, "--class", "gull")
    assert chosen(project) == ["2.jpg"]
