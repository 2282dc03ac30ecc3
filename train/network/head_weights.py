"""The head of a network, from a checkpoint with other classes: what does not depend on the classes
is loaded, and classes that both know keep their weights, by name.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

from utils.labels.model_classes import COCO

PART = "detection_head"
_BACKGROUND = 0
_COCO_OUTPUTS = 91  # with the background
_OF_CLASSES = {"_classifier": 1, "_box_regressor": 4}  # outputs for each class
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_ANY = f"_classifier/bias{_VALUE}"  # a name that every head has


def load_head(
    prefix: str,
    head: list,
    classes: Mapping[str, int],
    known: Mapping[str, int] | None = None,
) -> tuple[int, list[str]] | None:
    """Load what fits of a checkpoint's head: (variables that were loaded whole, classes that kept
    their weights). None, and nothing is changed, when more than the last layers differs.

    classes, known: {name: id} of this network, and of the checkpoint (None: as classes_of says).
    """
    reader = tf.train.load_checkpoint(prefix)
    shapes = reader.get_variable_to_shape_map()
    roots = {key.removesuffix(_ANY) for key in shapes if PART in key and key.endswith(_ANY)}
    if len(roots) != 1 or len(head) != 1:
        return None
    root = roots.pop()
    variables = {root + key: variable for key, variable in _by_key(head[0]).items()}
    last = {key: variable for key, variable in variables.items() if _outputs(key)}
    shared = {key: variable for key, variable in variables.items() if key not in last}
    fits = all(shapes.get(key) == variable.shape.as_list() for key, variable in shared.items())
    if not fits or not last.keys() <= shapes.keys():
        return None
    outputs = {shapes[key][-1] // _outputs(key) for key in last}
    if len(outputs) > 1 or not all(
        shapes[key][:-1] == variable.shape.as_list()[:-1] for key, variable in last.items()
    ):
        return None

    for key, variable in shared.items():
        variable.assign(reader.get_tensor(key))
    number = outputs.pop()
    known = classes_of(prefix, number) if known is None else known
    kept = [name for name in classes if 0 < known.get(name, 0) < number]
    places = [(known[name], classes[name]) for name in kept]
    if kept:
        places.append((_BACKGROUND, _BACKGROUND))
    for key, variable in last.items():
        values, before = variable.numpy(), reader.get_tensor(key)
        for there, here in places:
            values[..., _span(key, here)] = before[..., _span(key, there)]
        variable.assign(values)
    return len(shared), kept


def classes_of(prefix: str, outputs: int | None = None) -> dict[str, int]:
    """The classes of a checkpoint, {name: id}: of a run of ours what its run.json says, of a head
    with 91 outputs COCO's; {} where they are not known.
    """
    try:
        run = json.loads((Path(prefix).parent / "run.json").read_text(encoding="utf-8"))
        return {str(name): int(number) for name, number in run["settings"]["classes"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {name: number for number, name in COCO.items()} if outputs == _COCO_OUTPUTS else {}


def _by_key(head: tf_keras.layers.Layer) -> dict[str, tf.Variable]:
    """{name in a checkpoint, below the head's own: variable}. Each variable is written with its
    number for values, which tells the names apart.
    """
    variables = head.variables
    before = [variable.numpy() for variable in variables]
    with tempfile.TemporaryDirectory() as folder:
        for number, variable in enumerate(variables):
            variable.assign(np.full(variable.shape, number, np.float32))
        written = tf.train.Checkpoint(head=head).write(f"{folder}/numbers")
        reader = tf.train.load_checkpoint(written)
        keys = [key for key in reader.get_variable_to_shape_map() if key.endswith(_VALUE)]
        found = {
            key.removeprefix("head/"): variables[int(reader.get_tensor(key).flat[0])]
            for key in keys
            if key.startswith("head/")
        }
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    return found


def _outputs(key: str) -> int:
    """How many outputs a variable has for each class; 0 where it does not depend on them."""
    return next((count for layer, count in _OF_CLASSES.items() if f"{layer}/" in key), 0)


def _span(key: str, number: int) -> slice:
    count = _outputs(key)
    return slice(count * number, count * (number + 1))
