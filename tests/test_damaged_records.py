"""Records and checkpoints that are damaged are one line that says which step makes them anew."""

import json

import pytest
from helpers_programs import run
from helpers_training import make_project, make_records, step

from train.network.records import read_records
from utils.config import load_config
from utils.errors import InputError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The config of a project whose records are there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        config = make_project(tmp_path_factory.mktemp("made"), 9, train_iterations=1)
        make_records(config)
        yield config


@pytest.fixture
def records(made):
    """records.json, which is as before at the end, and so are the shards."""
    folder = load_config(made).data_dir
    files = [folder / "records.json", *folder.glob("*.record"), folder / "cycle.json"]
    before = {file: file.read_bytes() for file in files}
    yield folder / "records.json"
    for file, content in before.items():
        file.write_bytes(content)


def refused(config, program: str) -> str:
    done = run(f"train/{program}", config)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert done.returncode == 2 and len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"<html>", b"\xff", b'{"train": 3}', b'{"train": {"shards": []}}'],
)
def test_records_that_say_nothing_are_made_anew(made, records, content):
    document = json.loads(records.read_bytes())
    records.write_bytes(content)
    with pytest.raises(InputError, match=r"records\.json: damaged .*--from create_tf_records"):
        read_records(load_config(made).tf_record_location)
    step("create_tf_records.py", made)
    assert json.loads(records.read_bytes())["train"] == document["train"]


def test_a_shard_with_a_damaged_byte_is_made_anew(made, records):
    (shard,) = records.parent.glob("*_train-*.record")
    data = shard.read_bytes()
    shard.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    said = refused(made, "train_detector.py")
    assert "damaged" in said and "--from create_tf_records" in said
    step("create_tf_records.py", made)
    assert shard.read_bytes() == data


@pytest.mark.parametrize("content", [b"", b"{}", None])
def test_a_note_of_a_training_that_says_nothing_is_one_line(made, content):
    note = load_config(made).train_dir / "training.json"
    note.parent.mkdir(exist_ok=True)
    if content is None:
        note.unlink(missing_ok=True)
        assert "nothing has been trained yet" in refused(made, "export_model.py")
    else:
        note.write_bytes(content)
        assert "training.json: gone or damaged" in refused(made, "export_model.py")
