"""A secret goes over https only, and to nobody but its account."""

import azurite
import pytest
from helpers_http import stranger
from helpers_programs import run

from train.network.fetch import fetch_url
from utils.config import load_config
from utils.destination import CONFIRMED, is_azure, is_this_machine
from utils.errors import InputError, OutsideError
from utils.storage.opening import open_containers

SAS = "sv=2024-11-04&sp=rl&sig=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U%3D"
SMALLEST = "image_container_name=images\nlabel_container_name=labels\nclasses=bird\n"
MINE = "https://mine.blob.core.windows.net"
CONNECTION = f"AccountName=mine;AccountKey={azurite.KEY}"
OF_ENVIRONMENT = {
    "a SAS token": {"AZURE_STORAGE_SAS_TOKEN": SAS},
    "one for a container": {
        "AZURE_STORAGE_SAS_TOKEN_LABELS": SAS,
        "AZURE_STORAGE_KEY": azurite.KEY,
    },
    "a key": {"AZURE_STORAGE_KEY": azurite.KEY},
    "a connection string": {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION},
    "a login": {},
}
STRANGERS = [
    "https://stranger.example/mine",
    "https://mine.blob.core.windows.net.stranger.example",
    "https://mine.blob.stranger.example",
    "https://stranger.example/mine.blob.core.windows.net",
    "https://mineXblobXcore.windows.net",
    "https://core.windows.net/mine",
    "https://mine.blob.core.windows.net:8443",
    "https://127.0.0.1.stranger.example/devstoreaccount1",
    "https://localhost.stranger.example/devstoreaccount1",
]


def loaded(tmp_path, text: str, environ: dict):
    config = tmp_path / "config.ini"
    config.write_text(SMALLEST + text)
    return load_config(config, environ)


@pytest.mark.parametrize("environ", OF_ENVIRONMENT.values(), ids=OF_ENVIRONMENT)
@pytest.mark.parametrize("scheme", ["http", "HTTP", "https"])
def test_a_config_of_a_stranger_gets_no_secret_of_the_environment(
    tmp_path, monkeypatch, scheme, environ
):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with stranger("127.0.0.2") as (host, seen):  # not one of the names of this machine
        config = tmp_path / "config.ini"
        config.write_text(f"{SMALLEST}storage_url={scheme}://{host}/mine\n")
        done = run("tag/status.py", config)
    assert (done.returncode, done.stderr.count("\n"), seen) == (2, 1, [])
    assert "storage_url" in done.stderr and azurite.KEY not in done.stderr


@pytest.mark.parametrize("environ", OF_ENVIRONMENT.values(), ids=OF_ENVIRONMENT)
@pytest.mark.parametrize("address", STRANGERS)
def test_an_address_that_only_looks_like_azures_is_refused(tmp_path, address, environ):
    with pytest.raises(InputError, match=r"storage_url=.*(is not sent there|is not allowed)"):
        loaded(tmp_path, f"storage_url={address}\n", environ)
    assert not is_azure(address) and not is_this_machine(address)


@pytest.mark.parametrize("environ", OF_ENVIRONMENT.values(), ids=OF_ENVIRONMENT)
def test_an_address_that_the_environment_confirms_gets_its_secrets(tmp_path, environ):
    address = "https://private.example/mine"
    read = loaded(tmp_path, f"storage_url={address}/\n", {**environ, CONFIRMED: address})
    assert read.storage_url == address
    with pytest.raises(InputError, match="without encryption"):
        http = address.replace("https", "http")
        loaded(tmp_path, f"storage_url={http}\n", {**environ, CONFIRMED: http})


@pytest.mark.parametrize("environ", OF_ENVIRONMENT.values(), ids=OF_ENVIRONMENT)
@pytest.mark.parametrize("suffix", ["windows.net", "chinacloudapi.cn", "usgovcloudapi.net"])
def test_a_host_of_azures_gets_secrets_of_its_account(tmp_path, suffix, environ):
    address = f"https://mine.blob.core.{suffix}"
    if "AZURE_STORAGE_CONNECTION_STRING" in environ:
        text = f"{environ['AZURE_STORAGE_CONNECTION_STRING']};EndpointSuffix=core.{suffix}"
        environ = {"AZURE_STORAGE_CONNECTION_STRING": text}
    assert loaded(tmp_path, f"storage_url={address}", environ).storage_url == address
    named = {**environ, "AZURE_STORAGE_ACCOUNT": "mine"}
    assert loaded(tmp_path, f"storage_url={address}", named).storage_url == address
    other = address.replace("mine", "yours")
    with pytest.raises(InputError, match="yours|another address"):
        loaded(tmp_path, f"storage_url={other}", named)


def test_a_connection_string_goes_to_its_own_address_alone(tmp_path):
    text = f"AccountName=mine;AccountKey={azurite.KEY};BlobEndpoint=https://private.example/mine"
    environ = {"AZURE_STORAGE_CONNECTION_STRING": text}
    address = "https://private.example/mine"
    assert loaded(tmp_path, f"storage_url={address}", environ).storage_url == address
    for other in (MINE, "https://other.example/mine", "https://private.example:444/mine"):
        with pytest.raises(InputError, match="it is of another address"):
            loaded(tmp_path, f"storage_url={other}", environ)
    in_clear = {"AZURE_STORAGE_CONNECTION_STRING": text.replace("https", "http")}
    with pytest.raises(InputError, match="no https address"):
        loaded(tmp_path, "", in_clear)


@pytest.mark.parametrize(
    "secret", [f"AZURE_STORAGE_KEY={azurite.KEY}", "AZURE_STORAGE_ACCOUNT=mine"]
)
def test_a_secret_in_the_file_goes_where_the_file_says_but_never_in_clear(tmp_path, secret):
    query = "" if "KEY" in secret else f"?{SAS}"
    read = loaded(tmp_path, f"{secret}\nstorage_url=https://own.example/mine{query}\n", {})
    assert read.storage_url == "https://own.example/mine"
    with pytest.raises(InputError, match="without encryption") as caught:
        loaded(tmp_path, f"{secret}\nstorage_url=http://own.example/mine{query}\n", {})
    assert "sig=" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_may_be_reached_without_encryption(tmp_path, host):
    address = f"http://{host}:10000/devstoreaccount1"
    for environ in OF_ENVIRONMENT.values():
        if "AZURE_STORAGE_CONNECTION_STRING" not in environ:
            assert loaded(tmp_path, f"storage_url={address}", environ).storage_url == address


@pytest.mark.parametrize(
    "address",
    [
        "https://x:secret@mine.blob.core.windows.net",
        "https://mine.blob.core.windows.net@stranger.example",
        "http://127.0.0.1:10000\\@stranger.example",
        "https://mine.blob.core.windows.net/#sig=secret",
        "https://stranger.example\\.blob.core.windows.net",
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused_without_its_secret(tmp_path, address):
    with pytest.raises(InputError, match="storage_url=") as caught:
        loaded(tmp_path, f"storage_url={address}", {"AZURE_STORAGE_KEY": azurite.KEY})
    assert "secret" not in str(caught.value)


def test_a_service_that_sends_elsewhere_is_not_followed(tmp_path):
    with (
        stranger("127.0.0.2") as (there, seen),
        stranger("127.0.0.1", 307, f"http://{there}") as (here, asked),
    ):
        config = loaded(
            tmp_path, f"storage_url=http://{here}/mine\n", {"AZURE_STORAGE_SAS_TOKEN": SAS}
        )
        with pytest.raises(OutsideError, match="answered 307") as caught:
            open_containers(config)
    assert asked and seen == [] and "sig=" not in str(caught.value)


def test_what_goes_to_this_machine_goes_through_no_proxy_elsewhere(tmp_path, monkeypatch):
    with stranger("127.0.0.2") as (proxy, seen), stranger("127.0.0.1", 403) as (here, asked):
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        monkeypatch.setenv("no_proxy", "example.org")
        text = f"AZURE_STORAGE_KEY={azurite.KEY}\nstorage_url=http://{here}/mine\n"
        with pytest.raises(InputError, match="access refused"):
            open_containers(loaded(tmp_path, text, {}))
    assert asked and seen == []


@pytest.mark.parametrize("secret", ["user:pass1234@", "?sig=secret1234"])
def test_a_model_is_not_fetched_with_a_secret_in_clear(tmp_path, secret):
    with stranger("127.0.0.2") as (host, seen):
        before, after = (secret, "") if "@" in secret else ("", secret)
        with pytest.raises(InputError, match="without encryption") as caught:
            fetch_url(f"http://{before}{host}/model.pb{after}", tmp_path / "model.pb")
    assert seen == [] and "1234" not in str(caught.value)


@pytest.mark.parametrize(
    "confirmed", ["https://h:abc", "https://[bad", "x", "https://other.example"]
)
def test_a_confirmation_that_is_no_address_confirms_nothing(tmp_path, confirmed):
    with pytest.raises(InputError, match="is not sent there"):
        loaded(tmp_path, "storage_url=https://private.example/mine\n", {CONFIRMED: confirmed})


def test_the_confirmation_counts_in_the_environment_only(tmp_path, capsys):
    with pytest.raises(InputError, match="is not sent there"):
        text = (
            f"storage_url=https://private.example/mine\n{CONFIRMED}=https://private.example/mine\n"
        )
        loaded(tmp_path, text, {"AZURE_STORAGE_SAS_TOKEN": SAS})
    loaded(tmp_path, f"{CONFIRMED}=https://private.example/mine\n", {})
    assert "it counts only in the environment" in capsys.readouterr().err
