"""Turns the reviewed labels into TFRecords for training: step 3 of a cycle.

Says images and boxes per class for train, validation and test, and what is wrong with the labels,
before hours are spent on them.
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
        "example: python train/create_tf_records.py config.ini   (after sync_images.py and"
        " repartition_test_set.py --top-up)",
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from train.network.machines import left_to_the_chief

    if left_to_the_chief():
        return

    from train.cycle.files import update_cycle, write_working
    from train.cycle.planning import class_warnings, plan_of_cycle, plan_warnings
    from train.network.labelled_images import PARTS
    from train.network.quiet import silence
    from train.network.record_words import record_lines, record_warnings
    from utils.disk import room
    from utils.labels.label_map import (
        label_map_for,
        previous_label_map,
        retired_from,
        write_label_map,
    )
    from utils.labels.store import open_labels
    from utils.storage.sync import image_path

    container, store = open_labels(config)
    state = store.read()
    previous = previous_label_map(store, state)
    classes = label_map_for(
        config.need("classes"), previous, state.classes["dropped"], state.classes["renamed"]
    )
    warn(class_warnings(config, state, classes))
    plan = plan_of_cycle(config, store, state, classes)
    write_label_map(config.label_map_path, classes, retired_from(classes, previous))
    warn(plan_warnings(config, plan))
    write_working(config, "validation", plan.parts["validation"])

    silence()
    # loads TensorFlow, which takes seconds: what is wrong with the labels has been said by now
    from train.network import records

    document = records.up_to_date(plan, config.tf_record_location)
    unchanged = document is not None
    with room(config.tf_record_location.parent):
        document = document or records.write_records(
            plan,
            config.tf_record_location,
            lambda image: image_path(container, config.image_dir, image),
        )
    say(*record_lines(document))
    warn(record_warnings(document))
    if (config.data_dir / "cycle.json").exists():
        update_cycle(
            config,
            records={
                "digest": document["digest"],
                "canvas": document["canvas"],
                "skipped": document["skipped"],
                "greys": document["greys"],
                **{
                    part: {what: document[part][what] for what in ("images", "boxes", "empty")}
                    for part in PARTS
                },
            },
        )
    boxes, images = (
        sum(document[part][what] for part in ("train", "validation"))
        for what in ("boxes", "images")
    )
    say(
        f"{images} images, {boxes} boxes {'unchanged in' if unchanged else '→'}"
        f" {records.records_file(config.tf_record_location)}"
        f" ({len(document['train']['shards']) + len(document['validation']['shards'])} files)"
    )


def warn(lines: list[str]) -> None:
    """Print warnings."""
    for line in lines:
        say(f"warning: {line}", error=True)


if __name__ == "__main__":
    run_program(main)
