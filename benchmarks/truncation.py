"""Cuts every file that the programs wrote to nothing, and to its half, as a power failure may, and
runs the next program.

    python benchmarks/truncation.py      # every file on a folder store, then caches
    python benchmarks/truncation.py --every 4                 # a sample: each fourth case

The program must finish as if nothing had happened, or say in one line what is wrong (then the file
is restored, and it must finish). In both cases the rules of the container hold afterwards, and
every box that was drawn is in tagged. Ends with exit code 1 when not.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labelling_project import (
    Driver,
    findings,
    leave_cycle,
    open_project,
    photo,
    review,
    store_lines,
    write_config,
    wrong_boxes,
)
from PIL import Image

from utils.config import load_config

BLOBS = [f"cam{number % 2}/img{number}.jpg" for number in range(12)]
STORE = "storage_url=store\nimage_container_name=images\nlabel_container_name=labels\n"
NOT_OURS = ("store/images/", "config.ini")  # written by the user
COMMANDS = {
    "download": ("tag/download_vott_json.py", "3"),
    "again": ("tag/download_vott_json.py", "3", "--again"),
    "upload": ("tag/upload_vott_json.py",),
    "status": ("tag/status.py", "--check"),
    "sync": ("train/initialize.py",),
    "begin": ("train/sync_images.py",),
    "repartition": ("train/repartition_test_set.py",),
    "publish": ("train/publish_cycle.py", "--anyway"),
}


@dataclass
class Outcome:
    """`cases`: how many files were cut, how often. `lines`: the one line that each refused case was
    answered with. `wrong`: faults.
    """

    cases: int = 0
    lines: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


class Project:
    """A project in a folder that can be copied as a whole: everything in its config is relative."""

    def __init__(self, folder: Path, driver: Driver, store: str = STORE):
        self.folder, self.driver = folder, driver
        self.config = folder / "config.ini"
        if not self.config.exists():
            for name in ("images", "labels"):
                (folder / "store" / name).mkdir(parents=True)
            write_config(
                self.config,
                store,
                tagger_name="anna",
                tagging_location="Tag",
                data_dir="data",
                train_iterations=1,
            )
        self.container, self.labels = open_project(self.config)

    def run(self, name: str) -> tuple[str, int]:
        program, *options = COMMANDS[name]
        return self.driver.run(
            program,
            *(options[:1] if "download" in program else []),
            self.config,
            *(options[1:] if "download" in program else options),
        )

    def finish(self, *names: str) -> None:
        for name in names:
            said, code = self.run(name)
            if code:
                raise RuntimeError(f"{name} ended with {code}: {said}")

    def written(self) -> list[str]:
        """The files of the project that the programs wrote, relative to it."""
        files = [
            path
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.stat().st_size
        ]
        return [
            name
            for name in (path.relative_to(self.folder).as_posix() for path in files)
            if not name.startswith(NOT_OURS)
        ]

    def faults(self, drawn: list[str]) -> list[str]:
        """What is not as it must be: rules, drawn boxes, images on the annotator's disk."""
        found = [str(finding) for finding in findings(self.labels)]
        found += [
            f"the box of {blob} is not in tagged"
            for blob in wrong_boxes(self.labels.table(self.labels.read(), "tagged"), drawn)
        ]
        for path in (self.folder / "Tag").glob("Images/*"):
            try:
                with Image.open(path) as image:
                    image.load()
            except OSError as error:
                found.append(f"{path.name} on the annotator's disk: {error}")
        return found


def stages(base: Project) -> Iterator[tuple[str, tuple[str, ...], list[str]]]:
    """Bring the project on, step by step: (what was done, the commands that may come next, the
    images whose boxes were uploaded).
    """
    for blob in BLOBS[:9]:
        base.container.write(blob, photo(blob))
    base.finish("sync")
    yield "sync", ("download", "status"), []
    base.finish("download")
    yield "download", ("again+upload",), []
    drawn = review(base.folder / "Tag")
    base.finish("upload")
    yield "upload", ("download", "sync", "repartition"), drawn
    for blob in BLOBS[9:]:
        base.container.write(blob, photo(blob))
    base.finish("sync", "repartition", "begin")
    leave_cycle(load_config(base.config), 1)
    yield "a cycle's steps 1 to 7", ("publish", "begin"), drawn
    base.finish("publish")
    yield "publish", ("publish", "download", "begin"), drawn


