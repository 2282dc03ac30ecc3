"""A cross-check: labelled images that no model could judge are judged by models that were trained
without them. The models are played here, but in the last test.
"""

import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers_batch import BatchProject, picture
from helpers_programs import done, forked
from helpers_project import Project
from helpers_tables import labels
from helpers_training import make_project, write_config

from train.cycle.crosscheck import place_of
from utils.config import load_config
from utils.files import write_bytes
from utils.labels import tables
from utils.labels.store import open_labels
from utils.labels.tables import blob_names, image_set, to_csv

GOOD = "bird 0.1 0.5 0.2 0.8"
NAMES = [f"{number}.jpg" for number in range(8)]
WRONG = "5.jpg"
TAGGED = "\n".join(f"{name} {'NULL' if name == WRONG else GOOD}" for name in NAMES)
AFTER = "download_vott_json.py 40"
REVIEW = ("download", 1, "--review-suspect")


class Models:
    """Stands for crosscheck_fold: each model sees a bird in every image. trained, judged: the
    images, model by model; told: after so many models Ctrl-C comes.
    """

    def __init__(self):
        self.trained, self.judged, self.told = [], [], None

    def judge(self, config, container, plan, images, folder, found, *, iterations, path_of):
        if len(self.judged) == self.told:
            raise KeyboardInterrupt
        seen = sorted(image_set(images))
        assert path_of(seen[0]).is_file() and iterations == config.train_iterations
        rows = labels("\n".join(f"{name} {GOOD} 0.9 0.9" for name in seen), "totag")
        folder.mkdir(parents=True)
        found.write_bytes(to_csv("totag", rows, config.user_folders))
        self.trained.append(image_set(plan.parts["train"]) | image_set(plan.parts["validation"]))
        self.judged.append(set(seen))


@pytest.fixture
def models(monkeypatch):
    played = Models()
    module = SimpleNamespace(judge=played.judge)
    monkeypatch.setitem(sys.modules, "train.cycle.crosscheck_fold", module)
    return played


def started(store, folder, tagged=TAGGED, **tables_of_state):
    project = BatchProject(
        store, folder, "new.jpg NULL", data_dir=folder / "data", split_by="image"
    )
    rows = labels(tagged)
    for blob in sorted(image_set(rows)):
        project.images.write(blob, picture())
    listed = project.listed(*sorted(image_set(rows) | {"new.jpg"}))
    project.commit(tagged=rows, images=listed, **tables_of_state)
    return project


def cross_check(project, *options, code=0) -> str:
    return Project.run(project, "train/cross_check.py", *options, code=code)


def test_each_image_is_judged_by_a_model_that_was_trained_on_the_others(store, tmp_path, models):
    project = started(store, tmp_path)
    said = project.run(*REVIEW, code=2)
    assert "left out: 8 labelled images" in said
    assert "bash train/active_learning_crosscheck.sh CONFIG on the training machine" in said

    before = project.state().document
    said = project.last(cross_check(project))
    assert said.startswith("8 labelled images judged by 4 models → crosscheck_")
    assert AFTER in said and said.endswith("--review-suspect")
    assert [len(judged) for judged in models.judged] == [2, 2, 2, 2]
    assert set().union(*models.judged) == set(NAMES)
    for trained, judged in zip(models.trained, models.judged, strict=True):
        assert trained == set(NAMES) - judged
    after = project.state().document
    changed = {
        name for name in after["tables"] if after["tables"][name] != before["tables"].get(name)
    }
    assert changed == {"crosscheck"}
    assert all(after.get(name) == before.get(name) for name in ("live", "cycles", "candidate"))
    assert not place_of(project.settings).exists()

    said = project.run(*REVIEW)
    assert f"{WRONG}: no box where the model sees bird (score 0.90)" in said
    assert "left out" not in said
    said = project.last(cross_check(project, "--folds", 2))
    assert said.startswith("of each labelled image a model has spoken") and AFTER in said
    assert len(models.judged) == 4


@pytest.mark.parametrize("iterations", ["auto", "200"])
def test_an_interrupted_one_goes_on_with_the_labels_that_it_began_with(
    folder_store, tmp_path, models, iterations
):
    project = started(folder_store, tmp_path)
    with project.config.open("a", encoding="utf-8") as lines:
        lines.write(f"train_iterations={iterations}\n")
    models.told = 2
    cross_check(project, code=130)
    assert project.state().blob("crosscheck") is None
    models.told = None
    project.images.write("late.jpg", picture())
    rows = tables.concat("tagged", project.table("tagged"), labels(f"late.jpg {GOOD}"))
    project.commit(tagged=rows, images=project.listed(*NAMES, "new.jpg", "late.jpg"))
    said = cross_check(project)
    assert "going on with the cross-check that was begun" in said and "model 3 of 4" in said
    assert "model 1 of 4" not in said and "1 labelled images were never judged still" in said
    assert len(models.judged) == 4 and not any("late.jpg" in names for names in models.trained)
    # the next one judges what has come, and keeps what was found
    cross_check(project)
    assert models.judged[4:] == [{"late.jpg"}] and models.trained[4] == set(NAMES)
    assert image_set(project.table("crosscheck")) == {*NAMES, "late.jpg"}


