"""TFRecords of labelled images, as tf-models-official's TfExampleDecoder reads them, and
`records.json`, which says what is in them.

Images go in upright. Plain ones (8-bit RGB or grey, JPEG or PNG) go in as their own bytes; others
re-encoded; those more than three times the size of what the model sees shrunk to twice that size,
so that training does not decode 20 megapixels to look at one. Records stream from the files to the
shards, so memory does not grow with their number. Their order is a seeded shuffle of all, so a
small shuffle buffer is enough. Every image is there once; classes are balanced while reading, from
`images_of_class` (input.py).
"""

import hashlib
import json
import os
import random
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from PIL import Image

from train.network.labelled_images import PARTS, Plan, boxes_per_image, count, unusable_validation
from utils.errors import InputError, Unreadable
from utils.files import write_beside, write_text
from utils.images.canvas import fit
from utils.images.decoding import (
    BadImage,
    decode,
    encode_jpeg,
    encode_png,
    is_plain,
    read_file,
    read_header,
    room_to_decode,
)
from utils.images.greys import Greys
from utils.json_shape import json_object, read_regular
from utils.labels.tables import blob_names, without
from utils.parallel import in_order
from utils.progress import progress_bar
from utils.reserved import NULL

_MAKE_THEM = (
    "make them with create_tf_records.py (active_learning_train.sh CONFIG --from create_tf_records)"
)
_SHARD_BYTES = 128 * 2**20
_FAR_LARGER, _STORED = 3, 2  # times the fitted size


@dataclass(frozen=True)
class Part:
    """Numbers of one part (train, validation, test). The dicts have an entry for every class id;
    test has no shards.
    """

    images: int
    boxes: int
    empty: int
    images_of_class: dict[int, int]
    boxes_of_class: dict[int, int]
    shards: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Records:
    """What `records.json` says. `digest` changes when the records do; canvas is (height, width);
    classes is {name: id}. `most_boxes`: how many the fullest training image has.

    `validation_note` says why the validation part is not usable (then the last checkpoint is
    exported), "" when it is.
    """

    digest: str
    canvas: tuple[int, int]
    classes: dict[str, int]
    seed: int
    train: Part
    validation: Part
    test: Part
    validation_usable: bool
    validation_note: str
    skipped: dict
    most_boxes: int = 100


def records_file(tf_record_location: Path) -> Path:
    """Where records.json lies: beside the shards."""
    return tf_record_location.parent / "records.json"


def read_records(tf_record_location: Path) -> Records:
    """The records that are there. Raises InputError when there are none, or not all of their
    shards.
    """
    path = records_file(tf_record_location)
    try:
        return _records_of(json_object(read_regular(path)), path)
    except FileNotFoundError:
        raise InputError(f"{path}: there are no records yet; {_MAKE_THEM}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: damaged ({str(error)[:80]}); {_MAKE_THEM}") from None


@contextmanager
def whole_records(tf_record_location: Path) -> Iterator[None]:
    """While this lasts, shards are read. Raises InputError when one of them is damaged; then they
    are made anew by the next run of create_tf_records.py.
    """
    try:
        yield
    except tf.errors.DataLossError:
        path = records_file(tf_record_location)
        path.unlink(missing_ok=True)
        raise InputError(f"{path}: the files beside it are damaged; {_MAKE_THEM}") from None


def _records_of(document: dict, path: Path) -> Records:
    """What the content of records.json says. Raises InputError when a shard is not there, and
    other errors where it is damaged.
    """
    parts = {}
    for name in PARTS:
        numbers = document[name]
        shards = [(path.parent / shard, size) for shard, size in numbers.pop("shards", {}).items()]
        for shard, size in shards:
            if not shard.is_file() or shard.stat().st_size != size:
                raise InputError(
                    f"{shard}: is not the file that records.json speaks of; {_MAKE_THEM}"
                )
        for key in ("images_of_class", "boxes_of_class"):
            numbers[key] = {
                document["classes"][label]: number for label, number in numbers[key].items()
            }
        parts[name] = Part(**numbers, shards=tuple(shard for shard, _ in shards))
    others = {
        key: document[key]
        for key in ("digest", "classes", "seed", "validation_usable", "validation_note", "skipped")
    }
    most_boxes = document.get("most_boxes", 100)
    return Records(**others, canvas=tuple(document["canvas"]), most_boxes=most_boxes, **parts)


