"""The shortlist of a large project: the images chosen are those that the whole tables would give,
and where it does not serve the whole tables are read.
"""

import importlib
import json
import threading
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet
import pytest
from helpers_batch import BatchProject
from helpers_pool import Annotator
from helpers_state import store_in
from helpers_tables import labels

from train.cycle import shortlisting as making
from train.cycle.outputs import CycleOutputs
from train.cycle.shortlisting import make_shortlist, publish_shortlist
from utils.batch.batch import Batch
from utils.batch.choosing import Wishes
from utils.batch.downloading import download
from utils.batch.modes import ToTag
from utils.batch.request import Request
from utils.batch.shortlisted import usable
from utils.errors import InputError
from utils.labels import table_files, tables
from utils.labels.check import check_tables
from utils.labels.class_map import ClassMap
from utils.labels.pool import pool_of
from utils.labels.state import Change
from utils.labels.tables import image_set
from utils.selection.shortlist import read_shortlist, to_parquet
from utils.strategies import STRATEGIES
from utils.times import utc_text

BATCH = 15


def reads_of(monkeypatch) -> list[str]:
    """The names of the tables that are read from now on."""
    read: list[str] = []
    parse = table_files.parse
    monkeypatch.setattr(
        "utils.labels.store.parse", lambda name, *rest: (read.append(name), parse(name, *rest))[1]
    )
    return read


@pytest.fixture(autouse=True)
def a_short_list_of_a_large_project(monkeypatch):
    monkeypatch.setattr(table_files, "SMALL", 0)
    monkeypatch.setenv("ALD_SMALL_TABLE", "0")
    monkeypatch.setattr("utils.selection.shortlisting.MOST", 150)
    monkeypatch.setattr("utils.selection.shortlisting.BATCH", BATCH)


def chosen(reservation) -> list:
    """Everything that is said of the images of a reservation, in any order."""
    rows = tables.only(reservation.why, image_set(reservation.rows))
    return sorted(rows.itertuples(index=False, name=None))


@pytest.mark.parametrize(
    "strategy, seed, balance",
    [
        *[(strategy, 0, "") for strategy in STRATEGIES],
        *[(strategy, 1, "0.3,0.2,0.2,0.3") for strategy in STRATEGIES],
        ("hybrid_per_second", 5, ""),  # labels that come in turn the order of images over
    ],
)
def test_a_hand_out_gives_the_same_images_as_the_whole_tables(tmp_path, strategy, seed, balance):
    anna = Annotator(tmp_path, strategy, seed, balance)
    assert len(anna.list.images) < 1500
    for step in range(5):
        short, whole = anna.reserve(whole=False), anna.reserve(whole=True)
        assert image_set(short.rows) == image_set(whole.rows), step
        assert short.pool_size == whole.pool_size
        for one, other in zip(chosen(short), chosen(whole), strict=True):
            assert one[:3] + one[4:] == other[:3] + other[4:]
            assert one[3] == pytest.approx(other[3], abs=2e-6)
        drawn = [image_set(each.change.tables["drawn"]) for each in (short, whole)]
        assert drawn[0] == drawn[1] and drawn[0]
        anna.take(short, label=step % 2 == 1)


@pytest.mark.parametrize("strategy", ["hybrid", "disagreement"])
def test_images_that_no_model_has_seen_count_as_the_average_of_all_not_of_the_list(
    tmp_path, strategy
):
    anna = Annotator(tmp_path, strategy, unseen=0.5, empty=0.2)
    for step in range(4):
        short, whole = anna.reserve(whole=False), anna.reserve(whole=True)
        assert image_set(short.rows) == image_set(whole.rows), step
        worth = [
            dict(zip(tables.blob_names(why), why["score"], strict=True))
            for why in (short.why, whole.why)
        ]
        # later it is estimated, from the few that were drawn
        assert worth[0] == pytest.approx(worth[1], rel=0.1 if step else 1e-5)
        anna.take(short, label=step % 2 == 1)


