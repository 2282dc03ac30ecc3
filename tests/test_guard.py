"""No worse model goes live by itself: the paired bootstrap, the verdict, the candidate, and what it
takes to accept it.
"""

import json
import sys

import compare_models
import initialize
import numpy as np
import publish_cycle
import pytest
import sync_images
from helpers_colour_graph import write_frozen_graph
from helpers_cycle import GREEN, RED, CycleProject
from helpers_evaluation import cells, predicted, pycocotools_all_point, random_case, truth
from helpers_programs import done, run

from train.cycle import publishing
from train.cycle.candidate import verdict_of_cycle
from train.cycle.comparison import verdict_of
from train.cycle.files import read_cycle
from train.cycle.outputs import CycleOutputs
from train.evaluation.average_precision import measure
from train.evaluation.bootstrap import compare, matched, mean_ap
from utils.errors import InputError, OutsideError
from utils.labels import tables
from utils.labels.label_map import write_label_map
from utils.labels.state import Change
from utils.labels.tables import image_set

CLASSES = ["cow", "deer"]


# --- the numbers


@pytest.mark.parametrize("seed", range(4))
def test_with_each_image_once_the_average_precision_is_that_of_the_whole_set_and_of_pycocotools(
    seed,
):
    actual, found = random_case(seed)
    images = sorted(image_set(actual))
    classes = matched(actual, found, CLASSES, images)
    once = np.ones(len(images), np.int64)
    assert mean_ap(classes, once) == pytest.approx(
        cells(measure(actual, found, CLASSES), "Average")["AP"], abs=1e-6
    )
    for name in CLASSES:
        (entry,) = matched(actual, found, [name], images)
        expected = pycocotools_all_point(
            actual[actual["class"] == name], found[found["class"] == name]
        )
        assert entry.average_precision(once) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_an_image_that_is_drawn_twice_counts_as_two_images_with_the_same_boxes(seed):
    """Against measure() on tables in which the image really stands twice."""
    actual, found = random_case(seed)
    images = sorted(image_set(actual))
    weights = np.random.default_rng(seed).integers(0, 4, len(images))
    copies = [
        [
            frame[frame["filename"] == image].assign(folder=str(copy))
            for image, times in zip(images, weights, strict=True)
            for copy in range(times)
        ]
        for frame in (actual, found)
    ]
    doubled = [
        tables.concat(table, *frames)
        for table, frames in zip(("test", "totag"), copies, strict=True)
    ]
    expected = cells(measure(*doubled, CLASSES), "Average")["AP"]
    assert mean_ap(matched(actual, found, CLASSES, images), weights) == pytest.approx(
        expected, abs=1e-6
    )


def test_a_model_compared_with_itself_is_not_worse():
    actual, found = random_case(1)
    comparison = compare(actual, found, found, CLASSES, samples=200)
    assert (comparison.low, comparison.high, comparison.worse, comparison.images) == (
        0,
        0,
        False,
        12,
    )


def test_a_model_that_misses_most_is_worse_and_the_better_one_is_not():
    actual = truth("\n".join(f"{n}.jpg cow 0.1 0.1 0.5 0.5" for n in range(20)))
    good = predicted("\n".join(f"{n}.jpg cow 0.1 0.1 0.5 0.5 0.9" for n in range(20)))
    bad = predicted(
        "\n".join(
            f"{n}.jpg cow {'0.1 0.1 0.5 0.5' if n % 4 == 0 else '0.6 0.6 0.9 0.9'} 0.9"
            for n in range(20)
        )
    )
    assert compare(actual, good, bad, ["cow"], samples=200).worse
    better = compare(actual, bad, good, ["cow"], samples=200)
    assert not better.worse and better.low > 0 and (better.live < 0.2, better.new) == (True, 1)


