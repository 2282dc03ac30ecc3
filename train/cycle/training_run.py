"""The training run of a cycle: what config.ini and the records mean, what a warm start begins from,
and which earlier runs are kept. Loads TensorFlow.
"""

import dataclasses
from pathlib import Path

from train.network.augmentation import Augmentation
from train.network.detector import Settings
from train.network.device import Device
from train.network.ending import MOST_STEPS, TO_TELL_BY, Limits, auto_steps, patience_for
from train.network.input import repeat_factors
from train.network.model_weights import as_checkpoint
from train.network.pretrained_weights import Start, is_folded
from train.network.records import Records
from train.network.run import Run
from train.network.run_files import remove
from train.network.schedule import default_learning_rate
from train.network.tuning import Tuning, tuning_of
from utils.config import Config
from utils.config.keys import AUTO
from utils.errors import InputError
from utils.files import local_path
from utils.labels.store import open_labels
from utils.storage.container import Missing
from utils.terminal import say


def make_run(
    config: Config,
    records: Records,
    device: Device,
    start: Start,
    iterations: int | str,
) -> Run:
    """The training run that config.ini and the records mean. A backbone whose normalisation is
    folded is frozen, and a line says so.
    """
    folded = not config.freeze_backbone and is_folded(start)
    if folded:
        say(
            f"{start.said}: its normalisation is folded (all means 0, all variances 1); training"
            " would wipe out what its backbone knows, so that is kept as it is"
            " (freeze_backbone=True)"
        )
    batch_size = config.batch_size or device.images_at_once
    replicas = device.strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise InputError(
            f"{config.path}: batch_size={batch_size} cannot be shared out to {replicas}"
            f" {'GPUs or machines' if device.machines else 'GPUs'}; "
            f"expected a multiple of {replicas}"
        )
    machines = len(device.machines.addresses) if device.machines else 1
    if records.train.images < machines:
        raise InputError(
            f"{config.path}: {machines} machines cannot share {records.train.images} photos for"
            " training; expected at least one for each"
        )
    steps, limits = _steps(config, records, iterations, batch_size)
    settings = Settings(
        config.model_name,
        tuple(records.canvas),
        records.classes,
        config.detection_head,
        config.max_detections,
        config.freeze_backbone or folded,
        records.most_boxes,
    )
    augmentation = Augmentation(
        config.add_horizontal_flip,
        config.add_vertical_flip,
        config.add_crop_pad_image,
        config.add_noise,
        config.add_zoom,
        quarter_turns=config.add_quarter_turns,
    )
    part, tuning = records.train, _tuning(config, start, settings.freeze_backbone)
    return Run(
        settings=settings,
        augmentation=augmentation,
        digest=records.digest,
        shards=[str(shard) for shard in part.shards],
        images=part.images,
        repeats=repeat_factors(part.images_of_class, part.empty if tuning.balance_empty else 0),
        validation_shards=(
            [str(shard) for shard in records.validation.shards] if records.validation_usable else []
        ),
        validation_batches=config.eval_iterations,
        iterations=steps,
        batch_size=batch_size,
        learning_rate=config.learning_rate or default_learning_rate(batch_size),
        seed=config.seed,
        start=start.said,
        tuning=tuning,
        limits=limits,
        bfloat16=config.bfloat16 == "true" and device.policy == "float32",
    )


def _tuning(config: Config, start: Start, frozen: bool) -> Tuning:
    """What of the backbone moves. What starts from nothing must learn everything."""
    wanted = "all" if frozen else config.fine_tuning
    if wanted != "all" and start.prefix is None:
        say("fine_tuning: the backbone starts from nothing; all of it is trained at the full rate")
    return tuning_of(wanted, start.prefix is not None, config.balance_empty)


def _steps(
    config: Config, records: Records, iterations: int | str, batch_size: int
) -> tuple[int, Limits]:
    """How many steps are trained, and what may end them sooner. What cannot be done is said."""
    limits = Limits(minutes=config.train_minutes)
    if iterations != AUTO:
        if iterations > MOST_STEPS:
            say(f"train_iterations={iterations} is more than can be trained; {MOST_STEPS} are")
        return min(iterations, MOST_STEPS), limits

    steps = auto_steps(records.train.images, batch_size)
    boxes = records.validation.boxes if records.validation_usable else 0
    patience = patience_for(boxes)
    say(
        f"train_iterations=auto: {steps} steps for {records.train.images} images, "
        + (
            "fewer if nothing more is learned"
            if patience
            else f"all of them: the validation part has {boxes} boxes to tell by,"
            f" {TO_TELL_BY} are needed"
        )
    )
    return steps, dataclasses.replace(limits, patience=patience)


def warm_start(config: Config, runs: list[dict]) -> Start | None:
    """The checkpoint that the live model was exported from, else one of the weights that the model
    itself holds; None, and one line that says why, where there is none.
    """
    _, store = open_labels(config)
    state = store.read()
    live = state.live.get("model")
    if state.document.get("pretrained_next"):
        say(
            "warm_start: the test set was drawn anew, so this cycle starts from the pretrained"
            " weights"
        )
        return None
    if not live:
        say("warm_start: no model has been published yet; starting from the pretrained weights")
        return None
    blob = store.container.info(live)
    for record in runs:
        exported = record.get("exported")
        if (
            exported
            and exported["bytes"] == blob.size
            and blob.md5 in (None, bytes.fromhex(exported["md5"]))
        ):
            return Start(record["checkpoint"], f"warm start from {live}", same_ids=True)
    try:
        model = store.fetch_file(live, local_path(config.download_location, live))
        prefix = as_checkpoint(model, config.download_location)
    except (InputError, Missing) as error:
        say(
            f"warm_start: the checkpoint of {live} is not on this machine (below"
            f" {config.train_dir}), nor are its weights to be had ({error}); starting from the"
            " pretrained weights"
        )
        return None
    return Start(prefix, f"warm start from {live}", same_ids=True)


def remove_old_runs(train_dir: Path, finished: list[dict], needed: set[Path]) -> None:
    """Remove all but the needed, the two newest finished and the newest unfinished of the runs of
    other labels or settings.
    """
    done = [Path(record["checkpoint"]).parent for record in finished]
    runs = sorted(
        (file.parent for file in train_dir.glob("run-*/run.json")),
        key=lambda folder: folder.stat().st_mtime,
        reverse=True,
    )
    unfinished = [folder for folder in runs if folder not in done]
    for folder in set(runs) - {*needed, *done[:2], *unfinished[:1]}:
        remove(
            file
            for file in folder.iterdir()
            if file.name in ("run.json", "checkpoint")
            or file.name.startswith(("ckpt-", "best-", "events.out."))
        )
        if not any(folder.iterdir()):
            folder.rmdir()
