"""The training loop: one run in its own folder below train_dir, which a killed process can go on
with, and whose best checkpoint stays.

train_dir/run-<fingerprint>/run.json       what the run is, its best checkpoint, whether it is
finished
                           /ckpt-*         where to go on (model, optimizer, step)
                           /best-*         the model at its best on the validation part, or last
                           /events.out.*   for TensorBoard
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import tensorflow as tf
import tf_keras
from official.vision.tasks.maskrcnn import MaskRCNNTask

from train.network import together
from train.network.arithmetic import BFLOAT16, calculating_in, first_without_notes
from train.network.augmentation import Augmentation
from train.network.detector import Settings, build_model, make_task, model_config
from train.network.ending import Ending, Limits
from train.network.input import training_dataset
from train.network.machines import Machines
from train.network.quiet import without_notes
from train.network.schedule import Rate, make_optimizer
from train.network.tuning import Tuning
from train.network.validation import Validation
from train.network.whole_batch import WholeBatchTask
from utils.errors import InputError
from utils.files import write_text
from utils.json_shape import (
    COUNT,
    NUMBER,
    OBJECT,
    TEXT,
    TRUTH,
    check_shape,
    is_hexadecimal,
    json_object,
    maybe,
    members,
    read_regular,
    that,
)
from utils.progress import progress_bar, say_beside
from utils.terminal import say

RUN_FILE = "run.json"
_BEST = members({"step": COUNT, "ap50": maybe(NUMBER)})
_RUN = members(
    {"fingerprint": TEXT, "finished": TRUTH, "settings": OBJECT, "best": maybe(_BEST)},
    started_from=TEXT,
    arithmetic=TEXT,
    seconds=NUMBER,
    exported=members({"bytes": COUNT, "md5": that(is_hexadecimal)}),
)
_FINISHED = members(
    {"best": _BEST, "digest": TEXT, "started_from": TEXT, "steps": COUNT, "batch_size": COUNT}
    | dict.fromkeys(("learning_rate", "seed", "seconds"), NUMBER)
)
_SAVE_SECONDS = 120.0
_LINE_SECONDS = 20.0


@dataclasses.dataclass(frozen=True)
class Device:
    """Where training runs. `policy` is the Keras precision policy, `said` one line about it;
    `machines`: which ones train together, None for this one alone.
    """

    strategy: tf.distribute.Strategy
    policy: str
    images_at_once: int
    said: str
    machines: Machines | None = None


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run. The fingerprint covers everything that the result depends on.

    shards, validation_shards: record files; images: number of training images; repeats: see
    training_input.repeat_factors. validation_batches: 0 = all. start: text that names the weights
    it starts from. bfloat16: whether a CPU calculates in 16 bits.
    """

    settings: Settings
    augmentation: Augmentation
    digest: str
    shards: list[str]
    images: int
    repeats: dict[int, float]
    validation_shards: list[str]
    validation_batches: int
    iterations: int
    batch_size: int
    learning_rate: float
    seed: int
    start: str
    tuning: Tuning = Tuning()
    limits: Limits = Limits()
    bfloat16: bool = False

    @property
    def fingerprint(self) -> str:
        parts = [
            self.digest,
            self.settings.as_json(),
            self.augmentation.as_parts(),
            self.iterations,
            self.batch_size,
            self.learning_rate,
            self.seed,
            self.start,
            self.validation_batches,
        ]
        later = self.tuning.as_parts() | self.limits.as_parts()
        if self.bfloat16:
            later["bfloat16"] = True
        if later:
            parts.append(later)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def for_others(self, finished: bool) -> dict:
        """What the chief tells the other machines: what comes of its weights, and by what they know
        that they train the same.
        """
        return {
            "fingerprint": self.fingerprint,
            "start": self.start,
            "freeze_backbone": self.settings.freeze_backbone,
            "tuning": dataclasses.asdict(self.tuning),
            "finished": finished,
        }

    def folder(self, train_dir: Path) -> Path:
        return train_dir / f"run-{self.fingerprint}"


