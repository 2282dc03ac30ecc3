"""The label container of a large project, written in pieces, so that it needs little memory: three
boxes and an embedding of 128 bytes for each image, 50 folders, bursts of ten, 1000 labelled images.
"""

import hashlib
import io
import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

from utils.config import load_config
from utils.labels import table_files, tables
from utils.labels.figures import figures_after
from utils.labels.state import Change
from utils.labels.store import open_labels
from utils.selection.embeddings import DIMENSIONS, MODEL

BOXES, LABELLED, PIECE = 3, 1000, 100_000
HEIGHT, WIDTH = 60, 80


def picture(number: int) -> bytes:
    """A JPEG with this number in a comment: another content for each image."""
    jpeg = _jpeg()
    return jpeg[:2] + b"\xff\xfe\x00\x0a" + b"%08d" % number + jpeg[2:]


@cache
def _jpeg() -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def make_project(folder: Path, count: int) -> Path:
    """The config of a project in a folder store; there are no photos in it."""
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    config = folder / "config.ini"
    config.write_text(
        "storage_url=.\nimage_container_name=images\nlabel_container_name=labels\n"
        "user_folders=True\nclasses=animal,bird,rare\nselection_strategy=hybrid\n"
        "random_share=0.1\nmax_per_burst=2\n",
        encoding="utf-8",
    )
    writers: dict[str, pa.parquet.ParquetWriter] = {}
    labelled = []
    for start in range(0, count, PIECE):
        piece = _piece(start, min(PIECE, count - start))
        labelled.append(piece.pop("tagged")[: BOXES * -(-LABELLED * PIECE // count)])
        for name, rows in piece.items():
            if name not in writers:
                writers[name] = _writer(folder / f"{name}.part", name, rows)
            writers[name].write_table(rows)
    for writer in writers.values():
        writer.close()

    _, store = open_labels(load_config(config))
    tagged = tables.concat("tagged", *labelled)
    store.commit(lambda state: Change({"tagged": tagged}), what="making the project")
    names = {
        name: store.publish_file(name, ".parquet", folder / f"{name}.part", "bench")
        for name in writers
    }
    model = store.publish_file("model", ".pb", b"none", "bench")
    path = folder / "labels" / "label_state.json"
    document = json.loads(path.read_text())
    live = {"embeddings": names.pop("embeddings"), "model": model}
    changed = {"format": 2, "live": live, "predicted_by": {"key": model}}
    changed["tables"] = {**document["tables"], **names}
    document |= changed
    path.write_text(json.dumps(document))
    state = store.read()
    document |= figures_after(
        {"tables": {}}, document["tables"], tables.empty, lambda name: store.table(state, name)
    )
    path.write_text(json.dumps(document))
    return config


def _piece(start: int, count: int) -> dict:
    """Tables (Arrow) of some images, and the labels of some more."""
    draw = np.random.default_rng(start)
    numbers = np.arange(start, start + count)
    folders = np.array([f"2026/station_{number % 50:02}" for number in numbers], object)
    filenames = np.array([f"IMG_{number:08}.JPG" for number in numbers], object)
    seconds = (numbers // 500) * 3600 + (numbers // 50) % 10
    times = np.datetime_as_string(
        np.datetime64("2020-01-01T00:00:00") + seconds.astype("timedelta64[s]")
    )
    md5 = [hashlib.md5(picture(number), usedforsecurity=False).hexdigest() for number in numbers]
    images = tables.make(
        "images",
        filename=filenames,
        folder=folders,
        height=np.full(count, HEIGHT),
        width=np.full(count, WIDTH),
        bytes=np.full(count, len(picture(0))),
        etag=[f"0x8DE{number:012X}" for number in draw.integers(0, 2**48, count)],
        taken_at=np.char.add(times, "Z"),
        md5=md5,
    )
    totag = predicted_rows(folders, filenames, draw)
    predicted = tables.make(
        "predicted", filename=filenames, folder=folders, etag=images["etag"], model="key"
    )
    vectors = draw.normal(size=(count, DIMENSIONS)).astype("<f2")
    embeddings = pa.table(
        {
            "filename": pa.array(filenames, pa.string()),
            "folder": pa.array(folders, pa.string()),
            "embedding": pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(2 * DIMENSIONS), count, [None, pa.py_buffer(vectors.tobytes())]
            ),
            "disagreement": pa.nulls(count, pa.float32()),
            "version": pa.array(np.zeros(count), pa.uint32()),
        }
    )
    arrow = {
        name: table_files._arrow(name, frame, True)
        for name, frame in (("images", images), ("totag", totag), ("predicted", predicted))
    }
    tagged = totag[tables.COLUMNS["tagged"]].iloc[: BOXES * LABELLED]
    return {**arrow, "embeddings": embeddings, "tagged": tagged}


def _writer(path: Path, name: str, rows: pa.Table) -> pa.parquet.ParquetWriter:
    if name == "embeddings":
        about = {
            "format": 1,
            "model": "model",
            "kind": MODEL,
            "raw_dimensions": DIMENSIONS,
            "dimensions": DIMENSIONS,
            "fitted": 1000,
        }
        schema = rows.schema.with_metadata(
            {
                "about": json.dumps(about),
                "mean": np.zeros(DIMENSIONS, "<f4").tobytes(),
                "components": np.eye(DIMENSIONS, dtype="<f4").tobytes(),
            }
        )
        return pa.parquet.ParquetWriter(path, schema, compression="zstd")
    dictionary, encodings = table_files.encodings(rows.schema)
    return pa.parquet.ParquetWriter(
        path,
        rows.schema,
        compression="zstd",
        use_dictionary=dictionary,
        column_encoding=encodings,
    )


def predicted_rows(
    folders: np.ndarray, filenames: np.ndarray, draw: np.random.Generator
) -> pd.DataFrame:
    """Rows of totag: some boxes in each of these images."""
    rows = len(filenames) * BOXES
    low, side = draw.random((2, rows)) * 0.5, draw.random((2, rows)) * 0.5
    score = draw.random(rows).round(6)
    classes = np.searchsorted([0.7, 0.99], draw.random(rows))
    return tables.make(
        "totag",
        filename=np.repeat(filenames, BOXES),
        folder=np.repeat(folders, BOXES),
        class_=np.array(["animal", "bird", "rare"], object)[classes],
        xmin=low[0].round(6),
        xmax=(low[0] + side[0]).round(6),
        ymin=low[1].round(6),
        ymax=(low[1] + side[1]).round(6),
        height=np.full(rows, HEIGHT),
        width=np.full(rows, WIDTH),
        box_confidence=score,
        image_confidence=np.repeat(score.reshape(-1, BOXES).min(axis=1), BOXES),
    )
