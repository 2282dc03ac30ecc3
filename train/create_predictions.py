"""Runs a model over all images: step 6 of a cycle, with the model that it exported, or with the one
that fetch_model.py has fetched.

Images that nobody has reviewed go to untagged_output, reviewed ones to tagged_predictions, the test
images (from 0.01 up, whatever min_confidence is) to test_predictions.csv in data_dir. What cannot
be decoded moves from images.csv to failed.csv. Images that this model has predicted before, and
that have not changed since, are not predicted again; on a new machine neither are labelled ones,
whose predictions nobody needs any more. In the same pass the model's embedding of every image (else
a perceptual hash) goes to embeddings.parquet in data_dir, for choosing images that differ.
"""

import _repo_root  # noqa: F401, I001

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from train.cycle.model import model_of_cycle
from train.prediction.embedding_file import FILE, EmbeddingFile
from train.prediction.journal import Found, PredictionJournal
from train.prediction.run import BATCH_SIZE, model_key, predict_images, published_key, seed_journal
from utils.labels import tables
from utils.arguments import Parser, whole_number
from utils.config import Config, load_config
from train.cycle.files import read_cycle, update_cycle
from utils.boxes.detections import Detections, totag_rows
from utils.selection.embeddings import published_embeddings
from utils.errors import InputError, run_program
from utils.files import write_beside, write_bytes
from utils.images.decoding import BadImage
from utils.labels.store import open_labels
from utils.labels.tables import image_set

EVALUATED_FROM = 0.01  # evaluation needs the unsure detections too
_SHOWN = 5  # bad images in a message
_IMAGES_AT_ONCE = 500  # whose rows are written together


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
    images = table_of_cycle("images", config.data_dir / "images.csv", "sync_images.py")
    failed = table_of_cycle("failed", config.data_dir / "failed.csv", "sync_images.py")
    test = image_set(table_of_cycle("test", config.test_output, "sync_images.py"))
    wanted = tables.only(images, test) if arguments.test_only else images
    container, store = open_labels(config)
    state = store.read()
    model, names = model_of_cycle(config, state.classes)
    key, mirror = model_key(model, config), config.selection_strategy == "disagreement"
    journal_file = config.data_dir / "predictions.journal"
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
                    image_set(store.table(state, "tagged")) - test - journal.done.keys()
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
                if blob in test
                else config.min_confidence
            ),
            arguments.batch_size,
            mirror,
        )
        embeddings = EmbeddingFile(config.data_dir / FILE, key, present)
        with Outputs(config, images, names) as outputs, embeddings:
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
    write_bytes(
        config.data_dir / "failed.csv",
        tables.to_csv(
            "failed",
            tables.concat(
                "failed", tables.without(failed, unusable), _failed_rows(images, outputs.bad)
            ),
            config.user_folders,
        ),
    )
    images = tables.without(images, unusable)
    write_bytes(
        config.data_dir / "images.csv", tables.to_csv("images", images, config.user_folders)
    )
    predicted = tables.without(tables.only(wanted, image_set(images)), outputs.reviewed)
    predicted = tables.make(
        "predicted",
        filename=predicted["filename"],
        folder=predicted["folder"],
        etag=predicted["etag"],
        model=[published_key(key, config.min_confidence, names.values())] * len(predicted),
    )
    write_bytes(
        config.data_dir / "predicted.csv",
        tables.to_csv("predicted", predicted, config.user_folders),
    )

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
        print(
            f"{len(outputs.bad)} images cannot be decoded, they are listed in"
            f" {config.data_dir / 'failed.csv'}: {', '.join(outputs.examples())}"
        )
    if run.gone:
        print(f"{len(run.gone)} images are gone since the sync: left out")
    if outputs.foreign:
        print(
            f"{outputs.foreign} boxes of classes that are not in classes of {config.path}: left out"
        )
    new = f"{run.predicted} predicted now" + (
        f" ({run.predicted / run.seconds:.1f} images/s)" if run.predicted else ""
    )
    if done_with:
        print(
            f"{len(done_with)} labelled images were predicted on another machine: left out (--force"
            " predicts them)"
        )
    print(
        f"{outputs.predicted} images, {outputs.boxes} boxes from {config.min_confidence:g} up,"
        f" {new} → {config.untagged_output}"
    )


