"""download_vott_json.py with strategies: what it chooses from the state, and how it says why."""

import json

import numpy as np
import pyarrow as pa
import pytest
from helpers_batch import BatchProject
from helpers_programs import done, run
from helpers_tables import labels

from utils.labels.state import Change
from utils.labels.tables import make, split_name
from utils.selection.embeddings import MODEL, Basis, Embeddings, to_parquet

SIX = """
a/1.jpg bird 0.1 0.5 0.2 0.8 0.5 0.5
a/2.jpg seal 0.1 0.5 0.2 0.8 0.6 0.6
a/3.jpg bird 0.1 0.5 0.2 0.8 0.98 0.98
b/1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.9
b/2.jpg NULL 0 0 0 0 0 0
b/3.jpg NULL 0 0 0 0 0 0
"""


def put(project, **members):
    project.labels.commit(lambda state: Change({}, members), what="test")


def predict(project, *blobs, model="model_1.pb"):
    """Say that the rows of these images (all, if none are named) are by that model, which is live
    then.
    """
    blobs = blobs or project.names("totag")
    folders, filenames = zip(*map(split_name, blobs), strict=True)
    listed = project.listed(*blobs)
    predicted = make(
        "predicted", filename=filenames, folder=folders, etag=listed["etag"], model="its key"
    )
    members = {"live": {"model": model}, "predicted_by": {"its key": model}}
    project.commit(members, predicted=predicted, images=listed)


def look(project, vectors, *others, disagreement=np.nan):
    """Publish embeddings: of the images to tag in their order, then of others."""
    names = pa.array([*project.names("totag"), *others], pa.large_string())
    basis = Basis(MODEL, np.zeros(2, np.float32), np.eye(2, dtype=np.float32))
    embeddings = Embeddings(
        names,
        np.array(vectors, np.float16),
        np.full(len(names), disagreement, np.float32),
        "m",
        basis,
    )
    put(
        project,
        live={
            "embeddings": project.labels.publish_file(
                "embeddings", ".parquet", to_parquet(embeddings)
            )
        },
    )


def why(project) -> dict[str, list]:
    frame = project.table("selection")
    return {
        f"{folder}/{name}": cells
        for folder, name, *cells in frame[
            ["folder", "filename", "strategy", "class", "random"]
        ].itertuples(index=False)
    }


def test_hybrid_per_second_says_what_a_minute_brings(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, SIX, selection_strategy="hybrid_per_second")
    output = project.run("download", 2)
    # one bit in 8 seconds, and 0.971 in 8.2
    assert "2, worth 7.5 to 7.1 a minute (1 for bird, 1 for seal)" in output
    assert why(project)["a/1.jpg"] == ["hybrid_per_second", "bird", "0"]


def test_hybrid_hands_out_what_is_unsure_and_says_why(store, tmp_path):
    project = BatchProject(store, tmp_path, SIX, selection_strategy="hybrid")
    output = project.run("download", 2)
    assert project.names("tagging") == ["a/1.jpg", "a/2.jpg"]
    assert why(project) == {"a/1.jpg": ["hybrid", "bird", "0"], "a/2.jpg": ["hybrid", "seal", "0"]}
    assert "chosen by hybrid from 6 images: 2, worth 1 to 0.971 (1 for bird, 1 for seal)" in output
    assert project.last(output).startswith("2 images, 2 boxes")

    project.run("upload", "--all")
    project.run("download", 1)
    # tagged ones are still told of
    assert sorted(why(project)) == [
        "a/1.jpg",
        "a/2.jpg",
        "b/1.jpg",
    ]
    assert project.table("drawn").empty


def test_reasons_go_with_images_that_are_given_back(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, SIX)
    project.run("download", 1, "--strategy", "entropy")
    assert why(project) == {"a/1.jpg": ["entropy", "bird", "0"]}
    taken = project.table("tagging")
    project.seed(labels(SIX, "totag"), tagging=taken[:0])
    (project.place / "batch.json").unlink()
    for path in (project.place / "Images").iterdir():
        path.unlink()
    (project.place / "Images").rmdir()
    (project.place / "Images.json").unlink()
    project.run("download", 1, "--strategy", "confident")
    assert why(project) == {"a/3.jpg": ["confident", "bird", "0"]}


