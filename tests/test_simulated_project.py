"""Parts of a simulated project that need no training: what a strategy is shown, and what makes a
trained set another one.
"""

import dataclasses
import threading
import time

import numpy as np
import pandas as pd
import pytest

from train.network.weights_digest import weights_digest
from train.simulation import training
from train.simulation.choice import Rules, choose, stored
from train.simulation.labelling import Schedule, play
from train.simulation.outcomes import DataSet, Outcome, Recipe, TrainedSets
from utils.boxes.detections import Detections, totag_rows
from utils.effort.seconds import ACTIONS
from utils.errors import OutsideError
from utils.labels import tables

RECIPE = Recipe("faster_rcnn_mobilenet_v2_fpn", "scratch", "scratch", True, (48, 64), 10, 4, True)
PLAIN = Rules(("bird", "cat"), random_share=0.0, max_per_burst=None)


@pytest.fixture
def data(tmp_path):
    """Pool a … f, test image t, a photo each; all labelled as bird but f, a cat."""
    names = [*"abcdef", "t"]
    corners = {"xmin": [0.1] * 7, "xmax": [0.5] * 7, "ymin": [0.1] * 7, "ymax": [0.5] * 7}
    rows = tables.make(
        "tagged",
        filename=names,
        class_=["cat" if name == "f" else "bird" for name in names],
        **corners,
        height=[48] * 7,
        width=[64] * 7,
    )
    files = {name: tmp_path / name for name in names}
    for name, file in files.items():
        file.write_text(name)
    images = tables.make("images", filename=names, height=[48] * 7, width=[64] * 7, etag="e")
    return DataSet(tables.without(rows, {"t"}), tables.only(rows, {"t"}), images, files)


def predicted(**scores: list[float]) -> pd.DataFrame:
    """Rows of totag: the scores of each image's birds."""
    boxes = np.array([[0.1, 0.1, 0.5, 0.5]])
    return totag_rows(
        (
            (
                name,
                48,
                64,
                Detections(
                    np.repeat(boxes, len(found), 0),
                    np.ones(len(found), int),
                    np.array(found, float),
                ),
            )
            for name, found in scores.items()
        ),
        {1: "bird"},
    )


def outcome(
    data: DataSet,
    predictions: pd.DataFrame,
    embeddings: dict[str, list] | None = None,
    disagreement: list[float] | None = None,
    **ap50: float,
) -> Outcome:
    """What a model is said to have found: embeddings by image, disagreement in the order of the
    names, and AP50 by class.
    """
    vectors = np.array(
        [embeddings[name] for name in data.names] if embeddings else [[0]] * len(data.names),
        np.float16,
    )
    performance = tables.make(
        "performance", **{"Class Name": list(ap50), "AP": list(ap50.values())}
    )
    return Outcome(
        predictions, vectors, disagreement and np.array(disagreement, np.float32), performance
    )


def test_only_boxes_from_min_confidence_up_are_stored_and_images_without_any_are_empty():
    found = stored(predicted(a=[0.9, 0.05, 0.02], b=[0.04, 0.01], c=[]), 0.05)
    assert found[["filename", "class", "box_confidence", "image_confidence"]].values.tolist() == [
        ["a", "bird", 0.9, 0.05],
        ["a", "bird", 0.05, 0.05],
        ["b", "NULL", 0, 0],
        ["c", "NULL", 0, 0],
    ]
    assert (
        list(found) == tables.COLUMNS["totag"]
        and found["height"].tolist() == [48] * 4
        and found["xmax"].tolist() == [0.5, 0.5, 0, 0]
    )
    pd.testing.assert_series_equal(found.dtypes, tables.empty("totag").dtypes)


def test_todays_rule_sees_the_boxes_that_a_config_without_the_keys_stores(data):
    seen = outcome(
        data, predicted(a=[0.9, 0.01], b=[0.6], c=[0.4, 0.2], d=[0.8, 0.3], e=[0.7, 0.02], f=[0.95])
    )
    assert choose("lowest_box", data, seen, set(), 6, PLAIN) == ["c", "b", "e", "d", "a", "f"]


def test_coreset_takes_the_image_whose_embedding_is_furthest_from_those_that_are_labelled(data):
    towards = {
        "b": [1, 0, 0],
        "d": [0.9, 0.1, 0],
        "e": [0, 1, 0],
        "a": [1, 0.1, 0],
        "f": [0, 0.9, 0.1],
        "c": [0, 0, 1],
        "t": [1, 1, 1],
    }
    seen = outcome(data, predicted(**dict.fromkeys("tfedcba", [0.5])), towards)
    assert choose("coreset", data, seen, {"b", "e"}, 1, PLAIN) == ["c"]
    assert choose("coreset", data, seen, {"b", "c"}, 1, PLAIN) in (["e"], ["f"])


def test_disagreement_takes_the_images_whose_mirror_images_are_seen_differently(data):
    seen = outcome(
        data,
        predicted(**dict.fromkeys("abcdeft", [0.5])),
        disagreement=[0.1, 0.8, 0.2, 0.9, 0.3, 0, 1],
    )
    assert choose("disagreement", data, seen, {"b"}, 3, PLAIN) == ["d", "e", "c"]


