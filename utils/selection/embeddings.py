"""Image embeddings as the label container holds them: `embeddings_<ms>.parquet`, at most 128 bytes
an image.

A model's embeddings (1280 numbers, say) are scaled to length 1 and reduced to 64 dimensions by
principal component analysis (Pearson, 1901); Euclidean distances stay nearly what they were. The
basis is kept in the file, so that images which join later are reduced alike. A model without
embeddings leaves perceptual hashes there instead: 64 numbers 0 or 1, good for finding
near-duplicates only.
"""

import io
import json
import zlib
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from utils.errors import InputError
from utils.labels import tables
from utils.storage.container import Damaged, Missing
from utils.terminal import say

DIMENSIONS = 64  # of 2 bytes each
MODEL, HASH = "model", "perceptual hash"
_ROWS_AT_ONCE = 100_000
_ENOUGH = 1000  # images from which a basis is good for any number


@dataclass(frozen=True)
class Basis:
    """How embeddings are reduced: (x / |x| - mean) @ components, components (d, 64 or fewer).
    `kind` MODEL or HASH; hashes stay as is. fitted: to how many images it was fitted, 0 where that
    is not known.
    """

    kind: str
    mean: np.ndarray
    components: np.ndarray
    fitted: int = 0

    def serves(self, images: int) -> bool:
        """Is it good for so many images? What tells six pilot photos apart is not what tells a
        thousand others apart.
        """
        return self.kind == HASH or not self.fitted or self.fitted >= min(images / 2, _ENOUGH)

    def reduce(self, raw: np.ndarray) -> np.ndarray:
        """(n, d) raw embeddings as (n, 64 or fewer) float16."""
        if self.kind == HASH:
            return raw.astype(np.float16)
        return ((_unit(raw) - self.mean) @ self.components).astype(np.float16)


@dataclass(frozen=True)
class Embeddings:
    """Reduced embeddings of images. names: blob names; vectors (n, d) float16; disagreement (n,)
    float32, NaN where not computed; model: what they were computed by (model_key of train);
    basis: how they were reduced; versions (n,) uint32: of what content (version_of), 0 where that
    is not known.
    """

    names: pa.Array
    vectors: np.ndarray
    disagreement: np.ndarray
    model: str
    basis: Basis
    versions: np.ndarray | None = None

    def __post_init__(self):
        if self.versions is None:
            object.__setattr__(self, "versions", np.zeros(len(self.names), np.uint32))

    def current(self, etags: Mapping[str, str]) -> set[str]:
        """The images whose embedding is of the content that has this ETag."""
        return {
            name
            for name, version in zip(self.names.to_pylist(), self.versions.tolist(), strict=True)
            if name in etags and version in (0, version_of(etags[name]))
        }

    def of(self, names: pa.Array) -> np.ndarray:
        """(len(names), d) float16, a row of NaN for an image that is not there."""
        return self._rows(names, self.vectors)

    def disagreement_of(self, names: pa.Array) -> np.ndarray | None:
        """(len(names),) float32; None when it was computed for no image."""
        return None if np.isnan(self.disagreement).all() else self._rows(names, self.disagreement)

    def _rows(self, names: pa.Array, values: np.ndarray) -> np.ndarray:
        places = pc.fill_null(pc.index_in(names, value_set=self.names), -1).to_numpy(
            zero_copy_only=False
        )
        found = np.full((len(names), *values.shape[1:]), np.nan, values.dtype)
        found[places >= 0] = values[places[places >= 0]]
        return found


def fit_basis(blocks: Iterable[np.ndarray], kind: str, dimensions: int = DIMENSIONS) -> Basis:
    """The basis for raw embeddings that come in blocks (n, d), of which only sums are kept in
    memory.
    """
    count, total, products = 0, 0.0, 0.0
    if kind == HASH:
        return Basis(HASH, np.zeros(0, np.float32), np.zeros((0, 0), np.float32))
    for block in blocks:
        scaled = _unit(block).astype(np.float64)
        count, total, products = (
            count + len(scaled),
            total + scaled.sum(axis=0),
            products + scaled.T @ scaled,
        )
    if not count:
        raise ValueError("no embeddings to fit a basis to")
    mean = total / count
    _, directions = np.linalg.eigh(products / count - np.outer(mean, mean))  # ascending
    components = np.ascontiguousarray(directions[:, ::-1][:, :dimensions]).astype(np.float32)
    return Basis(MODEL, mean.astype(np.float32), components, count)


def version_of(etag: str) -> int:
    """Four bytes that stand for an ETag; never 0."""
    return zlib.crc32(etag.encode()) or 1


