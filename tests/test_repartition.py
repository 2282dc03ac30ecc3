"""The test set is drawn, topped up and drawn anew by the real program, and nothing that was trained
on gets into it unasked.
"""

from typing import NamedTuple

import pytest
from helpers_programs import run
from helpers_project import Project
from helpers_tables import images, labels

from utils.labels import tables
from utils.labels.tables import image_set


class Said(NamedTuple):
    """All that the program said, and its last line (of errors, when it fails)."""

    text: str
    last: str


def draw(project: Project, *options: str, code: int = 0) -> Said:
    """Run the program to its end."""
    done = run("train/repartition_test_set.py", *options, project.config)
    assert done.returncode == code, done.stderr
    last = (done.stderr if code else done.stdout).splitlines()[-1]
    return Said(done.stdout + done.stderr, last)


def names(*numbers: int) -> list[str]:
    return [f"cam/{number:03}.jpg" for number in numbers]


def birds(*numbers: int):
    return labels(
        "\n".join(f"{name} bird .1 .2 .1 .2\n{name} bird .3 .4 .1 .2" for name in names(*numbers))
    )


@pytest.fixture
def project(folder_store, tmp_path):
    return lambda **settings: Project(folder_store, tmp_path, **settings)


def test_without_labels_there_is_nothing_to_draw(project):
    assert "no labels yet" in draw(project(), code=2).last


def test_before_initialize_there_is_nothing_to_draw(project):
    it = project()
    it.commit(tagged=birds(1))
    assert "active_learning_initialize.sh" in draw(it, code=2).last


def test_the_first_draw_is_committed_on_both_stores(store, tmp_path):
    it = Project(store, tmp_path)
    it.commit(tagged=birds(*range(20)), images=images(*names(*range(40))))
    said = draw(it)
    assert said.last.startswith(
        "test set: 0 → 4 of 20 reviewed images (20%, 20% asked for), 8 boxes"
    )
    drawn = it.table("test")
    assert len(image_set(drawn)) == 4 and len(drawn) == 8
    assert "there was no test set yet" in said.text


def test_a_second_run_changes_nothing(project):
    it = project()
    it.commit(tagged=birds(*range(20)), images=images(*names(*range(20))))
    draw(it)
    before = it.labels.read()
    assert draw(it).last.startswith("test set: 4 → 4 of 20")
    assert it.labels.read().document == before.document


def test_images_that_a_published_model_was_trained_on_do_not_join(project):
    it = project()
    it.commit(tagged=birds(*range(20)), images=images(*names(*range(60))))
    draw(it)
    first = image_set(it.table("test"))
    tables_then = it.labels.read().document["tables"]
    it.commit(
        cycle={"tagged": tables_then["tagged"], "test": tables_then["test"]},
        tagged=birds(*range(40)),
    )
    draw(it)
    assert first < image_set(it.table("test")) and len(image_set(it.table("test"))) == 8
    assert image_set(it.table("test")) - first <= set(names(*range(20, 40)))


def test_a_redraw_takes_from_all_and_makes_the_next_cycle_start_from_pretrained_weights(project):
    it = project()
    it.commit(tagged=birds(*range(20)), images=images(*names(*range(20))), test=birds(0))
    blobs = it.labels.read().document["tables"]
    it.commit(cycle={"tagged": blobs["tagged"], "test": blobs["test"]})
    assert "smaller than asked for" in draw(it).text
    assert image_set(it.table("test")) == set(names(0))
    assert "pretrained_next" not in it.labels.read().document
    said = draw(it, "--redraw")
    assert said.last.startswith("test set: 1 → 4 of 20") and "pretrained weights" in said.text
    assert it.labels.read().document["pretrained_next"] is True


def test_without_a_test_set_and_all_trained_on_it_says_what_to_do(project):
    it = project()
    it.commit(tagged=birds(*range(10)), images=images(*names(*range(10))))
    it.commit(cycle={"tagged": it.labels.read().blob("tagged"), "test": None})
    said = draw(it)
    assert said.last.startswith("test set: 0 → 0 of 10") and "--redraw" in said.text


def test_a_class_that_only_one_image_shows_is_left_to_training_and_said(project):
    it = project()
    it.commit(
        tagged=tables.concat("tagged", birds(*range(10)), labels("seal.jpg seal .1 .2 .1 .2")),
        images=images(*names(*range(10)), "seal.jpg"),
    )
    assert "not in the test set: seal" in draw(it).text
    assert "seal.jpg" not in image_set(it.table("test"))


def test_no_share_means_no_test_set(project):
    it = project(test_percentage="0")
    it.commit(tagged=birds(*range(10)), images=images(*names(*range(10))))
    said = draw(it)
    assert said.last.startswith("test set: 0 → 0 of 10") and "warning" not in said.text


def test_topping_up_changes_the_files_of_the_cycle_and_not_the_state(project):
    it = project()
    it.commit(images=images(*names(*range(20))))
    before = it.labels.read().document
    it.settings.data_dir.mkdir()
    for table, frame, path in (
        ("tagged", birds(*range(20)), it.settings.tagged_output),
        ("test", birds(3), it.settings.test_output),
        ("images", images(*names(*range(20))), it.settings.data_dir / "images.csv"),
    ):
        path.write_bytes(tables.to_csv(table, frame, True))
    assert draw(it, "--top-up").last.startswith("test set: 1 → 4 of 20")
    drawn = image_set(tables.parse("test", it.settings.test_output))
    assert len(drawn) == 4 and set(names(3)) < drawn
    assert it.labels.read().document == before


def test_rows_of_the_test_set_are_those_of_tagged(project):
    it = project()
    corrected = labels(f"{names(0)[0]} seal .5 .6 .5 .6")
    it.commit(
        tagged=tables.concat("tagged", corrected, birds(*range(1, 5))),
        images=images(*names(*range(5))),
        test=birds(0),
    )
    draw(it)
    assert list(tables.only(it.table("test"), names(0))["class"]) == ["seal"]
