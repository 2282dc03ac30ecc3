"""What a selection strategy saves of a person's time, for quick and slow people, from learning
curves that were calculated before.

    python benchmarks/person_seconds.py benchmarks/results/learning_curves_drawn.csv [hybrid]

The goal is the best AP that random reaches. Tables of earlier versions do not say what people did
with the boxes of the model; for them every box counts as drawn, so pre-labels save nothing there.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from train.simulation import learning_curves
from utils.effort.seconds import ACTIONS


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="a results.csv of a simulation")
    parser.add_argument("strategy", nargs="?", default="hybrid")
    arguments = parser.parse_args()

    results = learning_curves.read(arguments.results)
    if not set(ACTIONS) <= set(results):
        print("every box counts as drawn")
        results = results.assign(**dict.fromkeys(ACTIONS, 0.0))
        results = results.assign(drawn=results["boxes"].astype(float))
    random, curve = (
        learning_curves.mean_curve(results, name)
        for name in (learning_curves.RANDOM, arguments.strategy)
    )
    best = random["ap50"].max()
    for axis in ("images", "boxes"):
        first, other = (learning_curves.needed(each, best, axis) for each in (random, curve))
        print(f"{axis} for AP50 {best:.3f}: random {first:.0f}, {arguments.strategy} {other:.0f}")
    print("| look | draw | random, minutes | minutes | saved |\n|---|---|---|---|---|")
    for row in learning_curves.sensitivity(results, arguments.strategy).itertuples():
        print(
            f"| {row.look:g} s | {row.draw:g} s | {row.random * 60:.0f} | {row.hours * 60:.0f} |"
            f" {row.saved:.0%} |"
        )


if __name__ == "__main__":
    main()
