#!/usr/bin/env bash
# Makes a GPU machine on Azure, and what it needs: bash devops/dsvm/deploy_dsvm.sh devops/dsvm/config/dsvm_config.sh
#
#   --dry-run         checks everything, and prints each az command instead of changing anything
#   --delete          removes what was made, after asking; the storage account stays
#   --with-storage    with --delete: removes the storage account too, with all images and labels
#   --yes             with --delete: does not ask
#
# Run it again at any time: what is there stays, what is missing is made, port 22 follows your address.
# devops/README.md tells the rest. The settings, as NAME=value lines in the file:
# shellcheck disable=SC2034,SC2153,SC2154  # variables of the files that belong together
if [ -z "${BASH_VERSION-}" ]; then exec bash "$0" "$@"; fi # started with sh
set +o posix
set -euo pipefail
LC_COLLATE=C # [a-z] means small letters

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)

fail() { # EXIT-CODE MESSAGE: 2 for what the user gave, 1 for everything else
    printf 'deploy_dsvm.sh: %s\n' "$2" >&2
    exit "$1"
}

# shellcheck source=/dev/null
{
    . "$here/settings.sh"
    . "$here/azure.sh"
    . "$here/checks.sh"
    . "$here/delete.sh"
}

help() {
    local line
    while IFS= read -r line; do
        case $line in
            '#!'* | '# shellcheck'*) ;;
            '#'*) line=${line#\#}; printf '%s\n' "${line# }" ;;
            *) break ;;
        esac
    done <"$here/deploy_dsvm.sh"
    settings_help
}

main() {
    local config="" delete=no
    yes=no with_storage=no
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help) help; exit 0 ;;
            --dry-run) dry_run=yes ;;
            --delete) delete=yes ;;
            --with-storage) with_storage=yes ;;
            --yes) yes=yes ;;
            -*) fail 2 "unknown option $1; --help shows what there is" ;;
            *) [ -z "$config" ] || fail 2 "one settings file, not $config and $1"; config=$1 ;;
        esac
        shift
    done
    [ -n "$config" ] || fail 2 "no settings file given; for example: bash devops/dsvm/deploy_dsvm.sh devops/dsvm/config/dsvm_config.sh"
    read_settings "$config"
    check_settings
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/deploy-dsvm.XXXXXX") || fail 1 "no folder can be made in ${TMPDIR:-/tmp}"
    trap 'rm -rf "$scratch"' EXIT
    find_az
    [ "$delete" = yes ] || check_key
    check_login
    check_group
    check_names
    if [ "$delete" = yes ]; then
        find_storage
        delete_deployment
    else
        deploy "$config"
    fi
}

deploy() { # SETTINGS-FILE
    local tags problem="" machine="machine $VM_NAME"
    [ -n "$LOCATION" ] || fail 2 "the resource group $RESOURCE_GROUP does not exist; write into $1 where to make it, for example: LOCATION=westeurope"
    check_machine
    if [ "$vm_is_there" = no ]; then
        check_size
        check_image
        check_dns_name
    fi
    check_storage
    check_address
    read -ra tags <<<"activelearning=$VM_NAME $TAGS"
    [ "$dry_run" = yes ] || printf 'Subscription %s, region %s, resource group %s\n' "$subscription_name" "$LOCATION" "$RESOURCE_GROUP"

    [ "$group_is_there" = yes ] ||
        tell_az "resource group $RESOURCE_GROUP" group create --name "$RESOURCE_GROUP" --location "$LOCATION" --tags "${tags[@]}"
    make_storage
    make_network_rule
    [ "$vm_is_there" = yes ] || make_machine
    make_shutdown
    make_driver
    give_roles
    if [ "$dry_run" = yes ]; then printf '# nothing was changed\n'; else closing_words "$1"; fi
    [ -z "$problem" ] || fail 1 "$problem"
}

make_storage() {
    local container
    [ -n "$STORAGE_ACCOUNT" ] || return 0
    [ "$storage_is_there" = yes ] ||
        tell_az "storage account $STORAGE_ACCOUNT" storage account create --resource-group "$RESOURCE_GROUP" --name "$STORAGE_ACCOUNT" \
            --location "$LOCATION" --kind StorageV2 --sku Standard_LRS --https-only true --min-tls-version TLS1_2 \
            --allow-blob-public-access false --tags "${tags[@]}"
    # container-rm asks Azure's management, for which no key and no role on the data is needed; what is there stays
    for container in "$IMAGE_CONTAINER" "$LABEL_CONTAINER"; do
        tell_az "container $container" storage container-rm create --storage-account "$storage_id" --name "$container"
    done
}

