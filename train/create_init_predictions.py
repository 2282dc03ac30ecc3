"""Runs the pretrained model of the cold start over all images that nobody has, and publishes what
it found as init_totag.

Classes are the model's ids as text; a class map gives them names when images are handed out
(init_pred_desription.md).
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from train.prediction.batches import BATCH_SIZE
from utils.arguments import Parser, whole_number
from utils.config import load_config
from utils.errors import InputError, run_program
from utils.terminal import say

_ALL_IDS = {number: str(number) for number in range(1, 10_000)}
_IDS = {text: number for number, text in _ALL_IDS.items()}


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__,
        "example: python train/create_init_predictions.py config.ini   (after fetch_init_model.py)",
    )
    parser.add_argument("config", type=Path, help="config.ini")
    parser.add_argument(
        "--batch-size",
        type=whole_number,
        default=BATCH_SIZE,
        help="images per run of the model (default %(default)s)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="predict every image, also those that have not changed since the last time",
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config)

    from train.cycle.shortlisting import publish_shortlist
    from train.prediction.init_model import init_model
    from train.prediction.journal import PredictionJournal
    from train.prediction.outputs import write_predictions
    from train.prediction.run import model_key, predict_images, published_key, seed_journal
    from utils.images.decoding import BadImage
    from utils.labels import tables
    from utils.labels.model_classes import (
        init_classes,
        read_model_classes,
        renumbered,
        with_names,
        with_numbers,
    )
    from utils.labels.pool import pool_of
    from utils.labels.state import Change, State
    from utils.labels.store import open_labels
    from utils.labels.tables import image_set
    from utils.reserved import NULL

    names = read_model_classes(config.init_label_map)
    container, store = open_labels(config)
    model = init_model(config)
    state = store.read()
    images = tables.only(store.table(state, "images"), image_set(pool_of(store, state)))
    if not len(images):
        raise InputError(
            f"{store.container.address}: there is no image that nobody has; every one is tagged,"
            " handed out or unreadable"
        )
    journal_file, output = (
        config.data_dir / "init_predictions.journal",
        config.data_dir / "init_predictions.csv",
    )
    if arguments.force:
        journal_file.unlink(missing_ok=True)
    key = model_key(model, config, state.greys)
    with PredictionJournal(journal_file, key) as journal:
        if not arguments.force:
            seed_journal(
                journal,
                store.table(state, "init_totag"),
                # once predictions were imported, the numbers in init_totag are not the model's
                store.table(state, "init_predicted")[: 0 if renumbered(state) else None],
                key,
                _IDS,
                config.min_confidence,
            )
        run = predict_images(
            config,
            container,
            images,
            model,
            journal,
            lambda blob: config.min_confidence,
            arguments.batch_size,
            greys=state.greys,
        )
        bad = {blob: str(found) for blob, found in run.entries() if isinstance(found, BadImage)}
        if len(bad) + len(run.gone) == len(images):
            raise InputError(
                f"none of {len(images)} images could be predicted; the first:"
                f" {next(iter([*bad.items(), *run.gone]))}"
            )
        write_predictions(output, images, run.entries(), _ALL_IDS, config.user_folders)
    predictions = tables.parse("init_totag", output)
    seen = image_set(predictions)
    of_seen = tables.only(images, seen)
    predicted = tables.make(
        "init_predicted",
        filename=of_seen["filename"],
        folder=of_seen["folder"],
        etag=of_seen["etag"],
        model=[published_key(key, config.min_confidence, _IDS)] * len(of_seen),
    )

    undecodable = tables.only(images, bad)
    undecodable = tables.make(
        "failed",
        filename=undecodable["filename"],
        folder=undecodable["folder"],
        etag=undecodable["etag"],
        reason=tables.blob_names(undecodable).map(bad),
    )

    def change(now: State) -> Change:
        """The new predictions; images that were not predicted now keep what an earlier run found.
        Those that cannot be decoded fail, unless they have changed or somebody has them by now.
        """
        present = {
            table: store.table(now, table)
            for table in ("images", "failed", "init_totag", "init_predicted")
        }
        listed = tables.only(present["images"], image_set(pool_of(store, now)))
        etags = dict(zip(tables.blob_names(listed), listed["etag"], strict=True))
        failed = undecodable[tables.blob_names(undecodable).map(etags) == undecodable["etag"]]
        broken = image_set(failed)
        rows, members = predictions, {}
        if renumbered(now):
            numbers = with_names(init_classes(now, config.init_label_map), names.values())
            rows = with_numbers(predictions, names, numbers)
            members["init_classes"] = {str(number): name for number, name in numbers.items()}
        changed = {
            table: tables.concat(table, tables.without(present[table], seen | broken), new)
            for table, new in (("init_totag", rows), ("init_predicted", predicted))
        }
        if broken:
            changed |= {
                "images": tables.without(present["images"], broken),
                "failed": tables.concat("failed", present["failed"], failed),
            }
        return Change(changed, members)

    state, _ = store.commit(change, what="publishing the pretrained model's predictions")
    boxes = predictions[predictions["class"] != NULL]
    images_of = boxes.drop_duplicates(["folder", "filename", "class"])["class"].value_counts()
    for identity, count in boxes["class"].value_counts().items():
        say(
            f"{identity:>5}  {names.get(int(identity), '(not in init_label_map)'):20} {count} boxes"
            f" in {images_of[identity]} images"
        )
    if bad:
        say(
            f"{len(bad)} images cannot be decoded and are listed as failed, for example"
            f" {next(iter(bad))} ({next(iter(bad.values()))})"
        )
    if said := publish_shortlist(config, store):
        say(said)
    say(
        f"{len(seen)} images ({run.predicted} predicted now), {len(boxes)} boxes →"
        f" {state.blob('init_totag')}"
    )


if __name__ == "__main__":
    run_program(main)
