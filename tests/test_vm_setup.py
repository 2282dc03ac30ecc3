"""devops/dsvm/setup-tensorflow.sh as it runs on the machine, with stand-ins for what this one may
not have and for the long set_up.sh.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from train.network.device import choose_device, device_text
from utils.config import load_config

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CPU, ONE_GPU, TWO_GPUS = (
    device_text(gpus) for gpus in ([], ["Tesla T4"], ["Tesla T4", "Tesla T4"])
)
PYTHON_3_10 = f"""#!/bin/bash
case "$*" in
    *version_info*) exit 1 ;;
    --version) echo Python 3.10.12 ;;
    "-m pip --version") [ -e "$HOME/no-pip" ] && exit 1 || exit 0 ;;
    *"-m pip install"*--target*)
        echo "$@" >>"$HOME/calls"
        mkdir -p "$HOME/.local/share/active-learning-detect/bin"
        cp "$HOME/uv" "$HOME/.local/share/active-learning-detect/bin/uv" ;;
    *) exec "{sys.executable}" "$@" ;;
esac
"""
UV = f"""#!/bin/bash
echo uv "$@" >>"$HOME/calls"
case "$2" in
    install)
        mkdir -p "$HOME/python/bin"
        ln -sf "{os.path.realpath(sys.executable)}" "$HOME/python/bin/python3" ;;
    find) echo "$HOME/python/bin/python3.11" ;;
