"""Plays a labelling project through on a data set that is labelled already, to see what a way of
choosing images is worth on it.

For each strategy and seed: label a few images drawn at random, train, let the model look at the
rest, label what the strategy picks, train again, … Each model is measured on images set aside
(coco_ap50), and what people do with the boxes they are shown is counted, so that their time is
known too. What is trained is kept: run it again after an interruption, or with more seeds, cycles
or strategies, and only what is missing is calculated (with more cycles, the last model of each
project once more, as nothing was chosen by it before). Writes results.csv, learning_curves.png and
simulation.json; results.csv keeps what strategies were worth that are not played now.
"""

import _repo_root  # noqa: F401

# isort: split

import os
from pathlib import Path

from utils.arguments import Parser, number, share, whole_number
from utils.config.keys import MODEL_NAMES
from utils.errors import InputError, run_program
from utils.strategies import STRATEGIES

_EXAMPLE = """examples:
  python train/simulate_active_learning.py labels/tagged.csv --images photos --out simulation
  python train/simulate_active_learning.py coco.json --images photos --out simulation \\
    --fast --seeds 1     (a look)
  python train/simulate_active_learning.py VOC2012 --out simulation --strategies random,hybrid \\
    --batch 200 --cycles 8"""


def main(argv: list[str]) -> None:
    arguments = _parser().parse_args(argv)
    strategies = _strategies(arguments.strategies)

    from train.simulation.run import simulate

    simulate(arguments, strategies)


def _parser() -> Parser:
    parser = Parser(__doc__, _EXAMPLE)
    parser.add_argument(
        "labels",
        type=Path,
        help="a tagged CSV, a COCO .json, or a Pascal VOC folder; every image fully labelled",
    )
    parser.add_argument(
        "--images",
        type=Path,
        help="folder of the images (default: beside the labels; VOC: its JPEGImages)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for results and trained models"
    )
    parser.add_argument(
        "--strategies",
        default="random,lowest_box,hybrid",
        help=f"of {', '.join(STRATEGIES)} (default %(default)s)",
    )
    parser.add_argument(
        "--seeds",
        type=whole_number,
        default=3,
        help="projects played with each strategy (default %(default)s)",
    )
    parser.add_argument(
        "--start",
        type=whole_number,
        default=40,
        help="images of the cold start (default %(default)s)",
    )
    parser.add_argument(
        "--batch",
        type=whole_number,
        default=40,
        help="images of each further cycle (default %(default)s)",
    )
    parser.add_argument(
        "--cycles", type=whole_number, default=5, help="further cycles (default %(default)s)"
    )
    parser.add_argument(
        "--random-share",
        type=share,
        default=0.1,
        help="random_share, but of lowest_box (default %(default)s)",
    )
    parser.add_argument(
        "--max-per-burst",
        type=whole_number,
        default=2,
        help="max_per_burst, but of lowest_box (default %(default)s)",
    )
    parser.add_argument(
        "--test",
        type=Path,
        help="labels that name the images to set aside, such as a project's test_<ms>.csv",
    )
    parser.add_argument(
        "--test-share",
        type=share,
        default=0.3,
        help="share of the images that is set aside (default %(default)s)",
    )
    parser.add_argument(
        "--split-by",
        choices=("burst", "folder", "image"),
        default="burst",
        help="what stays on one side (default %(default)s)",
    )
    parser.add_argument(
        "--burst-seconds",
        type=number("time", "seconds from 0 to 1000000000", 0, 1e9),
        default=60,
        help="photos of a folder this close in time are a burst (default %(default)s)",
    )
    parser.add_argument(
        "--model-name",
        choices=MODEL_NAMES,
        default="faster_rcnn_mobilenet_v2_fpn",
        help="default %(default)s",
    )
    parser.add_argument(
        "--checkpoint",
        type=_checkpoint,
        default="",
        help="as fine_tune_checkpoint in config.ini (default: the published weights)",
    )
    backbone = parser.add_mutually_exclusive_group()
    backbone.add_argument(
        "--train-backbone",
        action="store_true",
        help="train the whole backbone, and mirror images only (default: as a new config.ini does)",
    )
    backbone.add_argument(
        "--frozen-backbone",
        action="store_true",
        help="keep the backbone as it is, and mirror images only",
    )
    parser.add_argument(
        "--side",
        type=whole_number,
        default=256,
        help="longer side of what the model sees, in pixels (default %(default)s)",
    )
    parser.add_argument(
        "--steps",
        type=whole_number,
        help="training steps of each model (default 600; 300 with --fast)",
    )
    parser.add_argument(
        "--batch-size",
        type=whole_number,
        default=4,
        help="images of a training step (default %(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=number("number", "a whole number from 0", 0, whole=True),
        default=0,
        help=(
            "threads of TensorFlow in each training; as many trainings go on at once as there are"
            " cores for (default: two or more, all cores together)"
        ),
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help=(
            "calculate the frozen backbone's features once and train only what follows it, mirrored"
            " images being the only augmentation, for half the steps: a look, several times as fast"
        ),
    )
    return parser


def _checkpoint(text: str) -> str:
    return text.lower() if text.lower() in ("", "scratch") else os.path.abspath(text)


def _strategies(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in STRATEGIES]
    if unknown or not names:
        raise InputError(
            f"--strategies {text}: {', '.join(unknown) or 'none'} is no strategy; expected some of "
            f"{', '.join(STRATEGIES)}"
        )
    return names


if __name__ == "__main__":
    run_program(main)
