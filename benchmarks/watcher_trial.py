"""The loop that runs by itself, with a real training: two annotators upload while it runs, cycles
happen by themselves, the watcher is killed in every step, and labels that were mixed up make a
worse model, which must not go live.

    python benchmarks/watcher_trial.py      # all of it: 20 minutes on two cores
    python benchmarks/watcher_trial.py --stores folder --parts kills

Parts: `kills` (three small cycles; the first shows how long each of the nine steps takes, from the
second on the watcher is killed with kill -9 once in each, from the third on it is told to stop once
in each, after a share of that time that --seed draws), `poison` (a real training, then one on
labels whose boxes were given to other images). Ends with exit code 1 when a rule was broken, a step
was never hit, or a training that had noted a checkpoint did not go on from it.
"""

import argparse
import os
import queue
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

# also makes the tests' helpers importable
from labelling_project import (
    ROOT,
    findings,
    open_project,
    store_lines,
    write_config,
)

from train.cycle.steps import TRAINING, name_of
from utils.labels import tables
from utils.labels.lease import IDLE, read_watcher
from utils.labels.pool import pool_of
from utils.labels.state import Change
from utils.labels.tables import image_set, only, without
from utils.reserved import NULL

from helpers_programs import done, photos, put, review  # isort: skip

SETTINGS = dict(
    classes="knot,crack",
    data_dir="data",
    model_name="faster_rcnn_resnet18_fpn",
    fine_tune_checkpoint="scratch",
    warm_start="True",
    batch_size="2",
    min_tile_size="64",
    max_tile_size="128",
    test_percentage="0.3",
    min_confidence="0.01",
    tagger_name="anna",
    tagging_location="Tag",
    auto_poll_seconds="1",
)
STEPS = tuple(map(name_of, TRAINING))
PATIENCE = 1800  # seconds
PEOPLE = ("anna", "bob")
# the cycle from which on the watcher is ended in this way
FIRST = {
    signal.SIGKILL: 2,
    signal.SIGTERM: 3,
}
SHARES = (0.1, 0.8)  # of the time that a step takes
IN_TRAINING = (0.65, 0.85)  # of the time of train_detector: what comes before is loading
ITERATIONS = 90
MORE_CYCLES = 2  # in which steps are hit that had ended too early for it


@dataclass
class Trial:
    """What happened: faults, finished cycles, the steps in which the watcher was killed and
    stopped, and the steps of training at which an interrupted run went on.
    """

    wrong: list[str] = field(default_factory=list)
    cycles: int = 0
    killed: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    resumed: list[int] = field(default_factory=list)


