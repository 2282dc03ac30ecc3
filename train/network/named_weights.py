"""Variables of a part of the network, from a checkpoint in which that part has other levels: by the
names of its layers, which say the level (`lateral_3`, `rpn-conv-norm_4_0`).
"""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"


def load_named(prefix: str, places: Sequence[str], variables: Sequence[tf.Variable]) -> int:
    """Load those that the checkpoint has below one of `places` under the same name and in the same
    shape; how many these were.
    """
    reader = tf.train.load_checkpoint(prefix)
    shapes = reader.get_variable_to_shape_map()
    keys = {}
    if _OBJECTS in shapes:
        objects = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
            reader.get_tensor(_OBJECTS)
        )
        keys = {
            _name(attribute.full_name): attribute.checkpoint_key
            for node in objects.nodes
            for attribute in node.attributes
            if attribute.checkpoint_key.startswith(tuple(places))
        }
    fitting = [
        (variable, keys[_name(variable.name)])
        for variable in variables
        if shapes.get(keys.get(_name(variable.name))) == variable.shape.as_list()
    ]
    for variable, key in fitting:
        variable.assign(reader.get_tensor(key))
    return len(fitting)


def _name(full: str) -> str:
    """Layer and variable of a name such as `rpn_head_1/rpn-conv_0/kernel:0`."""
    return "/".join(full.partition(":")[0].split("/")[-2:])
