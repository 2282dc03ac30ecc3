"""From a folder of photos to the first box: makes a project for them beside it, takes the photos in
where they lie, and opens the review page. Started again, it goes on.
"""

import _repo_root  # noqa: F401  I001

from pathlib import Path

from utils.arguments import Parser
from utils.batch.options import COUNT
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "example: python start.py photos --classes deer,fox\nNothing in the folder of photos is"
        " ever changed. The project's folder has a config.ini, which all other programs take.",
    )
    parser.add_argument(
        "photos", type=Path, metavar="PHOTOS", help="the folder in which your photos lie"
    )
    parser.add_argument(
        "--classes",
        metavar="NAMES",
        help="what is to be found, separated by commas; more can be added in the page",
    )
    parser.add_argument(
        "--batch", type=COUNT, default=20, metavar="N", help="photos at a time (default: 20)"
    )
    parser.add_argument(
        "--project",
        type=Path,
        metavar="FOLDER",
        help="the folder of the project (default: PHOTOS-project, beside the photos)",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the address of the page"
    )
    options = parser.parse_args(argv)

    from utils.starting.beginning import Wanted, start
    from utils.starting.project import checked_classes

    classes = checked_classes(options.classes) if options.classes is not None else ()
    wanted = Wanted(options.photos, classes, options.batch, options.project)
    for line in start(wanted, browser=not options.no_browser):
        say(line)
    return 0


if __name__ == "__main__":
    run_program(main)