def choose_device(machines: Machines | None = None) -> Device:
    """All GPUs of this machine, else the CPU; of all `machines` when several train together. Then
    it waits for the others, and nothing may have been calculated before.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return device_of(
        {
            f"GPU:{number}": (
                tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
            )
            for number, gpu in enumerate(gpus)
        },
        machines,
    )


def device_of(gpus: dict[str, str], machines: Machines | None = None) -> Device:
    """How to train on these GPUs, {TensorFlow's name: what it is}: in 16-bit arithmetic; on the CPU
    when there is none.
    """
    said = device_text(list(gpus.values()))
    if machines is not None:
        with without_notes():
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        policy, images = ("mixed_float16", 8) if gpus else ("float32", 4)
        at_once = images * strategy.num_replicas_in_sync
        return Device(strategy, policy, at_once, f"{machines.said}: {said}", machines)
    if gpus:
        strategy = (
            tf.distribute.MirroredStrategy(list(gpus))
            if len(gpus) > 1
            else tf.distribute.get_strategy()
        )
        return Device(strategy, "mixed_float16", 8 * len(gpus), said)
    return Device(tf.distribute.get_strategy(), "float32", 4, said)


def device_text(gpus: list[str]) -> str:
    """One line on what training runs on; `gpus`: their names. devops/dsvm/setup-tensorflow.sh tells
    by it whether a GPU is used.
    """
    if len(gpus) > 1:
        return f"training on {len(gpus)} GPUs, mixed precision"
    if gpus:
        return f"training on one GPU ({gpus[0]}), mixed precision"
    return (
        f"training on the CPU, {os.cpu_count()} cores: good for trying out and small sets; a GPU is"
        " 10 to 50 times as fast"
    )


def train(
    run: Run,
    device: Device,
    train_dir: Path,
    load: Callable[[tf_keras.Model], str],
    say: Callable[[str], None] = say,
) -> dict:
    """Train, or go on with this very run; returns the content of its run.json (fingerprint,
    checkpoint, step, ap50, steps, …).

    load: puts the initial weights into a network and says what they are. Ctrl-C and SIGTERM save a
    checkpoint and raise KeyboardInterrupt. Raises InputError when the loss becomes infinite.
    """
    folder = run.folder(train_dir)
    record = read_run(folder) or {
        "fingerprint": run.fingerprint,
        "finished": False,
        "settings": run.settings.as_json(),
        "best": None,
    }
    if device.machines:
        together.told(device.strategy, device.machines, run.for_others(record["finished"]))
    if record["finished"]:
        say(f"trained already with these labels and settings ({record['steps']} steps): {folder}")
        return record
    record["arithmetic"] = arithmetic_of(run, device)
    if run.bfloat16:
        say(f"training in {BFLOAT16}")
    with calculating_in(record["arithmetic"]):
        return _trained(run, device, folder, record, load, say)


def arithmetic_of(run: Run, device: Device) -> str:
    """What a run is calculated in: a Keras precision policy, or BFLOAT16."""
    return BFLOAT16 if run.bfloat16 else device.policy


def _trained(
    run: Run,
    device: Device,
    folder: Path,
    record: dict,
    load: Callable[[tf_keras.Model], str],
    say: Callable[[str], None],
) -> dict:
    """Train, or go on, to the end; returns the record."""
    folder.mkdir(parents=True, exist_ok=True)
    network = prepare(run, device)
    model, step, ending = network.model, network.step, network.ending
    checkpoint = network.checkpoint
    with device.strategy.scope():
        manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1)
        if manager.latest_checkpoint:
            checkpoint.restore(manager.latest_checkpoint)
            say(f"going on with the interrupted run at step {int(step)} of {ending.last}")
        else:
            record["started_from"] = load(model)
            say(record["started_from"])
            _write(folder, record)
    if device.machines:
        together.take_from_chief(device.strategy, device.machines, checkpoint)
    batches = batches_from(run, device, int(step))
    validation = (
        Validation(model, run.settings, run.validation_shards, run.validation_batches)
        if run.validation_shards
        else None
    )

    train_step = training_step(network, device)
    every, rate = _validation_interval(run.iterations), Rate(run.learning_rate, ending.steps)
    seconds = record.get("seconds", 0.0)
    saved = began = time.monotonic()
    writer = tf.summary.create_file_writer(str(folder))
    with (
        writer.as_default(),
        until_told() as told,
        Progress(int(step), ending.last, say) as progress,
    ):
        while int(step) < last_step(run, device, ending):
            loss = train_step(next(batches))
            number = int(step.assign_add(1))
            last = number == ending.last
            if progress.due(number) or last or told():
                check_loss(float(loss), number)
                tf.summary.scalar("loss", loss, number)
                tf.summary.scalar("learning_rate", rate(number), number)
            progress.at(number, loss)
            if not last and progress.due(number):
                spent = seconds + time.monotonic() - began
                if nearer := ending.timed(number, spent, *progress.speed()):
                    progress.ends(ending.last, nearer)
            if validation and (number % every == 0 or last):
                ap50 = validation.ap50()
                tf.summary.scalar("validation_ap50", ap50, number)
                progress.note(f"step {number}: AP50 {ap50:.3f} on the validation part")
                if record["best"] is None or ap50 >= record["best"]["ap50"]:
                    _keep_best(folder, record, model, number, ap50)
                if not last and (nearer := ending.measured(number, ap50)):
                    progress.ends(ending.last, nearer)
            if last and not validation:
                _keep_best(folder, record, model, number, None)
            if not last and (time.monotonic() - saved > _SAVE_SECONDS or told()):
                record["seconds"] = seconds + time.monotonic() - began
                _write(folder, record)
                manager.save(checkpoint_number=number)
                saved = time.monotonic()
                if told():
                    raise KeyboardInterrupt
    record |= {
        "finished": True,
        "steps": ending.last,
        "batch_size": run.batch_size,
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "digest": run.digest,
        "seconds": round(seconds + time.monotonic() - began, 1),
    }
    _write(folder, record)
    remove([*folder.glob("ckpt-*"), *folder.glob("best-*_temp"), folder / "checkpoint"])
    if device.machines:
        together.told(device.strategy, device.machines, {})
    return record


@dataclasses.dataclass(frozen=True)
class Network:
    """A network that can be trained, when that ends, and the checkpoint of all that one step leaves
    to the next.
    """

    task: MaskRCNNTask
    model: tf_keras.Model
    optimizer: tf_keras.optimizers.Optimizer
    step: tf.Variable
    ending: Ending
    checkpoint: tf.train.Checkpoint


def prepare(run: Run, device: Device) -> Network:
    """The network of a run, from random weights. Over several machines its normalisation and its
    losses are of the whole batch, as on one machine.
    """
    machines = device.machines
    tf_keras.mixed_precision.set_global_policy(device.policy)
    tf_keras.utils.set_random_seed(run.seed + (machines.index if machines else 0))
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    ending = Ending(run.iterations, run.limits)
    config = model_config(run.settings)
    kind, own = MaskRCNNTask, contextlib.nullcontext()
    if machines:
        config.norm_activation.use_sync_bn = True
        kind, own = WholeBatchTask, tf.variable_creator_scope(together.kept_by_the_first)
    with device.strategy.scope(), own:
        task = make_task(run.settings, config, kind)
        model = build_model(task)
        run.tuning.freeze(model)
        optimizer = make_optimizer(
            run.learning_rate,
            ending.steps,
            device.policy,
            run.tuning.slower(model),
            run.tuning.backbone_rate,
        )
        optimizer.build(model.trainable_variables)  # else the first step is traced twice
        checkpoint = tf.train.Checkpoint(
            model=model, optimizer=optimizer, step=step, **model.checkpoint_items
        )
        if run.limits != Limits():
            checkpoint.ending = ending
    _ = checkpoint.save_counter  # made here, on every machine: restoring would make it on one
    return Network(task, model, optimizer, step, ending, checkpoint)


def batches_from(run: Run, device: Device, step: int) -> Iterator:
    """The batches from that step on; each machine decodes only its share of the images."""

    def dataset(batch_size: int, part: int = 0, parts: int = 1) -> tf.data.Dataset:
        return training_dataset(
            run.shards,
            run.images,
            run.settings,
            run.augmentation,
            batch_size,
            run.seed + step + part,
            run.repeats,
            part=(part, parts),
        )

    if device.machines is None:
        return iter(device.strategy.experimental_distribute_dataset(dataset(run.batch_size)))
    return iter(
        device.strategy.distribute_datasets_from_function(
            lambda context: dataset(
                context.get_per_replica_batch_size(run.batch_size),
                context.input_pipeline_id,
                context.num_input_pipelines,
            )
        )
    )


def training_step(network: Network, device: Device) -> Callable:
    """One step on the next batch; it gives the loss, the mean of all replicas'."""
    task, model, optimizer = network.task, network.model, network.optimizer

    @tf.function(autograph=False)
    def train_step(inputs):
        losses = device.strategy.run(
            lambda images, labels: task.train_step((images, labels), model, optimizer)["loss"],
            args=inputs,
        )
        return device.strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

    return first_without_notes(train_step)


def last_step(run: Run, device: Device, ending: Ending) -> int:
    """The last step as it is known now. Where it may come nearer the chief says it to the others,
    before each step: the rate depends on it.
    """
    if device.machines and run.limits != Limits():
        ending.follow(together.number(device.strategy, device.machines, ending.last))
    return ending.last


def read_run(folder: Path) -> dict | None:
    """What run.json says, None when there is no run in this folder. `checkpoint` is made the prefix
    on this disk. Raises InputError when it is damaged.
    """
    try:
        record = json_object(read_regular(folder / RUN_FILE))
        check_shape(record, _RUN)
        if record["finished"]:
            check_shape(record, _FINISHED)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(
            f"{folder / RUN_FILE}: damaged ({error}); remove the folder {folder.name}, and what was"
            " trained there is trained anew"
        ) from None
    record["checkpoint"] = (
        str(folder / f"best-{record['best']['step']}") if record["best"] else None
    )
    return record


def finished_runs(train_dir: Path) -> list[dict]:
    """The finished runs below train_dir, newest first."""
    folders = sorted(
        train_dir.glob(f"run-*/{RUN_FILE}"), key=lambda file: file.stat().st_mtime, reverse=True
    )
    return [record for record in (read_run(file.parent) for file in folders) if record["finished"]]


def remove(files: Iterable[Path]) -> None:
    """Remove files of checkpoints, and the folders that TensorFlow leaves of one that it was killed
    over.
    """
    for file in files:
        if file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)


