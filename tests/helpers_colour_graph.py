"""A real frozen graph of the classic signature that finds coloured rectangles: class 1 = red (score
0.9), class 2 = green (0.3).

Small, exact, and quick: what the tests of prediction need of a model. With `canvas` it holds the
constant that our own exports hold.
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf

SCORES = (0.9, 0.3)


def detect_colours(images, classes=(1, 2)):
    """The outputs of the graph, for images uint8 (b, h, w, 3): two rows each, with score 0 for a
    colour that is not there.

    classes: the numbers of red and green.
    """
    red, green, blue = (tf.cast(channel, tf.int32) for channel in tf.unstack(images, axis=-1))
    boxes, scores = [], []
    for strong, weak, score in ((red, green, SCORES[0]), (green, red, SCORES[1])):
        shown = (strong > 180) & (weak < 90) & (blue < 90)
        ymin, ymax = _extent(tf.reduce_any(shown, axis=2))
        xmin, xmax = _extent(tf.reduce_any(shown, axis=1))
        boxes.append(tf.stack([ymin, xmin, ymax, xmax], axis=1))
        scores.append(score * tf.cast(tf.reduce_any(shown, axis=[1, 2]), tf.float32))
    scores = tf.stack(scores, axis=1)
    return {
        "detection_boxes": tf.stack(boxes, axis=1),
        "detection_scores": scores,
        "detection_classes": tf.ones_like(scores) * tf.cast(classes, tf.float32),
        "num_detections": 2 * tf.ones_like(scores[:, 0]),
    }


def write_frozen_graph(
    path: Path,
    canvas: tuple[int, int] | None = None,
    without: tuple[str, ...] = (),
    embedding: bool = False,
    classes: tuple[int, int] = (1, 2),
) -> Path:
    """Write it as a frozen graph; `without` leaves outputs out, `embedding` gives the mean colour
    of each image as its embedding.
    """
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.uint8, [None, None, None, 3], "image_tensor")
        for name, value in detect_colours(images, classes).items():
            if name not in without:
                tf.identity(value, name)
        if embedding:
            tf.identity(tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2]), "image_embedding")
        if canvas:
            tf.constant(canvas, tf.int32, name="canvas")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def write_saved_model(
    folder: Path, batch: int | None = 1, size: tuple[int | None, int | None] = (None, None)
) -> Path:
    """Write it as a SavedModel folder; the TF2 zoo's take one image at a time. `size` = the (h, w)
    of all images that it takes.
    """
    module = tf.Module()
    module.call = tf.function(
        lambda input_tensor: detect_colours(input_tensor),
        [tf.TensorSpec([batch, *size, 3], tf.uint8, "input_tensor")],
    )
    tf.saved_model.save(module, str(folder), signatures=module.call)
    return folder


def _extent(shown):
    """(first, one past the last) of the True ones along axis 1 of (b, n), in fractions of n."""
    length = tf.cast(tf.shape(shown)[1], tf.float32)
    first = tf.argmax(tf.cast(shown, tf.int32), axis=1)
    last = tf.argmax(tf.cast(tf.reverse(shown, [1]), tf.int32), axis=1)
    return tf.cast(first, tf.float32) / length, 1 - tf.cast(last, tf.float32) / length