def test_a_difference_that_hangs_on_one_image_is_chance():
    """One of 20 images is missed: a third of the draws do not have it at all."""
    actual = truth("\n".join(f"{n}.jpg cow 0.1 0.1 0.5 0.5" for n in range(20)))
    good = predicted("\n".join(f"{n}.jpg cow 0.1 0.1 0.5 0.5 0.9" for n in range(20)))
    comparison = compare(actual, good, good.iloc[1:], ["cow"])
    assert comparison.new < comparison.live and not comparison.worse


def test_a_class_that_the_live_model_does_not_know_counts_as_not_found():
    actual = truth("1.jpg cow 0.1 0.1 0.5 0.5\n2.jpg deer 0.1 0.1 0.5 0.5")
    new = predicted("1.jpg cow 0.1 0.1 0.5 0.5 0.9\n2.jpg deer 0.1 0.1 0.5 0.5 0.9")
    comparison = compare(actual, new.iloc[:1], new, CLASSES, samples=100)
    assert (comparison.live, comparison.new, comparison.worse) == (0.5, 1, False)


@pytest.mark.parametrize("actual", [tables.empty("test"), truth("1.jpg NULL 0 0 0 0")])
def test_without_a_box_on_a_test_image_nothing_is_measured_and_nothing_goes_live(actual):
    comparison = compare(actual, tables.empty("totag"), tables.empty("totag"), CLASSES, samples=10)
    assert not comparison.measured
    assert verdict_of(comparison, "model_1.pb")["publish"] is False


def test_the_same_seed_draws_the_same():
    actual, found = random_case(2)
    worse = found.assign(box_confidence=found["box_confidence"].to_numpy()[::-1])
    assert compare(actual, found, worse, CLASSES, seed=3, samples=50) == compare(
        actual, found, worse, CLASSES, seed=3, samples=50
    )


# --- the verdict and the candidate, with the colour graph for a trained model


@pytest.fixture
def project(tmp_path):
    """Sixteen photos, twelve of them reviewed, half of these in the test set; a model is live that
    finds red and green things.
    """
    made = CycleProject(tmp_path)
    for number in range(16):
        made.photo(f"a/{number}.png", GREEN if number % 2 else RED)
    initialize.main([str(made.config)])
    made.tag(
        *((f"a/{number}.png", "green thing" if number % 2 else "red thing") for number in range(12))
    )
    made.train()
    made.predict()
    made.publish()
    return made


def train_poisoned(made):
    """What a cycle leaves behind whose labels were mixed up: red things are called green, and green
    ones red.
    """
    made.train()
    write_label_map(
        made.settings.inference_output_dir / "label_map.pbtxt", {"green thing": 1, "red thing": 2}
    )
    write_frozen_graph(
        made.settings.inference_output_dir / "frozen_inference_graph.pb", canvas=(128, 128)
    )
    made.predict()


def compared(made, capsys) -> dict:
    capsys.readouterr()
    compare_models.main([str(made.config)])
    return read_cycle(made.settings)["verdict"]


def guarded(made):
    publish_cycle.main([str(made.config)])


def test_a_poisoned_model_is_kept_as_a_candidate_and_totag_stays(project, capsys):
    before = project.state()
    train_poisoned(project)
    verdict = compared(project, capsys)
    assert verdict["publish"] is False and verdict["live"] == before.live["model"]
    assert (verdict["AP"]["live"], verdict["AP"]["new"]) == (1, 0)
    assert "→ it is kept as a candidate" in capsys.readouterr().out
    guarded(project)
    assert (
        "kept as a candidate, not published: average AP 0.00, 1.00 of model_"
        in capsys.readouterr().out
    )
    after = project.state()
    assert after.live == before.live and after.cycles == before.cycles
    assert after.document["tables"]["totag"] == before.document["tables"]["totag"]
    assert after.document["candidate"]["model"] != before.live["model"]
    said = done("tag/status.py", project.config)
    assert "candidate, not published: model_" in said and "--accept publishes it" in said
    assert (
        json.loads(done("tag/status.py", project.config, "--json"))["candidate"]["model"]
        == after.document["candidate"]["model"]
    )
    done("tag/status.py", project.config, "--check")


