# shellcheck shell=bash disable=SC2034,SC2154  # variables of the files that belong together
# --delete: removes what this deployment made, which its tag tells, and nothing else.
# Sourced by deploy_dsvm.sh. Works in bash 3.2, as macOS has it.

delete_deployment() {
    local ids names storage_kept="" deleted="" id type name tag
    [ "$group_is_there" = yes ] || { printf 'There is no resource group %s: nothing to delete.\n' "$RESOURCE_GROUP"; return; }
    collect_ours
    if [ "${#ids[@]}" -eq 0 ]; then
        printf '%s has nothing that was made for %s.\n' "$RESOURCE_GROUP" "$VM_NAME"
    else
        printf 'In the resource group %s this will be deleted, with everything on its disk:\n' "$RESOURCE_GROUP"
        printf '    %s\n' "${names[@]}"
        confirm "$VM_NAME"
        prepare_machine
        local index
        for index in "${!ids[@]}"; do
            delete_one "${ids[index]}" "${names[index]}"
        done
    fi
    delete_storage
    delete_group
    [ -z "$storage_kept" ] || printf 'The storage account %s stays, and costs what its contents cost; to delete it with all images and labels: add --with-storage\n' "$storage_kept"
}

collect_ours() { # → $ids and $names, in the order in which Azure lets them go
    local kind
    ids=() names=()
    shopt -s nocasematch
    for kind in virtualMachines schedules networkInterfaces publicIPAddresses networkSecurityGroups virtualNetworks; do
        while IFS=$'\t' read -r id type name tag; do
            [[ $type == */"$kind" ]] || continue
            if [[ $tag == "$VM_NAME" ]] || [[ $kind == schedules && $name == "shutdown-computevm-$VM_NAME" ]]; then
                ids+=("$id")
                names+=("${type#*/} $name")
            fi
        done <<<"$resources"
    done
    shopt -u nocasematch
}

confirm() { # NAME: goes on when it is typed
    [ "$dry_run" = no ] && [ "$yes" = no ] || return 0
    local typed=""
    printf 'Type %s to delete it: ' "$1"
    IFS= read -r typed || true
    [ "${typed%$'\r'}" = "$1" ] || fail 1 "not confirmed: $1 stays as it is"
}

prepare_machine() { # its disk goes with it; its role assignment on the storage account would stay behind
    local principal disk assignment who
    [ "$vm_is_there" = yes ] || return 0
    must_ask_az "the machine cannot be looked at" vm show --resource-group "$RESOURCE_GROUP" --name "$VM_NAME" \
        --query '[identity.principalId, storageProfile.osDisk.managedDisk.id]' --output tsv
    lines_of_answer principal disk
    deleted=$disk$'\n'
    [ "$storage_is_there" = yes ] || return 0
    must_ask_az "the roles on $STORAGE_ACCOUNT cannot be listed" role assignment list --scope "$storage_id" --query '[].[id, principalId]' --output tsv
    while IFS=$'\t' read -r assignment who; do
        [ -z "$assignment" ] || [ "$who" != "$principal" ] || tell_az "role of the machine" role assignment delete --ids "$assignment"
    done <<<"$answer"
}

delete_one() { # ID NAME
    local code=0
    case $2 in
        virtualMachines*) try_az "$2" vm delete --resource-group "$RESOURCE_GROUP" --name "$VM_NAME" --yes || code=$? ;;
        *) try_az "$2" resource delete --ids "$1" || code=$? ;;
    esac
    case $code in
        0 | 3) deleted="$deleted$1"$'\n' ;; # 3: it went with the machine
        *) fail 1 "$2 was not deleted: $az_error; run the same command again" ;;
    esac
}

delete_storage() { # labels cannot be made again: only when asked for, and only if we made it
    [ -n "$STORAGE_ACCOUNT" ] && [ -n "$(owner_of Microsoft.Storage/storageAccounts "$STORAGE_ACCOUNT")" ] || return 0
    if [ "$(owner_of Microsoft.Storage/storageAccounts "$STORAGE_ACCOUNT")" = others ]; then
        [ "$with_storage" = no ] || printf 'The storage account %s was not made by this script, and stays.\n' "$STORAGE_ACCOUNT"
    elif [ "$with_storage" = no ]; then
        storage_kept=$STORAGE_ACCOUNT
    else
        printf 'The storage account %s holds images, labels and models; after this they are gone.\n' "$STORAGE_ACCOUNT"
        confirm "$STORAGE_ACCOUNT"
        tell_az "storage account $STORAGE_ACCOUNT" storage account delete --resource-group "$RESOURCE_GROUP" --name "$STORAGE_ACCOUNT" --yes
        deleted="$deleted$storage_id"$'\n'
    fi
}

delete_group() { # if we made it, and nothing is left in it
    local rest=""
    [ "$group_is_ours" = yes ] || { printf 'The resource group %s was there before, and stays.\n' "$RESOURCE_GROUP"; return 0; }
    read_resources
    while IFS=$'\t' read -r id type name tag; do
        case $'\n'$deleted in *$'\n'"$id"$'\n'*) ;; *) [ -z "$id" ] || rest="$rest $name" ;; esac
    done <<<"$resources"
    if [ -n "$rest" ]; then
        printf 'The resource group %s stays, because of:%s\n' "$RESOURCE_GROUP" "$rest"
    else
        tell_az "resource group $RESOURCE_GROUP" group delete --name "$RESOURCE_GROUP" --yes
    fi
}
