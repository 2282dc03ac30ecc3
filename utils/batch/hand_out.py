"""Handing out images on an annotator's machine: go on with what is there, reserve what is missing,
fetch just these, and write a VoTT project with their boxes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from utils.batch.batch import Batch, read_batch
from utils.batch.choosing import Wishes
from utils.batch.fetching import Fetched, fetch_images, gives_any
from utils.batch.finding import checked
from utils.batch.modes import Mode, Reservation, mode_of
from utils.batch.reading import labelled_here
from utils.batch.request import Request
from utils.batch.resuming import NothingLeft, go_on, restore_files
from utils.batch.rows import boxes_of
from utils.batch.shortlisted import listed_contents
from utils.boxes.limit_cover import limit_cover
from utils.config import Config
from utils.errors import InputError, OutsideError
from utils.files import write_bytes
from utils.formats.answers import leftovers
from utils.formats.tools import TOOLS
from utils.formats.vott import drawable
from utils.labels import assignments, tables
from utils.labels.class_changes import current_classes
from utils.labels.class_map import ClassMap, noted_class_map, read_class_map
from utils.labels.doubted import with_doubted
from utils.labels.model_classes import init_classes, read_model_classes
from utils.labels.renamed import present_names_of
from utils.labels.replaced import contents
from utils.labels.state import Change, State
from utils.labels.store import LabelStore
from utils.storage.container import Container
from utils.times import utc_text
from utils.wording import few

_PROBED = 8  # images by which a container is known to be the right one


class HandOut:
    """One hand-out. `failed`: {blob name: reason} of images that turned out to be unusable. `why`:
    the table `selection`, and `notes` and `pool_size`: what else is to be said of the choice, and
    from how many images it was made (None: by an earlier run).
    """

    def __init__(self, config: Config, container: Container, store: LabelStore, request: Request):
        self.config, self.container, self.store, self.request = config, container, store, request
        self.now = store.now()
        class_map = _class_map(config, store, request.class_map)
        seconds = request.minutes and 60 * request.minutes
        wishes = Wishes(
            request.strategy,
            class_map,
            request.score_between,
            seconds,
            request.like,
            request.of_class,
            request.whole,
        )
        self.wishes = checked(wishes, config, store, store.read()) if wishes.finds_more else wishes
        self.failed: dict[str, str] = {}
        self.why, self.notes, self.pool_size = tables.empty("selection"), (), None
        self._old: Batch | None = None  # a batch on disk that is done with

    def mode_of(self, batch: Batch) -> Mode:
        """How the images of a batch are chosen, reserved and given back."""
        return mode_of(batch, self.config, self.store, self.now, self.wishes)

    def discard(self) -> tuple[State, list[str]]:
        """Give the images of the batch on this disk back, whatever was drawn in them. Its files go
        when the next batch has been chosen. The state after it, and a line for people.
        """
        state = self.store.read()
        batch = self._batch_of(state)
        if batch is None:
            return state, []
        mode = self.mode_of(batch)

        def give_back(state: State) -> Change:
            out = mode.reservations(state)
            given = assignments.held_by(out, batch.tagger) & batch.blobs
            change = mode.give_back(state, given) if given else Change()
            return replace(change, note=given)

        state, given = self.store.commit(give_back, what="giving images back")
        batch.discarded = True
        batch.write()
        return state, [f"{len(given)} images of the batch of {batch.reserved_at} are given back"]

    def present(self, state: State) -> Batch | None:
        """The batch on this disk that is to be gone on with. None when there is none, or nothing of
        it is left to do.

        Raises InputError when it is out: the annotator has it, and it is not uploaded.
        """
        batch = self._batch_of(state)
        if batch is not None and not batch.discarded:
            mode = self.mode_of(batch)
            if batch.fetched:
                held = mode.held(state, batch.tagger)
                open_still = restore_files(batch, held, self.request)
            else:
                held = mode.held(state, batch.tagger, since=batch.reserved_at)
                open_still = go_on(batch, held, self.request, self.config.tagger_name)
            if open_still:
                return batch
        self._old = batch
        return None

    def restored(self, state: State) -> Batch | None:
        """With --again, a batch of all images that the state says this tagger holds. Raises
        InputError if there are such and no --again.
        """
        batch = self._empty()
        mode = self.mode_of(batch)
        held = mode.held(state, batch.tagger)
        if not held:
            return None
        if not self.request.again:
            raise InputError(
                f"{batch.tagger} holds {len(held)} images ({few(sorted(held))}) that are not in"
                f" {batch.place}; upload them from where they are, or fetch them here once more"
                " with --again"
            )
        batch.wanted = len(held)

        def reserve_again(state: State) -> Change:
            mine = mode.held(state, batch.tagger) & held
            return self._taken_into(batch, state, mode.renew(state, batch, mine))

        state, (restored, _) = self.store.commit(
            reserve_again, what="reserving your images once more"
        )
        restored.commit, restored.of_project = state.commit, state.project
        return restored

    def new(self) -> Batch:
        """An empty batch of as many images as were asked for; `complete` fills it."""
        batch = self._empty()
        batch.sweep()
        return batch

    def complete(self, batch: Batch) -> Batch:
        """The batch, with images reserved and fetched until it has all that were asked for, or none
        are left; then with its VoTT files.
        """
        state = self.store.read()
        while True:
            listed = listed_contents(self.store, state, batch.blobs)
            fetched = fetch_images(self.container, batch, state.greys, listed)
            if fetched.wanted and fetched.reached == len(fetched.replaced):
                self._ask_for_container(batch, fetched)
            if fetched.unusable:
                self._leave_out(batch, fetched)
            if len(batch.images) >= batch.wanted:
                break
            larger = self._reserve(batch)
            if larger is None:
                break
            batch = larger

        if not batch.images:
            blob, reason = next(iter(self.failed.items()))
            raise OutsideError(f"no image could be fetched; the first: {blob} ({reason})")
        self._write_files(batch)
        batch.fetched = True
        batch.write()
        return batch

    def _empty(self) -> Batch:
        return Batch(
            self.config.tagging_location,
            self.config.tagger_name,
            utc_text(self.now),
            self.request.count or 1,  # by time: it is known when they are chosen
            self.request.by_folder,
            review=self.request.review,
            tool=self.request.tool or self.config.annotation_tool,
        )

    def _batch_of(self, state: State) -> Batch | None:
        """The batch on this disk. Raises InputError when it is of another project."""
        batch = read_batch(self.config.tagging_location)
        if batch is not None:
            batch.check_project(state.project, self.store.container.address)
            batch.rename(present_names_of(self.store, state, batch.digests))
        return batch

    def _reserve(self, batch: Batch) -> Batch | None:
        """The batch with the images reserved that it still lacks; None when there is none left."""
        mode = self.mode_of(batch)

        def hand_out(state: State) -> Change | None:
            reservation = mode.reserve(state, batch, self.failed)
            return self._taken_into(batch, state, reservation) if reservation else None

        state, made = self.store.commit(hand_out, what="reserving images")
        if made is None:
            if batch.images or self.failed:
                return None
            raise NothingLeft(mode.nothing_left(state, batch))

        larger, reservation = made
        self.why = reservation.why
        if not batch.images:
            self.notes, self.pool_size = reservation.notes, reservation.pool_size
        larger.commit, larger.of_project = state.commit, state.project
        larger.write()
        return larger

    def _taken_into(self, batch: Batch, state: State, reservation: Reservation) -> Change:
        """The change that reserves images, noting the batch with these images and the reservation.
        batch.json is on this disk before it, so that a kill from then on can be gone on from.
        """
        larger = self._with_images(batch, state, reservation.rows, reservation.reasons)

        def put_down() -> None:
            if self._old is not None:
                self._old.clear()
                self._old = None
            larger.write()

        return replace(reservation.change, note=(larger, reservation), before_write=put_down)

    def _with_images(
        self, batch: Batch, state: State, rows: pd.DataFrame, reasons: Mapping[str, str]
    ) -> Batch:
        """The batch with the images of these rows besides, their boxes, and why they are shown."""
        mode = self.mode_of(batch)
        shown = mode.shown(state, rows)
        classes, _ = current_classes(
            self.config.classes, state.classes, self.config.ideal_class_balance
        )
        tags = TOOLS[batch.tool].tag_names([*classes, *shown["class"]], batch.tags)
        if mode.most_per_pixel is not None:
            shown = _limited(shown, mode.most_per_pixel)

        larger = replace(batch, images=dict(batch.images), tags=tags)
        if not batch.images:
            larger.class_changes = len(state.classes.get("changes", []))
            old = self._old.files if self._old is not None else {}
            larger.leftovers = leftovers(batch.place, old)
        boxes = boxes_of(shown, tags)
        old_images = self._old.images if self._old is not None else {}
        going = {local for local in old_images if self._old.ours(local)}
        if self.request.minutes and not batch.images:
            larger.wanted = len(tables.image_set(rows))
        larger.add({blob: boxes.get(blob, []) for blob in tables.image_set(rows)}, going)
        for item in larger.images.values():
            item.why = reasons.get(item.blob, item.why)
        return larger

    def _ask_for_container(self, batch: Batch, fetched: Fetched) -> None:
        """Raises OutsideError when the container gives none of the images that it should have: then
        it is not the right one, or not all there.
        """
        state = self.store.read()
        names = ("images", "totag", "tagging", "tagged")  # the first is not in every old container
        known = {name: self.store.table(state, name) for name in names}
        others = set().union(*map(tables.image_set, known.values())) - fetched.unusable.keys()
        probed = sorted(others)[:: max(1, len(others) // _PROBED)]
        if gives_any(self.container, probed, contents(known["images"], probed)):
            return
        blob, reason = next(iter(fetched.unusable.items()))
        if fetched.replaced:
            raise OutsideError(
                f"{self.container.address}: {len(fetched.replaced)} of {fetched.wanted} images are"
                f" not the pictures that this project has listed, nor is any other; the first:"
                f" {min(fetched.replaced)}. Is that the image container of this project? Correct"
                " image_container_name or storage_url; if its images were replaced, run"
                " train/active_learning_initialize.sh CONFIG on the training machine"
            )
        raise OutsideError(
            f"{self.container.address}: none of {fetched.wanted} images is there, nor any other of"
            f" this project; the first: {blob} ({reason}). Is that the image container of this"
            " project, and is it mounted? Correct image_container_name or storage_url, then run the"
            " same command again: it goes on from here"
        )

    def _leave_out(self, batch: Batch, fetched: Fetched) -> None:
        """Take images out of the batch that cannot be had here, and give them back. Whether one is
        broken is for the training machine to say: it looks at those that are doubted.
        """
        mode, tagger = self.mode_of(batch), self.config.tagger_name
        drawn = labelled_here(batch)  # what was drawn is sent though its picture is gone
        left_out = {blob: why for blob, why in fetched.unusable.items() if blob not in drawn}

        def give_back(state: State) -> Change:
            out = assignments.held_by(mode.reservations(state), tagger) & left_out.keys()
            change = mode.give_back(state, out) if out else Change()
            doubted = with_doubted(state, fetched.doubted)
            return replace(change, members=doubted) if fetched.doubted else change

        self.store.commit(give_back, what="giving images back that cannot be read here")
        batch.drop(left_out)
        self.failed |= left_out

    def _write_files(self, batch: Batch) -> None:
        """Write the files for the annotation tool that are not there yet."""
        if not self.mode_of(batch).keeps_hidden:
            for item in batch.images.values():
                item.boxes = list(drawable(item.boxes, item.width, item.height))
        for name, data in TOOLS[batch.tool].write(batch.handed_out).items():
            if not batch.path(name).exists():
                write_bytes(batch.path(name), data)
            batch.files[name] = hashlib.sha256(data).hexdigest()


def _limited(rows: pd.DataFrame, limit: int) -> pd.DataFrame:
    """The boxes of these rows without those that would cover a pixel more than `limit` times."""
    kept = []
    for _, group in rows.groupby(tables.blob_names(rows), sort=False):
        keep = limit_cover(
            group[["xmin", "ymin", "xmax", "ymax"]].to_numpy(),
            group["box_confidence"].to_numpy(),
            limit,
            group["width"].iloc[0],
            group["height"].iloc[0],
        )
        kept.append(group[keep])
    return pd.concat(kept) if kept else rows


def _class_map(config: Config, store: LabelStore, path: Path | None) -> ClassMap | None:
    """The class map in that file; without one, the one used before while the first model was found
    worse than the pretrained predictions.
    """
    state = store.read()
    if path is None:
        held_back = state.document.get("candidate") and not state.live.get("model")
        return noted_class_map(state.document.get("class_map")) if held_back else None
    known = init_classes(state, config.init_label_map)
    known = known or read_model_classes(config.init_label_map)
    return read_class_map(path, {str(number) for number in known}, known)
