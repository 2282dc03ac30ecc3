"""What a Ray cluster and its store can suffer: no photo is missing, none is there twice. These take
minutes: only with CLUSTER_FAULTS=1.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import azurite
import helpers_cluster
import pytest
from helpers_cluster import azurite_store_at, fill, predicted
from helpers_colour_graph import write_frozen_graph
from helpers_proxy import Fault, through
from helpers_store import Store, folder_store_in

from utils.errors import InputError, OutsideError

pytest.importorskip("ray", reason="needs bash train/set_up.sh requirements-cluster.txt")
pytestmark = pytest.mark.skipif(
    not os.environ.get("CLUSTER_FAULTS"), reason="takes minutes; CLUSTER_FAULTS=1 runs it"
)

PHOTOS = [f"IMG_{number:02d}.jpg" for number in range(60)]
SECRETS = {"AZURE_STORAGE_ACCOUNT": azurite.ACCOUNT, "AZURE_STORAGE_KEY": azurite.KEY}
ON_CLUSTER = {"prediction_engine": "ray"}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_frozen_graph(tmp_path_factory.mktemp("model") / "model_1.pb", embedding=True)


@pytest.fixture(params=["folder", "azurite"])
def filled(request, tmp_path) -> Store:
    if request.param == "folder":
        store = folder_store_in(tmp_path)
    else:
        store = azurite_store_at(request.getfixturevalue("azurite_url"), tmp_path)
    fill(store, tmp_path, PHOTOS)
    return store


@pytest.fixture
def nodes(tmp_path):
    """Two nodes, and the folder in which workers note where they were."""
    (tmp_path / "seen").mkdir()
    with helpers_cluster.nodes(2, DEATHS=str(tmp_path / "seen"), **SECRETS) as running:
        for name in SECRETS:
            del os.environ[name]
        yield running


@pytest.fixture(autouse=True)
def slowly(monkeypatch):
    monkeypatch.setattr("train.prediction.cluster.Worker", helpers_cluster.Slow)


def once_there_are(lines: int, journal: Path, do: Callable[[], None]) -> Future:
    """Do something when so many lines are in the journal; `result()` waits, and raises what went
    wrong.
    """

    def wait():
        while not journal.exists() or journal.read_bytes().count(b"\n") < lines:
            time.sleep(0.05)
        do()

    pool = ThreadPoolExecutor(1)
    waiting = pool.submit(wait)
    pool.shutdown(wait=False)
    return waiting


def same(there: bytes, here: bytes) -> None:
    """The journals hold the same, in whatever order."""
    assert sorted(there.splitlines()) == sorted(here.splitlines())


def test_a_node_is_killed_and_another_one_joins(nodes, filled, tmp_path, model):
    here, _ = predicted(filled, tmp_path, model, "here")

    def change():
        nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
        nodes.add_node(**helpers_cluster.NODE, env_vars=SECRETS)

    meanwhile = once_there_are(10, tmp_path / "there.journal", change)
    there, _ = predicted(filled, tmp_path, model, "there", **ON_CLUSTER)
    meanwhile.result()
    same(there, here)
    assert len(list((tmp_path / "seen").iterdir())) == 3


def test_the_driver_is_killed_and_started_again(nodes, filled, tmp_path, model):
    here, _ = predicted(filled, tmp_path, model, "here")
    arguments = (filled.settings, str(tmp_path), str(model), nodes.address)
    script = f"import helpers_cluster; helpers_cluster.drive(*{arguments!r})"
    paths = f"{helpers_cluster.ROOT}:{helpers_cluster.ROOT / 'tests'}"
    env = {**os.environ, "PYTHONPATH": paths}
    driver = subprocess.Popen([sys.executable, "-c", script], env=env)
    journal = tmp_path / "there.journal"
    once_there_are(10, journal, driver.kill).result()
    driver.wait()
    begun = journal.read_bytes().count(b"\n")
    assert begun < len(PHOTOS)
    subprocess.run([sys.executable, "-c", script], env=env, check=True)
    same(journal.read_bytes(), here)


def test_the_container_is_away_for_a_minute(nodes, azurite_url, tmp_path, model):
    with through(azurite_url) as proxy:
        store = azurite_store_at(proxy.url, tmp_path)
        fill(store, tmp_path, PHOTOS)
        here, _ = predicted(store, tmp_path, model, "here")
        refused = Fault("lost request", times=10**9)

        def away():
            proxy.faults.append(refused)
            time.sleep(60)
            proxy.faults.clear()

        meanwhile = once_there_are(10, tmp_path / "there.journal", away)
        there, _ = predicted(store, tmp_path, model, "there", **ON_CLUSTER)
        meanwhile.result()
    assert refused.met
    same(there, here)


def test_what_a_worker_finds_wrong_is_one_error_here(nodes, tmp_path):
    store = folder_store_in(tmp_path)
    fill(store, tmp_path, ["a.jpg"])
    no_model = tmp_path / "model.pb"
    no_model.write_bytes(b"no graph")
    with pytest.raises(InputError, match="no TensorFlow graph"):
        predicted(store, tmp_path, no_model, "there", prediction_engine="ray")


@pytest.mark.parametrize(
    ("kind", "said"),
    [("Unready", "Ray cluster failed: .*not on this machine"), ("Doomed", "every worker.*died")],
)
def test_where_no_worker_works_no_photo_is_called_bad(
    nodes, tmp_path, model, monkeypatch, kind, said
):
    store = folder_store_in(tmp_path)
    fill(store, tmp_path, PHOTOS[:4])
    monkeypatch.setattr("train.prediction.cluster.Worker", getattr(helpers_cluster, kind))
    with pytest.raises(OutsideError, match=said):
        predicted(store, tmp_path, model, "there", **ON_CLUSTER)
    assert (tmp_path / "there.journal").read_bytes().count(b"\n") == 1
