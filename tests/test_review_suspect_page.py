"""The review page says why a labelled photo is shown, whatever its class is called."""

import pytest
from helpers_batch import BatchProject, picture
from helpers_page import Program, Window
from helpers_tables import labels

SEEN = "1.jpg seal 0.1 0.5 0.2 0.8 0.95 0.95"
NAMES = ["<script>alert(1)</script>", "é" * 200, "\u202eלהטוב", "🦭"]


@pytest.mark.parametrize("name", NAMES)
def test_the_reason_stands_beside_the_photo_and_nothing_in_it_runs(
    folder_store, tmp_path, browser, name
):
    project = BatchProject(folder_store, tmp_path, "new.jpg NULL")
    project.images.write("1.jpg", picture())
    tagged = labels("1.jpg seal 0.1 0.5 0.2 0.8").assign(**{"class": name})
    drawn = labels(SEEN, "drawn").assign(model="model_1.pb")
    project.commit(tagged=tagged, drawn=drawn)
    with Program(project.config, 1, "--review-suspect") as program:
        window = Window(browser, program.url)
        shown = window.page.text_content("#why")
        assert shown == f"labelled {name}, the model sees seal (score 0.95)"
        assert window.page.is_visible("#why") and window.faults == []
        assert window._is("why.scrollWidth <= why.clientWidth")  # nothing is cut off
        window.page.screenshot(path=str(tmp_path / "page.png"))
        window.context.close()
