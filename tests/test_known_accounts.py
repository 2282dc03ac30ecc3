"""A SAS token of the environment does not say its account: it goes to the one that the environment
names, or to one that such tokens went to from this machine before.
"""

import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from helpers_certificates import own_certificate
from helpers_programs import run

from utils import known_accounts
from utils.config import load_config
from utils.errors import InputError

SMALLEST = "image_container_name=images\nlabel_container_name=labels\nclasses=bird\n"
TOKEN = "AZURE_STORAGE_SAS_TOKEN"
NAMED = ("AZURE_STORAGE_ACCOUNT={}\n", "storage_url=https://{}.blob.core.windows.net\n")


def sas(name: str) -> str:
    return f"?sv=2024-11-04&sp=rl&sig={name}c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmU%3D"


def loaded(folder, account: str, named: str, environ: dict):
    config = folder / "config.ini"
    config.write_text(SMALLEST + named.format(account))
    return load_config(config, environ)


@pytest.fixture(autouse=True)
def data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("variable", known_accounts.TOKENS)
@pytest.mark.parametrize("named", NAMED)
def test_a_token_goes_to_its_account_and_a_new_one_to_accounts_that_are_known(
    tmp_path, named, variable
):
    first, second, third = ({variable: sas(name)} for name in "abc")
    for account in ("mine", "stranger"):  # nothing is known yet, and reading notes nothing
        loaded(tmp_path, account, named, first)
    known_accounts.note("mine", first[variable].lstrip("?"), first)
    loaded(tmp_path, "mine", named, first)
    loaded(tmp_path, "mine", named, second)  # tokens end, and are replaced
    for environ in (first, second):
        with pytest.raises(InputError, match="stranger.*is not sent there.*mine") as caught:
            loaded(tmp_path, "stranger", named, environ)
        assert "set AZURE_STORAGE_ACCOUNT=stranger in your environment" in str(caught.value)
        assert "sig=" not in str(caught.value) and "\n" not in str(caught.value)

    confirmed = {**second, "AZURE_STORAGE_ACCOUNT": "other"}
    loaded(tmp_path, "other", named, confirmed)
    known_accounts.note("other", second[variable].lstrip("?"), confirmed)
    loaded(tmp_path, "other", named, second)
    with pytest.raises(InputError, match="it is of the account other"):
        loaded(tmp_path, "mine", named, second)
    with pytest.raises(InputError, match="it is of the account mine"):
        loaded(tmp_path, "other", named, first)
    for account in ("mine", "other"):
        loaded(tmp_path, account, named, third)


def test_what_stands_in_the_file_itself_works_as_before(tmp_path):
    known_accounts.note("mine", sas("a").lstrip("?"), {TOKEN: sas("a")})
    config = tmp_path / "config.ini"
    config.write_text(f"{SMALLEST}storage_url=https://other.blob.core.windows.net{sas('b')}\n")
    assert load_config(config, {}).sas_token_images == sas("b").lstrip("?")
    for text in (f"storage_url={tmp_path}\n", "storage_url=http://127.0.0.1:10000/other\n"):
        loaded(tmp_path, "", text, {TOKEN: sas("a")})
    known_accounts.note("third", sas("b").lstrip("?"), {})
    assert "third" not in known_accounts._file().read_text()


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b'{"a": 3}', b"[" * 100_000])
def test_a_damaged_file_says_nothing_and_is_replaced(tmp_path, content):
    file = known_accounts._file()
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    loaded(tmp_path, "mine", NAMED[0], {TOKEN: sas("a")})
    known_accounts.note("mine", sas("a").lstrip("?"), {TOKEN: sas("a")})
    assert list(json.loads(file.read_bytes()).values()) == ["mine"]
    assert sas("a")[-40:] not in file.read_text()


def test_a_file_that_cannot_be_written_is_warned_of_and_stops_nobody(tmp_path, data_home, capsys):
    data_home.write_text("a file where a folder is to be")
    known_accounts.note("mine", sas("a").lstrip("?"), {TOKEN: sas("a")})
    assert "set AZURE_STORAGE_ACCOUNT=mine" in capsys.readouterr().err
    environ = {TOKEN: sas("a"), "AZURE_STORAGE_ACCOUNT": "mine"}
    known_accounts.note("mine", sas("a").lstrip("?"), environ)
    assert capsys.readouterr().err == ""


@contextmanager
def accounts_of_azure(folder, answer: dict):
    """A proxy that is every account of Azure itself; its address, the certificate to trust, and
    what it was asked for. answer: the status for each account.
    """
    hosts = ("mine.blob.core.windows.net", "stranger.blob.core.windows.net")
    certificate = own_certificate(folder, hosts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    seen = []

    class Account(BaseHTTPRequestHandler):
        def do_CONNECT(self):
            account = self.path.split(".")[0]
            self.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            inside = context.wrap_socket(self.connection, server_side=True)
            asked = inside.recv(65536).decode()
            seen.append((account, asked))
            body = b'<?xml version="1.0"?><EnumerationResults><Blobs/></EnumerationResults>'
            if answer[account] == 403:
                body = b"<Error><Code>AuthenticationFailed</Code><Message>no</Message></Error>"
            head = f"HTTP/1.1 {answer[account]} x\r\nContent-Type: application/xml\r\n"
            head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            inside.sendall(head.encode() + body)
            inside.close()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Account) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", certificate, seen
        server.shutdown()


def test_the_first_account_that_takes_a_token_is_its_own(tmp_path, monkeypatch):
    def status(account: str):
        config = tmp_path / f"{account}.ini"
        config.write_text(SMALLEST + NAMED[0].format(account))
        return run("tag/status.py", config)

    answer = {"mine": 403, "stranger": 200}
    with accounts_of_azure(tmp_path, answer) as (proxy, certificate, seen):
        monkeypatch.setenv(TOKEN, sas("a"))
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert "access refused" in status("mine").stderr
        assert seen and not known_accounts._file().exists()  # it may have been a slip
        answer["mine"] = 200
        assert "access refused" not in status("mine").stderr
        assert any("sig=a" in asked for _, asked in seen)
        del seen[:]
        done = status("stranger")
    assert (done.returncode, done.stderr.count("\n"), seen) == (2, 1, [])
    assert "AZURE_STORAGE_ACCOUNT=stranger" in done.stderr
