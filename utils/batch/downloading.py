"""A download from beginning to end: the batch in tagging_location is made or finished, and what a
person must know is said in lines.
"""

from collections.abc import Iterator

from utils.batch.batch import Batch
from utils.batch.hand_out import HandOut
from utils.batch.place import at_page, at_work, check_outside, check_place
from utils.batch.request import Request
from utils.config import Config
from utils.errors import InputError
from utils.formats.tools import TOOLS
from utils.formats.vott import drawable
from utils.labels import review_queue, tables
from utils.labels.class_names import differing_classes
from utils.labels.store import LabelStore, open_labels
from utils.selection.context import summary
from utils.storage.container import Container


def download(config: Config, request: Request) -> Iterator[str]:
    """Make or finish the batch in tagging_location. Gives lines for people as they become known,
    the closing line last.

    Nobody else works in the folder meanwhile. Raises InputError when the folder, the request or the
    labels do not allow it, OutsideError when no image could be fetched.
    """
    place = config.need("tagging_location")
    check_place(place)
    container, store = open_labels(config)
    check_outside(place, container, store.container)
    with at_work(place), at_page(place):
        yield from _make_or_finish(config, request, container, store)


def _make_or_finish(
    config: Config, request: Request, container: Container, store: LabelStore
) -> Iterator[str]:
    state = store.read(report_foreign=True)
    if state.blob("totag") is None and not request.review:
        raise InputError(
            f"{store.container.address}: no images are listed there yet; "
            "run train/active_learning_initialize.sh CONFIG on the training machine first"
        )

    tagged = store.table(state, "tagged")
    if differing := differing_classes(tagged, config.classes, state.classes):
        yield f"warning: {differing}"

    request.review = review_queue.under_present_name(request.review, state.classes["renamed"])
    hand_out = HandOut(config, container, store, request)
    if request.discard:
        state, given_back = hand_out.discard()
        yield from given_back

    batch = hand_out.present(state)
    if batch is not None:
        yield (
            f"going on with the batch of {batch.reserved_at}: {len(batch.images)} of"
            f" {batch.wanted} images are reserved"
        )
    else:
        batch = hand_out.restored(state) or hand_out.new()
    if batch.images and not batch.review:
        hand_out.why = store.table(state, "selection")

    yield from _report(hand_out, hand_out.complete(batch))


def _report(hand_out: HandOut, batch: Batch) -> Iterator[str]:
    """Why these images, which ones are not there, and the closing line."""
    yield from hand_out.notes
    yield from summary(tables.only(hand_out.why, batch.blobs), hand_out.pool_size)

    words = hand_out.mode_of(batch).words
    for blob, reason in hand_out.failed.items():
        yield f"{blob}: {reason}; {words.unusable}"

    if len(batch.images) < batch.wanted:
        yield f"{batch.wanted} images were asked for; there are no more to hand out"

    items = batch.images.values()
    boxes = sum(len(drawable(item.boxes, item.width, item.height)) for item in items)
    tool = TOOLS[batch.tool]
    if batch.tool != "vott":
        yield f"now: {tool.how(batch.handed_out)}"
    answers = tool.answers(batch.handed_out)
    top = [name for name in answers if "/" not in name] or batch.folders
    projects = ", ".join(str(batch.path(name)) for name in top)
    yield f"{len(items)} {words.handed_out}, {boxes} boxes → {projects}"
