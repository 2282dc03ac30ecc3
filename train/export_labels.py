"""Writes the reviewed images in a form that other programs read: COCO, YOLO, Pascal VOC,
MegaDetector's results, labelme. Images in which nothing is are kept; the test set is apart.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say

FORMATS = ("coco", "yolo", "voc", "megadetector", "labelme")


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__,
        "example: python train/export_labels.py config.ini --format coco\nNo photo is copied: the"
        " names are those of the image container. For YOLO, put a copy of (or a link to) its"
        " folder beside\nthe labels as `images`; for Pascal VOC as `JPEGImages`.",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="config.ini")
    parser.add_argument("--format", required=True, choices=FORMATS, help="what to write")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="a new folder for the files (default: labels_FORMAT in data_dir)",
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config)

    from train.cycle.exporting import export_labels

    output = arguments.output or config.data_dir / f"labels_{arguments.format}"
    say(*export_labels(config, arguments.format, output))


if __name__ == "__main__":
    run_program(main)
