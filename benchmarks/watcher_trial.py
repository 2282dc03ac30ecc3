"""The loop that runs by itself, with a real training: an annotator uploads while it runs, cycles happen by themselves, the watcher is
killed in every step, and labels that were mixed up make a worse model, which must not go live.

    python benchmarks/watcher_trial.py                       # everything, on a folder and on Azurite; about 20 minutes on two cores
    python benchmarks/watcher_trial.py --stores folder --parts kills

Parts: `kills` (three tiny cycles; kill -9 in each of the nine steps of the second one, SIGTERM in each step of the third), `poison` (a real
training, then one on labels whose boxes were given to other images). Ends with exit code 1 when something was wrong.
"""
import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from labelling_project import ROOT, findings, open_project, store_lines, write_config  # also makes the tests' helpers importable

from utils import tables
from utils.label_state import Change
from utils.tables import NULL, image_set, only, without
from utils.watcher import read_watcher

from helpers_programs import done, photos, put, review  # isort: skip

SETTINGS = dict(classes="knot,crack", data_dir="data", model_name="faster_rcnn_resnet18_fpn", fine_tune_checkpoint="scratch",
                warm_start="True", batch_size="2", min_tile_size="64", max_tile_size="128", test_percentage="0.3", min_confidence="0.01",
                tagger_name="anna", tagging_location="Tag", auto_poll_seconds="1")
STEPS = ("sync_images", "repartition_test_set", "create_tf_records", "train_detector", "export_model", "create_predictions",
         "evaluate_model", "compare_models", "publish_guarded")
PATIENCE = 1800  # seconds


@dataclass
class Trial:
    """What happened: faults, finished cycles, the steps in which the watcher was killed and stopped."""
    wrong: list[str] = field(default_factory=list)
    cycles: int = 0
    killed: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)


class Watched:
    """A project with a watcher as a process, whose output is in the file `log`."""

    def __init__(self, store: str, folder: Path, **settings):
        self.config = write_config(folder / "config.ini", store, **{**SETTINGS, **settings})
        self.container, self.labels = open_project(self.config)
        self.folder, self.log = folder, folder / "watcher.log"
        self.process: subprocess.Popen | None = None
        self.seen: set[str] = set()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, str(ROOT / "train" / "watch.py"), str(self.config)], stdout=log,
                                            stderr=subprocess.STDOUT, env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"})

    def phase(self) -> str:
        return (read_watcher(self.labels.container) or {}).get("phase", "")

    def finished(self) -> int:
        """Cycles that were published or kept as a candidate."""
        state = self.labels.read()
        self.seen |= {entry["id"] for entry in [*state.cycles, state.document.get("candidate") or {}] if entry}
        return len(self.seen)

    def label(self, drawn: list, count: int) -> None:
        """What an annotator does: download, review, upload."""
        done("tag/download_vott_json.py", count, self.config)
        review(self.config, drawn)
        done("tag/upload_vott_json.py", self.config)

    def leftovers(self) -> list[str]:
        """Steps that outlived their watcher."""
        time.sleep(0.5)
        return [" ".join(process.info["cmdline"]) for process in psutil.process_iter(["cmdline", "status"])
                if str(self.config) in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
                and any(step in " ".join(process.info["cmdline"]) for step in STEPS)]

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def run(kind: str, folder: Path, cycles: int = 3, killed: tuple[str, ...] = (), stopped: tuple[str, ...] = (), batch: int = 8,
        say=lambda text: None) -> Trial:
    """Cycles by themselves on one kind of store. `killed`: the steps of the second cycle in which the watcher is killed (SIGKILL) and
    started again; `stopped`: those of the third in which it is told to stop (SIGTERM)."""
    drawn, trial = photos(cycles * batch + 6), Trial()
    with store_lines(kind, folder) as new:
        watched = Watched(new(), folder / "project", auto_retrain_images=batch, train_iterations=2)
        put(watched.container, drawn[:-2], folder)
        done("train/active_learning_initialize.sh", watched.config)
        watched.start()
        annotator = threading.Thread(target=_annotate, args=(watched, drawn, cycles, batch, trial, folder))
        annotator.start()
        ends = {2: (list(killed), trial.killed, signal.SIGKILL), 3: (list(stopped), trial.stopped, signal.SIGTERM)}
        began = time.monotonic()
        try:
            while watched.finished() < cycles and time.monotonic() - began < PATIENCE and not trial.wrong:
                pending, ended, how = ends.get(len(watched.seen) + 1, ([], [], None))
                if watched.process.poll() is not None:
                    trial.wrong.append(f"the watcher ended by itself with exit code {watched.process.returncode}")
                elif (phase := watched.phase()) in pending:
                    time.sleep(0.1 * STEPS.index(phase))
                    pending.remove(phase)
                    ended.append(phase)
                    _end(watched, how, phase, trial)
                    say(f"{kind}: {how.name} in {phase}")
                    watched.start()
                time.sleep(0.1)
            annotator.join(PATIENCE)
        finally:
            watched.process.send_signal(signal.SIGTERM)
            if watched.process.wait(PATIENCE):
                trial.wrong.append(f"the watcher's last exit code is {watched.process.returncode}")
        trial.cycles = watched.finished()
        if watched.labels.read().document.get("candidate"):  # such models are good or bad by chance
            done("train/active_learning_auto.sh", watched.config, "--accept")
        _check(watched, {photo.blob for photo in drawn}, cycles * batch, trial)
        if trial.wrong:
            trial.wrong.append(watched.said()[-3000:])
        say(f"{kind}: {trial.cycles} cycles in {time.monotonic() - began:.0f} s, killed in {trial.killed}, stopped in {trial.stopped}; "
            + ("; ".join(trial.wrong) or "all rules hold"))
    return trial


