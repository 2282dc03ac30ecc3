"""The batch in tagging_location, opened for the review page, whichever annotation tool it was made
for: what was reviewed in that tool is where the page begins.
"""

import hashlib
from collections.abc import Iterable

from utils.batch.batch import Batch, read_batch
from utils.batch.place import at_work
from utils.config import Config
from utils.errors import InputError
from utils.files import write_bytes
from utils.formats import page
from utils.formats.answers import Answers, find_files, read_answers
from utils.formats.page import Saved
from utils.formats.returned import File
from utils.formats.sheets import unmoved
from utils.review.session import Session


def open_session(config: Config, as_given: str) -> tuple[Session, list[str]]:
    """The batch in tagging_location, and lines for people. `as_given`: the path of the config as a
    person wrote it.

    Raises InputError when there is none, it is not this tagger's, or not whole.
    """
    place = config.need("tagging_location")
    if read_batch(place) is None:
        raise InputError(
            f"tagging_location={place}: no batch is there; choose one with review.py {as_given} N,"
            " N being how many images"
        )
    with at_work(place):
        batch = read_batch(place)
        _check(batch, config, as_given)
        lines = [] if batch.tool == page.NAME else _take_over(batch)
    return Session(batch), lines


def _check(batch: Batch, config: Config, as_given: str) -> None:
    if batch.tagger != config.tagger_name:
        raise InputError(
            f"{batch.place}: this batch was handed out to {batch.tagger}, and you are"
            f" {config.tagger_name}; review it as that tagger (tagger_name)"
        )
    if batch.discarded:
        raise InputError(
            f"{batch.place}: the batch there was given back; choose the next one with review.py"
            f" {as_given} N, N being how many images"
        )
    if not batch.fetched:
        raise InputError(
            f"{batch.place}: the download of this batch was interrupted; run review.py {as_given}"
            f" {batch.wanted} to finish it"
        )


def _take_over(batch: Batch) -> list[str]:
    """Make the batch one of the page: what another tool has saved becomes what the page knows, and
    its files count again only when they are changed later on.
    """
    handed_out = batch.handed_out
    files = find_files(handed_out, batch.tool, batch.files | batch.leftovers)
    answers = read_answers(handed_out, batch.tool, files)

    for file in files:
        if not _is_faulty(file, answers):
            below = file.path.relative_to(batch.place).as_posix()
            known = batch.files if below in batch.files else batch.leftovers
            known[below] = hashlib.sha256(file.data).hexdigest()
    images = dict(_decided(batch, answers))
    data = page.document(images, handed_out.number)
    write_bytes(batch.place / page.FILE, data)

    was, batch.tool = batch.tool, page.NAME
    batch.files[page.FILE] = hashlib.sha256(data).hexdigest()
    batch.write()
    if not images:
        return [*answers.notes]
    return [*answers.notes, f"{len(images)} images were reviewed in {was}; the page begins there"]


def _decided(batch: Batch, answers: Answers) -> Iterable[tuple[str, Saved]]:
    """What the tool says of the images that were reviewed in it."""
    for key, (_, review) in answers.reviews.items():
        if review.reviewed and not review.fault:
            sheet = batch.handed_out.images[key]
            boxes = unmoved(review.boxes, sheet.boxes or (), sheet.width, sheet.height)
            yield key, Saved(page.REVIEWED, boxes=boxes, seconds=review.seconds or 0, at=review.at)


def _is_faulty(file: File, answers: Answers) -> bool:
    """Does the file say something that an upload will have to complain about?"""
    if any(line.startswith(f"{file.path}: ") for line in answers.faults):
        return True
    return any(path == file.path and review.fault for path, review in answers.reviews.values())
