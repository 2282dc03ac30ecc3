#!/usr/bin/env bash
# Runs the steps of an entry point, one after the other:
#
#     run_steps.sh ENTRY_POINT STEP… -- [--from STEP] CONFIG [OPTION…]
#
# ENTRY_POINT   the file that calls; its first comment is the help text
# STEP          a program beside this file with its own options, such as "repartition_test_set.py --top-up";
#               OPTION… goes to the step that has a @ behind it
# The first step that fails stops the run with its exit code; --from STEP goes on from there. A step that ends
# with 4 has found that the work is done already. A kill ends the step that runs, too.
set -euo pipefail

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
entry=$1
name=${entry##*/}
shift

steps=()
while [ "$1" != -- ]; do
    steps+=("$1")
    shift
done
shift

fail() {
    printf '%s: %s\n' "$name" "$1" >&2
    exit 2
}

# A word as a person may paste it: nothing in it runs.
quoted() {
    case $1 in
        *[!A-Za-z0-9\ ./+:@,=~_-]*) printf '%q' "$1" ;;
        *) printf '"%s"' "$1" ;;
    esac
}

step_name() {
    local program=${1%% *}
    printf '%s' "${program%.py}"
}

names=()
takes_options=no
for step in "${steps[@]}"; do
    names+=("$(step_name "$step")")
    case $step in *" @") takes_options=yes ;; esac
done

help() {
    local line
    while IFS= read -r line; do
        case $line in
            '#!'* | '# shellcheck'*) ;;
            '#'*) line=${line#\#}; printf '%s\n' "${line# }" ;;
            *) break ;;
        esac
    done <"$here/$name"
    [ "${#names[@]}" -eq 1 ] || printf 'Steps, for --from: %s\n' "${names[*]}"
}

from=${names[0]}
config=
options=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) help; exit 0 ;;
        --from)
            [ $# -gt 1 ] || fail "--from needs the name of a step: ${names[*]}"
            from=$(step_name "$2")
            shift
            ;;
        --from=*) from=$(step_name "${1#--from=}") ;;
        *) if [ -z "$config" ] && [ "${1#-}" = "$1" ]; then config=$1; else options+=("$1"); fi ;;
    esac
    shift
done
[ -n "$config" ] || fail "no config file given; for example: bash $entry config.ini"
[ "$takes_options" = yes ] || [ "${#options[@]}" -eq 0 ] || fail "unknown option ${options[0]}; --help shows what there is"
case " ${names[*]} " in *" $from "*) ;; *) fail "there is no step $from; the steps are ${names[*]}" ;; esac

python=python3
for candidate in "$here/../.venv/bin/python" "$here/../.venv/Scripts/python.exe"; do
    [ ! -x "$candidate" ] || python=$candidate
done
export PYTHONUNBUFFERED=1
export ACTIVE_LEARNING_RUN=$$

# The entry point that started this may be killed: then nobody waits for the steps any more.
parent_of() {
    local parent
    if [ -r "/proc/$1/stat" ]; then read -r _ _ _ parent _ <"/proc/$1/stat"; else parent=$(ps -o ppid= -p "$1"); fi
    printf '%s' "${parent// /}"
}
{
    while [ "$(parent_of $$)" = "$PPID" ]; do sleep 1; done
    kill -TERM "$$"
} </dev/null >/dev/null 2>&1 &
guard=$!
host=
end() {
    kill "$guard" || :
    [ -z "$host" ] || { kill -KILL "$host"; wait "$host"; } || :
}
trap 'end 2>/dev/null' EXIT

# Runs a command in a group of its own, and hands on what this shell is told to end with.
run() {
    set -m
    "$@" &
    set +m
    local child=$! code
    trap 'kill -TERM "$child" 2>/dev/null' TERM HUP
    trap 'kill -INT "$child" 2>/dev/null' INT
    while :; do
        code=0
        wait "$child" || code=$?
        kill -0 "$child" 2>/dev/null || break
    done
    trap - TERM HUP INT
    return "$code"
}

# What is wrong with the options is said before the first step.
for index in "${!steps[@]}"; do
    case ${steps[index]} in *" @") ;; *) continue ;; esac
    [ "${#options[@]}" -gt 0 ] && [ "$index" -gt 0 ] || continue
    read -ra words <<<"${steps[index]}"
    ACTIVE_LEARNING_ONLY_READ=1 "$python" "$here/${words[0]}" "${words[@]:1:${#words[@]}-2}" "$config" "${options[@]}" ||
        exit $?
done

# Several steps of a cycle need TensorFlow. On Linux one process loads it while the first step runs, and is forked for
# each of the others; a step that finds it gone starts by itself.
case "$OSTYPE ${names[*]} " in linux*" $from"*" export_model "*)
    export ACTIVE_LEARNING_HOST="active-learning-$$-$RANDOM$RANDOM$RANDOM"
    PYTHONPATH=$here/.. PYTHONSAFEPATH=1 "$python" -m train.cycle.host "$ACTIVE_LEARNING_HOST" "$$" </dev/null >/dev/null 2>&1 &
    host=$!
    ;;
esac

started=no
through=()
for index in "${!steps[@]}"; do
    [ "${names[index]}" != "$from" ] || started=yes
    [ "$started" = yes ] || continue
    [ "${#steps[@]}" -eq 1 ] || printf '\n[%d/%d] %s\n' "$((index + 1))" "${#steps[@]}" "${names[index]}"
    read -ra words <<<"${steps[index]}"
    arguments=("${words[@]:1}" "$config")
    case ${steps[index]} in
        *" @") arguments=("${words[@]:1:${#words[@]}-2}" "$config" ${options[@]+"${options[@]}"}) ;;
    esac
    status=0
    run "$python" ${through[@]+"${through[@]}"} "$here/${words[0]}" "${arguments[@]}" || status=$?
    [ "$status" -ne 4 ] || exit 0
    if [ "$status" -ne 0 ]; then
        [ "${#steps[@]}" -eq 1 ] ||
            printf '%s: step %s failed (exit %d); to go on from it: bash %s --from %s %s%s\n' \
                "$name" "${names[index]}" "$status" "$(quoted "$entry")" "${names[index]}" "$(quoted "$config")" \
                "$([ "${#options[@]}" -eq 0 ] || printf ' %q' "${options[@]}")" >&2
        exit "$status"
    fi
    export ACTIVE_LEARNING_NOTICES_SHOWN=1
    [ -z "$host" ] || through=(-I -S "$here/cycle/through_host.py")
done
