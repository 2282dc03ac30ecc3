"""The contract of a container, kept by the folder store and by Azure Blob Storage alike, and what
each says about bad settings.
"""

import hashlib
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import azurite
import pytest

from utils.config import load_config
from utils.errors import InputError, OutsideError
from utils.files import local_path, refused, write_beside
from utils.storage.container import Conflict, Missing
from utils.storage.folder import FolderContainer
from utils.storage.opening import open_containers


def test_pieces_that_killed_writers_left_are_removed_by_later_ones(folder_store):
    folder_store.labels.write("tagged_1.csv", b"x")
    internal = folder_store.labels.path_of("tagged_1.csv").parent / ".store"
    old, new = internal / f".{'0' * 16}.part", internal / f".{'1' * 16}.part"
    for piece in (old, new):
        piece.write_bytes(b"x")
    os.utime(old, (1, 1))
    folder_store.labels.write("tagged_2.csv", b"x")
    assert not old.exists() and new.exists()


def test_a_new_container_is_empty(store):
    assert list(store.labels.list()) == []


def test_what_was_written_is_read_back_with_its_description(store):
    etag = store.labels.write("tagged_1.csv", b"filename\n", metadata={"commit": "abc"})

    data, blob = store.labels.read("tagged_1.csv")

    assert (data, blob.name, blob.size, blob.etag, blob.metadata) == (
        b"filename\n",
        "tagged_1.csv",
        9,
        etag,
        {"commit": "abc"},
    )
    assert store.labels.info("tagged_1.csv") == blob
    assert blob.last_modified.tzinfo == UTC
    assert abs(datetime.now(UTC) - blob.last_modified) < timedelta(minutes=5)


@pytest.mark.parametrize(
    "name",
    [
        "plain.jpg",
        "a b/c d.jpg",
        "100%.jpg",
        "a%20b.jpg",
        "#1.jpg",
        "x?y=1&z.jpg",
        "[1] (2).jpg",
        "Äpfel/ñandú.jpg",
        "鸟/é.jpg",
        "+.jpg",
        'it\'s,"q".jpg',
        "a/b/c/d.JPG",
        "line\nfeed.jpg",
    ],
)
def test_blob_names_come_back_as_they_are(store, name, tmp_path):
    store.images.write(name, b"x")

    assert [blob.name for blob in store.images.list()] == [name]
    assert store.images.read(name)[0] == b"x"
    assert store.images.fetch(name, tmp_path / "got").name == name


def test_a_listing_is_sorted_by_name_and_limited_to_a_prefix(store):
    for name in ("b.jpg", "a/2.jpg", "a-b.jpg", "a/1.jpg", "ab/3.jpg", "B.jpg"):
        store.images.write(name, b"x")

    assert [blob.name for blob in store.images.list()] == [
        "B.jpg",
        "a-b.jpg",
        "a/1.jpg",
        "a/2.jpg",
        "ab/3.jpg",
        "b.jpg",
    ]
    assert [blob.name for blob in store.images.list("a/")] == ["a/1.jpg", "a/2.jpg"]
    assert [blob.name for blob in store.images.list("a")] == [
        "a-b.jpg",
        "a/1.jpg",
        "a/2.jpg",
        "ab/3.jpg",
    ]
    assert list(store.images.list("none/")) == []


def test_list_info_and_write_agree_about_size_and_etag(store):
    etag = store.labels.write("a.csv", b"12345")
    state = store.labels.write("label_state.json", b"{}")

    assert [(blob.name, blob.size, blob.etag) for blob in store.labels.list()] == [
        ("a.csv", 5, etag),
        ("label_state.json", 2, state),
    ]
    assert store.labels.info("a.csv").etag == etag


def test_an_empty_blob_is_a_blob(store, tmp_path):
    store.images.write("empty.jpg", b"")

    assert store.images.read("empty.jpg")[0] == b""
    assert store.images.read_part("empty.jpg", 0, 10) == b""
    assert store.images.fetch("empty.jpg", tmp_path / "empty").size == 0
    assert (tmp_path / "empty").read_bytes() == b""


def test_the_head_of_a_blob_is_its_first_bytes(store):
    store.images.write("a.jpg", b"0123456789")

    assert store.images.read_part("a.jpg", 0, 4) == b"0123"
    assert store.images.read_part("a.jpg", 0, 99) == b"0123456789"


