"""Feeds the readers of other people's files – VoTT projects, class maps, config files,
label_state.json, batch.json – with what a coverage-guided fuzzer thinks up. Every input must give a
result or our own error; anything else is printed by the fuzzer, with the input that caused it.

    python -m pip install atheris==3.0.0    # no requirement: there is none for Windows
    python benchmarks/fuzz_readers.py                        # 10 minutes each
    python benchmarks/fuzz_readers.py --seconds 120 --readers vott,config

Half of the inputs for the JSON readers are JSON by construction, so that the fuzzer need not
find the commas. Ends with exit code 1 when a reader failed. What was found is kept as cases in
tests/test_vott.py, test_class_map.py, test_config.py, test_state_document.py and
test_batch_document.py.
"""

import argparse
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SEEDS = {
    "vott": [
        (
            '{"frames": {"a.jpg": [{"x1": 1, "y1": 2, "x2": 30, "y2": 40, "width": 200, "height":'
            ' 100, "tags": ["bird"], "points": []}]}, "framerate": "1", "inputTags": "bird,seal",'
            ' "visitedFrames": ["a.jpg", 0], "tag_colors": ["#ff0000"]}'
        ),
        '{"frames": {"0": [{}], "1": []}, "visitedFrames": [0, 1]}',
    ],
    "class_map": [
        json.dumps(
            {
                "classmap": [
                    {"initclass": 1, "map": "bird", "balance": "0.6"},
                    {"initclass": "2", "map": "seal", "balance": 0.3},
                    {"initclass": "NULL", "map": "", "balance": 0.1},
                ],
                "unmapclass": [3],
                "default_class": "other",
            }
        )
    ],
    "config": [
        (ROOT / "config.ini").read_text(encoding="utf-8"),
        (
            "data_dir=~/d\nclasses='a b',c\nstorage_url=${data_dir}/x\n"
            "image_container_name=${data_dir##*/}\nlabel_container_name=${data_dir%.*}\n"
            'ideal_class_balance=.5,.3,.2\n[x]\n# c\nexport seed="1"\n'
        ),
    ],
    "state": [
        json.dumps(
            {
                "format": 1,
                "commit": "c1",
                "history": ["c0", "c1"],
                "at": "2026-01-01T00:00:00Z",
                "by": "anna",
                "tables": {"tagged": "tagged_1.csv", "totag": None},
                "live": {"model": "model_1.pb", "embeddings": "embeddings_1.parquet"},
                "candidate": {"model": "model_2.pb", "verdict": {"why": "worse"}},
                "cycles": [{"id": "1", "tagged": "tagged_1.csv", "metrics": {"bird": {"AP": 0.5}}}],
                "evaluations": [{"model": "m.pb", "performance": "performance_1.csv"}],
                "classes": {"renamed": {"a": "b"}, "dropped": ["c"], "changes": []},
                "foreign": {"checked": "x", "blobs": ["tagged_x.csv"], "settled": []},
                "greys": {"16 bits": [0, 4095]},
                "work": {"since": 1, "made": {"anna": [1, 2]}},
            }
        )
    ],
    "batch": [
        json.dumps(
            {
                "format": 1,
                "tagger": "anna",
                "reserved_at": "2026-01-01T00:00:00Z",
                "wanted": 1,
                "commit": "c",
                "fetched": True,
                "tool": "page",
                "files": {"page.json": "0"},
                "sending": {"commit": "d", "digests": {"a/1.jpg": "0"}},
                "tags": {"bird": "bird"},
                "images": {
                    "Images/1.jpg": {
                        "folder": "a",
                        "filename": "1.jpg",
                        "boxes": [["bird", 0.1, 0.5, 0.2, 0.8, 0.9]],
                        "sent": [[["bird", 0, 1, 0, 1]]],
                        "width": 200,
                        "height": 100,
                    }
                },
            }
        )
    ],
}
WORDS = {  # what the formats consist of, so that the fuzzer need not find it letter by letter
    "vott": [
        "frames",
        "visitedFrames",
        "x1",
        "x2",
        "y1",
        "y2",
        "width",
        "height",
        "tags",
        "points",
        "NaN",
        "Infinity",
        "1e999",
        "null",
    ],
    "class_map": [
        "classmap",
        "initclass",
        "map",
        "balance",
        "unmapclass",
        "default_class",
        "NULL",
        "NaN",
        "1e999",
    ],
    "config": [],
    "state": "model tagged totag AP low high why tagged_1.csv model_1.pb NaN 1e999 null".split(),
    "batch": "vott page labelme review Images/2.jpg ../x etag size sha256 leftovers NaN".split(),
}


