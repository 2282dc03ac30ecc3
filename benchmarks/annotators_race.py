"""Eight annotators download 25 of 400 images at the same moment, review, and upload at the same
moment, while a ninth process publishes training cycles (all but the training) again and again.
After every round: the rules of the container hold, everybody got exactly 25, every drawn box is in
tagged.

    python benchmarks/annotators_race.py           # 20 rounds each on a folder and on Azurite
    python benchmarks/annotators_race.py --rounds 2 --stores folder

Ends with exit code 1 when a rule was broken or a retry loop took longer than 30 s. The programs are
the real ones, started by this file so that it can time their commits (reading the state, changing
it, losing races, trying again) apart from starting Python eight times at once.
"""

import argparse
import atexit
import io
import re
import runpy
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from labelling_project import (
    ROOT,
    check_step,
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

from train.cycle.files import begin_cycle
from utils.config import load_config
from utils.files import write_bytes
from utils.labels.check import CHECKED, check_tables
from utils.labels.pool import pool_of
from utils.labels.tables import image_set, to_csv
from utils.times import utc_text

LONGEST = 30  # seconds


@dataclass
class Round:
    """What one round showed: what was wrong, seconds of the longest download and upload (the
    program, and its retry loop), the most tries of one commit, and how often predictions were
    published.
    """

    wrong: list[str]
    download: tuple[float, float]
    upload: tuple[float, float]
    tries: int
    published: int

    @property
    def longest(self) -> float:
        """Seconds of the longest retry loop."""
        return max(self.download[1], self.upload[1])


def play(
    store: str,
    folder: Path,
    people: int = 8,
    count: int = 25,
    images: int = 400,
    host: str | None = None,
) -> Round:
    """One round in new containers (`store`: the lines of a config that name them). `host`: see
    `start`.
    """
    trainer = write_config(
        folder / "trainer" / "config.ini",
        store,
        tagger_name="trainer",
        data_dir=folder / "trainer" / "data",
    )
    container, labels = open_project(trainer)
    blobs = [f"cam{number % 4}/img{number // 4:03}.jpg" for number in range(images)]
    for blob in blobs:
        container.write(blob, photo(blob))
    process = start("train/initialize.py", trainer, cache=folder / "trainer", host=host)
    wrong = [f"initialize: {text}" for text in process.communicate()[:1] if process.returncode]
    configs = [
        write_config(
            folder / f"person{number}" / "config.ini",
            store,
            tagger_name=f"person{number}",
            tagging_location="Tag",
        )
        for number in range(people)
    ]

    stop = folder / "stop"
    publisher = start(
        "benchmarks/annotators_race.py",
        "--publish",
        trainer,
        stop,
        cache=folder / "trainer",
        host=host,
    )
    try:
        download, tries, said = _all_at_once(host, "tag/download_vott_json.py", configs, str(count))
        wrong += [f"download: {text}" for text in said]
        seen = {
            config: review(config.parent / "Tag")
            for config in configs
            if (config.parent / "Tag" / "Images.json").exists()
        }
        wrong += [
            f"{config.parent.name} got {len(got)} images"
            for config, got in seen.items()
            if len(got) != count
        ]
        everything = [blob for got in seen.values() for blob in got]
        if len(set(everything)) != people * count:
            wrong.append(
                f"{len(everything)} images were handed out, {len(set(everything))} different ones"
            )
        state = labels.read()
        if held := image_set(labels.table(state, "tagging")) ^ set(everything):
            wrong.append(f"{len(held)} images are reserved and not on disk, or the other way round")
        wrong += [str(finding) for finding in findings(labels)]
        upload, more, said = _all_at_once(host, "tag/upload_vott_json.py", configs)
        wrong += [f"upload: {text}" for text in said]
    finally:
        stop.touch()
        text, _ = publisher.communicate(timeout=120)
    if publisher.returncode:
        wrong.append(f"publisher: {text.strip()[-300:]}")
    state = labels.read()
    tagged = labels.table(state, "tagged")
    wrong += [f"the box of {blob} is not in tagged" for blob in wrong_boxes(tagged, everything)]
    if (
        image_set(tagged) != set(everything)
        or len(labels.table(state, "tagging"))
        or len(labels.table(state, "conflicts"))
    ):
        wrong.append(
            f"{len(image_set(tagged))} images are tagged, {len(labels.table(state, 'tagging'))}"
            " rows are out still"
        )
    if image_set(pool_of(labels, state)) != set(blobs) - set(everything):
        wrong.append("the images to tag are not those that nobody had")
    wrong += [str(finding) for finding in findings(labels)]
    return Round(
        wrong,
        download,
        upload,
        max(tries, more),
        int(text.split()[-1]) if not publisher.returncode else 0,
    )


def publish(path: Path, stop: Path) -> None:
    """Publish cycles whose labels were read half a second before, as train/publish_cycle.py does,
    until the file `stop` is there; print how often. Leaves with an error when a state differs from
    an earlier one in a way that the rules forbid.
    """
    sys.path.append(str(ROOT / "train"))
    import sync_images

    from train.cycle.outputs import CycleOutputs
    from train.cycle.publishing import publish

    config = load_config(path)
    _, labels = open_project(path)
    times, previous = 0, None
    with redirect_stdout(io.StringIO()):
        # the images stay the same, so the next cycles begin with the labels alone
        sync_images.main([str(path)])
        while not stop.exists():
            state = labels.read()
            for table, file in (("tagged", config.tagged_output), ("test", config.test_output)):
                write_bytes(file, to_csv(table, labels.table(state, table), config.user_folders))
            begin_cycle(
                config,
                base=state.commit,
                base_tables=state.document["tables"],
                started_at=utc_text(datetime.now(UTC)),
            )
            leave_cycle(config, times)
            time.sleep(0.5)
            publish(config, labels, CycleOutputs.read(config))
            times += 1
            state = labels.read()
            present = {name: labels.table(state, name) for name in CHECKED}
            broken = check_tables(present) + (
                check_step(previous, present, 72, datetime.now(UTC)) if previous else []
            )
            if broken or len(state.cycles) != times:
                sys.exit(
                    "; ".join(map(str, broken))
                    or f"{len(state.cycles)} cycles are there, {times} were published"
                )
            previous = present
    print(f"published {times}")


def run_timed(program: str, arguments: list[str]) -> None:
    """Run a program of this repository in this process; its last line says how long the longest
    commit took, and its tries.
    """
    from utils.labels.store import LabelStore

    commit, taken = LabelStore.commit, [(0.0, 0)]

    def timed(self, change, **options):
        began, tries = time.monotonic(), []
        try:
            return commit(self, lambda state: (tries.append(1), change(state))[1], **options)
        finally:
            taken.append((time.monotonic() - began, len(tries)))

    LabelStore.commit = timed
    atexit.register(
        lambda: print(
            f"longest commit {max(taken)[0]:.2f} s, {max(tries for _, tries in taken)} tries"
        )
    )
    path = ROOT / program
    sys.argv, sys.path[0] = [str(path), *arguments], str(path.parent)
    runpy.run_path(str(path), run_name="__main__")


def _all_at_once(
    host: str | None, program: str, configs: list[Path], *arguments: str
) -> tuple[tuple[float, float], int, list[str]]:
    """Run a program for everybody at the same moment: (longest program and commit in seconds), most
    tries, what those that failed said.
    """
    said: list[str] = []
    spent: list[tuple[float, float, int]] = []

    def one(config: Path) -> None:
        began = time.monotonic()
        process = start(
            "benchmarks/annotators_race.py",
            "--timed",
            program,
            *arguments,
            config,
            cache=config.parent,
            host=host,
        )
        text, _ = process.communicate()
        if process.returncode:
            said.append(f"{config.parent.name}: exit {process.returncode}: {text.strip()[-300:]}")
        seconds, tries = re.search(r"longest commit ([\d.]+) s, (\d+) tries", text).groups()
        spent.append((time.monotonic() - began, float(seconds), int(tries)))

    threads = [threading.Thread(target=one, args=(config,)) for config in configs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    programs, commits, tries = zip(*spent, strict=True)
    return (max(programs), max(commits)), max(tries), said


def race(
    kind: str, rounds: int, say: Callable[[str], None] = print, host: str | None = None
) -> list[Round]:
    """Several rounds on one kind of store ("folder" or "azurite"). `host`: see `start`."""
    played = []
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place,
        store_lines(kind, Path(place)) as new,
    ):
        for number in range(1, rounds + 1):
            result = play(new(), Path(place) / str(number), host=host)
            say(
                f"{kind}, round {number}: longest download {result.download[0]:.1f} s (commit"
                f" {result.download[1]:.1f}), upload {result.upload[0]:.1f} s (commit"
                f" {result.upload[1]:.1f}), {result.tries} tries, published {result.published}"
                " times; " + ("; ".join(result.wrong) or "all rules hold")
            )
            played.append(result)
    return played


def main() -> int:
    if sys.argv[1:2] == ["--publish"]:
        publish(Path(sys.argv[2]), Path(sys.argv[3]))
        return 0
    if sys.argv[1:2] == ["--timed"]:
        run_timed(sys.argv[2], sys.argv[3:])
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--stores", default="folder,azurite")
    options = parser.parse_args()
    rounds = [result for kind in options.stores.split(",") for result in race(kind, options.rounds)]
    bad = sum(bool(result.wrong) for result in rounds)
    slowest = max(result.longest for result in rounds)
    print(
        f"{len(rounds)} rounds, {bad} with a broken rule; longest retry loop {slowest:.1f} s (bound"
        f" {LONGEST} s); {sum(result.published for result in rounds)} publications"
    )
    return 1 if bad or slowest > LONGEST else 0


if __name__ == "__main__":
    sys.exit(main())
