"""Between this machine and the service: delays, cuts, refusals and lies. The result is right, or
one line; never a wrong file.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import azure.storage.blob
import bad_line
import pytest
from helpers_proxy import CODES, Fault, Proxy, through
from helpers_tables import labels

from utils.config import load_config
from utils.errors import InputError, OutsideError, one_line
from utils.labels.state import Change
from utils.labels.store import LabelStore
from utils.labels.tables import image_set
from utils.storage.container import Container
from utils.storage.opening import open_containers
from utils.storage.sync import list_images, sync_images

CONTENT = os.urandom(300_000)
ALWAYS = 10**6
KINDS = [
    ("delay", 500),
    ("lost request", 500),
    ("lost answer", 500),
    ("cut", 500),
    ("short", 500),
    ("lie", 500),
    *(("status", status) for status in CODES),
]


@dataclass
class Line:
    """A store that is reached through a proxy, and the same store without it."""

    proxy: Proxy
    images: Container
    labels: Container
    direct: object  # conftest.Store
    config: Path

    def break_(
        self,
        kind: str,
        times: int = 1,
        status: int = 500,
        meets=lambda method, path: True,
        skip: int = 0,
    ) -> Fault:
        fault = Fault(kind, meets, times, skip, status, seconds=0.2)
        self.proxy.faults.append(fault)
        return fault


@pytest.fixture
def line(azurite_store, azurite_url, tmp_path, monkeypatch):
    """The real client with its real retries, but without the seconds that it waits between them."""

    def hasty(**options):
        return azure.storage.blob.ExponentialRetry(
            **{**options, "initial_backoff": 0, "increment_base": 0, "random_jitter_range": 0}
        )

    monkeypatch.setattr("utils.storage.azure.ExponentialRetry", hasty)
    monkeypatch.setattr("azure.storage.blob._download.time.sleep", lambda seconds: None)
    with through(azurite_url) as proxy:
        config = tmp_path / "through.ini"
        config.write_text(azurite_store.config_text().replace(azurite_url, proxy.url))
        images, label_container = open_containers(load_config(config))
        yield Line(proxy, images, label_container, azurite_store, config)


def said(operation):
    """The operation's result, or its one line."""
    try:
        return operation()
    except (InputError, OutsideError) as error:
        text = str(error)
        assert (
            "\n" not in text and "sig=" not in text and "Traceback" not in text and len(text) < 400
        )
        return one_line(error)


OPERATIONS = ["read", "fetch", "info", "list", "write", "replace", "sync"]
IN_BULK = ["read in bulk", "fetch in bulk", "part in bulk", "sync by the package"]


