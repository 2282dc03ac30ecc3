"""The loop that runs by itself: when it trains, who may watch, what happens when something fails,
and what idle watching costs.
"""

import configparser
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import watcher_trial
from helpers_cycle import CycleProject
from helpers_programs import done, run
from helpers_proxy import Fault, through
from helpers_state import StateProject
from helpers_tables import labels

from train.cycle.files import update_cycle
from train.cycle.progress import interrupted_at, note_next
from train.cycle.retraining import Backlog, backlog
from train.cycle.retrying import LONGEST_OUTAGE_PAUSE, LONGEST_PAUSE, Policy, step_after_failure
from train.cycle.steps import TRAINING
from train.cycle.watch_loop import Watcher
from utils.config import load_config
from utils.errors import InputError
from utils.labels.lease import (
    FILE,
    HEARTBEAT_SECONDS,
    RELEASED,
    STALE_SECONDS,
    Lease,
    LeaseLost,
    is_alive,
    read_watcher,
)
from utils.labels.state import Change
from utils.times import moment, utc_text

ROOT = Path(__file__).resolve().parent.parent

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PATIENCE = 300  # seconds until a test gives up waiting


# --- when a cycle is due


@pytest.mark.parametrize(
    "images, last, first_label, due",
    [
        (0, 48, None, False),
        (1, 23, None, False),
        (1, 25, None, True),
        (99, 1, None, False),
        (100, 1, None, True),
        (0, None, None, False),
        (99, None, 1, False),
        (100, None, 0, True),
        (1, None, 25, True),
    ],
)
def test_a_cycle_is_due_after_so_many_images_or_so_many_hours_with_at_least_one(
    images, last, first_label, due
):
    at, since = (
        None if hours is None else NOW - timedelta(hours=hours) for hours in (last, first_label)
    )
    assert bool(Backlog(images, at).reason(100, 24, since, NOW)) == due


@pytest.fixture
def project(folder_store, tmp_path):
    """Three images are tagged; no model has been trained."""
    return StateProject(
        folder_store,
        tmp_path,
        data_dir=tmp_path / "data",
        auto_poll_seconds=0.2,
        train_iterations=1,
    )


def waiting(project) -> int:
    return backlog(project.labels, project.labels.read()).images


def cycle(project, **members) -> None:
    state = project.labels.read()
    entry = {
        "at": "2026-06-01T00:00:00Z",
        "tagged": state.blob("tagged"),
        "test": state.blob("test"),
    }
    project.labels.commit(
        lambda _: (
            Change(members={"candidate": {**entry, **members}}) if members else Change(cycle=entry)
        ),
        what="test",
    )


def test_what_counts_is_reviewed_images_that_the_last_cycle_did_not_have(project):
    assert waiting(project) == 3
    cycle(project)
    assert waiting(project) == 0
    tagged = project.table("tagged")
    project.commit(
        tagged=labels(
            "d/1.jpg bird 0.1 0.5 0.1 0.5\nd/1.jpg seal 0.6 0.9 0.1 0.5\nd/2.jpg NULL\nd/3.jpg seal"
            " 0 1 0 1\nc/1.jpg NULL"
        )
    )
    assert waiting(project) == 2  # one is new, one was corrected
    project.commit(tagged=tagged)
    assert waiting(project) == 0


def test_a_new_name_of_a_class_is_no_review(project):
    cycle(project)
    done("tag/change_classes.py", project.config, "--rename", "seal=walrus")
    assert waiting(project) == 0


def test_a_candidate_counts_as_a_cycle(project):
    cycle(project, at="2026-06-02T00:00:00Z", model="model_1.pb")
    assert backlog(project.labels, project.labels.read()) == Backlog(
        0, datetime(2026, 6, 2, tzinfo=UTC)
    )


# --- one watcher per container


def lease(store, folder: Path) -> Lease:
    folder.mkdir(exist_ok=True)
    return Lease(store.labels, "anna@desk", folder)


def test_a_second_watcher_is_refused_by_name_until_the_first_lets_go(store, tmp_path):
    first, second = lease(store, tmp_path / "a"), lease(store, tmp_path / "b")
    first.take()
    with pytest.raises(
        InputError,
        match=r"is watched already, by anna@desk \(process \d+, .*a\), last heard of at 2",
    ):
        second.take()
    first.beat(phase="train_detector")
    assert read_watcher(store.labels)["phase"] == "train_detector"
    first.beat(**RELEASED)
    assert not is_alive(read_watcher(store.labels), datetime.now(UTC))
    second.take()
    assert read_watcher(store.labels)["place"] == str(tmp_path / "b")


