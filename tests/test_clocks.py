"""Clocks that differ, stand still or go back: what counts is the order of commits, which no clock
decides.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import labelling_project as project
import libfaketime
import pytest
from helpers_batch import THREE, BatchProject
from helpers_programs import run
from helpers_project import Project
from helpers_tables import labels

from utils.config import load_config
from utils.labels.state import Change
from utils.labels.store import LabelStore
from utils.labels.tables import image_set

FAKER = Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
BLOBS = [f"cam{number % 2}/img{number}.jpg" for number in range(12)]


def environment(home: Path, shift: str) -> dict[str, str]:
    """Of a machine whose clock is off by `shift`, e.g. "-1h" (files keep the times that their disk
    gives them).
    """
    return {
        **os.environ,
        "LD_PRELOAD": str(FAKER),
        "FAKETIME": shift,
        "NO_FAKE_STAT": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "XDG_CACHE_HOME": str(home / "cache"),
    }


def driver(home: Path, shift: str) -> project.Driver:
    return project.Driver(environment(home, shift))


@pytest.mark.skipif(not FAKER.exists(), reason="libfaketime is not built for this system")
def test_machines_whose_clocks_are_hours_apart_get_different_images_and_lose_nothing(
    store, tmp_path
):
    for blob in BLOBS:
        store.images.write(blob, project.photo(blob))
    configs = {
        name: project.write_config(
            tmp_path / name / "config.ini",
            store.settings,
            tagger_name=name,
            tagging_location="Tag",
            data_dir="data",
            reservation_hours=3,
            train_iterations=1,
        )
        for name in ("early", "late", "right")
    }
    shifts = {"early": "-1h", "late": "+1h", "right": "+0"}
    with (
        driver(tmp_path / "early", shifts["early"]) as early,
        driver(tmp_path / "late", shifts["late"]) as late,
        driver(tmp_path / "right", shifts["right"]) as right,
    ):
        machines = {"early": early, "late": late, "right": right}

        def run(machine: str, program: str, *arguments: str) -> str:
            ordered = (
                [*arguments, configs[machine]]
                if "download" in program
                else [configs[machine], *arguments]
            )
            said, code = machines[machine].run(program, *ordered)
            assert code == 0 and "another tool" not in said, said
            return said

        run("late", "train/initialize.py")
        run("late", "tag/download_vott_json.py", "3")
        run("early", "tag/download_vott_json.py", "3")
        _, of_right = project.open_project(configs["right"])
        first, *_, last = sorted(of_right.table(of_right.read(), "tagging")["reserved_at"])
        # by one clock, that of the container
        assert datetime.fromisoformat(last) - datetime.fromisoformat(first) < timedelta(hours=0.9)
        seen = {name: project.review(tmp_path / name / "Tag") for name in ("late", "early")}
        assert len(set(seen["late"]) | set(seen["early"])) == 6
        run("early", "tag/upload_vott_json.py")
        run("right", "train/sync_images.py")
        run("right", "train/repartition_test_set.py")
        project.leave_cycle(load_config(configs["right"]), 1)
        run("late", "tag/upload_vott_json.py")
        run("right", "train/publish_cycle.py", "--anyway")
        run("early", "tag/download_vott_json.py", "2")
        run("late", "tag/download_vott_json.py", "2")
        seen["again"] = project.review(tmp_path / "early" / "Tag") + project.review(
            tmp_path / "late" / "Tag"
        )
        assert len({*seen["again"], *seen["late"], *seen["early"]}) == 10
        run("late", "tag/upload_vott_json.py")
        run("early", "tag/upload_vott_json.py")
        run("early", "tag/status.py", "--check")
        run("early", "tag/status.py", "--prune")
    _, store_of_labels = project.open_project(configs["right"])
    state = store_of_labels.read(report_foreign=True)
    everything = [blob for each in seen.values() for blob in each]
    assert (
        project.wrong_boxes(store_of_labels.table(state, "tagged"), everything) == []
        and project.findings(store_of_labels) == []
    )
    assert state.document["by"] == "early" and len(state.document["history"]) == 11


@pytest.mark.skipif(not FAKER.exists(), reason="libfaketime is not built for this system")
@pytest.mark.parametrize(
    "shift, said", [("+100h", "100 hours ahead of"), ("-100h", "100 hours behind")]
)
def test_a_clock_wrong_by_more_than_a_reservation_is_said_and_hands_no_image_to_two(
    store, tmp_path, shift, said
):
    anna = BatchProject(store, tmp_path, THREE)
    anna.run("download", 1)
    (tmp_path / "bob").mkdir()
    bob = Project(store, tmp_path / "bob", tagger_name="bob")

    wrong = environment(tmp_path, shift)
    done = run("tag/download_vott_json.py", 1, bob.config, env=wrong)
    assert done.returncode == 0, done.stderr
    assert f"the clock of this machine is {said}" in done.stderr
    assert "set it right" in done.stderr

    assert "the clock of" not in anna.run("download", 2, "--discard")
    tagging = anna.table("tagging")
    now = datetime.now(UTC)
    assert sorted(tagging["tagger"]) == ["anna", "anna", "bob"]
    for text in tagging["reserved_at"]:
        assert abs(now - datetime.fromisoformat(text)) < timedelta(minutes=10)


def test_a_clock_that_is_a_minute_off_is_nothing_to_say(store, capsys):
    labels_of = LabelStore(store.labels, by="anna", user_folders=True)
    assert abs(labels_of.now() - datetime.now(UTC)) < timedelta(seconds=10)
    assert abs(store.labels.clock_ahead()) < timedelta(minutes=1)
    assert capsys.readouterr().err == ""
    assert list(store.labels.list()) == []


def test_commits_in_the_same_millisecond_both_stand(store, monkeypatch, capsys):
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    anna, bob = (LabelStore(store.labels, by=name, user_folders=True) for name in ("anna", "bob"))
    anna.commit(lambda state: Change({"tagged": labels("a.jpg NULL")}), what="test")
    state, _ = bob.commit(
        lambda state: Change({"tagged": labels("a.jpg NULL\nb.jpg NULL")}), what="test"
    )
    out = labels("c.jpg NULL 0 0 0 0 0 0 anna 2026-01-01T00:00:00Z", "tagging")
    state, _ = anna.commit(lambda state: Change({"tagging": out}), what="test")
    assert (
        image_set(bob.table(bob.read(report_foreign=True), "tagged")) == {"a.jpg", "b.jpg"}
        and len(state.document["history"]) == 3
    )
    assert {blob.name for blob in store.labels.list()} == {
        "tagged_1700000000000.csv",
        "tagged_1700000000001.csv",
        "tagging_1700000000000.csv",
        "label_state.json",
    }
    assert capsys.readouterr().err == ""


def test_what_another_tool_wrote_in_the_same_second_as_we_did_is_noticed(folder_store, capsys):
    store = LabelStore(folder_store.labels, by="anna", user_folders=True)
    state, _ = store.commit(lambda state: Change({"tagged": labels("a.jpg NULL")}), what="test")
    store.read(report_foreign=True)
    # the time of the newest blob is in the state now
    store.commit(lambda state: Change(members={"note": 1}), what="test")
    foreign = folder_store.labels.path_of("tagged_1.csv")
    foreign.write_bytes(
        b"filename,class,xmin,xmax,ymin,ymax,height,width\nb.jpg,NULL,0,0,0,0,1,1\n"
    )
    stamp = folder_store.labels.path_of(state.blob("tagged")).stat().st_mtime_ns
    os.utime(foreign, ns=(stamp, stamp))
    store.read(report_foreign=True)
    assert "tagged_1.csv" in capsys.readouterr().err
