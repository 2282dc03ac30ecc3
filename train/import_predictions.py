"""Takes in predictions that another program made: MegaDetector's results (1.3 to 1.6), COCO's
results, or a totag CSV. They count like those of a pretrained model (active_learning_init_pred.sh),
or like our own model's.
"""

import _repo_root  # noqa: F401

# isort: split

import re
from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import InputError, run_program
from utils.masking import looks_secret
from utils.terminal import say


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__,
        "example: python train/import_predictions.py results.json config.ini\nThen: python"
        " tag/download_vott_json.py 40 config.ini CLASS_MAP.json (init_pred_desription.md), or,"
        " with --as-model, without a class map.\nNames in FILE are paths with either slash; one"
        " from another base folder means the image that ends as it does.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the predictions, .json or .csv")
    parser.add_argument("config", type=Path, metavar="CONFIG", help="config.ini")
    parser.add_argument(
        "--as-model",
        type=_model_name,
        metavar="NAME",
        help="like our own model's, under this name: its classes are those of config.ini, it is"
        " measured on the test images, chooses and pre-labels without a class map",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="JSON",
        help="for COCO's results: the file of the images that were predicted (instances_….json)",
    )
    parser.add_argument(
        "--base",
        default="",
        metavar="FOLDER",
        help="the folder of the image container that the names in FILE are relative to",
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config)

    from train.cycle.importing import import_predictions

    lines = import_predictions(
        config, arguments.file, arguments.as_model, arguments.images, arguments.base
    )
    say(*lines)


def _model_name(text: str) -> str:
    name = text.strip()
    if not name or not name.isprintable() or looks_secret(name):
        raise InputError("--as-model: expected a name for the model, such as megadetector-v5a")
    if re.fullmatch(r"model_\d+\.pb", name):
        raise InputError(
            f"--as-model {name}: so a model is called that was trained here; give another name"
        )
    return name


if __name__ == "__main__":
    run_program(main)