class Watched:
    """A project with a watcher as a process, whose output is in the file `log`."""

    def __init__(self, store: str, folder: Path, **settings):
        self.config = write_config(folder / "config.ini", store, **{**SETTINGS, **settings})
        self.people = [
            write_config(
                folder / name / "config.ini", store, **{**SETTINGS, **settings, "tagger_name": name}
            )
            for name in PEOPLE
        ]
        self.container, self.labels = open_project(self.config)
        self.folder, self.log = folder, folder / "watcher.log"
        self.process: subprocess.Popen | None = None
        self.seen: set[str] = set()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "train" / "watch.py"), str(self.config)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            )

    def phase(self) -> tuple[str, str | None, str | None]:
        """What it is doing, since when, and which watcher says so."""
        document = read_watcher(self.labels.container) or {}
        return document.get("phase", ""), document.get("phase_since"), document.get("holder")

    def finished(self) -> int:
        """Cycles that were published or kept as a candidate."""
        state = self.labels.read()
        self.seen |= {
            entry["id"] for entry in [*state.cycles, state.document.get("candidate") or {}] if entry
        }
        return len(self.seen)

    def label(self, drawn: list, count: int, config: Path | None = None) -> None:
        """What an annotator does: download, review, upload."""
        config = config or self.config
        done("tag/download_vott_json.py", count, config)
        review(config, drawn)
        done("tag/upload_vott_json.py", config)

    def checkpoint(self) -> int | None:
        """The step at which the unfinished training goes on; None when it begins anew."""
        for file in self.folder.glob("data/training/run-*/checkpoint"):
            return int(re.match(r'model_checkpoint_path: "ckpt-(\d+)"', file.read_text())[1])
        return None

    def _is_of_it(self, words: list[str]) -> bool:
        """Whether this is the command line of a step, or of the process whose fork one is."""
        if "train.cycle.host" in words:
            return words[-1] == str(self.process.pid)
        return str(self.config) in words and any(step in " ".join(words) for step in STEPS)

    def leftovers(self) -> list[str]:
        """Steps that outlived their watcher."""
        time.sleep(0.5)
        return [
            " ".join(process.info["cmdline"])
            for process in psutil.process_iter(["cmdline", "status"])
            if self._is_of_it(process.info["cmdline"] or [])
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ]

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def run(
    kind: str,
    folder: Path,
    cycles: int = 3,
    killed: tuple[str, ...] = (),
    stopped: tuple[str, ...] = (),
    batch: int = 8,
    iterations: int = 2,
    seed: int = 1,
    say=lambda text: None,
) -> Trial:
    """Cycles by themselves on one kind of store. `killed`: the steps in which the watcher is killed
    (SIGKILL) and started again; `stopped`: those in which it is told to stop (SIGTERM).
    """
    drawn, trial, chance = (
        photos((cycles + MORE_CYCLES) * batch + 6),
        Trial(),
        random.Random(f"{seed} {kind}"),
    )
    with store_lines(kind, folder) as new:
        watched = Watched(
            new(), folder / "project", auto_retrain_images=batch, train_iterations=iterations
        )
        put(watched.container, drawn[:-2], folder)
        done("train/active_learning_initialize.sh", watched.config)
        watched.start()
        hits = Hits(
            {
                signal.SIGKILL: (set(killed), trial.killed),
                signal.SIGTERM: (set(stopped), trial.stopped),
            },
            chance,
        )
        began, rounds = time.monotonic(), 0
        work = [queue.Queue() for _ in watched.people]
        annotators = [
            threading.Thread(
                target=_annotate, args=(watched, drawn, batch // len(PEOPLE), *pair, trial, folder)
            )
            for pair in zip(watched.people, work, strict=True)
        ]
        for annotator in annotators:
            annotator.start()
        try:
            while (
                watched.finished() < cycles + (MORE_CYCLES if hits.left() else 0)
                and time.monotonic() - began < 2 * PATIENCE
                and not trial.wrong
            ):
                number, phase = len(watched.seen), watched.phase()
                # a batch before the first cycle, and one while each cycle trains
                wanted = number + 1 + (phase[0] in STEPS[3:-2])
                if rounds < min(
                    wanted, cycles + (MORE_CYCLES if number >= cycles and phase[0] == IDLE else 0)
                ):
                    rounds += 1
                    for tasks in work:
                        tasks.put(rounds)
                if watched.process.poll() is not None:
                    trial.wrong.append(
                        f"the watcher ended by itself with exit code {watched.process.returncode}"
                    )
                elif how := hits.due(phase, number + 1):
                    say(f"{kind}: {how.name} in {phase[0]} {hits.when(phase[0])}")
                    _end(watched, how, phase[0], trial)
                    if (
                        phase[0] == "train_detector"
                        and (goes_on_at := watched.checkpoint()) is not None
                    ):
                        trial.resumed.append(goes_on_at)
                    elif phase[0] == "train_detector" and how == signal.SIGTERM:
                        hits.later(how, phase[0])  # it was still loading
                    watched.start()
                time.sleep(0.05)
        finally:
            for tasks in work:
                tasks.put(None)
            for annotator in annotators:
                annotator.join(PATIENCE)
            watched.process.send_signal(signal.SIGTERM)
            # the last one may not have begun yet
            if watched.process.wait(PATIENCE) not in (
                0,
                -signal.SIGTERM,
            ):
                trial.wrong.append(f"the watcher's last exit code is {watched.process.returncode}")
        trial.cycles = watched.finished()
        if watched.labels.read().document.get("candidate"):  # such models are good or bad by chance
            done("train/active_learning_auto.sh", watched.config, "--accept")
        _check(
            watched,
            {photo.blob for photo in drawn},
            rounds * (batch // len(PEOPLE)) * len(PEOPLE),
            trial,
        )
        trial.wrong += [
            *hits.left(),
            *[f"{trial.cycles} cycles, not {cycles}"] * (trial.cycles < cycles),
        ]
        if "train_detector" in trial.stopped and not trial.resumed:
            trial.wrong.append("no training was stopped so late that it could go on")
        trial.wrong += [
            f"the training that was interrupted at step {step} did not go on there"
            for step in trial.resumed
            if f"going on with the interrupted run at step {step} of {iterations}"
            not in watched.said()
        ]
        if trial.wrong:
            trial.wrong.append(watched.said()[-3000:])
        say(
            f"{kind}: {trial.cycles} cycles in {time.monotonic() - began:.0f} s, killed in"
            f" {trial.killed}, stopped in {trial.stopped}, training went on at step"
            f" {trial.resumed}; " + ("; ".join(trial.wrong) or "all rules hold")
        )
    return trial


class Hits:
    """When the watcher is ended: once in each wanted step for each signal, after a drawn share of
    the time that the step takes.

    `todo`: {signal: (steps to hit, list of those that were)}. How long a step takes is the least
    that it has taken so far; the comparison of the first cycle has no live model to compare with,
    and does not count.
    """

    def __init__(
        self, todo: dict[signal.Signals, tuple[set[str], list[str]]], chance: random.Random
    ):
        self._todo, self._chance = todo, chance
        self._takes: dict[str, float] = {}
        self._now, self._since = ("", None, None), 0.0
        self._plan: tuple[signal.Signals, float] | None = None

    def due(self, phase: tuple[str, str | None, str | None], cycle: int) -> signal.Signals | None:
        """The signal that is to be sent now. `phase`: as Watched.phase says; `cycle`: its number,
        from 1.
        """
        now = time.monotonic()
        if phase != self._now:
            name, _, holder = self._now
            if (
                name in STEPS
                and holder == phase[2]
                and not (cycle == 1 and name == "compare_models")
            ):
                self._takes[name] = min(now - self._since, self._takes.get(name, PATIENCE))
            self._now, self._since, self._plan = phase, now, self._planned(phase[0], cycle)
        if self._plan is None or now - self._since < self._plan[1]:
            return None
        how, self._plan = self._plan[0], None
        steps, hit = self._todo[how]
        steps.remove(phase[0])
        hit.append(phase[0])
        return how

    def later(self, how: signal.Signals, step: str) -> None:
        """The signal came too early: it comes again, later, when the step runs again."""
        self._todo[how][0].add(step)
        self._takes[step] *= 1.25

    def when(self, step: str) -> str:
        return f"after {time.monotonic() - self._since:.1f} of {self._takes[step]:.1f} s"

    def left(self) -> list[str]:
        """What was not hit."""
        return [
            f"{how.name} never came in {step}"
            for how, (steps, _) in self._todo.items()
            for step in sorted(steps)
        ]

    def _planned(self, step: str, cycle: int) -> tuple[signal.Signals, float] | None:
        """Which signal comes in this step, and after how many seconds."""
        for how, (steps, _) in self._todo.items():
            if step in steps and step in self._takes and cycle >= FIRST[how]:
                training = step == "train_detector" and how == signal.SIGTERM
                return (
                    how,
                    self._chance.uniform(*IN_TRAINING if training else SHARES) * self._takes[step],
                )
        return None


def poison(kind: str, folder: Path, say=lambda text: None) -> Trial:
    """A real training; then the boxes of the images that are trained on are given to other images,
    and the watcher trains again.
    """
    drawn, trial = photos(120), Trial()
    with store_lines(kind, folder) as new:
        watched = Watched(
            new(),
            folder / "project",
            auto_retrain_images=40,
            train_iterations=150,
            batch_size=4,
            min_tile_size=128,
            max_tile_size=192,
            min_confidence=0.3,
        )
        put(watched.container, drawn, folder)
        done("train/active_learning_initialize.sh", watched.config)
        watched.label(drawn, 100)
        watched.start()
        try:
            _wait(lambda: watched.finished() == 1, watched)
            before = watched.labels.read()

            def shuffled(state) -> Change:
                tagged, test = (watched.labels.table(state, name) for name in ("tagged", "test"))
                rows = without(tagged, image_set(test))
                boxes = rows[rows["class"] != NULL].reset_index(drop=True)
                moved = boxes.assign(
                    **{name: boxes[name].to_numpy()[::-1] for name in ("filename", "folder")}
                )
                moved[["xmin", "xmax", "ymin", "ymax"]] = (
                    1 - boxes[["xmax", "xmin", "ymax", "ymin"]].to_numpy()
                )
                rest = without(rows, image_set(moved))
                return Change(
                    {"tagged": tables.concat("tagged", only(tagged, image_set(test)), rest, moved)}
                )

            watched.labels.commit(shuffled, what="poisoning the labels")
            _wait(lambda: watched.finished() == 2, watched)
        finally:
            watched.process.send_signal(signal.SIGTERM)
            watched.process.wait(PATIENCE)
        state = watched.labels.read()
        candidate = state.document.get("candidate") or {}
        if (
            state.live != before.live
            or state.blob("totag") != before.blob("totag")
            or not candidate
        ):
            trial.wrong.append("the poisoned model went live")
        if "candidate, not published" not in done("tag/status.py", watched.config):
            trial.wrong.append("status does not say so")
        trial.wrong += [str(finding) for finding in findings(watched.labels)]
        say(
            f"{kind}, poisoned labels: {candidate.get('verdict', {}).get('why')}; "
            + ("; ".join(trial.wrong) or "it was not published")
        )
    return trial


def _annotate(
    watched: Watched,
    drawn: list,
    count: int,
    config: Path,
    tasks: queue.Queue,
    trial: Trial,
    folder: Path,
) -> None:
    """A batch for each number in `tasks`, until there comes None; with the second one anna brings
    two new photos.
    """
    try:
        for number in iter(tasks.get, None):
            if number == 2 and config == watched.people[0]:
                put(watched.container, drawn[-2:], folder / "late")
            watched.label(drawn, count, config)
    except Exception as error:
        trial.wrong.append(f"annotator {config.parent.name}: {error}")


def _end(watched: Watched, how: signal.Signals, phase: str, trial: Trial) -> None:
    watched.process.send_signal(how)
    code = watched.process.wait(PATIENCE)
    expected = -signal.SIGKILL if how == signal.SIGKILL else 0
    if code != expected:
        trial.wrong.append(f"{how.name} in {phase}: exit code {code}")
    trial.wrong += [
        f"{how.name} in {phase}: a step goes on: {left}" for left in watched.leftovers()
    ]
    trial.wrong += [f"{how.name} in {phase}: {finding}" for finding in findings(watched.labels)]


def _check(watched: Watched, images: set[str], labelled: int, trial: Trial) -> None:
    state = watched.labels.read()
    totag, tagged = pool_of(watched.labels, state), watched.labels.table(state, "tagged")
    if len(image_set(tagged)) != labelled:
        trial.wrong.append(f"{len(image_set(tagged))} images are tagged, not {labelled}")
    if image_set(totag) != images - image_set(tagged):
        trial.wrong.append(
            f"{len(image_set(totag))} images are to be tagged, not {len(images) - labelled}"
        )
    if totag["image_confidence"].isna().any():
        trial.wrong.append("not every image was seen by a model")
    if state.live.get("model") not in {cycle["model"] for cycle in state.cycles}:
        trial.wrong.append("the live model is of no cycle")
    document = read_watcher(watched.labels.container)
    if (document["phase"], document["holder"], document["failures"]) != ("stopped", None, 0):
        trial.wrong.append(f"watcher.json says {document}")
    trial.wrong += [str(finding) for finding in findings(watched.labels)]


def _wait(condition, watched: Watched) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(watched.said()[-2000:])
        time.sleep(0.3)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stores", default="folder,azurite")
    parser.add_argument("--parts", default="kills,poison")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    trials = []
    for kind in options.stores.split(","):
        for part in options.parts.split(","):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
                if part == "kills":
                    trials.append(
                        run(
                            kind,
                            Path(place),
                            killed=STEPS,
                            stopped=STEPS,
                            iterations=ITERATIONS,
                            seed=options.seed,
                            say=print,
                        )
                    )
                else:
                    trials.append(poison(kind, Path(place), say=print))
    print(f"{len(trials)} trials, {sum(bool(trial.wrong) for trial in trials)} with a fault")
    return 1 if any(trial.wrong for trial in trials) else 0


if __name__ == "__main__":
    sys.exit(main())
