"""The real training of one labelled set, in a process of its own, so that memory does not grow over
many of them.

Records, the training loop and the network are those of a cycle; there is no validation part, so the
model of the last step counts.
"""

import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Sequence
from multiprocessing.context import BaseContext
from pathlib import Path

import numpy as np
import pandas as pd

from train.network.forks import may_fork
from train.network.labelled_images import Plan
from train.network.quiet import silence
from train.simulation.outcomes import DataSet, Recipe
from utils.boxes.detections import Detections, from_tensorflow_batch
from utils.errors import InputError, OutsideError, Unreadable, one_line
from utils.files import write_bytes, write_text
from utils.images.decoding import BadImage
from utils.labels import tables
from utils.labels.tables import blob_names

_BATCH = 8
_FOUND, _ERROR = "found.pickle", "error.txt"
_WRONG_INPUT = 2
_FEWEST_THREADS = 2  # fewer would leave a core without work while a step waits
_MEMORY = 3 << 30  # bytes of one training


class ChildTrainer:
    """A Trainer (trained_sets.py): each training is a child process, which goes on where it was if
    it was interrupted.
    """

    def __init__(self, data: DataSet, recipe: Recipe, weights: Path, threads: int):
        self._data, self._recipe, self._weights, self._threads = data, recipe, weights, threads
        self._processes = _processes()

    def __call__(
        self, rows: pd.DataFrame, seed: int, names: list[str], mirror: bool, work: Path
    ) -> dict[str, Detections]:
        work.mkdir(parents=True, exist_ok=True)
        (work / _ERROR).unlink(missing_ok=True)
        child = self._processes.Process(
            target=_in_child,
            args=(
                self._data,
                self._recipe,
                self._weights,
                self._threads,
                rows,
                seed,
                names,
                mirror,
                work,
            ),
        )
        child.start()
        try:
            child.join()
        except KeyboardInterrupt:  # the child was told too, and saves where it is
            child.join()
            raise
        if child.exitcode:
            said = work / _ERROR
            if said.is_file():
                raise (InputError if child.exitcode == _WRONG_INPUT else OutsideError)(
                    said.read_text(encoding="utf-8")
                )
            raise OutsideError(
                f"the training of {len(tables.image_set(rows))} images ended with code"
                f" {child.exitcode}; its log is {work}/log.txt. Run the same command again to go on"
            )
        return pickle.loads((work / _FOUND).read_bytes())


def side_by_side(threads: int, projects: int) -> tuple[int, int]:
    """(trainings at once, threads of each): as many as there are cores and memory for, none of them
    with less than `threads` (0: two) threads.
    """
    cores = os.cpu_count() or 1
    at_once = max(
        1, min(projects, cores // (threads or _FEWEST_THREADS), _free_memory() // _MEMORY)
    )
    return at_once, threads or (cores // at_once if at_once > 1 else 0)


def _free_memory() -> int:
    """Bytes that are available; unknown but on Linux, and then enough for one training."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return _MEMORY
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def _processes() -> BaseContext:
    """How child processes are started: as forks of one that has loaded TensorFlow, or each loads
    it.
    """
    if not may_fork():
        return multiprocessing.get_context("spawn")
    silence()  # it inherits the environment
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["tensorflow", "official.vision.tasks.maskrcnn", "pandas"])
    return forks


def use_threads(number: int) -> None:
    """Let TensorFlow calculate with so many threads; 0 = as many as there are cores. To be called
    before anything is calculated.
    """
    import tensorflow as tf

    if number:
        tf.config.threading.set_intra_op_parallelism_threads(number)
        tf.config.threading.set_inter_op_parallelism_threads(number)


def _in_child(*arguments) -> None:
    """_train_and_predict, what it says going to a log, and an expected failure to a file."""
    *_, work = arguments
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    log = os.open(work / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    try:
        _train_and_predict(*arguments)
    except (InputError, OutsideError) as error:
        write_text(work / _ERROR, one_line(error))
        sys.exit(_WRONG_INPUT if isinstance(error, InputError) else 1)


def _train_and_predict(
    data: DataSet,
    recipe: Recipe,
    weights: Path,
    threads: int,
    rows: pd.DataFrame,
    seed: int,
    names: list[str],
    mirror: bool,
    work: Path,
) -> None:
    silence()

    from train.network import pretrained_weights, training
    from train.network.augmentation import Augmentation
    from train.network.detector import Settings
    from train.network.device import choose_device
    from train.network.input import repeat_factors
    from train.network.records import read_records, write_records
    from train.network.run import Run
    from train.network.schedule import default_learning_rate
    from train.network.tuning import Tuning, for_few_labels
    from train.prediction.pipeline import predict

    use_threads(threads)
    settings = Settings(
        recipe.model_name,
        recipe.canvas,
        data.classes,
        freeze_backbone=recipe.freeze_backbone,
        most_boxes=data.most_boxes,
    )
    sizes = data.images.set_axis(blob_names(data.images))[["height", "width", "bytes", "etag"]]
    nothing = tables.empty("tagged")
    plan = Plan(
        classes=data.classes,
        canvas=recipe.canvas,
        seed=seed,
        parts={"train": rows, "validation": nothing, "test": nothing},
        sizes=sizes.loc[sorted(tables.image_set(rows))],
        greys=data.greys,
    )
    place = work / "records" / "images.record"
    write_records(plan, place, data.files.__getitem__)
    records = read_records(place)
    start = pretrained_weights.choose_start(
        recipe.model_name, recipe.checkpoint or None, None, weights
    )
    device = choose_device()
    part = records.train
    tuning, augmentation = (
        for_few_labels(start.prefix is not None)
        if recipe.few_labels
        else (Tuning(), Augmentation())
    )
    run = Run(
        settings=settings,
        augmentation=augmentation,
        digest=records.digest,
        shards=[str(shard) for shard in part.shards],
        images=part.images,
        repeats=repeat_factors(part.images_of_class, part.empty if tuning.balance_empty else 0),
        validation_shards=[],
        validation_batches=0,
        iterations=recipe.steps,
        batch_size=recipe.batch_size,
        learning_rate=default_learning_rate(recipe.batch_size),
        seed=seed,
        start=start.said,
        tuning=tuning,
    )
    record = training.train(run, device, work, lambda model: pretrained_weights.load(model, start))
    detector = _Network(settings, record["checkpoint"])
    found = {}
    for name, outcome in predict(
        detector,
        ((name, data.files[name]) for name in names),
        batch_size=_BATCH,
        largest_side=max(recipe.canvas),
        mirror=mirror,
        greys=data.greys,
    ):
        if isinstance(outcome, (BadImage, Unreadable)):
            raise OutsideError(f"{data.files[name]}: {outcome}; it was readable a moment ago")
        found[name] = outcome
    write_bytes(work / _FOUND, pickle.dumps(found))


class _Network:
    """A trained network as the detector of prediction.predict."""

    def __init__(self, settings, checkpoint: str):
        from train.network import export

        self.canvas, self.inner_size = settings.canvas, None
        self._model = export.restore(settings, checkpoint)
        self._serve = export.serving_function(self._model, settings)

    def detect(self, images: np.ndarray, shown: Sequence[tuple[int, int]]) -> list[Detections]:
        import tensorflow as tf

        outputs = self._serve(image_tensor=tf.constant(images))
        return from_tensorflow_batch(
            {name: value.numpy() for name, value in outputs.items()}, self.canvas, shown
        )


def _end_with_the_parent() -> None:
    """A killed simulation leaves no training behind."""
    multiprocessing.parent_process().join()
    os._exit(1)
