"""The training run of a cycle: what config.ini and the records mean, what a warm start begins from,
and which earlier runs are kept. Loads TensorFlow.
"""

from pathlib import Path

from train.network import training
from train.network.detector import Settings
from train.network.input import Augmentation, repeat_factors
from train.network.pretrained_weights import Start, is_folded
from train.network.training import remove
from utils.config import Config
from utils.errors import InputError
from utils.labels.store import open_labels
from utils.terminal import say


def make_run(config: Config, records, device, start: Start, iterations: int):
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
            f"{config.path}: batch_size={batch_size} cannot be shared out to {replicas} GPUs; "
            f"expected a multiple of {replicas}"
        )
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
    )
    return training.Run(
        settings=settings,
        augmentation=augmentation,
        digest=records.digest,
        shards=[str(shard) for shard in records.train.shards],
        images=records.train.images,
        repeats=repeat_factors(records.train.images_of_class),
        validation_shards=(
            [str(shard) for shard in records.validation.shards] if records.validation_usable else []
        ),
        validation_batches=config.eval_iterations,
        iterations=iterations,
        batch_size=batch_size,
        learning_rate=config.learning_rate or training.default_learning_rate(batch_size),
        seed=config.seed,
        start=start.said,
    )


def warm_start(config: Config, runs: list[dict]) -> Start | None:
    """The checkpoint that the live model was exported from, when it is on this machine; else None,
    and one line that says why.
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
    say(
        f"warm_start: the checkpoint of {live} is not on this machine (below {config.train_dir});"
        " starting from the pretrained weights"
    )
    return None


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
