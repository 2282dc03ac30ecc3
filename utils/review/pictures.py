"""Small pictures of the photos of a batch, for its overview."""

import io
from functools import lru_cache
from pathlib import Path

from PIL import Image

_SIDE = 320  # pixels


@lru_cache(maxsize=2000)
def thumbnail(path: Path) -> bytes:
    """The photo as a small JPEG. Raises OSError when it cannot be read."""
    with Image.open(path) as photo:
        photo.draft("RGB", (_SIDE, _SIDE))
        small = photo.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
