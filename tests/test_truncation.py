"""Files cut short, as a power failure leaves them: a sample of benchmarks/truncation.py, and what
it found.
"""

import os

import pytest
import truncation
from helpers_state import StateProject

from utils.batch.batch import Batch, Item
from utils.errors import InputError


def test_programs_finish_or_say_in_one_line_which_file_was_cut_short_and_lose_nothing(tmp_path):
    outcome = truncation.on_a_folder(tmp_path, every=25)
    assert outcome.wrong == [] and outcome.cases > 5


def test_files_cut_short_lose_nothing_in_a_project_of_large_tables(tmp_path, monkeypatch):
    monkeypatch.setenv("ALD_SMALL_TABLE", "0")
    monkeypatch.setattr("utils.labels.table_files.SMALL", 0)
    outcome = truncation.on_a_folder(tmp_path, every=60)
    assert outcome.wrong == [] and outcome.cases > 2


def test_a_machine_whose_fetched_files_were_cut_short_fetches_them_again(azurite_store, tmp_path):
    outcome = truncation.on_azurite(tmp_path, azurite_store.settings, every=9)
    assert outcome.wrong == [] and outcome.cases > 2


@pytest.mark.parametrize("left", [0.0, 0.7])
def test_a_snapshot_that_is_cut_short_is_never_read_as_a_shorter_table(
    folder_store, tmp_path, left
):
    """Cut at the end of a row it is a CSV like any other, and whoever commits next would lose the
    rows behind.
    """
    project = StateProject(folder_store, tmp_path)
    path = project.labels.container.path_of(project.labels.read().blob("tagged"))
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(rows[: round(len(rows) * left)]))
    with pytest.raises(
        InputError, match=rf"^{path.name} in .* is damaged .* restore it from a copy"
    ):
        project.table("tagged")


def test_an_image_on_the_annotators_disk_that_is_cut_short_is_not_whole(tmp_path):
    batch = Batch(tmp_path, "anna", "", 1, images={"Images/a.jpg": Item("a.jpg", [], size=100)})
    assert not batch.whole("Images/a.jpg")
    (tmp_path / "Images").mkdir()
    (tmp_path / "Images" / "a.jpg").write_bytes(bytes(100))
    assert batch.whole("Images/a.jpg")
    os.truncate(tmp_path / "Images" / "a.jpg", 99)
    assert not batch.whole("Images/a.jpg")
