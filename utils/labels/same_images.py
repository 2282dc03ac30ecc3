"""Are the images that a container lists those of the project? A config that names another container
(or another store, with containers of the same names) would have every label thrown into doubt.
"""

from collections import defaultdict

from utils.errors import InputError
from utils.labels import tables
from utils.labels.image_tables import digest_of
from utils.labels.replaced import Content, contents
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.storage.container import Blob, Container
from utils.storage.sync import Listing

_LOOKED_AT = 100  # images, of all that are known
_FEWEST = 5  # of fewer it may well be that all were replaced
_SHARE = 0.1  # of those looked at that must be there
_COPIES = 3  # files of one size, of which each may be an image that was renamed


def refuse_other_images(
    container: Container, store: LabelStore, state: State, listing: Listing
) -> None:
    """Raises InputError when all or nearly all images that the project knows are other pictures in
    the listing (of the whole container), or not there under any name.
    """
    gone = tables.image_set(store.table(state, "gone"))
    images = tables.without(store.table(state, "images"), gone)
    if len(images) < _FEWEST:
        return
    known = tables.image_set(images)
    looked_at = contents(images.iloc[:: -(-len(images) // _LOOKED_AT)])
    listed = {blob.name: blob for blob in listing.blobs}
    withheld = {name for name, _ in listing.refused}
    by_size: dict[int, list[Blob]] = defaultdict(list)
    for blob in listing.blobs:
        if blob.name not in known:
            by_size[blob.size].append(blob)

    there = 0
    for name, content in looked_at.items():
        under_others = by_size[content.bytes][:_COPIES] if content.md5 else []
        candidates = [listed[name]] if name in listed else under_others
        there += name in withheld or any(_is(container, content, blob) for blob in candidates)
    if there and there >= _SHARE * len(looked_at):
        return
    found = "none" if not there else f"only {there}"
    raise InputError(
        f"{container.address}: of {len(looked_at)} images of this project that were looked for,"
        f" {found} is there as the picture that it was, such as {min(looked_at)}; nothing was"
        " changed. Is that the image container of this project? Correct image_container_name"
        " (image_location), storage_url or filetype. If its pictures were all replaced: bash"
        " train/active_learning_initialize.sh CONFIG --other-images"
    )


def _is(container: Container, content: Content, blob: Blob) -> bool:
    """Whether this blob is that picture, as far as it can be known without fetching it."""
    if not content.etags or blob.etag in content.etags:
        return True
    if blob.size != content.bytes:
        return False
    return content.may_be(blob.etag, digest_of(container, blob) or content.md5, blob.size)
