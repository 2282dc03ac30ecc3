"""A project's first model replaces what a pretrained one found only when it is better."""

import compare_models
import initialize
import publish_cycle
import pytest
from helpers_cycle import GREEN, RED, CycleProject
from helpers_programs import done

from train.cycle.files import read_cycle
from utils.labels import tables
from utils.labels.class_map import parse_class_map
from utils.labels.state import Change
from utils.labels.tables import image_set

MAP = parse_class_map(
    {
        "classmap": [
            {"initclass": 16, "map": "red thing", "balance": 0.5},
            {"initclass": 17, "map": "green thing", "balance": 0.5},
        ],
        "unmapclass": [],
        "default_class": "red thing",
    },
    "test",
)


SWAPPED = 'item { id: 2 name: "red thing" }\nitem { id: 1 name: "green thing" }\n'


@pytest.fixture
def project(tmp_path):
    """Sixteen photos of red and green things."""
    made = CycleProject(tmp_path, min_confidence=0.05)
    for number in range(16):
        made.photo(f"a/{number}.png", GREEN if number % 2 else RED)
    initialize.main([str(made.config)])
    return made


def pretrained_found(project, left: float, class_map=MAP) -> None:
    """A pretrained model has found one box in each photo: with `left` 0.5 the right one."""
    images = project.table("images")
    names = images["filename"]
    rows = tables.make(
        "init_totag",
        filename=names,
        folder=images["folder"],
        class_=["17" if int(name.split(".")[0]) % 2 else "16" for name in names],
        xmin=left,
        xmax=left + 0.5,
        ymin=0.25,
        ymax=0.75,
        height=48,
        width=64,
        box_confidence=0.9,
        image_confidence=0.9,
    )
    noted = {"class_map": class_map.as_json()} if class_map else {}
    project.labels.commit(lambda state: Change({"init_totag": rows}, noted), what="test")


def train(project, label_map: str = "") -> dict:
    """A cycle's files with the colour graph, perhaps with another label map; the verdict. Twelve
    photos are reviewed, half of them the test set.
    """
    kinds = ["red thing", "green thing"]
    project.tag(*((f"a/{number}.png", kinds[number % 2]) for number in range(12)))
    project.train()
    if label_map:
        (project.settings.inference_output_dir / "label_map.pbtxt").write_text(label_map)
    project.predict()
    compare_models.main([str(project.config)])
    return read_cycle(project.settings)["verdict"]


def test_a_first_model_that_is_worse_than_the_pretrained_predictions_is_a_candidate(
    project, capsys
):
    pretrained_found(project, 0.5)
    verdict = train(project, SWAPPED)
    assert (verdict["publish"], verdict["live"]) == (False, None)
    assert (verdict["AP"]["new"], verdict["AP"]["live"]) == (0, 1)
    capsys.readouterr()
    publish_cycle.main([str(project.config)])
    said = capsys.readouterr().out
    assert (
        "kept as a candidate, not published: average AP 0.00, 1.00 of the pretrained predictions"
        in said
    )
    assert "these stay what people are shown until a model is better" in said
    state = project.state()
    assert not state.live and not state.cycles and state.document["candidate"]

    # what people get is still what the pretrained model found, without being asked for it
    said = done("tag/download_vott_json.py", 3, project.config)
    assert "3 images, 3 boxes" in said
    assert set(project.table("tagging")["class"]) <= {"red thing", "green thing"}


@pytest.mark.parametrize("left", [0.5, 0.0])
def test_a_first_model_that_is_as_good_or_better_is_published(project, left):
    pretrained_found(project, left)
    verdict = train(project)
    assert verdict["publish"] is True and verdict["AP"]["new"] == 1
    publish_cycle.main([str(project.config)])
    assert project.state().live["model"]


@pytest.mark.parametrize("seen", ["nothing", "no image of the test set", "no class of ours"])
def test_where_nothing_can_be_compared_the_first_model_is_published(project, seen):
    if seen != "nothing":
        pretrained_found(project, 0.5, None if seen == "no class of ours" else MAP)
    if seen == "no image of the test set":
        init = project.table("init_totag")
        others = tables.only(init, {f"a/{number}.png" for number in range(12, 16)})
        project.labels.commit(lambda state: Change({"init_totag": others}), what="test")
    assert train(project) == {"publish": True, "why": "no model is live yet", "live": None}


def test_classes_of_the_same_name_need_no_class_map(project):
    numbers = {"init_classes": {"16": "red thing", "17": "green thing", "1": "person"}}
    pretrained_found(project, 0.5, None)
    project.labels.commit(lambda state: Change({}, numbers), what="test")
    assert train(project)["AP"] == {"new": 1, "live": 1}


def test_a_download_notes_the_class_map_it_used(project, tmp_path):
    pretrained_found(project, 0.5, None)
    path = tmp_path / "map.json"
    path.write_text(
        '{"classmap": [{"initclass": 16, "map": "red thing", "balance": 1}],'
        ' "unmapclass": [17], "default_class": "red thing"}'
    )
    done("tag/download_vott_json.py", 2, project.config, path)
    noted = project.state().document["class_map"]
    assert (noted["names"], noted["unmapped"]) == ({"16": "red thing"}, ["17"])
    assert image_set(project.table("tagging"))
