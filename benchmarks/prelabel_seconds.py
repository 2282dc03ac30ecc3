"""What pre-labels save: the expected seconds of a photo with boxes drawn from a fixed score, with
those of prelabel_confidence=auto, and with none.

    python benchmarks/prelabel_seconds.py animals|drawn|bccd ../shared/data \
        ../shared/models/mobilenet_v2_imagenet --folder FOLDER

Models are trained on 40, 80 and 160 photos drawn at random (of benchmarks/selection_curves.py; the
backbone frozen), and look at the photos set aside. As many of these as a project of that size has
for test and validation choose the scores, all others are what people get: ten draws, mean.
"""

import argparse
import functools
import sys
from pathlib import Path

import numpy as np
from selection_curves import make

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from train.evaluation.average_precision import boxes_of
from train.evaluation.prelabels import cheapest_prelabels, seconds_per_image
from train.network.quiet import silence
from train.network.weights_digest import weights_digest
from train.simulation.labelling import divide
from train.simulation.outcomes import DataSet, Recipe, TrainedSets
from utils.boxes.prelabels import NEVER, Thresholds
from utils.effort.seconds import Seconds
from utils.formats.annotated_sets import read_annotated
from utils.images.canvas import canvas_for
from utils.labels.tables import blob_names, image_set, only

LABELLED = (40, 80, 160)
CHECKED = 0.28  # of the labelled photos: a test set of 0.2, and 0.1 of the rest for validation
DRAWS = 10
LEAST = 0.05  # min_confidence of a new config
FIXED = 0.5  # prelabel_confidence of a new config until now


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=("animals", "drawn", "bccd"))
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path, help="a checkpoint with the object backbone")
    parser.add_argument("--folder", type=Path, required=True, help="where models are kept")
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    folder = arguments.folder.absolute() / arguments.set
    make(arguments.set, arguments.data, folder)
    labels, images = folder / "labels.csv", folder / "images"
    test = image_set(read_annotated(folder / "test.csv", images).boxes)
    data = divide(read_annotated(labels, images), test, 0.3, "burst", 60)
    trained = trained_sets(data, str(arguments.weights.absolute()), arguments.steps, folder)
    order = np.random.default_rng(0).permutation(sorted(image_set(data.pool)))

    print(f"| {arguments.set}: labelled | by hand | from {FIXED} | auto |")
    print("|---|---|---|---|")
    for number in LABELLED:
        found = trained.outcome(set(order[:number]), 0, pool=False).predictions
        found = found[found["box_confidence"] >= LEAST]
        figures = np.mean([one_draw(data, found, number, seed) for seed in range(DRAWS)], axis=0)
        print(f"| {number} | " + " | ".join(f"{seconds:.1f} s" for seconds in figures) + " |")


def trained_sets(data: DataSet, checkpoint: str, steps: int, folder: Path) -> TrainedSets:
    sizes = data.images.set_axis(blob_names(data.images)).loc[data.names, ["height", "width"]]
    recipe = Recipe(
        model_name="faster_rcnn_mobilenet_v2_fpn",
        checkpoint=checkpoint,
        weights=weights_digest(checkpoint),
        freeze_backbone=True,
        canvas=canvas_for(sizes.to_numpy(), 192, 256),
        steps=steps,
        batch_size=4,
        on_features=True,
    )

    @functools.cache
    def opened():
        silence()
        from train.simulation import frozen_features

        weights, features = folder / "weights", folder / "features"
        return frozen_features.open_trainer(data, recipe, weights, features)

    return TrainedSets(data, recipe, folder / "models", lambda *given: opened()(*given))


def one_draw(data: DataSet, found, number: int, seed: int) -> tuple[float, float, float]:
    """(by hand, from FIXED, auto), seconds of a photo that did not choose the scores."""
    costs, classes = Seconds(), list(data.classes)
    names = np.random.default_rng(seed).permutation(sorted(image_set(data.test)))
    checked, others = set(names[: round(CHECKED * number)]), set(names[round(CHECKED * number) :])
    chosen = cheapest_prelabels(only(data.test, checked), only(found, checked), classes, costs)
    images = sorted(others)
    actual, boxes = (boxes_of(frame, images, classes) for frame in (data.test, found))
    ways = (
        Thresholds(other=NEVER),
        Thresholds(other=FIXED, only_surest=False),
        Thresholds(of_class=chosen.thresholds),
    )
    return tuple(seconds_per_image(actual, boxes, classes, way, len(images), costs) for way in ways)


if __name__ == "__main__":
    main()
