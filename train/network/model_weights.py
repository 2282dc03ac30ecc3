"""The weights of a published model, so that its file is enough to start another training.

The frozen graph has each variable of the network as a constant. `describe` adds a constant that
says which of them is which variable, by the names of a TensorFlow checkpoint, and which classes the
model knows; `as_checkpoint` makes the checkpoint of it. It is some thousand bytes.
"""

import base64
import json
import secrets
import shutil
import tempfile
import zlib
from collections import deque
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

from train.network.detector import Settings
from utils.disk import room
from utils.errors import InputError
from utils.files import sha256_of, write_text
from utils.json_shape import OBJECT, TEXT, check_shape, json_object, members

ENDING = ".pb"
NODE = "checkpoint"
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_SHAPE = members({"classes": OBJECT, "weights": OBJECT, "objects": TEXT})
_LONGEST = 32_000_000  # bytes of the note, unpacked; that of a ResNet-101 has 300 000


def variables_by_key(root: tf.Module) -> dict[str, tf.Variable]:
    """The variables below an object that can be saved, by their names in its checkpoint.

    A name is the shortest way to the variable: https://www.tensorflow.org/guide/checkpoint
    """
    view = tf.train.TrackableView(root)
    seen, found = {id(root)}, {}
    waiting = deque([(root, "")])
    while waiting:
        parent, place = waiting.popleft()
        for name, child in view.children(parent).items():
            if id(child) in seen:
                continue
            seen.add(id(child))
            if isinstance(child, tf.Variable):
                found[f"{place}{name}{_VALUE}"] = child
            waiting.append((child, f"{place}{name}/"))
    return found


def describe(
    definition: tf.compat.v1.GraphDef,
    function: tf.types.experimental.ConcreteFunction,
    model: tf_keras.Model,
    settings: Settings,
) -> None:
    """Add what `as_checkpoint` needs to the frozen graph that was made of the function."""
    whole = tf.train.Checkpoint(**model.checkpoint_items)
    constants = {
        id(resource): inner.name.partition(":")[0] for resource, inner in function.graph.captures
    }
    weights = {
        key: constants[id(variable.handle)]
        for key, variable in variables_by_key(whole).items()
        if id(variable.handle) in constants
    }
    with tempfile.TemporaryDirectory() as folder:
        reader = tf.train.load_checkpoint(whole.write(f"{folder}/checkpoint"))
        objects = reader.get_tensor(_OBJECTS)
    note = {
        "classes": settings.classes,
        "weights": weights,
        "objects": base64.b64encode(objects).decode(),
    }
    node = definition.node.add(name=NODE, op="Const")
    node.attr["dtype"].type = tf.string.as_datatype_enum
    packed = zlib.compress(json.dumps(note).encode(), 9)
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(packed))


def as_checkpoint(file: Path, folder: Path) -> str:
    """The prefix of a checkpoint with the weights of a published model, made below `folder` unless
    it is there. Raises InputError when the file is damaged or says nothing of its weights.
    """
    place = folder / f"weights_of_model_{sha256_of(file)[:16]}"
    prefix = str(place / "weights")
    if place.is_dir():
        return prefix
    definition = tf.compat.v1.GraphDef()
    try:
        definition.ParseFromString(file.read_bytes())
    except Exception:  # protobuf's DecodeError is not importable from a stable place
        raise InputError(
            f"{file}: no TensorFlow model, or damaged; expected a model that a project has"
            " published, or a TensorFlow checkpoint"
        ) from None
    values = {node.name: node.attr["value"].tensor for node in definition.node}
    if NODE not in values:
        raise InputError(
            f"{file}: a frozen graph that does not name its weights; training can start from models"
            " that this version has published, and from TensorFlow checkpoints"
        )
    try:
        note = _read(values[NODE])
        tensors = {key: tf.make_ndarray(values[name]) for key, name in note["weights"].items()}
        objects = base64.b64decode(note["objects"], validate=True)
    except (ValueError, TypeError, KeyError, zlib.error) as error:
        raise InputError(f"{file}: damaged ({str(error)[:100]}); copy it there anew") from None

    piece = folder / f"{place.name}.{secrets.token_hex(4)}.part"
    piece.mkdir(parents=True)
    try:
        with room(folder):
            _write(piece / "weights", {**tensors, _OBJECTS: np.array(objects, object)})
            # what a run of ours says beside its checkpoints
            write_text(piece / "run.json", json.dumps({"settings": {"classes": note["classes"]}}))
            piece.rename(place)
    except OSError:
        if not place.is_dir():  # else another program was quicker
            raise
    finally:
        shutil.rmtree(piece, ignore_errors=True)
    return prefix


def _read(tensor) -> dict:
    unpacking = zlib.decompressobj()
    note = json_object(unpacking.decompress(tf.make_ndarray(tensor).item(), _LONGEST))
    check_shape(note, _SHAPE)
    return note


def _write(prefix: Path, tensors: dict[str, np.ndarray]) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.constant(value) for value in tensors.values()],
    )
