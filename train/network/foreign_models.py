"""Model files of other kinds than ours, told by what is in them."""

import zipfile
from pathlib import Path

_PYTORCH = (
    "a PyTorch file; run it with PyTorch, and take in what it finds with"
    " train/import_predictions.py FILE CONFIG"
)
_BEGINNINGS = (
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", _PYTORCH),  # before PyTorch 1.6
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"\x89HDF", "an HDF5 (Keras) file"),
)


def foreign_model(file: Path) -> str:
    """What a file is that is no TensorFlow model, with what to do; "" when it may be one.

    Raises OSError when it cannot be read.
    """
    with file.open("rb") as content:
        start = content.read(16)
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            if any(name.endswith("/data.pkl") for name in archive.namelist()):
                return _PYTORCH
    return next((what for beginning, what in _BEGINNINGS if start.startswith(beginning)), "")
