"""The report in a cycle: what its steps leave behind for it, with a real model."""

import json

import pytest
from helpers_cycle import CycleProject
from helpers_programs import done

from train.cycle.candidate import accept
from train.cycle.files import update_cycle
from utils.labels import tables
from utils.labels.reports import twin_of
from utils.labels.tables import image_set


@pytest.fixture
def project(tmp_path):
    made = CycleProject(tmp_path)
    made.fill()
    made.predict()
    return made


def report(project) -> dict:
    done("train/active_learning_report.sh", project.config)
    return json.loads(project.labels.container.read(twin_of(project.state().report))[0])


def test_a_cycle_publishes_what_its_model_found_in_the_test_images(project):
    project.publish()
    (cycle,) = project.state().cycles
    tested = project.labels.table_at(cycle["tested"], "tested")
    assert image_set(tested) == image_set(project.table("test"))
    found = report(project)
    assert (found["test"]["images"], found["AP"]["AP"]) == (2, 1)
    assert found["images"]["recall"] == 1 and found["images"]["false_alarms"] == 0
    assert [entry["class"] for entry in found["classes"]] == ["red thing", "green thing"]
    assert found["average"]["AP"] == cycle["metrics"]["Average"]["AP"]
    assert len(found["next_batch"]["images"]) == 5


def test_a_candidate_that_is_accepted_has_its_own(project):
    project.publish()
    project.tag(("a/2.png", "red thing"))
    project.train()
    project.predict()
    live = project.state().live["model"]
    update_cycle(project.settings, verdict={"publish": False, "why": "it is worse", "live": live})
    done("train/publish_cycle.py", project.config)
    found = report(project)
    assert found["candidate"]["why"] == "it is worse" and found["model"] == live
    accept(project.labels)
    cycle = project.state().cycles[-1]
    assert image_set(project.labels.table_at(cycle["tested"], "tested"))
    assert report(project)["model"] == cycle["model"] != live


def test_of_a_model_without_stored_predictions_the_evaluation_serves(project):
    project.publish()
    without = [
        {name: value for name, value in cycle.items() if name != "tested"}
        for cycle in project.state().cycles
    ]
    project.commit({"cycles": without})
    assert "test" not in report(project)
    done("train/active_learning_eval.sh", project.config)
    (entry,) = project.state().document["evaluations"]
    assert tables.image_set(project.labels.table_at(entry["tested"], "tested"))
    assert report(project)["test"]["images"] == 2
