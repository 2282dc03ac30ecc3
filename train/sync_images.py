"""Step 1 of a training cycle: brings the images here, reads the sizes of new ones, and writes the
labels as they are now to data_dir.
"""

import _repo_root  # noqa: F401

# isort: split

from datetime import UTC, datetime
from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> int:
    parser = Parser(__doc__, "example: python train/sync_images.py config.ini")
    parser.add_argument("config", type=Path, help="config.ini")
    parser.add_argument(
        "--pred-dir",
        action="store_true",
        help="only the images below pred_dir, for predicting without training",
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config)

    from train.network.machines import left_to_the_chief

    if left_to_the_chief():
        return 0

    from train.cycle import alone
    from train.cycle.files import begin_cycle
    from train.cycle.news import nothing_new
    from utils.files import write_bytes
    from utils.labels import tables
    from utils.labels.image_tables import (
        keep_greys,
        project_greys,
        unreadable_in_words,
        update_image_tables,
    )
    from utils.labels.replaced import note_listing
    from utils.labels.same_images import refuse_other_images
    from utils.labels.store import open_labels
    from utils.storage.sync import bring_images, list_images
    from utils.times import utc_text

    pred_dir = config.pred_dir if arguments.pred_dir else None
    started = datetime.now(UTC)
    container, store = open_labels(config)
    alone.take(config.data_dir)
    state = store.read_project()
    listing = list_images(container, config.filetype, config.user_folders, pred_dir)
    if pred_dir is None:
        refuse_other_images(container, store, state, listing)
    labelled = tables.image_set(store.table(state, "tagged"))
    listing, result = bring_images(container, config, pred_dir, listing, labelled)
    headers = {}
    images, failed = update_image_tables(
        container,
        listing,
        config.image_dir,
        store.table(state, "images"),
        store.table(state, "failed"),
        headers=headers,
        since=state.document.get("looked_at"),
    )
    for line in unreadable_in_words(headers):
        say(line, error=True)
    greys = project_greys(state, container, config.image_dir, images, headers)
    if greys != state.greys:
        keep_greys(store, greys)
        say(greys.in_words())
    state, seen = note_listing(store, state, images)
    replaced = tables.image_set(store.table(state, "replaced"))

    outputs = {
        "images": config.data_dir / "images.csv",
        "failed": config.data_dir / "failed.csv",
        "tagged": config.tagged_output,
        "tagging": config.tagging_output,
        "test": config.test_output,
    }
    written = {
        "images": images,
        "failed": failed,
        "tagging": store.table(state, "tagging"),
        **{name: tables.without(store.table(state, name), replaced) for name in ("tagged", "test")},
    }
    for name, path in outputs.items():
        write_bytes(path, tables.to_csv(name, written[name], config.user_folders))
    begin_cycle(
        config,
        base=state.commit,
        base_tables=state.document["tables"],
        started_at=utc_text(started),
        listed=len(listing.blobs),
        class_changes=len(state.classes.get("changes", [])),
        pred_dir=pred_dir,
        nothing_new=nothing_new(config, store, state, images),
    )
    if left_out := replaced & tables.image_set(store.table(state, "tagged")):
        say(
            f"{len(left_out)} labelled images are other pictures now than when they were labelled"
            f" ({len(seen)} of them new); left out until somebody has looked at them again"
            " (download_vott_json.py N CONFIG --review)"
        )
    labelled = len(tables.image_set(written["tagged"]))
    say(
        f"{len(listing.blobs)} images ({result.downloaded} fetched, {len(failed)} failed),"
        f" {labelled} labelled → {outputs['images']}"
    )
    return 0 if len(images) else 1


if __name__ == "__main__":
    run_program(main)
