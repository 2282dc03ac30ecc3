# shellcheck shell=bash disable=SC2034,SC2154  # variables of the files that belong together
# Calling az: every call goes through here, so that --dry-run can show it and an error is one line.
# Sourced by deploy_dsvm.sh, which has fail() and the folder $scratch. Works in bash 3.2, as macOS has it.

dry_run=no
subscription_id=""
answer=""    # what the last az call printed
az_error=""  # its first line on stderr, when it failed
az_program=""
here_is_windows=no

find_az() { # az, or az.cmd where only that is on PATH (Git Bash)
    case $(uname -s) in
        MINGW* | MSYS* | CYGWIN*)
            here_is_windows=yes
            # without these, Git Bash turns /subscriptions/… into C:/Program Files/Git/subscriptions/…
            export MSYS_NO_PATHCONV=1 MSYS2_ARG_CONV_EXCL='*'
            ;;
    esac
    local candidate
    for candidate in az az.cmd; do
        if command -v "$candidate" >/dev/null 2>&1; then
            az_program=$candidate
            break
        fi
    done
    [ -n "$az_program" ] || fail 1 "the Azure CLI (az) is not on this machine; install it: https://learn.microsoft.com/cli/azure/install-azure-cli"
    export AZURE_CORE_NO_COLOR=1 AZURE_CORE_ONLY_SHOW_ERRORS=1
}

path_for_az() { # FILE → the same for az, which knows nothing of Git Bash's /c/…
    if [ "$here_is_windows" = yes ]; then cygpath -m "$1"; else printf '%s' "$1"; fi
}

in_subscription() { # ARGUMENTS… → $words: the same, in the subscription of this deployment, whatever az's own default is
    words=("$@")
    case $1 in version | account | ad | rest) return ;; esac
    words+=(--subscription "$subscription_id")
}

quoted() { # WORDS… → as one can paste them into a shell
    local word safe='^[-A-Za-z0-9_./:=@,+]+$' line="" apostrophe="'"
    for word in "$@"; do
        [[ $word =~ $safe ]] || word="'${word//$apostrophe/$apostrophe\\$apostrophe$apostrophe}'"
        line="$line${line:+ }$word"
    done
    printf '%s' "$line"
}

ask_az() { # ARGUMENTS… → runs az, which only reads here; its output is in $answer; gives az's exit code (3: there is no such thing)
    in_subscription "$@"
    [ "$dry_run" = no ] || printf 'az %s\n' "$(quoted "${words[@]}")"
    run_az "${words[@]}"
}

tell_az() { # WHAT ARGUMENTS… → runs az, which changes something here; says what was done, or stops with what az said
    local what=$1
    shift
    try_az "$what" "$@" || fail 1 "$what: $az_error; when that is mended, run the same command again: what is there stays"
}

try_az() { # as tell_az, but only gives az's exit code when it fails
    local what=$1 code=0
    shift
    in_subscription "$@"
    if [ "$dry_run" = yes ]; then
        printf 'az %s\n' "$(quoted "${words[@]}")"
        return
    fi
    printf '%s … ' "$what"
    run_az "${words[@]}" || code=$?
    if [ "$code" -eq 0 ]; then printf 'done\n'; else printf 'failed\n'; fi
    return "$code"
}

run_az() {
    local code=0 line
    answer=$("$az_program" "$@" </dev/null 2>"$scratch/errors") || code=$?
    answer=${answer//$'\r'/}
    az_error=""
    while IFS= read -r line; do
        line=${line%$'\r'}
        case $line in
            'ERROR: '*) az_error=${line#ERROR: }; break ;;
            *) az_error=${az_error:-$line} ;;
        esac
    done <"$scratch/errors"
    [ "$code" -ne 2 ] || az_error="az does not know these arguments ($az_error); bring it up to date with: az upgrade"
    return "$code"
}

must_ask_az() { # WHAT ARGUMENTS… → as ask_az, and stops when it fails
    local what=$1
    shift
    ask_az "$@" || fail 1 "$what: $az_error"
}

lines_of_answer() { # NAMES… → gives each variable a line of $answer; what az shows as None is empty
    local name line
    while [ $# -gt 0 ]; do
        name=$1
        shift
        line=${answer%%$'\n'*}
        case $answer in *$'\n'*) answer=${answer#*$'\n'} ;; *) answer="" ;; esac
        [ "$line" != None ] || line=""
        printf -v "$name" '%s' "$line"
    done
}