def poison(kind: str, folder: Path, say=lambda text: None) -> Trial:
    """A real training; then the boxes of the images that are trained on are given to other images, and the watcher trains again."""
    drawn, trial = photos(120), Trial()
    with store_lines(kind, folder) as new:
        watched = Watched(new(), folder / "project", auto_retrain_images=40, train_iterations=150, batch_size=4, min_tile_size=128,
                          max_tile_size=192, min_confidence=0.3)
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
                moved = boxes.assign(**{name: boxes[name].to_numpy()[::-1] for name in ("filename", "folder")})
                moved[["xmin", "xmax", "ymin", "ymax"]] = 1 - boxes[["xmax", "xmin", "ymax", "ymin"]].to_numpy()
                rest = without(rows, image_set(moved))
                return Change({"tagged": tables.concat("tagged", only(tagged, image_set(test)), rest, moved)})

            watched.labels.commit(shuffled, what="poisoning the labels")
            _wait(lambda: watched.finished() == 2, watched)
        finally:
            watched.process.send_signal(signal.SIGTERM)
            watched.process.wait(PATIENCE)
        state = watched.labels.read()
        candidate = state.document.get("candidate") or {}
        if state.live != before.live or state.blob("totag") != before.blob("totag") or not candidate:
            trial.wrong.append("the poisoned model went live")
        if "candidate, not published" not in done("tag/status.py", watched.config):
            trial.wrong.append("status does not say so")
        trial.wrong += [str(finding) for finding in findings(watched.labels)]
        say(f"{kind}, poisoned labels: {candidate.get('verdict', {}).get('why')}; " + ("; ".join(trial.wrong) or "it was not published"))
    return trial


def _annotate(watched: Watched, drawn: list, cycles: int, batch: int, trial: Trial, folder: Path) -> None:
    """A batch at the beginning, and the next one while each cycle trains; two new photos come during the first cycle."""
    try:
        watched.label(drawn, batch)
        for number in range(1, cycles):
            _wait(lambda number=number: watched.finished() >= number - 1 and watched.phase() in STEPS[3:-1], watched)
            if number == 1:
                put(watched.container, drawn[-2:], folder / "late")
            watched.label(drawn, batch)
    except Exception as error:
        trial.wrong.append(f"annotator: {error}")


def _end(watched: Watched, how: signal.Signals, phase: str, trial: Trial) -> None:
    watched.process.send_signal(how)
    code = watched.process.wait(PATIENCE)
    expected = -signal.SIGKILL if how == signal.SIGKILL else 0
    if code != expected:
        trial.wrong.append(f"{how.name} in {phase}: exit code {code}")
    trial.wrong += [f"{how.name} in {phase}: a step goes on: {left}" for left in watched.leftovers()]
    trial.wrong += [f"{how.name} in {phase}: {finding}" for finding in findings(watched.labels)]


def _check(watched: Watched, images: set[str], labelled: int, trial: Trial) -> None:
    state = watched.labels.read()
    totag, tagged = watched.labels.totag(state), watched.labels.table(state, "tagged")
    if len(image_set(tagged)) != labelled:
        trial.wrong.append(f"{len(image_set(tagged))} images are tagged, not {labelled}")
    if image_set(totag) != images - image_set(tagged):
        trial.wrong.append(f"{len(image_set(totag))} images are to be tagged, not {len(images) - labelled}")
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stores", default="folder,azurite")
    parser.add_argument("--parts", default="kills,poison")
    options = parser.parse_args()
    trials = []
    for kind in options.stores.split(","):
        for part in options.parts.split(","):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
                if part == "kills":
                    trials.append(run(kind, Path(place), killed=STEPS, stopped=STEPS, say=print))
                else:
                    trials.append(poison(kind, Path(place), say=print))
    print(f"{len(trials)} trials, {sum(bool(trial.wrong) for trial in trials)} with a fault")
    return 1 if any(trial.wrong for trial in trials) else 0


if __name__ == "__main__":
    sys.exit(main())
