"""Who holds which image: reserving, giving back, taking uploads in, publishing."""

from datetime import UTC, datetime, timedelta

import pytest
from helpers_tables import images, labels

from utils.labels import assignments, tables
from utils.labels.tables import image_set

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
EARLY, LATE = "2026-05-01T11:00:00Z", "2026-04-01T11:00:00Z"
NONE = tables.empty("tagged")
NO_TAGGING, NO_TOTAG, NO_FAILED, NO_CONFLICTS = (
    tables.empty(name) for name in ("tagging", "totag", "failed", "conflicts")
)


def same(frame, expected):
    """The same rows, in any order."""
    columns = list(expected.columns)
    left, right = (
        each[columns].sort_values(["folder", "filename", "class", "xmin"]).reset_index(drop=True)
        for each in (frame, expected)
    )
    assert left.equals(right), f"\n{left}\n{right}"


def accept(
    uploaded,
    tagged=NONE,
    tagging=NO_TAGGING,
    test=NONE,
    conflicts=NO_CONFLICTS,
    tagger="ann",
    own=None,
):
    return assignments.accept_upload(
        tagged, tagging, test, conflicts, uploaded=uploaded, tagger=tagger, now=NOW, own=own
    )


def test_an_empty_container_has_nothing_to_hand_out():
    free = assignments.free_rows(NO_TOTAG, NONE, NO_TAGGING, NO_FAILED, 72, NOW)
    assert free.empty and list(free.columns) == tables.COLUMNS["totag"]


def test_free_is_totag_without_tagged_live_reservations_and_failed_plus_expired_reservations():
    totag = labels(
        """
        a.jpg NULL
        b.jpg dog .1 .2 .1 .2 .9 .9
        c.jpg dog .1 .2 .1 .2 .9 .9
        d.jpg dog .1 .2 .1 .2 .9 .9
        north/a.jpg dog .1 .2 .1 .2 .9 .9""",
        "totag",
    )
    tagging = labels(
        f"c.jpg dog .1 .2 .1 .2 .9 .9 bob {EARLY}\ne.jpg cat .1 .2 .1 .2 .8 .8 bob {LATE}",
        "tagging",
    )
    failed = tables.make("failed", filename=["d.jpg"], reason="truncated", etag="1")
    free = assignments.free_rows(totag, labels("b.jpg dog 0 1 0 1"), tagging, failed, 72, NOW)
    same(
        free,
        labels(
            "a.jpg NULL\nnorth/a.jpg dog .1 .2 .1 .2 .9 .9\ne.jpg cat .1 .2 .1 .2 .8 .8", "totag"
        ),
    )


def test_an_expired_reservation_of_a_tagged_or_failed_image_is_not_free():
    tagging = labels(
        f"a.jpg NULL 0 0 0 0 - - bob {LATE}\nb.jpg NULL 0 0 0 0 - - bob {LATE}", "tagging"
    )
    failed = tables.make("failed", filename=["b.jpg"], reason="truncated", etag="1")
    assert assignments.free_rows(NO_TOTAG, labels("a.jpg NULL"), tagging, failed, 72, NOW).empty


@pytest.mark.parametrize("text", ["", "yesterday", "2026-04-01"])
def test_a_reservation_without_a_readable_time_or_zone_does_not_hold_an_image_for_ever(text):
    tagging = labels("a.jpg NULL 0 0 0 0 - - bob", "tagging").assign(reserved_at=text)
    assert assignments.expired(tagging, 72, NOW) == {"a.jpg"}


def test_reserving_takes_exactly_the_chosen_images_and_replaces_an_expired_reservation():
    totag = labels("a.jpg dog .1 .2 .1 .2 .9 .7\na.jpg cat .3 .4 .3 .4 .7 .7\nb.jpg NULL", "totag")
    tagging = labels(
        f"c.jpg NULL 0 0 0 0 - - bob {EARLY}\nd.jpg cat 0 1 0 1 .5 .5 bob {LATE}", "tagging"
    )
    free = assignments.free_rows(totag, NONE, tagging, NO_FAILED, 72, NOW)
    after = assignments.reserve(tagging, free, {"a.jpg", "d.jpg"}, "ann", NOW)
    same(
        after,
        labels(
            f"""
        a.jpg dog .1 .2 .1 .2 .9 .7 ann 2026-05-01T12:00:00Z
        a.jpg cat .3 .4 .3 .4 .7 .7 ann 2026-05-01T12:00:00Z
        c.jpg NULL 0 0 0 0 - - bob {EARLY}
        d.jpg cat 0 1 0 1 .5 .5 ann 2026-05-01T12:00:00Z""",
            "tagging",
        ),
    )


def test_reserving_an_image_that_somebody_holds_is_a_bug_of_the_caller():
    tagging = labels(f"c.jpg NULL 0 0 0 0 - - bob {EARLY}", "tagging")
    with pytest.raises(ValueError, match="not free"):
        assignments.reserve(
            tagging,
            assignments.free_rows(NO_TOTAG, NONE, tagging, NO_FAILED, 72, NOW),
            ["c.jpg"],
            "ann",
            NOW,
        )