@pytest.mark.parametrize("strategy", ["hybrid", "coreset"])
def test_first_batches_are_the_same_as_from_the_whole_tables(tmp_path, strategy):
    anna = Annotator(tmp_path, strategy, unseen=1.0, empty=0.0, labelled=0)
    for step in range(4):
        anna.batch = (15, 7, 30, 15)[step]
        short, whole = anna.reserve(whole=False), anna.reserve(whole=True)
        assert image_set(short.rows) == image_set(whole.rows), step
        assert "to be spread over folders and time" in short.notes[0]
        anna.take(short, label=step % 2 == 1)


def test_coreset_goes_on_in_its_order_whoever_takes_how_many(tmp_path):
    """Each photo is as far as can be from all before it, so any number of them is spread out."""
    anna = Annotator(tmp_path, "coreset", count=600, folders=1, empty=1.0, unseen=0.0)
    anna.config = replace(anna.config, random_share=0.0, max_per_burst=None)
    place = anna.list.standing()
    before = -1.0
    for batch in (4, 25, 11):
        anna.batch = batch
        reservation = anna.reserve(whole=False)
        taken = sorted(place[name] for name in image_set(reservation.rows))
        assert len(taken) == batch and taken[0] > before
        assert image_set(reservation.rows) == image_set(anna.reserve(whole=True).rows)
        before = taken[0]
        anna.take(reservation, label=False)


MAP = ClassMap(
    {"animal": "beast", "bird": "bird"}, frozenset({"rare"}), "other", {"beast": 0.6}, 0.4
)


@pytest.mark.parametrize(
    "strategy, class_map",
    [("hybrid", None), ("coreset", MAP), ("lowest_box", MAP)],
)
def test_what_a_pretrained_model_found_decides_as_from_the_whole_tables(
    tmp_path, strategy, class_map, monkeypatch
):
    anna = Annotator(tmp_path, strategy, unseen=1.0, empty=0.0, labelled=0)
    anna.found_by_pretrained(class_map)
    assert "shortlist" in anna.said
    for step in range(3):
        whole = anna.reserve(whole=True, class_map=class_map)
        with monkeypatch.context() as patched:
            read = reads_of(patched)
            short = anna.reserve(whole=False, class_map=class_map)
        assert not set(read) & table_files.LARGE_TABLES
        assert image_set(short.rows) == image_set(whole.rows), step
        order = ["folder", "filename", "class", "xmin", "xmax"]
        one, other = (each.rows.sort_values(order).to_csv() for each in (short, whole))
        assert one == other
        anna.take(short, label=step % 2 == 1)


def test_another_class_map_is_chosen_by_from_the_whole_tables(tmp_path, capsys):
    anna = Annotator(tmp_path, "entropy", count=300, unseen=1.0, empty=0.0, labelled=0)
    anna.found_by_pretrained(MAP)
    capsys.readouterr()
    others = replace(MAP, shares={"beast": 0.3}, empty_share=0.7)
    assert len(image_set(anna.reserve(whole=False, class_map=others).rows)) == BATCH
    assert "was made for another class_map" in capsys.readouterr().err


def test_what_is_read_is_what_was_made(tmp_path):
    anna = Annotator(tmp_path)
    made = make_shortlist(anna.config, anna.store, anna.store.read())
    (tmp_path / "file").write_bytes(to_parquet(made))
    back = read_shortlist(tmp_path / "file")
    order = ["folder", "filename", "class", "xmin", "xmax", "ymin", "ymax", "box_confidence"]
    one, other = (
        frame.sort_values(order, ignore_index=True)[tables.COLUMNS["totag"]]
        for frame in (made.rows, back.rows)
    )
    assert one.equals(other)
    assert (back.images["etag"] == made.images["etag"]).all()
    assert image_set(back.rows) == image_set(back.images[back.listed])
    names = back.embeddings.names
    assert np.array_equal(back.embeddings.vectors, made.embeddings.of(names))


