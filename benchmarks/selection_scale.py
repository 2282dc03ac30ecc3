"""Time and peak memory of choosing 200 images, against the number of images: 1 000 000 with three
boxes each, and embeddings of 128 bytes (of 1280 numbers before they were reduced), 20 000 of them
labelled.

    python benchmarks/selection_scale.py      # 1 000 000 … 10 000 images
    python benchmarks/selection_scale.py --images 10000 --strategies hybrid

Each figure is a process of its own that reads the tables and the embeddings from files as
download_vott_json.py does, makes the context and chooses; the first column is choosing alone, the
second the whole. Memory is the largest resident size of the process. Wanted of each: the whole in
less than 60 s, less than 4 GB; if one misses it, the program ends with 1. That embeddings were
reduced before is not part of it: training does it, with the predictions.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from utils.config import load_config
from utils.labels import tables
from utils.selection.context import make_context
from utils.selection.embeddings import (
    DIMENSIONS,
    MODEL,
    Basis,
    Embeddings,
    read_parquet,
    to_parquet,
)
from utils.selection.strategies import select
from utils.strategies import STRATEGIES

BOXES, WANTED, RAW = 3, 200, 1280
_SECONDS, _BYTES = 60, 4e9
SETTINGS = """storage_url=.
image_container_name=images
label_container_name=labels
user_folders=True
classes=animal,bird,rare
random_share=0.1
max_per_burst=2
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", type=int, nargs="+", default=[10_000, 100_000, 300_000, 1_000_000]
    )
    parser.add_argument(
        "--strategies", nargs="+", default=["hybrid", "coreset", "entropy", "random", "lowest_box"]
    )
    parser.add_argument("--one", nargs=2, metavar=("STRATEGY", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        choose(options.one[0], Path(options.one[1]))
        return
    missed = []
    print(f"{'images':>9}  {'strategy':12} {'choosing s':>10} {'whole s':>8} {'GB':>6}")
    for count in options.images:
        with tempfile.TemporaryDirectory() as place:
            make_files(Path(place), count)
            for strategy in options.strategies:
                found = measured([sys.executable, __file__, "--one", strategy, place])
                print(
                    f"{count:9}  {strategy:12} {found['choosing']:10.1f} {found['whole']:8.1f}"
                    f" {found['memory'] / 1e9:6.2f}",
                    flush=True,
                )
                if found["whole"] >= _SECONDS or found["memory"] >= _BYTES:
                    missed.append(f"{strategy} of {count}")
    print(
        f"wanted: less than {_SECONDS} s and {_BYTES / 1e9:g} GB: "
        + (f"missed by {', '.join(missed)}" if missed else "kept by all")
    )
    sys.exit(bool(missed))


def choose(strategy: str, folder: Path) -> None:
    """One process: read, make the context, choose; the seconds of the choosing as the last line."""
    config = load_config(folder / "config.ini")
    frames = {
        name: tables.parse(name, folder / f"{name}.csv") for name in ("totag", "images", "tagged")
    }
    embeddings = (
        read_parquet(folder / "embeddings.parquet") if STRATEGIES[strategy].differs else None
    )
    context = make_context(
        frames["totag"],
        config,
        images=frames["images"],
        tagged=frames["tagged"],
        embeddings=embeddings,
        ap50={"animal": 0.9, "bird": 0.7, "rare": 0.2},
    )
    del frames
    start = time.perf_counter()
    chosen = select(strategy, context, WANTED)
    seconds = time.perf_counter() - start
    assert len(set(chosen.names)) == WANTED
    print(json.dumps(seconds))


def make_files(folder: Path, count: int) -> None:
    """The tables and embeddings of a project of `count` images in 50 folders, in bursts of ten; one
    in fifty is labelled.
    """
    draw = np.random.default_rng(0)
    folders = np.array([f"2026/station_{number % 50:02}" for number in range(count)], object)
    filenames = np.array([f"IMG_{number:08}.JPG" for number in range(count)], object)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    times = [
        (begin + timedelta(seconds=(number // 500) * 3600 + (number // 50) % 10)).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
        for number in range(count)
    ]
    every = np.full(count, 60)
    images = tables.make(
        "images",
        filename=filenames,
        folder=folders,
        height=every,
        width=every,
        bytes=every,
        etag="e",
        taken_at=times,
    )
    labelled = np.arange(count) % 50 == 7
    free = np.flatnonzero(~labelled)
    rows = len(free) * BOXES
    score = draw.random(rows).round(4)
    name = np.array(["animal", "bird", "rare"], object)[
        np.searchsorted([0.7, 0.99], draw.random(rows))
    ]
    box = {
        "xmin": np.full(rows, 0.1),
        "xmax": np.full(rows, 0.4),
        "ymin": np.full(rows, 0.1),
        "ymax": np.full(rows, 0.4),
    }
    totag = tables.make(
        "totag",
        filename=np.repeat(filenames[free], BOXES),
        folder=np.repeat(folders[free], BOXES),
        class_=name,
        height=np.full(rows, 60),
        width=np.full(rows, 60),
        box_confidence=score,
        image_confidence=np.repeat(score.reshape(-1, BOXES).min(axis=1), BOXES),
        **box,
    )
    known = np.flatnonzero(labelled)
    few = {side: values[: len(known)] for side, values in box.items()}
    tagged = tables.make(
        "tagged",
        filename=filenames[known],
        folder=folders[known],
        height=every[known],
        width=every[known],
        class_=draw.choice(np.array(["animal", "bird"], object), len(known)),
        **few,
    )
    for table, frame in (("images", images), ("totag", totag), ("tagged", tagged)):
        (folder / f"{table}.csv").write_bytes(tables.to_csv(table, frame, True))
    basis = Basis(MODEL, np.zeros(RAW, np.float32), np.eye(RAW, DIMENSIONS, dtype=np.float32))
    names = pa.array(
        [f"{one}/{other}" for one, other in zip(folders, filenames, strict=True)], pa.large_string()
    )
    vectors = draw.normal(size=(count, DIMENSIONS)).astype(np.float16)
    made = Embeddings(names, vectors, np.full(count, np.nan, np.float32), "model", basis)
    (folder / "embeddings.parquet").write_bytes(to_parquet(made))
    (folder / "config.ini").write_text(SETTINGS, encoding="utf-8")


def measured(command: list[str]) -> dict[str, float]:
    """Run a process to its end: seconds as it says, seconds in all, peak memory in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    watched, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            peak = max(peak, watched.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.02)
    said = process.stdout.read().strip().splitlines()
    if process.wait():
        raise SystemExit(f"{' '.join(command)} failed")
    return {"choosing": json.loads(said[-1]), "whole": time.perf_counter() - start, "memory": peak}


if __name__ == "__main__":
    main()
