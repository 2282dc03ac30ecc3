"""Whether a model sees the same in every image: then it has learned where objects are on average,
and looks at no image.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from train.evaluation.matching import CORNERS
from utils.boxes.iou import intersection_over_union
from utils.labels.tables import blob_names
from utils.reserved import NULL

FEW_IMAGES = 5  # in fewer it may be chance
_NEARLY_ALL = 0.95  # of the images
_SAME = 0.9  # overlap with the middle box
_RIGHT = 0.5  # overlap of a true box with it


@dataclass(frozen=True)
class Sameness:
    """The box that a model is surest of in `images` images: its class and xyxy, fractions."""

    images: int
    class_name: str
    xyxy: tuple[float, float, float, float]

    def __str__(self) -> str:
        xmin, ymin, xmax, ymax = self.xyxy
        return (
            f"the model sees the same in every image: in each of {self.images} test images it is"
            f" surest of one {self.class_name} from {xmin:.0%} to {xmax:.0%} of the width and"
            f" {ymin:.0%} to {ymax:.0%} of the height. It has not learned to look yet: train it for"
            " more steps (train_iterations), begin from pretrained weights (tf_url or"
            " fine_tune_checkpoint), or keep these with freeze_backbone=True"
        )


def same_everywhere(truth: pd.DataFrame, found: pd.DataFrame) -> Sameness | None:
    """What the model sees in every image, from rows of test and rows of totag; None where images
    differ, are few, or really show an object in that place.
    """
    boxes = found[found["class"] != NULL]
    order = np.argsort(-boxes["box_confidence"].to_numpy(np.float64), kind="stable")
    surest = boxes.iloc[order]
    surest = surest[~blob_names(surest).duplicated().to_numpy()]
    if len(surest) < FEW_IMAGES or surest["class"].nunique() > 1:
        return None

    corners = surest[CORNERS].to_numpy(np.float64)
    middle = np.median(corners, axis=0)
    if (intersection_over_union(middle[None], corners) >= _SAME).mean() < _NEARLY_ALL:
        return None
    true_boxes = truth[truth["class"] != NULL][CORNERS].to_numpy(np.float64)
    if (
        len(true_boxes)
        and (intersection_over_union(middle[None], true_boxes) >= _RIGHT).mean() > 0.5
    ):
        return None
    return Sameness(len(surest), surest["class"].iloc[0], tuple(middle.tolist()))
