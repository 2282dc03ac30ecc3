"""Handing out images on an annotator's machine: choose them, reserve them, fetch just these, and
write a VoTT project with their boxes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from utils.batch.batch import Batch, read_batch
from utils.batch.fetching import fetch_images
from utils.batch.reading import unsent
from utils.boxes.limit_cover import limit_cover
from utils.config import Config
from utils.errors import InputError, OutsideError
from utils.files import write_bytes
from utils.formats.sheets import Box, Sheet
from utils.formats.vott import drawable, tag_names, write_project
from utils.labels import assignments, review_queue, tables
from utils.labels.class_changes import current_classes, with_present_names
from utils.labels.class_map import ClassMap, apply_class_map, read_class_map
from utils.labels.model_classes import read_model_classes
from utils.labels.pool import pool_of, pretrained_only, reserved
from utils.labels.store import Change, LabelStore, State
from utils.reserved import NULL
from utils.selection.context import context_of_state, why_tables
from utils.selection.strategies import Selection, select
from utils.storage.container import Container


@dataclass
class Request:
    """What the annotator asks for, as tag/download_vott_json.py --help says. `count` images;
    `review`: as review_queue has it, "" for images to tag; `class_map`: a JSON file; `config`: the
    path as it was given, for messages.
    """

    config: str
    count: int
    class_map: Path | None = None
    strategy: str | None = None
    score_between: tuple[float, float] | None = None
    by_folder: bool = False
    review: str = ""
    again: bool = False
    discard: bool = False


class HandOut:
    """One hand-out. `failed`: {blob name: reason} of images that turned out to be unusable. `why`:
    the table `selection`, and `notes` and `pool_size`: what else is to be said of the choice, and
    from how many images it was made (None: by an earlier run).
    """

    def __init__(self, config: Config, container: Container, labels: LabelStore, request: Request):
        self.config, self.container, self.labels, self.request = config, container, labels, request
        self.place: Path = config.tagging_location
        self.now = datetime.now(UTC)
        self.class_map = _class_map(config, request.class_map)
        self.classes, self.balance = config.classes, config.ideal_class_balance
        self.class_changes = 0  # of the state
        self.failed: dict[str, str] = {}
        self.why, self.notes, self.pool_size = tables.empty("selection"), (), None
        self.old: Batch | None = None  # a batch on disk that is done with

    def discard(self) -> tuple[State, list[str]]:
        """Give the images of the batch on this disk back, whatever was drawn in them. Its files go
        when the next batch has been chosen. The state after it, and a line for people.
        """
        batch = self._batch_of(self.labels.read())

        def give_back(state: State) -> Change:
            out = self._out(state, batch.review)
            given = assignments.held_by(out, batch.tagger) & batch.blobs
            if not given:
                return Change(note=given)
            if batch.review:
                review = review_queue.given_back(self.labels.table(state, "review"), given)
                return Change({"review": review}, note=given)
            released = assignments.release(
                self.labels.table(state, "totag"),
                out,
                given,
                lambda: pretrained_only(self.labels, state),
            )
            return Change(released, note=given)

        if batch is None:
            return self.labels.read(), []
        state, given = self.labels.commit(give_back, what="giving images back")
        batch.discarded = True
        batch.write()
        return state, [f"{len(given)} images of the batch of {batch.reserved_at} are given back"]

    def present(self, state: State) -> Batch | None:
        """The batch on this disk that is to be gone on with. None when there is none, or nothing of
        it is left to do.

        Raises InputError when it is out: the annotator has it, and it is not uploaded.
        """
        batch = self.old = self._batch_of(state)
        if batch is None or batch.discarded:
            return None
        out = self._out(state, batch.review)
        if not batch.fetched:
            reserved = out[
                (out["tagger"] == batch.tagger) & (out["reserved_at"] == batch.reserved_at)
            ]
            held = self._live(out, tables.image_set(reserved)) & batch.blobs
            if not held:
                return None  # it died before anything was reserved, or all was given back since
            if batch.tagger != self.config.tagger_name:
                raise InputError(
                    f"{self.place}: the download of {batch.tagger} was interrupted there; "
                    f"go on with tagger_name={batch.tagger}, or name another tagging_location"
                )
            batch.sweep()
            batch.drop(batch.blobs - held)
            return batch
        held = self._live(out, assignments.held_by(out, batch.tagger)) & batch.blobs
        lost = [
            local
            for local, item in batch.images.items()
            if item.blob in held and not batch.whole(local)
        ]
        lost += (
            [folder for folder in batch.folders if not batch.project(folder).exists()]
            if held
            else []
        )
        which = f"the batch of {batch.reserved_at}"
        if lost and self.request.again:
            batch.fetched = False
            batch.drop(
                {item.blob for local, item in batch.images.items() if not batch.whole(local)} - held
            )
            batch.wanted = len(batch.images)
            return batch
        if lost:
            raise InputError(
                f"{self.place}: files of {which} are gone or cut short ({_few(lost)}); --again"
                " fetches them once more"
            )
        if waiting := unsent(batch, held):
            raise InputError(
                f"{self.place}: {len(waiting)} of {len(batch.images)} images of {which} are not"
                f" uploaded ({_few(waiting)}); run upload_vott_json.py {self.request.config} first"
                " (with --all if you have looked at every image), or give them back with --discard"
            )
        return None

    def restored(self, state: State) -> Batch | None:
        """With --again, a batch of all images that the state says this tagger holds. Raises
        InputError if there are such and no --again.
        """
        tagger, review = self.config.tagger_name, self.request.review
        out = self._out(state, review)
        held = self._live(out, assignments.held_by(out, tagger))
        if not held:
            return None
        if not self.request.again:
            raise InputError(
                f"{tagger} holds {len(held)} images ({_few(sorted(held))}) that are not in"
                f" {self.place}; upload them from where they are, or fetch them here once more with"
                " --again"
            )
        batch = Batch(
            self.place,
            tagger,
            assignments.utc_text(self.now),
            len(held),
            self.request.by_folder,
            review=review,
        )

        def reserve_again(state: State) -> Change:
            self._name_classes(state)
            out = self._out(state, review)
            mine = self._live(out, assignments.held_by(out, tagger)) & held
            if review:
                return self._reserve_labelled(state, batch, mine, fresh=True)
            tagging = out
            rows = tables.only(tagging, mine)
            self._plan(batch, rows, fresh=True)
            renewed = rows.assign(reserved_at=batch.reserved_at)
            return Change(
                {"tagging": tables.concat("tagging", tables.without(tagging, mine), renewed)}
            )

        state, _ = self.labels.commit(reserve_again, what="reserving your images once more")
        batch.commit, batch.of_project = state.commit, state.project
        return batch

    def new(self) -> Batch:
        """An empty batch of as many images as were asked for; `complete` fills it."""
        batch = Batch(
            self.place,
            self.config.tagger_name,
            assignments.utc_text(self.now),
            self.request.count,
            self.request.by_folder,
            review=self.request.review,
        )
        batch.sweep()
        return batch

    def complete(self, batch: Batch) -> None:
        """Reserve and fetch until the batch has all images that were asked for, or none are left;
        then write its VoTT files.
        """
        greys = self.labels.read().greys
        while True:
            if failed := fetch_images(self.container, batch, greys):
                self._set_aside(failed, batch.review)
                batch.drop(failed)
                self.failed |= {blob: reason for blob, (reason, _) in failed.items()}
            if len(batch.images) >= batch.wanted or not self._reserve(batch):
                break
        if not batch.images:
            raise OutsideError(
                "no image could be fetched; the first:"
                f" {next(f'{blob} ({why})' for blob, why in self.failed.items())}"
            )
        for folder in batch.folders:
            sheets = []
            for name, item in batch.inside(folder).items():
                drawn = drawable(item.boxes, item.width, item.height)
                sheets.append(Sheet(name, item.width, item.height, drawn))
                if not batch.review:
                    item.boxes = list(drawn)
            if not batch.project(folder).exists():
                write_bytes(batch.project(folder), write_project(sheets, list(batch.tags)))
        batch.fetched = True
        batch.write()

    def _reserve(self, batch: Batch) -> bool:
        """Reserve the images that the batch still lacks; False when there is none left."""
        before = dict(batch.images)
        moment = datetime.fromisoformat(batch.reserved_at)

        def hand_out(state: State) -> Change | None:
            batch.images = dict(before)
            self._name_classes(state)
            if batch.review:
                chosen = self._choose_labelled(state, batch)
                return (
                    self._reserve_labelled(state, batch, chosen, fresh=not before)
                    if chosen
                    else None
                )
            free = pool_of(self.labels, state, self.now)
            rows = free if self.class_map is None else self._mapped(state, free)
            chosen = self._choose(state, rows, batch)
            if not chosen.names:
                return None
            handed_out = tables.only(rows, chosen.names)
            self._plan(batch, handed_out, fresh=not before)
            change = reserved(self.labels, state, free, chosen.names, moment, rows)
            predicted = handed_out if self.class_map is None else handed_out[:0]
            why = why_tables(self.labels, state, chosen, predicted)
            self.why = why["selection"]
            return replace(change, tables={**change.tables, **why})

        state, _ = self.labels.commit(hand_out, what="reserving images")
        if len(batch.images) == len(before):
            if not before and not self.failed:
                if batch.review:
                    tagged, review = (
                        self.labels.table(state, name) for name in ("tagged", "review")
                    )
                    raise InputError(review_queue.nothing_left(tagged, review, batch.review))
                if self.request.score_between and (
                    left := len(tables.image_set(pool_of(self.labels, state, self.now)))
                ):
                    raise InputError(
                        "--score-between {:g} {:g}: none of the {} images to tag has a box with"
                        " such a score; name a wider band, or leave it out".format(
                            *self.request.score_between, left
                        )
                    )
                counts = {
                    name: len(tables.image_set(self.labels.table(state, name)))
                    for name in ("tagged", "tagging", "failed")
                }
                raise InputError(
                    f"nothing is left to tag: {counts['tagged']} images are tagged,"
                    f" {counts['tagging']} are out, {counts['failed']} cannot be read; new images"
                    " join with train/active_learning_initialize.sh CONFIG"
                )
            return False
        batch.commit, batch.of_project = state.commit, state.project
        batch.write()
        return True

    def _batch_of(self, state: State) -> Batch | None:
        """The batch on this disk. Raises InputError when it is of another project."""
        batch = read_batch(self.place)
        if batch is not None:
            batch.check_project(state.project, self.labels.container.address)
        return batch

    def _out(self, state: State, review: str) -> pd.DataFrame:
        """Who has which image: of those to tag, or of labelled ones to look at again."""
        return (
            review_queue.reservations(self.labels.table(state, "review"))
            if review
            else self.labels.table(state, "tagging")
        )

    def _choose_labelled(self, state: State, batch: Batch) -> list[str]:
        """The labelled images that the batch still lacks."""
        return review_queue.choose(
            self.labels.table(state, "tagged"),
            self.labels.table(state, "review"),
            batch.review,
            batch.wanted - len(batch.images),
            hours=self.config.reservation_hours,
            now=self.now,
            refused=self.failed,
        )

    def _reserve_labelled(
        self, state: State, batch: Batch, images: Iterable[str], fresh: bool
    ) -> Change:
        """The change that hands labelled images out in this batch, with their present boxes."""
        self._plan(batch, tables.only(self.labels.table(state, "tagged"), images), fresh)
        moment = datetime.fromisoformat(batch.reserved_at)
        return Change(
            {
                "review": review_queue.handed_out(
                    self.labels.table(state, "review"), images, batch.tagger, moment
                )
            }
        )

    def _name_classes(self, state: State) -> None:
        """Classes of the config under the names that they have in the labels now."""
        self.class_changes = len(state.classes.get("changes", []))
        self.classes, self.balance = current_classes(
            self.config.classes, state.classes, self.config.ideal_class_balance
        )

    def _choose(self, state: State, rows: pd.DataFrame, batch: Batch) -> Selection:
        """The images to tag that the batch still lacks, from those that have `rows`."""
        classes, balance, config = self.classes, self.balance, self.config
        if self.class_map is not None:
            shares = [*self.class_map.shares.values(), self.class_map.empty_share]
            classes, balance = current_classes(list(self.class_map.shares), state.classes, shares)
        if self.request.score_between:
            rows = tables.only(
                rows,
                tables.image_set(
                    rows[
                        rows["box_confidence"].between(*self.request.score_between)
                        & (rows["class"] != NULL)
                    ]
                ),
            )
            config = replace(config, random_share=0.0)
        strategy = self.request.strategy or config.selection_strategy
        context = context_of_state(
            self.labels, state, rows, config, strategy, classes, balance, batch.blobs
        )
        chosen = select(strategy, context, batch.wanted - len(batch.images))
        if chosen.names and not batch.images:
            self.notes, self.pool_size = chosen.notes, len(context.pool.names)
        # of a band, it is no sample of all images
        return replace(chosen, random=chosen.random & (not self.request.score_between))

    def _mapped(self, state: State, free: pd.DataFrame) -> pd.DataFrame:
        """What the pretrained model found in the free images, by the class map and under the
        present names of its classes; images that it has not seen keep their rows.
        """
        if state.blob("init_totag") is None:
            raise InputError(
                f"{self.labels.container.address}: no pretrained model has been run over the images"
                " yet; run train/active_learning_init_pred.sh CONFIG on the training machine first"
            )
        found = apply_class_map(
            tables.only(self.labels.table(state, "init_totag"), tables.image_set(free)),
            self.class_map,
        )
        found = with_present_names("totag", found, state.classes)
        return tables.concat("totag", found, tables.without(free, tables.image_set(found)))

    def _plan(self, batch: Batch, rows: pd.DataFrame, fresh: bool) -> None:
        """Take the images of these rows into the batch and write its marker, so that a kill from
        here on can be gone on from.
        """
        if fresh:
            batch.images, batch.class_changes = {}, self.class_changes
            if self.old is not None:
                self.old.clear()
                self.old = None
        rows = rows.assign(blob=tables.blob_names(rows))
        drawn = rows[rows["class"] != NULL]
        if not batch.review:
            drawn = drawn[~(drawn["box_confidence"] < self.config.prelabel_confidence)]
        batch.tags = tag_names([*self.classes, *drawn["class"]], batch.tags)
        tag_of = {name: tag for tag, name in batch.tags.items()}
        boxes = {blob: [] for blob in rows["blob"].unique()}
        for blob, group in drawn.groupby("blob"):
            if self.config.max_tags_per_pixel is not None and not batch.review:
                keep = limit_cover(
                    group[["xmin", "xmax", "ymin", "ymax"]].to_numpy(),
                    group["box_confidence"].to_numpy(),
                    self.config.max_tags_per_pixel,
                    group["width"].iloc[0],
                    group["height"].iloc[0],
                )
                group = group[keep]
            columns = group[["class", "xmin", "xmax", "ymin", "ymax"]]
            scores = group["box_confidence"] if "box_confidence" in group else [None] * len(group)
            boxes[blob] = [
                Box(tag_of[name], *sides, None if pd.isna(score) else score)
                for (name, *sides), score in zip(
                    columns.itertuples(index=False), scores, strict=True
                )
            ]
        batch.add(boxes)
        batch.write()

    def _set_aside(self, failed: dict[str, tuple[str, str]], review: str) -> None:
        """Move reserved images that turned out to be unusable into the table of failed ones;
        labelled ones only leave the review.
        """
        if review:
            self.labels.commit(
                lambda state: Change(
                    {"review": tables.without(self.labels.table(state, "review"), failed)}
                ),
                what="giving back images that cannot be read",
            )
            return
        folders, filenames = zip(*map(tables.split_name, failed), strict=True)
        reasons, etags = zip(*failed.values(), strict=True)
        rows = tables.make("failed", filename=filenames, folder=folders, reason=reasons, etag=etags)

        def change(state: State) -> Change:
            tagging = self.labels.table(state, "tagging")
            ours = assignments.held_by(tagging, self.config.tagger_name) & set(failed)
            listed = tables.without(self.labels.table(state, "failed"), ours)
            return Change(
                {
                    "failed": tables.concat("failed", listed, tables.only(rows, ours)),
                    "tagging": tables.without(tagging, ours),
                }
            )

        self.labels.commit(change, what="listing images that cannot be read")

    def _live(self, out: pd.DataFrame, held: set[str]) -> set[str]:
        """Those of these images whose reservation is still good."""
        return (
            held - assignments.expired(out, self.config.reservation_hours, self.now)
            if held
            else held
        )


def _class_map(config: Config, path: Path | None) -> ClassMap | None:
    return (
        read_class_map(path, {str(number) for number in read_model_classes(config.init_label_map)})
        if path
        else None
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
