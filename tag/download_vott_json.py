"""Hand out the next images to tag: choose them, reserve them, fetch just these, and write what the
annotation tool needs, with their pre-labels.
"""

import _repo_root  # noqa: F401  I001

from utils.arguments import Parser, number
from utils.batch.options import add_options, check_options, request_of
from utils.config import load_config
from utils.config.keys import ANNOTATION_TOOLS
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "examples: python download_vott_json.py 40 ../config.ini\n          python"
        " download_vott_json.py --minutes 30 ../config.ini\nThe last but one line says how to"
        " review them; then run upload_vott_json.py. (review.py does all three in one go.)",
    )
    parser.set_defaults(count=None)
    if not any(word.split("=")[0] == "--minutes" for word in argv):
        parser.add_argument(
            "count",
            type=number("number of images", "a whole number from 1, then CONFIG", 1, whole=True),
            metavar="N",
            help="how many images, in all (or --minutes M)",
        )
    parser.add_argument("config", help="config.ini")
    add_options(parser)
    parser.add_argument(
        "--tool",
        choices=ANNOTATION_TOOLS,
        help="the annotation tool it is for (default: annotation_tool of config.ini)",
    )
    options = parser.parse_args(argv)
    if options.minutes is not None and options.config.isdecimal():
        options.count = int(options.config)
    check_options(options)

    config = load_config(options.config)
    config.need("tagging_location")

    from utils.batch.downloading import download

    for line in download(config, request_of(options, options.tool)):
        say(line)
    return 0


if __name__ == "__main__":
    run_program(main)
