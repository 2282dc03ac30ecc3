"""A person who mistypes a command waits for the answer, not for libraries that it does not need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from start_up import WRONG_CONFIG, command_lines, programs

ROOT = Path(__file__).resolve().parent.parent
SLOW = {"PIL", "azure", "cv2", "numpy", "pandas", "pyarrow", "requests", "tenacity", "tensorflow"}
# Calls main with each command line in turn; prints what it answered and which packages are loaded.
ASK = """
import json, os, runpy, sys
program, lines = sys.argv[1], json.loads(sys.argv[2])
sys.argv = [program]
sys.path[0] = os.path.dirname(program)
main = runpy.run_path(program)["main"]
answers = []
for line in lines:
    try:
        answers.append(f"done: {main(line)}")
    except (SystemExit, Exception) as error:
        answers.append(f"{type(error).__name__}: {error}")
print(json.dumps([answers, sorted({name.split(".")[0] for name in sys.modules})]))
"""


def loaded_by(statement: str) -> set[str]:
    """The packages that a new Python has loaded after this statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True
    )
    return set(done.stdout.split())


def test_reading_a_config_loads_no_slow_library():
    read = "from utils.config import read_config; read_config('config.ini', {})"
    assert not loaded_by(read) & SLOW


@pytest.mark.parametrize("program", programs(ROOT), ids=lambda path: path.name)
def test_a_program_says_what_is_wrong_before_it_loads_a_slow_library(program, tmp_path):
    config = tmp_path / "config.ini"
    config.write_text(WRONG_CONFIG, encoding="utf-8")
    lines = command_lines(program, config)
    done = subprocess.run(
        [sys.executable, "-c", ASK, program, json.dumps(list(lines.values()))],
        text=True,
        capture_output=True,
        check=True,
    )
    answers, loaded = json.loads(done.stdout.splitlines()[-1])
    expected = ["SystemExit: 0", "InputError: ", f"InputError: {config}: train_iterations=many"]
    for answer, beginning in zip(answers, expected, strict=False):
        assert answer.startswith(beginning)
    assert not set(loaded) & SLOW
