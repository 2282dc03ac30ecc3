"""Which labelled images train, validate and test. Images of one burst (or folder) stay on one side.

Nothing here is drawn anew from run to run: a burst's place comes from a hash of the seed and the
burst's name, so that neither the order of rows nor images that are added later move what has its
place.
"""

import hashlib
import math
from collections import Counter, defaultdict

import pandas as pd

from utils.labels.tables import blob_names, image_set
from utils.reserved import NULL


def bursts(images: pd.DataFrame, split_by: str = "burst", burst_seconds: float = 60) -> pd.Series:
    """The burst of each image of an images table, as a Series of texts whose index is the blob
    name.

    Photographs of one folder, each taken at most `burst_seconds` after the one before it, are a
    burst, named after its first image; one without a time is a burst of its own. split_by "folder"
    takes whole folders for bursts, "image" each image by itself.
    """
    names = blob_names(images)
    if split_by == "image":
        return pd.Series(names.to_numpy(), index=names.to_numpy(), dtype="str")
    if split_by == "folder":
        return pd.Series(images["folder"].to_numpy() + "/", index=names.to_numpy(), dtype="str")
    taken = pd.to_datetime(
        images["taken_at"].where(images["taken_at"] != ""),
        errors="coerce",
        utc=True,
        format="ISO8601",
    )
    order = pd.DataFrame({"name": names, "folder": images["folder"], "taken": taken}).sort_values(
        ["folder", "taken", "name"]
    )
    gap = order["taken"].diff().dt.total_seconds()
    first = (order["folder"] != order["folder"].shift()) | ~(gap <= burst_seconds)
    return pd.Series(
        order["name"].where(first).ffill().to_numpy(), index=order["name"].to_numpy(), dtype="str"
    ).reindex(names.to_numpy())


def draw_test(
    tagged: pd.DataFrame,
    images: pd.DataFrame,
    trained: set[str],
    share: float,
    seed: int,
    split_by: str = "burst",
    burst_seconds: float = 60,
    present: set[str] = frozenset(),
) -> set[str]:
    """The images of the test set: those of `present` stay, whole bursts join them until `share` of
    the labelled images is reached.

    Only bursts of which no image is in `trained` (what published models were trained on) can join.
    First, rare ones first, each class that the test set lacks gets a burst. A burst that training
    cannot do without – the last one, or the last one with some class – stays there, and so does one
    that would make the set more than twice as large as asked for. Later images of a burst in the
    test set follow it. Labelled images that are not in `images` (gone, unreadable) do not count.
    """
    group = _groups(tagged, images, split_by, burst_seconds)
    burst_of = bursts(images, split_by, burst_seconds)
    closed = {burst_of[image] for image in trained - present if image in burst_of.index}
    held = {group[image] for image in present if image in group}
    test = set(present) & image_set(tagged)
    test |= {
        image for image, burst in group.items() if burst in held - closed and image not in trained
    }

    pool = _Pool(group, _classes(tagged), test)
    target = math.ceil(share * len(group) - 1e-9)
    free = sorted(
        set(pool.members) - closed - held, key=lambda burst: (_place("test", seed, burst), burst)
    )
    if share > 0:
        for name in pool.lacking():
            candidates = [
                burst for burst in free if name in pool.classes[burst] and pool.can_spare(burst)
            ]
            if candidates and name not in pool.represented:
                pool.take(
                    min(candidates, key=lambda burst: max(pool.size(burst), target - pool.taken))
                )
        for burst in free:
            if pool.size(burst) <= target - pool.taken and pool.can_spare(burst):
                pool.take(burst)
        rest = [
            burst
            for burst in free
            if pool.can_spare(burst) and pool.taken + pool.size(burst) <= 2 * target
        ]
        if rest and pool.taken < target:
            pool.take(min(rest, key=pool.size))
    return test | pool.test