def prepared(line: Line, operation: str, folder: Path):
    """(operation to run, what it gives when all is well, what must be so afterwards)."""
    for number in range(3):
        line.direct.images.write(f"a/{number}.jpg", CONTENT + bytes([number]))
    etag = line.direct.labels.write("old.csv", b"old")
    target = folder / "got.jpg"
    target.write_bytes(b"before")

    def whole_or_before():
        assert os.listdir(folder) == ["got.jpg"]
        assert target.read_bytes() in (b"before", CONTENT + b"\0")

    def written(name, *possible):
        def check():
            there = (
                line.direct.labels.read(name)[0]
                if name in [blob.name for blob in line.direct.labels.list()]
                else None
            )
            assert there in possible

        return check

    def all_whole():
        for path in (folder / "images").rglob("*"):
            assert (
                path.is_dir()
                or path.name == ".synced.jsonl"
                or path.read_bytes() == CONTENT + bytes([int(path.stem)])
            ), path

    first = line.direct.images.info("a/0.jpg")

    def synced():
        result = sync_images(
            line.images, list_images(line.images, "*.jpg", True).blobs, folder / "images", workers=1
        )
        return result.downloaded, result.failed

    return {
        "read": (lambda: line.images.read("a/0.jpg")[0], CONTENT + b"\0", lambda: None),
        "fetch": (
            lambda: line.images.fetch("a/0.jpg", target) and target.read_bytes(),
            CONTENT + b"\0",
            whole_or_before,
        ),
        "info": (lambda: line.images.info("a/0.jpg").size, len(CONTENT) + 1, lambda: None),
        "list": (
            lambda: [blob.name for blob in line.images.list()],
            ["a/0.jpg", "a/1.jpg", "a/2.jpg"],
            lambda: None,
        ),
        "write": (
            lambda: bool(line.labels.write("new.csv", CONTENT)),
            True,
            written("new.csv", None, CONTENT),
        ),
        "replace": (
            lambda: bool(line.labels.write("old.csv", CONTENT, if_etag=etag)),
            True,
            written("old.csv", b"old", CONTENT),
        ),
        "sync": (synced, (3, []), all_whole),
        "sync by the package": (synced, (3, []), all_whole),
        "read in bulk": (
            lambda: line.images.read("a/0.jpg", first)[0],
            CONTENT + b"\0",
            lambda: None,
        ),
        "fetch in bulk": (
            lambda: line.images.fetch("a/0.jpg", target, listed=first) and target.read_bytes(),
            CONTENT + b"\0",
            whole_or_before,
        ),
        "part in bulk": (
            lambda: line.images.read_part("a/0.jpg", 1000, 2000, first),
            CONTENT[1000:3000],
            lambda: None,
        ),
    }[operation]


@pytest.mark.parametrize("operation", OPERATIONS + IN_BULK)
@pytest.mark.parametrize("kind, status", KINDS)
def test_a_fault_that_passes_and_one_that_stays_give_the_right_result_or_one_line(
    line, tmp_path, operation, kind, status
):
    (tmp_path / "disk").mkdir()
    for times in (1, ALWAYS):
        line.proxy.faults.clear()
        run, right, check = prepared(line, operation, tmp_path / "disk")
        line.break_(kind, times, status)
        if operation == "sync by the package":
            line.images._bulk = None
        try:
            result = said(run)
        except Exception as error:
            assert type(error).__name__ == "Conflict" and operation in ("write", "replace"), error
            result = "a conflict, which a commit looks into"
        check()
        assert result == right or isinstance(result, str) or "sync" in operation and result[1], (
            result
        )
        passes = (
            times == 1
            and status in (500, 503)
            and operation in ("read", "fetch", "info", "write", *IN_BULK[:3])
        )
        if kind == "delay" or passes:
            assert result == right, (times, result)


@pytest.mark.usefixtures("way_to_read")
@pytest.mark.parametrize("kind", ["cut", "short", "lie"])
def test_an_image_without_md5_is_never_taken_in_part(line, tmp_path, kind):
    """Blobs that were uploaded in blocks have no MD5: their length must do."""
    line.direct.images.write("a.jpg", CONTENT)
    line.direct.images._client.get_blob_client("a.jpg").set_http_headers(
        azure.storage.blob.ContentSettings()
    )
    blobs = list_images(line.images, "*.jpg", True).blobs
    line.break_(kind, ALWAYS, meets=lambda method, path: method == "GET" and "/a.jpg" in path)
    result = said(lambda: sync_images(line.images, blobs, tmp_path / "images"))
    assert (
        isinstance(result, str)
        or result.downloaded == 0
        and [name for name, _ in result.failed] == ["a.jpg"]
    )

    line.proxy.faults.clear()
    assert sync_images(line.images, blobs, tmp_path / "images").downloaded == 1
    assert (tmp_path / "images" / "a.jpg").read_bytes() == CONTENT


