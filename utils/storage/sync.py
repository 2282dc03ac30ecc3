"""Bringing the image container to this machine: what is in it; fetching what is new or changed."""

import errno
import re
from collections import Counter
from collections.abc import Iterable, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fnmatch import translate
from pathlib import Path, PurePosixPath

from utils.disk import DiskFull, free_on, room
from utils.errors import InputError, OutsideError, Unreadable
from utils.files import local_path, refused, write_bytes, write_text
from utils.parallel import as_they_come
from utils.progress import progress_bar
from utils.reserved import FORMULA
from utils.storage.container import Blob, Container, Damaged, Missing
from utils.storage.written import (
    JOURNAL,
    UNKNOWN,
    NotOurs,
    Written,
    bring,
    journal_line,
    read_journal,
)
from utils.terminal import say

WORKERS = 32  # requests at once: most of a request is waiting for its answer
_NAME_IMPOSSIBLE = {
    errno.ENAMETOOLONG,
    errno.EILSEQ,
    errno.EINVAL,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENOTEMPTY,
}


_IMAGES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp"}
_STRANGERS = {  # folders of network drives, Windows and macOS
    "@eadir",
    "@recycle",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "__macosx",
    "lost+found",
}


@dataclass(frozen=True)
class Listing:
    """The images of a container: those to use, those refused as (name, reason), how many lie in
    folders without user_folders, and how many of other types than filetype there are, by suffix.
    """

    blobs: list[Blob]
    refused: list[tuple[str, str]] = field(default_factory=list)
    in_folders: int = 0
    of_other_types: dict[str, int] = field(default_factory=dict)

    def of(self, blobs: Iterable[Blob]) -> "Listing":
        """The same of these images only, by name."""
        return replace(self, blobs=sorted(blobs, key=lambda blob: blob.name))


class NoImages(InputError):
    """There is no image that could be used."""


@dataclass(frozen=True)
class SyncResult:
    """How many images were fetched, how many were there already, and those that could not be
    fetched as (name, reason).
    """

    downloaded: int
    present: int
    failed: list[tuple[str, str]]


def list_images(
    container: Container, filetype: str, user_folders: bool, pred_dir: str | None = None
) -> Listing:
    """The blobs whose file name matches one of the globs of `filetype` (separated by commas),
    whatever the case; only those below `pred_dir` if it is given. What file managers and systems
    leave between photos is none.

    Raises NoImages when there is none, saying what is there instead.
    """
    prefix = f"{pred_dir}/" if pred_dir else ""
    patterns = [translate(pattern.strip().lower()) for pattern in filetype.split(",")]
    wanted = re.compile("|".join(patterns))
    blobs, bad, in_folders, others = [], [], 0, Counter()
    for blob in container.list(prefix):
        filename = blob.name.rpartition("/")[2]
        if is_stranger(blob.name):
            continue
        if not wanted.match(filename.lower()):
            others[PurePosixPath(filename).suffix or "none"] += 1
        elif "/" in blob.name and not user_folders:
            in_folders += 1
        elif reason := refused(blob.name):
            bad.append((blob.name, reason))
        elif blob.withheld:
            bad.append((blob.name, blob.withheld))
        else:
            blobs.append(blob)
    if not blobs:
        where = container.address + (f"/{pred_dir}" if pred_dir else "")
        raise NoImages(_nothing(where, filetype, bad, in_folders, others))
    images = {suffix: count for suffix, count in others.items() if suffix.lower() in _IMAGES}
    return Listing(blobs, bad, in_folders, images)


def is_stranger(blob: str) -> bool:
    """Whether a file manager or a system has put it there, such as a preview of a photo."""
    for part in blob.split("/"):
        if (part.startswith(".") and part not in (".", "..")) or part.lower() in _STRANGERS:
            return True
    return False


def sync_images(
    container: Container, blobs: list[Blob], image_dir: Path, workers: int = WORKERS
) -> SyncResult:
    """Fetch into `image_dir` what is not there with its size and ETag. A store whose blobs are
    files is used as it is.

    A file that lies there and is not as the journal says it was written is left as it is. One
    image's fault (that; gone meanwhile, damaged on the way, a name this disk cannot hold) is in the
    result; a full disk or a network that is down raises OutsideError, and the next run goes on from
    there.
    """
    if not blobs or is_on_disk(container):
        return SyncResult(0, len(blobs), [])
    image_dir.mkdir(parents=True, exist_ok=True)
    journal = image_dir / JOURNAL
    known = read_journal(journal)
    todo = [
        blob
        for blob in blobs
        if known.get(blob.name, UNKNOWN).etag != blob.etag
        or _size(local_path(image_dir, blob.name)) != blob.size
    ]
    done, failed = 0, []
    bar = progress_bar(total=len(todo), what="sync", unit=" images")
    try:
        with (
            room(image_dir),
            bar,
            journal.open("ab", buffering=0) as record,
            ThreadPoolExecutor(workers) as pool,
        ):
            # What a power cut leaves shorter is fetched again, because its size is wrong.
            jobs = as_they_come(
                pool,
                lambda blob: bring(
                    container,
                    blob,
                    local_path(image_dir, blob.name),
                    known.get(blob.name, UNKNOWN),
                ),
                todo,
                workers * 2,
            )
            try:
                for blob, job in jobs:
                    reason = _fault(job.exception()) or _short(blob, job.result()[0])
                    if reason:
                        failed.append((blob.name, reason))
                    else:
                        done += 1
                        came, digest = job.result()
                        known[blob.name] = Written(came.etag, digest)
                        record.write(journal_line(blob.name, known[blob.name]))
                    bar.update()
            finally:
                pool.shutdown(cancel_futures=True)
        if todo:  # one line for each, also for what was not listed now: it may be asked for again
            lines = [journal_line(name, entry) for name, entry in known.items()]
            write_bytes(journal, b"".join(lines))
    except DiskFull:
        raise OutsideError(
            f"{image_dir}: the disk is full after {done} of {len(todo)} images"
            f" ({free_on(image_dir)}); make room and run"
            " the same command again, it goes on from there"
        ) from None
    return SyncResult(done, len(blobs) - len(todo), failed)


