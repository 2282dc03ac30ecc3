"""Do hand-outs from the shortlist bring the same images as from the whole tables? Batches of 15
from 3000 images, with each strategy, until a third of the list (1000 images or more) is out;
after that the whole tables are read. Each second batch is labelled.

    python benchmarks/shortlist_agreement.py                        # about 10 minutes
    python benchmarks/shortlist_agreement.py --strategies hybrid --seeds 3

It says which part of the images is the same: with a model, without and with a balance of classes;
before there is one; and by what a pretrained model found.
"""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

from helpers_pool import Annotator

from utils.labels import table_files
from utils.labels.tables import image_set
from utils.selection import shortlisting
from utils.selection.listed_pool import MOST_OUT
from utils.strategies import STRATEGIES

COUNT, BATCH, MOST = 3000, 15, 200
UNSEEN = {"unseen": 1.0, "empty": 0.0, "labelled": 0}
BALANCE = "0.3,0.2,0.2,0.3"


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
            found = {
                "with a model": same(strategy, seed),
                "and a balance": same(strategy, seed, balance=BALANCE),
                "before there is one": same(strategy, seed, **UNSEEN),
                "by a pretrained one": same(strategy, seed, pretrained=True, **UNSEEN),
            }
            parts = ", ".join(f"{part:.4f} {when}" for when, part in found.items())
            print(f"{strategy}, seed {seed}: {parts}", flush=True)


def same(strategy: str, seed: int, balance: str = "", pretrained: bool = False, **pool) -> float:
    """The part of the images that both ways would hand out, each time from the same state."""
    with tempfile.TemporaryDirectory() as name:
        anna = Annotator(Path(name), strategy, seed, balance, COUNT, BATCH, **pool)
        if pretrained:
            anna.found_by_pretrained()
        common = 0
        batches = int(anna.list.listed.sum() * MOST_OUT) // BATCH
        for step in range(batches):
            short, whole = (anna.reserve(whole=way) for way in (False, True))
            common += len(image_set(short.rows) & image_set(whole.rows))
            anna.take(short, label=step % 2 == 1)
    return common / (BATCH * batches)


if __name__ == "__main__":
    main()
