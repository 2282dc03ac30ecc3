"""The whole loop on drawn photographs of boards, with a scripted annotator, through the real
scripts.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser, whole_number
from utils.errors import InputError, run_program
from utils.terminal import say

CYCLES = 3


def main(argv: list[str]) -> None:
    parser = Parser(__doc__, "example: bash train/active_learning_demo.sh demo")
    parser.add_argument(
        "folder", type=Path, help="a new folder, or one in which the demo was interrupted"
    )
    parser.add_argument(
        "--cycles",
        type=int,
        choices=range(1, 10),
        metavar="N",
        default=CYCLES,
        help="cycles of labelling and training",
    )
    parser.add_argument(
        "--iterations",
        type=whole_number,
        metavar="N",
        help="training steps of each cycle, for a short try",
    )
    arguments = parser.parse_args(argv)
    folder = arguments.folder.absolute()

    from train.demo.story import Demo

    demo = Demo(folder, arguments.cycles, arguments.iterations)
    if demo.is_done("the end"):
        raise InputError(
            f"{folder}: the demo was run to its end here; for another run name a new folder, or"
            " delete this one"
        )
    if demo.finished:
        say(f"Going on with the demo in {folder}")
    demo.run()


if __name__ == "__main__":
    run_program(main)
