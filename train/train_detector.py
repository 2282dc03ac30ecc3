"""Trains the detector on the records: step 4 of a cycle.

Run again after an interruption it goes on where it was, when labels and settings are the same; else
it starts afresh.
"""

import _repo_root  # noqa: F401

# isort: split

import json
from pathlib import Path

from train.cycle.files import TRAINING_FILE, training_cycle, update_cycle
from train.network.quiet import silence
from utils.arguments import Parser, whole_number
from utils.config import Config, load_config
from utils.errors import InputError, run_program
from utils.files import write_text
from utils.labels.store import open_labels


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__,
        "example: python train/train_detector.py config.ini --iterations 100   (after"
        " create_tf_records.py)",
    )
    parser.add_argument("config", type=Path, help="config.ini")
    parser.add_argument(
        "--iterations",
        type=whole_number,
        help="training steps, instead of train_iterations, for a short try",
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config)
    training_cycle(config)
    silence()

    # loads TensorFlow, which takes seconds
    from train.network import (
        pretrained_weights,
        training,
    )
    from train.network.records import read_records

    records = read_records(config.tf_record_location)
    device = training.choose_device()
    print(device.said, flush=True)
    start = (
        _warm_start(config, training.finished_runs(config.train_dir)) if config.warm_start else None
    )
    start = start or pretrained_weights.choose_start(
        config.model_name, config.fine_tune_checkpoint, config.tf_url, config.download_location
    )
    run = make_run(
        config, records, device, start.said, arguments.iterations or config.train_iterations
    )
    if not records.validation_usable:
        print(
            f"{records.validation_note}: the last checkpoint is exported, not the best", flush=True
        )
    record = training.train(
        run, device, config.train_dir, lambda model: pretrained_weights.load(model, start), _say
    )
    _remove_old_runs(
        config.train_dir,
        training.finished_runs(config.train_dir),
        {run.folder(config.train_dir), Path(start.prefix or "").parent},
    )
    write_text(config.train_dir / TRAINING_FILE, json.dumps(record, indent=1) + "\n")
    update_cycle(
        config,
        training={
            key: record[key]
            for key in (
                "digest",
                "fingerprint",
                "started_from",
                "steps",
                "batch_size",
                "learning_rate",
                "seed",
                "seconds",
                "best",
            )
        },
        weights=record["started_from"],
    )
    best = record["best"]
    measured = "" if best["ap50"] is None else f", AP50 {best['ap50']:.3f} on the validation part"
    print(
        f"{record['steps']} steps; checkpoint of step {best['step']}{measured} →"
        f" {record['checkpoint']}"
    )


def make_run(config: Config, records, device, start: str, iterations: int):
    """The training run that config.ini and the records mean."""
    from train.network import training
    from train.network.detector import Settings
    from train.network.input import Augmentation, repeat_factors

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
        config.freeze_backbone,
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
        start=start,
    )


def _warm_start(config: Config, runs: list[dict]):
    """The checkpoint that the live model was exported from, when it is on this machine; else None,
    and one line that says why.
    """
    from train.network.pretrained_weights import Start

    _, store = open_labels(config)
    state = store.read()
    live = state.live.get("model")
    if state.document.get("pretrained_next"):
        print(
            "warm_start: the test set was drawn anew, so this cycle starts from the pretrained"
            " weights",
            flush=True,
        )
        return None
    if not live:
        print(
            "warm_start: no model has been published yet; starting from the pretrained weights",
            flush=True,
        )
        return None
    blob = store.container.info(live)
    for record in runs:
        exported = record.get("exported")
        if (
            exported
            and exported["bytes"] == blob.size
            and blob.md5 in (None, bytes.fromhex(exported["md5"]))
        ):
            return Start(record["checkpoint"], f"warm start from {live}")
    print(
        f"warm_start: the checkpoint of {live} is not on this machine (below {config.train_dir});"
        " starting from the pretrained weights",
        flush=True,
    )
    return None


def _remove_old_runs(train_dir: Path, finished: list[dict], needed: set[Path]) -> None:
    """Remove all but the needed, the two newest finished and the newest unfinished of the runs of
    other labels or settings.
    """
    from train.network.training import remove

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


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    run_program(main)
