"""The shell files that people start: from everywhere, in every way they know, without a trace in
their shell.

The shell files are the real ones, copied to a path with spaces; beside them lie steps that only
write down how they were called.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from train.cycle.steps import steps_of

REPOSITORY = Path(__file__).resolve().parent.parent
STEP = """import os, sys, time
for stream in (sys.stdout, sys.stderr):
    stream.reconfigure(encoding="utf-8", errors="replace")
if os.environ.get("ACTIVE_LEARNING_ONLY_READ"):
    sys.exit("unknown word" if "wrong" in sys.argv else 0)
with open(os.environ["CALLS"], "a") as log:
    log.write(" ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
if os.environ.get("FAIL") == os.path.basename(sys.argv[0]):
    sys.exit("the step's own line")
if os.environ.get("DONE") == os.path.basename(sys.argv[0]):
    sys.exit(4)
if os.environ.get("LONG") == os.path.basename(sys.argv[0]):
    try:
        time.sleep(300)
    except KeyboardInterrupt:
        sys.exit(130)
"""
ENDS_BY_ITSELF = """import os, signal, sys, time
def told(*_):
    with open(os.environ["CALLS"], "a") as log:
        log.write("ended\\n")
    sys.exit("ended by itself")
signal.signal(signal.SIGTERM, told)
with open(os.environ["CALLS"], "a") as log:
    log.write("create_tf_records.py\\n")
time.sleep(300)
"""
# waits until the host of the steps listens
PATIENT = """import os, time
host = os.environ["ACTIVE_LEARNING_HOST"]
while not any(" 00010000 " in line and host in line for line in open("/proc/net/unix")):
    time.sleep(0.02)
"""
ENTRY_POINTS = (
    "active_learning_initialize.sh",
    "active_learning_train.sh",
    "active_learning_init_pred.sh",
    "active_learning_predict_no_train.sh",
    "active_learning_eval.sh",
    "active_learning_crosscheck.sh",
    "active_learning_update_label_map.sh",
    "repartition_test_set_script.sh",
    "active_learning_demo.sh",
)
LIGHT_HOST = (
    "train/cycle/host.py",
    "train/__init__.py",
    "train/cycle/__init__.py",
    "train/network/__init__.py",
    "train/network/forks.py",
    "utils/__init__.py",
    "utils/terminal.py",
    "utils/masking.py",
)
STEPS = {entry: [" ".join(step) for step in steps_of(entry)] for entry in ENTRY_POINTS}
SHELLS = [shell for shell in ("bash", "zsh") if shutil.which(shell)]
needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="no bash on this machine")
pytestmark = needs_bash


@pytest.fixture
def tree(tmp_path):
    """A repository at a path with spaces, with an environment of its own and steps that write their
    calls to `calls`.
    """
    root = tmp_path / "my repository"
    (root / "train").mkdir(parents=True)
    (root / ".venv" / "bin").mkdir(parents=True)
    for file in (REPOSITORY / "train").glob("*.sh"):
        shutil.copy(file, root / "train")
    (root / "train" / "set_up.sh").write_text("")  # the set-up has a test of its own
    for file in ("train/cycle/through_host.py", "utils/python_check.py", *LIGHT_HOST):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / file, root / file)
    host = root / "train/cycle/host.py"
    loading = "        (load or load_tensorflow)()\n"  # these steps need nothing
    host.write_text(host.read_text().replace(loading, ""))
    for step in {line.split()[0] for lines in STEPS.values() for line in lines}:
        (root / "train" / step).write_text(STEP)
    python = root / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (root / "config.ini").write_text("")
    return root


def run(
    command: str, tree: Path, cwd: Path, shell: str = "bash", **environ: str
) -> tuple[subprocess.CompletedProcess, list[str]]:
    """Run a command line in a shell; what came out, and the steps that were called."""
    calls = tree.parent / "calls"
    calls.unlink(missing_ok=True)
    done = subprocess.run(
        [shell, "-c", command],
        cwd=cwd,
        text=True,
        capture_output=True,
        env={**os.environ, "CALLS": str(calls), **environ},
    )
    return done, calls.read_text().splitlines() if calls.exists() else []


def expected(entry: str, config: str) -> list[str]:
    return [f"{step} {config}" for step in STEPS[entry]]


def test_a_training_cycle_has_these_steps_in_this_order():
    assert STEPS["active_learning_train.sh"] == [
        "sync_images.py",
        "repartition_test_set.py --top-up",
        "create_tf_records.py",
        "train_detector.py",
        "export_model.py",
        "create_predictions.py",
        "evaluate_model.py",
        "compare_models.py",
        "publish_cycle.py",
        "publish_report.py",
    ]


@pytest.mark.parametrize("entry", STEPS)
def test_an_entry_point_starts_in_every_way_that_people_know(tree, entry):
    (tree / "elsewhere").mkdir()
    ways = [
        (f"bash train/{entry} config.ini", tree, "bash", "config.ini"),
        (f"sh {entry} ../config.ini", tree / "train", "bash", "../config.ini"),
        (
            f'"{tree}/train/{entry}" "{tree}/config.ini"',
            tree / "elsewhere",
            "sh",
            f"{tree}/config.ini",
        ),
        *(
            (f". ./{entry} ../config.ini", tree / "train", shell, "../config.ini")
            for shell in SHELLS
        ),
        *((f'. "{tree}/train/{entry}" config.ini', tree, shell, "config.ini") for shell in SHELLS),
    ]
    for command, cwd, shell, config in ways:
        done, calls = run(command, tree, cwd, shell)
        assert (done.returncode, done.stderr, calls) == (0, "", expected(entry, config)), (
            shell,
            command,
        )


def test_an_entry_point_starts_where_cd_looks_in_other_folders_first(tree):
    (tree / "other/train").mkdir(parents=True)
    for folders in (f".:{tree}/other", f"{tree}/other"):
        done, calls = run(
            "bash train/active_learning_train.sh config.ini", tree, tree, "bash", CDPATH=folders
        )
        assert (done.returncode, done.stderr, calls) == (
            0,
            "",
            expected("active_learning_train.sh", "config.ini"),
        )


@pytest.mark.parametrize("shell", SHELLS)
def test_the_callers_shell_stays_as_it_was(tree, shell):
    show = (
        "set | grep -v -e ^_= -e ^PPID -e ^RANDOM -e ^SECONDS -e ^EPOCH -e BASH_ -e LINENO -e"
        " TTYIDLE -e ^PIPESTATUS -e ^pipestatus"
    )
    command = (
        f"{show} >../before; pwd >>../before; set +o >>../before; . train/active_learning_train.sh"
        f" config.ini >/dev/null; {show} >../after; pwd >>../after; set +o >>../after"
    )
    _, calls = run(command, tree, tree, shell)
    assert len(calls) == len(STEPS["active_learning_train.sh"])
    before, after = ((tree.parent / name).read_text().splitlines() for name in ("before", "after"))
    assert sorted(set(after) ^ set(before)) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_failure_in_the_dotted_form_stops_the_run_and_not_the_shell(tree, shell):
    done, calls = run(
        ". train/active_learning_train.sh config.ini && echo went on; echo $?; echo still here",
        tree,
        tree,
        shell,
        FAIL="create_tf_records.py",
    )
    assert calls == [
        "sync_images.py config.ini",
        "repartition_test_set.py --top-up config.ini",
        "create_tf_records.py config.ini",
    ]
    assert done.stdout.splitlines()[-2:] == ["1", "still here"]
    assert "went on" not in done.stdout


def test_the_step_that_failed_is_named_with_the_command_that_goes_on(tree):
    done, _ = run(
        "bash train/active_learning_train.sh config.ini", tree, tree, FAIL="export_model.py"
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "the step's own line",
        (
            "active_learning_train.sh: step export_model failed (exit 1); to go on from it: "
            'bash "train/active_learning_train.sh" --from export_model "config.ini"'
        ),
    ]
    command = done.stderr.splitlines()[-1].partition("to go on from it: ")[2]
    done, calls = run(command, tree, tree)
    assert (done.returncode, calls) == (
        0,
        [f"{step} config.ini" for step in STEPS["active_learning_train.sh"][4:]],
    )


def test_the_command_that_goes_on_has_the_options_that_were_given(tree):
    done, _ = run(
        'bash train/active_learning_train.sh config.ini --iterations 100 --note "it\'s a try"',
        tree,
        tree,
        FAIL="create_tf_records.py",
    )
    command = done.stderr.splitlines()[-1].partition("to go on from it: ")[2]
    assert command.startswith(
        'bash "train/active_learning_train.sh" --from create_tf_records "config.ini" --iterations'
        " 100 --note "
    )
    _, calls = run(command, tree, tree)
    assert calls[:2] == [
        "create_tf_records.py config.ini",
        "train_detector.py config.ini --iterations 100 --note it's a try",
    ]


def test_a_step_may_be_named_with_or_without_its_ending(tree):
    for step in ("publish_report", "publish_report.py"):
        assert run(f"bash train/active_learning_train.sh config.ini --from {step}", tree, tree)[
            1
        ] == ["publish_report.py config.ini"]


def test_options_after_the_config_reach_the_step_that_takes_them(tree):
    _, calls = run('bash train/active_learning_train.sh "my config.ini" --iterations 2', tree, tree)
    assert calls == [
        call + " --iterations 2" * call.startswith("train_detector")
        for call in expected("active_learning_train.sh", "my config.ini")
    ]
    _, calls = run("bash train/repartition_test_set_script.sh config.ini --redraw", tree, tree)
    assert calls == ["repartition_test_set.py config.ini --redraw"]


def test_a_wrong_option_for_a_later_step_is_said_before_the_first(tree):
    done, calls = run("bash train/active_learning_train.sh config.ini wrong", tree, tree)
    assert (done.returncode, done.stderr, calls) == (1, "unknown word\n", [])


def test_a_step_that_finds_the_work_done_ends_the_run_without_a_fault(tree):
    command = "bash train/active_learning_train.sh config.ini"
    done, calls = run(command, tree, tree, DONE="train_detector.py")
    assert (done.returncode, done.stderr, len(calls)) == (0, "", 4)


@pytest.mark.skipif(not shutil.which("pgrep"), reason="no pgrep on this machine")
@pytest.mark.parametrize(
    "who, number",
    [
        ("entry", signal.SIGTERM),
        ("entry", signal.SIGKILL),
        ("runner", signal.SIGTERM),
        ("runner", signal.SIGINT),
        ("runner", signal.SIGHUP),
    ],
)
def test_a_kill_of_the_run_ends_its_step_too(tree, who, number):
    entry, calls = in_a_long_step(tree)
    runner = int(processes("-P", str(entry.pid))[0])
    (step,) = processes("-P", str(runner), "-f", "create_tf_records.py config.ini$")
    os.kill(entry.pid if who == "entry" else runner, number)
    entry.communicate(timeout=600)
    assert entry.returncode and not Path(f"/proc/{step}").exists()
    assert len(calls.read_text().splitlines()) == 3


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc on this machine")
def test_steps_after_the_first_are_forks_of_one_process_and_end_when_it_is_killed(tree):
    (tree / "train" / "repartition_test_set.py").write_text(PATIENT + STEP)
    entry, _ = in_a_long_step(tree)
    (runner,) = processes("-P", str(entry.pid))
    (host,) = processes("-P", runner, "-f", "train.cycle.host")
    (fork,) = processes("-P", host)
    os.kill(int(host), signal.SIGKILL)
    said = entry.communicate(timeout=600)[1]
    assert fork and entry.returncode == 128 + signal.SIGKILL
    assert "step create_tf_records failed (exit 137); to go on from it: " in said


@pytest.mark.skipif(not shutil.which("pgrep"), reason="no pgrep on this machine")
def test_a_terminal_that_closes_leaves_a_step_the_time_to_end_by_itself(tree):
    """All processes of the terminal are told, the one that forks itself for the steps too."""
    (tree / "train" / "create_tf_records.py").write_text(ENDS_BY_ITSELF)
    entry, calls = in_a_long_step(tree, start_new_session=True)
    os.killpg(entry.pid, signal.SIGHUP)
    said = entry.communicate(timeout=600)[1]
    assert "ended by itself" in said, said
    assert "ended" in calls.read_text()


def in_a_long_step(tree: Path, **options) -> tuple[subprocess.Popen, Path]:
    """A training cycle whose third step does not end, and the file of the steps that were called.
    Its stderr closes when all of its processes have ended.
    """
    calls = tree.parent / "calls"
    entry = subprocess.Popen(
        ["bash", "train/active_learning_train.sh", "config.ini"],
        cwd=tree,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CALLS": str(calls), "LONG": "create_tf_records.py"},
        **options,
    )
    while not (calls.exists() and "create_tf_records" in calls.read_text()):
        time.sleep(0.02)
    return entry, calls


def processes(*words: str) -> list[str]:
    """The numbers of the processes that pgrep finds."""
    return subprocess.run(["pgrep", *words], capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize(
    "command, line",
    [
        (
            "active_learning_train.sh",
            (
                "active_learning_train.sh: no config file given; for example: bash"
                " train/active_learning_train.sh config.ini"
            ),
        ),
        (
            "active_learning_train.sh config.ini --from nothing",
            (
                "active_learning_train.sh: there is no step nothing; the steps are sync_images"
                " repartition_test_set create_tf_records train_detector export_model"
                " create_predictions evaluate_model compare_models publish_cycle"
                " publish_report"
            ),
        ),
        (
            "active_learning_eval.sh config.ini --fast",
            "active_learning_eval.sh: unknown option --fast; --help shows what there is",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(tree, command, line):
    done, calls = run(f"bash train/{command}", tree, tree)
    assert (done.returncode, done.stderr, calls) == (2, line + "\n", [])


@pytest.mark.parametrize("entry", STEPS)
def test_help_is_the_comment_of_the_file(tree, entry):
    done, calls = run(f"bash train/{entry} --help", tree, tree)
    assert done.returncode == 0
    assert f"bash train/{entry}" in done.stdout
    assert "run_steps" not in done.stdout and "#" not in done.stdout
    assert calls == []


def test_the_demo_uses_the_folder_demo_unless_another_is_given(tree):
    assert run("bash train/active_learning_demo.sh", tree, tree)[1] == ["run_demo.py demo"]
    assert run('sh train/active_learning_demo.sh "my demo"', tree, tree)[1] == [
        "run_demo.py my demo"
    ]


def test_without_an_environment_python3_is_run(tree):
    shutil.rmtree(tree / ".venv")
    (tree / "bin").mkdir()
    (tree / "bin" / "python3").write_text("#!/bin/sh\necho python3 of the PATH\n")
    (tree / "bin" / "python3").chmod(0o755)
    done, _ = run(
        "bash train/active_learning_initialize.sh config.ini",
        tree,
        tree,
        PATH=f"{tree}/bin:{os.environ['PATH']}",
    )
    assert done.stdout == "python3 of the PATH\n"


def test_shellcheck_has_nothing_to_say():
    scripts = [
        path
        for path in REPOSITORY.rglob("*.sh")
        if not {".venv", ".pytest_cache", "node_modules"} & set(path.parts)
    ]
    done = subprocess.run(
        ["shellcheck", *scripts, REPOSITORY / ".ci" / "run"],
        text=True,
        capture_output=True,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
    )
    assert (done.returncode, done.stdout) == (0, "")


# --- the Python behind them


def old_pythons() -> list[str]:
    """Pythons of this machine that are too old (python2, 3.6 … 3.10, as pyenv or the system have
    them).
    """
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [
        str(path / "bin" / "python")
        for path in sorted(versions.glob("*"))
        if path.name.split(".")[:2] < ["3"] or path.name.startswith(("3.6.", "3.8.", "3.10."))
    ]
    return found or [
        path for path in map(shutil.which, ("python2", "python3.8", "python3.10")) if path
    ]


def test_a_python_that_is_too_old_gets_one_line_with_the_command_that_mends_it(tmp_path):
    pythons = old_pythons()
    if not pythons:
        pytest.skip("no Python older than 3.11 on this machine")
    tool = copy_of_check(tmp_path)
    for python in pythons:
        done = subprocess.run([python, tool], text=True, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith("tool.py: Python 3.11 or newer is needed, this is ")
        assert done.stderr.endswith(
            f'; run: python3.11 -m pip install -r "{tmp_path}/tag/requirements.txt"\n'
        )


def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path):
    tool = copy_of_check(tmp_path)
    (tmp_path / "tag" / "requirements.txt").write_text(
        "# packages\npytest==1\nno-such-package==2.0\n-r more.txt\n"
    )
    (tmp_path / "tag" / "more.txt").write_text("nor-such[extra]==1.0\n")
    done = subprocess.run([sys.executable, tool], text=True, capture_output=True)
    assert done.returncode == 1
    assert done.stderr == (
        "tool.py: missing packages: no-such-package, nor-such; "
        f'run: "{sys.executable}" -m pip install -r "{tmp_path}/tag/requirements.txt"\n'
    )
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_text("")
    done = subprocess.run(
        [sys.executable, tool, "40", "my config.ini"], text=True, capture_output=True
    )
    assert done.stderr.endswith(f'; run: "{tmp_path}/.venv/bin/python" {tool} 40 "my config.ini"\n')


def copy_of_check(root: Path) -> Path:
    """tag/tool.py in a tree that holds only what is run before the first import of a package."""
    for folder in ("tag", "utils"):
        (root / folder).mkdir()
    for file in (
        "tag/_repo_root.py",
        "tag/requirements.txt",
        "utils/__init__.py",
        "utils/python_check.py",
    ):
        shutil.copy(REPOSITORY / file, root / file)
    (root / "tag" / "tool.py").write_text("import _repo_root\n")
    return root / "tag" / "tool.py"


def test_the_environment_is_made_once_and_again_when_the_requirements_change(tmp_path):
    """The real set_up.sh with requirements that pip satisfies without a network."""
    root = tmp_path / "a clone"
    (root / "train").mkdir(parents=True)
    (root / "tag").mkdir()
    shutil.copy(REPOSITORY / "train" / "set_up.sh", root / "train")
    for file in ("requirements.txt", "requirements-gpu.txt", "tag/requirements.txt", "more.txt"):
        (root / file).write_text("# nothing\n")

    def set_up(*arguments: str) -> str:
        done = subprocess.run(
            ["bash", root / "train" / "set_up.sh", *arguments],
            cwd=tmp_path,
            text=True,
            capture_output=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert "Making the environment .venv" in set_up()
    assert (root / ".venv" / "bin" / "python").exists()
    assert set_up() == ""
    (root / "tag" / "requirements.txt").write_text("pip\n")
    assert set_up().startswith("Installing requirements")
    assert "more.txt" in set_up("more.txt")
    assert (set_up("more.txt"), set_up()) == ("", "")
