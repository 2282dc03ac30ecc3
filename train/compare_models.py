"""Decides whether the cycle's model may go live: both it and the live one are measured on today's
test images (train/evaluation/bootstrap.py). Step 8 of a cycle. While none is live, what a
pretrained model had found in them takes its place.

Test images that a published model was trained on (after the test set was drawn anew) do not count.
The verdict is noted in cycle.json, where publish_cycle.py finds it. What the live model
found in an image is kept, so that each is predicted once.
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
        __doc__, "example: python train/compare_models.py config.ini   (after evaluate_model.py)"
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from train.cycle.comparison import judge, keep_predictions
    from train.cycle.files import exported_model, read_working, update_cycle
    from utils.labels import tables
    from utils.labels.store import open_labels
    from utils.labels.tables import image_set

    container, store = open_labels(config)
    images, test, found = (
        read_working(config, name) for name in ("images", "test", "test_predictions")
    )
    test_images = tables.only(images, image_set(test))
    verdict = judge(config, container, store, test_images, test, found)
    update_cycle(config, verdict=verdict)
    keep_predictions(config, exported_model(config), test_images, store.read().greys)
    say(
        f"{verdict['why']} →"
        f" {'it goes live' if verdict['publish'] else 'it is kept as a candidate'}"
    )


if __name__ == "__main__":
    run_program(main)
