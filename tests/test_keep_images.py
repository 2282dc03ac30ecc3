"""keep_images=labelled: on the training machine's disk lie the photos that people labelled, and the
loop goes on as it does with all of them.
"""

import io
import shutil
from pathlib import Path

import create_init_predictions
import create_tf_records
import initialize
import numpy as np
import pytest
import sync_images
from helpers_colour_graph import write_frozen_graph
from helpers_cycle import GREEN, RED, CycleProject
from helpers_project import Project
from PIL import Image

from train.prediction.first_embeddings import describe_images
from train.prediction.journal import PredictionJournal
from train.prediction.run import predict_images
from utils.errors import OutsideError
from utils.files import md5_of
from utils.images.greys import Greys
from utils.labels import tables
from utils.selection.embeddings import published_embeddings
from utils.selection.picture_hashes import HASHES, hash_of

NAMES = [f"{folder}/{number}.png" for folder in "ab" for number in range(4)]
LABELLED = {"a/0.png", "a/1.png", "b/0.png", "b/1.png"}


def png(colour=None) -> bytes:
    picture = np.full((48, 64, 3), 128, np.uint8)
    if colour:
        picture[12:36, 32:64] = colour
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


class FarProject(CycleProject):
    """A CycleProject in Azurite."""

    def __init__(self, store, folder: Path, **settings):
        chosen = {
            "classes": "red thing,green thing",
            "filetype": "*.png",
            "min_confidence": 0.2,
            "test_percentage": 0.5,
            "split_by": "image",
            **settings,
        }
        Project.__init__(self, store, folder, **chosen)

    def photo(self, blob, colour=None):
        self.images.write(blob, png(colour))

    def _as_they_are(self, reviewed):
        return self.table("images")

    def fill(self):
        """Eight photos, four of them reviewed and two of these the test set, and a model."""
        for name in NAMES:
            self.photo(name, RED if name.startswith("a") else None)
        initialize.main([str(self.config)])
        self.tag(*((name, "red thing" if name < "b" else "NULL") for name in LABELLED))
        self.train()

    def here(self) -> set[str]:
        folder = self.settings.image_dir
        return {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and path.name != ".synced.jsonl"
        }


@pytest.fixture
def project(azurite_store, tmp_path) -> FarProject:
    return FarProject(azurite_store, tmp_path, keep_images="labelled")


def test_initialize_brings_no_photo_here_and_writes_the_tables_of_whole_photos(
    project, azurite_store, tmp_path
):
    for name in NAMES:
        project.photo(name, RED)
    project.images.write("b/bad.png", b"no image")
    initialize.main([str(project.config)])
    found = [project.table(name) for name in ("images", "failed", "totag")]
    assert not project.settings.image_dir.exists()
    assert set(found[0]["md5"]) == {found[0]["md5"][0]} != {""}

    for blob in list(azurite_store.labels.list()):
        azurite_store.labels.delete(blob.name)
    shutil.rmtree(project.settings.data_dir)
    text = project.config.read_text().replace("keep_images=labelled", "keep_images=all")
    project.config.write_text(text)
    initialize.main([str(project.config)])
    assert project.here() == {*NAMES, "b/bad.png"}
    for before, name in zip(found, ("images", "failed", "totag"), strict=True):
        assert project.table(name).equals(before) and len(before)


def test_a_cycle_keeps_only_labelled_photos_and_predicts_all(project, capsys):
    project.fill()
    assert project.here() == LABELLED
    create_tf_records.main([str(project.config)])
    project.predict()
    assert f"{len(NAMES)} images, 4 boxes" in capsys.readouterr().out
    project.publish()

    assert project.here() == LABELLED
    totag = project.table("totag").set_index(["folder", "filename"])["class"]
    assert totag.to_dict() == {
        ("a", "2.png"): "red thing",
        ("a", "3.png"): "red thing",
        ("b", "2.png"): "NULL",
        ("b", "3.png"): "NULL",
    }
    present = published_embeddings(project.labels, project.state())
    assert sorted(present.names.to_pylist()) == NAMES


