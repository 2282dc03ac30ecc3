"""The test set is drawn, topped up and drawn anew by the real program, and nothing that was trained
on gets into it unasked.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers_tables import images, labels

from utils.config import load_config
from utils.labels import tables
from utils.labels.store import Change, LabelStore, open_labels
from utils.labels.tables import image_set

ROOT = Path(__file__).resolve().parent.parent


class Project:
    """Labels in a store, the config that names it, and the program."""

    def __init__(self, store, folder: Path, **settings):
        self.path = folder / "config.ini"
        self.path.write_text(store.config_text(**settings), encoding="utf-8")
        self.config = load_config(self.path)

    @property
    def store(self) -> LabelStore:
        return open_labels(self.config)[1]

    def commit(self, cycle=None, **changed) -> None:
        self.store.commit(lambda state: Change(changed, cycle=cycle), what="test")

    def table(self, name="test"):
        return self.store.table(self.store.read(), name)

    def run(self, *options: str, code: int = 0) -> str:
        """The program's last line, of stderr when it fails."""
        program = ROOT / "train" / "repartition_test_set.py"
        done = subprocess.run(
            [sys.executable, program, self.path, *options], capture_output=True, text=True
        )
        assert done.returncode == code, done.stderr
        self.said = done.stdout + done.stderr
        return (done.stderr if code else done.stdout).splitlines()[-1]


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
    assert "no labels yet" in project().run(code=2)


def test_before_initialize_there_is_nothing_to_draw(project):
    it = project()
    it.commit(tagged=birds(1))
    assert "active_learning_initialize.sh" in it.run(code=2)


def test_the_first_draw_is_committed_on_both_stores(store, tmp_path):
    it = Project(store, tmp_path)
    it.commit(tagged=birds(*range(20)), images=images(*names(*range(40))))
    assert it.run().startswith(
        "test set: 0 → 4 of 20 reviewed images (20%, 20% asked for), 8 boxes"
    )
    drawn = it.table()
    assert len(image_set(drawn)) == 4 and len(drawn) == 8
    assert "there was no test set yet" in it.said


def test_a_second_run_changes_nothing(project):
    it = project()
    it.commit(tagged=birds(*range(20)), images=images(*names(*range(20))))
    it.run()
    before = it.store.read()
    assert it.run().startswith("test set: 4 → 4 of 20")
    assert it.store.read().document == before.document


def test_images_that_a_published_model_was_trained_on_do_not_join(project):
    it = project()
    it.commit(tagged=birds(*range(20)), images=images(*names(*range(60))))
    it.run()
    first = image_set(it.table())
    tables_then = it.store.read().document["tables"]
    it.commit(
        cycle={"tagged": tables_then["tagged"], "test": tables_then["test"]},
        tagged=birds(*range(40)),
    )
    it.run()
    assert first < image_set(it.table()) and len(image_set(it.table())) == 8
    assert image_set(it.table()) - first <= set(names(*range(20, 40)))


def test_a_redraw_takes_from_all_and_makes_the_next_cycle_start_from_pretrained_weights(project):
    it = project()
    it.commit(tagged=birds(*range(20)), images=images(*names(*range(20))), test=birds(0))
    blobs = it.store.read().document["tables"]
    it.commit(cycle={"tagged": blobs["tagged"], "test": blobs["test"]})
    it.run()
    assert image_set(it.table()) == set(names(0)) and "smaller than asked for" in it.said
    assert "pretrained_next" not in it.store.read().document
    assert it.run("--redraw").startswith("test set: 1 → 4 of 20")
    assert "pretrained weights" in it.said and it.store.read().document["pretrained_next"] is True


def test_without_a_test_set_and_all_trained_on_it_says_what_to_do(project):
    it = project()
    it.commit(tagged=birds(*range(10)), images=images(*names(*range(10))))
    it.commit(cycle={"tagged": it.store.read().blob("tagged"), "test": None})
    assert it.run().startswith("test set: 0 → 0 of 10")
    assert "--redraw" in it.said


def test_a_class_that_only_one_image_shows_is_left_to_training_and_said(project):
    it = project()
    it.commit(
        tagged=tables.concat("tagged", birds(*range(10)), labels("seal.jpg seal .1 .2 .1 .2")),
        images=images(*names(*range(10)), "seal.jpg"),
    )
    it.run()
    assert "seal.jpg" not in image_set(it.table()) and "not in the test set: seal" in it.said


def test_no_share_means_no_test_set(project):
    it = project(test_percentage="0")
    it.commit(tagged=birds(*range(10)), images=images(*names(*range(10))))
    assert it.run().startswith("test set: 0 → 0 of 10")
    assert "warning" not in it.said


def test_topping_up_changes_the_files_of_the_cycle_and_not_the_state(project):
    it = project()
    it.commit(images=images(*names(*range(20))))
    before = it.store.read().document
    it.config.data_dir.mkdir()
    for table, frame, path in (
        ("tagged", birds(*range(20)), it.config.tagged_output),
        ("test", birds(3), it.config.test_output),
        ("images", images(*names(*range(20))), it.config.data_dir / "images.csv"),
    ):
        path.write_bytes(tables.to_csv(table, frame, True))
    assert it.run("--top-up").startswith("test set: 1 → 4 of 20")
    drawn = image_set(tables.parse("test", it.config.test_output))
    assert len(drawn) == 4 and set(names(3)) < drawn
    assert it.store.read().document == before


def test_rows_of_the_test_set_are_those_of_tagged(project):
    it = project()
    corrected = labels(f"{names(0)[0]} seal .5 .6 .5 .6")
    it.commit(
        tagged=tables.concat("tagged", corrected, birds(*range(1, 5))),
        images=images(*names(*range(5))),
        test=birds(0),
    )
    it.run()
    assert list(tables.only(it.table(), names(0))["class"]) == ["seal"]
