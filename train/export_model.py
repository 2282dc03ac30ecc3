"""Writes the trained detector as a frozen graph and checks it on real images: step 5 of a cycle.

On a CPU the training has done so already, and what it has written is found.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import InputError, run_program
from utils.json_shape import OBJECT, TEXT, members
from utils.terminal import say

_TRAINING = members({"checkpoint": TEXT, "settings": OBJECT, "fingerprint": TEXT, "best": OBJECT})


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__, "example: python train/export_model.py config.ini   (after train_detector.py)"
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from train.cycle.files import TRAINING_FILE, exported_model, read_cycle, training_cycle
    from train.cycle.model_files import is_written, read_written

    training_file = config.train_dir / TRAINING_FILE
    if not training_file.is_file():
        raise InputError(
            f"{training_file}: nothing has been trained yet; run train/active_learning_train.sh"
            f" {config.path}"
        )
    cycle = training_cycle(config)
    record = read_written(training_file, _TRAINING)
    if not Path(record["checkpoint"] + ".index").is_file():
        raise InputError(
            f"{record['checkpoint']}: the checkpoint that {training_file} names is gone; train"
            " again (--from train_detector)"
        )
    if not is_written(config, record, cycle):
        from train.network.quiet import silence

        silence()
        from train.cycle.frozen_model import write_model  # loads TensorFlow, which takes seconds

        write_model(config, record)
    export = read_cycle(config)["export"]
    say(
        f"{export['bytes'] / 1e6:.1f} MB, {len(record['settings']['classes'])} classes, equal to"
        f" the checkpoint on {export['images']} images (within {export['difference']:.1g}) →"
        f" {exported_model(config)}"
    )


if __name__ == "__main__":
    run_program(main)
