"""What the person did in the images of a batch, for the table `effort`."""

from collections.abc import Mapping, Sequence

import pandas as pd

from utils.batch.batch import Batch, Item
from utils.batch.reading import Reviews
from utils.batch.rows import rows_of
from utils.effort import ledger
from utils.effort.seconds import Seconds
from utils.errors import InputError
from utils.formats.vott import drawable
from utils.labels import tables
from utils.labels.assignments import row_digests
from utils.labels.effort_table import AGAIN, with_classes
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.storage.container import Damaged, Missing
from utils.times import utc_text


def work_in(batch: Batch, items: Sequence[Item], reviews: Reviews) -> pd.DataFrame:
    """What was done in these reviewed images, as rows of `effort` under the class names that the
    batch came with; nothing of images of which nobody knows what was shown.
    """
    known = [item for item in items if item.boxes is not None]
    back = tables.only(reviews.rows, {item.blob for item in known})
    shown = _shown(known, back, batch.tags)
    number = batch.number + (AGAIN if batch.review else "")
    return ledger.work(shown, back, reviews.seconds, number, batch.tagger)


def with_work(
    store: LabelStore, state: State, batch: Batch, work: pd.DataFrame, model: Seconds
) -> dict[str, pd.DataFrame]:
    """The table `effort` with this work. Labels never wait for it: where it is damaged or gone, it
    stays so until status.py --repair.
    """
    try:
        known = store.table(state, "effort")
    except (InputError, Missing, Damaged):
        return {}
    now = with_classes(work, state.classes, batch.class_changes)
    return {"effort": ledger.with_work(known, now, utc_text(store.now()), model)}


def _shown(items: Sequence[Item], back: pd.DataFrame, tags: Mapping[str, str]) -> pd.DataFrame:
    """The boxes that the person saw, as rows of tagged. Those that the annotation tool cannot show
    come back only with an image that was left as it was.
    """
    digests = row_digests(back)
    parts = []
    for item in items:
        rows = rows_of(item, item.boxes, tags)
        if row_digests(rows)[item.blob] != digests[item.blob]:
            rows = rows_of(item, drawable(item.boxes, item.width, item.height), tags)
        parts.append(rows)
    return tables.concat("tagged", *parts)
