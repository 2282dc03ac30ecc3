"""Send the reviewed images of the batch in tagging_location to the label container."""

import _repo_root  # noqa: F401  I001

import argparse
from collections import Counter
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from utils.reserved import NULL
from utils.labels import assignments
from utils.labels import review_queue
from utils.labels import tables
from utils.arguments import Parser
from utils.batch.batch import MARKER, Batch, at_work, read_batch
from utils.labels.class_changes import updated_since, current_classes, old_names
from utils.config import Config, load_config
from utils.errors import InputError, run_program
from utils.labels.store import Change, LabelStore, State, open_labels
from utils.batch.reading import (
    Reviews,
    handed_out_rows,
    legacy_batch,
    note_sent,
    read_reviews,
    sent_rows,
)
from utils.storage.container import Container, Missing

CHANGED_MEANWHILE = "looked at again, but its boxes were changed meanwhile"


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "example: python upload_vott_json.py ../config.ini\nAn image counts as reviewed when VoTT"
        " stepped past it or its boxes changed. A corrected batch may be uploaded again.",
    )
    parser.add_argument("config", help="config.ini")
    parser.add_argument(
        "--all",
        action="store_true",
        help="every image of the batch was looked at, also those on which VoTT left no mark",
    )
    options = parser.parse_args(argv)

    config = load_config(options.config)
    place = config.need("tagging_location")
    # a folder without our marker is only read
    with at_work(place) if (place / MARKER).exists() else nullcontext():
        return upload(config, place, options)


def upload(config: Config, place: Path, options: argparse.Namespace) -> int:
    """Send what is reviewed in the folder, and report."""
    container, labels = open_labels(config)
    state = labels.read(report_foreign=True)
    batch = read_batch(place)
    if batch is None:
        batch, faults = legacy_batch(
            place,
            config.tagger_name,
            *(labels.table(state, name) for name in ("tagging", "tagged", "images")),
        )
        own = False
    else:
        faults, own = [], True
    if batch is None:
        raise InputError(
            f"tagging_location={place}: no batch is there; get one with download_vott_json.py N"
            f" {options.config}"
        )
    batch.check_project(state.project, labels.container.address)
    if batch.tagger != config.tagger_name:
        raise InputError(
            f"{place}: this batch was handed out to {batch.tagger}, and you are"
            f" {config.tagger_name}; upload it as that tagger (tagger_name)"
        )
    if not batch.fetched:
        raise InputError(
            f"{place}: the download of this batch was interrupted; "
            f"run download_vott_json.py {batch.wanted} {options.config} again to finish it"
        )

    reviews = read_reviews(batch, options.all)
    reviews.faults[:0] = faults
    reviews.notes += changed_meanwhile(container, labels, state, batch, reviews)
    accepted, state = send(labels, state, batch, reviews, keep=own)
    return report(config, batch, reviews, accepted, state)


def changed_meanwhile(
    container: Container, labels: LabelStore, state: State, batch: Batch, reviews: Reviews
) -> list[str]:
    """A line for each reviewed image that was deleted from the image container meanwhile, or
    replaced. Its boxes are taken all the same.
    """
    images, failed = (labels.table(state, name) for name in ("images", "failed"))
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


def under_present_names(rows: pd.DataFrame, state: State, batch: Batch) -> pd.DataFrame:
    """Rows of tagged whose classes are named as when the batch was handed out, by the names of this
    state.
    """
    return updated_since("tagged", rows, state.classes, batch.class_changes)


def send(
    labels: LabelStore, state: State, batch: Batch, reviews: Reviews, keep: bool
) -> tuple[assignments.Accepted, State]:
    """Commit the reviewed images. `keep`: note in batch.json what is sent, before and after, so
    that it can be corrected later.
    """
    digests = assignments.row_digests(reviews.rows)
    items = [item for item in batch.images.values() if item.blob in digests]
    note_sent(items, reviews.rows)
    note_sent(items, under_present_names(reviews.rows, state, batch))
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
            name: labels.table(state, name) for name in ("tagged", "tagging", "test", "conflicts")
        }
        own: dict[str, set[str]] = {}
        for rows in ours:
            for version in (rows, under_present_names(rows, state, batch)):
                for blob, digest in assignments.row_digests(version).items():
                    own.setdefault(blob, set()).add(digest)
        corrected = {
            blob
            for blob, digest in assignments.row_digests(
                tables.only(present["tagged"], settled)
            ).items()
            if digest not in own.get(blob, ())
        }
        uploaded = tables.without(under_present_names(reviews.rows, state, batch), corrected)
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
                labels.table(state, "review"),
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
                    changed.get("review", labels.table(state, "review")), sorted(outdated)
                ),
            }
        return Change(changed, note=(accepted, corrected))

    if items:
        state, (accepted, corrected) = labels.commit(change, what="uploading reviewed images")
        note_sent(items, under_present_names(reviews.rows, state, batch))
        reviews.notes += [
            f"{blob}: uploaded before, and changed by somebody else since; that stands"
            for blob in sorted(corrected)
        ]
        for item in items:
            item.uploaded = digests[item.blob]
        if keep:
            batch.write()
    return accepted, state


def report(
    config: Config, batch: Batch, reviews: Reviews, accepted: assignments.Accepted, state: State
) -> int:
    """Print what a person must know, the closing line last; 1 when nothing useful was done."""
    for line in [*reviews.faults, *reviews.notes]:
        print(line)
    rows = under_present_names(reviews.rows, state, batch)
    if renamed := sorted(
        set(reviews.rows["class"]) & old_names(state.classes, batch.class_changes)
    ):
        print(
            "classes were changed meanwhile (change_classes.py), and with them the tags of this"
            f" batch: {', '.join(renamed)}"
        )
    boxes = rows[rows["class"] != NULL]
    known, _ = current_classes(config.classes, state.classes)
    unknown = Counter(name for name in boxes["class"] if name not in known)
    if unknown and config.classes:
        counts = ", ".join(f"{name} ({count} boxes)" for name, count in unknown.items())
        print(
            f"not in classes of {config.path.name}: {counts}; kept as they are. Add them to classes"
            " there and on the training machine, or correct the tags and upload again"
        )
    for blob in sorted(accepted.conflicts):
        print(
            f"{blob}: its boxes were changed meanwhile; yours are set aside in"
            f" {state.blob('conflicts')}"
            if batch.review
            else (
                f"{blob}: somebody else has uploaded it meanwhile; your boxes are set aside in"
                f" {state.blob('conflicts')}"
            )
        )
    sent = tables.only(boxes, accepted.taken)
    line = (
        f"{len(accepted.taken)} images{' changed' if batch.review else ''}, {len(sent)} boxes →"
        f" {state.blob('tagged') or 'nothing'}"
    )
    if accepted.unchanged:
        line += (
            f"; {len(accepted.unchanged)} {'as they were' if batch.review else 'uploaded before'}"
        )
    if reviews.open:
        line += (
            f"; {len(reviews.open)} of {len(batch.images)} not counted as reviewed"
            f" ({', '.join(reviews.open)}): step past them in VoTT and save, or upload with --all"
            " if you have looked at every image"
        )
    print(line)
    return 0 if accepted.taken or accepted.unchanged or accepted.conflicts else 1


if __name__ == "__main__":
    run_program(main)
