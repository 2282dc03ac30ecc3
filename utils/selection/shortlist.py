"""The shortlist: the best few thousand images to tag, with all that it takes to choose among them,
show and explain them, in one small file `shortlist_<ms>.parquet`. A hand-out of a large project
reads it instead of the whole tables.

It is made on the training machine (train/cycle/shortlisting.py) from one totag, and holds for that
totag and what was added to it since.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from utils.errors import InputError
from utils.json_shape import (
    COUNT,
    NUMBER,
    OBJECT,
    TEXT,
    TRUTH,
    check_shape,
    mapping,
    maybe,
    members,
    of,
)
from utils.labels import tables
from utils.labels.table_files import as_written
from utils.selection.embeddings import Basis, Embeddings
from utils.selection.worth import Beyond

_FORMAT = 2
_BOX = ("class", "xmin", "xmax", "ymin", "ymax", "box_confidence")
_OF_IMAGE = (*tables.COLUMNS["images"], "burst", "model", "of_etag")
_OF_TOTAG, _OF_INIT = "box", "found"  # how the columns with boxes begin
_NUMBERS = ("height", "width", "bytes")
_HASH = of(int, least=0, most=2**64 - 1)
_ABOUT = members(
    {
        "format": COUNT,
        "made_for": OBJECT,
        "totag": TEXT,
        "images": maybe(TEXT),
        "init_totag": maybe(TEXT),
        "model": maybe(TEXT),
        "unseen": TRUTH,
        "images_beyond": COUNT,
        "hashes_beyond": _HASH,
        "sizes_beyond": mapping(lambda name: COUNT),
        "usual": maybe(NUMBER),
        "last_drawn": maybe(_HASH),
    },
    vectors=members({"kind": TEXT, "dimensions": COUNT, "model": TEXT}),
)


@dataclass(frozen=True)
class Shortlist:
    """about: facts in words and numbers (train/cycle/shortlisting.py). images: a row for each image
    of the list and each that was labelled or out when it was made: columns of the table `images`,
    then burst, model and of_etag (from which model and content its rows of totag are, as in
    `predicted`), `chosen` (it is on the list by the strategy), `drawn` (by chance), `usual` (what
    it is worth by the strategy; NaN for images not drawn), `standing` (as in Context; NaN without
    one). rows: those in totag of the images that are listed; found: those in init_totag, where a
    pretrained model's predictions decide, else none. embeddings: of all of them; None where there
    are none.
    """

    about: dict
    images: pd.DataFrame
    rows: pd.DataFrame
    embeddings: Embeddings | None
    found: pd.DataFrame = field(default_factory=lambda: tables.empty("init_totag"))

    @property
    def listed(self) -> np.ndarray:
        """(n,) bool, the images that are on the list."""
        return (self.images["chosen"] | self.images["drawn"]).to_numpy(bool)

    def bursts(self) -> pd.Series:
        """The burst of each image, as splits.bursts says it."""
        names = tables.blob_names(self.images).to_numpy()
        return pd.Series(self.images["burst"].to_numpy(), index=names, dtype="str")

    def standing(self) -> pd.Series:
        """The standing of the images that are listed, by blob name."""
        names = tables.blob_names(self.images).to_numpy()
        return pd.Series(self.images["standing"].to_numpy(), index=names).dropna()

    def beyond(self, usual: float | None) -> Beyond:
        """What is known of the images to tag that are not on the list."""
        return Beyond(
            images=self.about["images_beyond"],
            hashes=self.about["hashes_beyond"],
            sizes=self.about["sizes_beyond"],
            usual=usual,
        )


def to_parquet(shortlist: Shortlist) -> bytes:
    """The file that is published: a row an image, its boxes as lists."""
    frame = shortlist.images
    names = tables.blob_names(frame)
    columns = {
        column: pa.array(frame[column], pa.int64() if column in _NUMBERS else pa.large_string())
        for column in _OF_IMAGE
    }
    for column in ("chosen", "drawn"):
        columns[column] = pa.array(frame[column].to_numpy(bool))
    for column in ("usual", "standing"):
        columns[column] = pa.array(frame[column].to_numpy(float), pa.float64(), from_pandas=True)

    columns |= _lists(_OF_TOTAG, shortlist.rows, names)
    columns |= _lists(_OF_INIT, shortlist.found, names)
    about = {"format": _FORMAT, **shortlist.about}
    if (embeddings := shortlist.embeddings) is not None:
        basis = embeddings.basis
        vectors = embeddings.of(pa.array(names, pa.large_string()))
        size = vectors.shape[1]
        buffer = pa.py_buffer(np.ascontiguousarray(vectors, "<f2").tobytes())
        columns["embedding"] = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(2 * size), len(frame), [None, buffer]
        )
        disagreement = embeddings.disagreement_of(pa.array(names, pa.large_string()))
        if disagreement is not None:
            columns["disagreement"] = pa.array(disagreement, pa.float32())
        about["vectors"] = {"kind": basis.kind, "dimensions": size, "model": embeddings.model}
    table = pa.table(columns).replace_schema_metadata({"about": json.dumps(about)})
    written = io.BytesIO()
    pyarrow.parquet.write_table(
        table, written, compression="zstd", use_dictionary=["folder", "burst", "model"]
    )
    return written.getvalue()


def _lists(kind: str, rows: pd.DataFrame, names: pd.Series) -> dict[str, pa.Array]:
    """The columns with the boxes of each image in `names`, as lists."""
    place = pd.Series(np.arange(len(names)), index=names)[tables.blob_names(rows)].to_numpy()
    rows = rows.iloc[np.argsort(place, kind="stable")]
    ends = np.cumsum(np.bincount(place, minlength=len(names)))
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
    columns = {}
    for column in _BOX:
        is_text = column == "class"
        values = rows[column]
        if not is_text:
            values = values.to_numpy(np.float32, na_value=np.nan)
        values = pa.array(
            values, pa.large_string() if is_text else pa.float32(), from_pandas=is_text
        )
        columns[f"{kind}_{column}"] = pa.ListArray.from_arrays(
            offsets, values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        )
    return columns


def read_shortlist(path: Path) -> Shortlist:
    """The shortlist in a file that `to_parquet` wrote; raises InputError when it is none."""
    try:
        table = pyarrow.parquet.read_table(path)
        about = json.loads(table.schema.metadata[b"about"])
        check_shape(about, _ABOUT)
        if about["format"] != _FORMAT:
            raise ValueError(f"format {about['format']}")
        images = _images_in(table)
        rows, found = (_rows_in(kind, table, images) for kind in (_OF_TOTAG, _OF_INIT))
        return Shortlist(about, images, rows, _embeddings_in(table, about), found)
    except (pa.ArrowException, InputError, KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(
            f"{path.name}: no shortlist of this program ({' '.join(str(error).split())[:200]})"
        ) from None


def _images_in(table: pa.Table) -> pd.DataFrame:
    found = {column: table[column] for column in tables.COLUMNS["images"]}
    frame = tables.typed("images", found, "shortlist")
    for column in ("burst", "model", "of_etag"):
        frame[column] = pd.Series(table[column].to_pandas(), dtype=frame["filename"].dtype)
    for column in ("chosen", "drawn"):
        frame[column] = table[column].to_numpy()
    for column in ("usual", "standing"):
        frame[column] = table[column].to_numpy()
    return frame


def _rows_in(kind: str, table: pa.Table, images: pd.DataFrame) -> pd.DataFrame:
    lists = {column: table[f"{kind}_{column}"].combine_chunks() for column in _BOX}
    first = lists["class"]
    first = first.chunk(0) if isinstance(first, pa.ChunkedArray) else first
    count = np.diff(first.offsets.to_numpy())
    place = np.repeat(np.arange(len(images)), count)
    columns: dict = {}
    for column, values in lists.items():
        values = values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
        flat = values.flatten()
        if len(flat) != len(place):
            raise ValueError("lists of different lengths")
        columns[column] = flat
        if column != "class":
            columns[column] = as_written(flat.to_numpy(zero_copy_only=False))
    score = columns["box_confidence"]
    lowest = np.full(len(images), np.nan)
    seen = ~np.isnan(score)
    known = np.full(len(images), np.inf)
    np.minimum.at(known, place[seen], score[seen])
    lowest[np.isfinite(known)] = known[np.isfinite(known)]
    of_image = images[["filename", "folder", "height", "width"]].iloc[place].reset_index(drop=True)
    return tables.make(
        "totag",
        **{column: of_image[column] for column in of_image.columns},
        class_=columns.pop("class"),
        image_confidence=lowest[place],
        **columns,
    )


def _embeddings_in(table: pa.Table, about: Mapping) -> Embeddings | None:
    if "vectors" not in about:
        return None
    facts = about["vectors"]
    size = facts["dimensions"]
    binary = table["embedding"].combine_chunks()
    binary = binary.chunk(0) if isinstance(binary, pa.ChunkedArray) else binary
    vectors = np.frombuffer(binary.buffers()[1] or b"", "<f2")[
        binary.offset * size : (binary.offset + len(binary)) * size
    ].reshape(len(binary), size)
    names = tables.blob_names(table.select(["filename", "folder"]).to_pandas())
    disagreement = np.full(len(binary), np.nan, np.float32)
    if "disagreement" in table.column_names:
        disagreement = table["disagreement"].to_numpy().astype(np.float32)
    basis = Basis(facts["kind"], np.zeros(0, np.float32), np.zeros((0, 0), np.float32))
    return Embeddings(
        pa.array(names.tolist(), pa.large_string()), vectors, disagreement, facts["model"], basis
    )
