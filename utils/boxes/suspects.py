"""Which labels are probably wrong: how strongly the boxes of a person and those of a model that was
not trained on the image contradict each other.

The kinds are those of ObjectLab (Tkachenko et al., 2023, arXiv 2309.00832), and one more; the
formula is our own. Of each class, a label and a detection that share at least a tenth belong
together, one to one, largest score x overlap (IoU) first. How strong a contradiction is, 0 to 1:

- OVERLOOKED, a detection that shares less than half with every label: score x (1 - overlap with
  the nearest label);
- SWAPPED, a detection of another class that shares at least half with a label: (score - that of the
  label's own detection, where it shares half);
- OFF, a label and its detection: score x (1 - overlap) / 0.9;
- UNSUPPORTED, a label: 1 - the best score at its place (in proportion to the overlap where that is
  less than half).

What a model does often says little about one label: it misses many, or draws loosely. So each
counts as strength / (1 + r / 0.05), where r is the share of the images with a label of its class
(with SWAPPED and OVERLOOKED: of the class that is seen, or with such a contradiction) that are
contradicted in the same way more strongly, or as strongly; of an image its strongest counts. Images
and not labels, as these are what people look at: in a crowd a model contradicts few labels, and yet
most images. Then once more with r among all images and contradictions of the kind, whatever their
class: so the four kinds, whose strengths are no common measure, all come early. 0.05: mistakes that
people are thought to make.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from utils.boxes.iou import intersection_over_union
from utils.labels import tables
from utils.reserved import NULL

OVERLOOKED, SWAPPED, OFF, UNSUPPORTED = "overlooked", "swapped", "off", "unsupported"
KINDS = (OVERLOOKED, SWAPPED, OFF, UNSUPPORTED)
_SAME = 0.5  # overlap from which two boxes are about the same object
_LEAST = 0.1  # overlap from which a label and a detection may belong together
_MISTAKES = 0.05  # share of labels that people are thought to get wrong, per kind
_NOISE = 0.01  # detections below this score say nothing; above, even a weak one supports a label
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


_NONE = Suspect("", "", 0.0)


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
    showing: dict[str, set[str]] = defaultdict(set)  # images by the classes that are labelled
    groups: dict[tuple[str, str], dict[str, Suspect]] = defaultdict(dict)
    for image in images:
        for name in image.classes:
            showing[name].add(image.name)
        for suspect in _contradictions(image):
            name = suspect.labelled if suspect.kind in (OFF, UNSUPPORTED) else suspect.seen
            group = groups[suspect.kind, name]
            if suspect.suspicion > group.get(image.name, _NONE).suspicion:
                group[image.name] = suspect

    kinds: dict[str, dict[str, Suspect]] = defaultdict(dict)
    for (kind, name), group in groups.items():
        for suspect in _weighted(group.values(), len(showing[name] | group.keys())):
            if suspect.suspicion > kinds[kind].get(suspect.image, _NONE).suspicion:
                kinds[kind][suspect.image] = suspect

    strongest: dict[str, Suspect] = {}
    for of_kind in kinds.values():
        for suspect in _weighted(of_kind.values(), len(images)):
            known = strongest.get(suspect.image)
            if known is None or _rank(suspect) > _rank(known):
                strongest[suspect.image] = suspect
    return sorted(strongest.values(), key=lambda suspect: (-suspect.suspicion, suspect.image))


def _weighted(found: Iterable[Suspect], images: int) -> list[Suspect]:
    """Contradictions of one sort, one an image, among so many images, the frequent ones as less."""
    group = list(found)
    strengths = np.array([suspect.suspicion for suspect in group])
    stronger = len(group) - np.searchsorted(np.sort(strengths), strengths, side="left") - 1
    suspicions = strengths / (1 + stronger / images / _MISTAKES)
    return [
        replace(suspect, suspicion=suspicion)
        for suspect, suspicion in zip(group, suspicions.tolist(), strict=True)
    ]


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


def _contradictions(image: _Image) -> Iterator[Suspect]:
    """All of an image, with their strength as suspicion."""
    support = image.support
    nearest = image.overlaps.max(axis=0, initial=0)
    for detection in np.flatnonzero(image.free & (nearest < _SAME)):
        seen, score = image.seen[detection], float(image.scores[detection])
        strength = score * (1 - float(nearest[detection]))
        yield Suspect(image.name, OVERLOOKED, strength, "", seen, score)

    for label, name in enumerate(image.classes):
        own, place = 0.0, image.partner[label]
        if place >= 0:
            overlap, score = float(image.overlaps[label, place]), float(image.scores[place])
            own = score if overlap >= _SAME else 0.0
            strength = score * (1 - overlap) / (1 - _LEAST)
            yield Suspect(image.name, OFF, strength, name, name, score, overlap)
        best = float(support[label])
        others = image.free & (image.overlaps[label] >= _SAME) & (image.seen != name)
        for detection in np.flatnonzero(others):
            overlap, score = float(image.overlaps[label, detection]), float(image.scores[detection])
            strength = max(0.0, score - own)
            seen = image.seen[detection]
            yield Suspect(image.name, SWAPPED, strength, name, seen, score, overlap)
            best = max(best, score)
        yield Suspect(image.name, UNSUPPORTED, 1 - best, name)
