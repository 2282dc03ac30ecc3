"""Time and peak memory of the training machine when it ranks the images to tag and makes the
shortlist, against their number, with a projection to ten million.

    python benchmarks/ranking_scale.py                  # 100 000, 300 000, 1 000 000, 3 000 000
    python benchmarks/ranking_scale.py --images 100000

The tables are those of a large project (Parquet, three boxes an image, bursts of ten, embeddings
of 128 bytes, 1000 labelled images) in a folder store, written in pieces; then a process of its own
makes the shortlist by `hybrid`. Memory is the largest resident size of that process. Wanted: 6 GB
at most for 3 000 000 images. The projection is a straight line through what was measured.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

from large_project import BOXES, predicted_rows, run

from train.cycle.shortlisting import publish_shortlist
from utils.config import load_config
from utils.labels import table_files, tables
from utils.labels.store import Change, open_labels
from utils.selection.embeddings import DIMENSIONS, MODEL

LABELLED, PIECE = 1000, 100_000
_BYTES, _FAR = 6e9, 10_000_000


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", type=int, nargs="+", default=[100_000, 300_000, 1_000_000, 3_000_000]
    )
    parser.add_argument("--known", default="", help="figures of earlier runs: images:s:GB,…")
    parser.add_argument("--one", type=Path, metavar="CONFIG", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        config = load_config(options.one)
        print(publish_shortlist(config, open_labels(config)[1]))
        return 0
    measured = [tuple(map(float, text.split(":"))) for text in options.known.split(",") if text]
    for count in options.images:
        with tempfile.TemporaryDirectory() as name:
            config = make_project(Path(name), count)
            seconds, memory = run(ROOT, config, ("benchmarks/ranking_scale.py", "--one"))
            said = (config.parent / "said.txt").read_text().strip()
        measured.append((count, seconds, memory / 1e9))
        print(f"{count} images: {seconds:.0f} s, {memory / 1e9:.2f} GB ({said})", flush=True)
    if len(measured) > 1:
        counts, seconds, memory = np.array(sorted(measured)).T
        for what, values in (("s", seconds), ("GB", memory)):
            line = np.poly1d(np.polyfit(counts, values, 1))
            print(f"projected to {_FAR}: {line(_FAR):.0f} {what}")
    return int(any(count <= 3e6 and size > _BYTES / 1e9 for count, _, size in measured))


def make_project(folder: Path, count: int) -> Path:
    """The config of a project in a folder store."""
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
    path.write_text(json.dumps({**document, **changed}))
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
    images = tables.make(
        "images",
        filename=filenames,
        folder=folders,
        height=np.full(count, 1500),
        width=np.full(count, 2000),
        bytes=draw.integers(2_000_000, 4_000_000, count),
        etag=[f"0x8DE{number:012X}" for number in draw.integers(0, 2**48, count)],
        taken_at=np.char.add(times, "Z"),
        md5=[
            f"{one:016x}{other:016x}"
            for one, other in zip(*draw.integers(0, 2**63, (2, count)), strict=True)
        ],
    )
    totag = predicted_rows(folders, filenames, draw, (1500, 2000))
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


if __name__ == "__main__":
    sys.exit(main())