def test_new_images_can_be_handed_out_while_a_candidate_waits(project, capsys):
    """Two came before the cycle, one of them unreadable; bob holds one that the cycle knew."""
    project.photo("new/1.png", RED)
    (project.folder / "store" / "images" / "new" / "2.png").write_bytes(b"no picture")
    before = project.table("totag")
    train_poisoned(project)
    compared(project, capsys)
    project.reserve("a/13.png")
    guarded(project)
    after = project.table("totag")
    assert image_set(after) == (image_set(before) | {"new/1.png"})
    assert tables.only(after, image_set(before)).equals(before)
    unseen = tables.only(after, {"new/1.png"})
    assert unseen["class"].tolist() == ["NULL"] and unseen["image_confidence"].isna().all()
    assert "new/1.png" in image_set(project.table("images")) and image_set(
        project.table("failed")
    ) == {"new/2.png"}
    done("tag/status.py", project.config, "--check")
    project.reserve("new/1.png")
    done("train/active_learning_auto.sh", project.config, "--accept")
    assert image_set(project.table("tagging")) == {"a/13.png", "new/1.png"}
    assert image_set(project.table("totag")) == image_set(before) - {"a/13.png"}
    done("tag/status.py", project.config, "--check")


def test_accepting_the_candidate_publishes_what_its_cycle_made_and_nothing_that_was_decided_since(
    project, capsys
):
    before = project.state()
    train_poisoned(project)
    compared(project, capsys)
    guarded(project)
    candidate = project.state().document["candidate"]
    project.reserve("a/13.png")
    project.tag(("a/14.png", "red thing"))
    said = done("train/active_learning_auto.sh", project.config, "--accept")
    state = project.state()
    assert said.splitlines()[-1].startswith(
        "cycle 2: 12 images, 12 boxes labelled, average AP 0.00 → model_"
    )
    assert state.live["model"] == candidate["model"] and state.document["candidate"] is None
    assert [entry["model"] for entry in state.cycles] == [before.live["model"], candidate["model"]]
    assert state.cycles[1]["accepted"] == candidate["verdict"]["why"]
    assert not [name for name in state.cycles[1] if name.startswith(("base_", "made_"))]
    assert image_set(project.table("totag")) == {"a/12.png", "a/15.png"}
    assert tables.only(project.table("totag"), {"a/12.png"})["class"].tolist() == ["green thing"]
    done("tag/status.py", project.config, "--check")
    again = run("train/watch.py", project.config, "--accept")
    assert again.returncode == 2 and "there is no candidate to accept" in again.stderr


def test_a_model_that_is_as_good_goes_live_and_an_older_candidate_is_forgotten(project, capsys):
    train_poisoned(project)
    compared(project, capsys)
    guarded(project)
    project.tag(("a/12.png", "red thing"))
    project.train()
    project.predict()
    verdict = compared(project, capsys)
    assert verdict["publish"] and verdict["difference"] == [0, 0]
    guarded(project)
    state = project.state()
    assert len(state.cycles) == 2 and state.document["candidate"] is None
    assert state.live["model"] == state.cycles[1]["model"]


def test_each_step_can_be_run_again_and_does_nothing_twice(project, capsys):
    train_poisoned(project)
    compared(project, capsys)
    guarded(project)
    first, blobs = project.state(), project.blobs("model")
    guarded(project)
    assert project.state() == first and project.blobs("model") == blobs


def test_what_the_live_model_found_is_not_predicted_again(project, capsys, monkeypatch):
    project.train()
    project.predict()
    compared(project, capsys)  # knows the live model's detections now
    train_poisoned(project)
    monkeypatch.setitem(sys.modules, "frozen_detector", None)  # importing it fails
    assert compared(project, capsys)["AP"] == {"new": 0, "live": 1}


def test_the_first_model_goes_live_whatever_it_is(tmp_path, capsys):
    made = CycleProject(tmp_path)
    made.fill()
    made.predict()
    assert compared(made, capsys) == {"publish": True, "why": "no model is live yet", "live": None}
    guarded(made)
    assert len(made.state().cycles) == 1


