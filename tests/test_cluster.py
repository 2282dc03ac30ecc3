"""Prediction on a Ray cluster: the same as on one machine, whatever dies meanwhile."""

import os
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import azurite
import helpers_cluster
import pytest
from helpers_cluster import azurite_store_at, fill, predicted
from helpers_colour_graph import write_frozen_graph
from helpers_store import Store, folder_store_in

from train.prediction.cluster import _outcomes, on_cluster
from utils.config import load_config
from utils.errors import InputError, OutsideError
from utils.images.decoding import BadImage
from utils.images.greys import Greys
from utils.storage.container import Listed

ray = pytest.importorskip("ray", reason="needs bash train/set_up.sh requirements-cluster.txt")

PHOTOS = [f"IMG_{number:02d}.jpg" for number in range(24)]


@pytest.fixture(scope="module")
def deaths(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("deaths")


@pytest.fixture(scope="module")
def cluster(deaths):
    """Two nodes; their workers have the emulator's key by their environment."""
    secrets = {"AZURE_STORAGE_ACCOUNT": azurite.ACCOUNT, "AZURE_STORAGE_KEY": azurite.KEY}
    with helpers_cluster.nodes(2, DEATHS=str(deaths), **secrets) as running:
        for name in secrets:
            del os.environ[name]
        yield running


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_frozen_graph(tmp_path_factory.mktemp("model") / "model_1.pb", embedding=True)


@pytest.fixture(scope="module", params=["folder", "azurite"])
def filled(request, tmp_path_factory) -> tuple[Store, Path]:
    """Each kind of store, with photos, and a folder."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "folder":
        store = folder_store_in(folder)
    else:
        store = azurite_store_at(request.getfixturevalue("azurite_url"), folder)
    fill(store, folder, PHOTOS)
    return store, folder


def test_a_cluster_finds_what_this_machine_finds_byte_for_byte(cluster, filled, model):
    store, folder = filled
    here, found = predicted(store, folder, model, "here")
    assert len(found) == len(PHOTOS) - 1  # one is cut short
    there, _ = predicted(store, folder, model, "there", prediction_engine="ray")
    assert there == here
    if store.kind == "folder":
        begun_here, _ = predicted(store, folder, model, "begun", only=10)
        assert begun_here == here, "what one engine began the other ends"
    session = Path(ray._private.worker._global_node.get_session_dir_path())
    written = [file for file in session.rglob("*") if file.is_file()]
    assert written and not [file for file in written if azurite.KEY.encode() in file.read_bytes()]


def test_tiles_and_mirror_images_are_looked_at_as_on_one_machine(cluster, tmp_path, model):
    store = folder_store_in(tmp_path)
    fill(store, tmp_path, PHOTOS[:8])
    tiles = {"tile": True, "min_tile_size": 48, "max_tile_size": 48}
    here, found = predicted(store, tmp_path, model, "here", mirror=True, **tiles)
    assert len(found) == 7  # one is cut short
    for name, how in (("whole", {"mirror": True}), ("once", tiles)):
        assert predicted(store, tmp_path, model, name, **how)[0] != here, "both say something"
    on_cluster = {"mirror": True, "prediction_engine": "ray", **tiles}
    assert predicted(store, tmp_path, model, "there", **on_cluster)[0] == here


def test_a_photo_that_kills_each_worker_is_said_by_name_and_no_other_is_missing(
    cluster, tmp_path, model, monkeypatch
):
    store = folder_store_in(tmp_path)
    names = [f"{number:02d}.jpg" for number in range(8)] + ["08-kills.jpg", "09-once.jpg"]
    fill(store, tmp_path, names)
    monkeypatch.setattr("train.prediction.cluster.Worker", helpers_cluster.Mortal)
    _, found = predicted(store, tmp_path, model, "there", prediction_engine="ray")
    whole = [f"camera/{name}" for name in names if name != "05.jpg"]  # that is cut short
    assert sorted(blob for blob, _ in found) == whole
    bad = {blob: str(outcome) for blob, outcome in found if isinstance(outcome, BadImage)}
    assert list(bad) == ["camera/08-kills.jpg"]
    assert bad["camera/08-kills.jpg"].startswith("each of three workers that read it alone died")


class Died(Exception):
    """What Ray raises when a worker has died."""


def given_out(monkeypatch, deadly: set[str], count: int = 40) -> tuple[list, list[int]]:
    """What becomes of photos 0 to `count` where workers die over the deadly ones, and how many
    photos the blocks had; without Ray.
    """
    sizes = []

    def found(_ray, _work, blocks, *_):
        for block in map(pickle.loads, blocks):
            sizes.append(len(block))
            if not deadly & {photo.name for photo in block}:
                yield from ((photo.name, "found") for photo in block)

    def answer(photos):
        (photo,) = pickle.loads(photos)
        if photo.name in deadly:
            raise Died
        return pickle.dumps([(photo.name, "found")])

    worker = SimpleNamespace(answer=SimpleNamespace(remote=answer))
    stand_in = SimpleNamespace(
        remote=lambda **_: lambda _: SimpleNamespace(remote=lambda _: worker),
        get=lambda value: value,
        exceptions=SimpleNamespace(RayActorError=Died),
    )
    monkeypatch.setattr("train.prediction.cluster._found", found)
    photos = [Listed(str(number), 1, "etag") for number in range(count)]
    work = SimpleNamespace(batch_size=4)
    return list(_outcomes(stand_in, work, photos, 1, {})), sizes


@pytest.mark.parametrize("deadly", [set(), {"7"}, {"0", "13", "39"}, {str(n) for n in range(20)}])
def test_each_photo_comes_once_and_only_those_that_kill_are_bad(monkeypatch, deadly):
    outcomes, sizes = given_out(monkeypatch, deadly)
    assert sorted(int(name) for name, _ in outcomes) == list(range(40))
    assert {name for name, outcome in outcomes if isinstance(outcome, BadImage)} == deadly
    assert all(size % 4 == 0 for size in sizes), "whole batches, the same neighbours"


@pytest.mark.parametrize("count", [1, 40])
def test_where_every_photo_kills_none_is_called_bad(monkeypatch, count):
    with pytest.raises(OutsideError, match="every worker of the Ray cluster died .* over 0"):
        given_out(monkeypatch, {str(number) for number in range(count)}, count)


def test_no_secret_is_handed_to_a_cluster(tmp_path):
    file = tmp_path / "config.ini"
    file.write_text(
        "AZURE_STORAGE_ACCOUNT=account\nAZURE_STORAGE_KEY=c2VjcmV0LXNlY3JldA==\n"
        "label_container_name=labels\nimage_container_name=images\nclasses=bird\n"
    )
    config = load_config(file)
    assert config.azure_storage_key and config.azure_storage_key not in config.public_text()
    again = tmp_path / "again.ini"
    again.write_text(config.public_text())
    assert load_config(again).azure_storage_account == "account"


def test_without_ray_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    config = load_config(folder_store_config(tmp_path))
    with (
        pytest.raises(InputError, match="run: bash train/set_up.sh requirements-cluster.txt"),
        on_cluster(
            config,
            Path("model"),
            [],
            batch_size=1,
            bfloat16=False,
            mirror=False,
            greys=Greys(),
        ),
    ):
        pass


def folder_store_config(folder: Path) -> Path:
    store = folder_store_in(folder)
    file = folder / "config.ini"
    file.write_text(store.config_text(prediction_engine="ray"), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("prediction_engine", "spark"),
        ("ray_address", "ray://somewhere:10001"),
        ("ray_address", "somewhere"),
        ("ray_gpus_per_worker", "-1"),
    ],
)
def test_wrong_settings_of_a_cluster_are_one_line(tmp_path, key, value):
    file = folder_store_config(tmp_path)
    file.write_text(file.read_text() + f"{key}={value}\n")
    with pytest.raises(InputError, match=key):
        load_config(file)