def test_a_file_is_written_and_fetched_whole(store, tmp_path):
    content = os.urandom(5_000_000)
    (tmp_path / "model.pb").write_bytes(content)

    store.labels.write("model_1.pb", tmp_path / "model.pb", new=True, metadata={"commit": "m"})
    blob = store.labels.fetch("model_1.pb", tmp_path / "new" / "folder" / "model.pb")

    assert (tmp_path / "new" / "folder" / "model.pb").read_bytes() == content
    assert (blob.size, store.labels.info("model_1.pb").metadata) == (5_000_000, {"commit": "m"})
    assert os.listdir(tmp_path / "new" / "folder") == ["model.pb"]


def test_a_missing_blob_is_missing_to_every_method(store, tmp_path):
    (tmp_path / "there").write_text("before")
    for ask in (store.images.info, store.images.read, store.images.delete):
        with pytest.raises(Missing, match="none.jpg"):
            ask("none.jpg")
    with pytest.raises(Missing):
        store.images.read_part("none.jpg", 0, 3)
    with pytest.raises(Missing):
        store.images.fetch("none.jpg", tmp_path / "there")
    assert (tmp_path / "there").read_text() == "before"


def test_a_deleted_blob_is_gone(store):
    store.labels.write("a.csv", b"x", metadata={"commit": "1"})
    store.labels.delete("a.csv")

    assert list(store.labels.list()) == []
    store.labels.write("a.csv", b"y")
    assert store.labels.info("a.csv").metadata == {}


def test_a_blob_is_created_once_only(store):
    store.labels.write("a.csv", b"first", new=True)

    with pytest.raises(Conflict):
        store.labels.write("a.csv", b"second", new=True)
    assert store.labels.read("a.csv")[0] == b"first"


def test_a_write_with_the_etag_of_an_older_state_is_refused(store):
    first = store.labels.write("label_state.json", b"1", new=True)
    second = store.labels.write("label_state.json", b"2", if_etag=first)

    with pytest.raises(Conflict):
        store.labels.write("label_state.json", b"3", if_etag=first)
    assert store.labels.read("label_state.json")[0] == b"2"
    store.labels.write("label_state.json", b"4", if_etag=second)


def test_a_write_with_an_etag_to_a_blob_that_is_gone_is_refused(store):
    etag = store.labels.write("label_state.json", b"1")
    store.labels.delete("label_state.json")

    with pytest.raises(Conflict):
        store.labels.write("label_state.json", b"2", if_etag=etag)
    assert list(store.labels.list()) == []


def test_of_many_writers_with_one_etag_exactly_one_succeeds(store):
    etag = store.labels.write("label_state.json", b"start")
    won = []

    def write(number: int) -> None:
        try:
            store.labels.write("label_state.json", f"writer {number}".encode(), if_etag=etag)
            won.append(number)
        except Conflict:
            pass

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert store.labels.read("label_state.json")[0] == f"writer {won[0]}".encode()


def test_processes_that_count_in_one_document_lose_no_count(store, tmp_path):
    config = tmp_path / "count.ini"
    config.write_text(store.config_text())
    store.labels.write("count.json", b"0")
    program = """if True:
        import sys
        sys.path.insert(0, sys.argv[1])
        from utils.config import load_config
        from utils.storage.container import Conflict
        from utils.storage.opening import open_containers
        labels = open_containers(load_config(sys.argv[2]))[1]
        done = 0
        while done < 5:
            data, blob = labels.read("count.json")
            try:
                labels.write("count.json", str(int(data) + 1).encode(), if_etag=blob.etag)
                done += 1
            except Conflict:
                pass
    """
    root = str(Path(__file__).resolve().parent.parent)
    processes = [subprocess.Popen([sys.executable, "-c", program, root, config]) for _ in range(3)]

    assert [process.wait() for process in processes] == [0, 0, 0]
    assert store.labels.read("count.json")[0] == b"15"


def test_images_of_a_folder_store_are_used_where_they_lie(folder_store):
    folder_store.images.write("a/b.jpg", b"x")

    assert folder_store.images.path_of("a/b.jpg").read_bytes() == b"x"


def test_images_in_azure_are_no_local_files(azurite_store):
    assert azurite_store.images.path_of("a/b.jpg") is None


def test_a_folder_store_lists_neither_lock_nor_metadata(folder_store):
    folder_store.images.write("a.jpg", b"x", metadata={"k": "v"})

    assert [blob.name for blob in folder_store.images.list()] == ["a.jpg"]


