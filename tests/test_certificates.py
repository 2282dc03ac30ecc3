"""A certificate that is not trusted is called that, with what to do, and is not tried again."""

import ssl
import threading
from contextlib import contextmanager
from http.server import HTTPServer, SimpleHTTPRequestHandler

import pytest
from helpers_certificates import own_certificate
from helpers_programs import run

from train.network.fetch import fetch_url
from utils.errors import OutsideError


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def https(folder):
    """An https server with such a certificate; its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate(folder))
    with HTTPServer(("127.0.0.1", 0), _Quiet) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}"
        server.shutdown()


def test_weights_from_there(tmp_path, capsys):
    with https(tmp_path) as url:
        with pytest.raises(OutsideError, match="certificate is not trusted.*REQUESTS_CA_BUNDLE"):
            fetch_url(f"{url}/weights", tmp_path / "weights")
    assert "trying again" not in capsys.readouterr().err


def test_a_storage_account_there(tmp_path):
    config = tmp_path / "config.ini"
    with https(tmp_path) as url:
        config.write_text(
            f"storage_url={url}/account\nAZURE_STORAGE_KEY=a2V5\nimage_container_name=i\n"
            "label_container_name=l\nclasses=bird\n"
        )
        done = run("tag/status.py", config)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "certificate is not trusted" in done.stderr and "REQUESTS_CA_BUNDLE" in done.stderr


def test_without_a_network_each_try_is_said(tmp_path, capsys):
    with pytest.raises(OutsideError, match="put it at"):
        fetch_url("http://127.0.0.1:9/weights", tmp_path / "weights")
    assert capsys.readouterr().err.count("no connection; trying again") == 3
