"""When it is time for the next training cycle: what was reviewed since the last one, and how long
ago that was.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from utils.labels import tables
from utils.labels.class_changes import with_present_names
from utils.labels.renamed import present_names, under_present_names
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.tables import image_set
from utils.storage.container import Missing
from utils.times import moment


@dataclass(frozen=True)
class Backlog:
    """`images` were reviewed (or their boxes changed) since the last cycle; `at`: when that was
    published or kept, None = never.
    """

    images: int
    at: datetime | None

    def reason(
        self, images: int, hours: float, waiting_since: datetime | None, now: datetime
    ) -> str | None:
        """Why a cycle is due, None when it is not. Before the first cycle the hours count from
        `waiting_since`, the first label.
        """
        since = self.at or waiting_since
        if self.images >= images:
            return f"{self.images} images were reviewed since the last cycle"
        if self.images and since is not None and now - since >= timedelta(hours=hours):
            return (
                f"{self.images} images were reviewed, and the last cycle is"
                f" {(now - since).total_seconds() / 3600:.1f} hours ago"
            )
        return None


def backlog(store: LabelStore, state: State) -> Backlog:
    """What has come since the newest cycle or candidate read its labels. Changes of class names do
    not count.
    """
    last = max(
        [*state.cycles, state.document.get("candidate") or {}],
        key=lambda entry: entry.get("at") or "",
    )
    now = store.table(state, "tagged")
    try:
        then = store.table_at(last.get("tagged"), "tagged")
    except Missing:
        then = tables.empty("tagged")
    then = under_present_names(then, present_names(store, state, last.get("tagged") or ""))
    then = with_present_names("tagged", then, state.classes)
    different = tables.concat("tagged", now, then).drop_duplicates(keep=False)
    return Backlog(len(image_set(different) & image_set(now)), moment(last.get("at")))
