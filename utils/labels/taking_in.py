"""Images taken into a project: their sizes and times, and a place on the list to tag."""

from collections.abc import Set
from dataclasses import dataclass

from utils.config import Config
from utils.labels import tables
from utils.labels.assignments import add_new_images
from utils.labels.doubted import doubted
from utils.labels.image_tables import project_greys, update_image_tables
from utils.labels.renamed import Moves, after_moves, swapped
from utils.labels.replaced import Seen, after_listing
from utils.labels.state import Change, State
from utils.labels.store import LabelStore
from utils.storage.container import Container
from utils.storage.sync import Listing

_TABLES = ("images", "failed", "totag", "tagged", "tagging")


@dataclass(frozen=True)
class Counts:
    """Images of a project: all of them, those that are new to it, that cannot be read, and that
    can. `seen`: what became of labelled ones, `moves`: of names.
    """

    all: int
    new: int
    failed: int
    usable: int
    seen: Seen
    moves: Moves


def take_in(
    config: Config,
    container: Container,
    store: LabelStore,
    listing: Listing,
    headers: dict | None = None,
    *,
    present: Set[str] | None = None,
    as_new: bool = False,
) -> tuple[State, Counts]:
    """Commit the images of the listing that are new or replaced; others stay as they are. The state
    from then on, and what there is in it. `headers` as in `update_image_tables`. `present`: the
    names of all that is in the container, when the listing is of all of it; what is not there is
    gone or has another name. `as_new`: an image under another name is a new one.
    """
    headers = {} if headers is None else headers
    listed = {blob.name for blob in listing.blobs}

    def change(state: State) -> Change:
        """Called again when somebody else has changed the state meanwhile."""
        now = {name: store.table(state, name) for name in _TABLES}
        images, failed = update_image_tables(
            container,
            listing,
            config.image_dir,
            now["images"],
            now["failed"],
            keep_absent=True,
            headers=headers,
            doubted=doubted(state),
            since=state.document.get("looked_at"),
        )
        moves, moved = Moves(), {}
        if present is not None:
            moved, moves = after_moves(
                store, state, images, listed, present | listed, as_new=as_new
            )
        known = tables.image_set(now["images"]) | tables.image_set(now["failed"])
        known |= {moves.renamed[name] for name in known & moves.renamed.keys()}
        images = moved.get("images", images)
        now |= {name: frame for name, frame in moved.items() if name in now}
        there = tables.image_set(images) | tables.image_set(failed)
        of_labels, seen = after_listing(store, state, images, moves.renamed)
        moved |= of_labels
        counts = Counts(len(there), len(there - known), len(failed), len(images), seen, moves)

        greys = project_greys(state, container, config.image_dir, images, headers)
        totag = add_new_images(images, failed, now["totag"], now["tagged"], now["tagging"])
        changed = {**moved, "images": images, "failed": failed}
        if totag is not None:
            changed["totag"] = totag
        members = {"greys": greys.as_json(), **swapped(state, moves, listed)}
        touched = max((blob.changed for blob in listing.blobs), default=0)
        if present is not None and touched > (state.document.get("looked_at") or 0):
            members["looked_at"] = touched
        if config.image_location is None:
            members["image_container"] = container.name
        if doubts := doubted(state):
            members["doubted"] = {name: doubts[name] for name in doubts.keys() - listed}
        return Change(changed, members, note=counts)

    return store.commit(change, what="taking in new images")
