"""Two annotators download, review and upload through a proxy that spoils every sixth answer of the
storage: it delays, ends the connection before or after the service wrote, cuts in mid-body, lies
about lengths, answers 403, 412, 500 and 503. Each program is started again until it has done its
work, as a person would.

    python benchmarks/bad_line.py                 # 20 projects on Azurite
    python benchmarks/bad_line.py --rounds 2

A program must succeed, or end with exit code 1 and one line. After each project the rules of the
container hold, everybody got as many images as asked for, each whole on the annotator's disk, and
every drawn box is in tagged. Ends with exit code 1 when not.
"""

import argparse
import os
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers_proxy import CODES, Fault, through
from labelling_project import (
    Driver,
    findings,
    open_project,
    photo,
    review,
    store_lines,
    write_config,
    wrong_boxes,
)

from utils.labels.tables import image_set

PEOPLE, COUNT, IMAGES = ("anna", "bert"), 5, 12
KINDS = (
    *((kind, 500) for kind in ("delay", "lost request", "lost answer", "cut", "short", "lie")),
    *(("status", code) for code in CODES),
)
SPOILT = 1 / 6  # of the requests
MOST_STARTS = 30  # of one program


@dataclass
class Played:
    """What one project showed: `starts` of the programs, the `lines` that the unlucky ones ended
    with, `spoilt` answers, and faults.
    """

    starts: int = 0
    spoilt: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def play(store: str, url: str, folder: Path, seed: int) -> Played:
    """One project in new containers (`store`: the lines of a config that name them in the account
    at `url`).
    """
    played, chance = Played(), random.Random(seed)
    owner = write_config(folder / "owner" / "config.ini", store, data_dir=folder / "owner" / "data")
    container, labels = open_project(owner)
    for number in range(IMAGES):
        blob = f"cam{number % 2}/img{number:02}.jpg"
        container.write(blob, photo(blob))
    with Driver({**os.environ, "XDG_CACHE_HOME": str(folder / "owner" / "cache")}) as driver:
        said, code = driver.run("train/initialize.py", owner)
    if code:
        raise RuntimeError(said)
    drawn: list[str] = []
    with through(url) as proxy:
        for person in PEOPLE:
            config = write_config(
                folder / person / "config.ini",
                store.replace(url, proxy.url),
                tagger_name=person,
                tagging_location="Tag",
            )
            proxy.faults = [
                Fault(
                    kind,
                    lambda *_: chance.random() < SPOILT / len(KINDS),
                    sys.maxsize,
                    status=status,
                )
                for kind, status in KINDS
            ]
            with Driver({**os.environ, "XDG_CACHE_HOME": str(folder / person / "cache")}) as driver:
                _until_done(driver, played, "tag/download_vott_json.py", COUNT, config)
                try:
                    seen = review(folder / person / "Tag")
                except (OSError, KeyError) as error:
                    played.wrong.append(f"what {person} got cannot be reviewed: {error!r}")
                    continue
                if len(set(seen)) != COUNT:
                    played.wrong.append(f"{person} got {sorted(seen)}")
                drawn += seen
                _until_done(driver, played, "tag/upload_vott_json.py", config)
            played.spoilt.update(
                {
                    fault.kind if fault.kind != "status" else str(fault.status): fault.met
                    for fault in proxy.faults
                }
            )
    state = labels.read()
    played.wrong += [str(finding) for finding in findings(labels)]
    played.wrong += [
        f"the box of {blob} is not in tagged"
        for blob in wrong_boxes(labels.table(state, "tagged"), drawn)
    ]
    if image_set(labels.table(state, "tagged")) != set(drawn) or len(
        labels.table(state, "tagging")
    ):
        played.wrong.append("other images are tagged or out than those that were reviewed")
    return played


def _until_done(driver: Driver, played: Played, program: str, *arguments) -> None:
    """Start the program until it ends well; what it says on the way must be one line each time."""
    for _ in range(MOST_STARTS):
        said, code = driver.run(program, *arguments)
        played.starts += 1
        if not code:
            return
        line = said.splitlines()[-1] if said else ""
        played.lines.append(line)
        if (
            "Traceback" in said
            or code not in (1, 2)
            or not line.startswith(f"{Path(program).name}:")
        ):
            played.wrong.append(f"{program} ended with {code}: {said[-500:]}")
            return
    played.wrong.append(f"{program} did not end well in {MOST_STARTS} starts; the last: {line}")


def rounds(number: int) -> Iterator[Played]:
    """So many projects, each with new containers."""
    with tempfile.TemporaryDirectory() as place, store_lines("azurite", Path(place)) as new:
        for seed in range(number):
            store = new()
            yield play(
                store, re.search(r"storage_url=(.*)", store)[1], Path(place) / str(seed), seed
            )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    all_played = []
    for played in rounds(parser.parse_args().rounds):
        all_played.append(played)
        print(
            f"project {len(all_played)}: {played.spoilt.total()} spoilt answers, {played.starts}"
            f" starts, {len(played.wrong)} faults",
            *played.wrong,
            sep="\n  ",
            flush=True,
        )
    for line, times in Counter(
        re.sub(r"\S*\d\S*", "…", line) for played in all_played for line in played.lines
    ).most_common(12):
        print(f"  said {times} times: {line[:170]}")
    spoilt = sum((played.spoilt for played in all_played), Counter())
    kinds = ", ".join(f"{kind} {times}" for kind, times in spoilt.items())
    wrong = sum(len(played.wrong) for played in all_played)
    print(
        f"{len(all_played)} projects, {spoilt.total()} spoilt answers ({kinds}),"
        f" {sum(played.starts for played in all_played)} starts of {4 * len(all_played)} programs,"
        f" {wrong} faults"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
