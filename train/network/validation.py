"""How good the network is on the validation part while it trains: COCO AP at an overlap of 0.5, as
evaluation measures it.
"""

import pandas as pd
import tensorflow as tf
import tf_keras

from train.evaluation.average_precision import measure
from train.network.arithmetic import first_without_notes
from train.network.detector import Settings
from train.network.input import evaluation_dataset
from utils.boxes.detections import xyxy_of_tensorflow
from utils.labels import tables
from utils.reserved import AVERAGE, NULL

_BATCH = 8


class Validation:
    """Measures one network again and again; `batches` of 8 images, 0 = all."""

    def __init__(
        self, model: tf_keras.Model, settings: Settings, shards: list[str], batches: int = 0
    ):
        self._settings = settings
        self._dataset = evaluation_dataset(shards, settings, _BATCH).take(batches or -1)
        height, width = settings.canvas

        @tf.function(input_signature=[tf.TensorSpec([None, height, width, 3])], autograph=False)
        def detect(images):
            shown = tf.tile(tf.constant([settings.canvas], tf.float32), [tf.shape(images)[0], 1])
            return model(images, image_shape=shown, training=False)

        self._detect = first_without_notes(detect)

    def ap50(self) -> float:
        """Average over the classes that are in the validation part; 0 when nothing is found."""
        names = {number: name for name, number in self._settings.classes.items()}
        truth, found, count = [], [], 0
        for images, labels in self._dataset:
            outputs = {
                name: value.numpy()
                for name, value in self._detect(images).items()
                if name.startswith(("detection_", "num_"))
            }
            for place in range(len(images)):
                count += 1
                boxes = xyxy_of_tensorflow(labels["boxes"][place].numpy())
                classes = labels["classes"][place].numpy()
                truth += [
                    self._row(count, names[number], box)
                    for box, number in zip(boxes, classes.tolist(), strict=True)
                ]
                truth += [] if len(boxes) else [self._row(count, NULL, (0, 0, 0, 0))]
                found += self._found(outputs, place, count, names)
        table = measure(
            _table("tagged", truth),
            _table("totag", found),
            list(self._settings.classes),
            self._settings.max_detections,
        )
        value = float(table.loc[table["Class Name"] == AVERAGE, "coco_ap50"].iloc[0])
        return value if value == value else 0.0

    def _found(self, outputs: dict, place: int, image: int, names: dict[int, str]) -> list[dict]:
        """The detections of one image of a batch, as rows; of classes that are none, none."""
        height, width = self._settings.canvas
        boxes = xyxy_of_tensorflow(outputs["detection_boxes"][place]) / [
            width,
            height,
            width,
            height,
        ]
        rows = []
        for rank in range(outputs["num_detections"][place]):
            name = names.get(int(outputs["detection_classes"][place][rank]))
            if name is not None:
                score = outputs["detection_scores"][place][rank]
                rows.append(self._row(image, name, boxes[rank]) | {"box_confidence": score})
        return rows

    def _row(self, image: int, name: str, xyxy) -> dict:
        height, width = self._settings.canvas
        return {
            "filename": f"{image}",
            "class_": name,
            **dict(zip(("xmin", "ymin", "xmax", "ymax"), map(float, xyxy), strict=True)),
            "height": height,
            "width": width,
        }


def _table(name: str, rows: list[dict]) -> pd.DataFrame:
    return (
        tables.make(name, **{key: [row[key] for row in rows] for key in rows[0]})
        if rows
        else tables.empty(name)
    )
