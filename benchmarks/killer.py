"""Kills the programs with SIGKILL at random moments. After each kill `status.py --check` is clean,
and the same command run again finishes. An upload that is killed just before it counts has left
work that --check finds; it is in the labels when it was run again.

    python benchmarks/killer.py                      # 200 kills over six programs on a folder store
    python benchmarks/killer.py --kills 40 --store azurite --seed 7

Programs: download, upload, publish (train/publish_cycle.py with files as the steps before leave
them), repartition, sync (initialize.py and sync_images.py), change_classes. A run that ended before
its kill counts as no kill. Ends with exit code 1 when something was wrong.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from labelling_project import (
    findings,
    leave_cycle,
    open_project,
    photo,
    review,
    start,
    store_lines,
    write_config,
    wrong_boxes,
)

from utils.config import load_config
from utils.labels.class_changes import CHANGED_TABLES
from utils.labels.pool import pool_of
from utils.labels.tables import image_set

COUNT = 5  # images of a batch
_NOT_YET = "5 images have work in tagged_"
COMMANDS = {
    "download": ("tag/download_vott_json.py", str(COUNT)),
    "upload": ("tag/upload_vott_json.py",),
    "publish": ("train/publish_cycle.py", "--anyway"),
    "repartition": ("train/repartition_test_set.py",),
    "sync": ("train/initialize.py",),
    "begin": ("train/sync_images.py",),
    "change_classes": ("tag/change_classes.py",),
}


class Killer:
    """One project that programs are killed on. `wrong`: what was not as it must be; `kills` by
    program. `host`: see `start`.
    """

    def __init__(self, store: str, folder: Path, seed: int, host: str | None = None):
        self.folder, self.random, self.host = folder, random.Random(seed), host
        self.config = write_config(
            folder / "config.ini",
            store,
            tagger_name="anna",
            tagging_location="Tag",
            train_iterations=1,
        )
        self.loaded = load_config(self.config)
        self.container, self.labels = open_project(self.config)
        self.wrong: list[str] = []
        self.kills: Counter = Counter()
        self.seconds: dict[str, float] = {}  # how long a whole run takes, learnt from runs
        self.reviewed: list[str] = []
        self.names = {"bird": "bird"}  # classes as they are drawn, and their names by now
        self.number = self.images = self.cycles = self.tested = 0
        self.add_images(40)
        self.finish("sync")
        self.seconds.clear()  # a host may have loaded meanwhile
        for _ in range(3):
            self.finish("download")
            self.reviewed += review(self.folder / "Tag")
            self.finish("upload")

    def add_images(self, count: int) -> None:
        for _ in range(count):
            blob = f"cam{self.images % 3}/img{self.images // 3:04}.jpg"
            self.container.write(blob, photo(blob))
            self.images += 1

    def once(self, name: str) -> None:
        """Bring the project into a state in which the command has something to do, kill it, check,
        and run it again.
        """
        arguments = self.prepare(name)
        began = time.monotonic()
        process = self.start(name, arguments)
        try:
            text, _ = process.communicate(
                timeout=self.seconds.get(name, 3.0) * self.random.uniform(0.2, 1.1)
            )
            killed = False
            self._learn(name, time.monotonic() - began)
        except subprocess.TimeoutExpired:
            process.kill()
            text, _ = process.communicate()
            killed = process.returncode < 0
        if not killed and process.returncode:
            self.wrong.append(f"{name}: exit {process.returncode}: {text.strip()[-400:]}")
        self.kills[name] += killed
        check = start("tag/status.py", self.config, "--check", cache=self.folder, host=self.host)
        text, _ = check.communicate()
        if check.returncode and not (name == "upload" and killed and _NOT_YET in text):
            self.wrong.append(f"after a kill of {name}: {text.strip()[-400:]}")
        if killed:
            self.finish(name, arguments)
        self.wrong += [
            f"after {name} was run again: {finding}" for finding in findings(self.labels)
        ]
        self.verify(name)

    def prepare(self, name: str) -> list[str]:
        """What must be so before the command, and its further arguments."""
        self.number += 1
        if name == "repartition":  # new labels, of which no model knows
            self.prepare("upload")
            self.finish("upload")
        state = self.labels.read()
        out = self.labels.table(state, "tagging")
        self.cycles, self.tested = (
            len(state.cycles),
            len(image_set(self.labels.table(state, "test"))),
        )
        if name == "download":
            if len(image_set(pool_of(self.labels, state))) < 2 * COUNT:
                self.add_images(20)
                self.finish("sync")
            if len(out):
                self.reviewed += review(self.folder / "Tag")
                self.finish("upload")
        elif name == "upload":
            if not len(out):
                self.prepare("download")
                self.finish("download")
            self.reviewed += review(self.folder / "Tag")
        elif name in ("sync", "begin"):
            self.add_images(3)
        elif name == "publish":
            self.make_cycle()
        elif name == "change_classes":
            old = self.names["bird"]
            self.names["bird"] = "bird" if old == "gull" else "gull"
            return ["--rename", f"{old}={self.names['bird']}"]
        return []

    def make_cycle(self) -> None:
        """The files that steps 1 to 7 of a training cycle leave behind, without the training."""
        self.finish("begin")
        leave_cycle(self.loaded, self.number)

    def verify(self, name: str) -> None:
        """What the command was to do is done."""
        state = self.labels.read()
        tagged, out = self.labels.table(state, "tagged"), self.labels.table(state, "tagging")
        if name == "download":
            on_disk = len(list((self.folder / "Tag" / "Images").iterdir()))
            if (len(image_set(out)), on_disk) != (COUNT, COUNT):
                self.wrong.append(
                    f"download: {len(image_set(out))} images are reserved, {on_disk} on disk"
                )
        self.wrong += [
            f"{name}: the box of {blob} is not in tagged"
            for blob in wrong_boxes(tagged, self.uploaded(out), self.names)
        ]
        if name == "upload" and (left := image_set(out) & set(self.reviewed)):
            self.wrong.append(f"upload: {len(left)} reviewed images are out still")
        if name in ("sync", "begin"):
            known = image_set(self.labels.table(state, "images"))
            if name == "sync" and len(known) != self.images:
                self.wrong.append(f"sync: {len(known)} of {self.images} images are known")
        if name == "publish":
            models = [cycle["model"] for cycle in state.cycles]
            if (
                len(models) != self.cycles + 1
                or len(set(models)) != len(models)
                or models[-1] != state.live["model"]
            ):
                self.wrong.append(
                    f"publish: {len(models) - self.cycles} cycles were added, not one with the live"
                    " model"
                )
        tested = len(image_set(self.labels.table(state, "test")))
        if tested < self.tested or name == "repartition" and not tested:
            self.wrong.append(f"{name}: the test set has {tested} images, {self.tested} before")
        if name == "change_classes":
            classes = {
                table: set(self.labels.table(state, table)["class"]) for table in CHANGED_TABLES
            }
            self.wrong += [
                f"change_classes: {table} has the old class still"
                for table, present in classes.items()
                if present & {"bird", "gull"} - {self.names["bird"]}
            ]

    def uploaded(self, out) -> list[str]:
        held = image_set(out)
        return [blob for blob in dict.fromkeys(self.reviewed) if blob not in held]

    def finish(self, name: str, arguments: list[str] = ()) -> None:
        """Run a command to its end."""
        began = time.monotonic()
        process = self.start(name, arguments)
        text, _ = process.communicate()
        self._learn(name, time.monotonic() - began)
        done_before = (
            name == "download" and "images of the batch of" in text and "are not uploaded" in text
        )  # killed after its last write
        if process.returncode and not done_before:
            self.wrong.append(
                f"{name}, run to its end: exit {process.returncode}: {text.strip()[-400:]}"
            )

    def _learn(self, name: str, seconds: float) -> None:
        self.seconds[name] = 0.7 * self.seconds.get(name, seconds) + 0.3 * seconds

    def start(self, name: str, arguments: list[str] = ()) -> subprocess.Popen:
        program, *options = COMMANDS[name]
        return start(program, *options, self.config, *arguments, cache=self.folder, host=self.host)


def hunt(
    kind: str, kills: int, seed: int, say=print, most: int = 10, host: str | None = None
) -> Killer:
    """Kill until it was done `kills` times; stops early after `most` faults. `host`: see
    `start`.
    """
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place,
        store_lines(kind, Path(place)) as new,
    ):
        killer = Killer(new(), Path(place) / "project", seed, host)
        names = list(COMMANDS)
        while killer.kills.total() < kills and len(killer.wrong) < most:
            before = len(killer.wrong)
            name = (
                names[killer.number % len(names)]
                if killer.random.random() < 0.5
                else killer.random.choice(names)
            )
            killer.once(name)
            for fault in killer.wrong[before:]:
                say(fault)
            if killer.kills.total() % 20 == 0:
                say(f"{killer.kills.total()} kills: {dict(killer.kills)}")
    return killer


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--store", choices=["folder", "azurite"], default="folder")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    killer = hunt(options.store, options.kills, options.seed)
    each = ", ".join(f"{name} {count}" for name, count in killer.kills.items())
    print(f"{killer.kills.total()} kills ({each}), {len(killer.wrong)} faults")
    return 1 if killer.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
