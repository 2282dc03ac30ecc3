"""Which labels are probably wrong: how strongly the boxes of a person and those of a model that was
not trained on the image contradict each other.

The kinds are those of ObjectLab (Tkachenko et al., 2023, arXiv 2309.00832), and one more; the
formula is our own. Of each class, a label and a detection that share at least a tenth belong
together, one to one, largest score x overlap (IoU) first. Each contradiction counts from 0 to 1:

- OVERLOOKED, a detection that shares less than half with every label: score x (1 - overlap with
  the nearest label) x trust;
- SWAPPED, a detection of another class that shares at least half with a label: (score - that of the
  label's own detection, where it shares half) x overlap x trust;
- OFF, a label and its detection: score x (1 - overlap) x trust;
- UNSUPPORTED, a label: 1 - the best score at its place (in proportion to the overlap where that is
  less than half) x how well labels of its class are found.

trust: of the detections of the class from a score of 0.5 on, the share that shares at least half
with a label of the class. How well a class is found: the mean support of its labels. Both as if
there were one more that is right, so that the one in question does not speak against itself.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from utils.boxes.iou import intersection_over_union
from utils.labels import tables
from utils.reserved import NULL

OVERLOOKED, SWAPPED, OFF, UNSUPPORTED = "overlooked", "swapped", "off", "unsupported"
KINDS = (OVERLOOKED, SWAPPED, OFF, UNSUPPORTED)
_SAME = 0.5  # overlap from which two boxes are about the same object
_LEAST = 0.1  # overlap from which a label and a detection may belong together
_SURE = 0.5  # score of detections that tell how far a model is to be trusted
_NOISE = 0.05  # detections below this score say nothing
_CORNERS = ["xmin", "ymin", "xmax", "ymax"]


@dataclass(frozen=True)
class Suspect:
    """The strongest contradiction in an image (blob name). suspicion: 0 to 1; labelled: the class
    of the label, "" for OVERLOOKED; seen: the class that the model sees, "" for UNSUPPORTED; score:
    of that detection; overlap: of both.
    """

    image: str
    kind: str
    suspicion: float
    labelled: str = ""
    seen: str = ""
    score: float = 0.0
    overlap: float = 0.0

    @property
    def words(self) -> str:
        """Why, for people."""
        if self.kind == OVERLOOKED:
            return f"no box where the model sees {self.seen} (score {self.score:.2f})"
        if self.kind == SWAPPED:
            return f"labelled {self.labelled}, the model sees {self.seen} (score {self.score:.2f})"
        if self.kind == OFF:
            return (
                f"the box of {self.labelled} may be off: it shares {self.overlap:.2f} with the"
                f" model's (score {self.score:.2f})"
            )
        return f"the model sees nothing where {self.labelled} is labelled"


@dataclass
class _Image:
    """Labels (n, 4) and detections (m, 4) of an image, and what they have in common. partner: of
    each label the detection that belongs to it, -1 for none; free: detections without a label.
    """

    name: str
    classes: np.ndarray
    seen: np.ndarray
    scores: np.ndarray
    overlaps: np.ndarray
    partner: np.ndarray = field(init=False)
    free: np.ndarray = field(init=False)

    def __post_init__(self):
        self.partner = np.full(len(self.classes), -1)
        self.free = np.ones(len(self.seen), bool)
        fitting = (self.classes[:, None] == self.seen[None]) & (self.overlaps >= _LEAST)
        value = np.where(fitting, self.overlaps * self.scores[None], 0.0)
        while value.size and value.max() > 0:
            label, found = np.unravel_index(int(value.argmax()), value.shape)
            self.partner[label], self.free[found] = found, False
            value[label], value[:, found] = 0, 0

    @property
    def support(self) -> np.ndarray:
        """(n,) of each label by the detection that belongs to it, 0 to 1."""
        given = np.zeros(len(self.classes))
        has = np.flatnonzero(self.partner >= 0)
        found = self.partner[has]
        given[has] = self.scores[found] * np.minimum(1, self.overlaps[has, found] / _SAME)
        return given


def suspects(labelled: pd.DataFrame, predicted: pd.DataFrame) -> list[Suspect]:
    """The strongest contradiction of each image that is in both tables (columns of tagged, of
    totag), the strongest image first; equal ones by name. Images without any are left out.
    """
    images = _images(labelled, predicted)
    trust, found = _trusted(images)
    strongest = (
        max(_contradictions(image, trust, found), key=_rank, default=None) for image in images
    )
    those = [suspect for suspect in strongest if suspect is not None and suspect.suspicion > 0]
    return sorted(those, key=lambda suspect: (-suspect.suspicion, suspect.image))


def _rank(suspect: Suspect) -> tuple[float, int]:
    return suspect.suspicion, -KINDS.index(suspect.kind)


def _images(labelled: pd.DataFrame, predicted: pd.DataFrame) -> list[_Image]:
    both = tables.image_set(labelled) & tables.image_set(predicted)
    ours, theirs = _by_image(labelled), _by_image(predicted[predicted["box_confidence"] > _NOISE])
    nothing = (np.zeros(0, object), np.zeros((0, 4)), np.zeros(0))
    made = []
    for name in sorted(both):
        classes, xyxy, _ = ours.get(name, nothing)
        seen, seen_xyxy, scores = theirs.get(name, nothing)
        overlaps = intersection_over_union(xyxy, seen_xyxy)
        made.append(_Image(name, classes, seen, scores, overlaps))
    return made


def _by_image(frame: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """{image: classes, corners and scores of its boxes}."""
    boxes = frame[frame["class"] != NULL].reset_index(drop=True)
    classes, xyxy = boxes["class"].to_numpy(object), boxes[_CORNERS].to_numpy(float)
    scores = np.ones(len(boxes))
    if "box_confidence" in boxes:
        scores = boxes["box_confidence"].to_numpy(float)
    places = boxes.groupby(tables.blob_names(boxes).to_numpy(object)).indices
    return {name: (classes[rows], xyxy[rows], scores[rows]) for name, rows in places.items()}


def _trusted(images: Iterable[_Image]) -> tuple[dict[str, float], dict[str, float]]:
    """How far each class of detections is to be trusted, and how well each class is found."""
    right, sure = defaultdict(float), defaultdict(int)
    supported, labels = defaultdict(float), defaultdict(int)
    for image in images:
        for name, support in zip(image.classes, image.support, strict=True):
            supported[name] += support
            labels[name] += 1
        for found, name in enumerate(image.seen):
            if image.scores[found] >= _SURE:
                label = np.flatnonzero(image.partner == found)
                right[name] += bool(len(label) and image.overlaps[label[0], found] >= _SAME)
                sure[name] += 1
    names = set(sure) | set(labels) | {name for image in images for name in image.seen}
    return (
        {name: (right[name] + 1) / (sure[name] + 1) for name in names},
        {name: (supported[name] + 1) / (labels[name] + 1) for name in names},
    )


def _contradictions(
    image: _Image, trust: dict[str, float], found: dict[str, float]
) -> Iterable[Suspect]:
    support = image.support
    nearest = image.overlaps.max(axis=0, initial=0)
    for detection in np.flatnonzero(image.free & (nearest < _SAME)):
        seen, score = image.seen[detection], image.scores[detection]
        suspicion = score * (1 - nearest[detection]) * trust[seen]
        yield Suspect(image.name, OVERLOOKED, float(suspicion), "", seen, float(score))

    for label, name in enumerate(image.classes):
        own, place = 0.0, image.partner[label]
        if place >= 0:
            overlap, score = image.overlaps[label, place], image.scores[place]
            own = score if overlap >= _SAME else 0.0
            suspicion = score * (1 - overlap) * trust[name]
            yield Suspect(
                image.name, OFF, float(suspicion), name, name, float(score), float(overlap)
            )
        best = support[label]
        others = image.free & (image.overlaps[label] >= _SAME) & (image.seen != name)
        for detection in np.flatnonzero(others):
            overlap, score = image.overlaps[label, detection], image.scores[detection]
            seen = image.seen[detection]
            suspicion = max(0.0, score - own) * overlap * trust[seen]
            yield Suspect(
                image.name, SWAPPED, float(suspicion), name, seen, float(score), float(overlap)
            )
            best = max(best, score)
        yield Suspect(image.name, UNSUPPORTED, float((1 - best) * found[name]), name)
