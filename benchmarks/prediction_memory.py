"""Memory of create_predictions does not grow with the number of images: its peak for many images
against that for few.

    python benchmarks/prediction_memory.py [--model GRAPH.pb] [--few 200] [--many 10000]

The images are hard links to a few drawn photos of 640 x 480 pixels in a folder store. Without
--model, a small graph that finds coloured rectangles is run: its own memory is small, so that
growth shows. Wanted: at most 1.2 times.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "train", ROOT / "benchmarks", ROOT / "tests"):
    sys.path.insert(0, str(folder))

from prediction_speed import project

from utils.errors import run_program

PHOTOS = 20
WANTED = 1.2


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="a frozen graph")
    parser.add_argument("--few", type=int, default=200)
    parser.add_argument("--many", type=int, default=10_000)
    arguments = parser.parse_args(argv)
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or colour_graph(Path(folder) / "colours.pb")
        for count in (arguments.few, arguments.many):
            peaks[count] = peak(
                project(Path(folder) / f"{count}", model, None, count, (640, 480), PHOTOS).path
            )
            print(f"{count} images: {peaks[count] / 2**20:.0f} MB", flush=True)
    ratio = peaks[arguments.many] / peaks[arguments.few]
    print(
        f"peak of {arguments.many} images / peak of {arguments.few} images = {ratio:.2f} (wanted:"
        f" at most {WANTED})"
    )
    return 0 if ratio <= WANTED else 1


def colour_graph(path: Path) -> Path:
    """The tests' graph, written by a process of its own."""
    write = (
        "import sys; sys.path.insert(0, sys.argv[2]); from helpers_colour_graph import *;"
        " write_frozen_graph(Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", write, str(path), str(ROOT / "tests")], check=True)
    return path


def peak(config: Path) -> int:
    """Most bytes of memory that create_predictions.py held."""
    program = subprocess.Popen(
        [sys.executable, str(ROOT / "train" / "create_predictions.py"), str(config)],
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(program.pid, 0)
    if status:
        raise SystemExit(f"create_predictions.py failed ({status})")
    return usage.ru_maxrss * 1024


if __name__ == "__main__":
    run_program(main)