def test_other_options_begin_anew_and_say_so(folder_store, tmp_path, models):
    project = started(folder_store, tmp_path)
    models.told = 1
    cross_check(project, code=130)
    models.told = None
    said = cross_check(project, "--folds", 2)
    assert "begun with other options: begun anew" in said and "model 1 of 2" in said
    (place := place_of(project.settings)).mkdir()
    (place / "crosscheck.json").write_text("{")
    assert "of each labelled image a model has spoken" in cross_check(project)


def test_only_what_was_never_judged_is_judged_and_test_images_are_never_trained_on(
    folder_store, tmp_path, models
):
    drawn = labels(f"0.jpg {GOOD} 0.9 0.9\n1.jpg {GOOD} 0.9 0.9", "drawn").assign(model="m")
    test = tables.only(labels(TAGGED), {"2.jpg", "3.jpg"})
    project = started(folder_store, tmp_path, drawn=drawn, test=test)
    cross_check(project)
    assert set().union(*models.judged) == set(NAMES) - {"0.jpg", "1.jpg"}
    for trained, judged in zip(models.trained, models.judged, strict=True):
        assert trained == set(NAMES) - {"2.jpg", "3.jpg"} - judged


def test_a_burst_is_in_one_fold_and_its_other_images_are_not_trained_on(
    folder_store, tmp_path, models
):
    drawn = labels(f"0.jpg {GOOD} 0.9 0.9", "drawn").assign(model="m")
    project = started(folder_store, tmp_path, drawn=drawn)
    project.config.write_text(
        project.config.read_text().replace("split_by=image", "split_by=burst")
    )
    listed = project.table("images")
    times = {"0.jpg": "10:00:00", "1.jpg": "10:00:30", "2.jpg": "10:01:00"}
    taken = [f"2026-05-01T{times[name]}Z" if name in times else "" for name in blob_names(listed)]
    project.commit(images=listed.assign(taken_at=taken))
    cross_check(project)
    own = next(place for place, judged in enumerate(models.judged) if "1.jpg" in judged)
    assert "2.jpg" in models.judged[own] and not models.trained[own] & set(times)


def test_other_pictures_and_changed_classes_count_as_everywhere(folder_store, tmp_path, models):
    project = started(folder_store, tmp_path)
    md5 = hashlib.md5(picture()).hexdigest()
    listed = project.table("images").assign(md5=md5)
    project.commit(images=listed)
    cross_check(project)
    assert set(project.table("crosscheck")["md5"]) == {md5}
    done("tag/change_classes.py", project.config, "--rename", "bird=tern")
    assert f"{WRONG}: no box where the model sees tern" in project.run(*REVIEW)
    new = listed.assign(md5=listed["md5"].where(blob_names(listed) != WRONG, "of another"))
    project.commit(images=new)
    said = project.run(*REVIEW, "--discard")
    assert f"{WRONG}: " not in said and "left out: 1 labelled images" in said


def test_images_that_are_gone_or_changed_are_left_out(folder_store, tmp_path, models):
    project = started(folder_store, tmp_path)
    project.images.path_of("0.jpg").unlink()
    project.images.path_of("1.jpg").write_bytes(picture(300, 200))
    said = cross_check(project)
    assert set().union(*models.judged) == set(NAMES[2:])
    assert "2 labelled images were never judged still" in said


@pytest.mark.parametrize(
    "tagged, said",
    [
        (f"0.jpg {GOOD}\n1.jpg NULL", "2 labelled images are too few for a cross-check"),
        (f"0.jpg {GOOD}", "1 labelled images are too few for a cross-check"),
    ],
)
def test_with_too_few_labels_one_line_says_so(folder_store, tmp_path, models, tagged, said):
    project = started(folder_store, tmp_path, tagged)
    assert said in cross_check(project, code=2) and not models.judged


def test_without_labels_there_is_nothing_to_judge(folder_store, tmp_path, models):
    project = BatchProject(folder_store, tmp_path, "new.jpg NULL", data_dir=tmp_path / "data")
    assert "no labels yet" in cross_check(project, code=2)
    assert "expected a whole number from 2 to 100" in cross_check(project, "--folds", 1, code=2)


def test_real_models_are_trained_and_judge_and_leave_nothing_behind(tmp_path):
    config = make_project(tmp_path, photos=12, train_iterations=2, data_dir=tmp_path / "data")
    done("train/initialize.py", config)
    said = forked("train/cross_check.py", config, "--folds", 2)
    assert "12 labelled images judged by 2 models" in said
    settings = load_config(config)
    _, store = open_labels(settings)
    found = store.table(store.read(), "crosscheck")
    assert len(image_set(found)) == 12 and (found["image_confidence"] >= 0).all()
    assert set(found["class"]) <= {"disc", "square", "NULL"}
    assert not place_of(settings).exists() and not store.read().live


def test_weights_of_a_model_of_this_project_are_refused(tmp_path):
    config = make_project(tmp_path, photos=12, data_dir=tmp_path / "data")
    prefix = load_config(config).train_dir / "run-1" / "best-3"
    write_config(config, fine_tune_checkpoint=prefix, data_dir=tmp_path / "data")
    done("train/initialize.py", config)
    for end in (".index", ".data-00000-of-00001"):
        write_bytes(Path(f"{prefix}{end}"), b"")
    said = forked("train/cross_check.py", config, code=2)
    assert "a model of this project, which was trained on these labels" in said