@pytest.mark.parametrize(
    "name, value",
    [
        ("made_for", "hybrid"),
        ("totag", None),
        ("images_beyond", "many"),
        ("hashes_beyond", 2**64),
        ("sizes_beyond", {"bird": None}),
        ("vectors", {"kind": "model", "dimensions": 99, "model": "model"}),
        ("format", 99),
    ],
)
def test_a_list_that_somebody_else_wrote_is_refused_in_one_line(tmp_path, name, value):
    anna = Annotator(tmp_path, count=300)
    made = make_shortlist(anna.config, anna.store, anna.store.read())
    path = tmp_path / "file"
    path.write_bytes(to_parquet(made))
    table = pyarrow.parquet.read_table(path)
    about = {**json.loads(table.schema.metadata[b"about"]), name: value}
    pyarrow.parquet.write_table(table.replace_schema_metadata({"about": json.dumps(about)}), path)
    with pytest.raises(InputError, match="^file: no shortlist of this program") as error:
        read_shortlist(path)
    assert "\n" not in str(error.value)


def test_an_image_whose_reservation_is_over_is_on_the_list_again(tmp_path):
    anna = Annotator(tmp_path)
    first = anna.reserve(whole=False)
    anna.take(first, label=False)
    assert not image_set(anna.reserve(whole=False).rows) & image_set(first.rows)
    anna.now += timedelta(hours=80)
    assert image_set(anna.reserve(whole=False).rows) == image_set(first.rows)


