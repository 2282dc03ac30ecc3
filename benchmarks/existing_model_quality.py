"""A COCO model that finds pigeons as birds, measured by the real scripts on a test set of all
photos: AP at an overlap of 0.5.

    python benchmarks/existing_model_quality.py ../shared/data/pigeons \
        ../shared/models/ssd_mobilenet_v1_coco/frozen_inference_graph.pb
    python benchmarks/existing_model_quality.py … --enlarge 4
        photos of 4 times the size, which are decoded at 1/2 or 1/4
    python benchmarks/existing_model_quality.py … --enlarge 4 --whole
        the same pixels, decoded whole: AP may differ by 0.005

Initialize, download, upload and evaluate run as they are; the model lies in the label container
with a label map that calls id 16 by the class of the data set. The figure: AP (all points); at
least 0.85. The graph itself gives nothing below a score of 0.3, so that 19 of 199 pigeons are out
of reach at any threshold.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from known_labels import Project
from PIL import Image, ImageOps

from utils.config import load_config
from utils.errors import InputError
from utils.labels import tables
from utils.labels.label_map import write_label_map

BIRD = 16  # of COCO


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder with labels.csv and the photos")
    parser.add_argument("model", type=Path, help="a frozen graph with COCO's ids")
    parser.add_argument(
        "--enlarge",
        type=int,
        default=1,
        help="how many times the size of the photos, as JPEG (default %(default)s)",
    )
    parser.add_argument(
        "--whole",
        action="store_true",
        help="keep the enlarged photos as PNG, which is always decoded whole",
    )
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pigeons-"))
    project = Project(
        folder,
        {"pigeons": arguments.data},
        test_percentage=1,
        min_confidence=0.2,
        max_tile_size=1024,
    )
    if len(project.classes) != 1:
        raise InputError(
            f"{arguments.data}: labels.csv has the classes {', '.join(project.classes)};"
            " expected one"
        )
    if arguments.enlarge > 1:
        enlarge(project, arguments.enlarge, arguments.whole)
    project.label_everything()
    labels = folder / "store" / "labels"
    shutil.copyfile(arguments.model, labels / "model_1.pb")
    write_label_map(labels / "label_map_1.pbtxt", {project.classes[0]: BIRD})
    project.configure(pred_model_name="model_1.pb")
    project.run(["bash", "train/active_learning_eval.sh"])
    performance = tables.parse(
        "performance", load_config(project.config_file).data_dir / "performance.csv"
    ).iloc[0]
    print(
        f"AP {performance['AP']:.3f}, coco_ap50 {performance['coco_ap50']:.3f} on"
        f" {performance['images']:.0f} images (wanted: AP 0.85); project in {folder}"
    )


def enlarge(project: Project, times: int, whole: bool) -> None:
    """Write each photo upright and larger, with its boxes, as JPEG; if `whole`, the pixels of that
    JPEG as PNG under the same name.
    """
    for blob, boxes in project.truth.items():
        path = project.folder / "store" / "images" / blob
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
        path.unlink()  # a link to the data set
        upright.resize(
            (upright.width * times, upright.height * times), Image.Resampling.BICUBIC
        ).save(path, "JPEG", quality=92)
        if whole:
            with Image.open(path) as image:
                image.load()
            image.save(path, "PNG", compress_level=1)
        project.truth[blob] = [(name, tuple(times * side for side in box)) for name, box in boxes]


if __name__ == "__main__":
    main()