def test_images_that_the_live_model_was_trained_on_do_not_count(project, capsys):
    """After a redraw the test set holds some of them."""
    tagged = project.table("tagged")
    old = image_set(project.table("test"))
    project.labels.commit(
        lambda state: Change({"test": tagged}, {"pretrained_next": True}), what="test"
    )
    sync_images.main([str(project.config)])
    train_poisoned(project)
    assert compared(project, capsys)["images"] == len(old)


def test_once_a_model_that_began_afresh_is_live_images_that_only_earlier_ones_saw_count_again(
    project, capsys
):
    seen = image_set(project.table("tagged")) - image_set(project.table("test"))
    drawn = tables.only(project.table("tagged"), seen)
    project.labels.commit(
        lambda state: Change({"test": drawn}, {"pretrained_next": True}), what="a redraw"
    )
    project.train()
    project.predict()
    verdict = compared(project, capsys)
    assert not verdict["publish"] and verdict["why"].endswith(
        f"with {verdict['live']}, as earlier models were trained on all of them"
    )
    guarded(project)
    done("train/active_learning_auto.sh", project.config, "--accept")
    project.tag(("a/12.png", "red thing"))
    project.train()
    project.predict()
    verdict = compared(project, capsys)
    # the cycle has drawn one of thirteen besides
    assert verdict["publish"] and verdict["images"] == len(seen) + 1


def test_a_model_is_not_published_over_one_that_went_live_while_it_was_uploaded(
    project, capsys, monkeypatch
):
    project.train()
    project.predict()
    assert compared(project, capsys)["publish"]

    def upload(*arguments):
        project.labels.commit(
            lambda state: Change(members={"live": {**state.live, "model": "model_1.pb"}}),
            what="another machine",
        )
        return publish_files(*arguments)

    publish_files = publishing.publish_files
    monkeypatch.setattr(publishing, "publish_files", upload)
    with pytest.raises(OutsideError, match="model_1.pb is live now; compare it again"):
        guarded(project)
    assert project.state().live["model"] == "model_1.pb" and len(project.state().cycles) == 1


def test_a_model_that_was_compared_with_another_than_the_live_one_is_not_published(project, capsys):
    train_poisoned(project)
    made = CycleOutputs.read(project.settings)
    for verdict, error in (
        (None, InputError),
        ({"publish": True, "live": "model_1.pb"}, OutsideError),
    ):
        made.cycle["verdict"] = verdict
        with pytest.raises(error):
            verdict_of_cycle(made, project.state())


@pytest.mark.parametrize("label_map", [None, "label_map_1.pbtxt"])
def test_a_new_model_is_compared_with_the_live_one_of_a_container_that_was_taken_over(
    tmp_path, capsys, label_map
):
    """The earlier generation's files: a label map lies there, or none, and then the classes count
    in their order.
    """
    made = CycleProject(
        tmp_path, classes="red thing,green thing" if label_map is None else "green thing,red thing"
    )
    labels = tmp_path / "store" / "labels"
    for number in range(8):
        made.photo(f"a/{number}.png", GREEN if number % 2 else RED)
    rows = [
        f"{number}.png,{'green' if number % 2 else 'red'} thing,.5,1,.25,.75,48,64,a\n"
        for number in range(6)
    ]
    (labels / "tagged_1.csv").write_text(
        "filename,class,xmin,xmax,ymin,ymax,height,width,folder\n" + "".join(rows)
    )
    write_frozen_graph(labels / "model_1.pb")
    if label_map:
        write_label_map(labels / label_map, {"red thing": 1, "green thing": 2})
    initialize.main([str(made.config)])
    made.train()
    made.predict()
    verdict = compared(made, capsys)
    assert (verdict["live"], verdict["AP"], verdict["publish"]) == (
        "model_1.pb",
        {"new": 1, "live": 1},
        True,
    )
    guarded(made)
    assert made.state().live["model"] != "model_1.pb"
