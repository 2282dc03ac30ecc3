"""Judges labelled images by models that were not trained on them, for download --review-suspect.

Of some images no such prediction is there: every model was trained on them. They are parted into
folds; for each fold a model is trained on all other labels, and then looks at it. What is found is
published as the table crosscheck. Nothing else changes: no model goes live, and none is measured.
Run it again after an interruption, and it goes on where it was.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser, number, whole_number
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> None:
    parser = Parser(__doc__, "example: python train/cross_check.py config.ini --folds 5")
    parser.add_argument("config", type=Path, help="config.ini")
    parser.add_argument(
        "--folds",
        type=number("number of folds", "a whole number from 2 to 100", 2, 100, whole=True),
        default=4,
        help="models that are trained, each without one part of the images (default %(default)s)",
    )
    parser.add_argument(
        "--iterations",
        type=whole_number,
        help="training steps of each model, instead of train_iterations",
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config)

    from train.cycle.crosscheck_run import cross_check
    from utils.python_check import quoted

    done = cross_check(config, arguments.folds, arguments.iterations or config.train_iterations)
    after = f"python tag/download_vott_json.py 40 {quoted(str(arguments.config))} --review-suspect"
    say(f"{done}; now: {after}")


if __name__ == "__main__":
    run_program(main)