def test_hybrid_prefers_the_class_that_the_last_model_is_bad_at(data):
    both = predicted(a=[0.5], b=[0.5], c=[0.5], d=[], e=[], f=[])
    both.loc[both["filename"] == "b", "class"] = "cat"
    for bad, good, chosen in (("cat", "bird", ["b"]), ("bird", "cat", ["a"])):
        seen = outcome(
            data,
            both,
            {name: [1, number] for number, name in enumerate(data.names)},
            **{bad: 0.1, good: 0.9},
        )
        assert choose("hybrid", data, seen, {"f", "e"}, 1, PLAIN) == chosen


def found_nothing(_rows, _seed, names: list[str], _mirror, _work) -> dict[str, Detections]:
    """A Trainer whose models find nothing."""
    return dict.fromkeys(
        names, dataclasses.replace(Detections.none(), embedding=np.zeros(1), disagreement=0.0)
    )


def test_a_model_looks_at_the_pool_only_where_a_strategy_chooses_by_what_it_finds(data, tmp_path):
    looked_at = []

    def trainer(rows, seed, names, mirror, work):
        looked_at.append((len(rows), len(names) * (1 + mirror)))
        return found_nothing(rows, seed, names, mirror, work)

    def images(strategies: str, cycles: int) -> tuple[list[tuple], list[set]]:
        """(labelled, looked at) images of each model that is trained for it, and the results'
        images.
        """
        looked_at.clear()
        steps = list(
            play(
                data,
                Schedule(tuple(strategies.split()), 1, 2, 1, cycles),
                TrainedSets(data, RECIPE, tmp_path, trainer),
                PLAIN,
            )
        )
        return sorted(looked_at), [rows["images"].iloc[0] for _, rows in steps]

    # what is labelled next is looked at too: people get to see its boxes
    assert images("random", 1) == ([(2, 2), (3, 1)], [2, 3])
    assert images("random lowest_box", 1) == ([(2, 7), (3, 1)], [2, 3, 2, 3])
    assert images("random lowest_box", 9) == (
        [(3, 2), (3, 7), (4, 2), (4, 7), (5, 2), (5, 7), (6, 1)],
        [2, 3, 4, 5, 6] * 2,
    )
    assert images("random lowest_box", 9)[0] == []
    assert images("entropy disagreement", 1) == ([(2, 14)], [2, 3, 2, 3])


def test_projects_side_by_side_give_what_they_give_one_after_the_other(data, tmp_path):
    schedule = Schedule(("random", "lowest_box", "entropy"), 2, 2, 1, 3)
    lock, running, most, seeds = threading.Lock(), set(), [0], []

    def trainer(rows, seed, names, mirror, work):
        with lock:
            seeds.append(seed)
            assert work not in running  # a set that two projects share is trained once
            running.add(work)
            most[0] = max(most[0], len(running))
        time.sleep(0.02 * (seed + 1))
        with lock:
            running.discard(work)
        found = Detections(np.array([[0.1, 0.1, 0.5, 0.5]]), np.ones(1, int), np.array([0.5]))
        number = sum(map(ord, "".join(sorted(rows["filename"])))) + seed
        found = dataclasses.replace(
            found, scores=np.array([number % 7 / 7]), embedding=np.zeros(1), disagreement=0.0
        )
        return dict.fromkeys(names, found)

    def played(at_once):
        trained = TrainedSets(data, RECIPE, tmp_path / str(at_once), trainer)
        parts = list(play(data, schedule, trained, PLAIN, at_once))
        return [said for said, _ in parts], pd.concat(rows for _, rows in parts)

    one, rows_of_one = played(1)
    assert most == [1]
    seeds.clear()
    several, rows_of_several = played(3)
    assert set(seeds[:2]) == {0, 1}  # strategies of one seed would wait for its first training
    assert one == several and 1 < most[0] <= 3
    pd.testing.assert_frame_equal(rows_of_one, rows_of_several)


def test_after_a_fault_in_one_of_several_projects_no_other_begins(data, tmp_path):
    began = set()

    def trainer(rows, seed, names, mirror, work):
        began.add(seed)
        if seed == 0:
            raise OutsideError("the disk is full")
        time.sleep(0.1)
        return found_nothing(rows, seed, names, mirror, work)

    trained = TrainedSets(data, RECIPE, tmp_path, trainer)
    with pytest.raises(OutsideError, match="the disk is full"):
        list(play(data, Schedule(("random",), 20, 2, 1, 3), trained, PLAIN, 2))
    assert len(began) < 20


