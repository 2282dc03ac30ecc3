"""Do hand-outs from the shortlist bring the same images as from the whole tables? Fifteen batches
of 20 from 6000 images, of which 600 of each order are on the list, with each strategy; each second
batch is labelled. Half of the list is out in the end.

    python benchmarks/shortlist_agreement.py                        # about 10 minutes
    python benchmarks/shortlist_agreement.py --strategies hybrid --seeds 3

`same`: the part of the images that are the same. Where the images differ (coreset, and first
batches before there is a model) also `apart`: how far images are from the nearest that was handed
out, on average, divided by the same after hand-outs from the whole tables.
"""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

from helpers_pool import Annotator, spread_of

from utils.labels import table_files
from utils.labels.tables import image_set
from utils.selection import shortlisting
from utils.strategies import STRATEGIES

COUNT, BATCH, BATCHES, MOST = 6000, 20, 15, 600
BALANCES = ("", "0.3,0.2,0.2,0.3")
UNSEEN = {"unseen": 1.0, "empty": 0.0, "labelled": 0}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES))
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    table_files.SMALL = 0
    shortlisting.MOST, shortlisting.BATCH = MOST, BATCH
    for strategy in options.strategies:
        for seed in range(options.seeds):
            for balance in BALANCES:
                print(f"{strategy}, seed {seed}, balance {balance or 'none'}:", end=" ")
                print(f"same {same(strategy, seed, balance):.4f}", flush=True)
    for strategy, pool in (("coreset", {}), ("hybrid", UNSEEN), ("entropy", UNSEEN)):
        for seed in range(options.seeds):
            found = [apart(strategy, seed, pool, whole) for whole in (False, True)]
            first = " before there is a model" if pool else ""
            print(f"{strategy}{first}, seed {seed}: apart {found[0] / found[1]:.3f}", flush=True)


def same(strategy: str, seed: int, balance: str) -> float:
    """The part of the images that both ways would hand out, each time from the same state."""
    with tempfile.TemporaryDirectory() as name:
        anna = Annotator(Path(name), strategy, seed, balance, COUNT, BATCH)
        common = 0
        for step in range(BATCHES):
            short, whole = (anna.reserve(whole=way) for way in (False, True))
            common += len(image_set(short.rows) & image_set(whole.rows))
            anna.take(short, label=step % 2 == 1)
    return common / (BATCH * BATCHES)


def apart(strategy: str, seed: int, pool: dict, whole: bool) -> float:
    with tempfile.TemporaryDirectory() as name:
        anna = Annotator(Path(name), strategy, seed, "", COUNT, BATCH, **pool)
        return spread_of(anna, whole, BATCHES)


if __name__ == "__main__":
    main()
