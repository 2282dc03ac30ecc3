"""The cycle's model as one frozen graph, checked on real images, with its label map.

Where training has the network at hand it is written at once, as building it anew takes a second and
a half; `export_model.py` finds it then, or makes it from the checkpoint. Loads TensorFlow.
"""

import json
import shutil
from pathlib import Path

import tf_keras

from train.cycle.files import exported_label_map, exported_model, update_cycle
from train.cycle.model_files import read_written, size_and_digest, write_description
from train.network import export, model_weights
from train.network.detector import Settings
from train.network.input import first_images
from train.network.quiet import without_notes
from train.network.records import read_records, whole_records
from train.network.run_files import RUN_FILE
from utils.config import Config
from utils.files import write_beside, write_text
from utils.json_shape import OBJECT

_CHECKED_IMAGES = 4
_TOLERANCE = 1e-3


def write_model(config: Config, record: dict, network: tf_keras.Model | None = None) -> None:
    """Write the model of a training (what training.json says of it) into inference_output_dir, and
    `export` into cycle.json.

    network: with the weights of the checkpoint, in 32 bits; None where it is to be built anew.
    Raises RuntimeError when the graph says something else than the network.
    """
    settings = Settings.from_json(record["settings"])
    model = network or export.restore(settings, record["checkpoint"])
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
    with write_beside(exported_model(config)) as piece:
        piece.write_bytes(definition.SerializeToString())
        with without_notes():
            frozen = export.run_frozen(piece, images)
        difference = export.largest_difference(model, settings, images, frozen)
        if difference > _TOLERANCE:
            raise RuntimeError(
                f"the exported graph differs from the checkpoint by {difference:g} on {len(images)}"
                " images"
            )
        exported = size_and_digest(piece)
    run_file = Path(record["checkpoint"]).parent / RUN_FILE
    run = read_written(run_file, OBJECT)
    # how a warm start knows this checkpoint again
    write_text(run_file, json.dumps(run | {"exported": exported}, indent=1))
    with write_beside(exported_label_map(config)) as piece:
        shutil.copyfile(config.label_map_path, piece)
    write_description(config, record, exported)
    update_cycle(config, export={"difference": difference, "images": len(images), **exported})