def test_a_part_of_a_large_blob_that_comes_short_is_asked_for_again(line, tmp_path):
    content = os.urandom(36 << 20)  # the client asks for 32 MB first, and for the rest in parts
    line.direct.images.write("a.jpg", content)
    line.direct.images._client.get_blob_client("a.jpg").set_http_headers(
        azure.storage.blob.ContentSettings()
    )
    line.break_("short", skip=1, meets=lambda method, path: method == "GET" and "/a.jpg" in path)
    line.images.fetch("a.jpg", tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").read_bytes() == content
    assert len(line.proxy.seen) >= 4  # the containers' listings came before


def is_put(name: str):
    return lambda method, path: (
        method == "PUT" and re.search(rf"/{name}[^/]*$", path.split("?")[0]) is not None
    )


def store_of(line: Line) -> LabelStore:
    return LabelStore(line.labels, by="anna", user_folders=True, cache=line.config.parent / "cache")


def history(line: Line) -> list[str]:
    return json.loads(line.direct.labels.read("label_state.json")[0])["history"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("blob", ["label_state", "tagged_"])
def test_a_commit_whose_answer_was_lost_after_the_service_wrote_stands_exactly_once(
    line, blob, times, first
):
    """The client tries again by itself and sees 412 or 409 for its own work; more than `times` cuts
    in a row are the next test.
    """
    store = store_of(line)
    if not first:
        store.commit(lambda state: Change({"totag": labels("a.jpg NULL", "totag")}), what="test")
    line.break_("lost answer", times, meets=is_put(blob))
    state, _ = store.commit(
        lambda state: Change({"tagged": labels("a.jpg NULL")}, cycle={"n": len(state.cycles)}),
        what="test",
    )
    assert line.proxy.faults[0].met >= times
    assert state.cycles == [{"n": 0}] and image_set(store.table(state, "tagged")) == {"a.jpg"}
    assert len(history(line)) == 2 - first and history(line)[-1] == state.commit
    named = state.document["tables"].values()
    assert set(named) <= {entry.name for entry in line.direct.labels.list()}


def test_a_commit_of_which_no_answer_ever_comes_stands_when_the_service_wrote_it(line):
    store = store_of(line)
    line.break_("lost answer", ALWAYS, meets=is_put("label_state"))
    state, _ = store.commit(lambda state: Change(cycle={"n": len(state.cycles)}), what="test")
    assert state.cycles == [{"n": 0}] and history(line) == [state.commit]


@pytest.mark.parametrize("kind", ["lost request", "status"])
@pytest.mark.parametrize("status", [500, 503, 403])
def test_a_commit_that_the_service_never_takes_is_one_line_and_the_state_before(line, kind, status):
    store = store_of(line)
    store.commit(lambda state: Change({"totag": labels("a.jpg NULL", "totag")}), what="test")
    before = line.direct.labels.read("label_state.json")[0]
    line.break_(kind, ALWAYS, status, is_put("label_state"))
    assert isinstance(
        said(
            lambda: store.commit(
                lambda state: Change({"tagged": labels("a.jpg NULL")}), what="test"
            )
        ),
        str,
    )
    assert line.direct.labels.read("label_state.json")[0] == before

    line.proxy.faults.clear()
    state, _ = store.commit(lambda state: Change({"tagged": labels("a.jpg NULL")}), what="test")
    assert len(history(line)) == 2 and image_set(store.table(state, "tagged")) == {"a.jpg"}


def test_refusals_that_pass_cost_a_commit_nothing_but_another_try(line):
    store = store_of(line)
    for status, times in ((412, 2), (503, 1), (500, 1)):
        line.break_("status", times, status, is_put("label_state"))
    states = [
        store.commit(lambda state: Change(cycle={"n": len(state.cycles)}), what="test")
        for _ in range(2)
    ]
    assert states[-1][0].cycles == [{"n": 0}, {"n": 1}] and len(history(line)) == 2


def test_programs_finish_their_work_over_a_line_that_spoils_many_answers():
    """A sample of benchmarks/bad_line.py, which says what is looked at."""
    played = next(bad_line.rounds(1))
    assert played.wrong == [] and played.spoilt.total() > 5