class Progress:
    """Step, loss, rate and time left: a bar on a terminal, else a line after two seconds and then
    every 20.
    """

    def __init__(self, first: int, total: int, say: Callable[[str], None]):
        self._first, self._total, self._say = first, total, say
        self._bar = progress_bar(what="training", total=total, initial=first, unit="step")
        self._began = self._line = None
        self._done = first

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()

    def due(self, number: int) -> bool:
        """Whether this step's loss is looked at (reading it waits for the step)."""
        return number - self._first < 3 or number % 10 == 0

    def at(self, number: int, loss: tf.Tensor) -> None:
        now, self._done = time.monotonic(), number
        if self._began is None:  # the first step builds the graph: it says nothing about the rate
            self._began, self._line, self._first = now, now + 2 - _LINE_SECONDS, number
            return self._bar.unpause()
        self._bar.update(number - self._bar.n)
        if not self._bar.disable:
            if self.due(number):
                self._bar.set_postfix(loss=f"{float(loss):.3f}")
        elif now - self._line > _LINE_SECONDS or number == self._total:
            rate = (number - self._first) / max(now - self._began, 1e-6)
            left = (self._total - number) / rate if rate else 0
            self._line = now
            self._say(
                f"step {number} of {self._total}, loss {float(loss):.3f}, {rate:.2f} steps/s,"
                f" {_minutes(left)} left"
            )

    def speed(self) -> tuple[int, float]:
        """(steps after the first one, seconds that they took)."""
        return self._done - self._first, time.monotonic() - self._began

    def ends(self, total: int, why: str) -> None:
        """The last step is another one now."""
        self._total = self._bar.total = total
        self.note(why)

    def note(self, text: str) -> None:
        """A line between the others."""
        if self._bar.disable:
            self._say(text)
        else:
            say_beside(self._bar, text)


