"""Photos come in while others are looked at: in their order, bounded in bytes, and forgotten."""

import pickle
import threading
import time
from contextlib import closing
from dataclasses import replace

import pytest
from helpers_store import Far

from utils.errors import OutsideError, Unreadable
from utils.labels import tables
from utils.labels.listed import listed_photos
from utils.storage.container import Listed
from utils.storage.photos import REQUESTS, Photos, arriving
from utils.storage.sync import sync_images


@pytest.fixture
def far(tmp_path) -> Far:
    (tmp_path / "images").mkdir()
    return Far(tmp_path / "images")


def written(far: Far, number: int, size: int = 1000) -> list[Listed]:
    for index in range(number):
        far.write(f"{index:03d}.jpg", bytes([index]) * size)
    return [Listed(blob.name, blob.size, blob.etag) for blob in far.list()]


def read(source) -> bytes | str:
    try:
        return source()
    except Unreadable as error:
        return str(error)


def test_photos_come_in_their_order_and_what_is_under_way_is_bounded(far, tmp_path):
    wanted = written(far, 100)
    under_way, most, lock = 0, 0, threading.Lock()
    whole = far.read

    def slow(name, listed):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.001 * (int(name[:3]) % 3))
        return whole(name, listed)

    far.read = slow
    for photo, source in arriving(Photos(far, tmp_path), wanted, most_bytes=5500):
        data = source()
        under_way -= 1
        assert data == bytes([int(photo.name[:3])]) * 1000
    assert far.requests != [] and sorted(far.requests) == [photo.name for photo in wanted]
    assert 1 < most <= 5


def test_the_last_photos_come_although_nothing_is_listed_any_more(far, tmp_path):
    wanted = written(far, 100)
    whole = far.read

    def slow(name, listed):
        time.sleep(0.02)
        return whole(name, listed)

    far.read = slow
    sources = [source for _, source in arriving(Photos(far, tmp_path), wanted)]
    assert [len(source()) for source in sources] == [1000] * 100


def test_closed_early_it_fetches_nothing_more(far, tmp_path):
    wanted = written(far, 100)
    whole = far.read

    def slow(name, listed):
        time.sleep(0.02)
        return whole(name, listed)

    far.read = slow
    with closing(arriving(Photos(far, tmp_path), wanted)) as coming:
        next(coming)
    assert len(far.requests) <= 2 * REQUESTS < len(wanted)


def test_what_was_taken_is_kept_by_nobody(far, tmp_path):
    forgotten = []

    class Bytes(bytes):
        def __del__(self):
            forgotten.append(len(self))

    wanted = written(far, 3)
    whole = far.read
    far.read = lambda name, listed: (Bytes(whole(name)[0]), listed)
    sources = [source for _, source in arriving(Photos(far, tmp_path), wanted)]
    assert [len(source()) for source in sources] == [1000] * 3
    assert forgotten == [1000] * 3
    with pytest.raises(ValueError, match="once"):
        sources[0]()


def test_a_photo_larger_than_the_bound_comes_alone(far, tmp_path):
    wanted = written(far, 3)
    for _, source in arriving(Photos(far, tmp_path), wanted, most_bytes=10):
        assert len(source()) == 1000


def test_who_takes_late_in_other_threads_blocks_nobody_for_good(far, tmp_path):
    wanted = written(far, 200)
    taken = []
    coming = arriving(Photos(far, tmp_path), wanted, most_bytes=3000)
    threads = []
    for _, source in coming:
        threads.append(threading.Thread(target=lambda source=source: taken.append(len(source()))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert taken == [1000] * 200


def test_a_photo_that_is_gone_or_another_one_is_said_and_the_others_come(far, tmp_path):
    wanted = written(far, 4)
    far.delete("001.jpg")
    far.write("002.jpg", b"another one")

    found = [read(source) for _, source in arriving(Photos(far, tmp_path), wanted)]

    assert (len(found[0]), len(found[3])) == (1000, 1000)
    assert found[1:3] == ["it is gone from the container", "it was replaced since it was listed"]


def test_a_network_that_is_down_stops_all(far, tmp_path):
    wanted = written(far, 4)

    def down(name, listed):
        raise OutsideError("cannot be reached")

    far.read = down
    with closing(arriving(Photos(far, tmp_path), wanted)) as coming:
        _, source = next(coming)
        with pytest.raises(OutsideError, match="cannot be reached"):
            source()


def test_the_copy_on_this_disk_is_read_while_it_is_the_photo_that_was_listed(far, tmp_path):
    wanted = written(far, 4)
    here = tmp_path / "here"
    sync_images(far, list(far.list())[:3], here)
    (here / "001.jpg").write_bytes(b"cut short")
    other = replace(wanted[2], etag="another")
    photos = Photos(far, here)

    assert photos.file(wanted[0]) == here / "000.jpg"
    assert [photos.file(photo) for photo in (wanted[1], other, wanted[3])] == [None] * 3
    sources = [source for _, source in arriving(photos, [wanted[0], wanted[1]])]
    assert sources[0] == here / "000.jpg" and sources[1]() == bytes([1]) * 1000


def test_what_another_process_needs_can_be_sent_to_it(far):
    wanted = written(far, 2)
    assert pickle.loads(pickle.dumps(wanted)) == wanted


def test_the_rows_of_images_are_listed_as_the_container_has_them_now():
    rows = tables.make(
        "images",
        filename=["1.jpg", "2.jpg", "3.jpg"],
        folder=["a/b", "", ""],
        bytes=[5, 6, 7],
        etag=["first", "first", "first"],
        listed=["", "now", ""],
        md5=["00ff", "", "no digest"],
    )
    assert list(listed_photos(rows)) == [
        Listed("a/b/1.jpg", 5, "first", b"\x00\xff"),
        Listed("2.jpg", 6, "now"),
        Listed("3.jpg", 7, "first"),
    ]
