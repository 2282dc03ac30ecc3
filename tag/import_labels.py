"""Take in labels that were made elsewhere: a CSV with the columns of tagged, a data set of another
tool (COCO, YOLO, Pascal VOC, labelme), or a tagged_ or tagging_ file that another tool put there.
"""

import _repo_root  # noqa: F401  I001

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "example: python import_labels.py labels.csv ../config.ini\nColumns:"
        " filename,class,xmin,xmax,ymin,ymax,height,width[,folder]; coordinates are fractions of"
        " the upright image, height\nand width its pixels; a row of class NULL with zeros says that"
        " nothing is there. Images that are labelled otherwise\nalready stay as they are, and the"
        " file's rows are set aside in conflicts, unless --replace is given.\nOther tools: COCO's"
        " .json, a folder of YOLO, Pascal VOC or labelme files. An image without boxes in them is"
        " empty, or nobody\nhas opened it, so they are taken with --listed-means-reviewed only"
        " (without it: labelImg's verified and labelme's ticked images).",
    )
    parser.add_argument(
        "csv",
        metavar="FILE",
        help="a file or folder here, or the name of a CSV in the label container",
    )
    parser.add_argument("config", help="config.ini")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="take the file's rows for images that are labelled already, too",
    )
    parser.add_argument(
        "--listed-means-reviewed",
        action="store_true",
        help="somebody has looked at every image that this data set of another tool lists: one"
        " without boxes is empty",
    )
    parser.add_argument(
        "--skip-bad-rows",
        action="store_true",
        help="leave out the images of rows (or entries) that cannot be read, and take the others",
    )
    parser.add_argument(
        "--boxes-are",
        choices=("upright", "stored"),
        help="the picture in which boxes of images were drawn that are turned by EXIF, where"
        " their size does not tell",
    )
    options = parser.parse_args(argv)

    config = load_config(options.config)

    from utils.formats.taking_in import Request, take_in
    from utils.labels.store import open_labels

    images, store = open_labels(config)
    request = Request(
        options.csv,
        replace=options.replace,
        listed_means_reviewed=options.listed_means_reviewed,
        skip_bad_rows=options.skip_bad_rows,
        boxes_are=options.boxes_are,
    )
    useful, lines = take_in(images, store, config, request)
    for line in lines:
        say(line)
    return 0 if useful else 1


if __name__ == "__main__":
    run_program(main)
