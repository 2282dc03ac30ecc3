"""Rename, merge or drop classes in everything that is labelled, predicted or out, in one commit;
late work is changed as it comes in.
"""

import _repo_root  # noqa: F401  I001

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        'example: python change_classes.py ../config.ini --rename "sea gull=gull" --merge'
        " raven,crow=corvid --drop boat --review\nEach option may be given several times. The next"
        " training gives renamed classes the ids of the old ones.",
    )
    parser.add_argument("config", help="config.ini")
    parser.add_argument(
        "--rename", action="append", default=[], metavar="OLD=NEW", help="give a class another name"
    )
    parser.add_argument(
        "--merge",
        action="append",
        default=[],
        metavar="OLD,OLD=NEW",
        help="make one class of several",
    )
    parser.add_argument(
        "--drop", action="append", default=[], metavar="NAME", help="take all boxes of a class out"
    )
    parser.add_argument(
        "--review",
        action="store_true",
        help="queue the labelled images concerned, to be looked at again",
    )
    options = parser.parse_args(argv)

    config = load_config(options.config)

    from utils.labels.changing_classes import change_classes
    from utils.labels.class_changes import parse_change
    from utils.labels.store import open_labels

    asked = parse_change(options.rename, options.merge, options.drop)
    _, store = open_labels(config)
    store.read_project()
    for line in change_classes(store, config.classes, asked, options.review):
        say(line)
    return 0


if __name__ == "__main__":
    run_program(main)