def test_a_photo_that_was_replaced_or_cut_short_or_removed_since_the_sync(project, capsys):
    project.fill()
    project.images.write("a/2.png", png(GREEN))
    project.images.delete("a/3.png")
    project.predict()
    assert (
        "2 images are gone or were replaced since the sync, or cannot be read now: left out"
        in capsys.readouterr().out
    )
    project.publish()
    totag = project.table("totag")
    assert not (totag["class"] == "green thing").any()

    project.images.write("b/3.png", png()[:-30])
    project.train()
    project.predict()
    assert "1 images cannot be decoded, they are listed in " in capsys.readouterr().out
    project.publish()
    failed = project.table("failed")
    assert failed["filename"].tolist() == ["3.png"] and failed["reason"][0] and failed["etag"][0]
    assert project.names("totag") == ["a/2.png", "b/2.png"]
    totag = project.table("totag")
    assert totag[totag["class"] == "green thing"]["folder"].tolist() == ["a"]
    assert project.names("images") == sorted({*NAMES} - {"a/3.png", "b/3.png"})


def test_a_list_of_yesterday_predicts_nothing_wrong(project, capsys):
    project.fill()
    for name in NAMES:
        if name not in LABELLED:
            project.photo(name, GREEN)
    project.predict()
    said = capsys.readouterr().out
    assert "4 images are gone or were replaced" in said and "4 images, 2 boxes" in said
    found = tables.parse("totag", project.settings.untagged_output)
    assert len(found) == 0


class Failing:
    """A container whose network fails at one photo; `asked`: what was read before."""

    def __init__(self, container, at: str = ""):
        self._container, self._at, self.asked = container, at, []

    def __getattr__(self, name):
        return getattr(self._container, name)

    def read(self, name, listed=None):
        if name == self._at:
            raise OutsideError("the network is down")
        self.asked.append(name)
        return self._container.read(name, listed)


def test_after_a_network_that_failed_only_what_was_not_looked_at_is_fetched(project, tmp_path):
    project.fill()
    images, settings = project.table("images"), project.settings
    model = settings.inference_output_dir / "frozen_inference_graph.pb"

    def run(container):
        with PredictionJournal(tmp_path / "journal", "key") as journal:
            try:
                return predict_images(
                    settings,
                    container,
                    images,
                    model,
                    journal,
                    lambda blob: 0.5,
                    batch_size=1,
                    greys=Greys(),
                ).predicted
            except OutsideError as error:
                return str(error), sorted(journal.done)

    assert run(Failing(project.images, "b/2.png")) == ("the network is down", NAMES[:6])
    again = Failing(project.images)
    assert run(again) == 2 and sorted(again.asked) == ["b/2.png", "b/3.png"]


def test_what_was_fetched_before_is_used_and_stays(project):
    project.fill()
    text = project.config.read_text()
    project.config.write_text(text.replace("keep_images=labelled", "keep_images=all"))
    sync_images.main([str(project.config)])
    assert project.here() == set(NAMES)
    project.config.write_text(text)
    sync_images.main([str(project.config)])
    project.predict()
    assert project.here() == set(NAMES)


def test_the_first_looks_stream_too(project):
    for name in NAMES:
        project.photo(name, RED if name.startswith("a") else None)
    project.images.write("b/9.png", png()[:-30])
    initialize.main([str(project.config)])
    settings = project.settings
    describe_images(settings, project.images, project.labels)
    state = project.state()
    present = published_embeddings(project.labels, state)
    assert present.model == HASHES and sorted(present.names.to_pylist()) == NAMES
    assert (
        present.vectors[present.names.to_pylist().index("a/0.png")]
        == hash_of(png(RED), state.greys)
    ).all()

    graph = write_frozen_graph(project.folder / "graph.pb", canvas=(64, 64))
    project.config.write_text(f"{project.config.read_text()}init_model_graph={graph}\n")
    create_init_predictions.main([str(project.config)])
    assert project.names("init_totag") == NAMES and project.names("failed") == ["b/9.png"]
    assert not settings.image_dir.exists()


def test_wide_pictures_are_measured_where_they_lie(project):
    for number, value in enumerate((7000, 8000)):
        values = np.full((48, 64), value, np.uint16)
        values[:, 32:] = 7500
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, "PNG")
        project.images.write(f"a/{number}.png", buffer.getvalue())
    initialize.main([str(project.config)])
    assert set(project.state().greys.ranges) == {"16 bits"}


def test_the_md5_is_that_of_the_photo(project, tmp_path):
    project.photo("a/1.png", RED)
    initialize.main([str(project.config)])
    (tmp_path / "1.png").write_bytes(png(RED))
    assert project.table("images")["md5"].tolist() == [md5_of(tmp_path / "1.png")]