def up_to_date(plan: Plan, tf_record_location: Path) -> dict | None:
    """The content of records.json, its test part and what was skipped brought up to date, when the
    shards of this plan lie there whole.
    """
    path = records_file(tf_record_location)
    try:
        read_records(tf_record_location)
        document = json_object(read_regular(path))
    except (InputError, ValueError, KeyError, TypeError):
        return None
    if document.get("plan") != plan.digest or document["skipped"]["undecodable"]:
        return None
    document["test"] = {**count(plan.parts["test"], plan.classes), "shards": {}}
    document["skipped"] = _skipped(plan, {})
    document["validation_note"] = unusable_validation({part: document[part] for part in PARTS})
    document["validation_usable"] = not document["validation_note"]
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False))
    return document


def write_records(plan: Plan, tf_record_location: Path, path_of: Callable[[str], Path]) -> dict:
    """Write the shards of train and validation, then records.json; return its content.

    `path_of` finds an image's file. Images that cannot be decoded are left out and listed. Without
    records.json no half-written set is ever read: the old one is removed first. Raises InputError
    when no training image can be decoded.
    """
    stem, document_path = tf_record_location.with_suffix(""), records_file(tf_record_location)
    stem.parent.mkdir(parents=True, exist_ok=True)
    document_path.unlink(missing_ok=True)
    _remove_shards(stem)
    numbers = {image: number for number, image in enumerate(plan.sizes.index.sort_values(), 1)}
    bad: dict[str, str] = {}
    shards = {}
    for part, suffix in (("train", "train"), ("validation", "val")):
        images = sorted(set(blob_names(plan.parts[part])))
        if part == "train":
            random.Random(plan.seed).shuffle(images)
        labels = _Labels(plan.parts[part], plan.classes)
        examples = _examples(images, labels, numbers, plan, path_of, bad)
        size = int(plan.sizes["bytes"].reindex(images).sum())
        files = _write_shards(f"{stem}_{suffix}", examples, len(images), size, part)
        shards[part] = {file.name: file.stat().st_size for file in files}
    counts = {part: count(without(plan.parts[part], bad), plan.classes) for part in PARTS}
    if not counts["train"]["boxes"]:
        image, reason = next(iter(bad.items()))
        raise InputError(
            f"none of the images with boxes to train on can be decoded ({len(bad)} failed; {image}:"
            f" {reason})"
        )
    note = unusable_validation(counts)
    document = {
        "format": 1,
        "plan": plan.digest,
        "digest": _digest(plan, bad),
        "canvas": list(plan.canvas),
        "greys": plan.greys.as_json(),
        "most_boxes": int(boxes_per_image(plan.parts["train"]).max()),
        "classes": plan.classes,
        "seed": plan.seed,
        **{part: {**counts[part], "shards": shards.get(part, {})} for part in PARTS},
        "validation_usable": not note,
        "validation_note": note,
        "skipped": _skipped(plan, bad),
    }
    write_text(document_path, json.dumps(document, indent=1, ensure_ascii=False))
    return document


def stored_image(data: bytes, canvas: tuple[int, int], greys: Greys) -> tuple[bytes, str, int, int]:
    """An image file as it goes into a record: (bytes, "jpeg" or "png", height, width), upright.
    Raises BadImage.

    Only what TensorFlow reads goes in as it is: some files are whole for Pillow and not for it.
    """
    header = read_header(data)
    fitted = fit(header.height, header.width, canvas)
    jpeg = data[:2] == b"\xff\xd8"
    if max(header.height, header.width) > _FAR_LARGER * max(fitted):
        height, width = (_STORED * side for side in fitted)
        picture = Image.fromarray(decode(data, max_side=max(height, width), greys=greys))
        data, jpeg = (
            encode_jpeg(
                np.asarray(
                    picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3)
                )
            ),
            True,
        )
        return data, "jpeg", height, width
    # also of those that go in as they are: truncated files must not
    picture = decode(data, greys=greys)
    if not (is_plain(data) and _tensorflow_reads(data, picture.shape)):
        data = encode_jpeg(picture) if jpeg else encode_png(picture)
    return data, "jpeg" if jpeg else "png", *picture.shape[:2]


def _tensorflow_reads(data: bytes, shape: tuple[int, ...]) -> bool:
    """Does the decoder of the training input see a picture of this (height, width, 3)?"""
    try:
        return tuple(tf.io.decode_image(data, channels=3).shape) == shape
    except tf.errors.OpError:
        return False


