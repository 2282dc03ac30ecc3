"""What a model found in one image, and how it becomes rows of the table totag.

Boxes are (n, 4) float64 arrays xmin, ymin, xmax, ymax in fractions of the upright image.
(TensorFlow's ymin, xmin order is turned round in `from_tensorflow`, and nowhere else.)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from utils.labels import tables
from utils.reserved import NULL

EMBEDDING = "image_embedding"  # the name of this output of our graphs
DECIMALS = 6  # of boxes and confidences in files: 0.01 pixel in an image of 10 000 pixels


@dataclass(frozen=True)
class Detections:
    """n boxes of one image: boxes (n, 4) with 0 <= min <= max <= 1, classes (n,) int64 ids
    (1-based), scores (n,) float64 in 0..1.

    Of the image as a whole, where it was computed: embedding (d,), float16 numbers of the model, or
    a perceptual hash of uint8 0 and 1; disagreement, how differently the model sees the mirror
    image, 0 to 1.

    Raises ValueError naming the shape or range that was found instead.
    """

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    embedding: np.ndarray | None = None
    disagreement: float | None = None

    def __post_init__(self):
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4:
            raise ValueError(f"boxes must be (n, 4), not {self.boxes.shape}")
        for name in ("classes", "scores"):
            shape = getattr(self, name).shape
            if shape != self.boxes.shape[:1]:
                raise ValueError(
                    f"{name} must be ({len(self.boxes)},) to go with the boxes, not {shape}"
                )
        if not np.issubdtype(self.classes.dtype, np.integer):
            raise ValueError(f"classes must be whole numbers, not {self.classes.dtype}")
        if len(self) and not (self.boxes.min() >= 0 and self.boxes.max() <= 1):
            raise ValueError(
                f"boxes must be fractions in 0..1, found {self.boxes.min()} to {self.boxes.max()}"
            )
        if not (self.boxes[:, :2] <= self.boxes[:, 2:]).all():
            raise ValueError("boxes must be xmin, ymin, xmax, ymax with min <= max")
        if len(self) and not (self.scores.min() >= 0 and self.scores.max() <= 1):
            raise ValueError(
                f"scores must be in 0..1, found {self.scores.min()} to {self.scores.max()}"
            )

    @classmethod
    def none(cls, embedding: np.ndarray | None = None) -> "Detections":
        """No boxes."""
        return cls(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0), embedding)

    def __len__(self) -> int:
        return len(self.boxes)

    def at_least(self, score: float) -> "Detections":
        """Those with this score or more."""
        return self._where(self.scores >= score)

    def of_classes(self, ids: Iterable[int]) -> "Detections":
        """Those of these class ids."""
        return self._where(np.isin(self.classes, list(ids)))

    def _where(self, keep: np.ndarray) -> "Detections":
        return replace(
            self, boxes=self.boxes[keep], classes=self.classes[keep], scores=self.scores[keep]
        )


def xyxy_of_tensorflow(boxes: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) ymin, xmin, ymax, xmax, as TensorFlow has them, in our order xmin, ymin, xmax,
    ymax (float64). The one place that turns them.
    """
    return np.asarray(boxes, np.float64).reshape(-1, 4)[:, [1, 0, 3, 2]]


def from_tensorflow(
    boxes: np.ndarray,
    classes: np.ndarray,
    scores: np.ndarray,
    count: int,
    stretch: tuple[float, float] = (1.0, 1.0),
) -> Detections:
    """One image's outputs of a classic detection graph, most confident first.

    boxes (m, 4) ymin, xmin, ymax, xmax in fractions of the image that the model was fed; of the m
    rows the first `count` are meant. stretch = (vertical, horizontal) fed size / size of the part
    that shows the image, for images padded at the bottom and right. Boxes are clipped to the image;
    what has no area then (or lies in the padding) is left out; what has no score or is not finite,
    too.
    """
    vertical, horizontal = stretch
    scale = np.array([horizontal, vertical, horizontal, vertical])
    with np.errstate(invalid="ignore"):
        turned = np.clip(xyxy_of_tensorflow(boxes[:count]) * scale, 0, 1).round(DECIMALS)
    scores = np.asarray(scores[:count], np.float64)
    keep = (turned[:, :2] < turned[:, 2:]).all(axis=1) & (scores > 0)
    best_first = np.flatnonzero(keep)[np.argsort(-scores[keep], kind="stable")]
    return Detections(
        turned[best_first],
        np.rint(classes[:count][best_first]).astype(np.int64),
        np.clip(scores[best_first], 0, 1),
    )


def from_tensorflow_batch(
    outputs: Mapping[str, Sequence], size: tuple[int, int], shown: Sequence[tuple[int, int]]
) -> list[Detections]:
    """The outputs for a batch of images, by TensorFlow's names, with embeddings where there are
    any.

    size: (h, w) of what the model was fed; shown: (h, w) of the part of each that shows the image,
    at the top left.
    """
    height, width = size
    names = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
    found = [
        from_tensorflow(
            boxes,
            classes,
            scores,
            round(float(count)),
            (height / shown_height, width / shown_width),
        )
        for boxes, classes, scores, count, (shown_height, shown_width) in zip(
            *(outputs[name] for name in names), shown, strict=True
        )
    ]
    if EMBEDDING not in outputs:
        return found
    return [
        replace(image, embedding=np.asarray(vector, np.float16))
        for image, vector in zip(found, outputs[EMBEDDING], strict=True)
    ]


def totag_rows(
    predictions: Iterable[tuple[str, int, int, Detections]], names: Mapping[int, str]
) -> pd.DataFrame:
    """Rows of totag for (blob name, height, width in pixels, detections) each: one per box, or one
    NULL row where there is none.

    `names` gives the class of an id; boxes of ids that it does not know are left out.
    image_confidence is the image's lowest box_confidence; a NULL row has 0 for both ("seen, and
    nothing there").
    """
    columns: dict[str, list] = {name: [] for name in tables.PREDICTED}
    for blob, height, width, detections in predictions:
        known = detections.of_classes(names)
        scores = known.scores.round(DECIMALS)
        rows = max(len(known), 1)
        folder, filename = tables.split_name(blob)
        boxes = known.boxes if len(known) else np.zeros((1, 4))
        for column, values in zip(("xmin", "ymin", "xmax", "ymax"), boxes.T, strict=True):
            columns[column].extend(values.tolist())
        columns["class"].extend([names[number] for number in known.classes.tolist()] or [NULL])
        columns["box_confidence"].extend(scores.tolist() or [0.0])
        for column, value in (
            ("filename", filename),
            ("folder", folder),
            ("height", height),
            ("width", width),
            ("image_confidence", float(scores.min()) if len(known) else 0.0),
        ):
            columns[column].extend([value] * rows)
    columns["class_"] = columns.pop("class")
    return tables.make("totag", **columns)
