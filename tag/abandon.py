"""Give reserved images back, so that others get them: your own, those of a tagger, those that are
out for long, or the images named.
"""

import _repo_root  # noqa: F401  I001

from utils.arguments import Parser, number
from utils.config import load_config
from utils.errors import InputError, run_program
from utils.terminal import say


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "example: python abandon.py ../config.ini --tagger anna@ship\nWithout a choice: all that"
        " tagger_name of CONFIG (or you, on this machine) holds.\nWork that is uploaded later all"
        " the same is taken as long as nobody else has uploaded the image.",
    )
    parser.add_argument("config", help="config.ini")
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="blob name, folder/filename")
    parser.add_argument(
        "--tagger",
        metavar="NAME",
        help='all that this person holds; "": those that are out to nobody who is known',
    )
    parser.add_argument(
        "--older-than",
        type=number("number of hours", "0 or more", 0, 1e6),
        metavar="HOURS",
        help="all that is out for longer",
    )
    options = parser.parse_args(argv)
    choices = (options.images, options.tagger is not None, options.older_than is not None)
    if sum(map(bool, choices)) > 1:
        raise InputError("give one of --tagger NAME, --older-than HOURS and IMAGE…, not several")

    config = load_config(options.config)

    from utils.labels.giving_back import Wanted, give_back
    from utils.labels.store import open_labels

    _, store = open_labels(config)
    store.read_project()
    tagger = config.tagger_name if options.tagger is None else options.tagger
    given, lines = give_back(store, Wanted(tagger, frozenset(options.images), options.older_than))
    for line in lines:
        say(line)
    asked = options.images or options.tagger is not None
    return 0 if given or not asked else 1


if __name__ == "__main__":
    run_program(main)
