"""The head of a network, from a checkpoint with other classes: what does not depend on the classes
is loaded, and classes that both know keep their weights, by name.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from train.network.model_weights import variables_by_key
from utils.labels.model_classes import COCO

PART = "detection_head"
_BACKGROUND = 0
_COCO_OUTPUTS = 91  # with the background
_OF_CLASSES = {"_classifier": 1, "_box_regressor": 4}  # outputs for each class
_ANY = "_classifier/bias/.ATTRIBUTES/VARIABLE_VALUE"  # a name that every head has


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
    variables = {root + key: variable for key, variable in variables_by_key(head[0]).items()}
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


def _outputs(key: str) -> int:
    """How many outputs a variable has for each class; 0 where it does not depend on them."""
    return next((count for layer, count in _OF_CLASSES.items() if f"{layer}/" in key), 0)


def _span(key: str, number: int) -> slice:
    count = _outputs(key)
    return slice(count * number, count * (number + 1))
