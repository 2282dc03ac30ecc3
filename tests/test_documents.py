"""What the repository's pages say is true: commands, keys, columns, links, the tree."""

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from helpers_programs import done
from PIL import Image

from train.cycle.steps import TRAINING, name_of
from train.demo.story import Demo
from utils.config import KEYS
from utils.labels import tables
from utils.labels.class_map import read_class_map
from utils.strategies import STRATEGIES

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("train", "tag", "utils", "tests", "benchmarks", "devops", "images")
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
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}


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


def commands() -> dict[str, set[str]]:
    """{program: the options that the pages show with it} of all commands, in blocks and in text.
    Not of benchmarks: they explain themselves at their top.
    """
    found = {}
    for page in TEXTS.values():
        lines = [line for block in BLOCK.findall(page) for line in block.splitlines()]
        lines += re.findall(r"`((?:bash|python|sh) [^`]*)`", page)
        for line in lines:
            words = line.removesuffix("\\").split()
            if len(words) > 1 and words[0] in ("bash", "python", "sh") and words[1] != "-m":
                program = words[1].removeprefix("active-learning-detect/")
                if program.startswith("benchmarks/"):
                    continue
                options = {word for word in words[2:] if word.startswith("--")}
                found.setdefault(program, set()).update(options)
    return found


COMMANDS = commands()


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 130


def test_the_readme_shows_the_two_commands_and_the_four_scripts():
    for program in (
        "active_learning_demo.sh",
        "run_tests.sh",
        "active_learning_initialize.sh",
        "download_vott_json.py",
        "upload_vott_json.py",
        "active_learning_train.sh",
    ):
        assert program in README


@pytest.mark.parametrize("program", sorted(COMMANDS))
def test_every_command_in_the_pages_exists_and_explains_itself_and_its_options(program):
    if program == "tests/run_tests.sh":
        assert (ROOT / program).exists()  # it is what runs this
        return
    if program == "train/active_learning_demo.sh":
        program = "train/run_demo.py"  # without the set-up
    help_text = done(program, "--help")
    assert len(help_text.splitlines()) >= 2
    assert {option for option in COMMANDS.get(program, ()) if option not in help_text} == set()


def test_the_pages_name_everything_that_a_person_starts():
    started = {path.name for path in (ROOT / "train").glob("*.sh")} - {"run_steps.sh"}
    started |= {path.name for path in (ROOT / "tag").glob("[!_]*.py")}
    pages = "".join(TEXTS.values())
    assert {name for name in started if name not in pages} == set()


def test_what_the_readme_shows_of_the_demo_is_what_it_prints(tmp_path, capsys):
    block = next(block for block in BLOCK.findall(README) if block.startswith("Cycle "))
    shown = [" ".join(line.split()) for line in block.splitlines() if line]
    Demo(tmp_path / "demo").last_words()
    printed = capsys.readouterr().out.replace(str(tmp_path / "demo"), "demo")
    printed = {" ".join(line.split()) for line in printed.splitlines()}
    assert [line for line in shown if line not in printed] == shown[:4]  # the figures of one run


def test_the_tree_in_the_readme_is_the_tree():
    block = next(block for block in BLOCK.findall(README) if block.startswith("train/"))
    above, shown = "", []
    for line in block.splitlines():
        name = line.split()[0]
        inside = line.startswith(" ")
        above = above if inside else name
        shown.append(above + name if inside else name)
    rooms = {
        f"{path.parent.relative_to(ROOT).as_posix()}/"
        for folder in ("train", "utils")
        for path in (ROOT / folder).glob("*/__init__.py")
    }
    assert sorted(shown) == sorted({f"{folder}/" for folder in FOLDERS} | rooms)


def test_the_readme_names_all_that_lies_at_the_top():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, text=True, capture_output=True)
    if tracked.returncode:
        pytest.skip("needs Git's list of files")
    names = {name.split("/")[0] for name in tracked.stdout.splitlines()} - {"README.md"}
    assert {name for name in names if not name.startswith(".") and name not in README} == set()
    folders = {name.split("/")[0] for name in tracked.stdout.splitlines() if "/" in name}
    assert {name for name in folders if not name.startswith(".")} == set(FOLDERS)


def test_every_picture_is_shown_on_a_page_and_made_by_the_script_or_by_hand():
    shown = set()
    for page in PAGES:
        for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXTS[page]):
            shown.add((page.parent / target).resolve())
    pictures = {path for path in (ROOT / "images").iterdir() if path.suffix in (".png", ".svg")}
    assert {path for path in shown if path.parent == ROOT / "images"} == pictures
    script = (ROOT / "images" / "make_pictures.py").read_text(encoding="utf-8")
    assert {path.name for path in pictures if path.name not in script} == set()
    for name in ("loop.svg", "review_page.png", "predictions.png", "learning_curves.png"):
        assert f"(images/{name})" in README


def test_every_picture_can_be_opened():
    for path in (ROOT / "images").glob("*.png"):
        with Image.open(path) as picture:
            picture.load()
            assert picture.width > 600
    for path in (ROOT / "images").glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_files_and_folders_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    folders = "|".join(folder for folder in FOLDERS if folder != "images")
    named = re.findall(rf"(?<![\w/.-])(?:{folders})/[\w./*-]*", text)
    named += re.findall(r"(?<![\w/.-])images/\w+\.\w+", text)
    missing = {name for name in named if not any(ROOT.glob(name.rstrip(".")))}
    assert {name for name in missing if "NAME" not in name} == set()


def test_the_columns_in_the_pages_are_the_columns():
    pages = "".join(TEXTS.values())
    shown = dict(re.findall(r"^\| `(\w+)_<ms>\.csv` \| (.*) \|$", pages, re.MULTILINE))
    assert {name: columns.split(",") for name, columns in shown.items()} == tables.COLUMNS


def first_cells(page: str, heading: str) -> list[str]:
    """What stands in backticks in the first column of the table under `| heading |`."""
    table = re.search(rf"^\| {heading} \|.*\n(?:\|.*\n)+", TEXTS[ROOT / page], re.MULTILINE)[0]
    return [
        name for row in table.splitlines()[2:] for name in re.findall("`(.*?)`", row.split("|")[1])
    ]


def test_the_steps_of_a_cycle_are_those_on_the_page():
    assert first_cells("train/README.md", "step") == [name_of(step) for step in TRAINING]


def test_the_strategies_are_those_on_the_page():
    assert first_cells("utils/selection/README.md", "strategy") == list(STRATEGIES)


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