def test_a_folder_store_follows_no_link(folder_store, tmp_path, capsys):
    folder = folder_store.images.path_of("a.jpg").parent
    folder_store.images.write("a.jpg", b"x")
    folder_store.images.write("own/c.jpg", b"x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.jpg").write_bytes(b"x")
    os.symlink(tmp_path / "elsewhere", folder / "linked")
    os.symlink(folder, folder / "round")
    os.symlink(folder / "own", folder / "own" / "again")
    os.symlink("own", folder / "twice")
    os.symlink(tmp_path / "elsewhere" / "b.jpg", folder / "out.jpg")
    os.symlink("a.jpg", folder / "same.jpg")
    os.symlink(tmp_path / "nothing", folder / "broken.jpg")

    assert [blob.name for blob in folder_store.images.list()] == ["a.jpg", "own/c.jpg"]
    assert "7 links in it are not followed, e.g. broken.jpg; put the" in capsys.readouterr().err
    for prefix in ("linked/", "twice/", "own/again/", "round/own/"):
        assert list(folder_store.images.list(prefix)) == []
        assert "links in it are not followed" in capsys.readouterr().err
    assert [blob.name for blob in folder_store.images.list("own/")] == ["own/c.jpg"]


def test_folders_that_are_linked_to_each_other_list_every_image_once(folder_store):
    folder = folder_store.images.path_of("a.jpg").parent
    for number in range(8):
        folder_store.images.write(f"{number}/a.jpg", b"x")
    for number in range(8):
        for other in set(range(8)) - {number}:
            os.symlink(folder / str(other), folder / str(number) / f"to_{other}")

    assert len(list(folder_store.images.list())) == 8


def test_a_container_may_be_a_link_itself(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    os.symlink(tmp_path / "photos", tmp_path / "images")

    assert [blob.name for blob in FolderContainer(tmp_path / "images").list()] == ["a.jpg"]


def test_a_file_replaced_by_hand_has_another_etag(folder_store):
    etag = folder_store.images.write("a.jpg", b"12345")
    path = folder_store.images.path_of("a.jpg")
    path.write_bytes(b"54321")
    os.utime(path, ns=(1, 1_700_000_000_000_000_001))

    assert folder_store.images.info("a.jpg").etag == "5-1700000000000000001" != etag


def test_uploads_to_azure_carry_their_md5(azurite_store):
    azurite_store.labels.write("a.csv", b"x")

    assert azurite_store.labels.info("a.csv").md5 == hashlib.md5(b"x").digest()


@pytest.mark.parametrize(
    "name",
    [
        "../x.jpg",
        "a/../../x.jpg",
        "/etc/x.jpg",
        "C:/x.jpg",
        "c:x.jpg",
        "a\\..\\x.jpg",
        "a//b.jpg",
        "./a.jpg",
        "",
        "a/",
        "lone\rreturn.jpg",
        "zero\0.jpg",
        "broken\udcff.jpg",
    ],
)
def test_a_name_that_leaves_the_folder_or_that_csv_cannot_carry_is_refused(name, tmp_path):
    assert refused(name)
    with pytest.raises(InputError):
        local_path(tmp_path, name)


def test_ordinary_names_are_not_refused(tmp_path):
    assert local_path(tmp_path, "a b/..c/100% #1.jpg") == tmp_path / "a b" / "..c" / "100% #1.jpg"


def test_a_file_is_as_before_when_writing_it_fails(tmp_path):
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(KeyError), write_beside(tmp_path / "a.txt") as piece:
        piece.write_text("half")
        raise KeyError

    assert (tmp_path / "a.txt").read_text() == "before"
    assert os.listdir(tmp_path) == ["a.txt"]


def refusal(tmp_path: Path, text: str, **environ: str) -> str:
    """What open_containers says about this config file."""
    file = tmp_path / "config.ini"
    file.write_text(text + "classes=bird\nuser_folders=True\nfiletype=*.jpg\n")
    with pytest.raises((InputError, OutsideError)) as caught:
        open_containers(load_config(file, environ))
    message = str(caught.value)
    assert "\n" not in message
    for secret in ("c2VjcmV0", "sig=", *environ.values()):
        assert secret not in message
    return f"{caught.type.__name__}: {message}"


NAMES = "image_container_name=images\nlabel_container_name=labels\n"


def test_an_account_that_was_not_filled_in_is_one_line(tmp_path):
    said = refusal(
        tmp_path,
        NAMES
        + "AZURE_STORAGE_ACCOUNT=<STORAGE ACCOUNT NAME>\nAZURE_STORAGE_KEY=<STORAGE ACCOUNT KEY>\n",
    )
    assert (
        said.startswith("InputError: ")
        and "AZURE_STORAGE_ACCOUNT" in said
        and "name of your storage account" in said
    )


def test_a_folder_store_without_the_container_is_one_line(tmp_path):
    said = refusal(tmp_path, NAMES + "storage_url=store\n")
    assert (
        said.startswith("InputError: ") and "image_container_name=images: no such container" in said
    )


def test_the_proxy_of_the_environment_is_used_and_its_exceptions_too(
    azurite_store, tmp_path, monkeypatch
):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("no_proxy", "example.org")
    assert "cannot be reached" in refusal(tmp_path, azurite_store.settings)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "config.ini").write_text(azurite_store.config_text())
    open_containers(load_config(tmp_path / "config.ini"))


