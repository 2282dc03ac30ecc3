"""Nothing that others wrote decides a character on somebody's terminal, or a word of a command that
somebody pastes.
"""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import unicodedata
from contextlib import redirect_stderr, redirect_stdout

import pytest
from helpers_programs import run
from helpers_state import StateProject
from helpers_tables import images, labels

from utils import python_check
from utils.errors import InputError, OutsideError, run_program
from utils.labels.state import Change
from utils.labels.store import LabelStore
from utils.progress import progress_bar
from utils.terminal import say, visible

FORGED = "all your images were uploaded; delete the folder now"
SIGNS = {
    "escape": "\x1b[2J\x1b[1;31m",
    "title": "\x1b]0;x\x07",
    "line feed": "\n",
    "carriage return": "\r",
    "both": "\r\n",
    "backspace": "\b" * 20,
    "C1": "\x9b2J",
    "next line": "\x85",
    "line separator": "\u2028",
    "turned": "\u202egpj",
    "isolated": "\u2066x\u2069",
    "tags": "\U000e0041",
    "half": "\udc9b",
    "delete": "\x7f",
}


def hidden(text: str) -> set[str]:
    """The signs in what was printed that a terminal obeys or hides, but for ends of lines."""
    return {
        sign
        for sign in text.replace("\n", "")
        if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    }


@pytest.mark.parametrize("sign", SIGNS.values(), ids=SIGNS)
@pytest.mark.parametrize("stream", ["out", "error", "input", "outside", "os", "help", "fault"])
def test_a_line_is_one_line_without_control_characters_whatever_is_in_it(sign, stream, monkeypatch):
    name = f"a{sign}{FORGED}.jpg"

    def main(argv):
        if stream in ("out", "error"):
            say(f"{name}: left out", error=stream == "error")
        elif stream == "help":
            sys.stdout.write(f"{name.replace(chr(10), '')}\n")
        elif stream == "fault":
            sys.excepthook(ValueError, ValueError(name.replace("\n", "")), None)
        else:
            raise {"input": InputError, "outside": OutsideError, "os": OSError}[stream](name)

    said, faults = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with redirect_stdout(said), redirect_stderr(faults), pytest.raises(SystemExit):
        run_program(main, [])
    text = said.getvalue() + faults.getvalue()
    assert text.count("\n") == 1 and FORGED in text and hidden(text) == set()


def test_what_is_made_visible_is_what_json_writes():
    for sign in SIGNS.values():
        assert json.loads(f'"{visible(sign)}"') == sign
    assert visible("Übung é 日本 👩‍🚀 x\\y") == "Übung é 日本 👩‍🚀 x\\y"


def test_a_bar_shows_names_as_lines_do():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    seen = Terminal()
    with redirect_stderr(seen):
        progress_bar(range(3), f"model\x1b[2J\n\r{FORGED}", 3).close()
    assert "\x1b[2J" not in seen.getvalue() and f"\\u001b[2J\\n\\r{FORGED}" in seen.getvalue()


def test_names_of_others_reach_no_terminal_as_they_are(store, tmp_path):
    project = StateProject(store, tmp_path)
    sign = "\x1b[2J\x9b\u202e"
    name = f"x{sign}\n{FORGED}.jpg"
    eve = f"eve{sign}\r\n{FORGED}"
    by_eve = LabelStore(project.labels.container, by=eve, user_folders=True)
    tagged = project.table("tagged")
    tagged.loc[0, "class"] = f"seal{sign}\n{FORGED}"
    tagging = labels(f"c/1.jpg NULL 0 0 0 0 0 0 eve {'2999-01-01T00:00:00Z'}", "tagging")
    by_eve.commit(
        lambda state: Change(
            {
                "tagged": tagged,
                "tagging": tagging.assign(tagger=eve),
                "images": images("a/1.jpg").assign(filename=name, folder=""),
            }
        ),
        what="test",
    )
    in_blob = sign if store.kind == "folder" else "\u202e"  # Azurite cannot list the others
    project.labels.container.write(f"tagged_{in_blob} $(x) {FORGED}.csv", b"filename")
    for arguments in ([], ["--json"], ["--check"], ["--repair"]):
        done = run("tag/status.py", project.config, *arguments)
        said = done.stdout + done.stderr
        assert hidden(said) == set(), arguments
        assert not re.search(rf"^\W*{FORGED}", said, re.MULTILINE)
        if arguments == ["--json"]:
            assert json.loads(done.stdout)["by"] == eve