def test_what_is_drawn_at_random_is_marked_and_its_predictions_are_kept(store, tmp_path):
    project = BatchProject(store, tmp_path, SIX, selection_strategy="hybrid", random_share="0.5")
    predict(project)
    output = project.run("download", 4)
    by_chance = sorted(image for image, (_, _, drawn) in why(project).items() if drawn == "1")
    assert len(by_chance) == 2 and "drawn at random from all 6 images: 2" in output
    assert project.names("drawn") == by_chance and set(project.table("drawn")["model"]) == {
        "model_1.pb"
    }
    project.run("upload", "--all")
    project.run("download", 2)
    assert set(by_chance) <= set(project.names("drawn"))


def test_only_images_with_a_box_in_the_band_are_handed_out(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, SIX, random_share="1")
    predict(project)
    output = project.run("download", 5, "--score-between", 0.55, 0.95, "--strategy", "random")
    assert project.names("tagging") == ["a/2.jpg", "b/1.jpg"] and "there are no more" in output
    assert {drawn for *_, drawn in why(project).values()} == {"0"} and project.table("drawn").empty
    assert "chosen by random from 2 images: 2\n" in output and "drawn at random" not in output


def test_a_band_without_images_is_one_line_that_says_so(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, SIX)
    said = project.run("download", 2, "--score-between", 0.61, 0.62, code=2)
    assert (
        "--score-between 0.61 0.62: none of the 6 images to tag has a box with such a score" in said
    )
    assert "--score-between 0.9 0.2: expected the lower score first" in project.run(
        "download", 2, "--score-between", 0.9, 0.2, code=2
    )


def test_what_replaces_a_broken_image_keeps_the_limit_per_burst_and_the_summary_is_of_all(
    folder_store, tmp_path
):
    names = ["a/0.jpg", "a/1.jpg", "b/0.jpg", "b/1.jpg"]
    rows = "\n".join(
        f"{name} bird 0.1 0.5 0.2 0.8 0.{5 + place} 0.5" for place, name in enumerate(names)
    )
    project = BatchProject(
        folder_store, tmp_path, rows, selection_strategy="entropy", max_per_burst="1"
    )
    taken = [f"2026-05-01T{hour}:00:00Z" for hour in (10, 10, 11, 12)]
    project.labels.commit(
        lambda state: Change({"images": project.listed(*names).assign(taken_at=taken)}), what="test"
    )
    project.images.write("b/0.jpg", b"no picture")
    output = project.run("download", 2)
    assert project.names("tagging") == ["a/0.jpg", "b/1.jpg"]
    assert "chosen by entropy from 4 images: 2, worth 1 to 0.722 (2 for bird)\n" in output


def test_the_summary_is_of_the_whole_batch_when_there_are_no_more_images_or_it_is_gone_on_with(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, SIX, selection_strategy="entropy")
    assert (
        "chosen by entropy from 6 images: 6, worth 1 to 0 (3 for bird, 1 for seal)\n"
        in project.run("download", 9)
    )
    (project.place / "Images" / "a__1.jpg").unlink()
    assert "chosen by entropy: 6, worth 1 to 0 (3 for bird, 1 for seal)\n" in project.run(
        "download", 9, "--again"
    )


def test_bursts_share_their_limit_by_the_times_of_the_images_table(folder_store, tmp_path):
    names = [f"a/{number}.jpg" for number in range(4)]
    rows = "\n".join(
        f"{name} bird 0.1 0.5 0.2 0.8 0.{5 + place} 0.5" for place, name in enumerate(names)
    )
    project = BatchProject(
        folder_store, tmp_path, rows, selection_strategy="entropy", max_per_burst="1"
    )
    taken = [f"2026-05-01T10:00:{second:02}Z" for second in (0, 10, 20)] + ["2026-05-01T12:00:00Z"]
    project.labels.commit(
        lambda state: Change({"images": project.listed(*names).assign(taken_at=taken)}), what="test"
    )
    project.run("download", 2)
    assert project.names("tagging") == ["a/0.jpg", "a/3.jpg"]


