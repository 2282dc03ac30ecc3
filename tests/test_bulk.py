"""Photos are read in bulk by obstore, where that may be; where not, by Azure's package, which also
says what is wrong.
"""

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import azurite
import obstore
import pytest
from azure.storage.blob import ContentSettings, generate_container_sas
from helpers_http import stranger
from helpers_proxy import Fault, through

from utils.config import load_config
from utils.storage.bulk import Bulk
from utils.storage.container import Damaged, Listed, Missing
from utils.storage.opening import open_containers
from utils.storage.sync import list_images, sync_images

CONTENT = os.urandom(300_000)
ODD = ["a/1.jpg", "2 #%+.jpg", "ä/ö ü.jpg", "a=b&c?.jpg", "a/b/c/d~!$'().jpg"]


@pytest.fixture(autouse=True)
def as_most_machines_are(monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """The names of what obstore was asked for."""
    asked, get = [], obstore.get

    def counting(store, name, **options):
        asked.append(name)
        return get(store, name, **options)

    monkeypatch.setattr(obstore, "get", counting)
    return asked


@pytest.fixture
def packaged(monkeypatch) -> list[str]:
    """The names of what Azure's package was asked for."""
    from utils.storage.azure import ContainerClient

    asked, download = [], ContainerClient.download_blob

    def counting(self, name, *arguments, **options):
        asked.append(name)
        return download(self, name, *arguments, **options)

    monkeypatch.setattr(ContainerClient, "download_blob", counting)
    return asked


def again(store, folder):
    """The image container, opened once more."""
    (folder / "again.ini").write_text(store.config_text())
    return open_containers(load_config(folder / "again.ini"))[0]


def listed(store) -> dict:
    return {blob.name: blob for blob in store.images.list()}


def test_what_is_listed_comes_in_bulk_and_is_the_same(azurite_store, tmp_path, counted, packaged):
    for name in ODD:
        azurite_store.images.write(name, CONTENT + name.encode())
    blobs = list_images(azurite_store.images, "*.jpg", True).blobs
    assert sync_images(azurite_store.images, blobs, tmp_path / "here").downloaded == len(ODD)
    for blob in blobs:
        whole = CONTENT + blob.name.encode()
        assert (tmp_path / "here" / blob.name).read_bytes() == whole
        assert azurite_store.images.read(blob.name, blob) == (whole, blob)
        assert azurite_store.images.read_part(blob.name, 299_990, 99, blob) == whole[299_990:]
        assert azurite_store.images.read_part(blob.name, 10**6, 99, blob) == b""
    assert set(counted) == set(ODD) and len(counted) == 3 * len(ODD)
    assert packaged == [blob.name for blob in blobs]  # the empty parts


def test_labels_are_never_read_in_bulk(azurite_store, counted):
    azurite_store.labels.write("a.csv", b"x")
    blob = azurite_store.labels.info("a.csv")
    assert azurite_store.labels.read("a.csv", blob)[0] == b"x" and counted == []


@pytest.mark.parametrize("way", ["read", "fetch"])
def test_a_photo_that_was_replaced_comes_as_it_is_now(azurite_store, tmp_path, way):
    azurite_store.images.write("a.jpg", CONTENT)
    before = listed(azurite_store)["a.jpg"]
    azurite_store.images.write("a.jpg", CONTENT[::-1])
    if way == "read":
        data, blob = azurite_store.images.read("a.jpg", before)
    else:
        blob = azurite_store.images.fetch("a.jpg", tmp_path / "a", listed=before)
        data = (tmp_path / "a").read_bytes()
    assert data == CONTENT[::-1] and blob.etag == azurite_store.images.info("a.jpg").etag
    with pytest.raises(Damaged, match="replaced"):
        azurite_store.images.read_part("a.jpg", 0, 10, before)
    azurite_store.images.delete("a.jpg")
    with pytest.raises(Missing):
        azurite_store.images.read("a.jpg", before)


def test_a_photo_that_is_not_what_its_md5_says_is_damaged(azurite_store, tmp_path):
    azurite_store.images.write("a.jpg", CONTENT)
    client = azurite_store.images._client.get_blob_client("a.jpg")
    client.set_http_headers(ContentSettings(content_md5=bytearray(16)))
    blob = listed(azurite_store)["a.jpg"]
    with pytest.raises(Damaged, match="MD5"):
        azurite_store.images.fetch("a.jpg", tmp_path / "a", listed=blob)
    assert list(tmp_path.glob("a*")) == []
    with pytest.raises(Damaged, match="MD5"):
        azurite_store.images.read("a.jpg", blob)


def test_a_photo_of_another_length_than_was_listed_is_left_to_the_package(azurite_store):
    azurite_store.images.write("a.jpg", CONTENT)
    blob = listed(azurite_store)["a.jpg"]
    bulk = azurite_store.images._bulk
    assert bulk.read(blob) == CONTENT
    assert bulk.read(replace(blob, size=blob.size + 1)) is None
    assert bulk.read_part(replace(blob, size=blob.size + 1), 0, blob.size + 1) is None


def test_with_a_sas_token_it_reads_too_and_with_a_wrong_one_the_package_says_so(
    azurite_store, azurite_url, monkeypatch
):
    azurite_store.images.write("a.jpg", CONTENT)
    blob = listed(azurite_store)["a.jpg"]
    monkeypatch.setattr("utils.storage.bulk.is_azure", lambda url: True)
    token = generate_container_sas(
        azurite.ACCOUNT,
        azurite_store.images.name,
        azurite.KEY,
        permission="r",
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    good, wrong = (
        Bulk(azurite_url, azurite_store.images.name, azurite.ACCOUNT, sas)
        for sas in (token, token[:-9] + "AAAAAA%3D")
    )
    assert good.read(blob) == CONTENT and good.read_part(blob, 5, 9) == CONTENT[5:9]
    assert wrong.read(blob) is None


def test_a_login_gives_its_token(monkeypatch):
    asked = []

    class Login:
        def get_token(self, *scopes):
            asked.append(scopes)
            return type("Token", (), {"token": "bearertoken", "expires_on": 2_000_000_000})

    monkeypatch.setattr("utils.storage.bulk.is_azure", lambda url: True)
    with stranger("127.0.0.1", 403) as (here, seen):
        bulk = Bulk(f"http://{here}/mine", "images", "mine", Login())
        assert bulk.read(Listed("a.jpg", 5, "e")) is None
    assert asked == [("https://storage.azure.com/.default",)]
    assert "bearertoken" in "".join(seen)


def test_nothing_is_taken_from_the_environment_but_by_the_config(monkeypatch):
    with stranger("127.0.0.1", 403) as (here, seen):
        for name, value in {
            "AZURE_STORAGE_ACCOUNT_KEY": azurite.KEY,
            "AZURE_SKIP_SIGNATURE": "true",
            "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:9",
        }.items():
            monkeypatch.setenv(name, value)
        before = dict(os.environ)
        monkeypatch.setattr("utils.storage.bulk.is_azure", lambda url: True)
        sas = "sv=2024-11-04&sp=rl&sig=b3Vycw%3D%3D"
        bulk = Bulk(f"http://{here}/mine", "images", "mine", sas)
        assert dict(os.environ) == before
        assert bulk.read(Listed("a.jpg", 5, "e")) is None
    assert len(seen) == 1
    assert "sig=b3Vycw" in seen[0] and "sharedkey" not in seen[0].lower()


@pytest.mark.parametrize("secret", ["key", "token"])
def test_who_sends_elsewhere_sends_no_secret_there(secret):
    with (
        stranger("127.0.0.2") as (there, seen),
        stranger("127.0.0.1", 307, f"http://{there}") as (here, asked),
    ):
        credential = (
            {"account_name": "mine", "account_key": azurite.KEY}
            if secret == "key"
            else "sv=2024-11-04&sp=rl&sig=c2VjcmV0c2VjcmV0c2VjcmV0"
        )
        bulk = Bulk(f"http://{here}/mine", "images", "mine", credential)
        assert bulk.read(Listed("a.jpg", 5, "e")) is None
    told = "".join(seen).lower()
    assert "sig=" not in told and "sharedkey" not in told
    assert bool(asked) == (secret == "key")


@pytest.mark.parametrize(
    "name",
    ["https_proxy", "HTTP_PROXY", "all_proxy"],
)
def test_where_there_is_a_proxy_the_package_reads_and_it_is_said_once(
    azurite_store, tmp_path, monkeypatch, capsys, counted, name
):
    for number in range(5):
        azurite_store.images.write(f"{number}.jpg", CONTENT)
    monkeypatch.setenv(name, "http://192.0.2.1:9")  # what goes to this machine avoids it
    images = again(azurite_store, tmp_path)
    blobs = list_images(images, "*.jpg", True).blobs
    assert sync_images(images, blobs, tmp_path / "here").downloaded == 5
    assert capsys.readouterr().err == (
        "photos are read from Azure the slower way: there is a proxy\n"
    )
    assert counted == []


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_where_there_is_a_bundle_of_certificates_the_package_reads_and_it_is_said_once(
    monkeypatch, capsys, counted, name
):
    monkeypatch.setenv(name, "/none.pem")
    bulk = Bulk("https://127.0.0.1:9/mine", "images", "mine", {"account_key": azurite.KEY})
    for _ in range(3):
        assert bulk.read(Listed("a.jpg", 5, "e")) is None
    assert capsys.readouterr().err.count("REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE is set") == 1
    assert counted == []


@pytest.mark.parametrize(
    "trains, said",
    [
        (
            True,
            "photos are read from Azure the slower way: obstore is not installed"
            " (python -m pip install -r requirements.txt)\n",
        ),
        (False, ""),  # annotators need none
    ],
)
def test_without_obstore_the_package_reads_and_a_training_machine_says_so_once(
    azurite_store, tmp_path, monkeypatch, capsys, trains, said
):
    for number in range(3):
        azurite_store.images.write(f"{number}.jpg", CONTENT)
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    monkeypatch.setattr("utils.storage.bulk.find_spec", lambda name: name if trains else None)
    images = again(azurite_store, tmp_path)
    blobs = list_images(images, "*.jpg", True).blobs
    assert sync_images(images, blobs, tmp_path / "here").downloaded == 3
    assert capsys.readouterr() == ("", said)


def test_where_it_fails_and_the_package_does_not_it_is_left_alone_after_a_few_times(
    azurite_store, tmp_path, monkeypatch, capsys
):
    for number in range(9):
        azurite_store.images.write(f"{number}.jpg", CONTENT)
    blobs = list_images(azurite_store.images, "*.jpg", True).blobs
    asked = []

    def fails(store, name, **options):
        asked.append(name)
        raise RuntimeError(f"https://account/{name}?sig=secret")

    monkeypatch.setattr(obstore, "get", fails)
    assert sync_images(azurite_store.images, blobs, tmp_path, workers=1).downloaded == 9
    assert capsys.readouterr().err == (
        "photos are read from Azure the slower way: the faster one fails here\n"
    )
    assert len(asked) < 9


def test_a_line_that_is_cut_in_the_midst_of_a_photo_gives_the_photo_or_one_line(
    azurite_store, azurite_url, tmp_path
):
    azurite_store.images.write("a.jpg", CONTENT)
    config = tmp_path / "through.ini"
    with through(azurite_url) as proxy:
        config.write_text(azurite_store.config_text().replace(azurite_url, proxy.url))
        images, _ = open_containers(load_config(config))
        blob = images.info("a.jpg")
        for kind in ("cut", "short", "lie", "lost answer"):
            proxy.faults[:] = [Fault(kind, lambda method, path: "/a.jpg" in path, times=1)]
            assert images.read("a.jpg", blob)[0] == CONTENT
            assert images.read_part("a.jpg", 100, 200, blob) == CONTENT[100:300]
