"""What pretrained weights are worth on few real photographs: raccoons, kangaroos and pigeons, a
third of the photos tested.

    python benchmarks/animals_quality.py ../shared/data ../shared/models/mobilenet_v2_imagenet \
        [--folder FOLDER] [--steps 1500]

mobilenet_v2, 256 pixels, through the real scripts on a folder store: once with the ImageNet
backbone, frozen, once from scratch with the same steps. The figure: coco_ap50 of the test images;
at least 0.80 with the backbone.
"""

import argparse
import tempfile
from pathlib import Path

from known_labels import Project


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "data",
        type=Path,
        help="the folder with raccoon, kangaroo and pigeons, each with labels.csv",
    )
    parser.add_argument("weights", type=Path, help="a checkpoint with the object backbone")
    parser.add_argument(
        "--folder", type=Path, help="where the project is made (default: a temporary folder)"
    )
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument(
        "--only-pretrained", action="store_true", help="leave the run from scratch out"
    )
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="animals-"))
    datasets = {name: arguments.data / name for name in ("raccoon", "kangaroo", "pigeons")}
    project = Project(
        folder.absolute(),
        datasets,
        model_name="faster_rcnn_mobilenet_v2_fpn",
        min_tile_size=256,
        max_tile_size=256,
        test_percentage=1 / 3,
        train_iterations=arguments.steps,
        batch_size=4,
        fine_tune_checkpoint=arguments.weights.absolute(),
        freeze_backbone=True,
    )
    project.label_everything()
    figures = {"with the ImageNet backbone": project.train()}
    if not arguments.only_pretrained:
        project.configure(fine_tune_checkpoint="scratch", freeze_backbone=False)
        figures["from scratch"] = project.train()
    for name, average in figures.items():
        print(
            f"{name}: coco_ap50 {average['coco_ap50']:.3f} on {average['images']} test images"
            " (wanted with the backbone: 0.80)"
        )
    print(f"project in {folder}")


if __name__ == "__main__":
    main()
