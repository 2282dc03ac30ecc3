"""A person who mistypes a command waits for the answer, not for libraries that it does not need."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SLOW = {"PIL", "azure", "cv2", "numpy", "pandas", "pyarrow", "requests", "tensorflow"}


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
