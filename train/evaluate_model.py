"""Measures the cycle's model on the test images: step 7 of a cycle. Writes performance.csv in
data_dir and prints it.

AP is the average precision of PASCAL VOC (all points, overlap 0.5); threshold is the score with the
best F1, precision and recall are those at it; coco_ap and coco_ap50 are pycocotools'.
train/evaluation/average_precision.py names the sources. Besides, the model that was live until now
is measured on the images that were drawn at random and labelled since (random_share.py beside it).
"""

import _repo_root  # noqa: F401, I001

from pathlib import Path

import pandas as pd
from create_predictions import table_of_cycle
from train.cycle.model import model_of_cycle
from repartition_test_set import trained_images
from utils.reserved import NULL
from utils.labels import tables
from utils.arguments import Parser
from utils.labels.class_changes import with_present_names, current_classes
from utils.config import Config, load_config
from train.cycle.files import read_cycle, update_cycle
from utils.errors import run_program
from train.evaluation.average_precision import measure
from utils.files import write_bytes
from utils.labels.label_map import with_current_classes
from utils.labels.store import open_labels
from train.evaluation.random_share import random_share
from utils.labels.tables import image_set


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__,
        "example: python train/evaluate_model.py config.ini   (after create_predictions.py)",
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)
    test = table_of_cycle("test", config.test_output, "repartition_test_set.py --top-up")
    images = table_of_cycle("images", config.data_dir / "images.csv", "sync_images.py")
    predicted = table_of_cycle(
        "totag", config.data_dir / "test_predictions.csv", "create_predictions.py"
    )
    truth = tables.only(test, image_set(images))
    _, labels = open_labels(config)
    state = labels.read()
    named = state.classes
    classes, _ = current_classes(list(model_of_cycle(config, named)[1].values()), named)
    boxes = with_current_classes(truth, named["renamed"], named["dropped"])
    performance = measure(
        boxes, with_present_names("totag", predicted, named), classes, config.max_detections
    )
    path = config.data_dir / "performance.csv"
    write_bytes(path, tables.to_csv("performance", performance, config.user_folders))

    print(performance_text(performance))
    report_missing(test, truth, config)
    unknown = boxes[~boxes["class"].isin([*classes, NULL])]["class"].value_counts()
    if len(unknown):
        print(
            "not measured, as the model does not know them: "
            + ", ".join(f"{name} ({count} boxes)" for name, count in unknown.items())
        )
    if "model" in (cycle := read_cycle(config)) and (
        seen := image_set(truth) & trained_images(labels, state)
    ):
        print(
            f"{len(seen)} of {len(image_set(truth))} test images are such that a published model"
            " was trained on them, as the test set was drawn anew; where that is"
            f" {cycle['model_blob']} or one it began from, these figures flatter it"
        )
    share = random_share(
        with_present_names("drawn", labels.table(state, "drawn"), named),
        labels.table(state, "tagged"),
        state.live.get("model"),
        classes,
        config.seed,
    )
    update_cycle(config, random_share=share.as_json() if share else None)
    if share:
        print(share)
    average = performance.iloc[0]
    print(
        f"{average['images']:.0f} test images, {average['boxes']:.0f} boxes, average AP"
        f" {cell(average['AP'])} → {path}"
    )


def report_missing(test: pd.DataFrame, truth: pd.DataFrame, config: Config) -> None:
    """Say what was not measured, and why."""
    gone = len(image_set(test)) - len(image_set(truth))
    if not len(test):
        print(
            "there is no test set, so nothing was measured: label more images, or raise"
            f" test_percentage in {config.path} (now {config.test_percentage:g})"
        )
    elif gone:
        print(
            f"{gone} of {len(image_set(test))} test images are gone from the image container or"
            " cannot be read: left out"
        )


def performance_text(performance: pd.DataFrame) -> str:
    """The table as lines for people: each class, then the average; - where there is nothing to
    measure.
    """
    names = performance["Class Name"]
    width = max(len(name) for name in [*names, "class"])
    columns = ("AP", "coco_ap50", "coco_ap", "precision", "recall", "threshold")
    lines = [f"{'class':{width}}  images  boxes" + "".join(f"{column:>11}" for column in columns)]
    for row in [*performance.to_dict("records")[1:], performance.iloc[0].to_dict()]:
        lines.append(
            f"{row['Class Name']:{width}}  {row['images']:>6.0f}  {row['boxes']:>5.0f}"
            + "".join(f"{cell(row[column]):>11}" for column in columns)
        )
    return "\n".join(lines)


def cell(value: float) -> str:
    """A figure of the table with two decimals, - for an empty cell."""
    return "-" if pd.isna(value) else f"{value:.2f}"


if __name__ == "__main__":
    run_program(main)