class _Labels:
    """The boxes of each image, found without copying the table."""

    def __init__(self, frame: pd.DataFrame, classes: dict[str, int]):
        boxes = frame[frame["class"] != NULL]
        self._rows = (
            blob_names(boxes).reset_index(drop=True).groupby(blob_names(boxes).to_numpy()).indices
        )
        self._boxes = boxes[["xmin", "xmax", "ymin", "ymax"]].to_numpy(np.float32)
        self._names = boxes["class"].to_numpy(object)
        self._classes = classes

    def of(self, image: str) -> tuple[np.ndarray, list[str], list[int]]:
        """(boxes (n, 4) xmin, xmax, ymin, ymax in fractions; class names; class ids)."""
        rows = self._rows.get(image, np.empty(0, np.int64))
        names = list(self._names[rows])
        return self._boxes[rows], names, [self._classes[name] for name in names]


def _examples(
    images: Iterable[str],
    labels: _Labels,
    numbers: dict[str, int],
    plan: Plan,
    path_of: Callable[[str], Path],
    bad: dict[str, str],
) -> Iterator[bytes | None]:
    """Serialized examples in the order of `images`, decoded in parallel; None for an image that
    then stands in `bad` with the reason.
    """

    def make(image: str) -> bytes | BadImage | Unreadable:
        try:
            data = read_file(path_of(image))
            with room_to_decode(data):
                stored = stored_image(data, plan.canvas, plan.greys)
        except (BadImage, Unreadable) as error:
            return error
        return _serialized(image, numbers[image], *stored, *labels.of(image))

    workers = min(os.cpu_count() or 1, 16)
    with ThreadPoolExecutor(workers) as pool:
        for image, result in in_order(pool, make, images, ahead=2 * workers):
            if not isinstance(result, bytes):
                bad[image] = str(result)
            yield result if isinstance(result, bytes) else None


def _serialized(
    image: str,
    number: int,
    data: bytes,
    form: str,
    height: int,
    width: int,
    boxes: np.ndarray,
    names: list[str],
    ids: list[int],
) -> bytes:
    xmin, xmax, ymin, ymax = boxes.T
    name = image.encode("utf-8")
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "image/encoded": _bytes([data]),
                "image/format": _bytes([form.encode()]),
                "image/height": _ints([height]),
                "image/width": _ints([width]),
                "image/source_id": _bytes([str(number).encode()]),
                "image/filename": _bytes([name]),
                "image/object/bbox/xmin": _floats(xmin),
                "image/object/bbox/xmax": _floats(xmax),
                "image/object/bbox/ymin": _floats(ymin),
                "image/object/bbox/ymax": _floats(ymax),
                "image/object/class/text": _bytes([label.encode("utf-8") for label in names]),
                "image/object/class/label": _ints(ids),
                "image/object/area": _floats((xmax - xmin) * width * (ymax - ymin) * height),
                "image/object/is_crowd": _ints([0] * len(ids)),
            }
        )
    ).SerializeToString()


def _write_shards(
    stem: str, examples: Iterator[bytes | None], number: int, size: int, what: str
) -> list[Path]:
    """`number` examples of about `size` bytes in all → files `<stem>-00000-of-0000N.record`, one
    after the other.
    """
    shards = max(1, min(number, -(-size // _SHARD_BYTES)))
    progress = progress_bar(what=f"records for {what}", total=number, unit="image")
    files = []
    for shard in range(shards if number else 0):
        file = Path(f"{stem}-{shard:05}-of-{shards:05}.record")
        with write_beside(file) as piece, tf.io.TFRecordWriter(str(piece)) as writer:
            for _ in range(number * shard // shards, number * (shard + 1) // shards):
                example = next(examples)
                if example is not None:
                    writer.write(example)
                progress.update()
            writer.flush()
        files.append(file)
    next(examples, None)
    progress.close()
    return files


def _digest(plan: Plan, bad: dict[str, str]) -> str:
    return hashlib.sha256(
        f"{plan.digest} {sorted(bad)}".encode("utf-8", "surrogatepass")
    ).hexdigest()[:32]


def _skipped(plan: Plan, bad: dict[str, str]) -> dict:
    return {
        "gone": plan.gone,
        "failed": plan.failed,
        "undecodable": bad,
        "boxes_without_area": plan.without_area,
        "boxes_of_dropped_classes": plan.dropped,
    }


def _remove_shards(stem: Path) -> None:
    shard = re.compile(re.escape(stem.name) + r"_(train|val)-\d{5}-of-\d{5}\.record")
    for file in stem.parent.iterdir():
        if shard.fullmatch(file.name):
            file.unlink()


def _bytes(values: list[bytes]) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _floats(values) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _ints(values: list[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
