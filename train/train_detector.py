"""Trains the detector on the records: step 4 of a cycle.

Run again after an interruption it goes on where it was, when labels and settings are the same; else
it starts afresh. Where TF_CONFIG names several machines they train together.
"""

import _repo_root  # noqa: F401

# isort: split

import json
from pathlib import Path
from typing import TYPE_CHECKING

from utils.arguments import Parser, whole_number
from utils.config import Config, load_config
from utils.errors import run_program
from utils.terminal import say

if TYPE_CHECKING:
    from train.network.machines import Machines


def main(argv: list[str]) -> int:
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
    parser.add_argument(
        "--force",
        action="store_true",
        help="train even though nothing is new since the last cycle",
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config)

    from train.cycle.files import TRAINING_FILE, training_cycle, update_cycle
    from train.cycle.news import NOTHING_NEW
    from train.network.machines import machines_here
    from train.network.quiet import silence
    from utils.disk import room
    from utils.files import write_text

    machines = machines_here()
    if machines and not machines.is_chief:
        return _help(config, machines, arguments.iterations)
    done_before = training_cycle(config).get("nothing_new")
    if done_before and not arguments.force and not arguments.iterations:
        say(f"{done_before}. No model is trained; --force trains one all the same")
        return NOTHING_NEW
    silence()

    # loads TensorFlow, which takes seconds
    from train.cycle.frozen_model import write_model
    from train.cycle.training_run import make_run, remove_old_runs, warm_start
    from train.network import pretrained_weights, together, training
    from train.network.device import choose_device
    from train.network.records import read_records, whole_records
    from train.network.run_files import finished_runs

    records = read_records(config.tf_record_location)
    if machines:
        say(f"{machines.said}: waiting for the others")
    device = choose_device(machines)
    say(device.said)
    start = warm_start(config, finished_runs(config.train_dir)) if config.warm_start else None
    start = start or pretrained_weights.choose_start(
        config.model_name, config.fine_tune_checkpoint, config.tf_url, config.download_location
    )
    run = make_run(config, records, device, start, arguments.iterations or config.train_iterations)
    if not records.validation_usable:
        say(f"{records.validation_note}: the last checkpoint is exported, not the best")
    networks = []
    with (
        room(config.train_dir),
        whole_records(config.tf_record_location),
        together.reaching(machines),
    ):
        record = training.train(
            run,
            device,
            config.train_dir,
            lambda model: pretrained_weights.load(model, start, run.settings.classes),
            _say,
            networks.append,
        )
    remove_old_runs(
        config.train_dir,
        finished_runs(config.train_dir),
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
                "arithmetic",
                "started_from",
                "steps",
                "batch_size",
                "learning_rate",
                "seed",
                "seconds",
                "best",
            )
            if key in record
        },
        weights=record["started_from"],
    )
    for network in networks:
        write_model(config, record, network)
    best = record["best"]
    measured = "" if best["ap50"] is None else f", AP50 {best['ap50']:.3f} on the validation part"
    say(
        f"{record['steps']} steps; checkpoint of step {best['step']}{measured} →"
        f" {record['checkpoint']}"
    )
    return 0


def _help(config: Config, machines: "Machines", iterations: int | None) -> int:
    """What a machine does that is not the chief: it trains with it, and the cycle is done."""
    from train.cycle.news import NOTHING_NEW
    from train.network.machines import wait_for_chief
    from train.network.quiet import silence

    wait_for_chief(machines)
    silence()

    from train.cycle.training_run import make_run
    from train.network import helping, pretrained_weights, together
    from train.network.device import choose_device
    from train.network.records import read_records, whole_records

    records = read_records(config.tf_record_location)
    with whole_records(config.tf_record_location), together.reaching(machines):
        device = choose_device(machines)
        say(device.said)
        # the chief has the weights, and says what comes of them
        start = pretrained_weights.Start("the chief's", "")
        run = make_run(config, records, device, start, iterations or config.train_iterations)
        helping.help_train(run, device, say)
    return NOTHING_NEW


def _say(text: str) -> None:
    say(text)


if __name__ == "__main__":
    run_program(main)