def vott(data: bytes) -> None:
    """The project, and what upload asks about each frame."""
    from utils.formats.sheets import same_boxes
    from utils.formats.vott import BadVott, is_reviewed, read_project

    try:
        project = read_project(data, ["a.jpg", "b.jpg"])
    except BadVott:
        return
    for name, frame in project.frames.items():
        is_reviewed(name, project, None, 200, 100)
        is_reviewed(name, project, frame.boxes[1:], 200, 100)
        assert same_boxes(frame.boxes, frame.boxes, 200, 100)
        for box in frame.boxes:
            assert (
                box.tag.strip() and 0 <= box.xmin < box.xmax <= 1 and 0 <= box.ymin < box.ymax <= 1
            ), box
            box.tag.encode()


def class_map(data: bytes, place: Path) -> None:
    from utils.errors import InputError
    from utils.labels.class_map import read_class_map

    path = place / "map.json"
    path.write_bytes(data)
    try:
        found = read_class_map(path)
    except InputError as error:
        one_line(error)
        return
    assert abs(sum(found.shares.values()) + found.empty_share - 1) <= 0.011 and found.default


def config(data: bytes, place: Path) -> None:
    """A config, and what a cycle would publish of it."""
    from utils.config import read_config
    from utils.errors import InputError

    path = place / "config.ini"
    path.write_bytes(data)
    try:
        found, notices = read_config(path, {"HOME": str(place)})
    except InputError as error:
        one_line(error)
        return
    found.public_text().encode()
    for notice in notices:
        assert "\n" not in notice, notice


def state(data: bytes) -> None:
    """The state, and that what is named in it lies beside it."""
    from utils.errors import InputError
    from utils.labels.document import read_document
    from utils.labels.state import State

    try:
        found = State(read_document(data, "it"))
    except InputError as error:
        one_line(error)
        return
    assert found.commit is not None and found.live is not None and found.classes is not None
    for entry in (found.document["tables"], found.live, *found.cycles):
        for name in ("tagged", "model", "totag", "test"):
            assert not set(entry.get(name) or "") & set("/\\\n")


def batch(data: bytes, place: Path) -> None:
    """The batch, and what programs ask of each of its images."""
    from utils.batch.batch import batch_of
    from utils.errors import InputError

    try:
        found = batch_of(data, place)
    except InputError as error:
        one_line(error)
        return
    assert found.handed_out.number and len(found.blobs) == len(found.images)
    for local in found.images:
        assert found.path(local).parent.parent == place
        found.whole(local)
        found.ours(local)
    found.write()
    assert batch_of((place / "batch.json").read_bytes(), place) == found


