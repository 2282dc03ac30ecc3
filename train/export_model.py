"""Writes the trained detector as a frozen graph and checks it on real images: step 5 of a cycle."""

import _repo_root  # noqa: F401

# isort: split

import hashlib
import json
import shutil
from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import InputError, run_program
from utils.json_shape import OBJECT, TEXT, Check, check_shape, json_object, members, read_regular
from utils.terminal import say

_CHECKED_IMAGES = 4
_TOLERANCE = 1e-3
_TRAINING = members({"checkpoint": TEXT, "settings": OBJECT, "fingerprint": TEXT})


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__, "example: python train/export_model.py config.ini   (after train_detector.py)"
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from train.cycle.files import (
        TRAINING_FILE,
        exported_label_map,
        exported_model,
        training_cycle,
        update_cycle,
    )
    from train.network.quiet import silence, without_notes
    from utils.files import write_beside, write_text

    training_file = config.train_dir / TRAINING_FILE
    if not training_file.is_file():
        raise InputError(
            f"{training_file}: nothing has been trained yet; run train/active_learning_train.sh"
            f" {config.path}"
        )
    training_cycle(config)
    record = _read(training_file, _TRAINING)
    if not Path(record["checkpoint"] + ".index").is_file():
        raise InputError(
            f"{record['checkpoint']}: the checkpoint that {training_file} names is gone; train"
            " again (--from train_detector)"
        )
    silence()

    from train.network import export, model_weights
    from train.network.detector import Settings
    from train.network.input import first_images
    from train.network.records import read_records, whole_records

    settings = Settings.from_json(record["settings"])
    model = export.restore(settings, record["checkpoint"])
    with without_notes():
        serving = export.serving_function(model, settings)
        definition = export.freeze(serving, settings)
        model_weights.describe(definition, serving, model, settings)
    records = read_records(config.tf_record_location)
    with whole_records(config.tf_record_location):
        images = first_images(
            [str(shard) for shard in [*records.validation.shards, *records.train.shards]],
            _CHECKED_IMAGES,
        )
    target = exported_model(config)
    with write_beside(target) as piece:
        piece.write_bytes(definition.SerializeToString())
        with without_notes():
            frozen = export.run_frozen(piece, images)
        difference = export.largest_difference(model, settings, images, frozen)
        if difference > _TOLERANCE:
            raise RuntimeError(
                f"the exported graph differs from the checkpoint by {difference:g} on {len(images)}"
                " images"
            )
        content = piece.read_bytes()
    exported = {
        "bytes": len(content),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }
    run_file = Path(record["checkpoint"]).parent / "run.json"
    run = _read(run_file, OBJECT)
    # how a warm start knows this checkpoint again
    write_text(run_file, json.dumps(run | {"exported": exported}, indent=1))
    write_text(
        config.inference_output_dir / "model.json",
        json.dumps(
            {
                "settings": settings.as_json(),
                "fingerprint": record["fingerprint"],
                "best": record["best"],
                **exported,
            },
            indent=1,
        )
        + "\n",
    )
    with write_beside(exported_label_map(config)) as piece:
        shutil.copyfile(config.label_map_path, piece)
    update_cycle(config, export={"difference": difference, "images": len(images), **exported})
    say(
        f"{len(content) / 1e6:.1f} MB, {len(settings.classes)} classes, equal to the checkpoint on"
        f" {len(images)} images (within {difference:.1g}) → {target}"
    )


def _read(file: Path, check: Check) -> dict:
    """What training has written there. Raises InputError when it is gone or damaged."""
    try:
        document = json_object(read_regular(file))
        check_shape(document, check)
    except (FileNotFoundError, ValueError) as error:
        raise InputError(
            f"{file}: gone or damaged ({error}); train again (--from train_detector)"
        ) from None
    return document


if __name__ == "__main__":
    run_program(main)
