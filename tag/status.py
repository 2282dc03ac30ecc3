"""How the project stands: images to tag, out, tagged and in the test set, boxes per class, cycles
with their AP, and what to do next.
"""

import _repo_root  # noqa: F401  I001

import json
from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> int:
    parser = Parser(__doc__, "example: python status.py ../config.ini --check")
    parser.add_argument("config", help="config.ini")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    parser.add_argument(
        "--check",
        action="store_true",
        help=(
            "verify the rules of the label container and every file it names; exit 1 if one is"
            " broken"
        ),
    )
    parser.add_argument(
        "--repair", action="store_true", help="check, and mend what has one right answer"
    )
    parser.add_argument(
        "--older-labels",
        action="store_true",
        help=(
            "with --repair: where the newest labels are gone or damaged, go back to an older"
            " snapshot, without what was reviewed since"
        ),
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help="delete our own files that no state of the last 30 days and no cycle names",
    )
    parser.add_argument(
        "--export",
        metavar="TABLE",
        help="write a table (totag, images, …) as a CSV file into the folder that you are in",
    )
    options = parser.parse_args(argv)

    config = load_config(options.config)

    from utils.labels.store import open_labels
    from utils.overview.exporting import export
    from utils.overview.figures import summary
    from utils.overview.screen import screen
    from utils.overview.upkeep import check, prune

    _, store = open_labels(config)
    state = store.read_project()
    if options.check or options.repair or options.older_labels:
        checked = check(store, state, repair=options.repair, older_labels=options.older_labels)
        show(checked.document(), checked.lines(), options.json)
        return 1 if checked.found else 0
    if options.prune:
        pruned = prune(store, state, store.now())
        show(pruned.document(), pruned.lines(), options.json)
        return 0
    if options.export is not None:
        say(export(store, state, options.export, Path.cwd()))
        return 0
    figures = summary(config, store, state, store.now())
    show(figures, screen(figures), options.json)
    return 0


def show(document: dict, lines: list[str], as_json: bool) -> None:
    """Print one or the other."""
    if as_json:
        lines = json.dumps(document, indent=1, ensure_ascii=False).split("\n")
    say(*lines)


if __name__ == "__main__":
    run_program(main)