def split_validation(
    tagged: pd.DataFrame,
    images: pd.DataFrame,
    share: float,
    seed: int,
    split_by: str = "burst",
    burst_seconds: float = 60,
) -> tuple[set[str], set[str]]:
    """(training images, validation images) of labels without the test set's; about `share` of the
    bursts are for validation.

    A burst stays where it is while others come; only where a class, or everything, would have no
    training images, one of its bursts trains.
    """
    group = _groups(tagged, images, split_by, burst_seconds)
    members = _members(group)
    place = {burst: _place("validation", seed, burst) for burst in members}
    validation = {burst for burst in members if place[burst] < share}
    classes = _classes_of_bursts(members, _classes(tagged))
    trained = set().union(*(classes[burst] for burst in members if burst not in validation), set())
    for burst in sorted(validation, key=lambda burst: (-place[burst], burst)):
        if not classes[burst] <= trained or len(validation) == len(members):
            validation.discard(burst)
            trained |= classes[burst]
    chosen = {image for burst in validation for image in members[burst]}
    return set(group) - chosen, chosen


def folds(
    tagged: pd.DataFrame,
    images: pd.DataFrame,
    number: int,
    seed: int,
    split_by: str = "burst",
    burst_seconds: float = 60,
) -> list[set[str]]:
    """The labelled images in `number` parts of about the same size (fewer, when there are fewer
    bursts), whole bursts in one part: for a cross-check each part is judged by a model that was
    trained on the others.
    """
    members = _members(_groups(tagged, images, split_by, burst_seconds))
    parts: list[set[str]] = [set() for _ in range(min(number, len(members)))]
    for burst in sorted(members, key=lambda burst: (_place("crosscheck", seed, burst), burst)):
        min(parts, key=len).update(members[burst])
    return parts


class _Pool:
    """The labelled bursts while a test set is drawn from them: what was taken, and what is left for
    training.
    """

    def __init__(self, group: dict[str, str], class_sets: dict[str, set[str]], test: set[str]):
        self.members = _members(
            {image: burst for image, burst in group.items() if image not in test}
        )
        self.classes = _classes_of_bursts(self.members, class_sets)
        self.test: set[str] = set()
        self.taken = sum(image in test for image in group)  # images in the test set
        self.represented = set().union(
            *(class_sets[image] for image in test if image in group), set()
        )
        self._left = Counter(name for burst in self.members for name in self.classes[burst])
        self._bursts_left = set(self.members)

    def size(self, burst: str) -> int:
        return len(self.members[burst])

    def lacking(self) -> list[str]:
        """Classes not in the test set, rarest first."""
        return sorted(set(self._left) - self.represented, key=lambda name: (self._left[name], name))

    def can_spare(self, burst: str) -> bool:
        """Whether training still has something, and something of each class, without this burst."""
        return (
            burst in self._bursts_left
            and len(self._bursts_left) > 1
            and all(self._left[name] > 1 for name in self.classes[burst])
        )

    def take(self, burst: str) -> None:
        self._bursts_left.discard(burst)
        self._left.subtract(self.classes[burst])
        self.represented |= self.classes[burst]
        self.test |= set(self.members[burst])
        self.taken += self.size(burst)


def _groups(
    tagged: pd.DataFrame, images: pd.DataFrame, split_by: str, burst_seconds: float
) -> dict[str, str]:
    """{labelled image: its burst} of those that are in `images`."""
    burst_of = bursts(images, split_by, burst_seconds)
    labelled = image_set(tagged)
    return burst_of[burst_of.index.isin(labelled)].sort_index().to_dict()


def _members(group: dict[str, str]) -> dict[str, list[str]]:
    members = defaultdict(list)
    for image, burst in group.items():
        members[burst].append(image)
    return dict(members)


def _classes(tagged: pd.DataFrame) -> dict[str, set[str]]:
    """{image: its classes}; an image without boxes has none."""
    classes: dict[str, set[str]] = defaultdict(set)
    for image, name in zip(blob_names(tagged), tagged["class"], strict=True):
        classes[image] |= {name} - {NULL}
    return classes


def _classes_of_bursts(
    members: dict[str, list[str]], class_sets: dict[str, set[str]]
) -> dict[str, set[str]]:
    return {
        burst: set().union(*(class_sets[image] for image in images))
        for burst, images in members.items()
    }


def _place(purpose: str, seed: int, burst: str) -> float:
    """A number in [0, 1) that seed and burst determine, another one for each purpose."""
    digest = hashlib.sha256(f"{purpose}|{seed}|{burst}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:7]) / 2**56
