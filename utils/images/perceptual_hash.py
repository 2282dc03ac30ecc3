"""What stands in for image embeddings where there is no model: a hash by which near-copies of a
photograph are known.
"""

import numpy as np
from PIL import Image

_SIDE, _KEPT = 32, 8
_WAVES = np.cos(np.pi / _SIDE * np.outer(np.arange(_KEPT), np.arange(_SIDE) + 0.5))


def perceptual_hash(picture: np.ndarray) -> np.ndarray:
    """(64,) uint8, 0 or 1, of a picture uint8 (h, w, 3): which of its 8 x 8 lowest frequencies (of
    the cosine transform of 32 x 32 greys) are above their median. The same as ImageHash's phash.
    """
    small = Image.fromarray(picture).convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    low = (_WAVES @ np.asarray(small, np.float64) @ _WAVES.T).round(6)
    return (low > np.median(low)).reshape(-1).astype(np.uint8)
