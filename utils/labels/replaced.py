"""Labelled images that are other pictures now than when they were labelled: the table `replaced`,
with the ETag and the MD5 of the picture that the labels are of.

They stay labelled, wait in the review queue, and are neither trained on nor measured with until
somebody has looked at the picture that is there now.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from utils.labels import review_queue, tables
from utils.labels.renamed import under_present_names
from utils.labels.state import Change, State
from utils.labels.store import LabelStore
from utils.labels.tables import blob_names, image_set, without
from utils.wording import few


@dataclass(frozen=True)
class Content:
    """What is known of the content of an image: the ETags that it has had, and its MD5 in
    hexadecimal, "" where not known.
    """

    etags: frozenset[str]
    md5: str = ""
    bytes: int = 0

    def is_same(self, etag: str, md5: str) -> bool:
        """Whether an image with this ETag and MD5 is the same picture. Of a folder the ETag is
        size and time, which another picture may have too: where both MD5s are known, they tell.
        """
        if md5 and self.md5:
            return md5 == self.md5
        return etag in self.etags

    def may_be(self, etag: str, md5: str, size: int) -> bool:
        """Likewise; where no hash of it had been taken, the size tells."""
        if not self.etags or self.is_same(etag, md5):
            return True
        return not self.md5 and size == self.bytes


@dataclass(frozen=True)
class Seen:
    """What a listing says of labelled images: those that were `replaced` since the last one, and
    those of which it is `unknown`, as no hash had been taken.
    """

    replaced: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()

    def lines(self) -> list[str]:
        """For people."""
        lines = []
        if self.replaced:
            lines.append(
                f"{len(self.replaced)} labelled images are other pictures now than when they were"
                f" labelled ({few(sorted(self.replaced))}): they are queued to be looked at again"
                " (download_vott_json.py N CONFIG --review), and neither trained on nor measured"
                " with until then"
            )
        if self.unknown:
            lines.append(
                f"{len(self.unknown)} labelled images were written anew"
                f" ({few(sorted(self.unknown))}), of the same size; that they are the same pictures"
                " is not known, as no hash of them had been taken: have a look at some of them"
            )
        return lines


def contents(images: pd.DataFrame, wanted: Iterable[str] | None = None) -> dict[str, Content]:
    """{blob name: content} of a table `images`, or of the `wanted` ones in it."""
    rows = images if wanted is None else tables.only(images, set(wanted))
    columns = (rows[name] for name in ("etag", "listed", "md5", "bytes"))
    return {
        blob: Content(frozenset({etag, listed} - {""}), md5, int(size))
        for blob, etag, listed, md5, size in zip(blob_names(rows), *columns, strict=True)
    }


def after_listing(
    store: LabelStore,
    state: State,
    images: pd.DataFrame,
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, pd.DataFrame], Seen]:
    """The tables that change when `images` becomes the table of that name, and what was seen.
    renamed: {name before: now} of images that have another name in `images`.
    """
    labelled = tables.only(store.table(state, "images"), image_set(store.table(state, "tagged")))
    before = under_present_names(labelled, renamed)
    now = contents(images, image_set(before))
    replaced, unknown = set(), set()
    for blob, was in contents(before).items():
        if blob not in now or not was.etags:
            continue
        if was.md5 and now[blob].md5:
            same = was.md5 == now[blob].md5
        else:
            same = bool(was.etags & now[blob].etags)
        if not same:
            (replaced if was.md5 or was.bytes != now[blob].bytes else unknown).add(blob)

    known = under_present_names(store.table(state, "replaced"), renamed)
    back = {
        blob
        for blob, etag, md5 in zip(blob_names(known), known["etag"], known["md5"], strict=True)
        if blob in now and now[blob].is_same(etag, md5)
    }
    changed = with_replaced(store, state, tables.only(before, replaced), back, renamed)
    return changed, Seen(frozenset(replaced), frozenset(unknown))


def note_listing(
    store: LabelStore, state: State, images: pd.DataFrame
) -> tuple[State, frozenset[str]]:
    """Commit which labelled images are other pictures in `images`, a new listing, than in this
    state; the state after it, and those images.
    """

    def change(now: State) -> Change:
        changed, seen = after_listing(store, now, images)
        if seen.replaced:
            known, rows = store.table(now, "images"), tables.only(images, seen.replaced)
            changed["images"] = tables.concat("images", without(known, seen.replaced), rows)
        return Change(changed, note=seen.replaced)

    if change(state).is_empty:
        return state, frozenset()
    return store.commit(change, what="noting that labelled images were replaced")


def with_replaced(
    store: LabelStore,
    state: State,
    rows: pd.DataFrame,
    done: Iterable[str] = (),
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, pd.DataFrame]:
    """The tables `replaced` and `review` where they change: with the images of these `rows`, which
    have ETag and MD5 of the pictures that the labels are of, and without those that are `done`.
    Names are those after what was `renamed`, {name before: now}.
    """
    known = under_present_names(store.table(state, "replaced"), renamed)
    new = without(rows, image_set(known))
    kept = without(known, done)
    if not len(new) and len(kept) == len(known):
        return {}
    columns = tables.COLUMNS["replaced"]
    changed = {"replaced": tables.concat("replaced", kept, new[columns])}
    if len(new):
        review = under_present_names(store.table(state, "review"), renamed)
        changed["review"] = review_queue.enqueued(review, sorted(image_set(new)))
    return changed


def pictures_of(items: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Rows of `replaced` from {blob name: (ETag, MD5)}."""
    named = [tables.split_name(blob) for blob in items]
    return tables.make(
        "replaced",
        filename=[filename for _, filename in named],
        folder=[folder for folder, _ in named],
        etag=[etag for etag, _ in items.values()],
        md5=[md5 for _, md5 in items.values()],
    )
