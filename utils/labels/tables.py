"""The CSV tables of the label container: which columns each has, how a file becomes a typed table
and back.

In memory every column is always there (`folder` is "" and confidences are NaN where a file has
none), text is `str`, coordinates and confidences are float64, sizes int64. Coordinates are
fractions of the upright image, 0 <= min <= max <= 1; height and width are pixels.
"""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from utils.errors import InputError
from utils.reserved import NULL

_SIDES = ("xmin", "xmax", "ymin", "ymax")
BOX = ["filename", "class", "xmin", "xmax", "ymin", "ymax", "height", "width", "folder"]
PREDICTED = [*BOX, "box_confidence", "image_confidence"]
COLUMNS = {
    "images": [
        "filename",
        "folder",
        "height",
        "width",
        "bytes",
        "etag",
        "taken_at",
        "md5",
        "listed",
    ],
    "failed": ["filename", "folder", "reason", "etag"],
    "totag": PREDICTED,
    "init_totag": PREDICTED,
    "tagging": [*PREDICTED, "tagger", "reserved_at"],
    "tagged": BOX,
    "test": BOX,
    "predicted": ["filename", "folder", "etag", "model"],
    "init_predicted": ["filename", "folder", "etag", "model"],
    "review": ["filename", "folder", "tagger", "reserved_at"],
    "replaced": ["filename", "folder", "etag", "md5"],
    "renamed": ["filename", "folder", "new_filename", "new_folder"],
    "gone": ["filename", "folder"],
    "conflicts": [*BOX, "tagger", "at", "reason"],
    "drawn": [*PREDICTED, "model"],
    "effort": [
        "filename",
        "class",
        "folder",
        "batch",
        "tagger",
        "at",
        "images",
        "kept",
        "moved",
        "class_changed",
        "deleted",
        "drawn",
        "seconds",
    ],
    "tested": PREDICTED,
    "crosscheck": [*PREDICTED, "md5", "at"],
    "selection": ["filename", "folder", "strategy", "score", "class", "burst", "random"],
    "performance": [
        "Class Name",
        "AP",
        "images",
        "boxes",
        "precision",
        "recall",
        "threshold",
        "coco_ap",
        "coco_ap50",
    ],
}
_FLOATS = {
    "xmin",
    "xmax",
    "ymin",
    "ymax",
    "box_confidence",
    "image_confidence",
    "score",
    "seconds",
    "AP",
    "precision",
    "recall",
    "threshold",
    "coco_ap",
    "coco_ap50",
}
MOST = 2**53  # of a whole number in a table: pixels, bytes
_INTS = {"height", "width", "bytes", "kept", "moved", "class_changed", "deleted", "drawn"}
_COUNTS = {"images", "boxes"}  # whole numbers that may be missing: float64 in memory
_BLOCK = 8 << 20  # bytes of CSV that are parsed at once
# What an old file may lack; every other column is required.
OPTIONAL = {
    "folder",
    "box_confidence",
    "image_confidence",
    "bytes",
    "etag",
    "taken_at",
    "md5",
    "listed",
    "new_folder",
    "tagger",
    "reserved_at",
    "reason",
    "at",
    "strategy",
    "score",
    "burst",
    "random",
    "images",
    "boxes",
    "precision",
    "recall",
    "threshold",
    "coco_ap",
    "coco_ap50",
}


def empty(table: str) -> pd.DataFrame:
    """A table without rows, all columns typed."""
    return _typed(
        pa.table({column: pa.array([], _arrow_type(column)) for column in COLUMNS[table]})
    )


def make(table: str, **columns) -> pd.DataFrame:
    """A table from columns given by name (`class_` for class); those not given get "", NaN or 0."""
    given = {("class" if name == "class_" else name): values for name, values in columns.items()}
    length = max(
        (len(values) for values in given.values() if not isinstance(values, (str, int, float))),
        default=0,
    )
    filled = {}
    for column in COLUMNS[table]:
        values = given.get(column, _missing(column))
        filled[column] = (
            [values] * length
            if isinstance(values, (str, int, float)) or values is None
            else list(values)
        )
    return _typed(
        pa.table({name: pa.array(values, _arrow_type(name)) for name, values in filled.items()})
    )