def test_published_embeddings_make_the_batch_differ_from_labelled_images(store, tmp_path):
    rows = "\n".join(f"{number}.jpg bird 0.1 0.5 0.2 0.8 0.5 0.5" for number in range(4))
    project = BatchProject(store, tmp_path, rows, selection_strategy="hybrid", user_folders="True")
    look(project, [[0, 0], [0, 1], [8, 0], [0, 9], [0, 0.5]], "old.jpg")
    project.labels.commit(
        lambda state: Change({"tagged": labels("old.jpg bird 0.1 0.5 0.1 0.5")}), what="test"
    )
    project.run("download", 2)
    assert project.names("tagging") == ["2.jpg", "3.jpg"]


def test_disagreement_goes_by_the_mirror_images_and_where_there_are_none_by_entropy_which_is_said(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, SIX, selection_strategy="disagreement")
    said = (
        "no image was predicted with its mirror image yet (selection_strategy=disagreement in a"
        " training cycle): chosen by entropy"
    )
    look(project, [[0, 0]] * 6)
    output = project.run("download", 1)
    assert (
        said in output
        and project.names("tagging") == ["a/1.jpg"]
        and "6 images: 1, worth 1 to 1 (1 for bird)" in output
    )
    # without a/1.jpg, which is out: b/2.jpg is the fourth
    look(project, [[0, 0]] * 5, disagreement=[0.1, 0.2, 0.4, 0.9, 0.3])
    output = project.run("download", 1, "--discard")
    assert (
        said not in output
        and project.names("tagging") == ["b/2.jpg"]
        and "chosen by disagreement from 6 images: 1" in output
    )


def test_boxes_below_prelabel_confidence_by_default_below_min_confidence_are_not_drawn(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, SIX, min_confidence="0.55")
    project.run("download", 6)
    drawn = {
        name: [box["tags"] for box in boxes] for name, boxes in project.vott()["frames"].items()
    }
    # not a/1.jpg, 0.5
    assert drawn == {
        "a__2.jpg": [["seal"]],
        "a__3.jpg": [["bird"]],
        "b__1.jpg": [["bird"]],
    }
    project.config.write_text(
        project.config.read_text(encoding="utf-8") + "prelabel_confidence=0.95\n", encoding="utf-8"
    )
    assert project.last(project.run("download", 6, "--discard")).startswith("6 images, 1 boxes")


MEASURED = {
    "thresholds": {"bird": 0.95, "seal": None},
    "images": 12,
    "seconds": {"with": 8.2, "without": 15.0},
}


@pytest.mark.parametrize("measured", [MEASURED, None])
def test_auto_draws_what_was_measured_to_save_time_and_says_so(store, tmp_path, measured):
    project = BatchProject(store, tmp_path, SIX, prelabel_confidence="auto")
    predict(project)
    put(project, cycles=[{"model": "model_1.pb", "prelabels": measured}])
    output = project.run("download", 6)
    if measured:
        assert list(project.vott()["frames"]) == ["a__3.jpg"]
        assert (
            "boxes are shown by score: bird from 0.95, seal never; on 12 reviewed images this costs"
            " 8 s each, drawing everything 15 s" in output
        )
    else:
        assert len(project.vott()["frames"]) == 4
        assert "boxes are shown from 0.5: not measured yet" in output
    assert project.table("tagging")["box_confidence"].gt(0).sum() == 4  # all boxes are kept