def json_text(choices, reader: str) -> bytes:
    """A JSON document of the words of this reader's format: a good one, of which some members are
    others, as the fuzzer's bytes choose.
    """
    words = WORDS[reader] + ["a.jpg", "b.jpg", "0", "1", "bird"] + members_in(SEEDS[reader][0])

    def value(depth: int):
        kind = choices.ConsumeIntInRange(0, 8 if depth else 6)
        if kind < 2:
            return choices.ConsumeIntInRange(-5, 300)
        if kind == 2:
            return choices.ConsumeFloat()
        if kind == 3:
            return choices.PickValueInList([None, True, False, "", 10**400, -0.0])
        if kind == 4:
            return choices.ConsumeUnicode(12)
        if kind < 7:
            return choices.PickValueInList(words)
        if kind == 7:
            return [value(depth - 1) for _ in range(choices.ConsumeIntInRange(0, 4))]
        return {
            choices.PickValueInList(words): value(depth - 1)
            for _ in range(choices.ConsumeIntInRange(0, 8))
        }

    document = json.loads(SEEDS[reader][0])
    for _ in range(choices.ConsumeIntInRange(1, 3)):
        at = document
        for _ in range(choices.ConsumeIntInRange(0, 4)):
            inner = list(at.values()) if isinstance(at, dict) else at
            inner = [one for one in inner if isinstance(one, dict | list) and one]
            if not inner:
                break
            at = choices.PickValueInList(inner)
        name = choices.PickValueInList(list(at) if isinstance(at, dict) else [*range(len(at))])
        at[name] = value(4)
        if isinstance(at, dict) and choices.ConsumeBool():
            at[choices.PickValueInList(words)] = value(2)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def members_in(text: str) -> list[str]:
    """The names of members in a JSON text."""
    return sorted(set(re.findall(r'"([^"]+)":', text)))


def one_line(error: Exception) -> None:
    """The message is for people: it can be printed."""
    str(error).encode("utf-8", "replace")


def fuzz(reader: str, place: Path, options: list[str]) -> None:
    """Run the fuzzer in this process until its time is over or something is found; leaves the
    process.
    """
    import atheris

    with atheris.instrument_imports(include=["utils", "json"]):
        for module in ("config", "batch.batch", "formats.vott", "labels.class_map", "labels.store"):
            importlib.import_module(f"utils.{module}")
    read: Callable[[bytes], None] = (
        globals()[reader]
        if reader in ("vott", "state")
        else lambda data: globals()[reader](data, place)
    )

    def one(data: bytes) -> None:
        built = reader != "config" and len(data) > 1 and data[0] >= 128
        read(json_text(atheris.FuzzedDataProvider(data[1:]), reader) if built else data)

    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


def main() -> int:
    if sys.argv[1:2] == ["--fuzz"]:
        fuzz(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--readers", default=",".join(SEEDS))
    options = parser.parse_args()
    failed = 0
    for reader in options.readers.split(","):
        with tempfile.TemporaryDirectory(
            dir="/dev/shm" if Path("/dev/shm").is_dir() else None
        ) as folder:
            place = Path(folder)
            (place / "corpus").mkdir()
            for number, seed in enumerate(SEEDS[reader]):
                (place / "corpus" / f"seed{number}").write_text(seed, encoding="utf-8")
            words = WORDS[reader] or re.findall(r"^(\w+=)", SEEDS["config"][0], re.MULTILINE)
            (place / "words").write_text("".join(f'"{word}"\n' for word in words))
            command = [
                sys.executable,
                __file__,
                "--fuzz",
                reader,
                folder,
                str(place / "corpus"),
                f"-dict={place / 'words'}",
                f"-max_total_time={options.seconds}",
                "-max_len=8192",
                "-timeout=20",
                f"-artifact_prefix={folder}/found-",
            ]
            done = subprocess.run(
                command, capture_output=True, encoding="utf-8", errors="replace", env=os.environ
            )
            counted = re.findall(r"^#(\d+)\s.*?cov: (\d+)", done.stderr, re.MULTILINE)
            if done.returncode:
                failed += 1
                print(done.stdout[-3000:], done.stderr[-3000:], sep="\n")
                print(*(path.read_bytes() for path in place.glob("found-*")), sep="\n")
            runs, covered = counted[-1] if counted else ("0", "0")
            print(
                f"{reader}: {runs} inputs in {options.seconds} s, {covered} branches reached;"
                f" {'FAILED' if done.returncode else 'ok'}",
                flush=True,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
