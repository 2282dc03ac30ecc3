"""Turns the reviewed labels into TFRecords for training: step 3 of a cycle.

Says images and boxes per class for train, validation and test, and what is wrong with the labels,
before hours are spent on them.
"""

import _repo_root  # noqa: F401

# isort: split

import sys
from pathlib import Path

from train.cycle.files import update_cycle
from train.network import labelled_images
from train.network.labelled_images import PARTS, counts_table
from train.network.quiet import silence
from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.files import write_bytes
from utils.labels import tables
from utils.labels.label_map import (
    current_name,
    label_map_for,
    previous_label_map,
    retired_from,
    write_label_map,
)
from utils.labels.store import LabelStore, State, open_labels
from utils.storage.sync import image_path

_MUCH_LARGER = 1.5


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__,
        "example: python train/create_tf_records.py config.ini   (after sync_images.py and"
        " repartition_test_set.py --top-up)",
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)
    container, store = open_labels(config)
    state = store.read()
    previous = previous_label_map(store, state)
    classes = label_map_for(
        config.need("classes"), previous, state.classes["dropped"], state.classes["renamed"]
    )
    for name in config.classes:
        if current_name(name, state.classes["renamed"]) not in classes:
            print(
                f"warning: class {name!r} stands in classes= but is recorded as dropped, so it is"
                f" not trained on; take it out of {config.path}, or take it up again: bash"
                f" train/active_learning_update_label_map.sh {config.path}",
                file=sys.stderr,
            )
    plan = labelled_images.plan(
        _read(config.tagged_output, "tagged"),
        _read(config.test_output, "test"),
        _read(config.data_dir / "images.csv", "images"),
        _read(config.data_dir / "failed.csv", "failed"),
        classes=classes,
        renamed=state.classes["renamed"],
        dropped=state.classes["dropped"],
        config=config,
        greys=state.greys,
        where=_where(store, state),
    )
    write_label_map(config.label_map_path, classes, retired_from(classes, previous))
    if (
        config.tile
        and (times := labelled_images.enlarged_in_tiles(plan, config.max_tile_size)) > _MUCH_LARGER
    ):
        print(
            f"warning: tile=True: objects are {times:.1f} times as large in the tiles that are"
            " predicted as in the whole images that are trained on; label pictures cut to"
            f" {config.max_tile_size} pixels, or set tile=False in {config.path}",
            file=sys.stderr,
        )
    if said := labelled_images.fuller_than(plan, config.max_detections):
        print(f"warning: {said} ({config.path})", file=sys.stderr)
    if reshaped := labelled_images.of_other_shape(plan):
        print(
            f"warning: {len(reshaped)} images have another shape now than when they were labelled"
            f" ({', '.join(reshaped[:3])}{', …' if len(reshaped) > 3 else ''}), so their boxes lie"
            " wrong; label them again",
            file=sys.stderr,
        )
    write_bytes(
        config.validation_output,
        tables.to_csv("tagged", plan.parts["validation"], config.user_folders),
    )

    silence()
    # loads TensorFlow, which takes seconds: what is wrong with the labels has been said by now
    from train.network import (
        records,
    )

    document = records.up_to_date(plan, config.tf_record_location)
    unchanged = document is not None
    document = document or records.write_records(
        plan,
        config.tf_record_location,
        lambda image: image_path(container, config.image_dir, image),
    )
    _report(document)
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
    print(
        f"{images} images, {boxes} boxes {'unchanged in' if unchanged else '→'}"
        f" {records.records_file(config.tf_record_location)}"
        f" ({len(document['train']['shards']) + len(document['validation']['shards'])} files)"
    )


def _read(path: Path, table: str):
    return tables.parse(table, path) if path.exists() else tables.empty(table)


def _where(store: LabelStore, state: State) -> str:
    return f"{state.blob('tagged') or 'tagged'} in {store.container.address}"


def _report(document: dict) -> None:
    counts = {part: document[part] for part in PARTS}
    print(counts_table(counts))
    height, width = document["canvas"]
    print(f"the model sees images fitted into {width} x {height} pixels")
    skipped = document["skipped"]
    for number, what in (
        (skipped["gone"], "labelled images are not in the image container any more: skipped"),
        (
            skipped["failed"],
            "labelled images cannot be read (they are in the failed table): skipped",
        ),
        (skipped["boxes_without_area"], "boxes without area: left out"),
        *(
            (number, f"boxes of the dropped class {name!r}: left out")
            for name, number in skipped["boxes_of_dropped_classes"].items()
        ),
    ):
        if number:
            print(f"{number} {what}")
    for image, reason in skipped["undecodable"].items():
        print(f"warning: {image}: {reason}; skipped", file=sys.stderr)
    for line in labelled_images.warnings(counts):
        print(f"warning: {line}", file=sys.stderr)
    if not document["validation_usable"]:
        print(
            f"no best checkpoint can be chosen ({document['validation_note']}): the last one will"
            " be exported"
        )


if __name__ == "__main__":
    run_program(main)