make_network_rule() { # before the machine, so that it is never open to everybody
    local nsg=$VM_NAME-nsg
    [ -n "$(owner_of Microsoft.Network/networkSecurityGroups "$nsg")" ] ||
        tell_az "network security group $nsg" network nsg create --resource-group "$RESOURCE_GROUP" --name "$nsg" --location "$LOCATION" --tags "${tags[@]}"
    tell_az "port 22 for ${ssh_from[*]} only" network nsg rule create --resource-group "$RESOURCE_GROUP" --nsg-name "$nsg" --name ssh \
        --priority 1000 --direction Inbound --access Allow --protocol Tcp --destination-port-ranges 22 \
        --source-address-prefixes "${ssh_from[@]}"
}

make_machine() {
    local command
    command=(vm create --resource-group "$RESOURCE_GROUP" --name "$VM_NAME" --location "$LOCATION" --image "$VM_IMAGE" --size "$VM_SKU"
        --admin-username "$VM_ADMIN_USER" --authentication-type ssh --ssh-key-values "$(path_for_az "$VM_SSH_KEY")"
        --assign-identity '[system]' --nsg "$VM_NAME-nsg" --vnet-name "$VM_NAME-vnet" --subnet default
        --public-ip-address "$VM_NAME-ip" --public-ip-sku Standard
        --os-disk-size-gb "$VM_DISK_GB" --storage-sku StandardSSD_LRS --os-disk-delete-option Delete --nic-delete-option Delete
        --tags "${tags[@]}")
    [ "${#security[@]}" -eq 0 ] || command+=("${security[@]}")
    [ -z "$VM_DNS_NAME" ] || command+=(--public-ip-address-dns-name "$VM_DNS_NAME")
    [ "$VM_SPOT" = no ] || command+=(--priority Spot --max-price "$VM_SPOT_MAX_PRICE" --eviction-policy Deallocate)
    if [ -n "$REPOSITORY" ]; then
        write_cloud_init >"$scratch/cloud-init.yaml"
        command+=(--custom-data "$(path_for_az "$scratch/cloud-init.yaml")")
    fi
    tell_az "$machine, $VM_SKU (some minutes)" "${command[@]}"
}

write_cloud_init() { # the template with what stands between two @ filled in
    local line options word setup
    setup=$(base64 <"$here/setup-tensorflow.sh" | tr -d '\r\n')
    options="--repository, \"$REPOSITORY\", --wait-for-driver, \"60\""
    if [ -n "$STORAGE_ACCOUNT" ]; then
        for word in --account "$STORAGE_ACCOUNT" --image-container "$IMAGE_CONTAINER" --label-container "$LABEL_CONTAINER"; do
            options="$options, \"$word\""
        done
    fi
    while IFS= read -r line; do
        case $line in *@SETUP@*) line=${line%%@SETUP@*}$setup${line#*@SETUP@} ;; esac
        case $line in *@USER@*) line=${line%%@USER@*}$VM_ADMIN_USER${line#*@USER@} ;; esac
        case $line in *@OPTIONS@*) line=${line%%@OPTIONS@*}$options${line#*@OPTIONS@} ;; esac
        printf '%s\n' "$line"
    done <"$here/cloud-init.yaml"
}

make_shutdown() {
    local command=(vm auto-shutdown --resource-group "$RESOURCE_GROUP" --name "$VM_NAME")
    if [ "$AUTO_SHUTDOWN" != none ]; then
        command+=(--location "$LOCATION" --time "$AUTO_SHUTDOWN")
        [ -z "$AUTO_SHUTDOWN_EMAIL" ] || command+=(--email "$AUTO_SHUTDOWN_EMAIL")
        tell_az "shutdown every day at $AUTO_SHUTDOWN UTC" "${command[@]}"
    elif [ -n "$(owner_of Microsoft.DevTestLab/schedules "shutdown-computevm-$VM_NAME")" ]; then
        tell_az "no more shutdown every day" "${command[@]}" --off
    fi
}

make_driver() { # Azure takes an extension only while the machine runs
    [ "$DRIVER_EXTENSION" = yes ] || { [ "$DRIVER_EXTENSION" = auto ] && [ "${VM_IMAGE%%:*}" != microsoft-dsvm ]; } || return 0
    case $vm_driver in *Succeeded*) return ;; esac
    if [ "$vm_is_there" = yes ] && [ "$vm_power" != "VM running" ]; then
        printf "note: %s does not run, so NVIDIA's driver is not installed now; start it and run this again\n" "$VM_NAME" >&2
        return
    fi
    tell_az "NVIDIA's driver (some minutes)" vm extension set --resource-group "$RESOURCE_GROUP" --vm-name "$VM_NAME" \
        --publisher Microsoft.HpcCompute --name NvidiaGpuDriverLinux
}

