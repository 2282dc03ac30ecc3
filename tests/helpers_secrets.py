"""Pieces of secrets, and where they are found: in files, in blobs, in what was printed."""

import base64
import re
from pathlib import Path
from urllib.parse import quote

PIECE = 14  # so many characters of a secret in a row are a leak
LARGE = 1_000_000  # bytes of a file


def forms(secret: str) -> list[bytes]:
    """The secret as it is, URL-encoded, as bytes, and in base64 at each of its alignments."""
    encoded = [base64.b64encode(bytes(shift) + secret.encode())[4:-4] for shift in range(3)]
    return [
        secret.encode(),
        quote(secret, safe="").encode(),
        quote(secret, safe="").lower().encode(),
        *encoded,
        base64.b64decode(secret),
    ]


def leaks(secret: str, written: dict[str, bytes]) -> list[str]:
    """Where any PIECE of the secret is, in any of its forms; of models and the like only where all
    of it is.
    """
    whole = forms(secret)
    pieces = {form[at : at + PIECE] for form in whole for at in range(len(form) - PIECE + 1)}
    found = re.compile(b"|".join(map(re.escape, sorted(pieces))))
    return [
        where
        for where, data in written.items()
        if (any(form in data for form in whole) if len(data) > LARGE else found.search(data))
    ]


def blobs(store) -> dict[str, bytes]:
    """All that the two containers hold, with the metadata."""
    return {
        f"{container.name}/{blob.name}": (
            container.read(blob.name)[0] + repr(container.info(blob.name).metadata).encode()
        )
        for container in (store.images, store.labels)
        for blob in container.list()
    }


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
