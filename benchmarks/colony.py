"""A colony of 300: does the model find them all? Photographs drawn by the computer, 300 seals on a
beach each, trained and measured once with the limit of 100 boxes an image and once with a limit
above what is there.

    python benchmarks/colony.py --photos 24 --steps 400 --weights CHECKPOINT

With 100 boxes an image no more than a third can be found, whatever the model has learnt.
"""

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
from known_labels import Project
from PIL import Image, ImageDraw, ImageFilter

COLUMNS, ROWS, CELL = 20, 15, 38  # 300 seals in 760 x 570 pixels
LIMITS = (100, 400)


def beach(number: int) -> tuple[Image.Image, list[tuple[int, int, int, int]]]:
    """A photo, and the boxes of its seals: xmin, ymin, xmax, ymax in pixels."""
    random = np.random.default_rng(number)
    sand = random.normal((176, 160, 132), 9, (ROWS * CELL, COLUMNS * CELL, 3))
    image = Image.fromarray(np.clip(sand, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    boxes = []
    for place in range(COLUMNS * ROWS):
        width, height = random.integers(22, 33, 2)
        left = place % COLUMNS * CELL + int(random.integers(2, CELL - width - 1))
        top = place // COLUMNS * CELL + int(random.integers(2, CELL - height - 1))
        box = (left, top, left + int(width), top + int(height))
        shade = int(random.integers(30, 110))
        pen.ellipse(box, fill=(shade, shade, shade + 8))
        boxes.append(box)
    return image.filter(ImageFilter.GaussianBlur(0.6)), boxes


def write_set(folder: Path, photos: int) -> None:
    """The photos and labels.csv, as data sets are laid out."""
    (folder / "images").mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["filename", "class", "xmin", "ymin", "xmax", "ymax"])
        for number in range(photos):
            image, boxes = beach(number)
            image.save(folder / "images" / f"{number:03}.jpg", quality=92)
            table.writerows([f"{number:03}.jpg", "seal", *box] for box in boxes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--weights", default="scratch", help="as fine_tune_checkpoint")
    parser.add_argument("--model", default="faster_rcnn_mobilenet_v2_fpn")
    parser.add_argument("--limits", type=int, nargs="+", default=LIMITS)
    options = parser.parse_args()
    if options.weights != "scratch":
        options.weights = str(Path(options.weights).absolute())
    found = {}
    with tempfile.TemporaryDirectory() as place:
        write_set(Path(place) / "colony", options.photos)
        for limit in options.limits:
            project = Project(
                Path(place) / f"limit {limit}",
                {"colony": Path(place) / "colony"},
                model_name=options.model,
                fine_tune_checkpoint=options.weights,
                train_iterations=options.steps,
                batch_size=2,
                min_tile_size=ROWS * CELL,
                max_tile_size=COLUMNS * CELL,
                max_detections=limit,
                test_percentage=0.25,
            )
            project.label_everything()
            found[limit] = project.train()
    print(f"{options.photos} photos, {COLUMNS * ROWS} seals each, {options.steps} steps")
    for limit, row in found.items():
        print(f"max_detections={limit}: AP50 {row['AP']:.3f}, recall {row['recall']:.3f}")


if __name__ == "__main__":
    main()