def test_before_there_is_a_model_images_come_from_what_a_pretrained_one_found(
    folder_store, tmp_path
):
    project = BatchProject(
        folder_store,
        tmp_path,
        "1.jpg NULL\n2.jpg NULL\n3.jpg NULL",
        selection_strategy="hybrid",
        user_folders="True",
        ideal_class_balance="0.5,0.3,0.2",
    )
    found = labels(
        "1.jpg NULL 0 0 0 0 0 0\n2.jpg 16 0.1 0.5 0.2 0.8 0.5 0.5\n3.jpg NULL 0 0 0 0 0 0",
        "init_totag",
    )
    project.labels.commit(lambda state: Change({"init_totag": found}), what="test")
    output = project.run("download", 1)
    assert project.names("tagging") == ["2.jpg"] and project.last(output).startswith(
        "1 images, 0 boxes"
    )


@pytest.mark.parametrize("way", ["discard", "abandon", "expire"])
def test_what_was_handed_out_by_a_class_map_comes_back_unseen_and_the_finds_go_on_to_count(
    folder_store, tmp_path, way
):
    project = BatchProject(
        folder_store, tmp_path, "1.jpg NULL\n2.jpg NULL\n3.jpg NULL", selection_strategy="hybrid"
    )
    found = labels(
        "1.jpg NULL 0 0 0 0 0 0\n2.jpg 16 0.1 0.5 0.2 0.8 0.9 0.9\n3.jpg 7 0.1 0.5 0.2 0.8 0.5 0.5",
        "init_totag",
    )
    project.labels.commit(lambda state: Change({"init_totag": found}), what="test")
    (tmp_path / "map.json").write_text(
        json.dumps(
            {
                "classmap": [{"initclass": "16", "map": "bird", "balance": 1}],
                "unmapclass": [],
                "default_class": "seal",
            }
        ),
        encoding="utf-8",
    )
    done("tag/download_vott_json.py", 1, project.config, tmp_path / "map.json")
    assert project.names("tagging") == ["2.jpg"] and set(project.table("tagging")["class"]) == {
        "bird"
    }
    if way == "abandon":
        done("tag/abandon.py", project.config, "2.jpg")
    elif way == "expire":
        aged = project.table("tagging").assign(reserved_at="2026-01-01T00:00:00Z")
        project.labels.commit(lambda state: Change({"tagging": aged}), what="test")
    output = project.run("download", 1, *["--discard"] * (way == "discard"))
    assert project.names("tagging") == ["2.jpg"] * (way == "expire") + ["3.jpg"]
    assert "from 3 images: 1, worth" in output and "(1 for 7)" in output
    back = project.table("totag")
    assert set(back["class"]) == {"NULL"} and back["image_confidence"].isna().all()


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(path.read_bytes()[:100]), lambda path: path.unlink()]
)
def test_embeddings_that_are_damaged_or_gone_stop_nobody_and_are_mended(
    folder_store, tmp_path, damage
):
    project = BatchProject(folder_store, tmp_path, SIX, selection_strategy="hybrid")
    look(project, [[0, 0]] * 6)
    blob = project.labels.read().live["embeddings"]
    put(
        project,
        candidate={"model": "model_1.pb", "embeddings": blob},
        cycles=[{"at": "2026-01-01T00:00:00Z", "embeddings": blob}],
    )
    damage(project.labels.container.path_of("x").parent / blob)
    output = project.run("download", 1)
    assert (
        "gone or damaged; until it is made anew images that look alike are not told apart" in output
    )
    assert (
        "\n1 images, " in output and run("tag/status.py", project.config, "--check").returncode == 1
    )
    assert "1 mended" in done("tag/status.py", project.config, "--check", "--repair")
    state = project.labels.read()
    assert (state.live, state.document["candidate"], state.cycles) == (
        {},
        {"model": "model_1.pb"},
        [{"at": "2026-01-01T00:00:00Z"}],
    )


def test_before_any_model_images_are_spread_and_that_is_said(folder_store, tmp_path):
    rows = "\n".join(f"{folder}/{number}.jpg NULL" for folder in "ab" for number in range(4))
    project = BatchProject(folder_store, tmp_path, rows, selection_strategy="hybrid")
    output = project.run("download", 4)
    assert project.names("tagging") == ["a/0.jpg", "a/2.jpg", "b/0.jpg", "b/2.jpg"]
    assert "no model has seen these images yet: chosen to be spread over folders and time" in output
