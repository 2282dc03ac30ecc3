"""Files from the network: once, whole or not at all, gone on with after a cut."""

import hashlib
import io
import re
import shutil
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from train.network.fetch import fetch_archive, fetch_url, place_for, shown, split_checksum, unpack
from utils.errors import InputError, OutsideError

CONTENT = bytes(range(256)) * 400


class _Server(ThreadingHTTPServer):
    """Serves `content` at every address; `cut` = how many bytes each of the next answers stops
    after; `asked` = the Range headers seen.
    """

    cut: list[int] = []
    asked: list[str | None] = []
    etag = '"1"'
    status = 200
    content = CONTENT


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        start = 0
        if server.status != 200:
            return self.send_error(server.status)
        if self.headers.get("Range") and self.headers.get("If-Range") == server.etag:
            start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1])
        self.send_response(206 if start else 200)
        self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        end = server.cut.pop(0) if server.cut else len(server.content)
        self.wfile.write(server.content[start:end])
        self.close_connection = True

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    server = _Server(("127.0.0.1", 0), _Handler)
    server.cut, server.asked = [], []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}/model.bin"
    finally:
        server.shutdown()
        server.server_close()


def test_a_file_that_is_there_is_not_fetched_again(tmp_path):
    with serving() as (server, url):
        fetch_url(url, tmp_path / "model.bin")
        fetch_url(url, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert server.asked == [None]
    assert [file.name for file in tmp_path.iterdir()] == ["model.bin"]


def test_a_cut_download_goes_on_where_it_stopped(tmp_path):
    with serving() as (server, url):
        server.cut = [1000]
        fetch_url(url, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-"]


def test_what_a_killed_run_left_is_gone_on_with_only_if_the_server_has_the_same_file(tmp_path):
    (tmp_path / "model.bin.part").write_bytes(b"of an older file")
    (tmp_path / "model.bin.part.json").write_text('{"validator": "\\"0\\""}')
    with serving() as (server, url):
        fetch_url(url, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_a_file_with_another_checksum_never_arrives(tmp_path):
    with serving() as (_, url):
        with pytest.raises(OutsideError, match="SHA-256"):
            fetch_url(url, tmp_path / "model.bin", sha256="0" * 64)
        assert list(tmp_path.iterdir()) == []
        fetch_url(url, tmp_path / "model.bin", sha256=hashlib.sha256(CONTENT).hexdigest())


def test_a_checksum_behind_the_address_is_checked(tmp_path):
    right = hashlib.sha256(CONTENT).hexdigest()
    with serving() as (server, url):
        with pytest.raises(OutsideError, match="SHA-256"):
            fetch_url(f"{url}#sha256={'0' * 64}", tmp_path / "model.bin")
        assert list(tmp_path.iterdir()) == []
        fetch_url(f"{url}#sha256={right.upper()}", tmp_path / "model.bin")
    (tmp_path / "model.bin").write_bytes(b"another file")
    with pytest.raises(OutsideError, match="delete it and run again"):
        fetch_url(f"{url}#sha256={right}", tmp_path / "model.bin")
    assert split_checksum(f"{url}?sig=secret#sha256={right}") == (f"{url}?sig=secret", right)


@pytest.mark.parametrize("fragment", ["sha256=123", "md5=0123", "top", ""])
def test_what_is_no_checksum_is_refused(tmp_path, fragment):
    with pytest.raises(InputError, match="expected #sha256= and 64 hexadecimal digits"):
        fetch_url(f"http://127.0.0.1:9/model.bin#{fragment}", tmp_path / "model.bin")


def test_without_the_file_the_error_says_what_to_put_where(tmp_path):
    with serving() as (server, url):
        server.status = 404
        with pytest.raises(OutsideError) as error:
            fetch_url(url + "?sig=secret", tmp_path / "model.bin")
    assert (
        str(error.value)
        == f"{url} could not be fetched (HTTP 404 Not Found); without a network, fetch it elsewhere"
        f" and put it at {tmp_path / 'model.bin'}"
    )


def test_without_a_connection_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("train.network.fetch.wait_random_exponential", lambda **_: lambda _state: 0)
    with serving() as (_, url):
        pass
    with pytest.raises(OutsideError, match="no connection"):
        fetch_url(url, tmp_path / "model.bin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content, what",
    [
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html><title>Sign in", "an HTML or XML text, not a model"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied', "an HTML or XML text, not a model"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
    ],
)
def test_an_error_page_in_place_of_a_file_is_named_and_not_kept(tmp_path, content, what):
    with serving() as (server, url):
        server.content = content
        with pytest.raises(
            OutsideError,
            match=f"model.bin: what came is {what}.*; without a network, fetch it elsewhere",
        ):
            fetch_url(url, tmp_path / "model.bin")
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "model.bin").write_bytes(content)
        with pytest.raises(OutsideError, match=f"model.bin: {what}.*; delete it and run again"):
            fetch_url(url, tmp_path / "model.bin")
        (tmp_path / "a.tar.gz").write_bytes(content)
        with pytest.raises(
            InputError,
            match=(
                rf"a.tar.gz: cannot be unpacked \({what}.*\); .* Delete it to have it fetched again"
            ),
        ):
            unpack(tmp_path / "a.tar.gz", tmp_path / "a")


def test_files_of_two_addresses_never_share_a_place(tmp_path):
    addresses = [
        "https://a/x/model.tar.gz",
        "https://b/y/model.tar.gz",
        "https://b/z/y/model.tar.gz",
        "https://b:1/y/model.tar.gz",
        "https://b/y/model.zip",
        "https://b/resolve/main/model.tar.gz",
        "https://c/resolve/main/model.tar.gz",
    ]
    places = {place_for(address, tmp_path) for address in addresses}
    assert len(places) == len(addresses)
    for place in places:
        assert (
            place.name in ("model.tar.gz", "model.zip")
            and place.parent.parent == tmp_path
            and ":" not in place.parent.name
        )
    assert place_for(f"{addresses[0]}?sig=secret#sha256={'0' * 64}", tmp_path) == place_for(
        addresses[0], tmp_path
    )


def test_a_file_put_there_by_hand_is_taken_unless_it_is_known_to_be_another(tmp_path):
    url, by_hand = "https://a/x/model.tar.gz", tmp_path / "model.tar.gz"
    own = place_for(url, tmp_path)
    by_hand.write_bytes(CONTENT)
    assert (
        place_for(url, tmp_path)
        == place_for(f"{url}#sha256={hashlib.sha256(CONTENT).hexdigest()}", tmp_path)
        == by_hand
    )
    assert place_for(f"{url}#sha256={'0' * 64}", tmp_path) == own
    own.parent.mkdir()
    own.write_bytes(b"fetched")
    assert place_for(url, tmp_path) == own


def test_an_archive_that_is_fetched_anew_is_unpacked_anew(tmp_path):
    with serving() as (server, url):
        for inside in (b"old", b"new"):
            _archive(tmp_path / "served.tar", {"model.pb": inside})
            server.content = (tmp_path / "served.tar").read_bytes()
            folder = fetch_archive(url.replace(".bin", "-0.75_2018.tar.gz"), tmp_path / "downloads")
            assert (folder / "model.pb").read_bytes() == inside
            next((tmp_path / "downloads").glob("*/*.tar.gz")).unlink()


def test_an_archive_is_unpacked_once(tmp_path):
    _archive(tmp_path / "a.tar.gz", {"weights/ckpt.index": b"x"})
    unpack(tmp_path / "a.tar.gz", tmp_path / "a")
    (tmp_path / "a.tar.gz").write_bytes(b"damaged now")
    unpack(tmp_path / "a.tar.gz", tmp_path / "a")
    assert (tmp_path / "a" / "weights" / "ckpt.index").read_bytes() == b"x"


def test_an_archive_that_reaches_outside_its_folder_is_refused_whole(tmp_path):
    _archive(tmp_path / "a.tar.gz", {"good": b"x", "../evil": b"y"})
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "a")
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize(
    "name, link", [("/abs/evil", None), ("a/../../evil", None), ("out", "/etc"), ("out", "../..")]
)
def test_no_member_of_an_archive_lands_outside(tmp_path, name, link):
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "a.tar", "w") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = (
            (tarfile.SYMTYPE, link, 0) if link else (tarfile.REGTYPE, "", 1)
        )
        tar.addfile(info, io.BytesIO(b"x"))
    with zipfile.ZipFile(tmp_path / "in" / "b.zip", "w") as zipped:
        zipped.writestr(name, b"x")
    for archive in ("a.tar", "b.zip"):
        try:
            unpack(tmp_path / "in" / archive, tmp_path / "in" / "folder")
        except InputError as error:
            assert "cannot be unpacked" in str(error)
        for path in tmp_path.rglob("*"):
            assert path.resolve().is_relative_to(tmp_path / "in") and (
                path.is_dir() or path.suffix or "folder" in path.parts
            ), path
        shutil.rmtree(tmp_path / "in" / "folder", ignore_errors=True)
    assert not Path("/abs").exists()


def test_a_damaged_archive_is_one_line(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="expected a whole .tar.gz or .zip"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "a")


def test_an_address_is_shown_without_its_secrets():
    assert shown("https://me:word@host/model.tar.gz?sig=secret") == "https://host/model.tar.gz"


def _archive(file, members):
    with tarfile.open(file, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
