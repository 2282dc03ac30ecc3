"""Measures the cycle's model on the test images: step 7 of a cycle. Writes performance.csv in
data_dir and prints it.

AP is the average precision of PASCAL VOC (all points, overlap 0.5); threshold is the score with the
best F1, precision and recall are those at it; coco_ap and coco_ap50 are COCO's.
train/evaluation/average_precision.py names the sources. Besides, the model that was live until now
is measured on the images that were drawn at random and labelled since (random_share.py beside it).
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
        __doc__,
        "example: python train/evaluate_model.py config.ini   (after create_predictions.py)",
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from train.cycle.files import read_cycle, read_working, update_cycle, write_working
    from train.cycle.model import model_of_cycle
    from train.cycle.prelabels import measured_prelabels
    from train.evaluation.average_precision import measure
    from train.evaluation.random_share import random_share
    from train.evaluation.sameness import same_everywhere
    from train.evaluation.words import cell, missing_text, performance_lines
    from utils.boxes.prelabels import words_of
    from utils.labels import tables
    from utils.labels.class_changes import current_classes, with_present_names
    from utils.labels.label_map import with_current_classes
    from utils.labels.store import open_labels
    from utils.labels.tables import image_set
    from utils.labels.trained import trained_images
    from utils.reserved import NULL

    test = read_working(config, "test")
    images = read_working(config, "images")
    predicted = read_working(config, "test_predictions")
    truth = tables.only(test, image_set(images))
    _, store = open_labels(config)
    state = store.read()
    named = state.classes
    classes, _ = current_classes(list(model_of_cycle(config, named)[1].values()), named)
    boxes = with_current_classes(truth, named["renamed"], named["dropped"])
    performance = measure(
        boxes, with_present_names("totag", predicted, named), classes, config.max_detections
    )
    path = write_working(config, "performance", performance)

    say(*performance_lines(performance))
    if missing := missing_text(test, truth, config):
        say(missing)
    if same := same_everywhere(truth, tables.only(predicted, image_set(truth))):
        say(str(same))
    unknown = boxes[~boxes["class"].isin([*classes, NULL])]["class"].value_counts()
    if len(unknown):
        say(
            "not measured, as the model does not know them: "
            + ", ".join(f"{name} ({count} boxes)" for name, count in unknown.items())
        )
    if "model" in (cycle := read_cycle(config)) and (
        seen := image_set(truth) & trained_images(store, state)
    ):
        say(
            f"{len(seen)} of {len(image_set(truth))} test images are such that a published model"
            " was trained on them, as the test set was drawn anew; where that is"
            f" {cycle['model_blob']} or one it began from, these figures flatter it"
        )
    share = random_share(
        with_present_names("drawn", store.table(state, "drawn"), named),
        store.table(state, "tagged"),
        state.live.get("model"),
        classes,
        config.seed,
    )
    prelabels = measured_prelabels(config, images, truth, predicted, named, classes)
    update_cycle(config, random_share=share.as_json() if share else None, prelabels=prelabels)
    if share:
        say(str(share))
    if prelabels:
        say(words_of(prelabels))
    average = performance.iloc[0]
    say(
        f"{average['images']:.0f} test images, {average['boxes']:.0f} boxes, average AP"
        f" {cell(average['AP'])} → {path}"
    )


if __name__ == "__main__":
    run_program(main)
