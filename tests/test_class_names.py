"""A class that is misspelt in the config is said by every program that reads both."""

import pytest
from helpers_programs import run
from helpers_state import StateProject
from helpers_tables import images, labels

from utils.labels.class_names import NO_CHANGES, differing_classes

SHEEP = labels("a.jpg sheep 0 1 0 1\na.jpg sheep 0 .5 0 .5\nb.jpg NULL\nc.jpg dog 0 1 0 1")


@pytest.mark.parametrize(
    "configured, changes, said",
    [
        (["sheep", "dog"], {}, ""),
        ([], {}, ""),
        (["sheap", "dog"], {}, "classes has sheap; the labels have sheep (2 boxes)"),
        (["sheep"], {}, "classes has sheep; the labels have dog (1 box)"),
        (["wolf"], {}, "classes has wolf; the labels have sheep (2 boxes), dog (1 box)"),
        (["sheep"], {"dropped": ["dog"]}, ""),
        (["ewe", "dog"], {"renamed": {"sheep": "ewe"}}, ""),
        (["sheep", "dog"], {"renamed": {"sheep": "ewe"}}, ""),
    ],
)
def test_the_sentence_names_both_sides_and_the_boxes(configured, changes, said):
    assert differing_classes(SHEEP, configured, {**NO_CHANGES, **changes}) == said


@pytest.mark.parametrize(
    "program", ["tag/status.py", "tag/download_vott_json.py", "train/initialize.py"]
)
def test_each_program_says_it(store, tmp_path, program):
    project = StateProject(store, tmp_path, classes="bird,sael")
    project.commit(images=images("a/1.jpg", "d/1.jpg"))
    number = [1] if "download" in program else []
    said = run(program, *number, project.config)
    assert "classes has sael; the labels have seal (2 boxes)" in said.stdout + said.stderr
    assert said.returncode == 0
