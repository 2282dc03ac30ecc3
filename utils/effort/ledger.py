"""The table `effort`: what people did, a row per batch, photo and class. As `image_confidence` of a
photo, its `seconds` (empty where nobody measured them) and `images` stand in each of its rows.

A batch counts each of its photos once, however often it is uploaded. So that the table does not
grow with the project, the photos of the oldest batches are summed: rows without file name, with
how many `images` they are, and the `seconds` that these counted.
"""

from collections.abc import Mapping

import pandas as pd

from utils.effort.comparing import compare
from utils.effort.fitting import counted, fitted
from utils.effort.seconds import ACTIONS, Seconds
from utils.labels import tables
from utils.labels.effort_table import PHOTO
from utils.labels.tables import blob_names

ONE_BY_ONE = 5000  # photos; older ones are summed


def work(
    shown: pd.DataFrame, back: pd.DataFrame, seconds: Mapping[str, float], batch: str, tagger: str
) -> pd.DataFrame:
    """Rows of `effort`, without their time: what was done in the photos of `back` (columns of
    tagged), of which `shown` was shown; seconds: of photos (blob names) where they were measured.
    """
    rows = compare(shown, back)
    of_photo = blob_names(rows).map(dict(seconds)).astype(float).round(1)
    rows = rows.assign(batch=batch, tagger=tagger, at="", images=1.0, seconds=of_photo)
    return tables.concat("effort", rows)


def with_work(effort: pd.DataFrame, new: pd.DataFrame, at: str, model: Seconds) -> pd.DataFrame:
    """The table with these rows of one batch. Photos that the batch had before are counted once,
    as they are now, at the time when they came first; those of a batch that was summed stand.
    """
    own = effort[effort["batch"].isin(new["batch"].unique())]
    if not len(new) or (own["filename"] == "").any():
        return effort
    before, now = _by_photo(own), _by_photo(new)
    first = {blob: rows["at"].iloc[0] for blob, rows in before.items()}
    measured = {blob: rows["seconds"].iloc[0] for blob, rows in before.items()}
    names = blob_names(new)
    new = new.assign(
        at=[first.get(name, at) for name in names],
        seconds=new["seconds"].fillna(names.map(measured).astype(float)),
    )
    now = _by_photo(new)
    changed = {blob for blob, rows in now.items() if not _same(rows, before.get(blob))}
    if not changed:
        return effort
    others = pd.concat([effort.drop(own.index), tables.without(own, changed)]).sort_index()
    joined = tables.concat("effort", others, tables.only(new, changed))
    return _summed(joined, model)


def photos(effort: pd.DataFrame) -> pd.DataFrame:
    """A row per photo and batch (or per batch that was summed), with the sums of ACTIONS over its
    classes; columns batch, folder, filename, tagger, at, images, seconds, ACTIONS.
    """
    first = dict.fromkeys(("tagger", "at", "images", "seconds"), "first")
    grouped = effort.groupby(PHOTO, sort=False)
    # `first` of pandas skips missing values, which here are the same in all rows of a photo
    return grouped.agg(first | dict.fromkeys(ACTIONS, "sum")).reset_index()


def _by_photo(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return dict(iter(rows.groupby(blob_names(rows).to_numpy(object))))


def _same(rows: pd.DataFrame, before: pd.DataFrame | None) -> bool:
    """Do these rows of a photo say the same?"""
    if before is None or len(rows) != len(before):
        return False
    one, other = (frame.sort_values("class").reset_index(drop=True) for frame in (rows, before))
    return one.equals(other[list(one)])


def _summed(effort: pd.DataFrame, model: Seconds) -> pd.DataFrame:
    """The table with the photos of its oldest batches summed, as soon as there are too many."""
    single = effort[effort["filename"] != ""]
    if len(single) <= ONE_BY_ONE:  # every photo has a row
        return effort
    each = photos(single)
    newest_first = each.groupby("batch", sort=False)["at"].min().sort_values(ascending=False)
    sizes = each["batch"].value_counts()[newest_first.index]
    old = newest_first.index[(sizes.cumsum() > ONE_BY_ONE).to_numpy()]
    old = old.difference(newest_first.index[:1])
    if not len(old):
        return effort

    each = each.assign(seconds=counted(each, fitted(each, model)))
    totals = each.groupby("batch")[["images", "seconds"]].sum().round(1)
    going = single[single["batch"].isin(old)]
    sums = going.groupby(["batch", "class"], sort=False).agg(
        {"tagger": "first", "at": "min"} | dict.fromkeys(ACTIONS, "sum")
    )
    sums = sums.reset_index().join(totals, on="batch").assign(filename="", folder="")
    sums["at"] = sums.groupby("batch")["at"].transform("min")
    return tables.concat("effort", effort.drop(going.index), sums)