def parse(table: str, source: bytes | Path, name: str = "") -> pd.DataFrame:
    """Read a CSV file of that table (header, UTF-8 with or without BOM). Columns of other tables
    are ignored, optional ones filled in.

    Raises InputError naming the file and what is wrong with it.
    """
    name = name or (str(source) if isinstance(source, Path) else f"{table} table")
    if isinstance(source, Path) and source.exists() and not source.is_file():
        raise InputError(f"{name}: no file lies there")  # from a pipe one would read for ever
    columns = COLUMNS[table]
    types = {column: _arrow_type(column) for column in columns}
    present = header(source)
    if required := missing_columns(table, present):
        raise InputError(
            f"{name}: the column {', '.join(required)} is missing; a {table} CSV has"
            f" {','.join(columns)}"
            + (", with commas between them, not semicolons" if ";" in "".join(present) else "")
        )
    try:
        read = pyarrow.csv.read_csv(
            source if isinstance(source, Path) else io.BytesIO(source),
            read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK),
            parse_options=pyarrow.csv.ParseOptions(
                newlines_in_values=_has_quote(source)
            ),  # without, 1.5 times as fast
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={**types, **{column: pa.float64() for column in _INTS}},
                include_columns=[column for column in columns if column in present],
                null_values=[""],
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(
            f"{name}: not a readable {table} CSV ({' '.join(str(error).split())[:200]})"
        ) from None
    found = {column: read[column] for column in read.column_names}
    del read  # so that each column is given back once it is converted
    return typed(table, found, name)


def typed(table: str, found: dict[str, pa.ChunkedArray], name: str) -> pd.DataFrame:
    """A table from the columns of a file, which are taken out of `found`; optional ones are filled
    in. Raises InputError naming the file `name` for a number that cannot be.
    """
    rows = len(next(iter(found.values()))) if found else 0
    filled = {}
    for column in COLUMNS[table]:
        values = found.pop(column, None)
        if values is None:
            filled[column] = pa.array([_missing(column)] * rows, _arrow_type(column))
        elif column in _INTS:
            filled[column] = _whole_numbers(values, column, name)
        else:
            filled[column] = values
            if column in _FLOATS and pc.any(pc.is_inf(values)).as_py():
                raise InputError(f"{name}: the column {column} has a number without end (inf)")
        del values
    made = pa.table(filled)
    del filled
    return _typed(made)


def _whole_numbers(values: pa.ChunkedArray, column: str, name: str) -> pa.ChunkedArray:
    if values.null_count or not pc.all(pc.is_finite(values), min_count=0).as_py():
        raise InputError(
            f"{name}: the column {column} has a cell that is empty or no number; pixels and"
            " bytes are whole numbers"
        )
    bounds = pc.min_max(values)
    if len(values) and not 0 <= bounds["min"].as_py() <= bounds["max"].as_py() <= MOST:
        raise InputError(
            f"{name}: the column {column} has a number that no picture has"
            f" ({bounds['min'].as_py():g} to {bounds['max'].as_py():g})"
        )
    return pc.cast(pc.round(values), pa.int64())


def missing_columns(table: str, present: list[str]) -> list[str]:
    """The columns that a file of that table must have and does not."""
    return [column for column in COLUMNS[table] if column not in present and column not in OPTIONAL]


def is_number(column: str) -> bool:
    """Is it a number in memory, not text?"""
    return column in _FLOATS or is_whole_number(column)


def is_whole_number(column: str) -> bool:
    return column in _INTS


