# shellcheck shell=bash
# Reads a settings file as data: NAME=value lines as bash would understand them, of which nothing is executed.
# Sourced by deploy_dsvm.sh, which has fail(). Works in bash 3.2, as macOS has it.

# name, default and meaning; an empty default and a * mean that a value is needed
SETTINGS="
RESOURCE_GROUP          |*                                         |resource group that everything lies in; made if it is not there
LOCATION                |                                          |Azure region, such as westeurope; default: that of the group
SUBSCRIPTION            |                                          |name or id of the subscription; default: the one of az login
VM_NAME                 |*                                         |name of the machine, and the beginning of what belongs to it
VM_ADMIN_USER           |*                                         |your user name on the machine
VM_SSH_KEY              |*                                         |file with your public key
VM_SKU                  |Standard_NC4as_T4_v3                      |size of the machine
VM_IMAGE                |microsoft-dsvm:ubuntu-2204:2204-gen2:latest|what is installed on it; Canonical:ubuntu-24_04-lts:server:latest is plain Ubuntu
VM_DNS_NAME             |                                          |its name on the internet, before .LOCATION.cloudapp.azure.com
VM_DISK_GB              |256                                       |size of its disk
VM_SPOT                 |no                                        |yes: cheaper, and Azure may stop it at any moment
VM_SPOT_MAX_PRICE       |-1                                        |most US dollars an hour for a spot machine; -1: up to the usual price
DRIVER_EXTENSION        |auto                                      |Azure installs NVIDIA's driver: yes, no, or auto (where the image has none)
SSH_FROM                |                                          |addresses that may reach port 22; default: yours, as the internet sees it
ADDRESS_SERVICE         |https://api.ipify.org                     |page that answers with your address
AUTO_SHUTDOWN           |2200                                      |time (UTC, HHMM) at which it is stopped every day, or none
AUTO_SHUTDOWN_EMAIL     |                                          |who is told 30 minutes before
STORAGE_ACCOUNT         |                                          |account for images and labels; made if it is not there; empty: none
IMAGE_CONTAINER         |activelearningimages                      |its container for images
LABEL_CONTAINER         |activelearninglabels                      |its container for labels, predictions and models
REPOSITORY              |                                          |https address from which the machine clones and sets up the toolkit at its first start
TAGS                    |                                          |further tags, such as project=seals owner=ann
"

read_settings() { # FILE → one variable for each setting; fails with the line that is wrong
    settings_file=$1
    [ -f "$1" ] || fail 2 "there is no settings file $1; copy devops/dsvm/config/dsvm_config.sh and fill it in"
    local name default meaning line number=0
    setting_names=" "
    while IFS='|' read -r name default meaning; do
        name=${name%% *}
        [ -n "$name" ] || continue
        setting_names="$setting_names$name "
        default=${default%"${default##*[! ]}"}
        printf -v "$name" '%s' "${default#\*}"
    done <<<"$SETTINGS"
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        line=${line%$'\r'}
        [ "$number" -ne 1 ] || line=${line#$'\xef\xbb\xbf'}
        read_assignment "$number" "$line"
    done <"$1"
    while IFS='|' read -r name default meaning; do
        name=${name%% *}
        [ -n "$name" ] || continue
        default=${default%"${default##*[! ]}"}
        case ${!name} in '' | '<'*'>') printf -v "$name" '%s' "${default#\*}" ;; esac
        [ "$default" != '*' ] || [ -n "${!name}" ] || fail 2 "$1: $name is not filled in; it is the $meaning"
    done <<<"$SETTINGS"
}

