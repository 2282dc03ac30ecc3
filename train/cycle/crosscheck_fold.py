"""One fold of a cross-check: a model is trained without its images, then looks at them. Loads
TensorFlow.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import tf_keras

from train.cycle.model import is_published
from train.cycle.training_run import make_run
from train.network import export, pretrained_weights, records, training
from train.network.device import choose_device
from train.network.labelled_images import Plan
from train.network.model_weights import ENDING
from train.network.quiet import without_notes
from train.prediction.journal import PredictionJournal
from train.prediction.outputs import EVALUATED_FROM, write_predictions
from train.prediction.run import model_key, predict_images
from utils.config import Config
from utils.disk import room
from utils.errors import InputError
from utils.files import write_beside
from utils.labels.store import open_labels
from utils.storage.container import Container


def judge(
    config: Config,
    container: Container,
    plan: Plan,
    images: pd.DataFrame,
    folder: Path,
    found: Path,
    *,
    iterations: int | str,
    path_of: Callable[[str], Path],
) -> None:
    """Train a model on the plan, with its files in `folder`, let it look at `images` (rows of that
    table), and write what it finds to the file `found`, a totag CSV. Goes on where it was.
    """
    with room(folder.parent):
        record, run = _trained(config, plan, folder, iterations, path_of)
        model = folder / "model.pb"
        _export(run.settings, record["checkpoint"], model)
        key = model_key(model, config, plan.greys)
        with PredictionJournal(folder / "predictions.journal", key) as journal:
            looked_at = predict_images(
                config,
                container,
                images,
                model,
                journal,
                lambda blob: EVALUATED_FROM,
                greys=plan.greys,
            )
            names = {number: name for name, number in plan.classes.items()}
            entries = looked_at.entries()
            write_predictions(found, images, entries, names, config.user_folders)
    tf_keras.backend.clear_session()  # the next model begins with the memory of none


def _trained(config: Config, plan: Plan, folder: Path, iterations: int | str, path_of):
    """The finished training run: its record, and its settings."""
    start = _start(config)
    place = folder / "records" / "images.record"
    if records.up_to_date(plan, place) is None:
        records.write_records(plan, place, path_of)
    read = records.read_records(place)
    device = choose_device()
    run = make_run(config, read, device, start, iterations)
    with records.whole_records(place):
        record = training.train(
            run,
            device,
            folder / "train",
            lambda model: pretrained_weights.load(model, start, run.settings.classes),
        )
    return record, run


def _start(config: Config) -> pretrained_weights.Start:
    """The weights to begin with: never those of a model of this project, which knows the labels."""
    start = pretrained_weights.choose_start(
        config.model_name, config.fine_tune_checkpoint, config.tf_url, config.download_location
    )
    own = config.train_dir.resolve()
    trained_here = start.prefix and Path(start.prefix).resolve().is_relative_to(own)
    if trained_here or _published_here(config):
        raise InputError(
            f"{start.said}: a model of this project, which was trained on these labels and cannot"
            f" judge them; name other weights as fine_tune_checkpoint in {config.path}"
        )
    return start


def _published_here(config: Config) -> bool:
    """Whether fine_tune_checkpoint is the file of a model that this project has published."""
    file = Path(config.fine_tune_checkpoint or "")
    if file.suffix != ENDING or not file.is_file():
        return False
    _, store = open_labels(config)
    return is_published(store, store.read(), file)


def _export(settings, checkpoint: str, target: Path) -> None:
    """The network as a frozen graph; not made anew when it is there, so that its digest stays."""
    if target.exists():
        return
    model = export.restore(settings, checkpoint)
    with without_notes():
        definition = export.freeze(export.serving_function(model, settings), settings)
    with write_beside(target) as piece:
        piece.write_bytes(definition.SerializeToString())