def test_the_whole_tables_are_read_when_the_list_is_used_up(tmp_path, monkeypatch, capsys):
    anna = Annotator(tmp_path)
    state = anna.store.read()
    pool = usable(anna.store, state, anna.config, Wishes(), anna.now)
    assert pool.suffices(BATCH, 0.1) and not pool.suffices(400, 0.1)
    assert pool.suffices(BATCH, 0.1) and not pool.suffices(5 * BATCH, 0.99)
    frame = pool.shortlist.images
    listed = sorted(tables.blob_names(frame)[frame["chosen"]])
    for out, enough in ((len(listed) // 3 - 1, True), (len(listed) // 3 + 1, False)):
        left = replace(pool, rows=tables.without(pool.rows, set(listed[:out])))
        assert left.suffices(BATCH, 0.01) == enough
    few = replace(pool, rows=tables.only(pool.rows, sorted(image_set(pool.rows))[:30]))
    assert not few.suffices(BATCH, 0.1)
    monkeypatch.setattr(
        "utils.batch.modes.usable", lambda *_: few
    )  # what it gives is from all images
    reservation = anna.reserve(whole=False)
    assert (
        "has too little left to choose from; the whole tables are read" in capsys.readouterr().err
    )
    assert image_set(reservation.rows) == image_set(anna.reserve(whole=True).rows)


@pytest.mark.parametrize(
    "wishes, changed, said",
    [
        (Wishes(whole=True), {}, ""),
        (Wishes(score_between=(0.2, 0.5)), {}, ""),
        (Wishes(strategy="entropy"), {}, "was made for another selection_strategy"),
        (Wishes(), {"seed": 9}, "was made for another seed"),
        (Wishes(), {"burst_seconds": 7}, "was made for another burst_seconds"),
        (Wishes(), {"model": "model_2.pb"}, "is of a model that is no longer live"),
        (Wishes(), {"totag": True}, "is of another table than totag_"),
        (Wishes(), {"init_totag": True}, "does not know what the pretrained model has found"),
        (Wishes(), {"cut": True}, "is gone or damaged"),
        (Wishes(), {"gone": True}, "is gone or damaged"),
    ],
)
def test_where_the_list_does_not_serve_one_line_says_so(tmp_path, capsys, wishes, changed, said):
    anna = Annotator(tmp_path)
    config, state = anna.config, anna.store.read()
    path = anna.store.container.path_of(state.live["shortlist"])
    if "model" in changed:
        live = {**state.live, "model": changed["model"]}
        state, _ = anna.store.commit(lambda now: Change(members={"live": live}), what="test")
    elif "totag" in changed:
        rows = anna.store.table(state, "totag")[1:]
        state, _ = anna.store.commit(lambda now: Change({"totag": rows}), what="test")
    elif "init_totag" in changed:
        rows = labels("site_00/IMG_000000.JPG 1 0 1 0 1 0.5 0.5", "init_totag")
        state, _ = anna.store.commit(lambda now: Change({"init_totag": rows}), what="test")
    elif "cut" in changed:
        path.write_bytes(path.read_bytes()[:-5])
    elif "gone" in changed:
        path.unlink()
    else:
        config = replace(config, **changed)
    capsys.readouterr()
    assert usable(anna.store, state, config, wishes, anna.now) is None
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == bool(said)
    mode = ToTag(config, anna.store, anna.now, wishes)
    batch = Batch(anna.place, "anna", utc_text(anna.now), BATCH)
    assert len(image_set(mode.reserve(state, batch, ()).rows)) == BATCH


def test_new_images_leave_the_list_as_it_is_until_it_is_made_anew(tmp_path, capsys):
    anna = Annotator(tmp_path)
    state, first = anna.store.read(), anna.store.read().live["shortlist"]
    totag = tables.concat(
        "totag", anna.store.table(state, "totag"), labels("new/1.jpg NULL", "totag")
    )
    images = anna.store.table(state, "images")
    images = tables.concat("images", images, images[:1].assign(folder="new", filename="1.jpg"))
    state, _ = anna.store.commit(
        lambda now: Change({"totag": totag, "images": images}), what="test"
    )
    assert usable(anna.store, state, anna.config, Wishes(), anna.now) is not None
    assert capsys.readouterr().err == ""
    assert "shortlist" in publish_shortlist(anna.config, anna.store)
    assert anna.store.read().live["shortlist"] != first
    assert publish_shortlist(anna.config, anna.store) == ""  # it is there
    short, whole = anna.reserve(whole=False), anna.reserve(whole=True)
    assert image_set(short.rows) == image_set(whole.rows)


@pytest.mark.parametrize("program, option", [("publish_cycle", "--anyway"), ("watch", "--accept")])
def test_the_last_line_is_that_of_the_cycle(tmp_path, monkeypatch, capsys, program, option):
    anna = Annotator(tmp_path, count=100)
    (tmp_path / "i").mkdir()  # the image container
    cycle, listed = "cycle 1: 4 images labelled", "40 of 90 images to tag are on the shortlist"
    monkeypatch.setattr(CycleOutputs, "read", lambda config: SimpleNamespace(number="1"))
    monkeypatch.setattr("train.cycle.publishing.publish", lambda *_: cycle)
    monkeypatch.setattr("train.cycle.candidate.accept", lambda *_: cycle)
    monkeypatch.setattr("train.cycle.shortlisting.publish_shortlist", lambda *_: listed)
    importlib.import_module(program).main([str(anna.config.path), option])
    assert capsys.readouterr().out.splitlines() == [listed, cycle]


def test_a_small_project_has_no_list(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "SMALL", 10**9)
    anna = Annotator(tmp_path, count=100)
    assert anna.said == "" and "shortlist" not in anna.store.read().live


def test_nothing_is_published_when_somebody_else_publishes_at_that_moment(tmp_path, monkeypatch):
    anna = Annotator(tmp_path)
    state = anna.store.read()
    made = make_shortlist(anna.config, anna.store, state)
    anna.store.commit(
        lambda now: Change(members={"live": {**now.live, "shortlist": None}}), what="test"
    )

    def meanwhile(*_):
        rows = anna.store.table(state, "totag")[5:]
        anna.store.commit(lambda now: Change({"totag": rows}), what="test")
        return made

    monkeypatch.setattr(making, "make_shortlist", meanwhile)
    assert publish_shortlist(anna.config, anna.store) == ""
    assert not anna.store.read().live.get("shortlist")


@pytest.fixture
def project(store, tmp_path, monkeypatch):
    """Thirty real images, ten of them on the list of a project that knows two classes."""
    rows = [
        f"a/{number:02}.jpg {'bird' if number % 2 else 'seal'} 0.1 0.5 0.2 0.8 {score} {score}"
        for number in range(30)
        for score in [0.05 + number / 50]
    ]
    project = BatchProject(store, tmp_path, "\n".join(rows), selection_strategy="entropy")
    names = sorted(image_set(project.table("totag")))
    listed = project.listed(*names).assign(md5="")
    project.commit(images=listed, tagged=labels("b/1.jpg seal 0 1 0 1"))
    assert publish_shortlist(project.settings, project.labels)
    return project


def test_a_hand_out_reads_no_large_table_and_gives_back_what_it_cannot_have(project, monkeypatch):
    first = project.labels
    state = project.state()
    wanted = ToTag(project.settings, first, first.now(), Wishes()).reserve(
        state, Batch(project.place, "anna", utc_text(first.now()), 3), ()
    )
    lost = sorted(image_set(wanted.rows))[0]
    project.images.delete(lost)
    read = reads_of(monkeypatch)
    monkeypatch.setattr("utils.batch.modes.ListedPool.suffices", lambda *_: True)
    monkeypatch.setattr("utils.selection.listed_pool.ListedPool.suffices", lambda *_: True)
    lines = list(download(project.settings, Request("config.ini", 3)))
    assert not set(read) & table_files.LARGE_TABLES
    assert any(f"{lost}: it is gone from the image container" in line for line in lines)
    assert len(project.names("tagging")) == 3 and lost not in project.names("tagging")
    state = project.state()
    assert lost in image_set(pool_of(project.labels, state))
    assert not check_tables(
        {name: project.labels.table(state, name) for name in ("images", "totag", "tagging")}
    )
    assert project.run("download", 3, "--discard").count("given back")


def test_an_upload_gives_back_without_reading_totag(project, monkeypatch):
    mode = ToTag(project.settings, project.labels, project.labels.now(), Wishes())
    batch = Batch(project.place, "anna", utc_text(project.labels.now()), 3)
    reservation = mode.reserve(project.state(), batch, ())
    project.labels.commit(lambda state: reservation.change, what="test")
    read = reads_of(monkeypatch)
    images = image_set(reservation.rows)
    state, _ = project.labels.commit(lambda state: mode.give_back(state, images), what="test")
    assert not set(read) & table_files.LARGE_TABLES
    assert images <= image_set(pool_of(project.labels, state))


def test_what_is_on_no_list_is_given_back_without_reading_totag(project, monkeypatch):
    """Out while new predictions were published, so that these do not have it."""
    mode = ToTag(project.settings, project.labels, project.labels.now(), Wishes())
    batch = Batch(project.place, "anna", utc_text(project.labels.now()), 3)
    reservation = mode.reserve(project.state(), batch, ())
    project.labels.commit(lambda state: reservation.change, what="test")
    images = image_set(reservation.rows)
    project.commit(totag=tables.without(project.table("totag"), images))
    publish_shortlist(project.settings, project.labels)
    read = reads_of(monkeypatch)
    state, _ = project.labels.commit(lambda state: mode.give_back(state, images), what="test")
    assert not set(read) & table_files.LARGE_TABLES
    free = pool_of(project.labels, state)
    assert images <= image_set(free)
    rows = tables.only(free, images)
    assert len(rows) == len(reservation.rows) and rows["box_confidence"].gt(0).all()


def test_annotators_at_one_moment_get_other_images_from_the_same_list(tmp_path):
    anna = Annotator(tmp_path)
    listed = image_set(anna.list.rows)
    got: dict[str, set[str]] = {}

    def take(tagger: str) -> None:
        store = store_in(tmp_path / "labels", by=tagger)
        mode = ToTag(anna.config, store, anna.now, Wishes())

        def hand_out(state) -> Change:
            batch = Batch(tmp_path / tagger, tagger, utc_text(anna.now), 5)
            reservation = mode.reserve(state, batch, ())
            return replace(reservation.change, note=image_set(reservation.rows))

        _, got[tagger] = store.commit(hand_out, what="test")

    people = [threading.Thread(target=take, args=(f"person{number}",)) for number in range(6)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    everything = [image for images in got.values() for image in images]
    assert len(everything) == len(set(everything)) == 30 and set(everything) <= listed
    state = anna.store.read()
    tagging = anna.store.table(state, "tagging")
    assert {tagger: image_set(rows) for tagger, rows in tagging.groupby("tagger")} == got
    names = ("images", "totag", "tagging", "tagged")
    assert not check_tables({name: anna.store.table(state, name) for name in names})
