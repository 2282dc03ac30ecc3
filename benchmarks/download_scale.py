"""Time and peak memory of `tag/download_vott_json.py 40 CONFIG` when totag lists a million images
in three million rows (about 350 MB).

    python benchmarks/download_scale.py         # 1 000 000 images; needs 1 GB of disk
    python benchmarks/download_scale.py --images 100000 --rounds 1

The container is made first: a folder store in which 1 % of the images are tagged, 500 are out, and
the images that come first (those of lowest confidence) lie as real JPEG files. Compared with the
plain way on the same file: pandas.read_csv, a set of the images that are gone, groupby, to_csv.
Both run as processes of their own; memory is the largest resident size, sampled 50 times a second.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from utils.images import decoding
from utils.labels import (
    assignments,
    tables,
)
from utils.labels.state import Change
from utils.labels.store import LabelStore
from utils.storage.folder import FolderContainer

BOXES = 3  # rows of an image
REAL = 3000  # images of lowest confidence, which exist as files
PLAIN = """
import sys
import pandas as pd
missing = {"box_confidence": "", "image_confidence": ""}
totag, tagging, tagged = (
    pd.read_csv(path, keep_default_na=False, na_values=missing) for path in sys.argv[1:4]
)
gone = set(zip(tagged["folder"], tagged["filename"]))
gone |= set(zip(tagging["folder"], tagging["filename"]))
free = totag[[pair not in gone for pair in zip(totag["folder"], totag["filename"])]]
first = free.groupby(["folder", "filename"])["image_confidence"].first().nsmallest(40).index
chosen = free.set_index(["folder", "filename"]).loc[first].reset_index()
pd.concat([tagging, chosen.assign(tagger="x", reserved_at="y")]).to_csv(sys.argv[4], index=False)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-plain", action="store_true", help="leave the comparison out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        state = make_container(folder, options.images)
        blobs = {
            name: folder / "labels" / state.blob(name) for name in ("totag", "tagging", "tagged")
        }
        print(
            f"{options.images} images, {options.images * BOXES} rows,"
            f" {blobs['totag'].stat().st_size / 1e6:.0f} MB of totag"
        )
        for number in range(options.rounds):
            (folder / "config.ini").write_text(
                "storage_url=.\nimage_container_name=images\nlabel_container_name=labels\nuser_folders=True\nfiletype=*.jpg\n"
                f"classes=animal,bird\nmin_confidence=0\ntagging_location=tag{number}\ntagger_name=person{number}\n",
                encoding="utf-8",
            )
            report(
                "download_vott_json.py 40",
                [
                    sys.executable,
                    ROOT / "tag" / "download_vott_json.py",
                    "40",
                    folder / "config.ini",
                ],
            )
        if not options.no_plain:
            report(
                "plain pandas", [sys.executable, "-c", PLAIN, *blobs.values(), folder / "plain.csv"]
            )


def make_container(folder: Path, count: int):
    """The folders images/ and labels/; returns the state."""
    draw = np.random.default_rng(0)
    picture = decoding.encode_jpeg(draw.integers(0, 255, (60, 80, 3), dtype=np.uint8))
    folders = [f"2026/station_{number % 50:02}" for number in range(count)]
    filenames = [f"IMG_{number:08}.JPG" for number in range(count)]
    for index in range(min(REAL, count)):
        path = folder / "images" / folders[index] / filenames[index]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    rows = count * BOXES
    low, size = draw.random((2, rows)) * 0.6, draw.random((2, rows)) * 0.4
    confidence = np.sort(draw.random(count).astype(np.float32)).astype(float)
    totag = tables.make(
        "totag",
        filename=np.repeat(filenames, BOXES),
        folder=np.repeat(folders, BOXES),
        height=np.full(rows, 60),
        width=np.full(rows, 80),
        class_=np.where(draw.random(rows) < 0.5, "animal", "bird"),
        **{
            name: values.astype(np.float32).astype(float).round(7)
            for name, values in (
                ("xmin", low[0]),
                ("xmax", low[0] + size[0]),
                ("ymin", low[1]),
                ("ymax", low[1] + size[1]),
            )
        },
        box_confidence=np.repeat(confidence, BOXES),
        image_confidence=np.repeat(confidence, BOXES),
    )
    (folder / "labels").mkdir(parents=True)
    store = LabelStore(FolderContainer(folder / "labels"), by="benchmark", user_folders=True)
    names = tables.blob_names(totag[:: BOXES * 100]).tolist()[1:]  # one image of a hundred
    out = tables.blob_names(totag[BOXES : BOXES * 1000 : 2 * BOXES]).tolist()
    tagged = tables.only(totag, names)[tables.COLUMNS["tagged"]]
    tagging = assignments.reserve(
        tables.empty("tagging"), totag, out, "somebody", datetime.now(UTC)
    )
    state, _ = store.commit(
        lambda state: Change({"totag": totag, "tagged": tagged, "tagging": tagging}),
        what="making the container",
    )
    return state


def report(what: str, command: list) -> None:
    """Run a process to its end, and print its time and peak memory."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peak = processor = 0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            peak = max(peak, watched.memory_info().rss)
            processor = sum(watched.cpu_times()[:2])
        except psutil.NoSuchProcess:
            break
        time.sleep(0.02)
    seconds = time.perf_counter() - start
    said = process.stdout.read().strip().splitlines()
    print(
        f"{what}: {seconds:.1f} s ({processor:.1f} s of processor), {peak / 1e9:.2f} GB"
        + (f"   ({said[-1]})" if said else "")
    )
    if process.returncode:
        raise SystemExit(f"{what} failed:\n" + "\n".join(said))


if __name__ == "__main__":
    main()