esac
"""
SET_UP = f"""mkdir -p "$HOME/active-learning-detect/.venv/bin"
ln -sf "{sys.executable}" "$HOME/active-learning-detect/.venv/bin/python"
echo "Installing with $(command -v python3), GPU: $(nvidia-smi >/dev/null 2>&1 && echo yes)"
"""
RUN_DEMO = """import os, pathlib, sys
assert sys.argv[2:] == ["--cycles", "1", "--iterations", "20"], sys.argv
print(os.environ["DEVICE"])
sys.exit(int(os.environ.get("DEMO_EXIT", "0")))
"""
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("bash"), reason="the script runs on Linux"
)


class Machine:
    """A home folder with the toolkit in it, and programs of its own on PATH."""

    def __init__(self, folder: Path):
        self.home, self.bin = folder / "ann", folder / "bin"
        self.root = self.home / "active-learning-detect"
        for path in ("devops/dsvm", "train"):
            (self.root / path).mkdir(parents=True)
        for file in ("devops/dsvm/setup-tensorflow.sh", "config.ini"):
            shutil.copy(ROOT / file, self.root / file)
        (self.root / "train" / "set_up.sh").write_text(SET_UP)
        (self.root / "train" / "run_demo.py").write_text(RUN_DEMO)
        self.bin.mkdir()
        self.program("nvidia-smi", "echo 535.183.01")
        self.program("df", "echo Filesystem; echo /dev/root 200000000 1 99999999 1% /")
        self.program("sudo", 'exec "$@"')
        self.program(
            "apt-get",
            'echo apt-get "$@" >>"$HOME/calls"; [ ! -e "$HOME/no-pip" ] || rm "$HOME/no-pip"',
        )
        self.program("id", "echo 1000")
        self.program("sleep", 'echo sleep "$@" >>"$HOME/calls"')

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(script if script.startswith("#!") else f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def old_python(self) -> None:
        for name in ("python3", "python3.13", "python3.12", "python3.11", "python"):
            self.program(name, PYTHON_3_10)
        (self.home / "uv").write_text(UV)
        (self.home / "uv").chmod(0o755)

    def set_up(
        self, *options: str, script: Path | None = None, **environ: str
    ) -> subprocess.CompletedProcess:
        environment = {
            "HOME": str(self.home),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "DEVICE": ONE_GPU,
            **environ,
        }
        return subprocess.run(
            ["bash", script or self.root / "devops" / "dsvm" / "setup-tensorflow.sh", *options],
            text=True,
            capture_output=True,
            env=environment,
        )

    def calls(self) -> list[str]:
        file = self.home / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


def test_it_makes_the_environment_tests_the_gpu_and_writes_a_config_that_loads(machine):
    done = machine.set_up(
        "--account", "sealphotos", "--image-container", "photos", "--label-container", "labels"
    )
    assert (done.returncode, done.stderr) == (0, "")
    for line in ("Driver 535.183.01", ", GPU: yes", f"{ONE_GPU}\n", "The machine is ready."):
        assert line in done.stdout
    config = load_config(machine.home / "config.ini", environ={})
    assert (config.azure_storage_account, config.azure_storage_key) == ("sealphotos", "")
    assert (config.image_container_name, config.label_container_name) == ("photos", "labels")
    assert config.data_dir == machine.home / "data"

    (machine.home / "config.ini").write_text("classes=seal\n")
    done = machine.set_up("--account", "other", "--no-self-test")
    assert done.returncode == 0
    assert "training on" not in done.stdout
    assert (machine.home / "config.ini").read_text() == "classes=seal\n"


@pytest.mark.parametrize(
    "answer, line",
    [
        ("exit 9", "nvidia-smi finds no GPU with a driver; deploy with DRIVER_EXTENSION=yes"),
        ("echo 470.57.02", "the driver is 470.57.02, and TensorFlow needs 525 or newer"),
        (
            "echo Failed to initialize NVML: Driver/library version mismatch",
            "nvidia-smi does not say the driver's version, but: Failed",
        ),
    ],
)
def test_without_a_usable_driver_it_says_so_before_anything_is_installed(machine, answer, line):
    machine.program("nvidia-smi", answer)
    done = machine.set_up()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert line in done.stderr
    assert not (machine.root / ".venv").exists()


def test_it_waits_for_the_driver_that_azure_is_still_installing(machine):
    machine.program(
        "nvidia-smi",
        'n=$(grep -c sleep "$HOME/calls" 2>/dev/null); [ "${n:-0}" -ge 5 ] && echo 550.1',
    )
    # 3 times 20 seconds
    assert machine.set_up("--wait-for-driver", "1", "--no-self-test").returncode == 1
    done = machine.set_up("--wait-for-driver", "1", "--no-self-test")
    assert (done.returncode, "Driver 550.1" in done.stdout) == (0, True)


def test_a_full_disk_is_noticed_first(machine):
    machine.program("df", "echo Filesystem; echo /dev/root 30000000 1 4000000 90% /")
    done = machine.set_up()
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"setup-tensorflow.sh: 3 GB are free in {machine.root}, and 15 are needed; make room"
    )


def test_where_python_is_too_old_uv_brings_one(machine):
    machine.old_python()
    (machine.home / "no-pip").write_text("")
    done = machine.set_up()
    assert (done.returncode, done.stderr) == (0, "")
    assert "Bringing Python 3.11; this machine has Python 3.10.12" in done.stdout
    apt = "apt-get -qq -y -o DPkg::Lock::Timeout=900 install python3-pip"
    calls = machine.calls()
    assert [call.split(" --target")[0] for call in calls] == [
        "apt-get -qq -o DPkg::Lock::Timeout=900 update",
        apt,
        "-m pip install --quiet --disable-pip-version-check --upgrade",
        "uv python install 3.11",
        "uv python find --no-project --managed-python 3.11",
    ]
    assert f"Installing with {machine.home}/python/bin/python3, GPU: yes" in done.stdout


def test_a_python_that_cannot_make_environments_gets_the_package_for_it(machine):
    machine.program(
        "python3",
        f"""case "$*" in
        *ensurepip*) grep -q python3-venv "$HOME/calls" ;;
        *) exec "{sys.executable}" "$@" ;;
    esac""",
    )
    done = machine.set_up("--no-self-test")
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.calls()[-1].endswith(" install python3-venv")


@pytest.mark.parametrize(
    "environ, line",
    [
        ({"DEVICE": CPU}, "TensorFlow does not see the GPU (the log is "),
        ({"DEMO_EXIT": "1"}, "the test did not go through; all of what it said is in "),
    ],
)
def test_a_self_test_that_fails_is_the_last_line(machine, environ, line):
    done = machine.set_up(**environ)
    assert done.returncode == 1
    assert line in done.stderr.splitlines()[-1]
    assert not (machine.home / "config.ini").exists()


def test_the_self_test_takes_several_gpus_and_knows_what_training_says_on_this_machine(machine):
    assert machine.set_up(DEVICE=TWO_GPUS).returncode == 0
    device = choose_device()
    assert (machine.set_up(DEVICE=device.said).returncode == 0) == (
        device.policy == "mixed_float16"
    )


def test_a_machine_without_a_gpu_can_be_set_up_for_trying_out(machine):
    machine.program("nvidia-smi", "exit 9")
    done = machine.set_up("--cpu", DEVICE=CPU)
    assert (done.returncode, done.stderr) == (0, "")
    assert ", GPU: \n" in done.stdout


def test_away_from_the_toolkit_it_clones_it_and_goes_on_there(machine, tmp_path):
    """As cloud-init starts it, and people who copied only this file."""
    alone = shutil.copy(
        machine.root / "devops" / "dsvm" / "setup-tensorflow.sh", tmp_path / "setup-tensorflow.sh"
    )
    origin = shutil.move(machine.root, tmp_path / "origin")
    done = machine.set_up(script=alone)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "copy it as devops/README.md shows, or name its address with --repository" in done.stderr
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "all"],
    ):
        subprocess.run(["git", *command], cwd=origin, check=True)
    for _ in range(2):
        done = machine.set_up(
            "--repository", f"file://{origin}", "--account", "sealphotos", script=alone
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert (machine.root / ".venv").exists()
    assert "AZURE_STORAGE_ACCOUNT=sealphotos" in (machine.home / "config.ini").read_text()


def test_a_wrong_option_and_help(machine):
    for options, line in (
        (("--acount", "x"), "unknown option --acount"),
        (("--account",), "--account needs a value"),
        (("--wait-for-driver", "long"), "expected a number of minutes"),
    ):
        done = machine.set_up(*options)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert line in done.stderr
    done = machine.set_up("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--wait-for-driver N" in done.stdout
