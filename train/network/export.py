"""The trained network as one frozen graph with the classic detection signature, which every loader
of detection graphs knows.

image_tensor uint8 [b, h, w, 3] RGB → detection_boxes [b, n, 4] ymin, xmin, ymax, xmax in fractions
of the fed image, detection_scores, detection_classes (ids of the label map, as floats),
num_detections; and, ours, image_embedding [b, d] (the last level of the backbone, averaged over the
picture) and a constant `canvas` int32 [h, w]: images of that size are not resized. Not to be made
of a network that was built for training in 16 bits: its policy would go into the graph.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow.python.framework import convert_to_constants

from train.network.detector import (
    Settings,
    build_model,
    fit_into_canvas,
    image_embedding,
    make_task,
    normalise,
)
from utils.errors import InputError

OUTPUTS = (
    "detection_boxes",
    "detection_scores",
    "detection_classes",
    "num_detections",
    "image_embedding",
)


def restore(settings: Settings, checkpoint: str) -> tf_keras.Model:
    """The network with the weights of a checkpoint, in float32. Raises ValueError or AssertionError
    if it is another network's, InputError if it is damaged.
    """
    tf_keras.mixed_precision.set_global_policy("float32")
    with tf.variable_creator_scope(_without_numbers):
        model = build_model(make_task(settings))
    try:
        read = tf.train.Checkpoint(**model.checkpoint_items).read(checkpoint)
        read.expect_partial().assert_existing_objects_matched()
    except (IndexError, tf.errors.OpError):
        raise InputError(
            f"{checkpoint}: the checkpoint is damaged; remove the folder"
            f" {Path(checkpoint).parent}, and what was trained there is trained anew (--from"
            " train_detector)"
        ) from None
    return model


def _without_numbers(make: Callable[..., tf.Variable], **options) -> tf.Variable:
    """A variable of zeros: to draw random numbers takes a quarter of the time of building, and
    those of a checkpoint come next.
    """
    shape, kind = options["shape"], options["dtype"]
    if shape is not None and kind is not None and shape.is_fully_defined():
        options["initial_value"] = lambda: np.zeros(shape, tf.as_dtype(kind).as_numpy_dtype)
    return make(**options)


def serving_function(
    model: tf_keras.Model, settings: Settings
) -> tf.types.experimental.ConcreteFunction:
    """The network with its pre- and postprocessing, as a function of image_tensor that gives
    OUTPUTS.
    """

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="image_tensor")],
        autograph=False,
    )
    def serve(image_tensor):
        images, share = fit_into_canvas(image_tensor, settings.canvas)
        shown = tf.tile(tf.constant([settings.canvas], tf.float32), [tf.shape(images)[0], 1])
        found = model.call(normalise(images), image_shape=shown, training=False)
        boxes = found["detection_boxes"] / tf.tile(
            share * tf.constant(settings.canvas, tf.float32), [2]
        )
        results = (
            tf.clip_by_value(boxes, 0.0, 1.0),
            found["detection_scores"],
            found["detection_classes"],
            found["num_detections"],
            image_embedding(found["backbone_features"]),
        )
        return {
            name: tf.identity(tf.cast(value, tf.float32), name=name)
            for name, value in zip(OUTPUTS, results, strict=True)
        }

    return serve.get_concrete_function()


def freeze(
    function: tf.types.experimental.ConcreteFunction, settings: Settings
) -> tf.compat.v1.GraphDef:
    """The function as a graph without variables, with the constant `canvas`.

    What convert_variables_to_constants_v2 does, but for its last part: that makes a function of the
    graph again, which takes two seconds and which nobody calls.
    """
    function = convert_to_constants._FunctionConverterDataInEager(
        function, lower_control_flow=True, aggressive_inlining=False
    )
    definition, _ = convert_to_constants._replace_variables_by_constants(function)
    node = definition.node.add(name="canvas", op="Const")
    node.attr["dtype"].type = tf.int32.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(settings.canvas, tf.int32))
    return definition


def run_frozen(file: Path, images: list[np.ndarray]) -> list[dict[str, np.ndarray]]:
    """What a frozen graph on disk says about images uint8 (h, w, 3), one at a time: OUTPUTS without
    the batch dimension. It is run as it stands there: what an optimiser would make of it for so few
    images takes longer than they do.
    """
    settings = tf.compat.v1.ConfigProto()
    settings.graph_options.rewrite_options.disable_meta_optimizer = True
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(file.read_bytes())
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(definition, name="")
        with tf.compat.v1.Session(graph=graph, config=settings) as session:
            fetched = {name: f"{name}:0" for name in OUTPUTS}
            return [
                {
                    name: value[0]
                    for name, value in session.run(fetched, {"image_tensor:0": image[None]}).items()
                }
                for image in images
            ]


def largest_difference(
    model: tf_keras.Model,
    settings: Settings,
    images: list[np.ndarray],
    frozen: list[dict[str, np.ndarray]],
) -> float:
    """How far the frozen graph is from the network itself on these images: the largest difference
    of the embeddings, relative to their size, or, if that is more, the distance that nine in ten
    detections keep from the nearest one of the other.

    Not all ten: which of two overlapping boxes of equal score is suppressed depends on the last
    digit.
    """
    fitted, shares = zip(
        *(fit_into_canvas(tf.constant(image), settings.canvas) for image in images), strict=True
    )
    found = model(
        normalise(tf.stack(fitted)),
        image_shape=tf.constant([settings.canvas] * len(images), tf.float32),
        training=False,
    )
    ours = {name: found[name].numpy() for name in OUTPUTS[:4]}
    embedded = image_embedding(found["backbone_features"]).numpy()
    embeddings, distances = [], [np.zeros(1)]
    for place, (share, theirs) in enumerate(zip(shares, frozen, strict=True)):
        embedding = embedded[place]
        embeddings.append(
            np.abs(embedding - theirs["image_embedding"]).max() / max(1e-6, np.abs(embedding).max())
        )
        boxes, *others = (ours[name][place] for name in OUTPUTS[:4])
        boxes = np.clip(boxes / np.tile(share.numpy() * settings.canvas, 2), 0, 1)
        distances += _distances(
            _detections(boxes, *others),
            _detections(*(theirs[name] for name in OUTPUTS[:4])),
        )
    return float(max(*embeddings, np.quantile(np.concatenate(distances), 0.9)))


def _detections(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, count) -> np.ndarray:
    """(n, 6): ymin, xmin, ymax, xmax, score, class."""
    return np.column_stack([boxes, scores, classes])[: round(float(count))]


def _distances(ours: np.ndarray, theirs: np.ndarray) -> list[np.ndarray]:
    """For each detection of one its distance to the nearest of the other: the largest difference of
    corners, score and class; 1 without.
    """
    apart = np.abs(ours[:, None] - theirs[None]).max(axis=2)
    return [apart.min(axis=1, initial=1.0), apart.min(axis=0, initial=1.0)]
