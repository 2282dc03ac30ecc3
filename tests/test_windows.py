"""What Windows has otherwise, as far as it can be shown without one: what annotators run calls
nothing that is missing there, trusts no setting of the machine, and waits for files that are held.
"""

import ast
import http.client
import json
import mimetypes
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from helpers_batch import THREE, BatchProject, picture
from helpers_page import Here
from helpers_programs import ROOT

from utils import files
from utils.errors import OutsideError
from utils.python_check import quoted
from utils.review.server import PAGE

MODULES = {
    "crypt", "curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "spwd",
    "syslog", "termios", "tty",
}  # fmt: skip
CALLS = {
    "os": {
        "chown", "confstr", "ctermid", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid",
        "getgid", "getgroups", "getloadavg", "getpgid", "getpgrp", "getpriority", "getsid",
        "getuid", "initgroups", "killpg", "lchown", "lockf", "mkfifo", "mknod", "nice", "openpty",
        "pathconf", "pipe2", "posix_fadvise", "posix_fallocate", "pread", "preadv", "pwrite",
        "sched_getaffinity", "sendfile", "setgid", "setpgid", "setpriority", "setsid", "setuid",
        "statvfs", "sync", "sysconf", "uname", "wait", "wait3", "wait4",
        "O_CLOEXEC", "O_DIRECTORY", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC",
    },
    "signal": {
        "SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP",
        "SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "alarm", "pause", "pthread_kill",
        "pthread_sigmask", "setitimer", "sigwait",
    },
    "time": {"tzset", "clock_settime"},
    "socket": {"AF_UNIX", "socketpair", "SO_REUSEPORT"},
}  # fmt: skip
NOT_REACHED = {("shared.py", "os.chown")}  # `_group_of` has no group on Windows


def sources() -> list[Path]:
    """What runs on annotators' machines."""
    return sorted(path for room in ("tag", "utils") for path in (ROOT / room).rglob("*.py"))


def missing_on_windows(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} & MODULES
            names = {name.name for name in node.names}
            found |= {f"{node.module}.{name}" for name in names & CALLS.get(node.module, set())}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in CALLS.get(node.value.id, ()):
                found.add(f"{node.value.id}.{node.attr}")
    return found


def test_annotators_programs_call_nothing_that_windows_lacks():
    found = {
        (path.name, what)
        for path in sources()
        for what in missing_on_windows(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == NOT_REACHED
    assert missing_on_windows(ast.parse("import fcntl\nos.fork()\nfrom signal import SIGHUP")) == {
        "fcntl",
        "os.fork",
        "signal.SIGHUP",
    }


def test_the_pages_files_have_their_types_whatever_the_machine_says(
    folder_store, tmp_path, monkeypatch
):
    mimetypes.init()
    for suffix in (".js", ".css", ".svg", ".html", ".jpg"):  # as the registry of Windows may
        monkeypatch.setitem(mimetypes.types_map, suffix, "text/plain")
    assert mimetypes.guess_type("main.js")[0] == "text/plain"
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="page")
    types = {
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".svg": "image/svg+xml",
        ".html": "text/html; charset=utf-8",
    }
    with Here(project.config, 1) as here:
        for file in PAGE.iterdir():
            assert content_type(here.url, file.name) == types[file.suffix]
        number = here.server.desk.session.handed_out.number
        assert content_type(here.url, f"photo/{number}/0") == "image/jpeg"


def content_type(url: str, path: str) -> str:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    try:
        connection.request("GET", address.path + path)
        return connection.getresponse().headers["Content-Type"]
    finally:
        connection.close()


def test_names_that_the_console_has_no_letters_for_are_printed(tmp_path):
    photos = tmp_path / "鳥"
    photos.mkdir()
    (photos / "海豹.jpg").write_bytes(b"no photo")
    done = subprocess.run(
        [sys.executable, ROOT / "tag/start.py", photos, "--classes", "鹿", "--no-browser"],
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
        capture_output=True,
    )
    said = done.stderr.decode("utf-8")
    assert done.returncode == 2 and said.count("\n") == 1, said
    assert "鳥" in said and "海豹.jpg" in said
    assert "鳥-project" in done.stdout.decode("utf-8")


def test_files_are_utf_8_whatever_the_machine_is_set_to(tmp_path):
    """Through programs that a machine runs whose own encoding is another one."""
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "鳥 été.jpg").write_bytes(picture())
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from utils.starting.project import make, project_for\n"
        "from pathlib import Path\n"
        "from utils.config import load_config\n"
        "config = make(project_for(Path(sys.argv[3]), None), ['M\\xf6we', '\\u9e7f'])\n"
        "assert load_config(config.path).classes == ('M\\xf6we', '\\u9e7f')\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning:utils"]
        + ["-c", code, ROOT, ROOT / "tag", photos],
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "classes=Möwe,鹿\n" in (tmp_path / "photos-project" / "config.ini").read_text("utf-8")


def test_a_file_that_is_held_for_a_moment_is_waited_for(tmp_path, monkeypatch):
    """By a virus scanner, or a reader in another thread."""
    file = tmp_path / "review.json"
    file.write_text("before", encoding="utf-8")
    real, refusals = os.replace, iter(range(2))

    def held(source, target):
        if next(refusals, None) is not None:
            raise PermissionError(13, "The process cannot access the file")
        real(source, target)

    monkeypatch.setattr(os, "replace", held)
    monkeypatch.setattr(files._rename.retry, "wait", lambda _: 0)
    monkeypatch.setattr(files._rename.retry, "stop", lambda state: state.attempt_number > 9)
    files.write_text(file, "after")
    assert file.read_text("utf-8") == "after"


def test_a_file_that_stays_held_is_one_line_and_is_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "labels.csv"
    file.write_text("before", encoding="utf-8")

    def held(source, target):
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(os, "replace", held)
    with pytest.raises(OutsideError, match="another program holds it open"):
        files.write_text(file, "after")
    assert file.read_text("utf-8") == "before" and [*tmp_path.iterdir()] == [file]


@pytest.mark.parametrize("path", [r"C:\Users\me\config.ini", r"D:\my photos-project\config.ini"])
def test_a_path_of_windows_arrives_from_a_pasted_command_in_git_bash_too(path):
    word = quoted(path, windows=True)
    assert word == f'"{path}"'
    assert shlex.split(f"echo {word}")[1] == path
    done = subprocess.run([shutil.which("bash"), "-c", f"printf %s {word}"], capture_output=True)
    assert done.stdout.decode() == path


def test_an_answer_of_a_tool_may_have_a_byte_order_mark_and_the_line_ends_of_windows(
    folder_store, tmp_path
):
    """Notepad saves JSON so."""
    project = BatchProject(folder_store, tmp_path, THREE, annotation_tool="vott")
    project.run("download", 3)
    project.save(visited=["north/1.jpg"])
    file = project.place / "Images.json"
    text = json.dumps(json.loads(file.read_text("utf-8")), indent=2)
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert project.last(project.run("upload")).startswith("1 images, 1 boxes")
