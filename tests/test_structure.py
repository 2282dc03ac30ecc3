"""What the repository says about itself is true: who imports whom, what is documented, what the
README shows.
"""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

from utils.config import KEYS
from utils.labels import tables
from utils.labels.class_map import read_class_map

ROOT = Path(__file__).resolve().parent.parent
TENSORFLOW = {"tensorflow", "tf_keras", "official", "keras"}
PROGRAMS = {folder: sorted((ROOT / folder).glob("*.py")) for folder in ("train", "tag", "utils")}
OWN = {folder: {path.stem for path in paths} for folder, paths in PROGRAMS.items()}
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\w*\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def imported(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it; `utils.x` for a module of the library."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "utils":
            names |= {f"utils.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
    return {name if name.startswith("utils.") else name.split(".")[0] for name in names}


def test_train_and_tag_never_import_each_other_and_utils_imports_neither():
    for folder, others in (
        ("train", OWN["tag"] - OWN["train"]),
        ("tag", OWN["train"] - OWN["tag"]),
        ("utils", OWN["train"] | OWN["tag"]),
    ):
        for path in PROGRAMS[folder]:
            assert not imported(path) & (others | {"train", "tag"}), path


def test_azure_is_imported_by_one_module_and_tensorflow_only_in_train():
    azure = [
        path.relative_to(ROOT).as_posix()
        for paths in PROGRAMS.values()
        for path in paths
        if "azure" in imported(path)
    ]
    assert azure == ["utils/azure_storage.py"]
    for path in PROGRAMS["tag"] + PROGRAMS["utils"]:
        assert not imported(path) & TENSORFLOW, path


def reached(paths: list[Path]) -> set[Path]:
    """These files and every file of the repository that they import, directly or not."""
    todo, seen = list(paths), set()
    while todo:
        path = todo.pop()
        if path not in seen and path.exists():
            seen.add(path)
            todo += [
                (
                    ROOT / f"{name.replace('.', '/')}.py"
                    if name.startswith("utils.")
                    else path.parent / f"{name}.py"
                )
                for name in imported(path)
            ]
    return seen


def required(file: str) -> dict[str, str]:
    """{distribution: pinned version} of a requirements file and those it includes."""
    pins = {}
    for line in (ROOT / file).read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("-r "):
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
    assert packages_of(folder) <= set(required(file))


def test_every_package_that_is_required_is_imported():
    unused = set(required("requirements.txt")) - packages_of("train") - packages_of("tag")
    assert unused == set()


def packages_of(folder: str) -> set[str]:
    """The distributions whose modules the programs of a folder import; tf_keras and absl come with
    TensorFlow.
    """
    own = OWN["train"] | OWN["tag"] | {"utils"}
    names = {
        name
        for path in reached(PROGRAMS[folder])
        for name in imported(path)
        if name.split(".")[0] not in own and name not in sys.stdlib_module_names
    }
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
