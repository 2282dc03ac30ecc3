"""A Ray cluster of several nodes on this machine, and workers that die when they are told to."""

import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import azurite
import numpy as np
import psutil
from helpers_store import Store, opened
from PIL import Image

from train.prediction.cluster_worker import Worker
from train.prediction.journal import PredictionJournal
from train.prediction.run import predict_images
from utils.config import load_config
from utils.images.greys import Greys
from utils.labels import tables
from utils.labels.image_tables import update_image_tables
from utils.storage.sync import list_images

ROOT = Path(__file__).resolve().parent.parent
RED, GREEN = (230, 20, 20), (20, 220, 20)
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}


@contextmanager
def nodes(count: int, **environment: str) -> Iterator:
    """A cluster of `count` nodes of one core each, to which this process is connected. Its
    processes have these variables too. Afterwards none of them is left, whatever happened.
    """
    import ray
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # the paths of sockets must be short
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "CUDA_VISIBLE_DEVICES": "-1"}
    # here Ray notes the address, in a folder that it expects to be there
    quiet["RAY_TMPDIR"] = folder
    Path(folder, "ray").mkdir()
    cluster = None
    try:
        with patch.dict(os.environ, {"PYTHONPATH": paths, **quiet, **environment}):
            head = {**NODE, "temp_dir": folder}
            # hooks for the end of the process would let only its main thread add a node
            cluster = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=False)
            for _ in range(count - 1):
                cluster.add_node(**NODE)
            ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
            yield cluster
    finally:
        ray.shutdown()
        if cluster:
            cluster.shutdown()
        for process in psutil.process_iter(["cmdline"]):
            if any(folder in word for word in process.info["cmdline"] or ()):
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


class Mortal(Worker):
    """Dies over a photo whose name has `kills` in it; over one with `once` in it only the first
    time that anybody reads it, as the folder DEATHS remembers.
    """

    def _looked_at(self, photos):
        for photo in photos:
            if "kills" in photo.name:
                os.kill(os.getpid(), signal.SIGKILL)
            if "once" in photo.name:
                seen = Path(os.environ["DEATHS"]) / photo.name.replace("/", "_")
                if not seen.exists():
                    seen.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
        return super()._looked_at(photos)


class Unready(Worker):
    """Raises before it is there, as one whose machine lacks a package."""

    def __init__(self, work):
        raise ModuleNotFoundError("not on this machine")


class Doomed(Worker):
    """Dies over every photo."""

    def _looked_at(self, photos):
        os.kill(os.getpid(), signal.SIGKILL)


class Timed(Worker):
    """Writes into the folder TIMES, a file for each worker, how many photos a block had, when it
    was begun and when it ended (monotonic seconds of this machine).
    """

    def _looked_at(self, photos):
        begun = time.monotonic()
        found = super()._looked_at(photos)
        with (Path(os.environ["TIMES"]) / str(os.getpid())).open("a") as file:
            file.write(f"{len(photos)} {begun} {time.monotonic()}\n")
        return found


class Slow(Worker):
    """Needs half a second for a photo, and notes in the folder DEATHS on which node it was."""

    def _looked_at(self, photos):
        import ray

        (Path(os.environ["DEATHS"]) / ray.get_runtime_context().get_node_id()).touch()
        time.sleep(0.5 * len(photos))
        return super()._looked_at(photos)


def azurite_store_at(url: str, folder: Path) -> Store:
    """Two new containers in the emulator at `url`."""
    from azure.storage.blob import BlobServiceClient

    names = [f"{kind}-{uuid.uuid4().hex}" for kind in ("images", "labels")]
    with BlobServiceClient(url, credential=azurite.KEY) as service:
        for name in names:
            service.create_container(name)
    settings = {
        "storage_url": url,
        "AZURE_STORAGE_ACCOUNT": azurite.ACCOUNT,
        "AZURE_STORAGE_KEY": azurite.KEY,
        "image_container_name": names[0],
        "label_container_name": names[1],
    }
    return opened("azurite", "".join(f"{key}={value}\n" for key, value in settings.items()), folder)


def fill(store: Store, folder: Path, names: list[str]) -> None:
    """Photos with a red and some with a green rectangle, one of them cut short."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(names):
        picture = np.full((60, 80, 3), 128, np.uint8)
        top, left = rng.integers(0, 30, 2)
        picture[top : top + 20, left : left + 20] = GREEN if number % 3 else RED
        file = folder / "drawn.jpg"
        Image.fromarray(picture).save(file, quality=95)
        if number == 5:
            file.write_bytes(file.read_bytes()[:-400])
        store.images.write(f"camera/{name}", file)


def predicted(
    store: Store,
    folder: Path,
    model: Path,
    name: str,
    only: int = 0,
    keep=False,
    mirror=False,
    **settings,
):
    """Predict the photos of a store; the bytes of the journal and (image, found) of each."""
    file = folder / f"{name}.ini"
    file.write_text(store.config_text(data_dir=folder / name, **settings), encoding="utf-8")
    config = load_config(file)
    listing = list_images(store.images, "*.jpg", True)
    none = tables.empty("images"), tables.empty("failed")
    images, _ = update_image_tables(store.images, listing, config.image_dir, *none)
    path = folder / "journal" if only else folder / f"{name}.journal"
    if not keep:
        path.unlink(missing_ok=True)
    found = []
    for count in (only, len(images)) if only else (len(images),):
        with PredictionJournal(path, "model") as journal:
            run = predict_images(
                config,
                store.images,
                images.iloc[:count],
                model,
                journal,
                lambda _: 0.1,
                2,
                mirror,
                greys=Greys(),
            )
            found = [(blob, outcome) for blob, outcome in run.entries()]
            assert not run.gone
            assert len(found) == len(images.iloc[:count])
        config = replace(config, prediction_engine="ray")
    return path.read_bytes(), found


def drive(lines: str, folder: str, model: str, address: str) -> None:
    """A driver as a process of its own: `predicted` on the cluster there, into a journal that it
    goes on with. `lines`: those of a config file that name the store.
    """
    store = opened("", lines, Path(folder))
    with patch("train.prediction.cluster.Worker", Slow):
        settings = {"prediction_engine": "ray", "ray_address": address}
        predicted(store, Path(folder), Path(model), "there", keep=True, **settings)
