#!/usr/bin/env bash
# Sets a Linux machine with an NVIDIA GPU up for training: bash devops/dsvm/setup-tensorflow.sh [OPTION…]
#
#   --account NAME           storage account for the config.ini that is made in your home folder
#   --image-container NAME   its container for images (default: activelearningimages)
#   --label-container NAME   its container for labels (default: activelearninglabels)
#   --repository URL         clones the toolkit to ~/active-learning-detect first, if this file does not lie in it
#   --wait-for-driver N      waits up to N minutes for NVIDIA's driver, which Azure may still be installing
#   --no-self-test           leaves the short training at the end out
#   --cpu                    a machine without a GPU, for trying out
#
# Checks the driver, brings Python 3.11 where the machine has an older one, makes the environment (train/set_up.sh), trains the demo for
# 20 steps on the GPU, and writes ~/config.ini. Run it again at any time: what is done stays.
if [ -z "${BASH_VERSION-}" ]; then exec bash "$0" "$@"; fi # started with sh
set +o posix
set -euo pipefail

MINIMUM_DRIVER=525 # of the CUDA 12 libraries that TensorFlow brings
MINIMUM_DISK_GB=15
UV=0.13.9

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

fail() { # EXIT-CODE MESSAGE
    printf 'setup-tensorflow.sh: %s\n' "$2" >&2
    exit "$1"
}

help() {
    local line
    while IFS= read -r line; do
        case $line in
            '#!'*) ;;
            '#'*) line=${line#\#}; printf '%s\n' "${line# }" ;;
            *) break ;;
        esac
    done <"${BASH_SOURCE[0]}"
}

main() {
    local account="" images=activelearningimages labels=activelearninglabels repository="" wait=0 test=yes gpu=yes root given=("$@")
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help) help; exit 0 ;;
            --no-self-test) test=no ;;
            --cpu) gpu=no ;;
            --account | --image-container | --label-container | --repository | --wait-for-driver)
                [ $# -gt 1 ] || fail 2 "$1 needs a value; --help shows what there is"
                case $1 in
                    --account) account=$2 ;;
                    --image-container) images=$2 ;;
                    --label-container) labels=$2 ;;
                    --repository) repository=$2 ;;
                    --wait-for-driver) wait=$2 ;;
                esac
                shift
                ;;
            *) fail 2 "unknown option $1; --help shows what there is" ;;
        esac
        shift
    done
    case $wait in '' | *[!0-9]*) fail 2 "--wait-for-driver $wait: expected a number of minutes" ;; esac
    [ "$(uname -s)" = Linux ] || fail 2 "this is for the Linux machine; copy the toolkit there first, as devops/README.md shows"
    root=$(CDPATH='' cd -- "$here/../.." && pwd)
    if [ ! -f "$root/train/set_up.sh" ]; then
        clone "$repository"
        exec bash "$HOME/active-learning-detect/devops/dsvm/setup-tensorflow.sh" ${given[@]+"${given[@]}"}
    fi
    check_disk
    [ "$gpu" = no ] || check_driver "$wait"
    [ -x "$root/.venv/bin/python" ] || bring_python
    bash "$root/train/set_up.sh"
    [ "$test" = no ] || self_test
    write_config
    printf '\nThe machine is ready. Next:\n'
    printf '    nano ~/config.ini     # classes, filetype, and the storage account if it is not filled in\n'
    printf '    bash %s ~/config.ini\n' "$root/train/active_learning_initialize.sh"
}

clone() { # REPOSITORY → ~/active-learning-detect
    [ -n "$1" ] || fail 2 "the toolkit is not here; copy it as devops/README.md shows, or name its address with --repository"
    [ ! -d "$HOME/active-learning-detect" ] || return 0
    command -v git >/dev/null 2>&1 || install git
    git clone --quiet --depth 1 "$1" "$HOME/active-learning-detect" || fail 1 "$1 could not be cloned; what git said stands above"
    [ -f "$HOME/active-learning-detect/devops/dsvm/setup-tensorflow.sh" ] ||
        fail 2 "$1 is not this toolkit, or an older version: it has no devops/dsvm/setup-tensorflow.sh"
}

