"""The random share from the hand-out to the report of the next cycle."""

import create_predictions
import download_vott_json
import fetch_model
import publish_predictions
import pytest
import sync_images
from helpers_colour_graph import write_frozen_graph
from helpers_cycle import GREEN, CycleProject
from helpers_programs import done

from train.cycle.files import read_cycle
from utils.labels.assignments import release
from utils.labels.state import Change
from utils.labels.tables import blob_names


@pytest.fixture
def project(tmp_path):
    """Nine photos of which four are reviewed, and one published cycle."""
    made = CycleProject(tmp_path)
    made.fill()
    made.predict()
    made.publish()
    return made


def draw(project, number=9) -> dict[str, str]:
    """Hand out at random; {image: the model that its kept predictions are by} of what was drawn."""
    download_vott_json.main([str(number), str(project.config), "--strategy", "random"])
    drawn = project.table("drawn")
    return dict(zip(blob_names(drawn), drawn["model"], strict=True))


def test_the_report_measures_the_live_model_on_what_was_drawn_at_random_and_labelled_since(
    project, capsys
):
    model = project.state().live["model"]
    assert draw(project) == dict.fromkeys(
        ("a/2.png", "a/3.png", "b/2.png", "b/3.png", "b/9.png"), model
    )
    # the model finds the first, and not the second
    project.tag(("a/2.png", "red thing"), ("b/9.png", "red thing"))
    project.train()
    capsys.readouterr()
    project.predict()
    said = capsys.readouterr().out
    assert (
        f"random share: AP 0.50 (0.00 to 1.00 in 90% of 1000 draws) of {model} on 2 images, 2 boxes"
        in said
    )
    assert "labels made on top of pre-labels flatter the model" in said
    project.publish()
    share = project.state().cycles[-1]["random_share"]
    assert share == read_cycle(project.settings)["random_share"]
    assert (share["model"], share["images"], share["AP"]) == (model, 2, 0.5)


def test_without_a_random_share_the_report_is_silent_about_it(project, capsys):
    project.predict()
    assert (
        "random share" not in capsys.readouterr().out
        and read_cycle(project.settings)["random_share"] is None
    )


def test_an_image_that_was_out_while_a_model_was_published_is_no_sample_of_what_that_model_finds(
    project,
):
    project.reserve("a/2.png")
    write_frozen_graph(
        project.settings.inference_output_dir / "frozen_inference_graph.pb", canvas=(128, 128)
    )  # the next model
    project.predict()
    project.publish()
    project.labels.commit(
        lambda state: Change(
            release(
                *(project.labels.table(state, name) for name in ("totag", "tagging")), ["a/2.png"]
            )
        ),
        what="test",
    )
    assert draw(project) == dict.fromkeys(
        ("a/3.png", "b/2.png", "b/3.png", "b/9.png"), project.state().live["model"]
    )
    assert len(project.table("selection")) == 5


def test_an_image_that_was_replaced_since_is_no_sample_of_what_that_model_finds(project):
    project.photo("a/2.png", GREEN)
    done("train/initialize.py", project.config)
    assert (
        set(draw(project)) == {"a/3.png", "b/2.png", "b/3.png", "b/9.png"}
        and len(project.table("selection")) == 5
    )


def test_predictions_of_another_model_are_never_taken_for_the_live_one_s(project):
    first, path = project.state().live["model"], [str(project.config)]
    write_frozen_graph(
        project.settings.inference_output_dir / "frozen_inference_graph.pb", canvas=(128, 128)
    )
    project.predict()
    project.publish()
    project.config.write_text(project.config.read_text() + f"pred_dir=b\npred_model_name={first}\n")
    sync_images.main([*path, "--pred-dir"])
    for step in (fetch_model, create_predictions, publish_predictions):
        step.main(path)
    second = project.state().live["model"]
    assert draw(project) == {
        "a/2.png": second,
        "a/3.png": second,
        "b/2.png": first,
        "b/3.png": first,
        "b/9.png": first,
    }
    assert set(project.state().predicted_by.values()) == {first, second} != {first}
