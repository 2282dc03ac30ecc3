"""What 16-bit numbers are worth in prediction, on a CPU that is made for them: speed and AP of one
model with bfloat16=true and =false.

    python benchmarks/bccd_quality.py ../shared/data/bccd --folder FOLDER     (makes a project)
    python benchmarks/bfloat16.py FOLDER [--repeat 3]

Runs create_predictions.py (all images of the project) and evaluate_model.py in turn with either
setting. The figures: images/s at the median, at least 1.4 times as many in 16 bits; coco_ap50 of
the test images, at most 0.005 less.
"""

import argparse
import re
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from train.prediction.bfloat16 import use_bfloat16
from utils.config import load_config
from utils.files import write_text
from utils.labels import tables

TIMES, LOST = 1.4, 0.005


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "project", type=Path, help="the folder of a project with a trained model and a test set"
    )
    parser.add_argument(
        "--repeat", type=int, default=3, help="runs with each setting (default %(default)s)"
    )
    arguments = parser.parse_args()
    settings = (arguments.project / "config.ini").read_text(encoding="utf-8")
    config = arguments.project / "bfloat16.ini"
    rates: dict[str, list[float]] = {"false": [], "true": []}
    quality = {}
    for _ in range(arguments.repeat):
        for setting, measured in rates.items():
            write_text(config, f"{settings}bfloat16={setting}\n")
            said = run("create_predictions.py", config, "--force")
            measured.append(float(re.search(r"([\d.]+) images/s", said.splitlines()[-1])[1]))
            run("evaluate_model.py", config)
            performance = tables.parse(
                "performance", load_config(config).data_dir / "performance.csv"
            )
            quality[setting] = performance["coco_ap50"].iloc[0]
            print(
                f"bfloat16={setting}: {measured[-1]:.1f} images/s, coco_ap50"
                f" {quality[setting]:.4f}",
                flush=True,
            )
    times = statistics.median(rates["true"]) / statistics.median(rates["false"])
    lost = quality["false"] - quality["true"]
    print(f"with auto: {use_bfloat16('auto')[1]}")
    print(
        f"{times:.2f} times as fast in 16 bits (wanted: {TIMES}), {lost:.4f} coco_ap50 lost"
        f" (wanted: at most {LOST})"
    )
    return 0 if times >= TIMES and lost <= LOST else 1


def run(program: str, *arguments) -> str:
    """What a program of train/ prints."""
    command = [sys.executable, str(ROOT / "train" / program), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
