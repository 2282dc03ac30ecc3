"""What looks like a key, a signature or a password is masked in all that leaves a program, whatever
it was put into.
"""

import base64
import itertools
import json
import random
import string
from urllib.parse import quote

import pytest
from helpers_programs import run
from helpers_secrets import blobs, files, leaks
from helpers_state import StateProject, store_in
from helpers_tables import labels
from hypothesis import given, settings
from hypothesis import strategies as st

from utils import masking
from utils.config import load_config
from utils.errors import InputError, OutsideError
from utils.labels.state import Change
from utils.masking import looks_secret, masked, masked_in

KEY = base64.b64encode(random.Random(3).randbytes(64)).decode()  # as Azure's are
SIGNATURE = base64.b64encode(random.Random(4).randbytes(32)).decode()
SAS = f"sv=2024-11-04&ss=b&srt=co&sp=rl&se=2030-01-01T00:00:00Z&sig={quote(SIGNATURE, safe='')}"
ADDRESS = "https://mine.blob.core.windows.net"

PUT = {  # how people put secrets where they do not belong
    "a key": KEY,
    "a key without its end": KEY[:-2],
    "a key in an address": quote(KEY, safe=""),
    "a key in other words": f"x{KEY} and more",
    "a connection string": f"DefaultEndpointsProtocol=https;AccountName=mine;AccountKey={KEY}",
    "one with blanks": f"AccountName=mine AccountKey={KEY} EndpointSuffix=core.windows.net",
    "an address with a SAS": f"{ADDRESS}/images?{SAS}",
    "one without scheme": f"mine.blob.core.windows.net/images?{SAS}",
    "behind #": f"{ADDRESS}/images#{SAS}",
    "behind # alone": f"{ADDRESS}/images#sig={SIGNATURE}",
    "behind &": f"{ADDRESS}/images&{SAS}",
    "in the path": f"{ADDRESS}/sig={SIGNATURE}/images",
    "a SAS": SAS,
    "a SAS with its mark": f"?{SAS}",
    "a signature": SIGNATURE,
    "a user's password": f"https://x:{KEY}@mine.blob.core.windows.net",
    "a path made of an address": "/home/anna/https:/x:Pass-word1@mine.blob.core.windows.net/c",
    "a user": f"https://{KEY}@mine.blob.core.windows.net",
    "a string with a SAS": f"BlobEndpoint={ADDRESS};SharedAccessSignature={SAS}",
    "a user's password without scheme": f"x:{KEY}@mine.blob.core.windows.net",
    "a password without scheme": f"{quote(KEY, safe='')}@mine.blob.core.windows.net",
    "a key with a blank": f"{KEY[:40]} {KEY[40:]}",
    "a key in three lines": f"{KEY[:30]}\n{KEY[30:60]}\n{KEY[60:]}",
    "one that was written with \\n": f"{KEY[:30]}\\n{KEY[30:]}",
    "a key with a tab and other words": f"my key is {KEY[:50]}\t{KEY[50:]} and more",
    "a key in an address with a blank": quote(f"{KEY[:43]} {KEY[43:]}", safe=""),
    "a key in pieces without its end": f"{KEY[:43]} {KEY[43:-2]}",
    "a signature with a blank": f"sig={SIGNATURE[:20]} {SIGNATURE[20:]}",
    "a string with a blank in its key": f"AccountName=mine;AccountKey={KEY[:60]} {KEY[60:]}",
}
PASSWORDS = {  # {text with a password of a person's own, that is no key: what is shown of it}
    "x:Pass-word1@mine.blob.core.windows.net/c": "***@mine.blob.core.windows.net/c",
    "Pass-word1@mine.blob.core.windows.net": "***@mine.blob.core.windows.net",
    "Pass-word1@10.0.0.7/images": "***@10.0.0.7/images",
    "Pass-word1@localhost:10000": "***@localhost:10000",
    "anna:Pass-word1@host": "***@host",
    "x:P@ss/w0rd@host/c": "***@host/c",
    "https://x:P@ss-word1@host/c": "https://***@host/c",
    "https://x:Pass/word1@host/c": "https://***@host/c",
    "/home/anna/x:Pass-word1@host/c": "/home/anna/***@host/c",
}
VALUES = ("AZURE_STORAGE_ACCOUNT", "storage_url", "image_container_name", "label_container_name")
VALUES += (
    "tagger_name",
    "data_dir",
    "classes",
    "filetype",
    "pred_dir",
    "pred_model_name",
    "tf_url",
)
SMALLEST = {
    "image_container_name": "images",
    "label_container_name": "labels",
    "classes": "bird",
}


def leaked(text: str) -> list[str]:
    return leaks(KEY, {"said": text.encode()}) + leaks(SIGNATURE, {"said": text.encode()})


