"""The canvas: the one size (height, width) in pixels that a model sees. Images are fitted into its
top left, their aspect ratio kept.
"""

import numpy as np

_OTHER_SHAPE = 0.05  # views on a screen are whole pixels
_STEP = 64  # the coarsest level of the feature pyramid halves six times


def canvas_for(sizes, min_tile: int, max_tile: int) -> tuple[int, int]:
    """The canvas (height, width) for images of these sizes, an (n, 2) array of height, width.

    min_tile x max_tile, lying or standing, when all images are landscape or all portrait; else (a
    square image, none at all) a square of max_tile. Sides are rounded up to multiples of 64.
    """
    sizes = np.asarray(sizes).reshape(-1, 2)
    shorter, longer = (-(-side // _STEP) * _STEP for side in (min_tile, max_tile))
    if len(sizes) and (sizes[:, 0] < sizes[:, 1]).all():
        return shorter, longer
    if len(sizes) and (sizes[:, 0] > sizes[:, 1]).all():
        return longer, shorter
    return longer, longer


def fit(height: int, width: int, canvas: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) that an image of this size takes in the canvas: as large as it can be, at
    least 1 pixel.

    In 32-bit floats and rounded half to even, so that it is what the training input and the
    exported graph calculate.
    """
    size, target = np.array([height, width], np.float32), np.array(canvas, np.float32)
    fitted = np.clip(np.round(size * np.min(target / size)), 1, target)
    return int(fitted[0]), int(fitted[1])


def same_shape(height, width, other_height, other_width):
    """Have two pictures the same proportions, to within a twentieth? Numbers above 0, or arrays of
    them.
    """
    return (
        np.abs(np.asarray(width) * other_height / (np.asarray(height) * other_width) - 1)
        <= _OTHER_SHAPE
    )
