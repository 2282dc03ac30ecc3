"""What playing projects side by side saves: the same simulation with its trainings one after the
other, on all cores, and as many at once as there are cores.

    python benchmarks/simulator_speed.py ../shared/data ../shared/models/mobilenet_v2_imagenet \
        [--pairs 1] [--steps 100]

Two strategies with two seeds on `animals` of benchmarks/selection_curves.py: six trainings, the
first two of which both strategies use. The figure: the seconds of one way by those of the other.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from selection_curves import make

ROOT = Path(__file__).resolve().parent.parent
WAYS = {"one after the other": os.cpu_count() or 1, "side by side": 1}  # threads of each


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path, help="a checkpoint with the object backbone")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    spent = {way: [] for way in WAYS}
    with TemporaryDirectory() as name:
        folder = Path(name)
        make("animals", arguments.data, folder)
        for number in range(arguments.pairs):
            for way, threads in WAYS.items():
                seconds, models = play(folder, f"{way} {number}", threads, arguments)
                spent[way].append(seconds)
                print(f"{way}: {models} models in {seconds:.0f} s", flush=True)
    one, other = (statistics.median(values) for values in spent.values())
    print(f"side by side: {other / one:.2f} of the time")


def play(folder: Path, name: str, threads: int, arguments: argparse.Namespace) -> tuple[float, int]:
    """Run the simulation: its seconds, and how many models were measured."""
    out = folder / name
    command = [sys.executable, ROOT / "train/simulate_active_learning.py", folder / "labels.csv"]
    options = {
        "images": folder / "images",
        "test": folder / "test.csv",
        "out": out,
        "checkpoint": arguments.weights.absolute(),
        "strategies": "random,lowest_box",
        "seeds": 2,
        "start": 20,
        "batch": 20,
        "cycles": 1,
        "steps": arguments.steps,
        "threads": threads,
    }
    words = [str(word) for key, value in options.items() for word in (f"--{key}", value)]
    begun = time.monotonic()
    subprocess.run([*command, *words], check=True, stdout=subprocess.DEVNULL)
    results = pd.read_csv(out / "results.csv")
    return time.monotonic() - begun, results[
        ["strategy", "seed", "images"]
    ].drop_duplicates().shape[0]


if __name__ == "__main__":
    main()
