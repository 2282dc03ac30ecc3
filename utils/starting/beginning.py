"""A start from beginning to end: the project is made or gone on with, photos are taken in, the page
is shown, and what a person must know is said in lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from utils.batch.request import Request
from utils.batch.resuming import NothingLeft
from utils.config import Config
from utils.errors import InputError, OutsideError
from utils.labels import tables
from utils.labels.doubted import doubted
from utils.labels.image_tables import unreadable_in_words
from utils.labels.state import State
from utils.labels.store import LabelStore, open_labels
from utils.labels.taking_in import take_in
from utils.review.reviewing import review
from utils.selection.embeddings import published_embeddings
from utils.selection.picture_hashes import HASHES, LOCK, etags_of, publish_found
from utils.starting.first_look import Look, in_drawing_order, look_at
from utils.starting.meanwhile import Meanwhile
from utils.starting.next_steps import as_typed, next_steps
from utils.starting.project import FILETYPE, Project, make, open_present, project_for
from utils.storage.container import Blob, Container
from utils.storage.folder import FolderContainer
from utils.storage.sync import Listing, NoImages, bring_images, list_images

_CHOICE = 15  # times a batch: photos from which the first one is chosen


@dataclass(frozen=True)
class Wanted:
    """What a person asks for. photos: their folder; folder: of the project, None for one beside
    them; classes: none to go on with a project that is there; count: photos of a batch.
    """

    photos: Path
    classes: tuple[str, ...] = ()
    count: int = 20
    folder: Path | None = None


def start(wanted: Wanted, browser: bool = True) -> Iterator[str]:
    """Make the project or go on with it, and show the page. Gives lines for people. `browser`: open
    one.

    Raises InputError for photos, classes or a folder with which nothing can be begun, OutsideError
    when another program takes photos in or shows the page.
    """
    project = project_for(wanted.photos, wanted.folder)
    listing = None
    if project.is_there:
        config, lines = open_present(project, wanted.classes)
        yield from lines
        yield f"going on with the project in {project.folder}"
    elif not wanted.classes:
        raise InputError("say what is to be found in the photos: --classes deer,fox")
    else:
        listing = _photos_of(project)
        config = make(project, wanted.classes)
        yield f"the project is in {project.folder}; the photos stay where they are"

    container, store = open_labels(config)
    listing, _ = bring_images(container, config, listing=listing)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(config.data_dir / LOCK, timeout=0):
            rest, lines = _take_in_first(config, container, store, listing, wanted.count)
            yield from lines
            request = Request(str(project.config), wanted.count, tool="page")
            meanwhile = Meanwhile(config, container, store, listing, rest)
            with meanwhile:
                try:
                    yield from review(config, request, browser, again=as_typed(project))
                except NothingLeft:
                    yield "there is no photo left that nobody has looked at"
            yield from meanwhile.lines()
    except Timeout:
        raise OutsideError(
            f"{project.folder}: another program takes photos in there; go on in its window, or end"
            " it"
        ) from None
    yield from next_steps(project, store)


def _photos_of(project: Project) -> Listing:
    """All photos. Raises InputError when there is none."""
    try:
        return list_images(FolderContainer(project.photos), FILETYPE, user_folders=True)
    except NoImages:
        raise InputError(
            f"{project.photos}: there is no photo in it, nor in its folders; expected files such as"
            f" {FILETYPE.replace(',', ', ')}"
        ) from None


def _take_in_first(
    config: Config, container: Container, store: LabelStore, listing: Listing, count: int
) -> tuple[list[Blob], list[str]]:
    """Take in enough new photos for a good first batch; those that remain, and lines for people.
    Raises InputError when
    no photo at all can be used.
    """
    state = store.read()
    blobs = in_drawing_order(_unknown(store, state, listing), config.seed)
    look = look_at(
        container,
        config.image_dir,
        blobs,
        state.greys,
        fewest=2 * count,
        most=_CHOICE * count,
    )
    state, counts = take_in(config, container, store, listing.of(look.blobs), look.headers)
    if not counts.usable:
        (name, _), reason = next(iter(look.headers.items()), (("", ""), "nothing new"))
        raise InputError(
            f"{config.image_location}: none of {len(listing.blobs)} photos can be read, e.g."
            f" {name}: {reason}"
        )
    _publish_hashes(store, state, look)
    return blobs[len(look.blobs) :], unreadable_in_words(look.headers)


def _unknown(store: LabelStore, state: State, listing: Listing) -> Sequence[Blob]:
    """The photos that are new, were replaced, or are said to be broken."""
    known, doubts = {}, doubted(state)
    for name in ("images", "failed"):
        known |= etags_of(store.table(state, name))
    return [
        blob
        for blob in listing.blobs
        if known.get(blob.name) != blob.etag or doubts.get(blob.name) == blob.etag
    ]


def _publish_hashes(store: LabelStore, state: State, look: Look) -> None:
    """What was seen, as long as there is nothing better."""
    images = store.table(state, "images")
    present = published_embeddings(store, state)
    better = present is not None and present.model != HASHES
    hashes = {name: look.hashes[name] for name in look.hashes.keys() & tables.image_set(images)}
    if hashes and not better and not state.live.get("model"):
        publish_found(store, hashes, etags_of(images), present)
