#!/usr/bin/env bash
# Sets everything up and runs the tests: bash tests/run_tests.sh [PYTEST OPTION…]
set -euo pipefail

CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
bash train/set_up.sh tests/requirements.txt
# The review page is tested in a real browser; without one, those tests say why they are skipped.
if ! [ -e /usr/bin/chromium ] && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  apt-get update -qq && apt-get install -qq -y chromium > /dev/null || echo "Chromium cannot be installed"
fi
python=.venv/bin/python
[ -x "$python" ] || python=.venv/Scripts/python.exe
"$python" -m ruff check .
"$(dirname -- "$python")/lint-imports" --no-cache --no-logo
# One process more than there are cores: tests wait for programs, servers and browsers.
workers=$("$python" -c "import os; print(min((os.cpu_count() or 1) + 1, 5))")
exec "$python" -m pytest --numprocesses "$workers" --dist worksteal "$@"
