"""A table as the file that the container holds: CSV while it is small, Parquet above that.

Only the tables of machines become Parquet; what people open stays CSV. A Parquet file may hold the
rows alone that were added to another one, its `base`: then what it means is the base's rows and
these behind them. Coordinates and scores are float32 there; one of at most seven decimals is the
same number afterwards, any other is the same float32.
"""

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from utils.errors import InputError
from utils.labels import tables

SMALL = int(os.environ.get("ALD_SMALL_TABLE", 20_000_000))  # bytes of CSV; tests set it otherwise
CSV, PARQUET = ".csv", ".parquet"
LARGE_TABLES = frozenset({"images", "totag", "init_totag", "predicted", "init_predicted"})
BASE = "base"  # in the metadata of a blob (and of the file): the blob whose rows come before
_SAMPLE = 10_000  # rows by which the length of a CSV is estimated
MOST_PARTS = 20  # files of which a table consists
_DECIMALS = 7
_REPEATED = {"class", "folder", "model", "height", "width", "listed"}
_SORTED = {"filename", "taken_at"}


@dataclass(frozen=True)
class TableFile:
    """A table (or what was added to it) as the bytes of a blob. `marks`: what its metadata say
    besides.
    """

    suffix: str
    data: bytes
    marks: dict[str, str] = field(default_factory=dict)


def is_parquet(blob: str | None) -> bool:
    return bool(blob) and blob.endswith(PARQUET)


def table_file(
    name: str,
    frame: pd.DataFrame,
    user_folders: bool,
    present: str | None = None,
    parts_of: Callable[[str], Sequence[Path]] | None = None,
) -> TableFile | None:
    """The file that holds this table from now on; None when the snapshot `present` holds the same
    already. parts_of: gives the files of a Parquet snapshot, its bases first; without it the whole
    table is written.
    """
    if name not in LARGE_TABLES or _csv_length(name, frame, user_folders) <= SMALL:
        return TableFile(CSV, tables.to_csv(name, frame, user_folders))
    rows = _arrow(name, frame, user_folders)
    if not is_parquet(present) or parts_of is None:
        return TableFile(PARQUET, _written(rows))

    paths = parts_of(present)
    before = pa.concat_tables([_read(path, present) for path in paths], promote_options="default")
    known = before.num_rows
    if before.schema.names != rows.schema.names or not rows.slice(0, known).equals(before):
        return TableFile(PARQUET, _written(rows))
    if rows.num_rows == known:
        return None
    first = pyarrow.parquet.read_metadata(paths[0]).num_rows
    if len(paths) >= MOST_PARTS or rows.num_rows - first > first // 4:
        return TableFile(PARQUET, _written(rows))
    return TableFile(PARQUET, _written(rows.slice(known), present), {BASE: present})


def parse(name: str, paths: Sequence[Path], blob: str) -> pd.DataFrame:
    """The typed table in a snapshot: one CSV file, or the Parquet files of which it consists, the
    first base first. Raises InputError naming the blob and what is wrong with it.
    """
    if not is_parquet(blob):
        return tables.parse(name, paths[-1], blob)
    parts = [_read(path, blob) for path in paths]
    present = parts[0].column_names
    if missing := tables.missing_columns(name, present):
        raise InputError(f"{blob}: the column {', '.join(missing)} is missing")
    try:
        rows = pa.concat_tables(parts, promote_options="default")
        del parts
        found = {
            column: _in_memory(rows[column], tables.is_number(column))
            for column in tables.COLUMNS[name]
            if column in rows.column_names
        }
        del rows
    except (pa.ArrowException, ValueError) as error:
        raise InputError(_unreadable(blob, error)) from None
    return tables.typed(name, found, blob)


def base_of(path: Path, blob: str) -> str | None:
    """The blob whose rows come before those in this file of the Parquet snapshot `blob`."""
    try:
        metadata = pyarrow.parquet.read_metadata(path).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise InputError(_unreadable(blob, error)) from None
    return metadata.get(BASE.encode(), b"").decode() or None


def as_written(numbers: np.ndarray) -> np.ndarray:
    """float32 as float64: as the number of at most seven decimals that it was made of, where there
    is one, else as it is. Either is the same float32.
    """
    exact = numbers.astype(np.float64)
    rounded = np.round(exact, _DECIMALS)
    return np.where(rounded.astype(np.float32) == numbers, rounded, exact)


def _in_memory(values: pa.ChunkedArray, number: bool) -> pa.ChunkedArray:
    if not number:
        return pc.fill_null(values.cast(pa.large_string()), "")
    if values.type == pa.float32():
        return pa.chunked_array(
            [pa.array(as_written(chunk.to_numpy(zero_copy_only=False))) for chunk in values.chunks],
            pa.float64(),
        )
    return values if pa.types.is_integer(values.type) else values.cast(pa.float64())


def _csv_length(name: str, frame: pd.DataFrame, user_folders: bool) -> float:
    """How many bytes the table has as CSV, estimated from some of its rows."""
    step = -(-len(frame) // _SAMPLE) or 1
    sample = frame.iloc[::step]
    return len(tables.to_csv(name, sample, user_folders)) / max(1, len(sample)) * len(frame)


def _arrow(name: str, frame: pd.DataFrame, user_folders: bool) -> pa.Table:
    columns = {}
    for column in tables.COLUMNS[name]:
        if not user_folders and column == "folder":
            continue
        kind = pa.large_string()
        if tables.is_number(column):
            kind = pa.int64() if tables.is_whole_number(column) else pa.float32()
        values = frame[column]
        if kind == pa.float32():
            values = pd.Series(values.to_numpy(np.float32, na_value=np.nan))
        columns[column] = pa.array(values, kind, from_pandas=True)
    return pa.table(columns)


def encodings(schema: pa.Schema) -> tuple[list[str], dict[str, str]]:
    """How the columns of a table are written: those with a dictionary, and the others' encoding."""
    repeated = [name for name in schema.names if name in _REPEATED]
    others = {}
    for column in schema:
        if column.type == pa.float32():
            others[column.name] = "BYTE_STREAM_SPLIT"
        elif column.type == pa.int64():
            others[column.name] = "DELTA_BINARY_PACKED"
        else:
            others[column.name] = "DELTA_BYTE_ARRAY" if column.name in _SORTED else "PLAIN"
    return repeated, {name: way for name, way in others.items() if name not in _REPEATED}


def _written(rows: pa.Table, base: str | None = None) -> bytes:
    repeated, others = encodings(rows.schema)
    if base:
        rows = rows.replace_schema_metadata({BASE: base})
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(
        rows, buffer, compression="zstd", use_dictionary=repeated, column_encoding=others
    )
    return buffer.getvalue()


def _read(path: Path, blob: str) -> pa.Table:
    try:
        return pyarrow.parquet.read_table(path).replace_schema_metadata(None)
    except (pa.ArrowException, OSError) as error:
        raise InputError(_unreadable(blob, error)) from None


def _unreadable(blob: str, error: Exception) -> str:
    return f"{blob}: not a readable Parquet table ({' '.join(str(error).split())[:200]})"
