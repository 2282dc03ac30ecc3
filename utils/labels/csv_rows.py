"""CSV files as people, spreadsheets and other programs write them: read row by row, so that a fault
has a row and a cause. What the toolkit itself writes is read by `tables`, much faster.

Accepted: a header in other letters or with blanks around its names, blank rows, empty cells behind
the last column. Rows are counted as a spreadsheet does, the header is row 1.
"""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from utils.errors import InputError
from utils.files import path_parts
from utils.labels import tables
from utils.reserved import NULL

_AS_UTF8 = "save it as 'CSV UTF-8', with commas"
_FURTHEST = 1.5  # coordinates a little outside 0…1 are clipped; further out they are no fractions
_SIDES = ("xmin", "xmax", "ymin", "ymax")
_NOT_FRACTIONS = "fractions of the image, 0 to 1 (pixels divided by width and height)"


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read; `image` is its blob name, "" where that cannot be read either.
    `word`: what is counted.
    """

    number: int
    image: str
    why: str
    word: str = "row"

    def __str__(self) -> str:
        image = f" ({self.image})" if self.image else ""
        return f"{self.word} {self.number}{image}: {self.why}"


@dataclass(frozen=True)
class Rows:
    """`frame`: the rows that can be read, all columns of the table, typed. `numbers`: which row of
    the file each of them is (or of which image, or whatever `word` says). `columns`: those that the
    file has.
    """

    frame: pd.DataFrame
    numbers: np.ndarray
    bad: list[BadRow]
    columns: list[str]
    word: str = "row"

    def of_images_without_bad_rows(self) -> "Rows":
        """Without the images of bad rows: with the others of their rows they would lack a box."""
        if not self.bad:
            return self
        cut = {path_parts(row.image) for row in self.bad}
        whole = np.array(
            [path_parts(name) not in cut for name in tables.blob_names(self.frame)], bool
        )
        frame = self.frame[whole].reset_index(drop=True)
        return replace(self, frame=frame, numbers=self.numbers[whole])


def read_rows(table: str, source: bytes | Path, name: str) -> Rows:
    """Read a file of labels (`tagged` or `tagging`). Raises InputError when the file as a whole
    cannot be read.
    """
    data = source.read_bytes() if isinstance(source, Path) else source
    records = _records(_text(data, name), name)
    header = [cell.strip().lower() for cell in next(records, (1, [""]))[1]]
    _check_header(header, table, name)
    places = {column: header.index(column) for column in tables.COLUMNS[table] if column in header}

    cells: dict[str, list] = {column: [] for column in places}
    numbers: list[int] = []
    bad: list[BadRow] = []
    furthest = 0.0
    for number, record in records:
        if not any(cell.strip() for cell in record):
            continue
        values, why = _values(record, places, len(header))
        if why:
            image = "/".join(filter(None, (values.get("folder"), values.get("filename"))))
            bad.append(BadRow(number, image, why))
            furthest = max(furthest, _furthest(values))
            continue
        numbers.append(number)
        for column, value in values.items():
            cells[column].append(value)
    if furthest > _FURTHEST and not any(label != NULL for label in cells["class"]):
        raise InputError(f"{name}: coordinates go up to {furthest:g}; expected {_NOT_FRACTIONS}")
    frame = tables.make(
        table, **{"class_" if column == "class" else column: cells[column] for column in cells}
    )
    return Rows(
        frame, np.array(numbers, np.int64), bad, [header[place] for place in range(len(header))]
    )


def _text(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:200]:
        raise InputError(f"{name}: it is UTF-16 ('Unicode text'); {_AS_UTF8}")
    if data.startswith(b"PK\3\4"):
        raise InputError(f"{name}: it is a workbook, not a CSV; {_AS_UTF8}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{name}: row {row} has a letter that is not UTF-8 (byte {data[error.start]:#04x});"
            f" {_AS_UTF8}"
        ) from None


def _records(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with its number. Raises InputError at one that is no CSV."""
    number = 0
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for number, record in enumerate(reader, 1):
            yield number, record
    except csv.Error as error:
        raise InputError(f"{name}: row {number + 1}: no CSV from here on ({error})") from None


def _check_header(header: list[str], table: str, name: str) -> None:
    whole = ",".join(header)
    for sign, what in ((";", "semicolons"), ("\t", "tabs")):
        if sign in whole and len(header) == 1:
            raise InputError(
                f"{name}: it has {what} between its columns; expected commas between them, not"
                f" {what}"
            )
    if required := tables.missing_columns(table, header):
        raise InputError(
            f"{name}: the column {', '.join(required)} is missing; a {table} CSV has"
            f" {','.join(tables.COLUMNS[table])}"
        )
    if twice := [column for column, count in Counter(header).items() if column and count > 1]:
        raise InputError(f"{name}: the column {', '.join(twice)} is there twice")


def _values(record: list[str], places: dict[str, int], width: int) -> tuple[dict, str]:
    """(value of each column as far as they can be read, why the row cannot be used)."""
    if len(record) < width or any(cell.strip() for cell in record[width:]):
        count = f"{len(record)} cells, and the header has {width}"
        named = {
            column: record[place]
            for column, place in places.items()
            if column in ("filename", "folder") and place < len(record)
        }
        return named, count
    values: dict = {}
    faults: list[str] = []
    nothing = record[places["class"]].strip() == NULL
    for column, place in places.items():
        cell = record[place]
        if not tables.is_number(column):
            values[column] = cell
            continue
        value, why = _number(column, cell.strip(), needed=column not in tables.OPTIONAL)
        if why and nothing and column in _SIDES and not cell.strip():
            value, why = 0.0, ""
        values[column] = value
        if why:
            faults.append(why)
    if not values["filename"].strip():
        faults.insert(0, "filename is empty")
    if not record[places["class"]].strip():
        faults.append(f"class is empty; an image without objects has {NULL} there")
    return values, faults[0] if faults else ""


def _number(column: str, cell: str, needed: bool) -> tuple[float | int | None, str]:
    """(the number in a cell, why it is none)."""
    if not cell:
        return None, f"{column} is empty" if needed else ""
    try:
        value = float(cell)
    except ValueError:
        comma = "; decimals have a point" if "," in cell else ""
        return None, f"{column} is {cell[:40]!r}, which is no number{comma}"
    if not math.isfinite(value):
        return None, f"{column} is {cell[:40]!r}, which is no number"
    if column in _SIDES and abs(value) > _FURTHEST:
        return value, f"{column} is {value:g}; expected {_NOT_FRACTIONS}"
    if tables.is_whole_number(column):
        if value > tables.MOST:
            return None, f"{column} is {value:g}, more than any picture has"
        return round(value), "" if value >= 0 else f"{column} is {value:g}, below 0"
    return value, ""


def _furthest(values: dict) -> float:
    return max((abs(values.get(side) or 0) for side in _SIDES), default=0)