@pytest.mark.parametrize("text", PUT.values(), ids=PUT)
def test_what_looks_like_a_secret_is_masked_and_stays_so(text):
    once = masked(f"config.ini: tagger_name={text} is not allowed")
    assert leaked(once) == [] and masked(once) == once and looks_secret(text)
    assert once.startswith("config.ini: tagger_name=")


@pytest.mark.parametrize(("text", "shown"), PASSWORDS.items())
def test_a_password_before_a_host_is_masked_with_a_scheme_and_without(text, shown):
    assert masked(f"storage_url={text} is none") == f"storage_url={shown} is none"
    assert masked(shown) == shown


@pytest.mark.parametrize("gap", [" ", "  ", "\t", "\n", "\r\n", "\\n", "%20", "%0A"])
def test_no_piece_of_a_key_that_was_broken_anywhere_is_shown(gap):
    lot = random.Random(gap)
    for size in [64] * 100 + [32] * 20:  # keys of accounts, signatures
        key = base64.b64encode(lot.randbytes(size)).decode()
        cuts = [0, *sorted(lot.sample(range(1, len(key) - 2), lot.choice([1, 2, 3]))), len(key)]
        pieces = [key[start:end] for start, end in itertools.pairwise(cuts)]
        once = masked(f"the key is {gap.join(pieces)} of the account")
        assert not [piece for piece in pieces if len(piece) > 9 and piece[:10] in once], once
        assert once.startswith("the key is ") and masked(once) == once


@pytest.mark.parametrize("secret", [KEY, SIGNATURE])
@pytest.mark.parametrize("at", [20, 33, 40])
def test_a_key_that_a_config_has_in_two_lines_is_not_shown(tmp_path, capsys, at, secret):
    config = tmp_path / "config.ini"
    lines = [f"{key}={value}\n" for key, value in SMALLEST.items()]
    config.write_text(
        f"{''.join(lines)}AZURE_STORAGE_KEY={secret[:at]}\n{secret[at:]}\nstorage_url={tmp_path}\n"
    )
    load_config(config, {})
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and secret[at:].rstrip("=") not in said


@pytest.mark.parametrize("text", PUT.values(), ids=PUT)
@pytest.mark.parametrize("name", VALUES)
def test_no_program_shows_or_publishes_a_secret_whatever_key_it_was_put_into(tmp_path, name, text):
    (tmp_path / "store" / "images").mkdir(parents=True)
    (tmp_path / "store" / "labels").mkdir()
    chosen = {"storage_url": tmp_path / "store", **SMALLEST, name: text}
    config = tmp_path / "config.ini"
    lines = [f"{key}={value}".replace("\n", " ") + "\n" for key, value in chosen.items()]
    config.write_text("".join(lines))
    try:
        read = load_config(config, {})
    except InputError as error:
        assert leaked(str(error)) == []
        return
    assert leaked(read.public_text()) == [] and name in ("tf_url", "storage_url")
    if name == "tf_url":
        done = run("tag/status.py", config)
        assert leaked(done.stdout + done.stderr) == []


@pytest.mark.parametrize("where", ["file", "environment"])
def test_a_key_and_an_account_that_were_swapped_are_not_shown(tmp_path, monkeypatch, where):
    swapped = {"AZURE_STORAGE_ACCOUNT": KEY, "AZURE_STORAGE_KEY": "mystorageaccount"}
    chosen = SMALLEST | (swapped if where == "file" else {})
    if where == "environment":
        for name, value in swapped.items():
            monkeypatch.setenv(name, value)
    config = tmp_path / "config.ini"
    config.write_text("".join(f"{key}={value}\n" for key, value in chosen.items()))
    done = run("tag/status.py", config)
    assert done.returncode == 2 and leaked(done.stdout + done.stderr) == []
    assert "AZURE_STORAGE_ACCOUNT=(not shown)" in done.stderr


def test_a_short_secret_of_this_run_is_masked_in_every_form(tmp_path, monkeypatch):
    secret = "s3cret/of+mine=="
    config = tmp_path / "config.ini"
    config.write_text("".join(f"{key}={value}\n" for key, value in SMALLEST.items()))
    load_config(config, {"AZURE_STORAGE_KEY": secret})
    for form in (secret, quote(secret, safe=""), quote(secret, safe="").lower(), f"x{secret}y"):
        assert "s3cret" not in masked(f"it is {form}.")
    load_config(config, {})
    assert secret in masked(f"it is {secret}"), "another run has other secrets"
    monkeypatch.setenv("AZURE_STORAGE_KEY", secret)
    assert "s3cret" not in masked(f"it is {secret}")


