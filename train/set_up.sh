#!/usr/bin/env bash
# Makes the repository's environment (.venv) and keeps it as the requirements say: bash train/set_up.sh [MORE_REQUIREMENTS…]
#
# Installs requirements.txt, or requirements-gpu.txt where nvidia-smi finds a GPU, and the further files given. Does nothing when nothing has changed.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
CDPATH='' cd -- "$root"

fail() {
    printf 'set_up.sh: %s\n' "$1" >&2
    exit 1
}

case ${1-} in
    -h | --help)
        printf '%s\n' "Makes the repository's environment (.venv), and keeps it as the requirements say." \
            "usage: bash train/set_up.sh [MORE_REQUIREMENTS…]     for example: bash train/set_up.sh tests/requirements.txt"
        exit 0
        ;;
esac

requirements="requirements.txt"
if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi >/dev/null 2>&1; then
    requirements="requirements-gpu.txt"
fi
files=("$requirements" "$@")
stamp=$(cat tag/requirements.txt requirements.txt "${files[@]}" | cksum)
names=${files[*]}
installed=".venv/.installed-${names//[\/ ]/_}"
[ "$(cat "$installed" 2>/dev/null)" != "$stamp" ] || exit 0

find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
            printf '%s' "$candidate"
            return
        fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed and none was found; on Ubuntu: sudo apt install python3.11 python3.11-venv"
}

environment_python() {
    local candidate
    for candidate in .venv/bin/python .venv/Scripts/python.exe; do
        if [ -x "$candidate" ]; then
            printf '%s' "$candidate"
            return
        fi
    done
}

python=$(environment_python)
if [ -z "$python" ]; then
    found=$(find_python)
    printf 'Making the environment .venv with %s\n' "$("$found" --version)"
    "$found" -m venv .venv || { rm -rf .venv; fail "$found cannot make an environment; on Ubuntu: sudo apt install python3-venv"; }
    python=$(environment_python)
fi
printf 'Installing %s into .venv (the first time: some minutes, 3.4 GB)\n' "$names"
arguments=()
for file in "${files[@]}"; do
    arguments+=(-r "$file")
done
"$python" -m pip install --quiet --disable-pip-version-check "${arguments[@]}" ||
    fail "pip could not install $names; what it said stands above; run the same command again to go on"
printf '%s' "$stamp" >"$installed"