read_assignment() { # LINE-NUMBER LINE
    local here="$settings_file, line $1" line=$2 name value
    line=${line#"${line%%[! 	]*}"}
    case $line in '' | '#'*) return ;; esac
    line=${line#export }
    name=${line%%=*}
    case $name in
        "$line" | '' | [0-9]* | *[!A-Za-z0-9_]*) fail 2 "$here: expected NAME=value, found: $line" ;;
    esac
    value=$(plain_value "$here" "${line#*=}") || exit $?
    case $setting_names in
        *" $name "*) printf -v "$name" '%s' "$value" ;;
        *)
            printf -v "own_$name" '%s' "$value" # for ${NAME} further down
            printf 'note: %s: %s is not a setting; --help lists them\n' "$here" "$name" >&2
            ;;
    esac
}

plain_value() { # WHERE TEXT → the value without quotes and comment, with ~ and ${NAME} filled in
    local here=$1 text=$2 rest="" quote="" name
    local bare='^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?(.*)$'
    case $text in
        "'"*) quote="'" ;;
        '"'*) quote='"' ;;
    esac
    if [ -n "$quote" ]; then
        text=${text#?}
        rest=${text#*"$quote"}
        [ "$rest" != "$text" ] || fail 2 "$here: the quotation mark is not closed"
        text=${text%%"$quote"*}
        rest=${rest#"${rest%%[! 	]*}"}
        case $rest in '' | '#'*) ;; *) fail 2 "$here: there is something behind the closing quotation mark: $rest" ;; esac
    else
        text=${text%%[ 	]#*}
        text=${text%"${text##*[! 	]}"}
        case $text in '#'*) text="" ;; esac
        no_command "$here" "$text"
        case $text in *[\ \	\;\&\|]*) fail 2 "$here: a value with blanks or ; & | needs quotation marks" ;; esac
    fi
    if [ "$quote" != "'" ]; then
        case $text in \~ | \~/*) text=$HOME${text#\~} ;; esac
        no_command "$here" "$text"
        while [ "${text#*\$}" != "$text" ]; do
            rest=${text%%\$*}
            [[ ${text#"$rest"} =~ $bare ]] || fail 2 "$here: a \$ that belongs to the value needs 'single' quotation marks"
            name=${BASH_REMATCH[1]}
            text=${BASH_REMATCH[2]}
            printf '%s%s' "$rest" "$(value_of "$here" "$name")" || exit $?
        done
    fi
    printf '%s' "$text"
}

no_command() { # WHERE TEXT
    case $2 in
        *\`* | *\$\(*) fail 2 "$1: the file is read, not executed; write the value instead of a command" ;;
    esac
}

value_of() { # WHERE NAME → a setting above this line, or HOME and USER
    local own="own_$2"
    case "$setting_names" in *" $2 "*) printf '%s' "${!2}"; return ;; esac
    case $2 in HOME | USER | USERNAME) printf '%s' "${!2-}"; return ;; esac
    printf '%s' "${!own-}"
}

check_settings() { # what can be seen without Azure: each setting has the form that Azure wants
    local name number='0|[1-9][0-9]*' address='[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?'
    retired_values
    form RESOURCE_GROUP '[-A-Za-z0-9_.()]{0,89}[-A-Za-z0-9_()]' "up to 90 letters, digits, - _ . ( ), no . at the end"
    form LOCATION '([a-z0-9]+)?' "a region as az account list-locations names it, such as westeurope"
    form VM_NAME '[A-Za-z0-9]([-A-Za-z0-9]{0,48}[A-Za-z0-9])?' "up to 50 letters, digits and -"
    form VM_ADMIN_USER '[a-z_][-a-z0-9_]{0,31}' "lower-case letters, digits, - and _"
    case $VM_ADMIN_USER in
        admin | administrator | root | guest | user | user[0-9] | test | test[0-9] | adm | backup | console | david | owner | server | sql | support | sys)
            fail 2 "$settings_file: VM_ADMIN_USER=$VM_ADMIN_USER is a name that Azure does not allow; choose another" ;;
    esac
    form VM_SKU '[A-Za-z0-9_]+' "a size such as Standard_NC4as_T4_v3"
    form VM_IMAGE '[-A-Za-z0-9_.]+(:[-A-Za-z0-9_.]+){3}' "publisher:offer:sku:version"
    form VM_DNS_NAME '([a-z][-a-z0-9]{1,61}[a-z0-9])?' "3 to 63 lower-case letters, digits and -, beginning with a letter"
    form VM_DISK_GB "$number" "a number of gigabytes"
    form VM_SPOT 'yes|no' "yes or no"
    form VM_SPOT_MAX_PRICE '-1|[0-9]+(\.[0-9]{1,5})?' "US dollars an hour, or -1"
    form DRIVER_EXTENSION 'auto|yes|no' "auto, yes or no"
    form SSH_FROM "($address( +$address)*)?" "addresses such as 203.0.113.7 or 203.0.113.0/24, with blanks between them"
    form ADDRESS_SERVICE 'https://[^ ]+' "an https address"
    form AUTO_SHUTDOWN 'none|([01][0-9]|2[0-3])[0-5][0-9]' "a time such as 2200, or none"
    form AUTO_SHUTDOWN_EMAIL '([^ @]+@[^ @]+)?' "an e-mail address"
    form STORAGE_ACCOUNT '([a-z0-9]{3,24})?' "3 to 24 lower-case letters and digits"
    for name in IMAGE_CONTAINER LABEL_CONTAINER; do
        form $name '[a-z0-9](-?[a-z0-9]){2,62}' "3 to 63 lower-case letters, digits and single -"
    done
    [ "$IMAGE_CONTAINER" != "$LABEL_CONTAINER" ] || fail 2 "$settings_file: IMAGE_CONTAINER and LABEL_CONTAINER are the same"
    form REPOSITORY '(https://[-A-Za-z0-9._~/:%+]+)?' "an https address without user and password; private repositories are copied by ssh, see devops/README.md"
    form TAGS '([A-Za-z0-9_.-]+=[A-Za-z0-9_.@:+-]*( +[A-Za-z0-9_.-]+=[A-Za-z0-9_.@:+-]*)*)?' "name=value, with blanks between them"
    [ "$VM_DISK_GB" -ge 64 ] || fail 2 "$settings_file: VM_DISK_GB=$VM_DISK_GB is too small: at least 64, and room for all images"
}

form() { # NAME PATTERN WHAT-IS-ALLOWED
    local pattern="^($2)\$"
    [[ ${!1} =~ $pattern ]] || fail 2 "$settings_file: $1=${!1} is not allowed: $3"
}

retired_values() { # what files of the earlier generation name, and Azure no longer has
    case $VM_IMAGE in
        microsoft-ads:*)
            printf 'note: %s: Azure no longer has VM_IMAGE=%s; taking %s\n' "$settings_file" "$VM_IMAGE" \
                microsoft-dsvm:ubuntu-2204:2204-gen2:latest >&2
            VM_IMAGE=microsoft-dsvm:ubuntu-2204:2204-gen2:latest
            ;;
    esac
    case $VM_SKU in
        Standard_NC6 | Standard_NC6_Promo | Standard_NC12 | Standard_NC12_Promo | Standard_NC24 | Standard_NC24_Promo | Standard_NC6s_v2)
            printf 'note: %s: Azure no longer has VM_SKU=%s; taking %s\n' "$settings_file" "$VM_SKU" Standard_NC4as_T4_v3 >&2
            VM_SKU=Standard_NC4as_T4_v3
            ;;
    esac
}

settings_help() { # a line for each setting
    local name default meaning
    while IFS='|' read -r name default meaning; do
        default=${default%"${default##*[! ]}"}
        case $default in \*) default="(needed)" ;; '') default="(empty)" ;; esac
        [ -z "$name" ] || printf '  %-20s %s\n  %-20s %s\n' "${name%% *}" "$meaning" "" "default: $default"
    done <<<"$SETTINGS"
}