def test_an_image_given_back_is_in_totag_again_with_its_boxes_and_only_once():
    tagging = labels(
        f"""
        a.jpg dog .1 .2 .1 .2 .9 .9 bob {EARLY}
        b.jpg NULL 0 0 0 0 - - bob {EARLY}
        c.jpg NULL 0 0 0 0 - - bob {EARLY}""",
        "tagging",
    )
    totag = labels("b.jpg dog .1 .2 .1 .2 .9 .9", "totag")  # predicted anew meanwhile
    after = assignments.release(totag, tagging, {"a.jpg", "b.jpg", "not-reserved.jpg"})
    assert image_set(after["tagging"]) == {"c.jpg"}
    same(
        after["totag"], labels("a.jpg dog .1 .2 .1 .2 .9 .9\nb.jpg dog .1 .2 .1 .2 .9 .9", "totag")
    )
    assert assignments.release(totag, tagging, {"not-reserved.jpg"}) == {}


def test_an_upload_changes_the_rows_of_its_images_and_no_other_row():
    tagged = labels("other.jpg dog .1 .2 .1 .2\nnorth/a.jpg dog .5 .6 .5 .6")
    tagging = labels(
        f"""
        a.jpg dog .1 .2 .1 .2 .9 .9 ann {EARLY}
        b.jpg NULL 0 0 0 0 - - ann {EARLY}
        c.jpg NULL 0 0 0 0 - - bob {EARLY}""",
        "tagging",
    )
    done = accept(
        labels("a.jpg dog .1 .3 .1 .3\na.jpg cat .5 .6 .5 .6\nb.jpg NULL"), tagged, tagging
    )
    assert (done.taken, done.unchanged, done.conflicts) == ({"a.jpg", "b.jpg"}, set(), set())
    assert set(done.tables) == {"tagged", "tagging"}
    same(
        done.tables["tagged"],
        labels(
            "other.jpg dog .1 .2 .1 .2\nnorth/a.jpg dog .5 .6 .5 .6\n"
            "a.jpg dog .1 .3 .1 .3\na.jpg cat .5 .6 .5 .6\nb.jpg NULL"
        ),
    )
    assert image_set(done.tables["tagging"]) == {"c.jpg"}


def test_the_same_upload_twice_changes_nothing():
    done = accept(
        labels("a.jpg cat .5 .6 .5 .6\na.jpg dog .1 .3 .1 .3"),
        tagged=labels("a.jpg dog .1 .3 .1 .3\na.jpg cat .5 .6 .5 .6"),
    )
    assert (done.tables, done.unchanged) == ({}, {"a.jpg"})


def test_who_tagged_an_image_may_correct_it_and_the_test_set_follows():
    first = labels("a.jpg dog .1 .3 .1 .3")
    own = {image: [digest] for image, digest in assignments.row_digests(first).items()}
    tagged, test = (
        labels("a.jpg dog .1 .3 .1 .3\nb.jpg NULL"),
        labels("a.jpg dog .1 .3 .1 .3\nb.jpg NULL"),
    )
    done = accept(labels("a.jpg cat .1 .3 .1 .3"), tagged, test=test, own=own)
    assert done.taken == {"a.jpg"} and set(done.tables) == {"tagged", "test"}
    same(done.tables["test"], labels("a.jpg cat .1 .3 .1 .3\nb.jpg NULL"))


def test_different_work_of_somebody_else_is_set_aside_once_and_the_first_stands():
    tagged = labels("a.jpg dog .1 .3 .1 .3")
    tagging = labels(
        f"a.jpg NULL 0 0 0 0 - - ann {EARLY}\nz.jpg NULL 0 0 0 0 - - bob {EARLY}", "tagging"
    )
    done = accept(labels("a.jpg cat .1 .3 .1 .3"), tagged, tagging)
    assert (done.taken, done.conflicts, set(done.tables)) == (
        set(),
        {"a.jpg"},
        {"conflicts", "tagging"},
    )
    assert done.tables["conflicts"][["filename", "class", "tagger", "at"]].to_numpy().tolist() == [
        ["a.jpg", "cat", "ann", "2026-05-01T12:00:00Z"]
    ]
    assert image_set(done.tables["tagging"]) == {"z.jpg"}
    again = accept(labels("a.jpg cat .1 .3 .1 .3"), tagged, conflicts=done.tables["conflicts"])
    assert (again.tables, again.unchanged, again.conflicts) == ({}, {"a.jpg"}, set())


def test_late_work_is_taken_when_nobody_else_has_uploaded_the_image():
    now_bobs = labels(f"a.jpg NULL 0 0 0 0 - - bob {EARLY}", "tagging")
    done = accept(labels("a.jpg dog .1 .3 .1 .3"), tagging=now_bobs)
    assert done.taken == {"a.jpg"} and done.tables["tagging"].empty
    returned = accept(labels("a.jpg dog .1 .3 .1 .3"))
    assert returned.taken == {"a.jpg"} and set(returned.tables) == {"tagged"}


