"""What 16-bit numbers are worth in training on a CPU that is made for them: steps a second of one
network in float32 and in bfloat16, in turn.

    python benchmarks/bfloat16_training.py [--model faster_rcnn_resnet18_fpn] [--side 320]

Drawn photos, batch 4, all layers trained. Each arithmetic has a process of its own; they take
turns, a few steps each. The figures: steps a second and seconds of processor for a step at the
median; at least 1.15 times as fast is wanted where 16 bits are worth it. What becomes of AP50 is
measured by benchmarks/recipe.py, with the variants gentle+zoom+filled and
gentle+zoom+filled+bfloat16.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from train.network.quiet import silence

ARITHMETICS = ("float32", "bfloat16")
BATCH, PHOTOS = 4, 24


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="faster_rcnn_mobilenet_v2_fpn")
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--steps", type=int, default=10, help="of a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--records", help=argparse.SUPPRESS)  # one process of ours
    parser.add_argument("--arithmetic", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    silence()
    if arguments.records:
        return train(arguments)
    with tempfile.TemporaryDirectory() as folder:
        records = draw(Path(folder), arguments.side)
        command = [sys.executable, __file__, *sys.argv[1:], "--records", records]
        processes = {
            arithmetic: subprocess.Popen(
                [*command, "--arithmetic", arithmetic],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for arithmetic in ARITHMETICS
        }
        for process in processes.values():
            process.stdout.readline()  # both are ready
        spent = {arithmetic: [] for arithmetic in ARITHMETICS}
        for _ in range(arguments.turns):
            for arithmetic, process in processes.items():
                print("go", file=process.stdin, flush=True)
                spent[arithmetic].append(json.loads(process.stdout.readline()))
                print(f"{arithmetic}: {spent[arithmetic][-1]}", flush=True)
        for process in processes.values():
            process.communicate()
    wall, processor = (
        {
            arithmetic: statistics.median(turn[what] for turn in turns)
            for arithmetic, turns in spent.items()
        }
        for what in ("wall", "processor")
    )
    for arithmetic in ARITHMETICS:
        print(
            f"{arithmetic}: {1 / wall[arithmetic]:.2f} steps/s, {processor[arithmetic]:.3f} s of"
            " processor a step"
        )
    print(
        f"{arguments.model} at {arguments.side} pixels: in 16 bits"
        f" {wall['float32'] / wall['bfloat16']:.2f} times as fast by the clock,"
        f" {processor['float32'] / processor['bfloat16']:.2f} by processor time"
    )


def draw(folder: Path, side: int) -> str:
    """A record file of photos with one bright box each."""
    import numpy as np
    from helpers_records import record

    chosen = np.random.default_rng(0)
    size = round(0.3 * side)
    pictures = []
    for number in range(PHOTOS):
        picture = chosen.integers(0, 90, (side, side, 3), np.uint8)
        top, left = chosen.integers(0, side - size, 2).tolist()
        picture[top : top + size, left : left + size] += 120
        corners = [part / side for part in (top, left, top + size, left + size)]
        pictures.append((str(number), picture, [corners], [1]))
    return record(folder / "photos.record", pictures)


def train(arguments: argparse.Namespace) -> None:
    """Train some steps for each line that comes, and say what one of them took."""
    from train.network.arithmetic import calculating_in
    from train.network.augmentation import Augmentation
    from train.network.detector import Settings
    from train.network.device import choose_device
    from train.network.learning import batches_from, prepare, training_step
    from train.network.run import Run

    run = Run(
        settings=Settings(arguments.model, (arguments.side, arguments.side), {"box": 1}),
        augmentation=Augmentation(),
        digest="",
        shards=[arguments.records],
        images=PHOTOS,
        repeats={},
        validation_shards=[],
        validation_batches=0,
        iterations=1000,
        batch_size=BATCH,
        learning_rate=0.02,
        seed=0,
        start="",
        bfloat16=arguments.arithmetic == "bfloat16",
    )
    device = choose_device()
    with calculating_in(arguments.arithmetic):
        network = prepare(run, device)
        batches = batches_from(run, device, 0)
        step = training_step(network, device)
        for _ in range(3):
            float(step(next(batches)))
        print("ready", flush=True)
        for _ in sys.stdin:
            wall, processor = time.monotonic(), time.process_time()
            for _ in range(arguments.steps):
                loss = step(next(batches))
            float(loss)
            done = {
                "wall": (time.monotonic() - wall) / arguments.steps,
                "processor": (time.process_time() - processor) / arguments.steps,
            }
            print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
