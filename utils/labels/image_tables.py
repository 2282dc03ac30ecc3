"""The tables `images` and `failed`: what a container's images are, and which cannot be read."""

from collections.abc import Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pandas as pd

from utils.errors import Unreadable
from utils.files import md5_of
from utils.images.decoding import BadImage, Header, decode, read_file, read_header
from utils.images.greys import Greys
from utils.images.measured_greys import measured
from utils.labels import tables
from utils.labels.listed import listed_photos
from utils.labels.replaced import Content, contents
from utils.labels.state import Change, State
from utils.labels.store import LabelStore
from utils.parallel import in_order
from utils.progress import progress_bar
from utils.storage.container import Blob, Container
from utils.storage.photos import REQUESTS, Photos
from utils.storage.sync import Listing, is_on_disk

_READERS = 8
_AHEAD = 1000  # images


def update_image_tables(
    container: Container,
    listing: Listing,
    image_dir: Path,
    images: pd.DataFrame,
    failed: pd.DataFrame,
    *,
    keep_absent: bool = False,
    headers: dict | None = None,
    doubted: Mapping[str, str] | None = None,
    since: int | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `images` and `failed` for the listing: rows with the same ETag stay, headers are
    read of what is new or changed. So does the row of an image that was written anew with the same
    content (size and MD5): `etag` remains what it was, `listed` is what it has now.

    An image that failed is tried again when its ETag has changed. One that this machine cannot read
    now is in neither as a new one, and keeps the row that it had: the next run tries it again. Rows
    of images not listed are dropped unless `keep_absent`. `headers` keeps what was read, by (name,
    etag), for callers that come back with other tables. `doubted`: {name: ETag} of images that are
    decoded whole, as somebody has found them broken. since: of images that were touched later than
    that (`Blob.changed`) the content is compared though the ETag is as before; None: of none. An
    image that has another content under the same ETag gets one of its own.
    """
    listed = pd.DataFrame(
        {
            "name": [blob.name for blob in listing.blobs],
            "etag": [blob.etag for blob in listing.blobs],
        },
        dtype="str",
    )
    kept_images, kept_failed = (
        _unchanged(frame, listed, keep_absent) for frame in (images, failed)
    )
    done = tables.image_set(kept_images) | tables.image_set(kept_failed)
    cache = {} if headers is None else headers
    known_bad = tables.image_set(kept_failed)
    doubtful = {
        blob.name
        for blob in listing.blobs
        if blob.etag == (doubted or {}).get(blob.name) and blob.name not in known_bad
    }
    if since is not None:
        touched = [blob for blob in listing.blobs if blob.changed > since]
        doubtful |= _of_other_content(container, image_dir, kept_images, touched, cache)
    kept_images = tables.without(kept_images, doubtful)
    unread = [blob for blob in listing.blobs if blob.name not in done or blob.name in doubtful]
    missing = [blob for blob in unread if (blob.name, blob.etag) not in cache]
    for blob, found in read_headers(container, image_dir, missing, doubtful):
        cache[blob.name, blob.etag] = found
    good, bad, unreadable = (
        [blob for blob in unread if isinstance(cache[blob.name, blob.etag], kind)]
        for kind in (Header, str, Unreadable)
    )
    as_before = {blob.name for blob in unreadable}
    kept_images = _with_digests(container, image_dir, listing, kept_images)
    rewritten = _written_anew(images, good, [cache[blob.name, blob.etag].md5 for blob in good])
    good = [blob for blob in good if blob.name not in tables.image_set(rewritten)]
    kept_images = tables.concat("images", kept_images, rewritten, tables.only(images, as_before))
    kept_failed = tables.concat("failed", kept_failed, tables.only(failed, as_before))
    return (
        tables.concat(
            "images",
            kept_images,
            _told_apart(_image_rows(good, [cache[blob.name, blob.etag] for blob in good]), images),
        ),
        tables.concat(
            "failed", kept_failed, failed_rows(bad, [cache[blob.name, blob.etag] for blob in bad])
        ),
    )


def unreadable_in_words(headers: dict) -> list[str]:
    """A line about the images that this machine could not read (`headers` as in
    `update_image_tables`), none when there are none.
    """
    found = [(name, why) for (name, _), why in headers.items() if isinstance(why, Unreadable)]
    if not found:
        return []
    name, why = found[0]
    return [
        f"warning: {len(found)} images cannot be read on this machine now and are left out, e.g."
        f" {name}: {why}; the next run tries them again"
    ]


def project_greys(
    state: State, container: Container, image_dir: Path, images: pd.DataFrame, headers: dict
) -> Greys:
    """How values of more than 8 bits are shown, with the kinds of picture that are new in the
    project; what is settled stays.

    Of a state in which nobody has looked for such pictures yet all `images` are looked at, else
    those whose `headers` (as in `update_image_tables`) were read now.
    """
    depths = {name: head.depth for (name, _), head in headers.items() if isinstance(head, Header)}
    other = "" if "greys" in state.document else "not known yet"
    wide = {name for name in tables.blob_names(images) if depths.get(name, other)}
    photos = Photos(container, image_dir)
    wanted = {
        PurePosixPath(photo.name): photo for photo in listed_photos(tables.only(images, wide))
    }
    return measured(wanted, state.greys, lambda name: photos.opened(wanted[name]))


def keep_greys(store: LabelStore, greys: Greys) -> State:
    """Make the ranges part of the state; those that somebody has settled meanwhile stay."""

    def change(now: State) -> Change:
        return Change({}, {"greys": now.greys.with_ranges(greys.ranges).as_json()})

    return store.commit(change, what="recording how values of more than 8 bits are shown")[0]


def failed_rows(blobs: list[Blob], reasons: list[str]) -> pd.DataFrame:
    """A table `failed` of these images."""
    folders, filenames = _split(blobs)
    return tables.make(
        "failed",
        filename=filenames,
        folder=folders,
        reason=reasons,
        etag=[blob.etag for blob in blobs],
    )


def _unchanged(frame: pd.DataFrame, listed: pd.DataFrame, keep_absent: bool) -> pd.DataFrame:
    """The rows whose image is listed with the same ETag, or (with keep_absent) is not listed."""
    now = tables.blob_names(frame).map(listed.set_index("name")["etag"])
    keep = (now == frame["etag"]) | (now.isna() & keep_absent)
    if "listed" in frame:
        keep |= now == frame["listed"]
    return frame[keep.to_numpy(dtype=bool)].reset_index(drop=True)


def _of_other_content(
    container: Container, image_dir: Path, frame: pd.DataFrame, blobs: list[Blob], cache: dict
) -> set[str]:
    """Those of these images whose MD5 is not the one in their row."""
    known = dict(zip(tables.blob_names(frame), frame["md5"], strict=True))
    wanted = [blob for blob in blobs if known.get(blob.name)]
    unread = [blob for blob in wanted if (blob.name, str(blob.changed)) not in cache]
    photos = Photos(container, image_dir)
    with ThreadPoolExecutor(_READERS) as pool:
        taken = in_order(pool, lambda blob: _md5(container, photos, blob), unread, ahead=_AHEAD)
        cache |= {(blob.name, str(blob.changed)): digest for blob, digest in taken}
    found = {blob.name: cache[blob.name, str(blob.changed)] for blob in wanted}
    return {name for name, md5 in found.items() if md5 not in ("", known[name])}


def _told_apart(rows: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """The new rows of images, those with an ETag that another content of theirs had, too, with one
    of their own.
    """
    known = contents(before, tables.image_set(rows))
    columns = zip(tables.blob_names(rows), rows["etag"], rows["md5"], strict=True)
    own = [
        f"{etag}-{md5[:8]}" if blob in known and _is_other(known[blob], etag, md5) else etag
        for blob, etag, md5 in columns
    ]
    etags = pd.Series(own, rows.index, dtype="str")
    return rows.assign(etag=etags, listed=rows["etag"].where(etags != rows["etag"], ""))


def _is_other(known: Content, etag: str, md5: str) -> bool:
    return etag in known.etags and bool(md5 and known.md5) and md5 != known.md5


def _with_digests(
    container: Container, image_dir: Path, listing: Listing, frame: pd.DataFrame
) -> pd.DataFrame:
    """The rows of `images`, with the MD5 of those that have none yet (of an older container)."""
    lacking = tables.image_set(frame[frame["md5"] == ""])
    blobs = [blob for blob in listing.blobs if blob.name in lacking]
    if not blobs:
        return frame
    photos = Photos(container, image_dir)
    with ThreadPoolExecutor(_READERS) as pool:
        taken = in_order(pool, lambda blob: _md5(container, photos, blob), blobs, ahead=_AHEAD)
        found = {blob.name: digest for blob, digest in taken}
    digests = tables.blob_names(frame).map(found)
    return frame.assign(md5=frame["md5"].where(digests.isna(), digests).astype(frame["md5"].dtype))


def digest_of(container: Container, blob: Blob) -> str:
    """The MD5 of an image where it is listed, in hexadecimal; "" when nobody says it, or it cannot
    be read here.
    """
    if blob.md5:  # the service says it
        return blob.md5.hex()
    file = container.path_of(blob.name)
    try:
        return md5_of(file) if file else ""
    except OSError:
        return ""


def _md5(container: Container, photos: Photos, blob: Blob) -> str:
    """Likewise, also of the image that was fetched."""
    if found := digest_of(container, blob):
        return found
    file = photos.file(blob)
    try:
        return md5_of(file) if file else ""
    except OSError:
        return ""


def _written_anew(images: pd.DataFrame, blobs: list[Blob], digests: list[str]) -> pd.DataFrame:
    """The rows of these images that have another ETag, and the same content."""
    known = contents(images, {blob.name for blob in blobs})
    etags = {
        blob.name: blob.etag
        for blob, md5 in zip(blobs, digests, strict=True)
        if md5
        and blob.name in known
        and (known[blob.name].md5, known[blob.name].bytes) == (md5, blob.size)
    }
    rows = tables.only(images, etags)
    listed = pd.Series([etags[name] for name in tables.blob_names(rows)], rows.index, dtype="str")
    return rows.assign(listed=listed.where(listed != rows["etag"], ""))


def read_headers(
    container: Container, image_dir: Path, blobs: list[Blob], whole: Set[str], quiet: bool = False
) -> Iterator[tuple[Blob, Header | str | Unreadable]]:
    """Each image with its header, or the reason why it has none; of those that are not on this
    disk, the first bytes are fetched. `whole`: names of those whose pixels are looked at too.
    `quiet`: no progress is shown.
    """
    photos = Photos(container, image_dir)

    def read(blob: Blob) -> Header | str | Unreadable:
        try:
            if blob.name in whole:
                decode(read_file(photos.source(blob)))
            return replace(read_header(photos.opened(blob)), md5=_md5(container, photos, blob))
        except BadImage as error:
            return str(error)
        except Unreadable as error:
            return error

    with (
        progress_bar(None, "sizes", len(blobs), quiet=quiet or not blobs, unit=" images") as bar,
        ThreadPoolExecutor(_READERS if is_on_disk(container) else REQUESTS) as pool,
    ):
        for found in in_order(pool, read, blobs, ahead=_AHEAD):
            yield found
            bar.update()


def _image_rows(blobs: list[Blob], headers: list[Header]) -> pd.DataFrame:
    folders, filenames = _split(blobs)
    return tables.make(
        "images",
        filename=filenames,
        folder=folders,
        height=[header.height for header in headers],
        width=[header.width for header in headers],
        bytes=[blob.size for blob in blobs],
        etag=[blob.etag for blob in blobs],
        taken_at=[header.taken_at for header in headers],
        md5=[header.md5 for header in headers],
    )


def _split(blobs: list[Blob]) -> tuple[list[str], list[str]]:
    pairs = [tables.split_name(blob.name) for blob in blobs]
    return [folder for folder, _ in pairs], [filename for _, filename in pairs]
