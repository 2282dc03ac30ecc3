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
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

from large_project import run
from large_tables import make_project

from train.cycle.shortlisting import publish_shortlist
from utils.config import load_config
from utils.labels.store import open_labels

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


if __name__ == "__main__":
    sys.exit(main())