def test_a_wrong_key_is_one_line_without_the_key(azurite_store, tmp_path):
    text = azurite_store.settings.replace(azurite.KEY, "c2VjcmV0c2VjcmV0")
    said = refusal(tmp_path, text)
    assert (
        said.startswith("InputError: ") and "access refused" in said and "AZURE_STORAGE_KEY" in said
    )


def test_a_key_that_is_no_key_is_one_line_without_the_key(azurite_store, tmp_path):
    said = refusal(tmp_path, azurite_store.settings.replace(azurite.KEY, "c2VjcmV0-!"))
    assert said.startswith("InputError: ") and "AZURE_STORAGE_KEY is not base64" in said


def test_a_container_that_does_not_exist_is_one_line(azurite_store, tmp_path):
    said = refusal(
        tmp_path,
        azurite_store.settings.replace(
            "label_container_name=labels-", "label_container_name=other-"
        ),
    )
    assert (
        said.startswith("InputError: ")
        and "label_container_name=other-" in said
        and "no such container" in said
    )


def test_an_impossible_container_name_is_one_line(azurite_store, tmp_path):
    said = refusal(
        tmp_path,
        azurite_store.settings.replace("image_container_name=images-", "image_container_name=A_"),
    )
    assert "no" in said and "A_" in said


def test_a_service_that_cannot_be_reached_is_one_line(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = refusal(
        tmp_path,
        NAMES
        + f"storage_url=http://127.0.0.1:{port}/devstoreaccount1\nAZURE_STORAGE_KEY=c2VjcmV0\n",
    )
    assert said.startswith("OutsideError: ") and "cannot be reached (Connection refused)" in said


def test_plain_http_without_a_key_is_one_line(azurite_url, tmp_path):
    said = refusal(tmp_path, NAMES + f"storage_url={azurite_url}\n")
    assert said.startswith("InputError: ") and "AZURE_STORAGE_KEY" in said


def test_a_connection_string_of_another_account_is_one_line(azurite_url, tmp_path):
    said = refusal(
        tmp_path,
        NAMES + f"storage_url={azurite_url}\n",
        AZURE_STORAGE_CONNECTION_STRING=(
            "AccountName=other;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"
        ),
    )
    assert said.startswith("InputError: ") and "account other" in said


def test_a_connection_string_opens_its_containers(azurite_store, azurite_url, tmp_path):
    names = "".join(
        line + "\n" for line in azurite_store.settings.splitlines() if "container_name" in line
    )
    file = tmp_path / "config.ini"
    file.write_text(names + "classes=bird\nuser_folders=True\nfiletype=*.jpg\n")
    secret = f"AccountName={azurite.ACCOUNT};AccountKey={azurite.KEY};BlobEndpoint={azurite_url};"

    images, _ = open_containers(load_config(file, {"AZURE_STORAGE_CONNECTION_STRING": secret}))

    assert images.address == azurite_store.images.address


def test_a_sas_token_for_each_container_opens_it_with_the_rights_it_gives(
    azurite_store, azurite_url, tmp_path
):
    from azure.storage.blob import generate_container_sas

    end = datetime.now(UTC) + timedelta(hours=1)
    images, labels = (
        generate_container_sas(
            azurite.ACCOUNT, container.name, azurite.KEY, permission=rights, expiry=end
        )
        for container, rights in ((azurite_store.images, "rl"), (azurite_store.labels, "rlwdc"))
    )
    file = tmp_path / "config.ini"
    file.write_text(
        "".join(
            line + "\n" for line in azurite_store.config_text().splitlines() if "KEY" not in line
        )
    )
    config = load_config(
        file,
        {"AZURE_STORAGE_SAS_TOKEN_IMAGES": images, "AZURE_STORAGE_SAS_TOKEN_LABELS": "?" + labels},
    )

    read_only, writable = open_containers(config)

    writable.write("a.csv", b"x", new=True)
    assert list(read_only.list()) == []
    with pytest.raises(InputError, match="access refused") as caught:
        read_only.write("a.jpg", b"x")
    assert "sig=" not in str(caught.value) + read_only.address