def test_as_many_trainings_go_on_at_once_as_there_are_cores_and_memory_for(monkeypatch):
    monkeypatch.setattr(training.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(training, "_free_memory", lambda: 100 << 30)
    assert training.side_by_side(0, 6) == (4, 2)
    assert training.side_by_side(0, 1) == (1, 0)
    assert training.side_by_side(1, 6) == (6, 1)
    assert training.side_by_side(16, 6) == (1, 16)
    monkeypatch.setattr(training, "_free_memory", lambda: 7 << 30)
    assert training.side_by_side(1, 6) == (2, 1)
    monkeypatch.setattr(training, "_free_memory", lambda: 1 << 30)
    assert training.side_by_side(1, 6) == (1, 1)


def test_what_people_do_with_the_boxes_that_they_are_shown_is_counted(data, tmp_path):
    def finds_birds(rows, seed, names, mirror, work):
        corners = np.array([[0.1, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]])
        found = Detections(corners, np.array([1, 1]), np.array([0.9, 0.4]))
        found = dataclasses.replace(found, embedding=np.zeros(1), disagreement=0.0)
        return dict.fromkeys(names, found)

    schedule = Schedule(("random", "entropy"), 1, 2, 3, 2)
    for everything in (PLAIN, dataclasses.replace(PLAIN, prelabel_confidence=0.3)):
        trained = TrainedSets(data, RECIPE, tmp_path / "models", finds_birds)
        parts = [rows for _, rows in play(data, schedule, trained, everything)]
        for rows in (parts[2], parts[5]):
            done = rows.set_index("class")[list(ACTIONS)]
            # the cold start of two is drawn; of the other four, f is a cat that is shown as a bird
            cat_first = done.loc["cat", "drawn"] == 1
            shown_wrong = 4 * (everything.prelabel_confidence < 0.4)
            assert done.loc["Average"].to_dict() == {
                "kept": 4 - (not cat_first),
                "moved": 0,
                "class_changed": 1 - cat_first,
                "deleted": shown_wrong,
                "drawn": 2,
            }
            assert done.loc["bird", "kept"] == done.loc["Average", "kept"]
    assert parts[0].set_index("class").loc["Average", "drawn"] == 2


def test_chance_needs_no_predictions_of_the_pool_and_draws_the_same_with_them(data):
    without, seen = (
        outcome(data, predicted(t=[0.5])),
        outcome(data, predicted(**dict.fromkeys("abcdeft", [0.9, 0.2]))),
    )
    rules = dataclasses.replace(PLAIN, random_share=0.1, max_per_burst=2)
    for seed in range(5):
        drawn, again = (
            choose("random", data, of, {"c"}, 3, dataclasses.replace(rules, seed=seed))
            for of in (without, seen)
        )
        assert drawn == again and len(set(drawn) & set("abdef")) == 3


def key_of(data: DataSet, recipe: Recipe, labelled: set[str], seed: int, folder) -> str:
    """The name of the folder in which a labelled set is kept."""
    before = set(folder.glob("*"))
    TrainedSets(data, recipe, folder, found_nothing).outcome(labelled, seed)
    new = set(folder.glob("*")) - before
    return new.pop().name if new else ""


def test_another_seed_recipe_label_image_or_weights_is_another_trained_set_and_another_place_is_not(
    data, tmp_path
):
    folder, labelled = tmp_path / "models", {"a", "b"}
    assert key_of(data, RECIPE, labelled, 0, folder)
    assert not key_of(data, RECIPE, labelled, 0, folder)
    assert not key_of(
        data, dataclasses.replace(RECIPE, checkpoint="elsewhere"), labelled, 0, folder
    )
    assert key_of(data, RECIPE, labelled, 1, folder)
    assert key_of(data, RECIPE, labelled | {"c"}, 0, folder)
    for other in (
        dict(steps=11),
        dict(weights="x"),
        dict(batch_size=5),
        dict(canvas=(64, 64)),
        dict(freeze_backbone=False),
        dict(on_features=False),
        dict(model_name="faster_rcnn_resnet18_fpn"),
    ):
        assert key_of(data, dataclasses.replace(RECIPE, **other), labelled, 0, folder), other
    moved = data.pool.assign(xmax=0.6)
    assert key_of(dataclasses.replace(data, pool=moved), RECIPE, labelled, 0, folder)
    (data.files["a"]).touch()
    assert not key_of(dataclasses.replace(data), RECIPE, labelled, 0, folder)
    (data.files["t"]).write_text("!")
    assert key_of(dataclasses.replace(data), RECIPE, labelled, 0, folder)


def test_weights_are_known_by_their_content(tmp_path):
    for place, content in (("one", "w"), ("two", "w"), ("other", "v")):
        (tmp_path / place).mkdir()
        for end in (".index", ".data-00000-of-00001"):
            (tmp_path / place / f"ckpt{end}").write_text(content + end)
    one, two, other = (tmp_path / place for place in ("one", "two", "other"))
    known = {
        weights_digest(str(place))
        for place in (one, two, one / "ckpt", one / "ckpt.index", one / "ckpt.data-00000-of-00001")
    }
    assert len(known) == 1 and weights_digest(str(other)) not in known
    assert [weights_digest(text) for text in ("", "scratch", str(tmp_path / "none"))] == [
        "",
        "scratch",
        str(tmp_path / "none"),
    ]
