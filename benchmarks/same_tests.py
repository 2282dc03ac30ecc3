"""How long the tests of an earlier checkout take today: the README's second command, with those
tests only whose names were there.

    python benchmarks/same_tests.py CHECKOUT

Prints how many of CHECKOUT's test functions are run, and the seconds by the clock. It is a plugin
of pytest too, which leaves the other tests out.
"""

import argparse
import ast
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_OF = "TESTS_OF_CHECKOUT"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path)
    earlier = parser.parse_args().checkout.resolve()
    were, are = names_of(earlier), names_of(ROOT)
    print(f"{len(were & are)} of {len(were)} test functions; {len(are)} are there now", flush=True)
    begun = time.monotonic()
    code = subprocess.run(
        ["bash", ROOT / "tests/run_tests.sh", "-p", Path(__file__).stem],
        env={**os.environ, _OF: str(earlier), "PYTHONPATH": str(ROOT / "benchmarks")},
    ).returncode
    print(f"{time.monotonic() - begun:.0f} s")
    return code


def names_of(checkout: Path) -> set[str]:
    """The names of all test functions there."""
    return {
        node.name
        for file in (checkout / "tests").glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def pytest_collection_modifyitems(config, items: list) -> None:
    """Leave out the tests whose names the other checkout does not have."""
    wanted = names_of(Path(os.environ[_OF]))
    left_out = [item for item in items if item.originalname not in wanted]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item.originalname in wanted]


if __name__ == "__main__":
    sys.exit(main())
