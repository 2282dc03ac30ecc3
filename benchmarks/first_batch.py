"""What the first batch finds, before any model: images of each class among 40 that are chosen by
what a pretrained backbone sees in them, by perceptual hashes, by folder and time alone, and at
random; means of several seeds. The data sets are those of selection_curves.py.

    python benchmarks/first_batch.py ../shared/data ../shared/models/mobilenet_v2_imagenet \
        --folder FOLDER
"""

import argparse
import dataclasses
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
from selection_curves import ROOT, make

sys.path.insert(0, str(ROOT))

from train.network.pretrained_weights import choose_start
from train.prediction.first_embeddings import SIDES
from train.prediction.pipeline import predict
from train.prediction.pretrained_embeddings import PretrainedBackbone
from train.simulation.choice import Rules
from utils.formats.annotated_sets import read_annotated
from utils.images.canvas import canvas_for
from utils.images.decoding import decode
from utils.images.perceptual_hash import perceptual_hash
from utils.labels import tables
from utils.labels.assignments import unseen_rows
from utils.reserved import NULL
from utils.selection.context import make_context
from utils.selection.embeddings import HASH, MODEL, Embeddings, fit_basis
from utils.selection.strategies import select

SETS = ("animals", "drawn")
COUNT, SEEDS = 40, 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "weights", type=Path, help="a checkpoint with the object backbone, of MobileNetV2"
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the data sets are kept")
    arguments = parser.parse_args()
    start = choose_start(
        "faster_rcnn_mobilenet_v2_fpn", str(arguments.weights), None, arguments.folder
    )
    for name in SETS:
        folder = arguments.folder / name
        make(name, arguments.data, folder)
        everything = read_annotated(folder / "labels.csv", folder / "images")
        pool = tables.without(
            everything.boxes, tables.image_set(tables.parse("tagged", folder / "test.csv"))
        )
        images = tables.only(everything.images, tables.image_set(pool))
        names = tables.blob_names(images).tolist()
        canvas = canvas_for(images[["height", "width"]].to_numpy(), *SIDES)
        backbone = PretrainedBackbone("faster_rcnn_mobilenet_v2_fpn", canvas, start)
        seen = predict(
            backbone,
            ((blob, everything.files[blob]) for blob in names),
            batch_size=16,
            largest_side=max(SIDES),
        )
        embedded = {
            "backbone": _embeddings(names, np.stack([found.embedding for _, found in seen]), MODEL),
            "hashes": _embeddings(
                names,
                np.stack(
                    [perceptual_hash(decode(everything.files[blob].read_bytes())) for blob in names]
                ),
                HASH,
            ),
            "folder and time": None,
        }
        print(f"{name}: {COUNT} of {len(names)} images")
        for label, embeddings in embedded.items():
            print(
                f"  {label:16}",
                _found(pool, [_batch(images, embeddings, seed) for seed in range(SEEDS)]),
            )
        print(
            f"  {'random':16}",
            _found(
                pool,
                [np.random.default_rng(seed).permutation(names)[:COUNT] for seed in range(100)],
            ),
            flush=True,
        )


def _embeddings(names: list[str], vectors: np.ndarray, kind: str) -> Embeddings:
    basis = fit_basis([vectors], kind)
    return Embeddings(
        pa.array(names, pa.large_string()),
        basis.reduce(vectors),
        np.full(len(names), np.nan, np.float32),
        "",
        basis,
    )


def _batch(images, embeddings: Embeddings | None, seed: int) -> list[str]:
    """The first batch of a new project."""
    rules = dataclasses.replace(Rules(("any",), 0.1, 2), seed=seed)
    return select(
        "hybrid",
        make_context(unseen_rows(images), rules, images=images, embeddings=embeddings),
        COUNT,
    ).names


def _found(pool, batches: list) -> str:
    """The mean number of images that show each class."""
    shown = pool[["class"]].assign(image=tables.blob_names(pool)).drop_duplicates()
    counts = sum(
        (Counter(shown[shown["image"].isin(batch)]["class"]) for batch in batches), Counter()
    )
    return ", ".join(
        f"{name} {counts[name] / len(batches):.1f}" for name in sorted(set(shown["class"]) - {NULL})
    )


if __name__ == "__main__":
    main()
