"""What a Ray cluster costs and gains: images per second of workers of one core each, against the
local engine with the same cores and against independent processes, which are the bound.

All rates are of the time in which photos are looked at, without loading. Each kind is run
alternately, the best of the rounds counts. An untrained resnet50 at 640 pixels, drawn photos.

    python benchmarks/cluster_speed.py --images 64 --rounds 2
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
for place in (ROOT, ROOT / "train", ROOT / "tests"):
    sys.path.insert(0, str(place))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from prediction_speed import project

from utils.config import load_config
from utils.errors import run_program
from utils.images.greys import Greys
from utils.labels import tables
from utils.labels.listed import listed_photos
from utils.labels.store import open_labels

BATCH = 8
HOW = {"batch_size": BATCH, "bfloat16": False, "mirror": False, "greys": Greys()}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--local", type=Path, help=argparse.SUPPRESS)  # one process of ours
    arguments = parser.parse_args(argv)
    if arguments.local:
        print(local_rate(load_config(arguments.local)))
        return 0
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        config = project(Path(name), None, None, arguments.images, (1280, 960))
        for _ in range(arguments.rounds):
            for what, rate in (
                ("one process of one core", lambda: sum(processes(config, 1, 1))),
                ("one worker of one core", lambda: cluster_rate(config, 1)),
                ("two processes of one core", lambda: sum(processes(config, 2, 1))),
                ("two workers of one core", lambda: cluster_rate(config, 2)),
                ("one process of two cores", lambda: sum(processes(config, 1, 2))),
            ):
                rates[what] = max(rates.get(what, 0.0), rate())
    for what, rate in rates.items():
        print(f"{what}: {rate:.2f} images/s")
    one, two = rates["one worker of one core"], rates["two workers of one core"]
    bound = rates["two processes of one core"] / rates["one process of one core"]
    print(f"two workers against one {two / one:.2f}, two processes against one {bound:.2f}")
    print(
        f"two workers against two processes {two / rates['two processes of one core']:.2f}, against"
        f" the local engine with two cores {two / rates['one process of two cores']:.2f}; one"
        f" worker against one process {one / rates['one process of one core']:.2f}"
    )
    return 0


def photos_of(config):
    """What sync_images has listed."""
    return listed_photos(tables.parse("images", config.data_dir / "images.csv"))


def model_of(config) -> Path:
    return config.inference_output_dir / "frozen_inference_graph.pb"


def rate_of(outcomes) -> float:
    """Images a second after the first batch has come."""
    begun, count = 0.0, -BATCH
    for _ in outcomes:
        count += 1
        if not count:
            begun = time.monotonic()
    return count / (time.monotonic() - begun)


def local_rate(config) -> float:
    """The local engine, in this process."""
    from train.prediction.run import _here

    container, _ = open_labels(config)
    with _here(config, container, model_of(config), photos_of(config), **HOW) as outcomes:
        return rate_of(outcomes)


def processes(config, count: int, cores: int) -> list[float]:
    """The rates of `count` processes at once, each with so many threads for the model."""
    threads = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    env = {**os.environ, **dict.fromkeys(threads, str(cores))}
    command = [sys.executable, __file__, "--local", str(config.path)]
    started = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    return [float(process.communicate()[0].split()[-1]) for process in started]


def cluster_rate(config, workers: int) -> float:
    """A cluster with so many nodes of one core; the rate of all its workers together, while all of
    them were at work.
    """
    from helpers_cluster import Timed, nodes

    from train.prediction.cluster import on_cluster

    with tempfile.TemporaryDirectory() as folder, patch("train.prediction.cluster.Worker", Timed):
        with (
            nodes(workers, TIMES=folder),
            on_cluster(config, model_of(config), photos_of(config), **HOW) as outcomes,
        ):
            count = sum(1 for _ in outcomes)
        lines = [file.read_text().splitlines() for file in Path(folder).iterdir()]
    blocks = [[tuple(map(float, line.split())) for line in each] for each in lines]
    assert sum(size for each in blocks for size, *_ in each) == count and len(blocks) == workers
    first = max(each[0][1] for each in blocks)
    last = min(each[-1][2] for each in blocks)
    looked_at = 0.0
    for size, begun, ended in (block for each in blocks for block in each):
        overlap = max(0.0, min(ended, last) - max(begun, first))
        looked_at += size * overlap / (ended - begun)
    return looked_at / (last - first)


if __name__ == "__main__":
    run_program(main)
