"""The two modes of a batch: images to tag, and labelled images to look at again.

Both have the same verbs. What they return are changes of a state; nothing here has an effect.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime

import pandas as pd

from utils.batch.batch import Batch
from utils.batch.choosing import Wishes, choose, found_by_pretrained
from utils.batch.finding import find, nothing_found
from utils.batch.rows import handed_out_rows
from utils.batch.shortlisted import listed_in_totag, say_used_up, usable
from utils.batch.showing import thresholds_of
from utils.batch.suspecting import nothing_suspicious, suspicion_of, with_suspects
from utils.batch.timing import expected_times
from utils.boxes.prelabels import Thresholds, shown_boxes
from utils.config import Config
from utils.labels import assignments, review_queue, tables
from utils.labels.assignments import Accepted
from utils.labels.giving_back import released
from utils.labels.pool import pool_of, reserved
from utils.labels.review_queue import SUSPECT
from utils.labels.state import Change, State
from utils.labels.store import LabelStore
from utils.reserved import NULL
from utils.selection.context import why_tables
from utils.selection.listed_pool import ListedPool
from utils.selection.strategies import Selection
from utils.strategies import STRATEGIES
from utils.times import moment


@dataclass(frozen=True)
class Words:
    """How people are told. handed_out: what a batch holds; unusable: what becomes of an image that
    cannot be read here; taken, unchanged: what an upload did; conflict: why the boxes of an image
    are set aside, reason: the same for the table of conflicts.
    """

    handed_out: str
    unusable: str
    taken: str
    unchanged: str
    conflict: str
    reason: str


@dataclass(frozen=True)
class Reservation:
    """Images that a batch is to get, and the change that reserves them.

    rows: theirs (columns of totag or tagged). why: the table `selection` after it; notes: sentences
    for people about the choice; pool_size: from how many images it was made, None where that is not
    known. reasons: {image: why it is shown}, where the page is to say so.
    """

    rows: pd.DataFrame
    change: Change
    why: pd.DataFrame
    notes: tuple[str, ...] = ()
    pool_size: int | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


class Mode(ABC):
    """What both modes do alike."""

    def __init__(self, config: Config, store: LabelStore, now: datetime, wishes: Wishes):
        self._config, self._store, self._now = config, store, now
        self._wishes = wishes

    @abstractmethod
    def reservations(self, state: State) -> pd.DataFrame:
        """Rows that say who has which image since when."""

    def held(self, state: State, tagger: str, since: str = "") -> set[str]:
        """Images that are out to this tagger, with a reservation that is still good; `since`: only
        those that were reserved at that time (as the table has it).
        """
        out = self.reservations(state)
        own = out["tagger"] == tagger
        if since:
            own &= out["reserved_at"] == since
        held = tables.image_set(out[own])
        if not held:
            return held
        return held - assignments.expired(out, self._config.reservation_hours, self._now)


class ToTag(Mode):
    """Images that nobody has labelled: chosen by a strategy, reserved in the table tagging."""

    words = Words(
        handed_out="images",
        unusable="left out of this batch, and another takes its place",
        taken="images",
        unchanged="uploaded before",
        conflict="somebody else has uploaded it meanwhile; your boxes are set aside in",
        reason="somebody else has tagged this image otherwise",
    )
    keeps_hidden = False  # boxes that the annotation tool cannot show

    def __init__(self, config: Config, store: LabelStore, now: datetime, wishes: Wishes):
        super().__init__(config, store, now, wishes)
        self.most_per_pixel = config.max_tags_per_pixel

    def reservations(self, state: State) -> pd.DataFrame:
        return self._store.table(state, "tagging")

    def reserve(self, state: State, batch: Batch, refused: Collection[str]) -> Reservation | None:
        """The images that the batch still lacks, chosen and out to its tagger; None when there are
        none. `refused`: images that cannot be had here.
        """
        listed = usable(self._store, state, self._config, self._wishes, self._now)
        if listed is not None:
            reservation = self._reserved(state, batch, refused, listed)
            if reservation is not None:
                return reservation
        return self._reserved(state, batch, refused, None)

    def _reserved(
        self, state: State, batch: Batch, refused: Collection[str], listed: ListedPool | None
    ) -> Reservation | None:
        """As `reserve`, of the images on a shortlist, or of all; None also when too few of the
        shortlist are left to choose well.
        """
        wishes, store = self._wishes, self._store
        free = rows = pool_of(store, state, self._now) if listed is None else listed.rows
        if wishes.class_map is not None:
            found = None if listed is None else listed.shortlist.found
            rows = found_by_pretrained(store, state, free, wishes.class_map, found)
        if refused:
            rows = tables.without(rows, refused)

        thresholds = self._thresholds(state)

        def chosen_of(count: int) -> tuple[Selection, int]:
            options = {"batch": batch.blobs, "count": count, "shown_from": thresholds.of}
            if wishes.finds_more:
                return find(store, state, rows, self._config, wishes, **options)
            return choose(store, state, rows, self._config, wishes, **options, listed=listed)

        notes = (thresholds.why,) if thresholds.why else ()
        missing = batch.wanted - len(batch.images)
        if wishes.seconds is not None and not batch.images:
            shown = shown_boxes(rows, thresholds)
            times = expected_times(store, state, self._config, rows, shown)
            if not len(rows):
                return None
            chosen, pool_size = times.most_of(
                chosen_of, lambda choice: choice[0].names, wishes.seconds
            )
            notes = (*notes, times.words(chosen.names, wishes.seconds))
            missing = len(chosen.names)
        else:
            chosen, pool_size = chosen_of(missing)
        if not chosen.names:
            return None
        if listed is not None and not listed.suffices(missing, self._share()):
            say_used_up(state)
            return None

        change = reserved(store, state, free, chosen.names, moment(batch.reserved_at), rows)
        handed_out = tables.only(rows, chosen.names)
        # what is kept of images drawn at random is what our model predicted
        predicted = handed_out if wishes.class_map is None else handed_out[:0]
        why = why_tables(store, state, chosen, predicted, listed and listed.known())
        noted = {"class_map": wishes.class_map.as_json()} if wishes.class_map else {}
        change = replace(change, tables={**change.tables, **why}, members=noted)
        return Reservation(handed_out, change, why["selection"], (*chosen.notes, *notes), pool_size)

    def _share(self) -> float:
        """How much of a batch is drawn at random."""
        strategy = STRATEGIES[self._wishes.strategy or self._config.selection_strategy]
        return 1.0 if strategy.draws else self._config.random_share

    def renew(self, state: State, batch: Batch, images: Collection[str]) -> Reservation:
        """Images that the tagger has already, out in this batch from now on."""
        tagging = self.reservations(state)
        rows = tables.only(tagging, images)
        renewed = rows.assign(reserved_at=batch.reserved_at)
        others = tables.without(tagging, images)
        change = Change({"tagging": tables.concat("tagging", others, renewed)})
        return Reservation(rows, change, self._store.table(state, "selection"))

    def shown(self, state: State, rows: pd.DataFrame) -> pd.DataFrame:
        """The boxes of these rows that people get to see."""
        return shown_boxes(rows, self._thresholds(state))

    def _thresholds(self, state: State) -> Thresholds:
        pretrained = self._wishes.class_map is not None
        return thresholds_of(self._config, state, pretrained=pretrained)

    def give_back(self, state: State, images: Collection[str]) -> Change:
        """Reserved images are free again, as they were before."""
        listed = listed_in_totag(self._store, state)
        return Change(released(self._store, state, set(images), listed))

    def set_aside(
        self, state: State, unusable: Mapping[str, tuple[str, str]], tagger: str
    ) -> Change:
        """Reserved images that cannot be used ({blob name: (reason, ETag)}) go to the table of
        failed ones, as far as they are still this tagger's.
        """
        folders, filenames = zip(*map(tables.split_name, unusable), strict=True)
        reasons, etags = zip(*unusable.values(), strict=True)
        rows = tables.make("failed", filename=filenames, folder=folders, reason=reasons, etag=etags)

        tagging = self.reservations(state)
        ours = assignments.held_by(tagging, tagger) & set(unusable)
        listed = tables.without(self._store.table(state, "failed"), ours)
        return Change(
            {
                "failed": tables.concat("failed", listed, tables.only(rows, ours)),
                "tagging": tables.without(tagging, ours),
            }
        )

    def nothing_left(self, state: State, batch: Batch) -> str:
        """Why `reserve` found none, as one line."""
        store = self._store
        if self._wishes.score_between or self._wishes.finds_more:
            left = len(tables.image_set(pool_of(store, state, self._now)))
            if left and self._wishes.finds_more:
                return nothing_found(self._wishes, left)
            if left:
                low, high = self._wishes.score_between
                return (
                    f"--score-between {low:g} {high:g}: none of the {left} images to tag has a box"
                    " with such a score; name a wider band, or leave it out"
                )
        tagged, out, failed = (
            len(tables.image_set(store.table(state, name)))
            for name in ("tagged", "tagging", "failed")
        )
        return (
            f"nothing is left to tag: {tagged} images are tagged, {out} are out, {failed} cannot be"
            " read; new images join with train/active_learning_initialize.sh CONFIG"
        )

    def own_rows(self, batch: Batch, images: Collection[str]) -> pd.DataFrame:
        """Rows of these images in tagged that an upload of the batch may replace though it did not
        send them: none.
        """
        return tables.empty("tagged")

    def after_upload(
        self, state: State, batch: Batch, accepted: Accepted, first: Set[str]
    ) -> dict[str, pd.DataFrame]:
        """What an upload changes besides: nothing."""
        return {}


class ToReview(Mode):
    """Labelled images that somebody looks at again: they stay in tagged, and the table review says
    who has them.
    """

    words = Words(
        handed_out="images to look at again",
        unusable="left out of this batch; it is labelled still, and to be looked at as before",
        taken="images changed",
        unchanged="as they were",
        conflict="its boxes were changed meanwhile; yours are set aside in",
        reason="looked at again, but its boxes were changed meanwhile",
    )
    keeps_hidden = True  # what cannot be shown stays labelled
    most_per_pixel = None

    def reservations(self, state: State) -> pd.DataFrame:
        return review_queue.reservations(self._review(state))

    def reserve(self, state: State, batch: Batch, refused: Collection[str]) -> Reservation | None:
        """The images that the batch still lacks, chosen and out to its tagger; None when there are
        none. `refused`: images that cannot be had here.
        """
        tagged, seconds = self._store.table(state, "tagged"), self._wishes.seconds
        by_time = seconds is not None and not batch.images
        found = suspicion_of(self._store, state) if batch.review == SUSPECT else None
        chosen = review_queue.choose(
            tagged,
            self._review(state),
            batch.review,
            len(tagged) if by_time else batch.wanted - len(batch.images),
            hours=self._config.reservation_hours,
            now=self._now,
            refused=refused,
            ranked=found.order if found else (),
        )
        if not chosen:
            return None
        notes: tuple[str, ...] = ()
        if by_time:
            rows = tables.only(tagged, chosen)
            times = expected_times(
                self._store, state, self._config, rows, self.shown(state, rows), again=True
            )
            chosen = times.first(chosen, seconds)
            notes = (times.words(chosen, seconds),)
        renewed = replace(self.renew(state, batch, chosen), notes=notes)
        if found is None:
            return renewed
        said = (*found.lines(chosen), *notes)
        selection = with_suspects(self._store.table(state, "selection"), found, chosen)
        change = replace(renewed.change, tables={**renewed.change.tables, "selection": selection})
        return replace(renewed, change=change, notes=said, reasons=found.reasons(chosen))

    def renew(self, state: State, batch: Batch, images: Collection[str]) -> Reservation:
        """These images out in this batch from now on, with their present boxes."""
        rows = tables.only(self._store.table(state, "tagged"), images)
        review = review_queue.handed_out(
            self._review(state), images, batch.tagger, moment(batch.reserved_at)
        )
        return Reservation(rows, Change({"review": review}), tables.empty("selection"))

    def shown(self, state: State, rows: pd.DataFrame) -> pd.DataFrame:
        """The boxes of these rows that people get to see: all."""
        return rows[rows["class"] != NULL]

    def give_back(self, state: State, images: Collection[str]) -> Change:
        """Images are out to nobody; queued ones are queued still."""
        return Change({"review": review_queue.given_back(self._review(state), images)})

    def set_aside(
        self, state: State, unusable: Mapping[str, tuple[str, str]], tagger: str
    ) -> Change:
        """Images that cannot be used leave the review, and stay labelled."""
        return Change({"review": tables.without(self._review(state), unusable)})

    def nothing_left(self, state: State, batch: Batch) -> str:
        """Why `reserve` found none, as one line."""
        if batch.review == SUSPECT:
            return nothing_suspicious(suspicion_of(self._store, state))
        tagged = self._store.table(state, "tagged")
        return review_queue.nothing_left(tagged, self._review(state), batch.review)

    def own_rows(self, batch: Batch, images: Collection[str]) -> pd.DataFrame:
        """Rows of these images in tagged that an upload of the batch may replace though it did not
        send them: those that were handed out.
        """
        return tables.only(handed_out_rows(batch), images)

    def after_upload(
        self, state: State, batch: Batch, accepted: Accepted, first: Set[str]
    ) -> dict[str, pd.DataFrame]:
        """What an upload changes besides: the review of its images is over. `first`: those that
        were never uploaded before.
        """
        review = review_queue.looked_at(
            self._review(state),
            accepted.taken | accepted.unchanged,
            accepted.conflicts,
            first=first,
            tagger=batch.tagger,
            reserved_at=batch.reserved_at,
        )
        return {"review": review}

    def _review(self, state: State) -> pd.DataFrame:
        return self._store.table(state, "review")


def mode_of(
    batch: Batch, config: Config, store: LabelStore, now: datetime, wishes: Wishes | None = None
) -> Mode:
    """The mode of a batch. `wishes` count for the choice of images to tag, `seconds` for any."""
    if batch.review:
        return ToReview(config, store, now, wishes or Wishes())
    return ToTag(config, store, now, wishes or Wishes())
