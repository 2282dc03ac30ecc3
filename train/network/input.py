"""What the training loop eats: records → images fitted into the canvas, augmented, with the targets
of the region proposal network.

Records are TF-Examples with the keys of tf-models-official. Everything streams: the only buffers
are a shuffle buffer of encoded images and, for sets that are small, a cache of fitted ones.
"""

import dataclasses

import numpy as np
import tensorflow as tf
from official.vision.dataloaders import maskrcnn_input, tf_example_decoder

from train.network.detector import (
    Settings,
    fit_into_canvas,
    model_config,
    normalise,
    without_conversion,
)

_SHUFFLE_IMAGES = 1000
_CACHE_BYTES = 256 * 2**20
_MAX_REPEATS = 5.0
_CROP_PAD_SCALES = (0.7, 1.4)
_SEEN = 0.25
_NOISE = 0.1


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The four augmentations of config.ini; each is a chance taken anew for every image."""

    horizontal_flip: bool = True
    vertical_flip: bool = False
    crop_pad: bool = False
    noise: bool = False


@without_conversion
def training_dataset(
    shards: list[str],
    images: int,
    settings: Settings,
    augmentation: Augmentation,
    batch_size: int,
    seed: int,
    repeats: dict[int, float] | None = None,
) -> tf.data.Dataset:
    """Endless batches (images [b,H,W,3] float32, labels) of the training records, as the task's
    train_step wants them.

    images: their number in the shards. repeats: {class id: how often an image with that class is
    shown for one without}; see `repeat_factors`.
    """
    files = tf.data.Dataset.from_tensor_slices(shards)
    records = files.interleave(tf.data.TFRecordDataset, cycle_length=min(len(shards), 8))
    fits = images * settings.canvas[0] * settings.canvas[1] * 3 <= _CACHE_BYTES
    fitted = records.map(lambda record: _fitted(record, settings.canvas), tf.data.AUTOTUNE)
    if fits:
        examples = fitted.cache().shuffle(max(images, 1), seed=seed).repeat()
    else:
        examples = (
            records.shuffle(min(images, _SHUFFLE_IMAGES), seed=seed)
            .repeat()
            .map(lambda record: _fitted(record, settings.canvas), tf.data.AUTOTUNE)
        )
    # The buffer holds references, not copies.
    examples = with_repeats(
        examples, settings, repeats, spread=min(images, 200) if fits else 50, seed=seed
    )
    parse = target_parser(settings).parse_fn(is_training=True)
    batches = examples.map(
        lambda example: parse(_augmented(example, augmentation)), tf.data.AUTOTUNE
    )
    return batches.batch(batch_size, drop_remainder=True).prefetch(4)


def with_repeats(
    examples: tf.data.Dataset,
    settings: Settings,
    repeats: dict[int, float] | None,
    spread: int,
    seed: int,
) -> tf.data.Dataset:
    """Examples (with `groundtruth_classes`), those of rare classes several times; see
    `repeat_factors`.

    Repeats of one image come one after the other: they are spread over batches by a buffer of
    `spread` examples.
    """
    if not repeats or max(repeats.values()) <= 1.0:
        return examples
    factors = tf.constant(
        [1.0, *(repeats.get(number, 1.0) for number in range(1, settings.num_classes))]
    )
    repeated = examples.flat_map(
        lambda example: tf.data.Dataset.from_tensors(example).repeat(_times(example, factors))
    )
    return repeated.shuffle(spread, seed=seed)


@without_conversion
def evaluation_dataset(shards: list[str], settings: Settings, batch_size: int) -> tf.data.Dataset:
    """Batches (images [b,H,W,3] float32 normalised, truth) in the records' order; the last one may
    be smaller.

    truth: `source_id` text [b], ragged `boxes` [b,(n),4] ymin,xmin,ymax,xmax in fractions of the
    canvas, ragged `classes` [b,(n)].
    """

    def parse(record):
        example = _fitted(record, settings.canvas)
        truth = {
            "source_id": example["source_id"],
            "boxes": example["groundtruth_boxes"],
            "classes": example["groundtruth_classes"],
        }
        return normalise(tf.cast(example["image"], tf.float32)), truth

    return (
        tf.data.TFRecordDataset(shards)
        .map(parse, tf.data.AUTOTUNE)
        .ragged_batch(batch_size)
        .prefetch(2)
    )


def first_images(shards: list[str], count: int) -> list[np.ndarray]:
    """The first images of the records, uint8 (h, w, 3)."""
    decoder = tf_example_decoder.TfExampleDecoder()
    return [
        decoder.decode(record)["image"].numpy()
        for record in tf.data.TFRecordDataset(shards).take(count)
    ]


def repeat_factors(images_of_class: dict[int, int]) -> dict[int, float]:
    """How often an image with a class is shown, from the number of training images of each class
    (by id): sqrt(most / this), 1 to 5.

    The repeat factor of Gupta, Dollár, Girshick, "LVIS" (2019), with the commonest class as the
    threshold.
    """
    most = max(images_of_class.values(), default=0)
    return {
        number: min(_MAX_REPEATS, (most / count) ** 0.5)
        for number, count in images_of_class.items()
        if count
    }


def _times(example: dict, factors: tf.Tensor) -> tf.Tensor:
    classes = example["groundtruth_classes"]
    factor = tf.reduce_max(tf.concat([[1.0], tf.gather(factors, classes)], 0))
    return tf.cast(tf.floor(factor + tf.random.uniform([])), tf.int64)


def _fitted(record: tf.Tensor, canvas: tuple[int, int]) -> dict:
    example = tf_example_decoder.TfExampleDecoder().decode(record)
    image, share = fit_into_canvas(example["image"], canvas)
    example["image"] = tf.saturate_cast(tf.round(image), tf.uint8)
    example["groundtruth_boxes"] = example["groundtruth_boxes"] * tf.tile(share, [2])
    return example


def _augmented(example: dict, augmentation: Augmentation) -> dict:
    """The example with its image as float32 0-1, augmented.

    Not by the parser of tf-models-official: all its random numbers have one seed, so that vertical
    flips are horizontal ones too.
    """
    image, boxes, classes = (
        tf.cast(example["image"], tf.float32) / 255.0,
        example["groundtruth_boxes"],
        example["groundtruth_classes"],
    )
    if augmentation.horizontal_flip:
        image, boxes = tf.cond(
            _chance(), lambda: _flipped(image, boxes, axis=1), lambda: (image, boxes)
        )
    if augmentation.vertical_flip:
        image, boxes = tf.cond(
            _chance(), lambda: _flipped(image, boxes, axis=0), lambda: (image, boxes)
        )
    if augmentation.crop_pad:
        image, boxes, classes = _cropped_or_padded(image, boxes, classes)
    if augmentation.noise:
        image = tf.clip_by_value(
            image * tf.random.uniform(tf.shape(image), 1 - _NOISE, 1 + _NOISE), 0.0, 1.0
        )
    return {
        **example,
        "image": image,
        "groundtruth_boxes": boxes,
        "groundtruth_classes": classes,
        "groundtruth_is_crowd": tf.zeros_like(classes, tf.bool),
    }


def _chance() -> tf.Tensor:
    return tf.random.uniform([]) < 0.5


def _flipped(image: tf.Tensor, boxes: tf.Tensor, axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Turned over along y (axis 0) or x (axis 1); boxes (n, 4) ymin, xmin, ymax, xmax are
    fractions.
    """
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=1)
    turned = (1 - ymax, xmin, 1 - ymin, xmax) if axis == 0 else (ymin, 1 - xmax, ymax, 1 - xmin)
    return tf.reverse(image, [axis]), tf.stack(turned, axis=1)


