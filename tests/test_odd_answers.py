"""Odd answers of servers, odd archives, odd tables and references: one line, and nothing left."""

import gzip
import io
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from helpers_batch import THREE, BatchProject
from helpers_programs import run
from helpers_state import StateProject

from train.network.fetch import fetch_url, unpack
from utils.config import load_config
from utils.errors import InputError, OutsideError
from utils.labels import tables


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes = b"weights"):
    """A server that gives every request this answer; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("length", ["abc", "-5", "", "7, 7", "1e3", "²"])
def test_a_length_that_is_none_is_not_believed(tmp_path, length):
    with answering(200, {"Content-Length": length.encode("utf-8").decode("latin-1")}) as url:
        try:
            assert fetch_url(url + "/w", tmp_path / "w").read_bytes() == b"weights"
        except OutsideError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    "address", ["http://[::1", "http://", "https://user:pw@/", "gopher://x/", "http://a b/", "//["]
)
def test_a_redirect_to_nowhere_is_one_line(tmp_path, address):
    with answering(302, {"Location": address}) as url:
        with pytest.raises(OutsideError) as error:
            fetch_url(url + "/w", tmp_path / "w")
    assert "\n" not in str(error.value) and "pw" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [200, 206, 302, 400, 403, 404, 409, 412, 416])
@pytest.mark.parametrize(
    "body",
    [
        b"<html><head/><body><p>Please log in</p></body></html>",
        b"<html><br>not closed",
        b'<?xml version="1.0"?><EnumerationResults/>',
        b'<?xml version="1.0"?><Error><Code/><Message/></Error>',
        b'{"error": {}}',
        b'{"error": [1]}',
        b"[]",
        b"\xff\xfe<",
        b"",
    ],
)
def test_a_page_of_somebody_between_us_and_the_service_is_one_line(tmp_path, status, body):
    config = tmp_path / "config.ini"
    with answering(status, {"Content-Type": "application/xml"}, body) as url:
        config.write_text(
            f"storage_url={url}/mine\nAZURE_STORAGE_KEY=a2V5\nimage_container_name=images\n"
            "label_container_name=labels\nclasses=bird\n"
        )
        done = run("tag/status.py", config)
    assert done.returncode in (1, 2) and done.stderr.count("\n") == 1, done.stderr


def tar_of(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("model/ckpt.index")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def zip_with(place: int, value: int, central: int) -> bytes:
    """A zip archive with one byte of both its headers changed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "hello" * 100)
    data = bytearray(packed.getvalue())
    data[place] = value
    data[data.find(b"PK\x01\x02") + central] = value
    return bytes(data)


def damaged(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


ARCHIVES = {
    "flipped.tar.gz": lambda: damaged(gzip.compress(tar_of(bytes(range(256)) * 400)), 300),
    "checksum.tar.gz": lambda: damaged(gzip.compress(tar_of(b"weights")), -6),
    "cut.tar.gz": lambda: gzip.compress(tar_of(b"weights"))[:-20],
    "cut.tar": lambda: tar_of(bytes(2000))[:1000],
    "encrypted.zip": lambda: zip_with(6, 1, 8),
    "deflate64.zip": lambda: zip_with(8, 9, 10),
    "empty.zip": lambda: b"",
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_cannot_be_unpacked_leaves_nothing(tmp_path, name):
    archive = tmp_path / name
    archive.write_bytes(ARCHIVES[name]())
    with pytest.raises(InputError, match="cannot be unpacked") as error:
        unpack(archive, tmp_path / "inside")
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("beginning", ["a0=xxxxxxxxxx", "a0=", "a0=${a40}"])
def test_references_forty_levels_deep_are_answered_at_once(tmp_path, beginning):
    config = tmp_path / "config.ini"
    levels = "".join(f"a{n}=${{a{n - 1}}}${{a{n - 1}}}\n" for n in range(1, 41))
    config.write_text(
        "storage_url=store\nimage_container_name=i\nlabel_container_name=l\nclasses=bird\n"
        f"{beginning}\n{levels}data_dir=${{a40}}\n"
    )
    try:
        load_config(config)
    except InputError as error:
        assert "data_dir=${a40} refers to" in str(error)


HEADER = "filename,class,xmin,xmax,ymin,ymax,height,width,folder\n"


@pytest.mark.parametrize(
    "row, why",
    [
        ("a.jpg,bird,0,1,0,1,1e30,4,", "height"),
        ("a.jpg,bird,0,1,0,1,-5,4,", "height"),
        ("a.jpg,bird,0,inf,0,1,5,4,", "xmax"),
        ("a.jpg,bird,0,1e308,0,1,5,4,", "coordinates go up to 1e+308"),
        ("a.jpg,,0,1,0,1,5,4,", "class is empty"),
    ],
)
def test_cells_that_cannot_be_meant_are_named_in_an_import(folder_store, tmp_path, row, why):
    project = StateProject(folder_store, tmp_path)
    before = project.rows()
    (tmp_path / "mine.csv").write_text(HEADER + row + "\n")
    said = project.run("tag/import_labels.py", tmp_path / "mine.csv", code=2)
    assert why in said and project.rows() == before


@pytest.mark.parametrize("row", ["a.jpg,bird,0,1,0,1,1e30,4,", "a.jpg,bird,0,1,0,1,-5,4,"])
def test_a_table_with_sizes_that_no_picture_has_is_one_line(row):
    with pytest.raises(InputError, match="the column height has a number that no picture has"):
        tables.parse("tagged", (HEADER + row + "\n").encode())


def test_a_folder_in_the_place_of_images_json_is_a_fault_by_name(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, THREE)
    project.run("download", 3)
    (project.place / "Images.json").unlink()
    (project.place / "Images.json").mkdir()
    assert "Images.json" in project.run("upload", code=1)
    assert len(project.names("tagging")) == 3
