"""The review page is for the person at this machine: who else asks, gets nothing."""

import http.client
import json
import os
import sys
import time
from urllib.parse import urlsplit

import pytest
from helpers_batch import THREE, BatchProject
from helpers_page import Here
from helpers_programs import ROOT

from utils.review import server
from utils.review.address import last_address


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A page that is open, for requests that change nothing."""
    folder = tmp_path_factory.mktemp("page")
    for name in ("images", "labels"):
        (folder / "store" / name).mkdir(parents=True)
    store = _Store(f"storage_url={folder / 'store'}\nimage_container_name=images\n")
    project = BatchProject(store, folder, THREE, annotation_tool="page")
    with Here(project.config, 3) as here:
        yield here


class _Store:
    def __init__(self, settings: str):
        self.settings = settings + "label_container_name=labels\n"

    def config_text(self, **settings) -> str:
        chosen = {"user_folders": "True", "filetype": "*.jpg", "tagging_location": "Tag"}
        chosen |= settings
        return self.settings + "".join(f"{key}={value}\n" for key, value in chosen.items())


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()


def ask(here, path="", method="GET", body=None, **headers) -> Answer:
    """A request for a path below the secret one, or any path that begins with a stroke."""
    address = urlsplit(here.url)
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=10)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        own = {"Origin": f"http://127.0.0.1:{address.port}", "Content-Type": "application/json"}
        headers = own | headers
        body = body if isinstance(body, (bytes, str)) else json.dumps(body)
    try:
        target = path if path.startswith("/") else address.path + path
        headers = {name: value for name, value in headers.items() if value is not None}
        connection.request(method, target, body, headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def test_it_listens_on_this_machine_only_and_its_path_is_secret(here):
    assert here.server.server_address[0] == "127.0.0.1"
    assert len(urlsplit(here.url).path.strip("/")) == 32
    assert ask(here).status == 200
    for path in ("/", "/batch", "/page.css", "/0123456789abcdef0123456789abcdef/", "/%C3%A9/batch"):
        assert ask(here, path).status == 404
    assert "Access-Control-Allow-Origin" not in ask(here).headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_page_that_gave_this_machine_another_name_gets_nothing(here, host):
    answer = ask(here, "batch", Host=host)
    assert answer.status == 403 and b"classes" not in answer.body


def test_a_tunnel_may_have_another_port(here):
    assert ask(here, "batch", Host="localhost:8000").status == 200
    tunnel = {"Host": "localhost:8000", "Origin": "http://localhost:8000"}
    body = {"batch": json.loads(ask(here, "batch").body)["batch"], "seconds": 0}
    assert ask(here, "look/0", "POST", body, **tunnel).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": None},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_change_that_another_page_asks_for_is_refused(here, headers):
    answer = ask(here, "upload", "POST", {}, **headers)
    assert answer.status == 403 and b"another page" in answer.body


def test_another_page_cannot_read_either(here):
    assert ask(here, "batch", Origin="http://evil.example").status == 403
    assert ask(here, "batch", Sec_Fetch_Site="cross-site").status == 403


@pytest.mark.parametrize("path", ["", "batch", "photo/0", "page.css", "/", "image/0"])
def test_every_answer_forbids_what_the_page_does_not_need(here, path):
    batch = json.loads(ask(here, "batch").body)["batch"]
    headers = ask(here, path.replace("photo/", f"photo/{batch}/")).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'" and "unsafe" not in headers["Content-Security-Policy"]
    assert {value for name, value in policy.items()} == {"'none'", "'self'"}
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    ["../server.py", "..%2fserver.py", "photo/x/../../batch.json", "page/main.js", "photo/x",
     "image/0/1", "small", "batch/"],
)  # fmt: skip
def test_nothing_but_the_page_and_the_photos_is_served(here, path):
    assert ask(here, path).status in (404, 410)


def test_photos_are_those_of_the_batch(here):
    batch = json.loads(ask(here, "batch").body)["batch"]
    photo = ask(here, f"photo/{batch}/0")
    assert photo.headers["Content-Type"] == "image/jpeg" and photo.body[:2] == b"\xff\xd8"
    assert ask(here, f"small/{batch}/0").body[:2] == b"\xff\xd8"
    assert ask(here, f"photo/{batch}/0", "HEAD").body == b""
    for number in ("3", "-1", "1.0", "x", "%D9%A3", "9" * 30):
        assert ask(here, f"photo/{batch}/{number}").status == 404
    assert ask(here, "photo/ofyesterday/0").status == 410


@pytest.mark.parametrize(
    "body, status",
    [
        ("[]", 400),
        ("{", 400),
        ("{}", 410),
        ({"seconds": -1}, 400),
        ({"seconds": 1e9}, 400),
        ({"seconds": True}, 400),
        ({"revision": "one"}, 400),
        ({"state": "done"}, 400),
        ({"state": "open", "boxes": [{"tag": "bird"}]}, 400),
        (
            {"state": "open", "boxes": [{"tag": "", "xmin": 0, "xmax": 1, "ymin": 0, "ymax": 1}]},
            400,
        ),
        ('{"seconds": NaN}', 410),
    ],
)
def test_what_no_page_sends_is_refused_and_changes_nothing(here, body, status):
    before = here.server.desk.session.saved("Images/north__1.jpg")
    if isinstance(body, dict):
        body = {"batch": json.loads(ask(here, "batch").body)["batch"], **body}
    assert ask(here, "image/0", "PUT", body).status == status
    assert here.server.desk.session.saved("Images/north__1.jpg") == before


def test_a_request_without_json_or_too_long_is_refused(here):
    assert ask(here, "upload", "POST", "{}", Content_Type="text/plain").status == 400
    assert ask(here, "upload", "POST", "{}", Content_Length=str(server._LONGEST + 1)).status == 413
    for length in ("\xb2", "-1", "abc"):  # the first is a digit to Python, and no number
        assert ask(here, "upload", "POST", "{}", Content_Length=length).status == 400
    assert ask(here, "elsewhere", "POST", "{}").status == 404
    assert ask(here, "batch", "DELETE").status == 501


def test_what_a_browser_is_started_with_leads_to_the_page_once(here):
    ticket = urlsplit(here.server.way_in).path
    first = ask(here, ticket)
    assert first.status == 303 and first.headers["Location"] == urlsplit(here.url).path
    assert ask(here, ticket).status == 404
    assert urlsplit(here.url).path.strip("/") not in here.server.way_in


def test_the_program_opens_a_browser_with_an_address_that_is_no_secret(folder_store, tmp_path):
    import subprocess

    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    note = tmp_path / "opened"
    fake = tmp_path / "browser"
    fake.write_text(f'#!/bin/sh\necho "$1" > "{note}.part" && mv "{note}.part" "{note}"\n')
    fake.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, ROOT / "tag/review.py", project.config, "1"],
        env={**os.environ, "BROWSER": f"{fake} %s"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = next(line for line in process.stdout if line.startswith("the page is at"))
        end = time.monotonic() + 20
        while not note.exists() and time.monotonic() < end:
            time.sleep(0.05)
        opened = note.read_text().strip()
        secret = urlsplit(said.split()[4]).path.strip("/")
        assert opened.startswith("http://127.0.0.1:") and secret not in opened
        assert last_address(project.place).secret == secret
    finally:
        process.kill()
        process.communicate()