@pytest.mark.parametrize(
    "name", ["AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING"]
)
def test_a_tagger_name_that_is_a_secret_of_the_environment_is_refused_and_published_nowhere(
    store, tmp_path, monkeypatch, name
):
    project = StateProject(store, tmp_path)
    before = project.labels.container.read("label_state.json")[0]
    secret = {
        "AZURE_STORAGE_KEY": KEY,
        "AZURE_STORAGE_SAS_TOKEN": SAS,
        "AZURE_STORAGE_CONNECTION_STRING": f"AccountName=devstoreaccount1;AccountKey={KEY}",
    }[name]
    monkeypatch.setenv(name, secret)
    project.config.write_text(
        project.config.read_text().replace("tagger_name=anna", f"tagger_name=${name}")
    )
    done = run("tag/download_vott_json.py", 1, project.config)
    assert done.returncode == 2 and "tagger_name=(not shown)" in done.stderr
    assert leaked(done.stdout + done.stderr) == []
    assert project.labels.container.read("label_state.json")[0] == before


def test_the_state_holds_no_secret_whoever_writes_it(store, tmp_path):
    project = StateProject(store, tmp_path)
    project.labels.by = f"me {KEY}"
    project.labels.commit(
        lambda state: Change(
            {"tagged": labels("d/1.jpg NULL")},
            cycle={"training": {"from": f"{ADDRESS}?{SAS}", "keys": [KEY]}},
        ),
        what="test",
    )
    for secret in (KEY, SIGNATURE):
        assert leaks(secret, blobs(store)) == []
    assert project.labels.read().document["by"] == "me ***"


def test_a_name_that_is_published_is_no_secret(folder_store, tmp_path):
    project = StateProject(folder_store, tmp_path)
    (tmp_path / "found.json").write_text("{}")
    before = blobs(folder_store)
    for program, *arguments in (
        ("tag/change_classes.py", project.config, "--rename", f"bird={KEY[:-2]}"),
        ("train/import_predictions.py", tmp_path / "found.json", project.config, "--as-model", KEY),
    ):
        done = run(program, *arguments)
        assert done.returncode == 2 and leaked(done.stdout + done.stderr) == [], program
    assert blobs(folder_store) == before


def test_errors_hold_no_secret_wherever_they_are_written(tmp_path):
    for kind in (InputError, OutsideError):
        for text in PUT.values():
            assert leaked(str(kind(f"x: {text}: no"))) == []
    store = store_in(tmp_path / "labels")
    with pytest.raises(InputError) as caught:
        store.table_at(f"../{KEY}", "tagged")
    assert leaked(str(caught.value)) == [] and leaks(KEY, files(tmp_path)) == []


@pytest.mark.parametrize(
    "text",
    [
        "/home/user/projects/active-learning/data/training/images/2024/A/b/C/d/E/f/G/h.jpg",
        "DSCF0001_20231105T101112Z_CameraTrapNorth_Station12_Very_Long_Name_0001.JPG",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "AF1QipN3abcdefGHIJKLmnopQRSTuvwxYZ012345678a.jpg",
        "HomeUserProjectsActiveLearningDetectDataTrainingImagesCameraOneTwo3456.jpg",
        "the page is at http://127.0.0.1:41234/0123456789abcdef0123456789abcdef/ (Ctrl-C ends it)",
        "model_1700000000000.pb: average AP 0.93 → tagged_1700000000000.csv",
        "https://mine.blob.core.windows.net/images: access refused (AuthenticationFailed)",
        "anna@example.org, http://host/a@b.jpg",
        "ann@uni.edu",
        "tagger_name=ann@uni.edu, out to root@3f2a1b",
        "/home/ann@uni.edu/photos/cam@north/1.jpg",
        "ann@uni.edu/cam@north/1.jpg is out to ann@laptop: left out",
        r"C:\Users\ann@uni.edu\photos",
        "http://127.0.0.1:41234/0123456789/a@b.jpg http://[::1]:80/a@b",
        "Bird1 Seal2 Deer3 Fox4 Hare5 Wolf6 Bear7 Elk8 Moose9 Cat10 Dog11 Owl12 Bee13 Ant14",
        "20231105T101112Z DSCF0001 IMG0002 RECONYX7 Hyperfire2 CuddebackX9 BrowningBTC5 Cam12A",
        "100MEDIA 101RECNX 102RECNX DCIM A2b C3d Camera North12 Station3B x4Y Z5a of tagged=",
        "signal=5 design=x",
        "a" * 90,
        "",
    ],
)
def test_what_is_no_secret_is_shown_as_it_is(text):
    assert masked(text) == text


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    st.binary(min_size=64, max_size=64),
    st.text(string.printable, max_size=20),
    st.booleans(),
)
def test_any_key_of_azures_is_masked_in_any_sentence(data, words, in_address):
    key = base64.b64encode(data).decode()
    shown = quote(key, safe="") if in_address else key
    assert shown not in masked(f"{words} {shown} {words}")


def test_a_json_value_is_masked_inside():
    value = {"a": [KEY, 1, None, {"b": SAS}], KEY[:5]: True}
    assert leaked(json.dumps(masked_in(value))) == []
    assert masked_in(value)["a"][1:3] == [1, None] and KEY[:5] in masked_in(value)


@pytest.fixture(autouse=True)
def forget():
    yield
    masking.remember([])
