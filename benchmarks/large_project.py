"""What an annotator's machine reads and needs in a large project on Azurite: bytes through a
counting proxy, peak memory and time of a hand-out of 40, an upload and a status, each on a machine
that has nothing in its cache; and what initialize writes for 1000 new images.

    python benchmarks/large_project.py --images 100000
    python benchmarks/large_project.py --images 1000000 --earlier WORKTREE     # paired times

1000 images are labelled, whatever the number of all: labels are read as a whole, as before. Each
image has three boxes and an embedding of 128 bytes. WORKTREE holds an earlier version of the
repository, which gets the same tables as CSV. Bytes are those of the label container, headers and
bodies, both ways; memory is the largest resident size of the process. Wanted: a hand-out of 40 at
most 8 MB and 300 MB, an upload 1 MB and 200 MB, a status 1 MB, 0.3 of the earlier time, initialize
writes at most 100 MB. Ends with 1 where something is missed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

import azurite
from helpers_proxy import through
from large_tables import make_project, picture

from train.cycle.shortlisting import publish_shortlist
from utils.config import load_config
from utils.labels import table_files, tables
from utils.labels.store import open_labels
from utils.labels.tables import blob_names, image_set, split_name
from utils.labels.taking_in import take_in
from utils.selection.shortlist import read_shortlist
from utils.storage.container import Blob
from utils.storage.folder import FolderContainer
from utils.storage.sync import Listing

NEW, COUNT = 1000, 40
HAND_OUT, UPLOAD, STATUS = (
    ("tag/download_vott_json.py", str(COUNT)),
    ("tag/upload_vott_json.py", "--all"),
    ("tag/status.py",),
)
_MOST = {"hand-out": (8e6, 300e6), "upload": (1e6, 200e6), "status": (1e6, 300e6)}
_WRITTEN = 100e6


class Project:
    """A label container with the tables of a pool, and configs of its machines."""

    def __init__(self, folder: Path, url: str, labels: str):
        self.folder, self.labels = folder, labels
        folder.mkdir(parents=True)
        self.config = load_config(self.machine("trainer", url))
        self.images, self.store = open_labels(self.config)

    def machine(self, tagger: str, url: str) -> Path:
        """The config of somebody who sees the account at `url`."""
        place = self.folder / tagger
        place.mkdir(exist_ok=True)
        text = (
            f"storage_url={url}\nAZURE_STORAGE_ACCOUNT={azurite.ACCOUNT}\n"
            f"AZURE_STORAGE_KEY={azurite.KEY}\nimage_container_name=images\n"
            f"label_container_name={self.labels}\nuser_folders=True\nfiletype=*.jpg\n"
            "classes=animal,bird,rare\nselection_strategy=hybrid\nrandom_share=0.1\n"
            f"max_per_burst=2\ntagger_name={tagger}\ntagging_location=tag\ndata_dir=data\n"
        )
        (place / "config.ini").write_text(text, encoding="utf-8")
        return place / "config.ini"

    def fill(self, folder: Path, as_csv: bool = False) -> None:
        """Put what lies in a folder store there; large tables as CSV for an earlier version."""
        source = FolderContainer(folder)
        document = json.loads((folder / "label_state.json").read_text())
        names = {}
        for blob in source.list():
            kind, _, ending = blob.name.rpartition("_")
            if blob.name == "label_state.json" or (as_csv and kind == "shortlist"):
                continue
            metadata = source.info(blob.name).metadata
            data = source.path_of(blob.name)
            if as_csv and blob.name.endswith(".parquet") and kind in tables.COLUMNS:
                frame = table_files.parse(kind, [data], blob.name)
                data = tables.to_csv(kind, frame, True)
                names[blob.name] = f"{kind}_{ending.partition('.')[0]}.csv"
                metadata = {"commit": metadata["commit"]}
            self.store.container.write(names.get(blob.name, blob.name), data, metadata=metadata)
        if as_csv:
            document["format"] = 1
            document["live"].pop("shortlist", None)
            document.pop("figures", None)
        document["tables"] = {
            table: names.get(blob, blob) for table, blob in document["tables"].items()
        }
        self.store.container.write("label_state.json", json.dumps(document).encode(), new=True)


def run(root: Path, config: Path, program: tuple[str, ...]) -> tuple[float, int]:
    """Run a program of a repository on a machine with an empty cache of its own, kept beside its
    config: seconds, and bytes of memory at most.
    """
    command = [sys.executable, str(root / program[0]), *program[1:], str(config)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(config.parent / "cache")}
    start = time.perf_counter()
    log = config.parent / "said.txt"
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environment)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _peak(process.pid))
        time.sleep(0.01)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text()}")
    return seconds, peak


def _peak(pid: int) -> int:
    """The largest resident size of a process so far, as Linux says it; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def counted(project: Project, url: str, missed: list[str]) -> None:
    """What each program reads and writes, and its memory."""
    with through(url) as proxy:
        config = project.machine("counted", proxy.url)
        for name, program in (("status", STATUS), ("hand-out", HAND_OUT), ("upload", UPLOAD)):
            machine = config
            if name == "status":
                machine = project.machine("looker", proxy.url)
            proxy.moved.clear()
            _, memory = run(ROOT, machine, program)
            moved = sum(proxy.moved.get(project.labels, [0]))
            print(f"{name}: {moved / 1e6:.2f} MB, memory {memory / 1e6:.0f} MB", flush=True)
            if moved > _MOST[name][0] or memory > _MOST[name][1]:
                missed.append(name)


