"""Files in the label container that no commit made: the tables of the earlier generation, taken
over once, and later those of other tools.

The earlier generation wrote `tagged_<number>.csv` and the like, the number being seconds or
milliseconds, with eight or nine columns, coordinates a little outside 0…1 and only the last
component of an image's folder; the newest file of each kind was the truth.
"""

import re
from datetime import UTC, datetime

import pandas as pd

from utils.errors import InputError
from utils.labels import tables
from utils.labels.tables import image_set, without
from utils.reserved import NULL
from utils.storage.container import Blob, Container
from utils.times import utc_text

_OLD = re.compile(
    r"(totag|tagging|tagged|test|init_totag|performance|model|label_map)_(\d+)\.(csv|pb|pbtxt)"
)
_SNAPSHOT = re.compile(rf"({'|'.join(tables.COLUMNS)})_\d{{10,}}\.(csv|parquet)")
FOUNDING = "founding"  # in the metadata of what the first commit of a project writes
_TABLES = ("totag", "init_totag", "tagging", "tagged", "test")


def taken_over(
    container: Container, user_folders: bool, now: datetime
) -> tuple[dict[str, pd.DataFrame], dict] | None:
    """The tables of an earlier generation's container, made consistent, and the members for
    label_state.json; None when there are none.

    Nothing in the container is changed. Raises InputError naming a file that cannot be read, or has
    folders when user_folders is False.
    """
    newest = _newest(container)
    if not any(kind in newest for kind in (*_TABLES, "model")):
        return None
    found = {}
    for kind in _TABLES:
        if kind in newest:
            name = newest[kind].name
            path = container.path_of(name)
            frame = tables.parse(kind, path or container.read(name)[0], name)
            if not user_folders:
                refuse_folders(frame, f"{name} in {container.address}")
            found[kind] = clean(kind, frame)
    tagged = found.get("tagged", tables.empty("tagged"))
    if "tagging" in found:
        frame = without(found["tagging"], image_set(tagged))
        found["tagging"] = frame.assign(
            reserved_at=frame["reserved_at"].where(frame["reserved_at"] != "", utc_text(now))
        )
    if "totag" in found:
        found["totag"] = without(
            found["totag"], image_set(tagged) | image_set(found.get("tagging", tagged))
        )
    if "test" in found:  # membership is by image; the rows are those of tagged
        members = image_set(found["test"])
        missing = without(found["test"], image_set(tagged))
        if len(missing):
            found["tagged"] = tagged = tables.concat("tagged", tagged, missing)
            for kind in ("tagging", "totag"):
                if kind in found:
                    found[kind] = without(found[kind], members)
        found["test"] = tables.only(tagged, members)
    live = {kind: newest[kind].name for kind in ("model", "label_map") if kind in newest}
    before = {kind: newest[kind].name for kind in newest}
    return found, {
        "live": live,
        "taken_over": {"at": utc_text(now), "from": before},
        "foreign": _settled(container),
    }


def refuse_lost_state(container: Container) -> None:
    """Raises InputError when snapshots are there that commits have made: then there was a state,
    and a project that begins anew would forget who holds what, conflicts, cycles and renames.

    What only a first commit wrote that was killed before it made a state is no such thing.
    """
    for blob in container.list():
        if _SNAPSHOT.fullmatch(blob.name):
            metadata = blob.metadata or container.info(blob.name).metadata
            if metadata.get("commit", "none") != "none" and FOUNDING not in metadata:
                raise InputError(
                    f"{container.address}: label_state.json is gone, and {blob.name} is there,"
                    " which it named or has named; restore label_state.json from the blob's"
                    " history, the recycle bin or a copy. Nothing was written"
                )


def refuse_folders(frame: pd.DataFrame, where: str) -> None:
    """Raises InputError if an image of the table lies in a folder: written without folders, images
    of one name would become one.
    """
    inside = frame["folder"] != ""
    if inside.any():
        raise InputError(
            f"{where} has images in folders, such as"
            f" {tables.blob_names(frame[inside].iloc[:1]).iloc[0]}; set user_folders=True in CONFIG"
        )


def clean(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows as the contract has them: coordinates within 0…1 and min <= max, no row twice, a NULL
    row only where there is no box.
    """
    frame = frame.copy()
    for low, high in (("xmin", "xmax"), ("ymin", "ymax")):
        pair = frame[[low, high]].clip(0, 1).fillna(0)
        frame[low], frame[high] = pair.min(axis=1), pair.max(axis=1)
    frame.loc[frame["class"] == "", "class"] = NULL
    null = frame["class"] == NULL
    frame.loc[null, ["xmin", "xmax", "ymin", "ymax"]] = 0.0
    frame["folder"] = frame["folder"].str.replace("\\", "/").str.strip("/")
    frame = frame.drop_duplicates()
    names = tables.blob_names(frame)
    null = frame["class"] == NULL
    boxed = set(names[~null])
    keep = ~null | ~names.isin(boxed)
    repeated = null & names.where(null).duplicated()  # one NULL row is enough
    return frame[keep & ~repeated].reset_index(drop=True)


def foreign_blobs(container: Container, document: dict) -> dict:
    """The member `foreign` of label_state.json, brought up to date: {"checked": newest time looked
    at, "blobs": names, "settled": names}.

    Foreign is a `tagged_` or `tagging_` blob that no commit made (it lacks the metadata), no older
    than the newest one looked at before; it stays in `blobs` until it is deleted, or moved to
    `settled` by whoever takes it in. In a container that was copied without metadata nobody can
    tell; there none is foreign.
    """
    known = {"checked": "", "blobs": [], "settled": [], **(document.get("foreign") or {})}
    listed = _beside(container)
    passed = {*known["blobs"], *known["settled"], *document["tables"].values()}
    new = [
        blob.name
        for blob in listed
        if _stamp(blob) >= known["checked"]
        and blob.name not in passed
        and not _by_a_commit(container, blob)
    ]
    present = {blob.name for blob in listed}
    own = [blob for blob in listed if blob.name in document["tables"].values()]
    if new and own and not any(_by_a_commit(container, blob) for blob in own):
        return {
            **_settled(container),
            "blobs": [name for name in known["blobs"] if name in present],
        }
    return {
        **known,
        "checked": max([known["checked"], *map(_stamp, listed)]),
        "blobs": [name for name in known["blobs"] if name in present] + new,
    }


def _newest(container: Container) -> dict[str, Blob]:
    """The newest blob of each kind, by last_modified; of equal times the larger number."""
    newest: dict[str, tuple] = {}
    for blob in container.list():
        if match := _OLD.fullmatch(blob.name):
            number = int(match[2]) * (1000 if len(match[2]) <= 10 else 1)
            age = (blob.last_modified, number)
            if match[1] not in newest or age > newest[match[1]][0]:
                newest[match[1]] = (age, blob)
    return {kind: blob for kind, (_, blob) in newest.items()}


def _settled(container: Container) -> dict:
    listed = _beside(container)
    checked = max(map(_stamp, listed), default="")
    return {
        "checked": checked,
        "blobs": [],
        "settled": [blob.name for blob in listed if _stamp(blob) == checked],
    }


def _by_a_commit(container: Container, blob: Blob) -> bool:
    return "commit" in (blob.metadata or container.info(blob.name).metadata)


def _beside(container: Container) -> list[Blob]:
    return [blob for prefix in ("tagged_", "tagging_") for blob in container.list(prefix)]


def _stamp(blob: Blob) -> str:
    return blob.last_modified.astimezone(UTC).isoformat(timespec="microseconds")