@contextlib.contextmanager
def until_told() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM only raise a flag, so that a step is never cut in two; a second Ctrl-C
    ends at once.
    """
    flag = []

    def tell(number, _):
        if flag:
            raise KeyboardInterrupt
        flag.append(number)

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(flag)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _validation_interval(iterations: int) -> int:
    return min(max(iterations // 8, 100), 2000)


def check_loss(loss: float, number: int) -> None:
    if not math.isfinite(loss):
        raise InputError(
            f"the loss became {loss} at step {number}: training has run away; set a lower"
            " learning_rate in config.ini"
        )


def _keep_best(
    folder: Path, record: dict, model: tf_keras.Model, number: int, ap50: float | None
) -> None:
    """Write the model as best-<step>, then the record that names it, then remove the one before."""
    tf.train.Checkpoint(**model.checkpoint_items).write(str(folder / f"best-{number}"))
    record["best"] = {"step": number, "ap50": ap50}
    record["checkpoint"] = str(folder / f"best-{number}")
    _write(folder, record)
    remove(file for file in folder.glob("best-*") if not file.name.startswith(f"best-{number}."))


def _write(folder: Path, record: dict) -> None:
    write_text(
        folder / RUN_FILE,
        json.dumps({key: value for key, value in record.items() if key != "checkpoint"}, indent=1),
    )


def _minutes(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )
