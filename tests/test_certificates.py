"""A certificate that is not trusted is called that, with what to do, and is not tried again."""

import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer, SimpleHTTPRequestHandler

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from helpers_programs import run

from train.network.fetch import fetch_url
from utils.errors import OutsideError


def own_certificate(folder):
    """A certificate for this machine that nobody has signed, and its key, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "own.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


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