def bring_images(
    container: Container,
    config,
    pred_dir: str | None = None,
    listing: Listing | None = None,
    labelled: Set[str] = frozenset(),
) -> tuple[Listing, SyncResult]:
    """List and sync the images that the configuration means, only those below `pred_dir` if it is
    given, or those of a `listing` that was made; the one returned holds those that can be had now.
    With keep_images=labelled only the `labelled` ones are fetched, the others when they are looked
    at (`utils.storage.photos`).

    What is left out is said on stderr and listed in data_dir/left_out.csv. Raises InputError or
    OutsideError when nothing is left.
    """
    listing = listing or list_images(container, config.filetype, config.user_folders, pred_dir)
    wanted = listing.blobs
    if config.keep_images == "labelled" and not is_on_disk(container):
        wanted = [blob for blob in listing.blobs if blob.name in labelled]
    result = sync_images(container, wanted, config.image_dir)
    if listing.in_folders:
        say(
            f"warning: {listing.in_folders} images in folders are left out; user_folders=True takes"
            " them in",
            error=True,
        )
    if others := listing.of_other_types:
        counts = ", ".join(f"{suffix} ({count})" for suffix, count in sorted(others.items()))
        say(
            f"{sum(others.values())} images of other types than filetype={config.filetype} are left"
            f" out: {counts}",
            error=True,
        )
    left_out = listing.refused + result.failed
    listed_in = config.data_dir / "left_out.csv"
    write_text(
        listed_in,
        "name,reason\n" + "".join(f"{_cell(name)},{_cell(reason)}\n" for name, reason in left_out),
    )
    if left_out:
        say(
            f"warning: {len(left_out)} images are left out, e.g. {ascii(left_out[0][0])}:"
            f" {left_out[0][1]}; all of them: {listed_in}",
            error=True,
        )
    gone = {name for name, _ in result.failed}
    here = [blob for blob in listing.blobs if blob.name not in gone]
    if not here:
        raise OutsideError(
            f"{container.address}: none of {len(gone)} images could be fetched; see {listed_in}"
        )
    return replace(listing, blobs=here), result


def is_on_disk(container: Container) -> bool:
    """Whether its blobs are files of this machine."""
    return container.path_of("any") is not None


def image_path(container: Container, image_dir: Path, blob: str) -> Path:
    """Where the synced image of that blob name lies on this machine."""
    return container.path_of(blob) or local_path(image_dir, blob)


def _cell(text: str) -> str:
    """A text as a cell of a CSV for people: printable ASCII, whatever the text is, and no formula
    for a spreadsheet to run.
    """
    text = f"'{text}" if text.startswith(FORMULA) else text
    return '"' + text.encode("unicode_escape", "surrogatepass").decode().replace('"', '""') + '"'


def _nothing(where: str, filetype: str, bad: list, in_folders: int, others: Counter) -> str:
    if in_folders:
        return f"{where}: no image at the top, {in_folders} in folders; set user_folders=True"
    if bad:
        return (
            f"{where}: none of {len(bad)} images can be used, e.g. {ascii(bad[0][0])}: {bad[0][1]}"
        )
    if others:
        there = ", ".join(f"{suffix} ({number})" for suffix, number in others.most_common(5))
        return f"{where}: no image matches filetype={filetype}; the file types there are {there}"
    return (
        f"{where} is empty: put images there, or correct image_container_name (image_location) or"
        " pred_dir"
    )


def _fault(error: BaseException | None) -> str | None:
    """Why this one image was not fetched, None if it was. Raises what stops the whole sync."""
    if error is None:
        return None
    if isinstance(error, NotOurs):
        return "another file lies there that this program did not write; move it away"
    if isinstance(error, Missing):
        return "gone from the container meanwhile"
    if isinstance(error, (Damaged, Unreadable)):
        return str(error)
    if isinstance(error, OSError) and error.errno in _NAME_IMPOSSIBLE:
        return f"this disk cannot hold a file of that name ({error.strerror})"
    raise error


def _short(listed: Blob, came: Blob) -> str | None:
    """Why what was fetched is not the image that was listed, though it has its ETag: without an
    MD5, only the length shows it.
    """
    return (
        f"{came.size} of {listed.size} bytes came"
        if came.etag == listed.etag and came.size != listed.size
        else None
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
