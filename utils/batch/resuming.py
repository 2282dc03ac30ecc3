"""A batch that is on this disk already: whether there is something to go on with."""

from collections.abc import Set

from utils.batch.batch import Batch
from utils.batch.reading import labelled_here, unsent
from utils.batch.request import Request
from utils.errors import InputError
from utils.formats.tools import TOOLS
from utils.wording import few


class NothingLeft(InputError):
    """There is no image to hand out."""


class Unsent(InputError):
    """The batch that is there is out: its tagger has it, and not all of it is uploaded."""


def go_on(batch: Batch, held: Set[str], request: Request, tagger: str) -> bool:
    """Whether a batch whose download died has images that are still reserved for it (among `held`);
    the batch keeps only those, and what was labelled in it. None are when it died before its
    commit, or all were given back.

    Raises Unsent when none are, and something that was labelled is not uploaded; InputError when it
    is not this tagger's.
    """
    held, labelled = held & batch.blobs, labelled_here(batch)
    if not held:
        if labelled:
            raise Unsent(_not_uploaded(batch, sorted(labelled), request))
        return False
    if batch.tagger != tagger:
        raise InputError(
            f"{batch.place}: the download of {batch.tagger} was interrupted there; "
            f"go on with tagger_name={batch.tagger}, or name another tagging_location"
        )
    batch.sweep()
    batch.drop(batch.blobs - held - labelled)
    return True


def restore_files(batch: Batch, held: Set[str], request: Request) -> bool:
    """Whether files of a batch that was complete are to be fetched once more (--again); images that
    are neither on this disk nor among `held` (blob names of what its tagger has) leave it.

    Raises InputError when files are missing and not asked for, Unsent when what was reviewed is not
    uploaded.
    """
    held = held & batch.blobs
    which = f"the batch of {batch.reserved_at}"
    if lost := _lost(batch, held):
        if not request.again:
            raise InputError(
                f"{batch.place}: files of {which} are gone or cut short ({few(lost)}); --again"
                " fetches them once more"
            )
        items = batch.images.items()
        not_here = {item.blob for local, item in items if not batch.whole(local)}
        batch.drop(not_here - held - labelled_here(batch))
        batch.wanted = len(batch.images)
        batch.fetched = False
        return True

    if waiting := unsent(batch, held):
        raise Unsent(_not_uploaded(batch, waiting, request))
    return False


def _not_uploaded(batch: Batch, waiting: list[str], request: Request) -> str:
    return (
        f"{batch.place}: {len(waiting)} of {len(batch.images)} images of the batch of"
        f" {batch.reserved_at} are not uploaded ({few(waiting)}); run upload_vott_json.py"
        f" {request.config} first (with --all if you have looked at every image), or give them back"
        " with --discard"
    )


def _lost(batch: Batch, held: Set[str]) -> list[str]:
    """Images that are out and files for them that are not on this disk, or cut short."""
    if not held:
        return []
    items = batch.images.items()
    images = [local for local, item in items if item.blob in held and not batch.whole(local)]
    answers = TOOLS[batch.tool].answers(batch.handed_out)
    return images + [name for name in answers if not batch.path(name).exists()]
