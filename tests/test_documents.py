"""What the repository's pages say is true: commands, keys, columns, links, the tree."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from utils.config import KEYS
from utils.labels import tables
from utils.labels.class_map import read_class_map

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("train", "tag", "utils", "tests", "benchmarks", "devops")
# Every page but CHANGELOG.md, which tells of what was.
PAGES = [
    *(path for path in sorted(ROOT.glob("*.md")) if path.name != "CHANGELOG.md"),
    *(
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.md"))
        if "node_modules" not in path.parts
    ),
]
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\w*\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_keys_of_config_ini_are_those_described_and_those_known():
    headings = re.findall(
        r"^### (\S+)$", (ROOT / "config_description.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(headings) == sorted(spec.name for spec in KEYS.values())
    keys = re.findall(r"^(\w+)=", (ROOT / "config.ini").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(keys) == len(set(keys))
    assert set(keys) <= set(headings)


def test_the_defaults_described_are_those_in_force():
    described = dict(
        re.findall(
            r"^### (\S+)\n(.*?)(?=^#|\Z)",
            (ROOT / "config_description.md").read_text(encoding="utf-8"),
            re.MULTILINE | re.DOTALL,
        )
    )
    for key, spec in KEYS.items():
        if isinstance(spec.default, bool) or isinstance(spec.default, (int, float)):
            shown = f"{spec.default:g}" if not isinstance(spec.default, bool) else str(spec.default)
            assert re.search(rf"default {re.escape(shown)}\b", described[spec.name]), key
        elif isinstance(spec.default, str) and spec.default:
            assert f"default `{spec.default}`" in described[spec.name], key


def commands() -> list[str]:
    inline = re.findall(r"`((?:bash|python|sh) [^`]*)`", README)
    lines = [line for block in BLOCKS for line in block.splitlines()] + inline
    return [
        line for line in lines if re.match(r"(bash|python|sh) ", line) and " -m pip " not in line
    ]


def test_the_readme_shows_commands():
    assert len(commands()) >= 6


@pytest.mark.parametrize(
    "command", sorted({" ".join(command.split()[:2]) for command in commands()})
)
def test_every_command_in_the_readme_exists_and_explains_itself(command):
    program, script = command.split()
    program = sys.executable if program == "python" else program
    if script == "tests/run_tests.sh":
        assert (ROOT / script).exists()  # it is what runs this
        return
    if script == "train/active_learning_demo.sh":
        program, script = sys.executable, "train/run_demo.py"  # without the set-up
    done = subprocess.run([program, ROOT / script, "--help"], text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) >= 2


def test_the_readme_names_everything_that_a_person_starts():
    started = {path.name for path in (ROOT / "train").glob("*.sh")} - {"run_steps.sh"}
    started |= {path.name for path in (ROOT / "tag").glob("[!_]*.py")}
    assert {name for name in started if name not in README} == set()


def test_the_tree_in_the_readme_is_the_tree():
    block = next(block for block in BLOCKS if block.startswith("README.md"))
    shown = [line.split()[0] for line in block.splitlines()]
    for name in shown:
        assert (ROOT / name).exists(), name
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, text=True, capture_output=True)
    if tracked.returncode == 0:
        names = {name.split("/")[0] + "/" * ("/" in name) for name in tracked.stdout.splitlines()}
        assert sorted(shown) == sorted(name for name in names if not name.startswith("."))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_files_and_folders_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w./-]*", text)
    missing = {name for name in named if not (ROOT / name.rstrip(".")).exists()}
    assert {name for name in missing if "NAME" not in name} == set()


def test_the_columns_in_the_readme_are_the_columns():
    shown = dict(re.findall(r"^\| `(\w+)_<ms>\.csv` \| (.*) \|$", README, re.MULTILINE))
    assert {name: columns.split(",") for name, columns in shown.items()} == {
        name: tables.COLUMNS[name] for name in shown
    }
    assert {"images", "failed", "totag", "tagging", "tagged", "test", "performance"} <= set(shown)


def test_the_class_map_in_the_description_is_one(tmp_path):
    text = (ROOT / "init_pred_desription.md").read_text(encoding="utf-8")
    (tmp_path / "class_map.json").write_text(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])
    class_map = read_class_map(tmp_path / "class_map.json")
    assert (class_map.shares, class_map.empty_share, class_map.default) == (
        {"person": 0.6, "horse": 0.3},
        0.1,
        "other",
    )


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        place, _, heading = target.partition("#")
        if not place.startswith("https://"):
            document = page.parent / place if place else page
            assert document.exists(), target
            assert not heading or heading in anchors(document), target


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
