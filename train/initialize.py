"""Begins a project or takes in new images: syncs the images, reads their sizes and times, puts new
ones on the list to tag.

For strategies that compare images it publishes what they look like to the pretrained backbone, as
long as there is no model of ours.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "example: python train/initialize.py config.ini   (run it again whenever there are new"
        " images)",
    )
    parser.add_argument("config", type=Path, help="config.ini")
    parser.add_argument(
        "--moved",
        action="store_true",
        help="the images lie in another container now: the one that config.ini names",
    )
    parser.add_argument(
        "--as-new",
        action="store_true",
        help="images that have another name or folder now are new ones, and lose their labels",
    )
    parser.add_argument(
        "--other-images",
        action="store_true",
        help="all (or nearly all) pictures were replaced by others, on purpose",
    )
    options = parser.parse_args(argv)
    config = load_config(options.config)

    from train.cycle.shortlisting import publish_shortlist
    from train.prediction.first_embeddings import describe_images
    from utils.config.checkpoints import missing_checkpoint
    from utils.labels.class_names import differing_classes
    from utils.labels.image_tables import unreadable_in_words
    from utils.labels.label_map import (
        label_map_for,
        previous_label_map,
        retired_from,
        write_label_map,
    )
    from utils.labels.same_images import refuse_other_images
    from utils.labels.store import open_labels
    from utils.labels.taking_in import take_in
    from utils.storage.sync import bring_images, list_images
    from utils.strategies import STRATEGIES

    names = config.need("classes")
    container, store = open_labels(config, moved=options.moved)
    state = store.read(report_foreign=True)
    previous = previous_label_map(store, state)
    classes = label_map_for(names, previous, state.classes["dropped"], state.classes["renamed"])
    write_label_map(config.label_map_path, classes, retired_from(classes, previous))

    if differing := differing_classes(store.table(state, "tagged"), names, state.classes):
        say(f"warning: {differing}", error=True)
    if missing := missing_checkpoint(config):
        say(f"warning: {missing}", error=True)

    listing = list_images(container, config.filetype, config.user_folders)
    if not options.other_images:
        refuse_other_images(container, store, state, listing)
    listing, brought = bring_images(container, config, listing=listing)
    there = {name for name, _ in [*listing.refused, *brought.failed]}
    headers = {}
    state, counts = take_in(
        config, container, store, listing, headers, present=there, as_new=options.as_new
    )
    for line in unreadable_in_words(headers):
        say(line, error=True)
    for line in [*counts.moves.lines(), *counts.seen.lines()]:
        say(line)
    if state.greys.ranges:
        say(state.greys.in_words())
    if STRATEGIES[config.selection_strategy].differs and (
        described := describe_images(config, container, store)
    ):
        say(described)
    if said := publish_shortlist(config, store):
        say(said)
    say(
        f"{counts.all} images ({counts.new} new, {counts.failed} failed) →"
        f" {state.blob('totag') or state.blob('failed')}"
    )
    return 0 if counts.usable else 1


if __name__ == "__main__":
    run_program(main)
