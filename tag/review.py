"""Review a batch in your browser: draw and correct boxes, say what is done, upload at the end. With
N, the next N images are chosen and fetched first.
"""

import _repo_root  # noqa: F401  I001

from utils.arguments import Parser
from utils.batch.options import COUNT, add_options, check_options, request_of
from utils.config import load_config
from utils.errors import InputError, run_program
from utils.terminal import say


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "example: python review.py ../config.ini 40\nEverything that you do is saved at once. What"
        " is not uploaded from the page goes with upload_vott_json.py.\nOn another machine: start"
        " it there with --no-browser, and here\n  ssh -L 8000:127.0.0.1:PORT THERE\nThe page is"
        " then at http://127.0.0.1:8000/ and what follows in the address.",
    )
    parser.add_argument("config", help="config.ini")
    parser.add_argument(
        "count",
        nargs="?",
        type=COUNT,
        metavar="N",
        help="how many images, in all; without it, or while a batch is not done: the batch that is"
        " there",
    )
    add_options(parser)
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the address of the page"
    )
    options = parser.parse_args(argv)
    check_options(options)
    if options.count is None and options.minutes is None and _chooses(options):
        raise InputError("say how many images are wanted: review.py CONFIG N, then the options")

    config = load_config(options.config)
    config.need("tagging_location")

    from utils.review.reviewing import review

    for line in review(config, request_of(options, "page"), browser=not options.no_browser):
        say(line)
    return 0


def _chooses(options) -> bool:
    """Is there an option that only counts for a batch that is to be chosen?"""
    others = {"config", "count", "no_browser"}
    return any(value for name, value in vars(options).items() if name not in others)


if __name__ == "__main__":
    run_program(main)