give_roles() { # the machine and you read and write images and labels; no key lies anywhere
    local principal="<the identity of $VM_NAME>"
    [ -n "$STORAGE_ACCOUNT" ] || return 0
    if [ "$dry_run" = no ]; then
        must_ask_az "the machine cannot be looked at" vm show --resource-group "$RESOURCE_GROUP" --name "$VM_NAME" \
            --query 'identity.principalId' --output tsv
        principal=$answer
    fi
    give_role "$principal" ServicePrincipal "the machine may use $STORAGE_ACCOUNT"
    if ask_az ad signed-in-user show --query id --output tsv; then # there is none when a service principal is logged in
        give_role "$answer" User "you may use $STORAGE_ACCOUNT"
    fi
}

give_role() { # PRINCIPAL-ID TYPE WHAT
    local role="Storage Blob Data Contributor" command
    if [ "$storage_is_there" = yes ]; then
        must_ask_az "the roles on $STORAGE_ACCOUNT cannot be listed" role assignment list --scope "$storage_id" --role "$role" --query '[].principalId' --output tsv
        case $'\n'$answer$'\n' in *$'\n'"$1"$'\n'*) return ;; esac
    fi
    command=(role assignment create --assignee-object-id "$1" --assignee-principal-type "$2" --role "$role" --scope "$storage_id")
    try_az "$3" "${command[@]}" ||
        problem="the machine is there, but: $az_error; somebody who may give roles there (owner of the account) runs: az $(quoted "${command[@]}" --subscription "$subscription_id")"
}

closing_words() { # SETTINGS-FILE → how to reach the machine, what costs money, what comes next
    local host address power key ssh setup
    must_ask_az "the machine cannot be looked at" vm show --resource-group "$RESOURCE_GROUP" --name "$VM_NAME" --show-details \
        --query '[publicIps, fqdns, powerState]' --output tsv
    lines_of_answer address host power
    host=${host:-$address}
    key=""
    case $VM_SSH_KEY in *.pub) key="-i $(quoted "${VM_SSH_KEY%.pub}") " ;; esac
    ssh="ssh $key-o StrictHostKeyChecking=accept-new $VM_ADMIN_USER@$host"
    setup="bash active-learning-detect/devops/dsvm/setup-tensorflow.sh"
    [ -z "$STORAGE_ACCOUNT" ] || setup="$setup --account $STORAGE_ACCOUNT --image-container $IMAGE_CONTAINER --label-container $LABEL_CONTAINER"
    setup="mkdir -p active-learning-detect && tar -x -C active-learning-detect && $setup"
    local az
    az=$(quoted --resource-group "$RESOURCE_GROUP" --name "$VM_NAME" --subscription "$subscription_id")
    printf '\nThe machine %s is there (%s):\n    %s\n' "$VM_NAME" "${power:-state unknown}" "$ssh"
    printf '\nWhat costs money (https://azure.microsoft.com/pricing/details/virtual-machines/linux/):\n'
    printf '    the machine (%s%s) as long as it is not deallocated; sudo shutdown does not end it\n' "$VM_SKU" "$([ "$VM_SPOT" = no ] || printf ', spot')"
    printf '    its disk and its public address, also while it is stopped, until they are deleted\n'
    [ -z "$STORAGE_ACCOUNT" ] || printf '    the storage account %s: what lies in it\n' "$STORAGE_ACCOUNT"
    if [ "$AUTO_SHUTDOWN" = none ]; then printf '    it runs until you stop it: there is no daily shutdown\n'; else printf '    every day at %s UTC it is deallocated; it does not start by itself\n' "$AUTO_SHUTDOWN"; fi
    printf '    stop:    az vm deallocate %s\n    start:   az vm start %s\n' "$az" "$az"
    printf '    remove:  bash %s %s --delete\n' "$(quoted "$here/deploy_dsvm.sh")" "$(quoted "$1")"
    printf '\nNext, '
    if [ -n "$REPOSITORY" ]; then
        printf 'wait until the toolkit is set up on it:\n    %s "cloud-init status --wait; tail -n 20 /var/log/cloud-init-output.log"\n' "$ssh"
    else
        printf 'copy the toolkit to it and set it up (a quarter of an hour):\n    %s | %s "%s"\n' "$(pack)" "$ssh" "$setup"
    fi
}

pack() { # prints the command that packs this repository: what is committed, or all of it where there is no git
    if git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
        printf 'git -C %s archive HEAD' "$(quoted "$root")"
    else
        printf 'tar -c -C %s --exclude ./.venv --exclude ./data --exclude ./demo .' "$(quoted "$root")"
    fi
}

main "$@"
