"""Publishes what a cycle made, in one commit: model, label map, predictions for the images that are
nobody's now, performance. Step 8.

Hours have passed since the cycle read the labels: images that were handed out or reviewed meanwhile
stay where they are, images that others took in meanwhile stay known. Stopped at any point, it is
run again; what is published already is not published twice.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__, "example: python train/publish_cycle.py config.ini   (after evaluate_model.py)"
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from train.cycle.outputs import CycleOutputs
    from train.cycle.publishing import publish
    from utils.labels.store import open_labels

    _, store = open_labels(config)
    publish(config, store, CycleOutputs.read(config))


if __name__ == "__main__":
    run_program(main)