def to_parquet(embeddings: Embeddings) -> bytes:
    """The file that is published: filename, folder, embedding (float16 numbers), disagreement,
    version; model and basis as metadata.
    """
    size = embeddings.vectors.shape[1]
    folders, filenames = (
        zip(*map(tables.split_name, embeddings.names.to_pylist()), strict=True)
        if len(embeddings.names)
        else ((), ())
    )
    buffer = pa.py_buffer(np.ascontiguousarray(embeddings.vectors, "<f2").tobytes())
    vectors = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(2 * size), len(embeddings.names), [None, buffer]
    )
    basis = embeddings.basis
    about = {
        "format": 1,
        "model": embeddings.model,
        "kind": basis.kind,
        "raw_dimensions": len(basis.mean),
        "dimensions": size,
        "fitted": basis.fitted,
    }
    table = pa.table(
        {
            "filename": pa.array(filenames, pa.string()),
            "folder": pa.array(folders, pa.string()),
            "embedding": vectors,
            "disagreement": pa.array(embeddings.disagreement, pa.float32(), from_pandas=True),
            "version": pa.array(embeddings.versions, pa.uint32()),
        }
    )
    table = table.replace_schema_metadata(
        {
            "about": json.dumps(about),
            "mean": basis.mean.astype("<f4").tobytes(),
            "components": basis.components.astype("<f4").tobytes(),
        }
    )
    written = io.BytesIO()
    pyarrow.parquet.write_table(table, written, compression="zstd", use_dictionary=["folder"])
    return written.getvalue()


def read_parquet(source: Path | bytes, images: Set[str] | None = None) -> Embeddings:
    """The embeddings in a file that `to_parquet` wrote; images: only those of these (blob names),
    without having all of them in memory at once. Raises InputError when it is something else.
    """
    try:
        file = source if isinstance(source, Path) else io.BytesIO(source)
        table = pyarrow.parquet.read_table(file) if images is None else _only(file, images)
        metadata = table.schema.metadata
        about = json.loads(metadata[b"about"])
        size, raw = about["dimensions"], about["raw_dimensions"]
        mean, components = (
            np.frombuffer(metadata[name], "<f4").astype(np.float32)
            for name in (b"mean", b"components")
        )
        binary = table["embedding"].combine_chunks()
        binary = binary.chunk(0) if isinstance(binary, pa.ChunkedArray) else binary
        vectors = np.frombuffer(binary.buffers()[1] or b"", "<f2")[
            binary.offset * size : (binary.offset + len(binary)) * size
        ]
        names = pa.array(
            tables.blob_names(table.select(["filename", "folder"]).to_pandas()), pa.large_string()
        )
        return Embeddings(
            names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names,
            vectors.reshape(len(binary), size),
            table["disagreement"].to_numpy().astype(np.float32),
            about["model"],
            Basis(
                about["kind"],
                mean,
                components.reshape(raw, -1) if raw else np.zeros((0, 0), np.float32),
                about.get("fitted", 0),
            ),
            (
                table["version"].to_numpy().astype(np.uint32)
                if "version" in table.column_names
                else None
            ),
        )
    except (pa.ArrowException, KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(
            f"{source if isinstance(source, Path) else 'embeddings'}: no embeddings of this program"
            f" ({' '.join(str(error).split())[:200]})"
        ) from None


def _only(file: Path | io.BytesIO, images: Set[str]) -> pa.Table:
    wanted = pa.array(list(images), pa.large_string())
    with pyarrow.parquet.ParquetFile(file) as parquet:
        parts = [pa.Table.from_batches([], parquet.schema_arrow)]
        for batch in parquet.iter_batches(_ROWS_AT_ONCE):
            rows = pa.Table.from_batches([batch])
            names = tables.blob_names(rows.select(["filename", "folder"]).to_pandas())
            keep = pc.is_in(pa.array(names, pa.large_string()), value_set=wanted)
            parts.append(rows.filter(keep))
        return pa.concat_tables(parts)


def published_embeddings(store, state, images: Set[str] | None = None) -> Embeddings | None:
    """Those that a state (State, in a LabelStore) names; images: as in `read_parquet`. None
    when there are none, or they are gone or damaged, which a line on stderr says: they are no more
    than a help, and made anew.
    """
    blob = state.live.get("embeddings")
    try:
        return read_parquet(store.cached_file(blob), images) if blob else None
    except (InputError, Missing, Damaged):
        say(
            f"{blob}: gone or damaged; until it is made anew images that look alike are not told"
            " apart",
            error=True,
        )
        return None


def merged(new: Embeddings, present: Embeddings | None) -> Embeddings:
    """`new`, and of `present` the other images, when both were made by the same model and reduced
    alike.
    """
    if (
        present is None
        or present.model != new.model
        or not np.array_equal(present.basis.components, new.basis.components)
    ):
        return new
    others = ~pc.is_in(present.names, value_set=new.names).to_numpy(zero_copy_only=False)
    return Embeddings(
        pa.concat_arrays([new.names, present.names.filter(pa.array(others))]),
        np.concatenate([new.vectors, present.vectors[others]]),
        np.concatenate([new.disagreement, present.disagreement[others]]),
        new.model,
        new.basis,
        np.concatenate([new.versions, present.versions[others]]),
    )


def _unit(raw: np.ndarray) -> np.ndarray:
    raw = np.asarray(raw, np.float32)
    return raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-12)


def only(embeddings: Embeddings, images: Iterable[str]) -> Embeddings:
    """Those of these images (blob names)."""
    keep = pc.is_in(embeddings.names, value_set=pa.array(list(images), pa.large_string())).to_numpy(
        zero_copy_only=False
    )
    return Embeddings(
        embeddings.names.filter(pa.array(keep)),
        embeddings.vectors[keep],
        embeddings.disagreement[keep],
        embeddings.model,
        embeddings.basis,
        embeddings.versions[keep],
    )
