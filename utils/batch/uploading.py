"""An upload from beginning to end: what was reviewed in tagging_location is sent to the label
container, and what a person must know is said in lines.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from utils.batch.batch import MARKER, Batch, at_work, read_batch
from utils.batch.reading import (
    Reviews,
    handed_out_rows,
    legacy_batch,
    note_sent,
    read_reviews,
    sent_rows,
)
from utils.config import Config
from utils.errors import InputError
from utils.labels import assignments, review_queue, tables
from utils.labels.class_changes import current_classes, old_names, updated_since
from utils.labels.store import Change, LabelStore, State, open_labels
from utils.reserved import NULL
from utils.storage.container import Container, Missing

CHANGED_MEANWHILE = "looked at again, but its boxes were changed meanwhile"


@dataclass(frozen=True)
class Uploaded:
    """What an upload did. `lines`: what a person must know, the closing line last; `useful`:
    whether anything reviewed arrived, now or before.
    """

    lines: list[str]
    useful: bool


def upload(config: Config, *, as_given: str, everything: bool = False) -> Uploaded:
    """Send what is reviewed in tagging_location. `everything`: every image of the batch counts as
    reviewed. `as_given`: the path of the config as a person wrote it, for messages.

    Raises InputError when no batch is there, or it is not this tagger's, not whole, or of another
    project.
    """
    place = config.need("tagging_location")
    ours = (place / MARKER).exists()
    # a folder without our marker is only read
    with at_work(place) if ours else nullcontext():
        container, store = open_labels(config)
        state = store.read(report_foreign=True)
        batch, faults = _batch_there(config, store, state, as_given)

        reviews = read_reviews(batch, everything)
        reviews.faults[:0] = faults
        reviews.notes += _changed_meanwhile(container, store, state, batch, reviews)

        accepted, state = _send(store, state, batch, reviews, keep=ours)
        lines = list(_report(config, batch, reviews, accepted, state))
        return Uploaded(
            lines, useful=bool(accepted.taken or accepted.unchanged or accepted.conflicts)
        )


def _batch_there(
    config: Config, store: LabelStore, state: State, as_given: str
) -> tuple[Batch, list[str]]:
    """The batch in tagging_location, and a line for each image in it that cannot be told. Raises
    InputError when there is none that may be uploaded.
    """
    place, faults = config.tagging_location, []
    batch = read_batch(place)
    if batch is None:
        batch, faults = legacy_batch(
            place,
            config.tagger_name,
            *(store.table(state, name) for name in ("tagging", "tagged", "images")),
        )
    if batch is None:
        raise InputError(
            f"tagging_location={place}: no batch is there; get one with download_vott_json.py N"
            f" {as_given}"
        )

    batch.check_project(state.project, store.container.address)
    if batch.tagger != config.tagger_name:
        raise InputError(
            f"{place}: this batch was handed out to {batch.tagger}, and you are"
            f" {config.tagger_name}; upload it as that tagger (tagger_name)"
        )
    if not batch.fetched:
        raise InputError(
            f"{place}: the download of this batch was interrupted; "
            f"run download_vott_json.py {batch.wanted} {as_given} again to finish it"
        )
    return batch, faults


def _changed_meanwhile(
    container: Container, store: LabelStore, state: State, batch: Batch, reviews: Reviews
) -> list[str]:
    """A line for each reviewed image that was deleted from the image container meanwhile, or
    replaced. Its boxes are taken all the same.
    """
    images, failed = (store.table(state, name) for name in ("images", "failed"))
    reviewed = tables.image_set(reviews.rows)
    unlisted = (
        reviewed - tables.image_set(images) - tables.image_set(failed) if len(images) else set()
    )
    listed = tables.only(images, reviewed)
    etags = dict(zip(tables.blob_names(listed), listed["etag"], strict=True))
    lines = []
    for local, item in batch.images.items():
        folder, _, name = local.rpartition("/")
        replaced = item.etag and item.blob in etags and etags[item.blob] != item.etag
        if not replaced and item.blob not in unlisted:
            continue
        try:
            if container.info(item.blob).etag != item.etag and replaced:
                reviews.outdated.add(item.blob)
                lines.append(
                    f"{batch.project(folder)}: {name}: the image was replaced in the image"
                    " container meanwhile, and your boxes are of the one before; it is queued to"
                    " be looked at again (download_vott_json.py N CONFIG --review)"
                )
        except Missing:
            lines.append(
                f"{batch.project(folder)}: {name}: the image was deleted from the image container"
                " meanwhile; its boxes are kept with the labels, and training does without it"
            )
    return lines


def _under_present_names(rows: pd.DataFrame, state: State, batch: Batch) -> pd.DataFrame:
    """Rows of tagged whose classes are named as when the batch was handed out, by the names of this
    state.
    """
    return updated_since("tagged", rows, state.classes, batch.class_changes)


def _send(
    store: LabelStore, state: State, batch: Batch, reviews: Reviews, keep: bool
) -> tuple[assignments.Accepted, State]:
    """Commit the reviewed images. `keep`: note in batch.json what is sent, before and after, so
    that it can be corrected later.
    """
    digests = assignments.row_digests(reviews.rows)
    items = [item for item in batch.images.values() if item.blob in digests]
    note_sent(items, reviews.rows)
    note_sent(items, _under_present_names(reviews.rows, state, batch))
    if keep and items:
        batch.write()
    accepted = assignments.Accepted()
    first = {item.blob for item in items if not item.uploaded}
    given = tables.only(handed_out_rows(batch), first) if batch.review else tables.empty("tagged")
    settled = {item.blob for item in items if item.uploaded == digests[item.blob]}
    # until our first upload, rows are replaced that are still the ones handed out
    ours = [
        *sent_rows(items),
        given,
    ]

    def change(state: State) -> Change:
        present = {
            name: store.table(state, name) for name in ("tagged", "tagging", "test", "conflicts")
        }
        own: dict[str, set[str]] = {}
        for rows in ours:
            for version in (rows, _under_present_names(rows, state, batch)):
                for blob, digest in assignments.row_digests(version).items():
                    own.setdefault(blob, set()).add(digest)
        corrected = {
            blob
            for blob, digest in assignments.row_digests(
                tables.only(present["tagged"], settled)
            ).items()
            if digest not in own.get(blob, ())
        }
        uploaded = tables.without(_under_present_names(reviews.rows, state, batch), corrected)
        accepted = assignments.accept_upload(
            **present,
            uploaded=uploaded,
            tagger=batch.tagger,
            now=datetime.now(UTC),
            own=own,
            **({"reason": CHANGED_MEANWHILE} if batch.review else {}),
        )
        accepted.unchanged.update(corrected)
        changed = accepted.tables
        if batch.review:
            review = review_queue.looked_at(
                store.table(state, "review"),
                accepted.taken | accepted.unchanged,
                accepted.conflicts,
                first=first,
                tagger=batch.tagger,
                reserved_at=batch.reserved_at,
            )
            changed = {**changed, "review": review}
        if outdated := reviews.outdated & accepted.taken:
            changed = {
                **changed,
                "review": review_queue.enqueued(
                    changed.get("review", store.table(state, "review")), sorted(outdated)
                ),
            }
        return Change(changed, note=(accepted, corrected))

    if items:
        state, (accepted, corrected) = store.commit(change, what="uploading reviewed images")
        note_sent(items, _under_present_names(reviews.rows, state, batch))
        reviews.notes += [
            f"{blob}: uploaded before, and changed by somebody else since; that stands"
            for blob in sorted(corrected)
        ]
        for item in items:
            item.uploaded = digests[item.blob]
        if keep:
            batch.write()
    return accepted, state


def _report(
    config: Config, batch: Batch, reviews: Reviews, accepted: assignments.Accepted, state: State
) -> Iterator[str]:
    """What was not as expected, what became of it, and the closing line."""
    yield from reviews.faults
    yield from reviews.notes

    changed_classes = old_names(state.classes, batch.class_changes)
    if renamed := sorted(set(reviews.rows["class"]) & changed_classes):
        yield (
            "classes were changed meanwhile (change_classes.py), and with them the tags of this"
            f" batch: {', '.join(renamed)}"
        )

    rows = _under_present_names(reviews.rows, state, batch)
    boxes = rows[rows["class"] != NULL]
    known, _ = current_classes(config.classes, state.classes)
    unknown = Counter(name for name in boxes["class"] if name not in known)
    if unknown and config.classes:
        counts = ", ".join(f"{name} ({count} boxes)" for name, count in unknown.items())
        yield (
            f"not in classes of {config.path.name}: {counts}; kept as they are. Add them to classes"
            " there and on the training machine, or correct the tags and upload again"
        )

    for blob in sorted(accepted.conflicts):
        if batch.review:
            yield (
                f"{blob}: its boxes were changed meanwhile; yours are set aside in"
                f" {state.blob('conflicts')}"
            )
        else:
            yield (
                f"{blob}: somebody else has uploaded it meanwhile; your boxes are set aside in"
                f" {state.blob('conflicts')}"
            )

    changed, unchanged = (" changed", "as they were") if batch.review else ("", "uploaded before")
    sent = tables.only(boxes, accepted.taken)
    line = (
        f"{len(accepted.taken)} images{changed}, {len(sent)} boxes →"
        f" {state.blob('tagged') or 'nothing'}"
    )
    if accepted.unchanged:
        line += f"; {len(accepted.unchanged)} {unchanged}"
    if reviews.open:
        line += (
            f"; {len(reviews.open)} of {len(batch.images)} not counted as reviewed"
            f" ({', '.join(reviews.open)}): step past them in VoTT and save, or upload with --all"
            " if you have looked at every image"
        )
    yield line
