"""The state of the label container: commits, races, lost answers, damaged documents, the cache."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from helpers_state import store_in
from helpers_tables import images, labels

from utils.errors import InputError, OutsideError
from utils.labels import assignments, tables
from utils.labels.pool import pool_of, reserved
from utils.labels.state import Change, new_commit_id
from utils.labels.store import LabelStore
from utils.labels.tables import image_set
from utils.storage.container import Conflict
from utils.storage.folder import FolderContainer

ROOT = Path(__file__).resolve().parent.parent
TOTAG = labels("\n".join(f"i{number:03}.jpg NULL" for number in range(40)), "totag")


class Wrapped:
    """A folder container of which a test replaces single methods."""

    def __init__(self, folder: Path, **methods):
        self.inner = FolderContainer(folder)
        self.__dict__.update({name: method.__get__(self) for name, method in methods.items()})

    def __getattr__(self, name):
        return getattr(self.inner, name)


def started(folder: Path, totag=TOTAG) -> LabelStore:
    store = store_in(folder)
    store.commit(lambda state: Change({"totag": totag}), what="starting")
    return store


def document(folder: Path) -> dict:
    return json.loads((folder / "label_state.json").read_text())


def test_an_empty_container_is_a_state_without_tables(tmp_path):
    store = store_in(tmp_path)
    state = store.read()
    assert (
        state.etag is None
        and state.blob("tagged") is None
        and state.cycles == []
        and state.live == {}
    )
    assert store.table(state, "tagged").empty and pool_of(store, state).empty
    assert not (tmp_path / "label_state.json").exists()


def test_a_commit_writes_a_snapshot_and_the_document_that_names_it(tmp_path):
    store = started(tmp_path)
    made = document(tmp_path)
    assert made["format"] == 1 and made["by"] == "ann" and made["history"] == [made["commit"]]
    assert datetime.fromisoformat(made["at"]).tzinfo is not None
    assert set(made) >= {
        "format",
        "commit",
        "history",
        "at",
        "by",
        "tables",
        "live",
        "candidate",
        "classes",
        "cycles",
    }
    blob = made["tables"]["totag"]
    assert (
        blob.startswith("totag_")
        and store.container.info(blob).metadata["commit"] == made["commit"]
    )
    assert store.table(store.read(), "totag").equals(TOTAG)


def test_only_tables_that_changed_are_written_again_and_nothing_different_is_no_commit(tmp_path):
    store = started(tmp_path)
    before = document(tmp_path)
    state, _ = store.commit(
        lambda state: Change({"totag": TOTAG, "tagged": labels("a.jpg NULL")}), what="test"
    )
    assert (
        state.blob("totag") == before["tables"]["totag"]
        and len(list(tmp_path.glob("totag_*.csv"))) == 1
    )
    again, _ = store.commit(
        lambda state: Change({"totag": TOTAG, "tagged": labels("a.jpg NULL")}), what="test"
    )
    none, _ = store.commit(lambda state: None, what="test")
    assert again.commit == none.commit == state.commit == document(tmp_path)["commit"]


def test_a_cycle_is_appended_and_may_name_the_tables_of_its_own_commit(tmp_path):
    store = started(tmp_path)
    store.commit(lambda state: Change(cycle={"at": "1"}), what="test")
    state, _ = store.commit(
        lambda state: Change(
            {"test": labels("a.jpg NULL")}, cycle=lambda blobs: {"test": blobs["test"]}
        ),
        what="test",
    )
    assert state.cycles == [{"at": "1"}, {"test": state.blob("test")}]


def test_unknown_members_are_kept_and_given_ones_replaced(tmp_path):
    store = started(tmp_path)
    held = {**document(tmp_path), "invented_later": {"x": 1}}
    (tmp_path / "label_state.json").write_text(json.dumps(held))
    state, _ = store.commit(
        lambda state: Change(members={"live": {**state.live, "model": "model_1.pb"}}), what="test"
    )
    assert document(tmp_path)["invented_later"] == {"x": 1} and state.live == {
        "model": "model_1.pb"
    }


def test_history_keeps_the_last_hundred_commits(tmp_path):
    store = started(tmp_path)
    for number in range(101):
        store.commit(lambda state, number=number: Change(members={"note": number}), what="test")
    history = document(tmp_path)["history"]
    assert (
        len(history) == 100
        and history[-1] == document(tmp_path)["commit"]
        and len(set(history)) == 100
    )


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "damaged"),
        ("null", "damaged"),
        ('{"format": 1}', "commit, history, tables"),
        ('{"format": "1", "commit": "", "history": [], "tables": {}}', "bad format"),
        ('{"format": 1, "commit": "", "history": [], "tables": {"totag": 3}}', "bad tables"),
        (
            '{"format": 3, "commit": "", "history": [], "tables": {}}',
            "format 3, this program knows 2",
        ),
        ("[" * 100_000, "not JSON"),
        ("\ud83d".encode("utf-8", "surrogatepass"), "not JSON"),
    ],
)
def test_a_damaged_or_newer_document_is_refused_with_one_line(tmp_path, text, said):
    (tmp_path / "label_state.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=said) as error:
        store_in(tmp_path).read()
    assert "\n" not in str(error.value) and "label_state.json" in str(error.value)


def test_after_losing_a_race_the_change_is_made_from_the_new_state(tmp_path):
    mine, other = started(tmp_path), store_in(tmp_path, by="bob")
    seen = []

    def change(state):
        tagged = mine.table(state, "tagged")
        seen.append(image_set(tagged))
        if len(seen) == 1:
            other.commit(lambda state: Change({"tagged": labels("bobs.jpg NULL")}), what="test")
        return Change({"tagged": tables.concat("tagged", tagged, labels("anns.jpg NULL"))})

    state, _ = mine.commit(change, what="test")
    assert seen == [set(), {"bobs.jpg"}] and image_set(mine.table(state, "tagged")) == {
        "bobs.jpg",
        "anns.jpg",
    }


def test_a_commit_returns_what_its_last_try_found(tmp_path):
    mine, other = store_in(tmp_path), store_in(tmp_path, by="bob")
    tries = []

    def change(state):
        tries.append(len(tries))
        if len(tries) == 1:
            other.commit(lambda state: Change({"tagged": labels("bobs.jpg NULL")}), what="test")
        return Change(note=f"try {len(tries)}: {len(mine.table(state, 'tagged'))} rows")

    mine.commit(lambda state: Change({"totag": TOTAG}), what="test")
    before = mine.read()
    state, note = mine.commit(
        lambda state: Change(note=len(mine.table(state, "tagged"))), what="test"
    )
    assert (state, note) == (before, 0), "a change without content writes nothing"

    def appended(state):
        found = change(state)
        tagged = tables.concat("tagged", mine.table(state, "tagged"), labels("anns.jpg NULL"))
        return Change({"tagged": tagged}, note=found.note)

    _, note = mine.commit(appended, what="test")
    assert note == "try 2: 1 rows"
    assert mine.commit(lambda state: None, what="test")[1] is None


def test_what_must_be_on_disk_first_is_there_before_anything_is_written(tmp_path):
    store, seen = store_in(tmp_path), []

    def first() -> None:
        seen.append(sorted(blob.name for blob in store.container.list()))

    store.commit(lambda state: Change({"totag": TOTAG}, before_write=first), what="test")
    assert seen == [[]]
    store.commit(lambda state: Change(before_write=first), what="test")
    assert len(seen) == 1, "nothing is to be written"


def test_two_first_commits_at_once_both_stand(tmp_path):
    mine, other = store_in(tmp_path), store_in(tmp_path, by="bob")
    calls = []

    def change(state):
        if not calls:
            calls.append(
                other.commit(lambda state: Change({"tagged": labels("b.jpg NULL")}), what="test")
            )
        return Change({"totag": TOTAG})

    state, _ = mine.commit(change, what="test")
    assert image_set(mine.table(state, "tagged")) == {"b.jpg"} and len(pool_of(mine, state)) == 40


@pytest.mark.parametrize("others", [0, 3])
@pytest.mark.parametrize("answer", [Conflict("412"), OutsideError("connection cut")])
def test_a_commit_whose_answer_was_lost_stands_and_is_not_made_twice(tmp_path, answer, others):
    """The write is done, then others commit, then we hear a failure: our id in history says that it
    stands.
    """
    started(tmp_path)
    bob = store_in(tmp_path, by="bob")
    cut = []

    def write(self, name, data, **options):
        etag = self.inner.write(name, data, **options)
        if name == "label_state.json" and not cut:
            cut.append(etag)
            for number in range(others):
                bob.commit(
                    lambda state, number=number: Change(members={"note": number}), what="test"
                )
            raise answer
        return etag

    store = LabelStore(Wrapped(tmp_path, write=write), by="ann", user_folders=True)
    state, _ = store.commit(lambda state: Change(cycle={"n": len(state.cycles)}), what="test")
    assert (
        state.cycles == document(tmp_path)["cycles"] == [{"n": 0}]
        and len(document(tmp_path)["history"]) == 2 + others
    )


def test_a_snapshot_whose_answer_was_lost_costs_a_name_and_nothing_else(tmp_path):
    def write(self, name, data, **options):
        etag = self.inner.write(name, data, **options)
        if name.startswith("tagged_") and len(list(tmp_path.glob("tagged_*"))) == 1:
            raise Conflict("412")
        return etag

    store = LabelStore(Wrapped(tmp_path, write=write), by="ann", user_folders=True)
    state, _ = store.commit(lambda state: Change({"tagged": labels("a.jpg NULL")}), what="test")
    assert len(list(tmp_path.glob("tagged_*.csv"))) == 2 and image_set(
        store.table(state, "tagged")
    ) == {"a.jpg"}


def test_when_storage_fails_before_the_write_the_state_is_the_one_before(tmp_path):
    started(tmp_path)
    before = (tmp_path / "label_state.json").read_bytes()

    def write(self, name, data, **options):
        if name == "label_state.json":
            raise OutsideError("no route to host")
        return self.inner.write(name, data, **options)

    with pytest.raises(OutsideError, match="no route to host"):
        LabelStore(Wrapped(tmp_path, write=write), by="ann", user_folders=True).commit(
            lambda s: Change(members={"x": 1}), what="test"
        )
    assert (tmp_path / "label_state.json").read_bytes() == before


def test_two_snapshots_in_one_millisecond_get_two_names(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    store = store_in(tmp_path)
    names = [store.publish_file("model", ".pb", data) for data in (b"1", b"2", b"3")]
    assert names == ["model_1700000000000.pb", "model_1700000000001.pb", "model_1700000000002.pb"]
    assert store.container.read(names[1])[0] == b"2"


def test_a_file_of_the_right_name_and_size_is_not_fetched_again(tmp_path):
    store = store_in(tmp_path / "labels")
    blob = store.publish_file("model", ".pb", b"graph", new_commit_id())
    target = store.fetch_file(blob, tmp_path / blob)
    before = target.stat().st_mtime_ns
    assert store.fetch_file(blob, target).stat().st_mtime_ns == before
    target.write_bytes(b"half")
    assert store.fetch_file(blob, target).read_bytes() == b"graph"
    assert store.fetch_file(blob, tmp_path / "other.pb").read_bytes() == b"graph"


def test_a_file_of_the_users_that_was_replaced_by_another_of_the_same_size_is_fetched_again(
    tmp_path,
):
    store = store_in(tmp_path / "labels")
    store.container.write("model_1.pb", b"one")
    store.fetch_file("model_1.pb", tmp_path / "model_1.pb")
    store.container.write("model_1.pb", b"two")
    assert store.fetch_file("model_1.pb", tmp_path / "model_1.pb").read_bytes() == b"two"


def test_snapshots_that_are_not_on_this_disk_are_kept_by_name_and_refetched_when_cut_short(
    tmp_path,
):
    fetched = []

    def fetch(self, name, target):
        fetched.append(name)
        return self.inner.fetch(name, target)

    started(tmp_path / "labels")
    container = Wrapped(tmp_path / "labels", path_of=lambda self, name: None, fetch=fetch)
    store = LabelStore(container, by="ann", user_folders=True, cache=tmp_path / "cache")
    state = store.read()
    for _ in range(2):
        assert len(pool_of(store, state)) == 40
    assert fetched == [state.blob("totag")]
    next((tmp_path / "cache").rglob("totag_*.csv")).write_text("filename")
    assert len(pool_of(store, state)) == 40 and len(fetched) == 2
    state, _ = store.commit(lambda state: Change({"tagged": labels("a.jpg NULL")}), what="test")
    assert image_set(store.table(state, "tagged")) == {"a.jpg"} and len(fetched) == 2


def test_a_hand_out_shrinks_totag_while_it_is_small(tmp_path, monkeypatch):
    store = started(tmp_path)
    state, _ = store.commit(
        lambda state: reserved(store, state, pool_of(store, state), ["i001.jpg", "i002.jpg"]),
        what="test",
    )
    assert len(store.table(state, "totag")) == 38 and image_set(store.table(state, "tagging")) == {
        "i001.jpg",
        "i002.jpg",
    }
    monkeypatch.setattr("utils.labels.table_files.SMALL", 10)
    before = state.blob("totag")
    state, _ = store.commit(
        lambda state: reserved(store, state, pool_of(store, state), ["i003.jpg"]), what="test"
    )
    assert (
        state.blob("totag") == before
        and "i003.jpg" not in image_set(pool_of(store, state))
        and len(pool_of(store, state)) == 37
    )


def test_labels_of_another_tool_are_reported_until_they_are_taken_in(tmp_path, capsys):
    store = started(tmp_path)
    store.commit(lambda state: Change({"tagged": labels("a.jpg NULL")}), what="test")
    store.read(report_foreign=True)
    assert capsys.readouterr().err == ""
    (tmp_path / "tagged_99.csv").write_bytes(tables.to_csv("tagged", labels("b.jpg NULL"), True))
    for _ in range(2):
        state = store.read(report_foreign=True)
        assert (
            capsys.readouterr().err.count("python tag/import_labels.py tagged_99.csv CONFIG") == 1
        )
        store.commit(lambda state: Change(members={"note": state.commit}), what="test")
    assert state.blob("tagged") != "tagged_99.csv"
    settled = {**document(tmp_path)["foreign"], "blobs": [], "settled": ["tagged_99.csv"]}
    store.commit(lambda state: Change(members={"foreign": settled}), what="test")
    store.read(report_foreign=True)
    assert capsys.readouterr().err == ""


def _take_and_tag(folder: Path, name: str, rounds: int) -> list[str]:
    """One annotator: reserves 2 images a round and uploads them, as the programs in tag/ do."""
    store, mine = store_in(folder, by=name), []
    for _ in range(rounds):
        chosen = []

        def reserve(state, chosen=chosen):
            free = pool_of(store, state)
            chosen[:] = sorted(image_set(free))[:2]
            return reserved(store, state, free, chosen)

        def upload(state, chosen=chosen):
            done = assignments.accept_upload(
                *(store.table(state, name) for name in ("tagged", "tagging", "test", "conflicts")),
                uploaded=labels("\n".join(f"{image} {name} .1 .2 .1 .2" for image in chosen)),
                tagger=name,
                now=datetime.now(UTC),
            )
            return Change(done.tables)

        store.commit(reserve, what="reserving")
        store.commit(upload, what="uploading")
        mine += chosen
    return mine


def _publish_again_and_again(folder: Path, stop: threading.Event) -> int:
    store, listed, times = (
        store_in(folder, by="trainer"),
        images(*(image for image in sorted(image_set(TOTAG)))),
        0,
    )
    predictions = labels(
        "\n".join(f"{image} dog .1 .2 .1 .2 .9 .9" for image in sorted(image_set(TOTAG))), "totag"
    )
    while not stop.wait(0.2):

        def publish(state):
            present = {
                name: store.table(state, name) for name in ("totag", "tagged", "tagging", "failed")
            }
            return Change(
                {
                    "totag": assignments.publish_totag(
                        listed, predictions, **present, hours=72, now=datetime.now(UTC)
                    )
                },
                cycle={"n": len(state.cycles)},
            )

        store.commit(publish, what="publishing")
        times += 1
    return times


def test_many_processes_at_once_lose_nothing_and_get_different_images_while_a_trainer_publishes(
    tmp_path,
):
    store = started(tmp_path)
    stop = threading.Event()
    published = []
    trainer = threading.Thread(
        target=lambda: published.append(_publish_again_and_again(tmp_path, stop))
    )
    trainer.start()
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        taken = pool.starmap(
            _take_and_tag, [(tmp_path, f"person{number}", 5) for number in range(4)]
        )
    stop.set()
    trainer.join()
    assert [len(each) for each in taken] == [10] * 4 and len(set().union(*taken)) == 40
    state = store.read()
    tagged = store.table(state, "tagged")
    assert {(row.filename, row["class"]) for _, row in tagged.iterrows()} == {
        (image, f"person{number}") for number, each in enumerate(taken) for image in each
    }
    assert (
        store.table(state, "tagging").empty
        and store.table(state, "conflicts").empty
        and pool_of(store, state).empty
    )
    assert [cycle["n"] for cycle in state.cycles] == list(range(published[0])) and published[0] > 0


def test_threads_that_commit_at_once_each_leave_their_mark(tmp_path):
    started(tmp_path)

    def mark(number):
        store = store_in(tmp_path)
        for step in range(5):
            store.commit(lambda state: Change(cycle={"mark": [number, step]}), what="test")  # noqa: B023

    threads = [threading.Thread(target=mark, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    marks = [tuple(cycle["mark"]) for cycle in document(tmp_path)["cycles"]]
    assert len(marks) == 30 and set(marks) == {
        (number, step) for number in range(6) for step in range(5)
    }


def test_a_program_killed_at_any_moment_leaves_the_state_before_or_after(tmp_path):
    """A child commits as fast as it can; each state it could have left has as many tagged images as
    its counter says.
    """
    store = started(tmp_path)
    code = (
        "import sys; sys.path[:0] = ['.', 'tests']; from pathlib import Path; from helpers_state"
        " import store_in, Change, labels\nstore = store_in(Path(sys.argv[1])); print('ready',"
        " flush=True)\ndef more(state):\n    n = state.document.get('n', 0) + 1\n    return"
        " Change({'tagged': labels('\\n'.join(f'{i}.jpg NULL' for i in range(n)))}, members={'n':"
        " n})\nwhile True: store.commit(more, what='test')\n"
    )
    for wait in (0.0, 0.03, 0.11, 0.2):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
        )
        child.stdout.readline()
        time.sleep(wait)
        os.kill(child.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        child.wait()
        state = store.read()
        assert len(store.table(state, "tagged")) == state.document.get("n", 0)
    # no lock is left behind
    after, _ = store.commit(lambda state: Change(members={"n": -1}), what="test")
    assert after.document["n"] == -1
