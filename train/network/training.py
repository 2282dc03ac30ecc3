"""The training loop: one run in its own folder below train_dir (run_files.py), which a killed
process can go on with, and whose best checkpoint stays.
"""

import time
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf
import tf_keras

from train.network import together
from train.network.arithmetic import BFLOAT16, FLOAT32, calculating_in
from train.network.device import Device
from train.network.learning import batches_from, check_loss, last_step, prepare, training_step
from train.network.run import Run
from train.network.run_files import keep_best, read_run, remove, write_run
from train.network.schedule import Rate
from train.network.training_progress import Progress, until_told
from train.network.validation import Validation
from utils.terminal import say

_SAVE_SECONDS = 120.0


def train(
    run: Run,
    device: Device,
    train_dir: Path,
    load: Callable[[tf_keras.Model], str],
    say: Callable[[str], None] = say,
    keep: Callable[[tf_keras.Model], None] | None = None,
) -> dict:
    """Train, or go on with this very run; returns the content of its run.json (fingerprint,
    checkpoint, step, ap50, steps, …).

    load: puts the initial weights into a network and says what they are. keep: gets the network, at
    its best, where it was trained now, in 32 bits, and on this machine alone. Ctrl-C and SIGTERM
    save a checkpoint and raise KeyboardInterrupt. Raises InputError when the loss becomes infinite.
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
        model = _trained(run, device, folder, record, load, say)
    if keep and record["arithmetic"] == FLOAT32 and device.machines is None:
        tf.train.Checkpoint(**model.checkpoint_items).read(record["checkpoint"]).expect_partial()
        keep(model)
    return record


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
) -> tf_keras.Model:
    """Train, or go on, to the end; what becomes of it is in the record."""
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
            write_run(folder, record)
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
                    keep_best(folder, record, model, number, ap50)
                if not last and (nearer := ending.measured(number, ap50)):
                    progress.ends(ending.last, nearer)
            if last and not validation:
                keep_best(folder, record, model, number, None)
            if not last and (time.monotonic() - saved > _SAVE_SECONDS or told()):
                record["seconds"] = seconds + time.monotonic() - began
                write_run(folder, record)
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
    write_run(folder, record)
    remove([*folder.glob("ckpt-*"), *folder.glob("best-*_temp"), folder / "checkpoint"])
    if device.machines:
        together.told(device.strategy, device.machines, {})
    return model


def _validation_interval(iterations: int) -> int:
    return min(max(iterations // 8, 100), 2000)
