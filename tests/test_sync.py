"""What is listed, what is fetched and what is not, and how a sync ends that something stops."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from utils.config import load_config
from utils.errors import InputError
from utils.images.decoding import encode_jpeg
from utils.labels import tables
from utils.labels.image_tables import update_image_tables
from utils.storage.container import Blob
from utils.storage.sync import Listing, bring_images, image_path, list_images, sync_images

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.usefixtures("way_to_read")


def jpeg(width: int = 4, height: int = 3) -> bytes:
    return encode_jpeg(np.zeros((height, width, 3), np.uint8))


class Named:
    """A container of which only the listing matters: the way to names that no file system of this
    machine would hold.
    """

    address = "https://account/images"

    def __init__(self, *names: str):
        self._names = names

    def list(self, prefix: str = ""):
        return (
            Blob(name, 1, "e", datetime(2024, 1, 1, tzinfo=UTC))
            for name in self._names
            if name.startswith(prefix)
        )


def refusal(
    *names: str, filetype: str = "*.jpg", user_folders: bool = True, pred_dir: str | None = None
) -> str:
    with pytest.raises(InputError) as caught:
        list_images(Named(*names), filetype, user_folders, pred_dir)
    return str(caught.value)


def test_an_empty_container_is_one_line(store):
    with pytest.raises(InputError, match="is empty: put images there"):
        list_images(store.images, "*.jpg", True)


def test_when_no_image_matches_the_types_that_are_there_are_named():
    assert refusal("a.png", "b.png", "c.JPEG", "readme").endswith(
        "no image matches filetype=*.jpg; the file types there are .png (2), .JPEG (1), none (1)"
    )


def test_filetype_may_be_several_patterns_and_images_of_other_types_are_counted():
    names = ("1.jpg", "2.JPEG", "a/3.Png", "4.tif", "5.TIF", "6.webp", "notes.txt", "7")
    listing = list_images(Named(*names), "*.jpg, *.jpeg,*.png", user_folders=True)
    assert [blob.name for blob in listing.blobs] == ["1.jpg", "2.JPEG", "a/3.Png"]
    assert listing.of_other_types == {".tif": 1, ".TIF": 1, ".webp": 1}


@pytest.mark.parametrize(
    "stranger",
    [
        "@eaDir/1.jpg/SYNOFILE_THUMB_M.jpg",
        "a/@eaDir/1.jpg",
        "$RECYCLE.BIN/1.jpg",
        "System Volume Information/1.jpg",
        "#recycle/1.jpg",
        "__MACOSX/a/1.jpg",
        "a/._1.jpg",
        ".Trash-1000/files/1.jpg",
        ".thumbnails/1.png",
    ],
)
def test_what_systems_and_file_managers_leave_between_photos_is_no_photo(stranger):
    listing = list_images(Named("a/1.jpg", stranger), "*.jpg", user_folders=True)
    assert [blob.name for blob in listing.blobs] == ["a/1.jpg"]
    assert listing.refused == [] and listing.of_other_types == {}


def test_images_of_other_types_are_said_in_one_line(folder_store, tmp_path, capsys):
    for name in ("a/1.jpg", "a/2.png", "a/3.png", "b/4.tif"):
        folder_store.images.write(name, b"x")
    (tmp_path / "config.ini").write_text(folder_store.config_text(data_dir="data"))
    bring_images(folder_store.images, load_config(tmp_path / "config.ini"))
    assert capsys.readouterr().err == (
        "3 images of other types than filetype=*.jpg are left out: .png (2), .tif (1)\n"
    )


def test_when_all_images_lie_in_folders_the_key_is_named():
    assert refusal("a/1.jpg", "b/2.jpg", user_folders=False).endswith(
        "no image at the top, 2 in folders; set user_folders=True"
    )


def test_without_user_folders_images_in_folders_are_counted_only():
    listing = list_images(Named("1.jpg", "a/2.jpg", "b/c/3.jpg"), "*.jpg", user_folders=False)

    assert ([blob.name for blob in listing.blobs], listing.in_folders) == (["1.jpg"], 2)


def test_the_file_type_matches_whatever_the_case_and_only_the_file_name():
    listing = list_images(
        Named("1.JPG", "2.jpg", "a.jpg/notes.txt", "b/3.Jpg"), "*.jpG", user_folders=True
    )

    assert [blob.name for blob in listing.blobs] == ["1.JPG", "2.jpg", "b/3.Jpg"]


def test_only_the_folder_of_pred_dir_is_listed():
    listing = list_images(
        Named("1.jpg", "a/2.jpg", "a/b/3.jpg", "ab/4.jpg"), "*.jpg", user_folders=True, pred_dir="a"
    )

    assert [blob.name for blob in listing.blobs] == ["a/2.jpg", "a/b/3.jpg"]
    assert "images/z is empty" in refusal("1.jpg", pred_dir="z")


def test_names_that_would_leave_the_folder_are_refused_and_reported():
    bad = ["../x.jpg", "/etc/x.jpg", "C:/x.jpg", "a/../../x.jpg", "a\rb.jpg", "a\\b.jpg"]
    listing = list_images(Named("good.jpg", *bad), "*.jpg", user_folders=True)

    assert [blob.name for blob in listing.blobs] == ["good.jpg"]
    assert [name for name, _ in listing.refused] == bad
    assert "none of 1 images can be used" in refusal("../x.jpg")


def test_a_folder_store_is_not_copied(folder_store, tmp_path):
    folder_store.images.write("a/1.jpg", b"x")
    listing = list_images(folder_store.images, "*.jpg", True)

    assert sync_images(folder_store.images, listing.blobs, tmp_path / "AllImages").present == 1
    assert not (tmp_path / "AllImages").exists()
    assert image_path(
        folder_store.images, tmp_path / "AllImages", "a/1.jpg"
    ) == folder_store.images.path_of("a/1.jpg")


def synced(store, folder: Path, pred_dir: str | None = None) -> tuple[int, int, list]:
    listing = list_images(store.images, "*.jpg", True, pred_dir)
    result = sync_images(store.images, listing.blobs, folder)
    return result.downloaded, result.present, result.failed


def test_only_what_is_new_or_changed_is_fetched(azurite_store, tmp_path):
    for name in ("a/1.jpg", "b/1.jpg", "2 #%.jpg"):
        azurite_store.images.write(name, name.encode())
    assert synced(azurite_store, tmp_path) == (3, 0, [])
    assert synced(azurite_store, tmp_path) == (0, 3, [])

    azurite_store.images.write("a/1.jpg", b"A/1.jpg")  # as long as before
    azurite_store.images.write("3.jpg", b"3")
    azurite_store.images.delete("b/1.jpg")
    os.remove(tmp_path / "2 #%.jpg")

    assert synced(azurite_store, tmp_path) == (3, 0, [])
    assert [(tmp_path / name).read_bytes() for name in ("a/1.jpg", "2 #%.jpg", "3.jpg")] == [
        b"A/1.jpg",
        b"2 #%.jpg",
        b"3",
    ]
    assert synced(azurite_store, tmp_path) == (0, 3, [])


def test_after_a_sync_of_one_folder_the_images_of_the_others_are_not_fetched_again(
    azurite_store, tmp_path
):
    for name in ("1.jpg", "a/2.jpg", "b/3.jpg"):
        azurite_store.images.write(name, name.encode())
    synced(azurite_store, tmp_path)
    azurite_store.images.write("a/4.jpg", b"4")
    azurite_store.images.write("b/3.jpg", b"B/3.jpg")

    assert synced(azurite_store, tmp_path, pred_dir="a") == (1, 1, [])
    assert synced(azurite_store, tmp_path) == (1, 3, [])
    assert (tmp_path / "b" / "3.jpg").read_bytes() == b"B/3.jpg"


def test_a_file_cut_short_on_disk_is_fetched_again(azurite_store, tmp_path):
    azurite_store.images.write("1.jpg", b"12345")
    synced(azurite_store, tmp_path)
    (tmp_path / "1.jpg").write_bytes(b"123")

    assert synced(azurite_store, tmp_path) == (1, 0, [])
    assert (tmp_path / "1.jpg").read_bytes() == b"12345"


def test_a_journal_line_cut_short_by_a_kill_costs_one_image(azurite_store, tmp_path):
    azurite_store.images.write("1.jpg", b"1")
    azurite_store.images.write("2.jpg", b"2")
    synced(azurite_store, tmp_path)
    journal = tmp_path / ".synced.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])

    assert synced(azurite_store, tmp_path) == (1, 1, [])
    assert synced(azurite_store, tmp_path) == (0, 2, [])


def test_an_image_that_is_gone_or_damaged_is_reported_and_the_rest_is_fetched(
    azurite_store, tmp_path
):
    for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg/5.jpg", "4.jpg"):
        azurite_store.images.write(name, b"x")
    client = azurite_store.images._client.get_blob_client("2.jpg")
    from azure.storage.blob import ContentSettings

    client.set_http_headers(ContentSettings(content_md5=bytearray(16)))
    listing = list_images(azurite_store.images, "*.jpg", True)
    azurite_store.images.delete("1.jpg")

    result = sync_images(azurite_store.images, listing.blobs, tmp_path, workers=1)

    reasons = dict(result.failed)
    assert (result.downloaded, set(reasons)) == (2, {"1.jpg", "2.jpg", "4.jpg/5.jpg"})
    assert reasons["1.jpg"] == "gone from the container meanwhile"
    assert "MD5" in reasons["2.jpg"] and "cannot hold" in reasons["4.jpg/5.jpg"]
    assert not (tmp_path / "2.jpg").exists()


def test_a_full_disk_is_one_line_and_the_next_run_goes_on(azurite_store, tmp_path):
    mounted = tmp_path / "small"
    mounted.mkdir()
    own_disk = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        f'mount -t tmpfs -o size=1m none "{mounted}" && exec "$@"',
        "sh",
    ]
    if (
        sys.platform != "linux"
        or subprocess.run([*own_disk, "true"], capture_output=True).returncode
    ):
        pytest.skip("this machine lets nobody mount a small disk")
    for number in range(20):
        azurite_store.images.write(f"{number}.jpg", os.urandom(100_000))
    (tmp_path / "config.ini").write_text(azurite_store.config_text(image_dir=mounted))
    program = f"""if True:
        import os, sys
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from utils.config import load_config
        from utils.errors import OutsideError
        from utils.storage.opening import open_containers
        from utils.storage.sync import list_images, sync_images
        images = open_containers(load_config(sys.argv[1]))[0]
        blobs = list_images(images, "*.jpg", True).blobs
        try:
            sync_images(images, blobs, Path(sys.argv[2]), workers=2)
        except OutsideError as error:
            print(error)
        there = sorted(os.listdir(sys.argv[2]))
        print(*[name for name in there if name.endswith(".part")], "pieces")
        left = [blob for blob in blobs if blob.name in there]
        for blob in left[4:]:
            os.remove(os.path.join(sys.argv[2], blob.name))  # room is made
        again = sync_images(images, left, Path(sys.argv[2]), workers=2)
        print(again.present > 0, again.present + again.downloaded == len(left) > 4)
    """
    done = subprocess.run(
        [*own_disk, sys.executable, "-c", program, tmp_path / "config.ini", mounted],
        capture_output=True,
        text=True,
    )

    said, pieces, goes_on = done.stdout.splitlines()
    assert "the disk is full after" in said and "of 20 images" in said
    assert (pieces, goes_on) == ("pieces", "True True")


EMPTY = (tables.empty("images"), tables.empty("failed"))


@pytest.fixture
def update(store, tmp_path):
    """Sync and bring the tables up to date, as a program does: update(images, failed) -> (images,
    failed).
    """

    def run(images=EMPTY[0], failed=EMPTY[1], **options):
        listing = list_images(store.images, "*.jpg", True)
        sync_images(store.images, listing.blobs, tmp_path / "AllImages")
        return update_image_tables(
            store.images, listing, tmp_path / "AllImages", images, failed, **options
        )

    return run


def test_no_image_gives_empty_tables(store, tmp_path):
    images, failed = update_image_tables(store.images, Listing([]), tmp_path, *EMPTY)

    assert (len(images), len(failed)) == (0, 0)
    assert list(images.columns) == tables.COLUMNS["images"]


def test_readable_images_are_in_images_and_others_in_failed(store, update):
    store.images.write("a/b/1.jpg", jpeg(4, 3))
    store.images.write("2.jpg", b"no image")

    images, failed = update()

    assert images[["filename", "folder", "height", "width", "taken_at"]].values.tolist() == [
        ["1.jpg", "a/b", 3, 4, ""]
    ]
    assert images["etag"].tolist() == [store.images.info("a/b/1.jpg").etag]
    assert images["bytes"].tolist() == [len(jpeg(4, 3))]
    assert failed[["filename", "folder", "reason"]].values.tolist() == [
        ["2.jpg", "", "not an image in a known format"]
    ]


def test_rows_with_the_same_etag_stay_as_they_are(store, update):
    store.images.write("1.jpg", jpeg())
    store.images.write("2.jpg", b"no image")
    images, failed = update()
    images, failed = images.assign(taken_at="as it was"), failed.assign(reason="as it was")

    again = update(images, failed)

    assert again[0].equals(images) and again[1].equals(failed)


def test_a_failed_image_is_tried_again_when_it_has_changed(store, update):
    store.images.write("1.jpg", b"no image")
    store.images.write("2.jpg", jpeg())
    images, failed = update()
    store.images.write("1.jpg", jpeg(8, 6))
    store.images.write("2.jpg", b"broken now")

    images, failed = update(images, failed)

    assert images[["filename", "height", "width"]].values.tolist() == [["1.jpg", 6, 8]]
    assert failed["filename"].tolist() == ["2.jpg"]


def test_an_image_that_failed_at_decoding_stays_failed_while_it_is_the_same(store, update):
    store.images.write("1.jpg", jpeg())
    images, _ = update()
    failed = tables.make("failed", filename=["1.jpg"], reason=["truncated"], etag=images["etag"])

    assert update(images, failed)[1].equals(failed)
    store.images.write("1.jpg", jpeg(5, 5))
    images, failed = update(images, failed)
    assert (images["width"].tolist(), len(failed)) == ([5], 0)


def test_images_gone_from_the_container_leave_the_tables_unless_they_are_to_be_kept(store, update):
    for name in ("1.jpg", "2.jpg"):
        store.images.write(name, jpeg())
    images, failed = update()
    store.images.delete("1.jpg")

    assert update(images, failed)[0]["filename"].tolist() == ["2.jpg"]
    assert update(images, failed, keep_absent=True)[0]["filename"].tolist() == ["1.jpg", "2.jpg"]


def test_what_was_read_once_is_not_read_again(folder_store, tmp_path):
    folder_store.images.write("1.jpg", jpeg())
    listing = list_images(folder_store.images, "*.jpg", True)
    headers = {}
    first, _ = update_image_tables(folder_store.images, listing, tmp_path, *EMPTY, headers=headers)
    folder_store.images.delete("1.jpg")

    second, _ = update_image_tables(
        folder_store.images, replace(listing), tmp_path, *EMPTY, headers=headers
    )

    assert second.equals(first)
