"""The free images of a shortlist, and what choosing among them needs to know of it."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from utils.labels import tables
from utils.selection.context import Known
from utils.selection.shortlist import Shortlist
from utils.selection.strategies import CANDIDATES, keyed_hashes
from utils.selection.worth import WORTH, Context

MOST_OUT = 1 / 3  # of the list; then others than it was made for may be the best


@dataclass(frozen=True)
class ListedPool:
    """A shortlist that serves. rows: those of its images that are free (columns of totag)."""

    shortlist: Shortlist
    rows: pd.DataFrame
    seed: int

    def suffices(self, count: int, share: float) -> bool:
        """Whether enough is left of it for a hand-out of `count` images, of which `share` is drawn
        at random: two thirds of the list, as many candidates as a strategy looks at, and the next
        in the random order.
        """
        free = tables.image_set(self.rows)
        frame = self.shortlist.images
        names = tables.blob_names(frame)
        is_free = names.isin(free).to_numpy()
        if (last := self.shortlist.about["last_drawn"]) is not None:
            hashes = keyed_hashes(names[is_free].to_numpy(object), self.seed)
            if (hashes <= np.uint64(last)).sum() < share * count + 1:
                return False
        elif share > 0:
            return False
        chosen = frame["chosen"].to_numpy(bool)
        left = int((is_free & chosen).sum())
        return share >= 1 or left >= max((1 - MOST_OUT) * chosen.sum(), CANDIDATES * count)

    def known(self) -> Known:
        """What choosing reads."""
        shortlist = self.shortlist
        predicted = shortlist.images.rename(columns={"etag": "_", "of_etag": "etag"})
        return Known(
            lambda: shortlist.images,
            lambda: predicted[tables.COLUMNS["predicted"]],
            lambda: shortlist.embeddings,
            lambda: shortlist.found,
            shortlist.bursts,
            shortlist.beyond(shortlist.about["usual"]),
            shortlist.standing,
        )

    def as_of_now(self, context: Context, strategy: str) -> Context:
        """The context with what an image is worth on average by the present labels: as much more
        than when the list was made as those that were drawn for it are.
        """
        usual = self.shortlist.about["usual"]
        if usual is None or not len(context.pool.names):
            return context
        frame = self.shortlist.images
        was = pd.Series(frame["usual"].to_numpy(), index=tables.blob_names(frame).to_numpy())
        was = was.reindex(context.pool.names.to_numpy(zero_copy_only=False)).to_numpy()
        sample = ~np.isnan(was) & ~context.pool.unseen
        now = WORTH[strategy](context).value[sample]
        if not was[sample].sum() > 0:
            return context
        return replace(context, beyond=self.shortlist.beyond(usual * now.sum() / was[sample].sum()))
