"""The random share from the hand-out to the report of the next cycle."""
import pytest
from helpers_tables import labels
from test_publish import Project

from utils.cycle import read_cycle
from utils.label_state import Change
from utils.tables import concat, only


@pytest.fixture
def project(tmp_path):
    """Nine photos of which four are reviewed, and one published cycle."""
    made = Project(tmp_path)
    made.fill()
    made.predict()
    made.publish()
    return made


def test_the_report_measures_the_live_model_on_what_was_drawn_at_random_and_labelled_since(project, capsys):
    model = project.state().live["model"]

    def draw_and_label(state):
        free = project.store.totag(state)
        drawn = only(free, ["a/2.png", "a/3.png", "b/9.png"]).assign(model=model)
        rows = labels("a/2.png 1 0.5 1 0.25 0.75\nb/9.png 1 0.5 1 0.25 0.75").assign(**{"class": "red thing"})
        tagged = project.store.table(state, "tagged")
        return Change({"drawn": drawn, "tagged": concat("tagged", tagged, rows)})  # the model finds the first, and not the second

    project.store.commit(draw_and_label, what="test")
    project.train()
    capsys.readouterr()
    project.predict()
    said = capsys.readouterr().out
    assert f"random share: AP 0.50 (0.00 to 1.00 in 90% of 1000 draws) of {model} on 2 images, 2 boxes" in said
    assert "labels made on top of pre-labels flatter the model" in said
    project.publish()
    share = project.state().cycles[-1]["random_share"]
    assert share == read_cycle(project.config)["random_share"]
    assert (share["model"], share["images"], share["AP"]) == (model, 2, 0.5)


def test_without_a_random_share_the_report_is_silent_about_it(project, capsys):
    project.predict()
    assert "random share" not in capsys.readouterr().out and read_cycle(project.config)["random_share"] is None
