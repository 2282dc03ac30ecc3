"""Large tables as Parquet: what they hold, what is added to them, what becomes of damaged ones."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow.parquet
import pytest
from helpers_state import StateProject, store_in
from helpers_tables import images, labels

from utils.errors import InputError
from utils.labels import table_files, tables
from utils.labels.check import check_blobs, named_blobs, prunable
from utils.labels.document import read_document
from utils.labels.pool import pool_of, reserved
from utils.labels.state import Change
from utils.labels.tables import image_set
from utils.overview.upkeep import check

TOTAG = labels(
    "a/1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.7\na/1.jpg seal 0.6 0.9 0.2 0.8 0.7 0.7\nb/1.jpg NULL"
    '\nc/"x,y".jpg NULL 0 0 0 0 0 0',
    "totag",
)
MORE = labels("d/4.jpg bird 0.25 0.5 0.123456 0.8 0.9 0.9", "totag")


@pytest.fixture(autouse=True)
def every_table_is_large(monkeypatch):
    monkeypatch.setattr(table_files, "SMALL", 0)


def commit(store, **frames):
    return store.commit(lambda state: Change(frames), what="test")[0]


def test_a_large_table_is_parquet_in_format_2_and_what_people_open_stays_csv(tmp_path):
    store = store_in(tmp_path)
    state = commit(store, totag=TOTAG, images=images("a/1.jpg"), tagged=labels("a/2.jpg NULL"))
    assert state.document["format"] == 2
    assert state.blob("totag").endswith(".parquet") and state.blob("images").endswith(".parquet")
    assert state.blob("tagged").endswith(".csv")
    assert store.table(state, "totag").equals(TOTAG)
    assert store.table(state, "images").equals(images("a/1.jpg"))


def test_a_small_table_stays_csv_in_format_1(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "SMALL", 1_000_000)
    state = commit(store_in(tmp_path), totag=TOTAG, images=images("a/1.jpg"))
    assert state.document["format"] == 1
    assert {blob.rpartition(".")[2] for blob in state.document["tables"].values()} == {"csv"}


def test_an_older_program_refuses_format_2_with_its_one_line(tmp_path, monkeypatch):
    commit(store_in(tmp_path), totag=TOTAG)
    monkeypatch.setattr("utils.labels.document.FORMAT", 1)
    with pytest.raises(InputError, match="^x has format 2, this program knows 1; update") as error:
        read_document((tmp_path / "label_state.json").read_bytes(), "x")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("small", [0, 1_000_000])
def test_coordinates_come_back_exactly_as_float32_from_both_kinds_of_file(
    tmp_path, monkeypatch, small
):
    monkeypatch.setattr(table_files, "SMALL", small)
    draw = np.random.default_rng(1)
    sides = np.sort(draw.random((2, 5000)).astype(np.float32), axis=0).astype(float)
    sides[:, :100] *= 1e-6
    known = draw.random(5000).round(7)
    rows = tables.make(
        "totag",
        filename=[f"{number}.jpg" for number in range(5000)],
        folder="a",
        class_="bird",
        xmin=sides[0],
        xmax=sides[1],
        ymin=0.0,
        ymax=1.0,
        height=100,
        width=100,
        box_confidence=known,
        image_confidence=known,
    )
    store = store_in(tmp_path)
    back = store.table(commit(store, totag=rows), "totag")
    for side in ("xmin", "xmax"):
        assert (back[side].astype(np.float32) == rows[side].astype(np.float32)).all()
    assert (back["xmin"] <= back["xmax"]).all() and (back["ymax"] == 1).all()
    assert (back["box_confidence"] == rows["box_confidence"]).all()  # of at most seven decimals


def test_rows_that_are_added_are_written_alone_and_read_with_those_before(tmp_path):
    store = store_in(tmp_path)
    many = tables.concat("totag", *[TOTAG] * 20)
    first = commit(store, totag=many)
    both = tables.concat("totag", many, MORE)
    state = commit(store, totag=both)
    assert store.table(state, "totag").equals(both)
    assert store.container.info(state.blob("totag")).metadata["base"] == first.blob("totag")
    assert pyarrow.parquet.read_metadata(tmp_path / state.blob("totag")).num_rows == 1
    assert commit(store, totag=both).commit == state.commit  # nothing differs
    assert commit(store, totag=many[1:]).blob("totag") != first.blob("totag")
    assert "base" not in store.container.info(store.read().blob("totag")).metadata


def test_a_table_of_too_many_parts_is_written_whole_again(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "MOST_PARTS", 3)
    store = store_in(tmp_path)
    rows = tables.concat("totag", *[TOTAG] * 20)
    based = []
    for _ in range(4):
        state = commit(store, totag=rows)
        based.append("base" in store.container.info(state.blob("totag")).metadata)
        assert store.table(state, "totag").equals(rows)
        rows = tables.concat("totag", rows, MORE)
    assert based == [False, True, True, False]


def test_a_damaged_parquet_file_is_found_by_the_check_and_an_older_table_comes_back(
    tmp_path, folder_store
):
    project = StateProject(folder_store, tmp_path)
    store, many = project.labels, project.table("totag")
    state = commit(store, totag=tables.concat("totag", many, labels("b/2.jpg NULL", "totag")))
    assert not [finding for finding in check_blobs(store, state)[0] if finding.rule == 5]
    store.container.path_of(state.blob("totag")).write_bytes(b"PAR1")
    found = [str(finding) for finding in check_blobs(store, state)[0] if finding.rule == 5]
    assert any("is damaged" in text for text in found)
    checked = check(store, state, repair=True)
    assert not checked.found
    assert project.names("totag") == sorted(image_set(many))


def test_a_table_whose_base_is_damaged_is_refused_in_one_line(tmp_path):
    store = store_in(tmp_path, cache=tmp_path / "cache")
    many = tables.concat("totag", *[TOTAG] * 20)
    first = commit(store, totag=many).blob("totag")
    state = commit(store, totag=tables.concat("totag", many, MORE))
    (tmp_path / first).write_bytes((tmp_path / first).read_bytes()[:-9])
    with pytest.raises(InputError, match=rf"^{first} in .* is damaged"):
        store_in(tmp_path).table(state, "totag")
    state = commit(store_in(tmp_path), totag=many)  # and can be replaced
    assert store.table(state, "totag").equals(many)


def test_a_base_is_a_snapshot_of_the_same_table_and_nothing_else(tmp_path):
    store = store_in(tmp_path)
    state = commit(store, totag=tables.concat("totag", *[TOTAG] * 20))
    path = tmp_path / state.blob("totag")
    table = pyarrow.parquet.read_table(path).replace_schema_metadata({"base": "../../secret"})
    named = store.publish_file("totag", ".parquet", _bytes_of(table))
    with pytest.raises(InputError, match="is damaged: its base is none"):
        store.table_at(named, "totag")


def _bytes_of(table) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def test_pruning_keeps_what_a_named_table_is_based_on(tmp_path):
    store = store_in(tmp_path)
    many = tables.concat("totag", *[TOTAG] * 20)
    commit(store, totag=many)
    state = commit(store, totag=tables.concat("totag", many, MORE))
    later = datetime.now(UTC) + timedelta(days=90)
    blobs = [store.container.info(blob.name) for blob in store.container.list()]
    assert prunable(blobs, named_blobs(state), [], later) == []
    unnamed = commit(store, totag=TOTAG)  # neither part is named any more
    assert len(prunable(blobs, named_blobs(unnamed), [], later)) == 0  # of the last commits
    old = [replace(blob, metadata={**blob.metadata, "commit": "x"}) for blob in blobs]
    spared = [
        replace(old[0], name=f"totag_{10**12 + number}.parquet", metadata={"commit": f"{number}"})
        for number in range(3)
    ]
    newer = [replace(blob, last_modified=blob.last_modified + timedelta(1)) for blob in spared]
    gone = prunable(old + newer, named_blobs(unnamed), [], later)
    assert gone == sorted(blob.name for blob in old if blob.name.startswith("totag"))


def test_a_hand_out_leaves_a_large_table_as_it_is(tmp_path):
    store = store_in(tmp_path)
    before = commit(store, totag=TOTAG).blob("totag")
    state, _ = store.commit(
        lambda state: reserved(store, state, pool_of(store, state), ["b/1.jpg"]), what="test"
    )
    assert state.blob("totag") == before
    assert "b/1.jpg" not in image_set(pool_of(store, state))


def test_status_exports_any_table_as_csv(tmp_path, folder_store):
    project = StateProject(folder_store, tmp_path)
    place = tmp_path / "here"
    place.mkdir()
    said = project.run("tag/status.py", "--export", "totag", cwd=place)
    (path,) = place.iterdir()
    assert path.name == project.state().blob("totag").replace(".parquet", ".csv") and "→" in said
    assert tables.parse("totag", path).equals(project.table("totag"))
    said = project.run("tag/status.py", "--export", "totags", code=2, cwd=place)
    assert "--export totags: there is no such table; near: totag" in said
    path.write_text("mine")
    assert "another file lies there" in project.run(
        "tag/status.py", "--export", "totag", code=2, cwd=place
    )
    assert path.read_text() == "mine"


def test_the_document_says_which_format_it_has(tmp_path):
    commit(store_in(tmp_path), tagged=labels("a/2.jpg NULL"))
    assert json.loads((tmp_path / "label_state.json").read_text())["format"] == 1
    commit(store_in(tmp_path), totag=TOTAG)
    commit(store_in(tmp_path), tagged=labels("a/3.jpg NULL"))
    assert json.loads((tmp_path / "label_state.json").read_text())["format"] == 2