def header(source: bytes | Path) -> list[str]:
    """The names of a CSV file's columns."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            first = file.readline()
    else:
        first = source.split(b"\n", 1)[0]
    return [cell.strip().strip('"') for cell in first.decode("utf-8-sig", "replace").split(",")]


def to_csv(table: str, frame: pd.DataFrame, user_folders: bool) -> bytes:
    """The table as the CSV that the container holds; `folder` only with user_folders. Missing
    numbers are empty cells.
    """
    columns = [column for column in COLUMNS[table] if user_folders or column != "folder"]
    arrow = pa.table(
        {
            column: pa.array(
                frame[column],
                pa.int64() if column in _COUNTS else _arrow_type(column),
                from_pandas=True,
            )
            for column in columns
        }
    )
    try:
        return _written(arrow, "none")
    except pa.ArrowInvalid:  # some text holds a comma, a quote or a line end
        return _written(arrow, "needed")


def blob_names(frame: pd.DataFrame) -> pd.Series:
    """Each row's image as its blob name, "folder/filename" or "filename" at the top. This is an
    image's identity, everywhere.
    """
    folder, filename = (
        pa.array(frame[column], pa.large_string()) for column in ("folder", "filename")
    )
    text = pa.scalar("", pa.large_string())
    slash = pc.if_else(pc.equal(folder, text), text, pa.scalar("/", pa.large_string()))
    joined = pc.binary_join_element_wise(folder, slash, filename, text)
    return pd.Series(joined, index=frame.index, dtype="str")


def image_set(frame: pd.DataFrame) -> set[str]:
    """The blob names of the images in a table."""
    return set(blob_names(frame[["folder", "filename"]].iloc[image_starts(frame)]))


def image_starts(frame: pd.DataFrame) -> np.ndarray:
    """The places of the rows whose image is not the one of the row before: per image usually one,
    and much cheaper than all names.
    """
    if not len(frame):
        return np.zeros(0, np.int64)
    changes = np.zeros(len(frame) - 1, bool)
    for column in ("filename", "folder"):
        text = pa.array(frame[column], pa.large_string())
        changes |= pc.not_equal(text[1:], text[:-1]).to_numpy(zero_copy_only=False)
    return np.concatenate(([0], np.flatnonzero(changes) + 1))


def split_name(blob: str) -> tuple[str, str]:
    """A blob name as (folder, filename)."""
    folder, _, filename = blob.rpartition("/")
    return folder, filename


def without_boxes(frame: pd.DataFrame, gone: pd.Series) -> pd.DataFrame:
    """The rows without the boxes that `gone` (bool, one per row) marks; an image that loses its
    last box keeps one NULL row: somebody has looked at it, and nothing is there.
    """
    if not gone.any():
        return frame
    images = blob_names(frame)
    bare = gone & ~images.isin(set(images[~gone])) & ~images.duplicated()
    nothing = frame[bare].assign(**{"class": NULL, **dict.fromkeys(_SIDES, 0.0)})
    return pd.concat([frame[~gone], nothing]).sort_index().reset_index(drop=True)


def only(frame: pd.DataFrame, images) -> pd.DataFrame:
    """The rows of these images (blob names)."""
    return frame[_is_in(frame, images)].reset_index(drop=True)


def without(frame: pd.DataFrame, images) -> pd.DataFrame:
    """The rows of all other images (blob names)."""
    return frame[~_is_in(frame, images)].reset_index(drop=True)


def concat(table: str, *frames: pd.DataFrame) -> pd.DataFrame:
    """The rows of several tables one after the other, with the columns of `table`."""
    parts = [frame.reindex(columns=COLUMNS[table]) for frame in frames if len(frame)]
    return pd.concat(parts, ignore_index=True) if parts else empty(table)


def release_memory() -> None:
    """Give memory that tables have left back to the system, which Arrow would keep: of a million
    images about as much as they need.
    """
    pa.default_memory_pool().release_unused()


def _written(table: pa.Table, quoting: str) -> bytes:
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(
        table, buffer, pyarrow.csv.WriteOptions(quoting_style=quoting, quoting_header="none")
    )
    return buffer.getvalue()


def _is_in(frame: pd.DataFrame, images):
    starts = image_starts(frame)
    names = pa.array(blob_names(frame[["folder", "filename"]].iloc[starts]), pa.large_string())
    found = pc.is_in(names, value_set=pa.array(list(images), pa.large_string())).to_numpy(
        zero_copy_only=False
    )
    return np.repeat(found, np.diff(starts, append=len(frame)))


def _has_quote(source: bytes | Path) -> bool:
    if isinstance(source, bytes):
        return b'"' in source
    with source.open("rb") as file:
        return any(b'"' in block for block in iter(lambda: file.read(1 << 20), b""))


def _arrow_type(column: str) -> pa.DataType:
    if column in _FLOATS | _COUNTS:
        return pa.float64()
    return pa.int64() if column in _INTS else pa.large_string()


def _missing(column: str):
    if column in _FLOATS | _COUNTS:
        return None
    return 0 if column in _INTS else ""


def _typed(table: pa.Table) -> pd.DataFrame:
    frame = table.to_pandas(
        split_blocks=True,
        self_destruct=True,
        types_mapper={pa.large_string(): pd.StringDtype("pyarrow", na_value=float("nan"))}.get,
    )
    release_memory()
    return frame