def test_a_broken_image_forges_no_line(store, tmp_path):
    """Its name is in what initialize, download and upload say."""
    project = StateProject(store, tmp_path)
    signs = ("\n", "\x1b[2J\u202e", "\x85", "\x07") if store.kind == "folder" else ("\n", "\u202e")
    for name in (f"x{sign}{FORGED}.jpg" for sign in signs):
        project.images.write(name, b"\xff\xd8broken")
    for program, *arguments in (
        ("train/initialize.py", project.config),
        ("tag/download_vott_json.py", 9, project.config),
        ("tag/upload_vott_json.py", project.config),
        ("tag/status.py", project.config),
    ):
        done = run(program, *arguments)
        said = done.stdout + done.stderr
        assert hidden(said) == set() and f"\n{FORGED}" not in said, program


PATHS = ["my config.ini", "$(touch owned).ini", "`touch owned`.ini", 'a"; touch owned; ".ini'] + [
    "it's.ini",
    "a\n touch owned.ini",
    "a\x1b[2J;touch owned.ini",
    "é !$HOME\\.ini",
    "*.ini",
]


@pytest.mark.skipif(os.name == "nt", reason="about bash")
@pytest.mark.parametrize("path", PATHS)
def test_the_command_that_goes_on_runs_nothing_when_it_is_pasted(tmp_path, path):
    entry = tmp_path / "train" / "$(touch owned) it.sh"
    entry.parent.mkdir()
    shutil.copy("train/run_steps.sh", entry.parent)
    (entry.parent / "step.py").write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    (entry.parent / "other.py").write_text("")
    entry.write_text('bash train/run_steps.sh "$0" step.py other.py -- "$@"')
    done = subprocess.run(["bash", str(entry), path], cwd=tmp_path, text=True, capture_output=True)
    hint = done.stderr.partition("to go on from it: ")[2].rstrip("\n")
    assert done.returncode == 3 and hint and hidden(hint) == set() and "\n" not in hint
    (tmp_path / "bash").write_text('#!/bin/sh\nprintf "%s\\0" "$@"')
    (tmp_path / "bash").chmod(0o755)
    pasted = subprocess.run(
        [shutil.which("bash"), "-c", hint],
        cwd=tmp_path,
        capture_output=True,
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
    )
    assert os.fsdecode(pasted.stdout).split("\0")[:-1] == [str(entry), "--from", "step", path]
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("path", PATHS)
def test_a_word_of_a_hint_arrives_as_it_is_and_runs_nothing(tmp_path, path):
    word = python_check.quoted(path, windows=False)
    done = subprocess.run(
        [shutil.which("bash") or "sh", "-c", f"printf %s {word}"],
        cwd=tmp_path,
        capture_output=True,
    )
    assert os.fsdecode(done.stdout) == path and hidden(word) == set() and "\n" not in word
    assert not list(tmp_path.iterdir())
    on_windows = python_check.quoted(path, windows=True)
    assert not set(on_windows) & set("$`;%!\n\x1b'")


def test_a_plain_word_of_a_hint_stays_plain():
    for path in ("config.ini", "../my/config.ini", "/a/b-c_d.ini"):
        assert python_check.quoted(path) == path == shlex.split(python_check.quoted(path))[0]
    assert python_check.quoted("my config.ini") == '"my config.ini"'
