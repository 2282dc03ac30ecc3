"""A container of the earlier generation is taken over at first contact, with nothing lost."""

import os
from pathlib import Path

import numpy as np
import pytest
from helpers_tables import labels

from utils.errors import InputError
from utils.labels import table_files, tables
from utils.labels.pool import pool_of, reserved
from utils.labels.state import Change
from utils.labels.store import LabelStore
from utils.labels.tables import blob_names, image_set
from utils.storage.folder import FolderContainer

TAGGED = b"filename,class,xmin,xmax,ymin,ymax,height,width,folder\n"
TOTAG = b"filename,class,xmin,xmax,ymin,ymax,height,width,folder,box_confidence,image_confidence\n"


def put(folder: Path, name: str, data: bytes, age: int = 0) -> None:
    """A blob that is `age` seconds older than 2026-01-01."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    os.utime(folder / name, (1767225600 - age,) * 2)


def store_in(folder: Path, user_folders=True) -> LabelStore:
    folder.mkdir(exist_ok=True)
    return LabelStore(FolderContainer(folder), by="ann", user_folders=user_folders)


def rows(frame, *columns):
    return frame[list(columns)].to_numpy().tolist()


def test_a_container_without_files_of_ours_is_not_taken_over(tmp_path):
    put(tmp_path, "notes.csv", b"x")
    put(tmp_path, "totag_backup.csv", b"x")
    assert store_in(tmp_path).read().etag is None
    assert sorted(each.name for each in tmp_path.glob("*.*") if each.is_file()) == [
        "notes.csv",
        "totag_backup.csv",
    ]


def test_the_newest_file_by_time_is_the_truth_and_of_equal_times_the_one_of_larger_number(
    tmp_path,
):
    # seconds
    put(tmp_path, "totag_1767225600.csv", TOTAG + b"new.jpg,NULL,0,0,0,0,10,20,cam,0,0\n")
    put(
        tmp_path, "totag_1999999999999.csv", TOTAG + b"old.jpg,NULL,0,0,0,0,10,20,cam,0,0\n", age=60
    )  # milliseconds of a wrong clock
    put(tmp_path, "tagged_1567225601.csv", TAGGED + b"b.jpg,dog,0,.5,0,.5,10,20,cam\n")
    put(tmp_path, "tagged_1567225600999.csv", TAGGED + b"a.jpg,dog,0,.5,0,.5,10,20,cam\n")
    put(tmp_path, "model_1567225600.pb", b"graph", age=5)
    put(tmp_path, "model_1567225601.pb", b"newer graph", age=4)
    store = store_in(tmp_path)
    state = store.read()
    assert image_set(pool_of(store, state)) == {"cam/new.jpg"}
    assert image_set(store.table(state, "tagged")) == {"cam/b.jpg"}
    assert state.live["model"] == "model_1567225601.pb"
    assert state.document["taken_over"]["from"]["totag"] == "totag_1767225600.csv"


def test_an_image_is_in_the_strongest_of_its_tables_and_reservations_begin_now(tmp_path):
    put(
        tmp_path,
        "totag_1.csv",
        TOTAG + b"".join(b"%c.jpg,NULL,0,0,0,0,10,20,cam,0,0\n" % letter for letter in b"abc"),
    )
    put(
        tmp_path,
        "tagging_1.csv",
        TOTAG + b"b.jpg,dog,.1,.2,.1,.2,10,20,cam,.9,.9\nc.jpg,NULL,0,0,0,0,10,20,cam,0,0\n",
    )
    put(
        tmp_path,
        "tagged_1.csv",
        TAGGED + b"c.jpg,dog,0,.5,0,.5,10,20,cam\nd.jpg,dog,0,.5,0,.5,10,20,cam\n",
    )
    put(tmp_path, "test_1.csv", TAGGED + b"d.jpg,dog,0,.4,0,.5,10,20,cam\n")
    store = store_in(tmp_path)
    state = store.read()
    tagging = store.table(state, "tagging")
    assert [
        image_set(store.table(state, name)) for name in ("totag", "tagging", "tagged", "test")
    ] == [{"cam/a.jpg"}, {"cam/b.jpg"}, {"cam/c.jpg", "cam/d.jpg"}, {"cam/d.jpg"}]
    assert rows(tagging, "class", "box_confidence", "tagger", "reserved_at") == [
        ["dog", 0.9, "", state.document["taken_over"]["at"]]
    ]
    assert rows(store.table(state, "test"), "xmax") == [[0.5]]  # test has the rows of tagged
    assert image_set(pool_of(store, state)) == {"cam/a.jpg"}


def test_coordinates_are_clipped_and_ordered_equal_rows_merged_and_null_beside_boxes_dropped(
    tmp_path,
):
    put(
        tmp_path,
        "tagged_1.csv",
        b"\xef\xbb\xbf"
        + TAGGED.replace(b"\n", b"\r\n")
        + b"a.jpg,dog,-0.01,1.02,0.6,0.4,480.0,640.0,cam\r\n"
        + b"a.jpg,dog,-0.01,1.02,0.6,0.4,480,640,cam\r\na.jpg,NULL,0,0,0,0,480,640,cam\r\n"
        b"b.jpg,NULL,0,0,0,0,0,0,cam\r\nb.jpg,NULL,0,0,0,0,480,640,cam\r\n0001,cat,0.1,0.2,0.1,0.2,480,640,cam\r\n",
    )
    store = store_in(tmp_path)
    tagged = store.table(store.read(), "tagged")
    assert rows(tagged, "filename", "class", "xmin", "xmax", "ymin", "ymax") == [
        ["a.jpg", "dog", 0, 1, 0.4, 0.6],
        ["b.jpg", "NULL", 0, 0, 0, 0],
        ["0001", "cat", 0.1, 0.2, 0.1, 0.2],
    ]


def test_eight_columns_without_folder_are_read(tmp_path):
    put(
        tmp_path,
        "tagged_1.csv",
        b"filename,class,xmin,xmax,ymin,ymax,height,width\na.jpg,big dog,0,.5,0,.5,10,20\n",
    )
    for user_folders in (False, True):
        folder = tmp_path / str(user_folders)
        folder.mkdir()
        put(folder, "tagged_1.csv", (tmp_path / "tagged_1.csv").read_bytes())
        store = store_in(folder, user_folders)
        assert rows(store.table(store.read(), "tagged"), "folder", "filename", "class") == [
            ["", "a.jpg", "big dog"]
        ]


def test_folders_are_never_dropped_because_a_config_does_not_say_that_there_are_any(tmp_path):
    put(
        tmp_path,
        "tagged_1.csv",
        TAGGED + b"a.jpg,gull,0,1,0,1,10,20,x\na.jpg,NULL,0,0,0,0,10,20,y\n",
    )
    with pytest.raises(
        InputError,
        match=(
            "tagged_1.csv in .* has images in folders, such as x/a.jpg; set user_folders=True in"
            " CONFIG"
        ),
    ):
        store_in(tmp_path, user_folders=False).read()
    assert not (tmp_path / "label_state.json").exists()
    state = store_in(tmp_path).read()
    without = store_in(tmp_path, user_folders=False)
    with pytest.raises(InputError, match="such as x/a.jpg; set user_folders=True"):
        without.commit(lambda now: Change({"tagged": without.table(now, "tagged")}), what="test")
    assert store_in(tmp_path).read() == state


def test_nothing_of_the_old_container_is_changed_and_the_second_contact_reads_the_state(
    tmp_path, capsys
):
    put(tmp_path, "totag_1.csv", TOTAG + b"a.jpg,NULL,0,0,0,0,10,20,cam,0,0\n")
    put(tmp_path, "tagged_1.csv", TAGGED + b"b.jpg,dog,0,.5,0,.5,10,20,cam\n")
    put(tmp_path, "tagged_0.csv", TAGGED, age=100)
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    store = store_in(tmp_path)
    first = store.read(report_foreign=True)
    assert {each: each.read_bytes() for each in before} == before
    assert store.read(report_foreign=True).commit == first.commit and first.etag is not None
    assert capsys.readouterr().err == ""
    put(tmp_path, "tagged_2.csv", TAGGED, age=-100)  # the old tool is still in use somewhere
    store.read(report_foreign=True)
    assert "tag/import_labels.py tagged_2.csv CONFIG" in capsys.readouterr().err


def test_two_machines_that_meet_an_old_container_at_once_take_it_over_once(tmp_path):
    put(tmp_path, "tagged_1.csv", TAGGED + b"b.jpg,dog,0,.5,0,.5,10,20,cam\n")

    class Overtaken(FolderContainer):
        def write(self, name, data, **options):
            if name == "label_state.json":
                store_in(tmp_path).read()
            return super().write(name, data, **options)

    late = LabelStore(Overtaken(tmp_path), by="bob", user_folders=True)
    state = late.read()
    assert (
        state.document["by"] == "ann"
        and len(state.document["history"]) == 1
        and image_set(late.table(state, "tagged")) == {"cam/b.jpg"}
    )


def test_an_old_file_that_cannot_be_read_is_named(tmp_path):
    put(tmp_path, "tagged_1.csv", b"\x00\x01\x02")
    with pytest.raises(InputError, match="tagged_1.csv"):
        store_in(tmp_path).read()
    assert not (tmp_path / "label_state.json").exists()


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    "name, count, boxes", [("totag_source2.csv", 4, 10), ("untagged_cow.csv", 10, 12)]
)
def test_predictions_of_the_earlier_generation_are_taken_over_row_by_row(
    tmp_path, shared, monkeypatch, name, count, boxes, large
):
    if large:
        monkeypatch.setattr(table_files, "SMALL", 0)
    put(tmp_path, "totag_1559000000.csv", (shared / "legacy/csv" / name).read_bytes())
    store = store_in(tmp_path)
    frame = pool_of(store, store.read())
    old = tables.parse("totag", shared / "legacy/csv" / name)
    assert (frame["class"] != "NULL").sum() == boxes and blob_names(frame).nunique() == count
    assert frame[["filename", "class"]].equals(old[["filename", "class"]])
    numbers = ["box_confidence", "xmin", "xmax", "ymin", "ymax"]
    kind = np.float32 if large else np.float64
    np.testing.assert_array_equal(
        frame[numbers].to_numpy(float).astype(kind),
        old[numbers].clip(0, 1).to_numpy(float).astype(kind),
    )


def test_a_hand_out_from_an_old_container_works_at_once(tmp_path):
    put(
        tmp_path,
        "totag_1559000000.csv",
        tables.to_csv(
            "totag", labels("cam/a.jpg dog .1 .2 .1 .2 .9 .9\ncam/b.jpg NULL", "totag"), True
        ),
    )
    store = store_in(tmp_path)
    state, _ = store.commit(
        lambda state: reserved(store, state, pool_of(store, state), ["cam/b.jpg"]), what="test"
    )
    assert image_set(store.table(state, "tagging")) == {"cam/b.jpg"} and image_set(
        pool_of(store, state)
    ) == {"cam/a.jpg"}
