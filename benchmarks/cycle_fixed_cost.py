"""What a cycle costs before it has learned anything: 100 drawn photos, one training step.

    python benchmarks/cycle_fixed_cost.py [OTHER_CHECKOUT] [--pairs 3]

Runs train/active_learning_train.sh twice on a new project (the second cycle has a live model to be
compared with), here and in OTHER_CHECKOUT in turn, and prints processor and wall seconds of each
run, children included, and the medians.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers_training import make_project

_PHOTOS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", nargs="?", type=Path, help="another checkout, with an environment")
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    checkouts = [ROOT, *([arguments.other.resolve()] if arguments.other else [])]
    spent = {(checkout, cycle): [] for checkout in checkouts for cycle in ("first", "second")}
    for number in range(arguments.pairs):
        for checkout in checkouts[:: 1 if number % 2 else -1]:
            with TemporaryDirectory() as folder:
                config = make_project(Path(folder), _PHOTOS, train_iterations=1)
                run(checkout, "initialize", config)
                for cycle in ("first", "second"):
                    seconds = run(checkout, "train", config)
                    spent[checkout, cycle].append(seconds)
                    print(
                        f"{checkout.name}, {cycle}: {seconds[0]:.1f} s, wall {seconds[1]:.1f} s",
                        flush=True,
                    )
                    text = config.read_text()
                    config.write_text(text + "seed=1\nauto_retrain_images=1\n")
    for (checkout, cycle), values in spent.items():
        processor, wall = (statistics.median(part) for part in zip(*values, strict=True))
        print(f"{checkout.name}, {cycle} cycle: processor {processor:.1f} s, wall {wall:.1f} s")


def run(checkout: Path, entry: str, config: Path) -> tuple[float, float]:
    """Run an entry point to its end: processor and wall seconds."""
    before, begun = processor_seconds(), time.monotonic()
    script = checkout / "train" / f"active_learning_{entry}.sh"
    words = ["--force"] if entry == "train" else []
    done = subprocess.run(
        ["bash", script, config, *words],
        text=True,
        capture_output=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return processor_seconds() - before, time.monotonic() - begun


def processor_seconds() -> float:
    """Of all children of this process that have ended, theirs included."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
