#!/usr/bin/env bash
# Sets everything up and runs the tests: bash tests/run_tests.sh [PYTEST OPTION…]
set -euo pipefail

CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
bash train/set_up.sh tests/requirements.txt
python=.venv/bin/python
[ -x "$python" ] || python=.venv/Scripts/python.exe
"$python" -m ruff check .
"$(dirname -- "$python")/lint-imports" --no-cache --no-logo
exec "$python" -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal "$@"
