"""What images look like to a pretrained backbone, before there is a model of ours: its last level,
averaged over the picture.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from train.network import pretrained_weights
from train.network.detector import Settings, build_model, image_embedding, make_task, normalise
from utils.boxes.detections import Detections


class PretrainedBackbone:
    """The backbone of a network as a detector for prediction.predict: it finds no boxes, and gives
    each picture's embedding (d,) float16.

    canvas: (height, width) in pixels, multiples of 64. start: the weights
    (pretrained_weights.choose_start).
    """

    inner_size = None

    def __init__(self, model_name: str, canvas: tuple[int, int], start: pretrained_weights.Start):
        self.canvas = canvas
        model = build_model(make_task(Settings(model_name, canvas, {"object": 1})))
        pretrained_weights.load(model, start)

        @tf.function(input_signature=[tf.TensorSpec([None, *canvas, 3], tf.uint8)], autograph=False)
        def embed(images):
            return tf.cast(
                image_embedding(
                    model.backbone(normalise(tf.cast(images, tf.float32)), training=False)
                ),
                tf.float16,
            )

        self._embed = embed

    def detect(self, images: np.ndarray, shown: Sequence[tuple[int, int]]) -> list[Detections]:
        """images (b, H, W, 3) uint8 on the canvas."""
        return [Detections.none(embedding) for embedding in self._embed(images).numpy()]
