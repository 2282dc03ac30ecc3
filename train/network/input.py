"""What the training loop eats: records → images fitted into the canvas, augmented, with the targets
of the region proposal network.

Records are TF-Examples with the keys of tf-models-official. Everything streams: the only buffers
are a shuffle buffer of encoded images and, for sets that are small, a cache of fitted ones.
"""

import numpy as np
import tensorflow as tf
from official.vision.dataloaders import maskrcnn_input, tf_example_decoder

from train.network.augmentation import Augmentation, augmented
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
_MAX_AMONG_EMPTY = 10.0


@without_conversion
def training_dataset(
    shards: list[str],
    images: int,
    settings: Settings,
    augmentation: Augmentation,
    batch_size: int,
    seed: int,
    repeats: dict[int, float] | None = None,
    part: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Endless batches (images [b,H,W,3] float32, labels) of the training records, as the task's
    train_step wants them.

    images: their number in the shards. repeats: {class id: how often an image with that class is
    shown for one without}; see `repeat_factors`. part: (which, of how many): only every so manieth
    image, the first one being number `which`.
    """
    which, parts = part
    files = tf.data.Dataset.from_tensor_slices(shards)
    records = files.interleave(tf.data.TFRecordDataset, cycle_length=min(len(shards), 8))
    records = records.shard(parts, which)
    images = -(-images // parts)
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
        lambda example: parse(augmented(example, augmentation)), tf.data.AUTOTUNE
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


def repeat_factors(images_of_class: dict[int, int], empty: int = 0) -> dict[int, float]:
    """How often an image with a class is shown, from the number of training images of each class
    (by id): sqrt(most / this), 1 to 5.

    The repeat factor of Gupta, Dollár, Girshick, "LVIS" (2019), with the commonest class as the
    threshold. Where more images are `empty` than have this class, all are shown more often, up to
    10 times: there is little to learn in another empty one.
    """
    most = max(images_of_class.values(), default=0)
    among_empty = min(_MAX_AMONG_EMPTY, max(1.0, empty / most)) if most else 1.0
    return {
        number: among_empty * min(_MAX_REPEATS, (most / count) ** 0.5)
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