def new_images(project: Project, url: str, missed: list[str]) -> None:
    """Take 1000 new images in, through the proxy."""
    names = [f"2026/new/IMG_{number:04}.JPG" for number in range(NEW)]
    there = project.folder / "new"
    for number, name in enumerate(names):
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(picture(number))
    container = FolderContainer(there)
    container.name = "images"
    with through(url) as proxy:
        config = load_config(project.machine("taker", proxy.url))
        _, store = open_labels(config)
        store.cache = project.store.cache
        store._snapshots.cache = project.store.cache
        images = project.store.table(store.read(), "images")
        known = [
            Blob(name, int(size), etag, datetime.now(UTC))
            for name, size, etag in zip(
                blob_names(images), images["bytes"], images["etag"], strict=True
            )
        ]
        proxy.moved.clear()
        listing = Listing([*known, *container.list()])
        present = {blob.name for blob in listing.blobs}
        start = time.perf_counter()
        take_in(config, container, store, listing, {}, present=present)
        seconds = time.perf_counter() - start
        first = proxy.moved[project.labels][0]
        said = publish_shortlist(config, store)
        written = proxy.moved[project.labels][0]
    print(
        f"initialize with {NEW} new images writes {written / 1e6:.1f} MB ({first / 1e6:.1f} MB of"
        f" tables in {seconds:.0f} s, the rest is the shortlist: {said})",
        flush=True,
    )
    if written > _WRITTEN:
        missed.append("initialize")


def paired(
    now: Project, before: Project, earlier: Path, url: str, pairs: int, missed: list[str]
) -> None:
    """Times of hand-outs by both versions, in turns, each by somebody new."""
    ratios = []
    for number in range(pairs):
        new, _ = run(ROOT, now.machine(f"new{number}", url), HAND_OUT)
        old, memory = run(earlier, before.machine(f"old{number}", url), HAND_OUT)
        ratios.append(new / old)
        print(
            f"hand-out: {new:.1f} s, earlier {old:.1f} s and {memory / 1e6:.0f} MB of memory",
            flush=True,
        )
    print(f"{np.median(ratios):.2f} of the earlier time", flush=True)
    if np.median(ratios) > 0.3:
        missed.append("time")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--earlier", type=Path, help="a worktree of the version to compare with")
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as name, azurite.running() as url:
        from azure.storage.blob import BlobServiceClient

        with BlobServiceClient(url, credential=azurite.KEY) as service:
            for container in ("images", "labels", "earlier"):
                service.create_container(container)
        made = Path(name) / "made"
        made.mkdir()
        config = make_project(made, options.images)
        start = time.perf_counter()
        said = publish_shortlist(load_config(config), open_labels(load_config(config))[1])
        print(f"{said}, made in {time.perf_counter() - start:.0f} s", flush=True)
        project = Project(Path(name) / "now", url, "labels")
        project.fill(made / "labels")
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda blob: put_picture(project, blob), wanted_images(project)))
        state = project.store.read()
        sizes = {
            table: project.store.container.info(blob).size / 1e6
            for table, blob in state.document["tables"].items()
        }
        print(", ".join(f"{table} {size:.1f} MB" for table, size in sizes.items()), flush=True)
        if options.earlier:
            before = Project(Path(name) / "before", url, "earlier")
            before.fill(made / "labels", as_csv=True)
            paired(project, before, options.earlier, url, options.pairs, missed)
        counted(project, url, missed)
        new_images(project, url, missed)
    print("missed: " + (", ".join(missed) or "nothing"))
    return bool(missed)


def put_picture(project: Project, blob: str) -> None:
    project.images.write(blob, picture(int(split_name(blob)[1][4:12])))


def wanted_images(project: Project) -> list[str]:
    """The images that may be handed out next: those on the shortlist."""
    path = project.store.checked_file(project.store.read().live["shortlist"])
    made = read_shortlist(path)
    return sorted(image_set(made.images[made.listed]))


if __name__ == "__main__":
    sys.exit(main())
