"""What stands in for image embeddings where a model has none: a hash by which near-copies of a
photograph are known.
"""

import imagehash
import numpy as np
from PIL import Image


def perceptual_hash(picture: np.ndarray) -> np.ndarray:
    """(64,) uint8, 0 or 1, of a picture uint8 (h, w, 3): the signs of its lowest frequencies
    (ImageHash's phash).
    """
    return imagehash.phash(Image.fromarray(picture)).hash.reshape(-1).astype(np.uint8)