def _cropped_or_padded(
    image: tf.Tensor, boxes: tf.Tensor, classes: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A random window of the image, 1/1.4 to 1/0.7 of its sides, at a random place; black outside
    the image.

    Boxes of which less than a quarter is still to be seen are left out.
    """
    share = 1.0 / tf.random.uniform([], *_CROP_PAD_SCALES)
    # below zero when the window is larger than the image
    corner = tf.random.uniform([2]) * (1.0 - share)
    height, width, _ = image.shape
    pixels = tf.constant([height, width], tf.float32)
    # crop_and_resize samples from the first to the last of these points; they are the centres of
    # the window's outer pixels.
    first = (corner * pixels + 0.5 * share - 0.5) / (pixels - 1)
    last = ((corner + share) * pixels - 0.5 * share - 0.5) / (pixels - 1)
    window = tf.image.crop_and_resize(
        image[tf.newaxis], tf.concat([first, last], 0)[tf.newaxis], [0], [height, width]
    )[0]
    moved = (boxes - tf.tile(corner, [2])) / share
    seen = tf.clip_by_value(moved, 0.0, 1.0)
    kept = _areas(seen) > _SEEN * _areas(moved)
    return window, tf.boolean_mask(seen, kept), tf.boolean_mask(classes, kept)


def _areas(boxes: tf.Tensor) -> tf.Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def target_parser(settings: Settings) -> maskrcnn_input.Parser:
    """What gives examples the targets of the region proposal network, as the task's train_step
    wants them.
    """
    config = model_config(settings)
    return maskrcnn_input.Parser(
        output_size=list(settings.canvas),
        min_level=config.min_level,
        max_level=config.max_level,
        num_scales=config.anchor.num_scales,
        aspect_ratios=config.anchor.aspect_ratios,
        anchor_size=config.anchor.anchor_size,
        max_num_instances=max(100, settings.max_detections, settings.most_boxes),
    )