def test_of_two_watchers_that_come_at_the_same_moment_one_is_refused(store, tmp_path, monkeypatch):
    first, second = lease(store, tmp_path / "a"), lease(store, tmp_path / "b")
    write = store.labels.write

    def overtaken(*words, **options):
        monkeypatch.setattr(store.labels, "write", write)
        second.take()
        return write(*words, **options)

    monkeypatch.setattr(store.labels, "write", overtaken)
    with pytest.raises(
        InputError, match=r"is watched since this moment by anna@desk \(process \d+, .*b\)"
    ):
        first.take()
    second.beat()


def test_a_lease_that_was_taken_although_the_answer_was_lost_is_held(store, tmp_path, monkeypatch):
    first, write = lease(store, tmp_path / "a"), store.labels.write

    def lost(*words, **options):
        monkeypatch.setattr(store.labels, "write", write)
        write(*words, **options)
        return write(*words, **options)  # the second try finds the first one's blob

    monkeypatch.setattr(store.labels, "write", lost)
    first.take()
    first.beat()
    assert read_watcher(store.labels)["holder"] == first.document["holder"]


def silent(store, seconds: float) -> None:
    """The heartbeat there is becomes so old."""
    document = read_watcher(store.labels)
    at = utc_text(datetime.now(UTC) - timedelta(seconds=seconds))
    store.labels.write(FILE, json.dumps({**document, "heartbeat": at}).encode())


def test_a_watcher_that_is_not_heard_of_is_taken_over_and_stops_when_it_finds_out(store, tmp_path):
    first, second = lease(store, tmp_path / "a"), lease(store, tmp_path / "b")
    first.take()
    first.beat(failures=2, error={"at": "x", "phase": "y", "text": "z"})
    silent(store, STALE_SECONDS - 60)
    with pytest.raises(InputError):
        second.take()
    silent(store, STALE_SECONDS + 1)
    second.take()
    assert (second.document["failures"], second.document["error"]["text"]) == (2, "z")
    with pytest.raises(LeaseLost, match="another watcher has taken over: anna@desk"):
        first.beat()


def test_a_watcher_that_was_killed_is_followed_at_once_in_its_own_folder(store, tmp_path):
    lease(store, tmp_path / "a").take()
    lease(store, tmp_path / "a").take()


def test_a_heartbeat_whose_answer_was_lost_is_recognised(store, tmp_path):
    first = lease(store, tmp_path / "a")
    first.take()
    store.labels.write(
        FILE,
        json.dumps({**first.document, "phase": "written, but the answer did not arrive"}).encode(),
    )
    first.beat(phase="idle")
    assert read_watcher(store.labels)["phase"] == "idle"
    store.labels.delete(FILE)
    first.beat()
    assert read_watcher(store.labels)["holder"] == first.document["holder"]


def test_what_is_no_document_of_ours_is_replaced_and_a_newer_format_is_refused(store, tmp_path):
    store.labels.write(FILE, b"{")
    assert read_watcher(store.labels) is None
    lease(store, tmp_path / "a").take()
    store.labels.write(FILE, b'{"format": 2}')
    with pytest.raises(InputError, match="format 2, this program knows 1"):
        lease(store, tmp_path / "b").take()


# --- the program


@contextmanager
def watching(config: Path, log: Path, *options: str):
    """A watcher as a process; killed at the end if it still runs."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, ROOT / "train" / "watch.py", *options, config],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def until(condition, what: str):
    """Wait for something that will come."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
    return found


def document(project) -> dict:
    return read_watcher(project.labels.container) or {}


def test_one_watcher_on_a_container_whoever_starts_the_second(project, tmp_path):
    other = tmp_path / "other.ini"
    text = (
        re.sub(r"data_dir=.*\n", "", project.config.read_text())
        + f"data_dir={tmp_path / 'elsewhere'}\n"
    )
    other.write_text(text)
    with watching(project.config, tmp_path / "log") as process:
        until(lambda: document(project).get("phase") == "idle", "the first watcher")
        for config in (project.config, other):
            second = run("train/active_learning_auto.sh", config)
            assert second.returncode == 2
            assert re.search(
                rf"watch.py: .*\(process {process.pid}, .*\), last heard of at 2", second.stderr
            )
        assert "watcher: idle since 2" in done("tag/status.py", project.config)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert (document(project)["phase"], document(project)["holder"]) == ("stopped", None)
    assert "watcher: stopped at 2" in done("tag/status.py", project.config)
    assert (
        done("train/watch.py", other, "--once")
        .splitlines()[-1]
        .startswith("looked once: 3 images were reviewed since the last cycle")
    )


