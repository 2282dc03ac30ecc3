"""Makes a report of the project as it is now, and publishes it: one page that shows how good the
model is, what it got wrong and which photos come next, and the same figures for programs. Step 9 of
a cycle; it works at any time, without training.

The page opens by a double click, without a network. What is missing (a model, a test set) is said
in it.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> None:
    parser = Parser(__doc__, "example: python train/publish_report.py config.ini")
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from train.report.publishing import publish_report
    from utils.labels.store import open_labels

    made = publish_report(config, *open_labels(config))
    say(*made.document["notes"])
    say(f"report → {made.page}, {made.data}; here: {made.file}")


if __name__ == "__main__":
    run_program(main)