def cut_one(
    base: Project,
    name: str,
    share: float,
    then: str,
    drawn: list[str],
    place: Path,
    outcome: Outcome,
    case: str,
) -> None:
    """One case, on a copy of the project."""
    shutil.copytree(base.folder, place, copy_function=shutil.copy2)
    project = Project(place, base.driver)
    path = place / name
    whole = path.read_bytes()
    left = whole[: int(len(whole) * share)]
    os.truncate(path, len(left))
    steps = then.split("+")
    while steps:
        said, code = project.run(steps[0])
        lines = said.splitlines()
        if "Traceback" in said or code not in (0, 1, 2):
            outcome.wrong.append(f"{case}: {steps[0]}: {said[-500:]}")
            break
        # as it must be when nothing is lost
        if not code or steps[0] == "again" and "are not uploaded" in said:
            steps.pop(0)
            if steps == ["upload"]:
                try:
                    drawn = drawn + review(place / "Tag")
                except OSError as error:
                    outcome.wrong.append(f"{case}: an image on the annotator's disk: {error}")
                    break
            continue
        if path.exists() and path.read_bytes() == whole:
            outcome.wrong.append(f"{case}: {steps[0]} does not finish: {said[-300:]}")
            break
        outcome.lines[case] = lines[-1]
        if not lines[-1].startswith(Path(COMMANDS[steps[0]][0]).name) and steps[0] not in (
            "status",
            "upload",
        ):
            outcome.wrong.append(f"{case}: {steps[0]}: not one line: {said[-300:]}")
        path.write_bytes(whole)
    if path.exists() and path.read_bytes() == left:
        path.write_bytes(whole)  # nobody needed it, and `status.py --check` would name it
    outcome.wrong += [f"{case}: {fault}" for fault in project.faults(drawn)]
    shutil.rmtree(place)


def on_a_folder(folder: Path, every: int, say: Callable[[str], None] = print) -> Outcome:
    """Every file of a project in a folder store."""
    outcome, number = Outcome(), 0
    with Driver({**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}) as driver:
        base = Project(folder / "base", driver)
        before: dict[str, float] = {}
        for done, commands, drawn in stages(base):
            stamps = {name: (base.folder / name).stat().st_mtime_ns for name in base.written()}
            new = [name for name in stamps if before.get(name) != stamps[name]]
            before = stamps
            for name in new:
                for share in (0, 0.5):
                    for then in commands:
                        number += 1
                        if number % every:
                            continue
                        outcome.cases += 1
                        case = f"after {done}, {name} cut to {share:.0%}, then {then}"
                        known = len(outcome.wrong)
                        cut_one(base, name, share, then, drawn, folder / "copy", outcome, case)
                        for fault in outcome.wrong[known:]:
                            say(fault)
    return outcome


def on_azurite(folder: Path, store: str, every: int, say: Callable[[str], None] = print) -> Outcome:
    """What lies on the machine of a project in Azurite: fetched images, their journal, snapshots
    kept by name.
    """
    outcome, number = Outcome(), 0
    cache = folder / "home" / "cache"
    with Driver({**os.environ, "XDG_CACHE_HOME": str(cache)}) as driver:
        base = Project(folder / "home", driver, store)
        for blob in BLOBS:
            base.container.write(blob, photo(blob))
        base.finish("sync", "download")
        drawn = review(base.folder / "Tag")
        base.finish("upload")
        for name in base.written():
            if not name.startswith(("cache/", "data/")) or not (base.folder / name).exists():
                continue
            whole = (base.folder / name).read_bytes()
            for share in (0, 0.5):
                number += 1
                if number % every:
                    continue
                outcome.cases += 1
                os.truncate(base.folder / name, int(len(whole) * share))
                for then in ("sync", "status", "begin"):
                    said, code = base.run(then)
                    if code:
                        outcome.wrong.append(f"{name} cut to {share:.0%}, {then}: {said[-500:]}")
                outcome.wrong += [
                    f"{name} cut to {share:.0%}: {fault}" for fault in base.faults(drawn)
                ]
                if name.endswith(".jpg") and (base.folder / name).read_bytes() != whole:
                    outcome.wrong.append(f"{name} cut to {share:.0%} is not whole again")
        for fault in outcome.wrong:
            say(fault)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th case")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, store_lines("azurite", Path(place)) as new:
        folder = on_a_folder(Path(place) / "folder", options.every)
        azure = on_azurite(Path(place) / "azure", new(), options.every)
    for line in sorted({line.split(": ", 1)[-1][:150] for line in folder.lines.values()}):
        print(f"  said: {line}")
    print(
        f"folder: {folder.cases} cases, {len(folder.lines)} answered with one line,"
        f" {folder.cases - len(folder.lines)} finished at once, {len(folder.wrong)} faults;"
        f" Azurite: {azure.cases} cases, {len(azure.wrong)} faults"
    )
    return 1 if folder.wrong or azure.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