install() { # PACKAGES…
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    printf 'Installing %s\n' "$*"
    # a package source of the image that does not answer is no reason to stop; at the first start another apt may still be running
    ${sudo[@]+"${sudo[@]}"} apt-get -qq -o DPkg::Lock::Timeout=900 update || true
    ${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=900 install "$@" >/dev/null ||
        fail 1 "apt-get could not install $*; what it said stands above"
}

check_disk() {
    local free
    [ ! -x "$root/.venv/bin/python" ] || return 0
    free=$(df -Pk "$root" | tail -n 1 | awk '{print int($4 / 1048576)}')
    [ "$free" -ge "$MINIMUM_DISK_GB" ] || fail 1 "$free GB are free in $root, and $MINIMUM_DISK_GB are needed; make room, or a machine with a larger VM_DISK_GB"
}

check_driver() { # MINUTES-TO-WAIT
    local version left=$(($1 * 3))
    until version=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null); do
        [ "$left" -gt 0 ] ||
            fail 1 "nvidia-smi finds no GPU with a driver; deploy with DRIVER_EXTENSION=yes and run this again, or say --cpu on a machine without a GPU"
        [ $((left % 15)) -ne 0 ] || printf 'Waiting for the driver, at most %d minutes\n' $((left / 3))
        left=$((left - 1))
        sleep 20
    done
    version=${version%%$'\n'*}
    [[ $version =~ ^[0-9]+ ]] || fail 1 "nvidia-smi does not say the driver's version, but: $version"
    [ "${version%%.*}" -ge "$MINIMUM_DRIVER" ] ||
        fail 1 "the driver is $version, and TensorFlow needs $MINIMUM_DRIVER or newer; on Ubuntu: sudo ubuntu-drivers install, then sudo reboot"
    printf 'Driver %s\n' "$version"
}

bring_python() { # a Python from 3.11 to 3.13 that can make environments is first on PATH
    local candidate tools="$HOME/.local/share/active-learning-detect"
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
            "$candidate" -c 'import ensurepip' >/dev/null 2>&1 || install "$candidate-venv"
            return
        fi
    done
    printf 'Bringing Python 3.11; this machine has %s\n' "$(python3 --version 2>&1 || printf 'none')"
    python3 -m pip --version >/dev/null 2>&1 || install python3-pip
    python3 -m pip install --quiet --disable-pip-version-check --upgrade --target "$tools" "uv==$UV" ||
        fail 1 "pip could not install uv, which brings Python; what it said stands above"
    "$tools/bin/uv" python install 3.11 || fail 1 "uv could not fetch Python 3.11; what it said stands above; run this again to go on"
    PATH="$(dirname -- "$("$tools/bin/uv" python find --no-project --managed-python 3.11)"):$PATH"
    export PATH
}

self_test() { # the demo's data and settings, one cycle of 20 steps
    local folder
    folder=$(mktemp -d)
    printf 'Testing: 20 steps of training on drawn pictures\n'
    if ! "$root/.venv/bin/python" "$root/train/run_demo.py" "$folder/demo" --cycles 1 --iterations 20 >"$folder/log" 2>&1; then
        tail -n 20 "$folder/log" >&2
        fail 1 "the test did not go through; all of what it said is in $folder/log"
    fi
    if [ "$gpu" = yes ] && ! grep -Eq '^training on (one GPU|[0-9]+ GPUs)' "$folder/log"; then
        fail 1 "TensorFlow does not see the GPU (the log is $folder/log); if LD_LIBRARY_PATH is set, unset it and run this again; else: sudo reboot, and again"
    fi
    grep '^training on ' "$folder/log" || true
    printf 'The test went through: trained, exported, predicted, evaluated, published\n'
    rm -rf "$folder"
}

write_config() { # the repository's config.ini with the names of this deployment; the machine's identity opens the account, no key is needed
    local line
    if [ -e "$HOME/config.ini" ]; then
        printf '%s is there, and stays as it is\n' "$HOME/config.ini"
        return
    fi
    while IFS= read -r line; do
        case $line in
            AZURE_STORAGE_ACCOUNT=*) [ -z "$account" ] || line=AZURE_STORAGE_ACCOUNT=$account ;;
            AZURE_STORAGE_KEY=*) [ -z "$account" ] || line=AZURE_STORAGE_KEY= ;;
            image_container_name=*) line=image_container_name=$images ;;
            label_container_name=*) line=label_container_name=$labels ;;
        esac
        printf '%s\n' "$line"
    done <"$root/config.ini" >"$HOME/config.ini.new"
    mv "$HOME/config.ini.new" "$HOME/config.ini"
    printf 'Wrote %s\n' "$HOME/config.ini"
}

main "$@"
