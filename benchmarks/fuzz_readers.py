"""Feeds the three readers of other people's files – VoTT projects, class maps, config files – with
what a coverage-guided fuzzer thinks up. Every input must give a result or our own error; anything
else is printed by the fuzzer, with the input that caused it.

    python -m pip install atheris==3.0.0    # no requirement: there is none for Windows
    python benchmarks/fuzz_readers.py                        # 10 minutes each
    python benchmarks/fuzz_readers.py --seconds 120 --readers vott,config

Half of the inputs for the two JSON readers are JSON by construction, so that the fuzzer need not
find the commas. Ends with exit code 1 when a reader failed. What was found is kept as cases in
tests/test_vott.py, test_class_map.py and test_config.py.
"""

import argparse
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


def json_text(choices) -> bytes:
    """A JSON document of the words of both formats, as the fuzzer's bytes choose."""
    words = WORDS["vott"] + WORDS["class_map"] + ["a.jpg", "b.jpg", "0", "1", "bird"]

    def value(depth: int):
        kind = choices.ConsumeIntInRange(0, 9 if depth else 6)
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
        keys = (
            words
            if kind == 8
            else [
                "x1",
                "x2",
                "y1",
                "y2",
                "width",
                "height",
                "tags",
                "points",
                "initclass",
                "map",
                "balance",
            ]
        )
        return {
            choices.PickValueInList(keys): value(depth - 1)
            for _ in range(choices.ConsumeIntInRange(0, 8))
        }

    top = (
        ["frames", "visitedFrames"]
        if choices.ConsumeBool()
        else ["classmap", "unmapclass", "default_class"]
    )
    return json.dumps({name: value(4) for name in top}).encode("utf-8", "surrogatepass")


def one_line(error: Exception) -> None:
    """The message is for people: it can be printed."""
    str(error).encode("utf-8", "replace")


def fuzz(reader: str, place: Path, options: list[str]) -> None:
    """Run the fuzzer in this process until its time is over or something is found; leaves the
    process.
    """
    import atheris

    with atheris.instrument_imports(include=["utils", "json"]):
        from utils import config as _config  # noqa: F401
        from utils.formats import vott as _vott  # noqa: F401
        from utils.labels import class_map as _map  # noqa: F401
    read: Callable[[bytes], None] = (
        vott if reader == "vott" else lambda data: globals()[reader](data, place)
    )

    def one(data: bytes) -> None:
        built = reader != "config" and len(data) > 1 and data[0] >= 128
        read(json_text(atheris.FuzzedDataProvider(data[1:])) if built else data)

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
