"""Record files of a few pictures, as training reads them. Loads TensorFlow."""

from pathlib import Path

import numpy as np
import tensorflow as tf


def picture() -> np.ndarray:
    """64 x 64, dark, bright in the left of the upper half."""
    dark = np.full((64, 64, 3), 60, np.uint8)
    dark[:32, :16] = 220
    return dark


def record(file: Path, images: list[tuple]) -> str:
    """A record file of (source id, picture, boxes ymin, xmin, ymax, xmax, class ids)."""

    def feature(values):
        if values and isinstance(values[0], bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if values and isinstance(values[0], int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    with tf.io.TFRecordWriter(str(file)) as writer:
        for source, picture, boxes, classes in images:
            corners = {
                name: feature([float(box[place]) for box in boxes])
                for place, name in enumerate(("ymin", "xmin", "ymax", "xmax"))
            }
            writer.write(
                tf.train.Example(
                    features=tf.train.Features(
                        feature={
                            "image/encoded": feature([tf.io.encode_png(picture).numpy()]),
                            "image/source_id": feature([source.encode()]),
                            "image/height": feature([picture.shape[0]]),
                            "image/width": feature([picture.shape[1]]),
                            **{
                                f"image/object/bbox/{name}": value
                                for name, value in corners.items()
                            },
                            **({"image/object/class/label": feature(classes)} if classes else {}),
                        }
                    )
                ).SerializeToString()
            )
    return str(file)
