"""An upload from beginning to end: what was reviewed in tagging_location is sent to the label
container, and what a person must know is said in lines.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from utils.batch.batch import MARKER, Batch, Item, Sending, read_batch
from utils.batch.legacy import legacy_batch
from utils.batch.listing import Listed
from utils.batch.modes import Mode, Words, mode_of
from utils.batch.place import at_work
from utils.batch.reading import Reviews, labelled_here, read_reviews
from utils.batch.rows import arrived, note_sent, sent_rows
from utils.batch.worked import with_work, work_in
from utils.config import Config
from utils.effort.seconds import Seconds
from utils.errors import InputError, OutsideError
from utils.files import md5_of
from utils.formats.tools import TOOLS
from utils.labels import review_queue, tables
from utils.labels.assignments import (
    Accepted,
    accept_upload,
    held_by,
    held_by_others,
    row_digests,
)
from utils.labels.class_changes import current_classes, old_names, updated_since
from utils.labels.renamed import present_names_of
from utils.labels.replaced import Content, pictures_of, with_replaced
from utils.labels.state import Change, State, new_commit_id
from utils.labels.store import LabelStore, open_labels
from utils.labels.table_files import is_parquet
from utils.reserved import NULL
from utils.storage.container import Container, Missing

_CHANGED = ("tagged", "tagging", "test", "conflicts")


@dataclass(frozen=True)
class Uploaded:
    """What an upload did. `lines`: what a person must know, the closing line last; `useful`:
    whether anything reviewed arrived, now or before.
    """

    lines: list[str]
    useful: bool


def upload(
    config: Config, *, as_given: str, everything: bool = False, files: Sequence[Path] = ()
) -> Uploaded:
    """Send what is reviewed in tagging_location, and in these `files` of annotation tools.
    `everything`: every image of the batch counts as reviewed. `as_given`: the path of the config as
    a person wrote it, for messages.

    Raises InputError when no batch is there, or it is not this tagger's, not whole, or of another
    project.
    """
    place = config.need("tagging_location")
    ours = (place / MARKER).exists()
    # a folder without our marker is only read
    with at_work(place) if ours else nullcontext():
        container, store = open_labels(config)
        state = store.read_project()
        batch, faults = _batch_there(config, store, state, as_given)
        batch.rename(present_names_of(store, state, batch.digests))

        reviews = read_reviews(batch, everything, files)
        reviews.faults[:0] = faults
        reviewed = tables.image_set(reviews.rows)
        listed = Listed(
            container, store, (item for item in batch.images.values() if item.blob in reviewed)
        )
        reviews.notes += _changed_meanwhile(container, state, batch, reviews, listed)

        mode = mode_of(batch, config, store, store.now())
        model = Seconds.of_config(config)
        accepted, state = _send(store, state, batch, reviews, mode, model, listed, keep=ours)
        if reviews.thrown_away:
            state = _set_aside(store, batch, reviews)
        if reviews.unusable or reviews.given_back:
            state = _let_go(store, batch, reviews, mode)
        lines = list(_report(config, batch, reviews, accepted, state, mode.words))
        arrived = accepted.taken | accepted.unchanged | accepted.conflicts | reviews.let_go
        return Uploaded(lines, useful=bool(arrived))


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
    if not batch.fetched and not labelled_here(batch):
        raise InputError(
            f"{place}: the download of this batch was interrupted; "
            f"run download_vott_json.py {batch.wanted} {as_given} again to finish it"
        )
    return batch, faults


def _changed_meanwhile(
    container: Container, state: State, batch: Batch, reviews: Reviews, listed: Listed
) -> list[str]:
    """A line for each reviewed image that was deleted from the image container meanwhile, or
    replaced. Its boxes are taken all the same.
    """
    unlisted, contents = listed.unlisted(state), listed.contents(state)
    lines = []
    for local, item in batch.images.items():
        replaced = _of_other_content(item, contents)
        if not replaced and item.blob not in unlisted:
            continue
        folder, _, name = local.rpartition("/")
        where = f"{batch.project(folder)}: {name}"
        try:
            if _is_gone(container, item) and replaced:
                reviews.outdated.add(item.blob)
                lines.append(
                    f"{where}: the image was replaced in the image container meanwhile, and your"
                    " boxes are of the one before; it is queued to be looked at again"
                    " (download_vott_json.py N CONFIG --review)"
                )
        except Missing:
            lines.append(
                f"{where}: the image was deleted from the image container meanwhile; its boxes are"
                " kept with the labels, and training does without it"
            )
    return lines


def _is_gone(container: Container, item: Item) -> bool:
    """Whether the picture that was fetched is not there any more. Raises Missing."""
    present = container.info(item.blob)
    path = container.path_of(item.blob)
    if present.etag != item.etag or path is None or not item.md5:
        return present.etag != item.etag
    return md5_of(path) != item.md5


def _under_present_names(rows: pd.DataFrame, state: State, batch: Batch) -> pd.DataFrame:
    """Rows of tagged whose classes are named as when the batch was handed out, by the names of this
    state.
    """
    return updated_since("tagged", rows, state.classes, batch.class_changes)


def _send(
    store: LabelStore,
    state: State,
    batch: Batch,
    reviews: Reviews,
    mode: Mode,
    model: Seconds,
    listed: Listed,
    keep: bool,
) -> tuple[Accepted, State]:
    """Commit what was changed of the reviewed images since they were sent last, and what people did
    in them. `keep`: note in batch.json what is sent, before and after, so that it can be corrected
    later.
    """
    digests = row_digests(reviews.rows)
    items = [item for item in batch.images.values() if item.blob in digests]
    if not items:
        return Accepted(), state

    arrived(batch, state.document["history"])
    names = state.blob("renamed")
    first = {item.blob for item in items if not item.uploaded}
    # until our first upload, rows are replaced that are still the ones handed out
    handed_out = mode.own_rows(batch, first)
    kept = {item.blob for item in items if item.uploaded == digests[item.blob]}
    kept |= {blob for blob, digest in row_digests(handed_out).items() if digest == digests[blob]}
    ours = [*sent_rows(items), handed_out]
    note_sent(items, reviews.rows)
    work = work_in(batch, items, reviews)
    commit_id = new_commit_id()

    def change(state: State) -> Change:
        if state.blob("renamed") != names:
            raise OutsideError("images were renamed at this moment; run the same command again")
        uploaded = _under_present_names(reviews.rows, state, batch)
        others: dict[str, str] = {}
        if not keep:  # no batch.json says to whom these images were handed out
            others = held_by_others(store.table(state, "tagging"), batch.tagger)
        others = {blob: others[blob] for blob in tables.image_set(uploaded) & others.keys()}
        uploaded = tables.without(uploaded, others)
        own = _own_digests(ours, state, batch)
        # what this person did not change is not sent, unless nobody has labelled it at all
        present = row_digests(tables.only(store.table(state, "tagged"), kept))
        stands = {blob for blob, digest in present.items() if digest not in own.get(blob, ())}
        accepted = accept_upload(
            **{name: store.table(state, name) for name in _CHANGED},
            uploaded=tables.without(uploaded, present),
            tagger=batch.tagger,
            now=store.now(),
            own=own,
            reason=mode.words.reason,
        )
        unchanged = accepted.unchanged | set(present)
        looked_at = replace(
            accepted, unchanged=unchanged - stands, conflicts=accepted.conflicts | stands
        )
        accepted = replace(accepted, unchanged=unchanged)
        changed = {**accepted.tables, **mode.after_upload(state, batch, looked_at, first)}
        changed |= _pictures_seen(store, state, items, reviews, looked_at, listed)
        failed = store.table(state, "failed")
        if accepted.taken & tables.image_set(failed):  # it was not usable, and then it was
            changed["failed"] = tables.without(failed, accepted.taken)
        changed |= with_work(store, state, batch, tables.without(work, others), model)
        if outdated := reviews.outdated & accepted.taken:
            review = changed.get("review", store.table(state, "review"))
            changed["review"] = review_queue.enqueued(review, sorted(outdated))

        def put_down() -> None:
            note_sent(items, uploaded)
            batch.sending = Sending(commit_id, digests)
            if keep:
                batch.write()

        return Change(changed, note=(accepted, stands, others), before_write=put_down)

    state, (accepted, stands, others) = store.commit(
        change, what="uploading reviewed images", commit_id=commit_id
    )
    for item in items:
        item.uploaded, item.sent = digests[item.blob], []
    note_sent(items, reviews.rows)
    note_sent(items, _under_present_names(reviews.rows, state, batch))
    batch.sending = None
    if keep:
        batch.write()
    reviews.notes += [
        f"{blob}: {'not changed by you' if blob in first else 'uploaded before'}, and changed by"
        " somebody else since; that stands"
        for blob in sorted(stands)
    ]
    reviews.faults += [
        f"{blob} is out to {name}; left out" for blob, name in sorted(others.items())
    ]
    return accepted, state


def _of_other_content(item: Item, listed: Mapping[str, Content]) -> bool:
    """Whether an image that was fetched is another picture than the one that is listed."""
    if not item.etag or item.blob not in listed or not listed[item.blob].etags:
        return False
    return not listed[item.blob].is_same(item.etag, item.md5)


def _pictures_seen(
    store: LabelStore,
    state: State,
    items: list[Item],
    reviews: Reviews,
    accepted: Accepted,
    listed: Listed,
) -> dict[str, pd.DataFrame]:
    """The table `replaced` where it changes: labels of a picture that is no longer there, and
    images whose present picture was looked at.
    """
    contents = listed.contents(state)
    seen = accepted.taken | accepted.unchanged
    done = {item.blob for item in items if not _of_other_content(item, contents)} & seen
    outdated = {
        item.blob: (item.etag, item.md5)
        for item in items
        if item.blob in reviews.outdated & accepted.taken
    }
    changed = with_replaced(store, state, pictures_of(outdated), done - outdated.keys())
    return {name: frame for name, frame in changed.items() if name == "replaced"}


def _set_aside(store: LabelStore, batch: Batch, reviews: Reviews) -> State:
    """Commit that photos were thrown away: they fail, until they are replaced in the container."""
    etags = {item.blob: item.etag for item in reviews.thrown_away}

    def change(state: State) -> Change:
        tagging, failed = (store.table(state, name) for name in ("tagging", "failed"))
        held = held_by(tagging, batch.tagger) & etags.keys()
        if not held:
            return Change()
        named = [tables.split_name(blob) for blob in sorted(held)]
        rows = tables.make(
            "failed",
            filename=[filename for _, filename in named],
            folder=[folder for folder, _ in named],
            reason=[f"deleted while tagging by {batch.tagger or 'somebody'}"] * len(named),
            etag=[etags[blob] for blob in sorted(held)],
        )
        changed = {
            "tagging": tables.without(tagging, held),
            "failed": tables.concat("failed", tables.without(failed, held), rows),
        }
        if not is_parquet(state.blob("images")):  # where it is large it keeps the rows
            changed["images"] = tables.without(store.table(state, "images"), held)
        return Change(changed)

    return store.commit(change, what="setting aside photos that were deleted while tagging")[0]


def _let_go(store: LabelStore, batch: Batch, reviews: Reviews, mode: Mode) -> State:
    """Commit what the annotator does not keep: unusable images are handed out to nobody again,
    given back ones to whoever comes next.
    """
    unusable = {item.blob: item.etag for item in reviews.unusable}
    returned = {item.blob for item in reviews.given_back}

    def set_aside(state: State) -> Change:
        held = held_by(mode.reservations(state), batch.tagger) & unusable.keys()
        reason = f"not usable, says {batch.tagger or 'somebody'}"
        refused = {blob: (reason, unusable[blob]) for blob in sorted(held)}
        return mode.set_aside(state, refused, batch.tagger) if held else Change()

    def give_back(state: State) -> Change:
        held = held_by(mode.reservations(state), batch.tagger) & returned
        return mode.give_back(state, held) if held else Change()

    store.commit(set_aside, what="setting aside images that are not usable")
    return store.commit(give_back, what="giving images back")[0]


def _own_digests(ours: Iterable[pd.DataFrame], state: State, batch: Batch) -> dict[str, set[str]]:
    """{blob name: digests of all rows that are this batch's own}, under the class names that it
    came with and the present ones.
    """
    own: dict[str, set[str]] = {}
    for rows in ours:
        for version in (rows, _under_present_names(rows, state, batch)):
            for blob, digest in row_digests(version).items():
                own.setdefault(blob, set()).add(digest)
    return own


def _report(
    config: Config, batch: Batch, reviews: Reviews, accepted: Accepted, state: State, words: Words
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
        yield f"{blob}: {words.conflict} {state.blob('conflicts')}"

    sent = tables.only(boxes, accepted.taken)
    line = (
        f"{len(accepted.taken)} {words.taken}, {len(sent)} boxes →"
        f" {state.blob('tagged') or 'nothing'}"
    )
    if accepted.unchanged:
        line += f"; {len(accepted.unchanged)} {words.unchanged}"
    if reviews.thrown_away:
        line += f"; {len(reviews.thrown_away)} deleted while tagging"
    if reviews.unusable:
        line += f"; {len(reviews.unusable)} not usable"
    if reviews.given_back:
        line += f"; {len(reviews.given_back)} given back"
    if reviews.open:
        line += (
            f"; {len(reviews.open)} of {len(batch.images)} not counted as reviewed"
            f" ({', '.join(reviews.open)}){_what_to_do(reviews, batch)}"
        )
    yield line


def _what_to_do(reviews: Reviews, batch: Batch) -> str:
    """What makes the images count that do not; of those with a fault, its line has said it."""
    if not reviews.unmarked:
        return ", as said above"
    of_these = "" if len(reviews.unmarked) == len(reviews.open) else f" {len(reviews.unmarked)} of"
    return (
        f":{of_these and of_these + ' them lack a mark only:'} {TOOLS[batch.tool].MARK}, or upload"
        " with --all if you have looked at every image"
    )
