"""Sets a part of the reviewed images aside for measuring: images that no model is ever trained on.

Whole bursts are drawn (seeded) until test_percentage of the reviewed images is reached, every class
among them where it can be, from images that no published model was trained on. Images that are in
the test set stay in it.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__, "example: bash train/repartition_test_set_script.sh config.ini --redraw"
    )
    parser.add_argument("config", type=Path, help="config.ini")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--redraw",
        action="store_true",
        help=(
            "draw anew from all reviewed images (another seed= gives another draw); the next cycle"
            " then starts from pretrained weights, because the present model has seen some of them"
        ),
    )
    how.add_argument(
        "--top-up",
        action="store_true",
        help=(
            "step 2 of a training cycle: change only the files of the cycle (test_output), "
            "which its last step publishes"
        ),
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config)

    from train.network.machines import left_to_the_chief

    if left_to_the_chief():
        return

    from train.cycle.test_set import commit_draw, top_up
    from utils.labels.store import open_labels

    _, store = open_labels(config)
    draw = (
        top_up(config, store) if arguments.top_up else commit_draw(config, store, arguments.redraw)
    )
    say(draw.summary())


if __name__ == "__main__":
    run_program(main)