def test_a_failing_cycle_is_shown_and_tried_again_later_and_the_live_model_stays(project, tmp_path):
    """No image can be read: the first step fails, each time."""
    images = Path(re.search(r"storage_url=(.*)", project.config.read_text())[1]) / "images"
    for path in list(images.rglob("*.jpg")):
        path.unlink()
    project.config.write_text(project.config.read_text() + "auto_retrain_images=3\n")
    before = project.labels.read()
    with watching(project.config, tmp_path / "log"):
        until(lambda: document(project).get("failures", 0) >= 2, "two failing cycles")
        said = done("tag/status.py", project.config)
    error = document(project)["error"]
    assert error["phase"] == "sync_images" and "sync_images.py: " in error["text"]
    assert (
        "its last cycle failed at 2" in said
        and "in sync_images" in said
        and "next try at 2" in said
    )
    assert project.labels.read() == before
    log = (tmp_path / "log").read_text()
    pauses = [
        float(pause) for pause in re.findall(r"the live model stays, next try in (\d+) s", log)
    ]
    assert "the cycle that failed is tried again" in log and pauses[0] <= pauses[1]
    # followed at once after the kill
    assert run("train/watch.py", project.config, "--once").returncode in (
        0,
        1,
    )


@pytest.fixture
def watcher(project, monkeypatch):
    """A watcher in this process that has taken the lease."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    made = Watcher(load_config(project.config), once=False)
    made.open()
    return made


def test_hours_after_the_first_label_a_cycle_is_due_also_for_the_next_watcher(watcher, project):
    """auto_retrain_hours is 24, and three images are tagged."""
    watcher.backlog, watcher.etag = Backlog(0, None), None
    assert watcher.due() is None and watcher.lease.document["new_since"]
    for hours, due in ((23, False), (25, True)):
        watcher.lease.beat(new_since=utc_text(datetime.now(UTC) - timedelta(hours=hours)))
        following = Watcher(watcher.config, once=False)
        following.open()
        assert [bool(each.due()) for each in (watcher, following)] == [due, due]
        watcher.open()
    project.commit(tagged=labels(""))
    assert watcher.due() is None and watcher.lease.document["new_since"] is None


def test_once_ends_with_1_after_a_failed_cycle_and_with_0_after_a_good_one(tmp_path, monkeypatch):
    """The cycle was interrupted before its last step, and another model has gone live since it was
    compared: so it is compared again.
    """
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    made = CycleProject(tmp_path, auto_poll_seconds=0.1)
    made.fill()
    made.predict()
    update_cycle(
        made.settings, verdict={"publish": True, "why": "it is better", "live": "model_1.pb"}
    )
    note_next(made.settings, "publish_cycle")
    failed = run("train/watch.py", made.config, "--once")
    assert (failed.returncode, made.state().cycles) == (1, [])
    assert (
        "step publish_cycle failed (exit 1): " in failed.stderr
        and "compare it again" in failed.stderr
    )
    retry_at = moment(read_watcher(made.labels.container)["retry_at"])
    until(lambda: datetime.now(UTC) >= retry_at, "the end of the pause")
    good = run("train/watch.py", made.config, "--once")
    assert (good.returncode, len(made.state().cycles)) == (0, 1), good.stderr
    assert "an interrupted cycle goes on at compare_models: a cycle begins" in good.stdout
    assert read_watcher(made.labels.container)["failures"] == 0


def test_a_cycle_whose_report_fails_counts_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    made = CycleProject(tmp_path, auto_poll_seconds=0.1)
    made.fill()
    made.predict()
    made.publish()
    note_next(made.settings, "publish_report")
    (made.settings.data_dir / "report.html").mkdir()  # so that it cannot be written
    done = run("train/watch.py", made.config, "--once")
    assert done.returncode == 0 and "publish_report failed: " in done.stderr, done.stderr
    assert read_watcher(made.labels.container)["failures"] == 0
    assert interrupted_at(made.settings) is None


@pytest.mark.parametrize(
    "name, code, failures, then",
    [
        ("train_detector", 1, 1, "train_detector"),
        ("train_detector", 1, 2, "train_detector"),
        ("train_detector", 1, 3, None),
        ("train_detector", 2, 1, None),
        ("publish_cycle", 1, 1, "compare_models"),
    ],
)
def test_a_cycle_goes_on_where_the_outside_world_failed_it_else_from_the_start(
    name, code, failures, then
):
    assert step_after_failure(name, code, failures) == then


def test_the_pause_doubles_with_every_failure_and_outage():
    policy = Policy(images=100, hours=24, poll=60)
    assert [policy.pause(outages) for outages in (0, 1, 2, 3)] == [60, 60, 120, 240]
    assert [policy.pause_after_failure(failures) for failures in (1, 2, 3)] == [120, 240, 480]


def test_however_long_storage_is_away_or_a_cycle_fails_the_pause_is_bounded(watcher):
    watcher.outages, watcher.lease.document["failures"] = 10**5, 10**5
    assert watcher.policy.pause(watcher.outages) == LONGEST_OUTAGE_PAUSE
    watcher.failed("sync_images", 1, "no network")
    pause = moment(watcher.lease.document["retry_at"]) - datetime.now(UTC)
    assert timedelta(seconds=LONGEST_PAUSE - 60) < pause <= timedelta(seconds=LONGEST_PAUSE)


def test_an_outage_while_a_step_runs_counts_once_a_pause_and_is_over_with_the_first_heartbeat(
    watcher, project, capsys
):
    labels = Path(re.search(r"storage_url=(.*)", project.config.read_text())[1]) / "labels"
    watcher.lease.document["heartbeat"] = utc_text(
        datetime.now(UTC) - timedelta(seconds=HEARTBEAT_SECONDS + 1)
    )
    labels.rename(labels.with_name("away"))
    began = time.monotonic()
    for _ in range(100):
        watcher.while_running()
    assert 1 <= watcher.outages <= 1 + (time.monotonic() - began) / watcher.config.auto_poll_seconds
    labels.with_name("away").rename(labels)
    until(lambda: watcher.while_running() or not watcher.outages, "a heartbeat")
    assert not watcher.lease.due(datetime.now(UTC))
    assert (
        "trying again" in (said := capsys.readouterr()).err and "storage answers again" in said.out
    )


def test_a_storage_that_is_away_is_waited_for(project, tmp_path):
    store = Path(re.search(r"storage_url=(.*)", project.config.read_text())[1])
    with watching(project.config, tmp_path / "log") as process:
        until(lambda: document(project).get("phase") == "idle", "the watcher")
        (store / "labels").rename(store / "away")
        log = tmp_path / "log"
        until(lambda: "trying again" in log.read_text(), "the notice")
        (store / "away").rename(store / "labels")
        until(lambda: "storage answers again" in log.read_text(), "the end of the outage")
        assert process.poll() is None
    assert log.read_text().count("trying again") == 1


def test_a_service_that_cuts_connections_is_waited_for(azurite_store, azurite_url, tmp_path):
    made = StateProject(azurite_store, tmp_path, data_dir=tmp_path / "data", auto_poll_seconds=0.2)
    with through(azurite_url) as between:
        between.faults.append(Fault("lost request", times=10**6))
        config = tmp_path / "proxied.ini"
        config.write_text(made.config.read_text().replace(azurite_url, between.url))
        log = tmp_path / "log"
        with watching(config, log) as process:
            until(lambda: log.exists() and "trying again" in log.read_text(), "the notice")
            between.faults.clear()
            until(lambda: document(made).get("phase") == "idle", "the watcher")
            assert process.poll() is None


def test_idle_watching_is_one_small_request_for_the_state_each_time(
    azurite_store, azurite_url, tmp_path
):
    made = StateProject(azurite_store, tmp_path, data_dir=tmp_path / "data", auto_poll_seconds=0.05)
    look = (
        "HEAD",
        f"{azurite_url[azurite_url.rindex('/') :]}/{azurite_store.labels.name}/label_state.json",
    )
    with through(azurite_url) as between:
        config = tmp_path / "proxied.ini"
        config.write_text(made.config.read_text().replace(azurite_url, between.url))
        with watching(config, tmp_path / "log") as process:
            until(lambda: between.seen.count(look) > 30, "thirty looks")
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
    first = [place for place, request in enumerate(between.seen) if request == look][5]
    last = len(between.seen) - 1 - between.seen[::-1].index(look)
    assert set(between.seen[first : last + 1]) == {look}


def test_the_steps_are_those_of_the_manual_cycle_with_the_comparison_before_publishing():
    assert [program for program, *_ in TRAINING[-3:]] == [
        "compare_models.py",
        "publish_cycle.py",
        "publish_report.py",
    ]
    for program, *_ in TRAINING:
        assert (ROOT / "train" / program).is_file()


def test_the_unit_starts_the_watcher_and_stops_only_it():
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read(ROOT / "train" / "active_learning_auto.service")
    python, program, config = unit["Service"]["ExecStart"].split()
    assert (
        python.endswith("/.venv/bin/python")
        and (ROOT / program).exists()
        and (ROOT / config).exists()
    )
    assert (unit["Service"]["KillMode"], unit["Service"]["RestartPreventExitStatus"]) == (
        "mixed",
        "2",
    )


# --- with a real, tiny training


@pytest.mark.parametrize("kind", ["azurite"])
def test_cycles_happen_by_themselves_while_two_annotators_upload_and_a_kill_and_a_stop_cost_nothing(
    kind, tmp_path
):
    assert os.name == "posix"
    trial = watcher_trial.run(
        kind, tmp_path, killed=("train_detector",), stopped=("create_predictions",)
    )
    assert trial.wrong == []
    assert (trial.cycles >= 3, trial.killed, trial.stopped) == (
        True,
        ["train_detector"],
        ["create_predictions"],
    )