def table_of_cycle(table: str, path: Path, step: str) -> pd.DataFrame:
    """A working file of the cycle. Raises InputError naming the step that writes it when it is not
    there, or cut short.
    """
    if not path.exists():
        raise InputError(
            f"{path}: not there; {step} writes it, so run the steps of"
            " train/active_learning_train.sh in their order"
        )
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 1))
        if file.read() != b"\n":
            raise InputError(
                f"{path}: cut short; run the steps of train/active_learning_train.sh again, from"
                f" {step}"
            )
    return tables.parse(table, path)


def write_predictions(
    path: Path,
    images: pd.DataFrame,
    entries: Iterable[tuple[str, Found]],
    names: dict[int, str],
    user_folders: bool,
) -> None:
    """A totag CSV of what was found in `images`; those that cannot be decoded are left out."""
    sizes = dict(
        zip(
            tables.blob_names(images),
            zip(images["height"], images["width"], strict=True),
            strict=True,
        )
    )
    with _TableFile(path, names, user_folders) as file:
        for blob, found in entries:
            if isinstance(found, Detections):
                file.add(blob, *sizes[blob], found)


class Outputs:
    """The three files of predictions, written while the images come in; they replace the old ones
    together, when all is done.
    """

    def __init__(self, config: Config, images: pd.DataFrame, names: dict[int, str]):
        self._config, self._names = config, names
        self._sizes = dict(
            zip(
                tables.blob_names(images),
                zip(images["height"], images["width"], strict=True),
                strict=True,
            )
        )
        self.reviewed, self._test = (
            image_set(table_of_cycle(table, path, "sync_images.py"))
            for table, path in (("tagged", config.tagged_output), ("test", config.test_output))
        )
        self.predicted = self.boxes = self.foreign = 0
        self.bad: dict[str, str] = {}

    def __enter__(self):
        with ExitStack() as stack:
            self._untagged, self._tagged, self._tested = (
                stack.enter_context(_TableFile(path, self._names, self._config.user_folders))
                for path in (
                    self._config.untagged_output,
                    self._config.tagged_predictions,
                    self._config.data_dir / "test_predictions.csv",
                )
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def add(self, blob: str, outcome: Found) -> None:
        """Take in what became of one image."""
        if isinstance(outcome, BadImage):
            self.bad[blob] = str(outcome)
        else:
            sure = outcome.at_least(self._config.min_confidence)
            kept = sure.of_classes(self._names)
            self.predicted += 1
            self.boxes += len(kept)
            self.foreign += len(sure) - len(kept)
            (self._tagged if blob in self.reviewed else self._untagged).add(
                blob, *self._sizes[blob], kept
            )
            if blob in self._test:
                self._tested.add(blob, *self._sizes[blob], outcome.at_least(EVALUATED_FROM))

    def examples(self, gone: Iterable[str] = ()) -> list[str]:
        """The first bad images, for people; behind them the first of those that are gone."""
        named = [f"{blob} ({reason})" for blob, reason in list(self.bad.items())[:_SHOWN]]
        return (
            named
            + [f"{blob} (gone)" for blob in sorted(gone)[: _SHOWN - len(named)]]
            + ["…"] * (len(self.bad) > _SHOWN)
        )


class _TableFile:
    """A totag CSV that grows by batches beside its final place, so that memory does not grow with
    the number of images.
    """

    def __init__(self, path: Path, names: dict[int, str], user_folders: bool):
        self._path, self._names, self._user_folders = path, names, user_folders
        self._waiting: list[tuple[str, int, int, Detections]] = []

    def __enter__(self):
        self._beside = write_beside(self._path)
        self._file = self._beside.__enter__().open("wb")
        self._file.write(tables.to_csv("totag", tables.empty("totag"), self._user_folders))
        return self

    def __exit__(self, *error):
        try:
            if error[0] is None:
                self._write()
        finally:
            self._file.close()
        return self._beside.__exit__(*error)

    def add(self, blob: str, height: int, width: int, detections: Detections) -> None:
        self._waiting.append((blob, height, width, detections))
        if len(self._waiting) >= _IMAGES_AT_ONCE:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            rows = totag_rows(self._waiting, self._names)
            # without the header
            self._file.write(tables.to_csv("totag", rows, self._user_folders).split(b"\n", 1)[1])
            self._waiting.clear()


def _failed_rows(images: pd.DataFrame, bad: dict[str, str]) -> pd.DataFrame:
    rows = tables.only(images, bad)
    return tables.make(
        "failed",
        filename=rows["filename"],
        folder=rows["folder"],
        etag=rows["etag"],
        reason=tables.blob_names(rows).map(bad),
    )


if __name__ == "__main__":
    run_program(main)
