"""How many more pigeons three photos of pigeons bring: 40 images that look like the examples
(download --like), against 40 drawn at random. The pool is that of selection_curves.py: animals and
empty photos, few pigeons among them.

    python benchmarks/find_more.py ../shared/data \
        ../shared/models/mobilenet_v2_imagenet/mobilenet_v2_imagenet --folder FOLDER

Two ways of having examples: three of the pool's pigeons are known, and the others are to be found;
or three pigeons of other photos (the images set aside), and all of the pool's are to be found. Each
with every draw of the seeds; embeddings are those that initialize makes with the backbone's
weights, reduced as published. Wanted: 4 times as many as at random.

It prints, too, how far photos of one burst are from each other on the drawn boards, and how near
the nearest of other bursts are: what NEAR_COPY of utils/selection/finding.py goes by.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from selection_curves import RARE, ROOT, make

sys.path.insert(0, str(ROOT))

from train.network.pretrained_weights import choose_start
from train.prediction.first_embeddings import SIDES
from train.prediction.pipeline import predict
from train.prediction.pretrained_embeddings import PretrainedBackbone
from train.simulation.choice import Rules
from utils.formats.annotated_sets import read_annotated
from utils.images.canvas import canvas_for
from utils.labels import tables
from utils.labels.assignments import unseen_rows
from utils.selection.context import make_context
from utils.selection.embeddings import MODEL, Embeddings, fit_basis
from utils.selection.finding import NEAR_COPY, look_alikes

COUNT, EXAMPLES, DRAWS = 40, 3, 20
_BURSTS = 20  # bursts of boards that are looked at


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
    for name, measure in (("animals", found_pigeons), ("drawn", distances)):
        folder = arguments.folder / name
        make(name, arguments.data, folder)
        measure(folder, arguments)


def found_pigeons(folder: Path, arguments: argparse.Namespace) -> None:
    """Print what the examples bring."""
    everything = read_annotated(folder / "labels.csv", folder / "images")
    boxes, images = everything.boxes, everything.images
    aside = tables.image_set(tables.parse("tagged", folder / "test.csv"))
    pigeons = tables.image_set(boxes[boxes["class"] == RARE])
    pool = tables.without(images, aside)
    embeddings = _embeddings(images, everything.files, arguments)
    inside, outside = sorted(pigeons - aside), sorted(pigeons & aside)
    print(f"animals: {COUNT} of {len(pool)} images, {len(inside)} of them with {RARE}")
    for label, known in (("of the pool", inside), ("of other photos", outside)):
        counts, chances = [], []
        for seed in range(DRAWS):
            draw = np.random.default_rng(seed)
            examples = draw.choice(known, EXAMPLES, replace=False).tolist()
            free = tables.without(pool, examples)
            context = make_context(
                unseen_rows(free),
                dataclasses.replace(Rules(("any",), 0.1, 2), seed=seed),
                images=images,
                tagged=tables.only(boxes, examples),
                embeddings=embeddings,
            )
            vectors = embeddings.of(pa.array(examples, pa.large_string()))
            chosen = look_alikes(context, vectors, set(examples), COUNT).names
            wanted = set(inside) - set(examples)
            counts.append(len(wanted & set(chosen)))
            chances.append(COUNT * len(wanted) / len(free))
        print(
            f"  {EXAMPLES} examples {label}: {np.mean(counts):.2f} of {len(wanted)} found, least"
            f" {min(counts)}; at random {np.mean(chances):.2f}:"
            f" {np.mean(counts) / np.mean(chances):.1f} times as many ({DRAWS} draws)",
            flush=True,
        )


def distances(folder: Path, arguments: argparse.Namespace) -> None:
    """Print how far near-copies are from each other, and other photos."""
    everything = read_annotated(folder / "labels.csv", folder / "images")
    burst = tables.blob_names(everything.images).str.replace(r"_\d+\.jpg$", "", regex=True)
    kept = burst.isin(sorted(set(burst))[:_BURSTS]).to_numpy(bool)
    images = everything.images[kept].reset_index(drop=True)
    vectors = _embeddings(images, everything.files, arguments).vectors.astype(np.float32)
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    codes = pd.factorize(burst[kept])[0]
    same = codes[:, None] == codes[None]
    np.fill_diagonal(apart, np.nan)
    within = apart[same & ~np.isnan(apart)]
    nearest = np.nanmin(np.where(same, np.nan, apart), axis=1)
    print(
        f"drawn boards, {len(images)} photos: distance within a burst median"
        f" {np.median(within):.3f}, 95 % {np.quantile(within, 0.95):.3f}; to the nearest photo of"
        f" another burst 5 % {np.quantile(nearest, 0.05):.3f}, median {np.median(nearest):.3f}"
        f" (near-copies: up to {NEAR_COPY})"
    )


def _embeddings(images, files: dict, arguments: argparse.Namespace) -> Embeddings:
    """As initialize publishes them."""
    names = tables.blob_names(images).tolist()
    canvas = canvas_for(images[["height", "width"]].to_numpy(), *SIDES)
    network = "faster_rcnn_mobilenet_v2_fpn"
    start = choose_start(network, str(arguments.weights), None, arguments.folder)
    seen = predict(
        PretrainedBackbone(network, canvas, start),
        ((blob, files[blob]) for blob in names),
        batch_size=16,
        largest_side=max(SIDES),
    )
    raw = np.stack([found.embedding for _, found in seen])
    basis = fit_basis([raw], MODEL)
    return Embeddings(
        pa.array(names, pa.large_string()),
        basis.reduce(raw),
        np.full(len(names), np.nan, np.float32),
        "",
        basis,
    )


if __name__ == "__main__":
    main()