def test_publishing_never_brings_back_an_image_that_was_handed_out_or_tagged_meanwhile():
    listed = images("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg")
    predictions = labels(
        "\n".join(f"{name}.jpg dog .1 .2 .1 .2 .9 .9" for name in "abcdg"), "totag"
    )  # made hours ago; g is gone
    published = assignments.publish_totag(
        listed,
        predictions,
        totag=labels("a.jpg NULL\ne.jpg cat .1 .2 .1 .2 .5 .5", "totag"),
        tagged=labels("b.jpg NULL"),
        tagging=labels(f"c.jpg NULL 0 0 0 0 - - bob {EARLY}", "tagging"),
        failed=tables.make("failed", filename=["d.jpg"], reason="truncated", etag="1"),
        hours=72,
        now=NOW,
    )
    same(
        published,
        labels("a.jpg dog .1 .2 .1 .2 .9 .9\ne.jpg cat .1 .2 .1 .2 .5 .5\nf.jpg NULL", "totag"),
    )


def test_new_images_join_totag_unseen_and_only_when_no_list_has_them():
    listed = images("a.jpg", "b.jpg", "c.jpg", "north/a.jpg")
    totag = labels("a.jpg dog .1 .2 .1 .2 .9 .9", "totag")
    tagging = labels(f"c.jpg NULL 0 0 0 0 - - bob {LATE}", "tagging")
    after = assignments.add_new_images(listed, NO_FAILED, totag, labels("b.jpg NULL"), tagging)
    same(after, labels("a.jpg dog .1 .2 .1 .2 .9 .9\nnorth/a.jpg NULL", "totag"))
    assert assignments.add_new_images(images("a.jpg"), NO_FAILED, totag, NONE, NO_TAGGING) is None


def test_a_listing_made_hours_ago_keeps_what_others_added_meanwhile():
    base, present, ours = (
        images("a.jpg", "gone.jpg"),
        images("a.jpg", "gone.jpg", "added.jpg"),
        images("a.jpg", "found.jpg"),
    )
    assert image_set(assignments.merge_listing(base, present, ours)) == {
        "a.jpg",
        "found.jpg",
        "added.jpg",
    }


def test_a_listing_made_hours_ago_gives_way_for_images_that_were_replaced_meanwhile():
    base = images("a.jpg", "b.jpg", "c.jpg").assign(etag=["1", "1", "1"])
    present, ours = (
        base.assign(etag=["2", "1", "2"]),
        images("a.jpg", "b.jpg").assign(etag=["1", "3"]),
    )
    merged = assignments.merge_listing(base, present, ours)
    assert dict(zip(merged["filename"], merged["etag"], strict=True)) == {
        "a.jpg": "2",
        "b.jpg": "3",
        "c.jpg": "2",
    }
    assert assignments.outdated(
        tables.make("predicted", filename=["a.jpg", "b.jpg", "x.jpg"], etag=["1", "3", "1"]), merged
    ) == {"a.jpg"}


def test_last_folder_components_become_full_folders_where_only_one_image_fits():
    listed = images(
        "2019/cam1/x.jpg",
        "2019/cam2/x.jpg",
        "2018/cam3/y.jpg",
        "2019/cam3/y.jpg",
        "2019/cam4/z.jpg",
        "top.jpg",
    )
    tagged = labels(
        "cam1/x.jpg dog .1 .2 .1 .2\ncam3/y.jpg dog .1 .2 .1 .2\ntop.jpg NULL\nz.jpg"
        " NULL\ncam9/gone.jpg NULL"
    )
    totag = labels("cam2/x.jpg NULL\n2019/cam2/x.jpg NULL", "totag")
    after = assignments.match_folders(
        listed, {"tagged": tagged, "totag": totag, "tagging": NO_TAGGING}
    )
    assert set(after) == {"tagged", "totag"}
    same(
        after["tagged"],
        labels(
            "2019/cam1/x.jpg dog .1 .2 .1 .2\ncam3/y.jpg dog .1 .2 .1 .2\ntop.jpg"
            " NULL\n2019/cam4/z.jpg NULL\ncam9/gone.jpg NULL"
        ),
    )
    same(after["totag"], labels("2019/cam2/x.jpg NULL", "totag"))
    assert assignments.match_folders(listed, {"tagged": after["tagged"]}) == {}


def test_rows_of_an_image_have_one_number():
    codes, names = assignments.image_codes(labels("a.jpg dog\nnorth/a.jpg dog\na.jpg cat"))
    assert (codes.tolist(), names.to_pylist()) == ([0, 1, 0], ["a.jpg", "north/a.jpg"])
    codes, names = assignments.image_codes(NONE)
    assert (len(codes), len(names)) == (0, 0)


def test_times_are_utc_text_and_expire_by_the_hour():
    assert assignments.utc_text(NOW + timedelta(hours=1)) == "2026-05-01T13:00:00Z"
    tagging = labels(
        "a.jpg NULL 0 0 0 0 - - bob 2026-05-01T10:59:59Z\nb.jpg NULL 0 0 0 0 - - bob"
        " 2026-05-01T12:00:00+01:00",
        "tagging",
    )
    assert assignments.expired(tagging, 1, NOW) == {"a.jpg"}
