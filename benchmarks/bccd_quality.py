"""Quality on real photographs, from scratch: blood cells (364 photos, three very unequal classes),
a quarter of them tested.

    python benchmarks/bccd_quality.py ../shared/data/bccd [--folder FOLDER] [--steps 1000]

resnet18, 320 pixels, through the real scripts on a folder store. The figure: coco_ap50 of the test
images; at least 0.85. Known good for comparison: 0.887 (the same network, 320 x 320, batch 4, 1000
steps).
"""

import argparse
import tempfile
from pathlib import Path

from known_labels import Project


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder with labels.csv and the photos")
    parser.add_argument(
        "--folder", type=Path, help="where the project is made (default: a temporary folder)"
    )
    parser.add_argument("--steps", type=int, default=1000)
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="bccd-"))
    # 640 x 480 fitted into 320 x 256 is 320 x 240.
    project = Project(
        folder.absolute(),
        {"bccd": arguments.data},
        model_name="faster_rcnn_resnet18_fpn",
        fine_tune_checkpoint="scratch",
        min_tile_size=256,
        max_tile_size=320,
        test_percentage=0.25,
        train_iterations=arguments.steps,
        batch_size=4,
    )
    project.label_everything()
    average = project.train()
    print(
        f"coco_ap50 {average['coco_ap50']:.3f} on {average['images']} test images (wanted: 0.85;"
        f" known good: 0.887); project in {folder}"
    )


if __name__ == "__main__":
    main()
