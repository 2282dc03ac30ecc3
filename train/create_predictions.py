"""Runs a model over all images: step 6 of a cycle, with the model that it exported, or with the one
that fetch_model.py has fetched.

Images that nobody has reviewed go to untagged_output, reviewed ones to tagged_predictions, the test
images (from 0.01 up, whatever min_confidence is) to test_predictions.csv in data_dir. What cannot
be decoded moves from images.csv to failed.csv. Images that this model has predicted before, and
that have not changed since, are not predicted again; on a new machine neither are labelled ones,
whose predictions nobody needs any more. In the same pass the model's embedding of every image (else
a perceptual hash) goes to embeddings.parquet in data_dir, for choosing images that differ.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from train.prediction.batches import BATCH_SIZE
from utils.arguments import Parser, whole_number
from utils.config import load_config
from utils.errors import InputError, run_program
from utils.strategies import STRATEGIES
from utils.terminal import say


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__, "example: python train/create_predictions.py config.ini   (after export_model.py)"
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
    parser.add_argument(
        "--test-only", action="store_true", help="only the test images, for measuring a model"
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config)

    from train.cycle.files import (
        JOURNAL_FILE,
        read_cycle,
        read_working,
        update_cycle,
        validation_of,
        working_path,
        write_working,
    )
    from train.cycle.model import model_of_cycle
    from train.prediction.embedding_file import FILE, EmbeddingFile
    from train.prediction.journal import PredictionJournal
    from train.prediction.outputs import EVALUATED_FROM, Outputs, failed_rows
    from train.prediction.run import model_key, predict_images, published_key, seed_journal
    from utils.boxes.detections import Detections
    from utils.disk import room
    from utils.labels import tables
    from utils.labels.store import open_labels
    from utils.labels.tables import image_set
    from utils.selection.embeddings import published_embeddings

    images = read_working(config, "images")
    failed = read_working(config, "failed")
    test = image_set(read_working(config, "test"))
    # of these also what the model is unsure of is needed: their truth is known
    checked = test | image_set(validation_of(config))
    wanted = tables.only(images, test) if arguments.test_only else images
    container, store = open_labels(config)
    state = store.read()
    model, names = model_of_cycle(config, state.classes)
    key = model_key(model, config, state.greys)
    mirror = STRATEGIES[config.selection_strategy].needs_mirror
    journal_file = config.data_dir / JOURNAL_FILE
    if arguments.force:
        journal_file.unlink(missing_ok=True)

    present = None if arguments.force else published_embeddings(store, state)
    ours = present is not None and present.model == key
    embeddings_stand = (
        present.basis.serves(len(wanted))
        if ours
        else present is not None or not state.live.get("embeddings")
    )
    etags = dict(zip(tables.blob_names(wanted), wanted["etag"], strict=True))
    done_with: set[str] = set()  # labelled images whose embeddings are published
    with PredictionJournal(journal_file, key) as journal:
        # how mirror images differ is not known of what was published
        if not arguments.force and not mirror and embeddings_stand:
            seed_journal(
                journal,
                store.table(state, "totag"),
                store.table(state, "predicted"),
                key,
                {name: number for number, name in names.items()},
                config.min_confidence,
            )
            if ours:
                done_with = (
                    image_set(store.table(state, "tagged")) - checked - journal.done.keys()
                ) & present.current(etags)
                wanted = tables.without(wanted, done_with)
        run = predict_images(
            config,
            container,
            wanted,
            model,
            journal,
            lambda blob: (
                min(EVALUATED_FROM, config.min_confidence)
                if blob in checked
                else config.min_confidence
            ),
            arguments.batch_size,
            mirror,
            greys=state.greys,
        )
        embeddings = EmbeddingFile(config.data_dir / FILE, key, present)
        outputs = Outputs(
            config,
            images,
            names,
            reviewed=image_set(read_working(config, "tagged")),
            checked=checked,
            tested=working_path(config, "test_predictions"),
        )
        with room(config.data_dir), outputs, embeddings:
            for blob, found in run.entries():
                outputs.add(blob, found)
                if isinstance(found, Detections):
                    embeddings.add(blob, found, etags[blob])
            embedded = embeddings.finish(set(etags) - outputs.bad.keys() - run.gone)
            if len(wanted) and not outputs.predicted:
                raise InputError(
                    f"none of {len(wanted)} images could be predicted; the first:"
                    f" {', '.join(outputs.examples(run.gone))}"
                )
    unusable = outputs.bad.keys() | run.gone
    undecodable = failed_rows(images, outputs.bad)
    failed = tables.concat("failed", tables.without(failed, unusable), undecodable)
    write_working(config, "failed", failed)
    images = tables.without(images, unusable)
    write_working(config, "images", images)
    predicted = tables.without(tables.only(wanted, image_set(images)), outputs.reviewed)
    predicted = tables.make(
        "predicted",
        filename=predicted["filename"],
        folder=predicted["folder"],
        etag=predicted["etag"],
        model=[published_key(key, config.min_confidence, names.values())] * len(predicted),
    )
    write_working(config, "predicted", predicted)

    update_cycle(
        config,
        predicted={
            "images": outputs.predicted,
            "boxes": outputs.boxes,
            "failed": len(outputs.bad),
            "new": run.predicted,
            "embedded": embedded,
        },
        durations={
            **read_cycle(config).get("durations", {}),
            "create_predictions": round(run.seconds, 1),
        },
    )
    if outputs.bad:
        say(
            f"{len(outputs.bad)} images cannot be decoded, they are listed in"
            f" {working_path(config, 'failed')}: {', '.join(outputs.examples())}"
        )
    if run.gone:
        say(
            f"{len(run.gone)} images are gone or were replaced since the sync, or cannot be read"
            " now: left out"
        )
    if outputs.foreign:
        say(
            f"{outputs.foreign} boxes of classes that are not in classes of {config.path}: left out"
        )
    new = f"{run.predicted} predicted now" + (
        f" ({run.predicted / run.seconds:.1f} images/s)" if run.predicted else ""
    )
    if done_with:
        say(
            f"{len(done_with)} labelled images were predicted on another machine: left out (--force"
            " predicts them)"
        )
    say(
        f"{outputs.predicted} images, {outputs.boxes} boxes from {config.min_confidence:g} up,"
        f" {new} → {config.untagged_output}"
    )


if __name__ == "__main__":
    run_program(main)
