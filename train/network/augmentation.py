"""What a training image may look like besides as it is: each augmentation is a chance taken anew
every time that an image is shown.

Images are float32 (h, w, 3) 0-1; boxes (n, 4) ymin, xmin, ymax, xmax are fractions of the canvas.
"""

import dataclasses

import tensorflow as tf

_CROP_PAD_SCALES = (0.7, 1.4)
_ZOOM_SCALES = (0.5, 2.0)
_SEEN = 0.25
_NOISE = 0.1


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The augmentations of config.ini."""

    horizontal_flip: bool = True
    vertical_flip: bool = False
    crop_pad: bool = False
    noise: bool = False
    zoom: bool = False
    quarter_turns: bool = False

    def as_parts(self) -> dict:
        """What a run's fingerprint is made of: those that came later only where they are on."""
        given = dataclasses.asdict(self)
        later = ("zoom", "quarter_turns")
        return {name: value for name, value in given.items() if value or name not in later}


def augmented(example: dict, augmentation: Augmentation) -> dict:
    """The example (`image` uint8) with its image as float32 0-1, augmented.

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
    if augmentation.quarter_turns:
        image, boxes = _turned(image, boxes)
    if augmentation.zoom:
        image, boxes, classes = _zoomed(image, boxes, classes)
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
    """Turned over along y (axis 0) or x (axis 1)."""
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=1)
    turned = (1 - ymax, xmin, 1 - ymin, xmax) if axis == 0 else (ymin, 1 - xmax, ymax, 1 - xmin)
    return tf.reverse(image, [axis]), tf.stack(turned, axis=1)


def _turned(image: tf.Tensor, boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Turned by 0 or 2 quarters, and where the canvas is square by 1 or 3 too."""
    height, width, _ = image.shape
    image, boxes = tf.cond(
        _chance(),
        lambda: _flipped(*_flipped(image, boxes, axis=0), axis=1),
        lambda: (image, boxes),
    )
    if height != width:
        return image, boxes

    def transposed():
        ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=1)
        over = tf.stack((xmin, ymin, xmax, ymax), axis=1)
        return _flipped(tf.transpose(image, [1, 0, 2]), over, axis=1)

    return tf.cond(_chance(), transposed, lambda: (image, boxes))


def _cropped_or_padded(
    image: tf.Tensor, boxes: tf.Tensor, classes: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A random window of the image, 1/1.4 to 1/0.7 of its sides, at a random place; black outside
    the image.
    """
    share = 1.0 / tf.random.uniform([], *_CROP_PAD_SCALES)
    # below zero when the window is larger than the image
    corner = tf.random.uniform([2]) * (1.0 - share)
    return _window(image, boxes, classes, corner, share)


def _zoomed(
    image: tf.Tensor, boxes: tf.Tensor, classes: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The image at half to twice its size, in every second image; of a larger one a window in which
    one of the boxes, drawn at random, is whole, or its middle where it is larger than that.

    Scale jitter: Ghiasi et al., "Simple Copy-Paste" (2021); windows around boxes: Liu et al., "SSD"
    (2016).
    """
    low, high = (tf.math.log(scale) for scale in _ZOOM_SCALES)
    share = tf.exp(-tf.random.uniform([], low, high))

    # without a box, any window will do: as if a box as large as the window could be anywhere
    anywhere = tf.random.uniform([2]) * tf.maximum(1.0 - share, 0.0)
    all_boxes = tf.concat([boxes, [tf.concat([anywhere, anywhere + share], 0)]], 0)
    place = tf.random.uniform([], maxval=tf.maximum(tf.shape(boxes)[0], 1), dtype=tf.int32)
    least, most = all_boxes[place, :2], all_boxes[place, 2:]

    middle, fits = (least + most) / 2, most - least <= share
    first = tf.where(fits, most, middle) - share
    last = tf.where(fits, least, middle)
    inside = tf.minimum(1.0 - share, 0.0), tf.maximum(1.0 - share, 0.0)
    first, last = tf.clip_by_value(first, *inside), tf.clip_by_value(last, *inside)
    corner = first + tf.random.uniform([2]) * (last - first)
    return tf.cond(
        _chance(),
        lambda: _window(image, boxes, classes, corner, share),
        lambda: (image, boxes, classes),
    )


def _window(
    image: tf.Tensor, boxes: tf.Tensor, classes: tf.Tensor, corner: tf.Tensor, share: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The window with this upper left corner (2,) (y, x) and sides of this share of the image's, as
    large as the image was; black outside the image.

    Boxes of which less than a quarter is still to be seen are left out.
    """
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
