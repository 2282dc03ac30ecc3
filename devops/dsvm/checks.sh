# shellcheck shell=bash disable=SC2034,SC2154  # variables of the files that belong together
# What is looked at before the first change; each check that fails is one line that says what to do.
# Sourced by deploy_dsvm.sh. Works in bash 3.2, as macOS has it.

group_is_there=no
group_is_ours=no
resources=""         # of the group, a line each: id, type, name, the deployment it belongs to
vm_is_there=no
vm_power=""          # "VM running" or what else Azure says
vm_driver=""         # a list with the state of NVIDIA's driver extension, or null
storage_id=""
storage_is_there=no
security=()          # options of az vm create

check_login() {
    ask_az version --output tsv || fail 1 "az does not work ($az_error); in WSL, install the Linux az inside WSL: https://learn.microsoft.com/cli/azure/install-azure-cli"
    local state command=(account show --query '[id, name, state]' --output tsv)
    [ -z "$SUBSCRIPTION" ] || command+=(--subscription "$SUBSCRIPTION")
    if ! ask_az "${command[@]}"; then
        case $az_error in
            *"az login"*) fail 1 "az is not logged in; run: az login" ;;
            *) fail 1 "no subscription ${SUBSCRIPTION:-to work in} ($az_error); az account list --output table shows yours" ;;
        esac
    fi
    lines_of_answer subscription_id subscription_name state
    [ "$state" = Enabled ] || fail 1 "the subscription $subscription_name is $state; choose another with SUBSCRIPTION=… (az account list --output table)"
}

check_key() {
    local first private
    case $VM_SSH_KEY in [A-Za-z]:[/\\]*) [ "$here_is_windows" = no ] || VM_SSH_KEY=$(cygpath -u "$VM_SSH_KEY") ;; esac
    private=${VM_SSH_KEY%.pub}
    [ -f "$VM_SSH_KEY" ] || fail 2 "there is no key file VM_SSH_KEY=$VM_SSH_KEY; make it with: ssh-keygen -t rsa -b 4096 -f $(quoted "$private")"
    IFS= read -r first <"$VM_SSH_KEY" || true
    case $first in
        ssh-rsa\ * | ssh-ed25519\ *) ;;
        *PRIVATE\ KEY*) fail 2 "VM_SSH_KEY=$VM_SSH_KEY is the private key, which must never leave your machine; name the public one, $VM_SSH_KEY.pub" ;;
        *) fail 2 "VM_SSH_KEY=$VM_SSH_KEY is not a public key that Azure takes (ssh-rsa or ssh-ed25519); make one with: ssh-keygen -t rsa -b 4096 -f $(quoted "$private")" ;;
    esac
}

check_group() { # where everything lies, and what lies there already
    local location="" tag="" code=0
    ask_az group show --name "$RESOURCE_GROUP" --query '[location, tags.activelearning]' --output tsv || code=$?
    case $code in
        0)
            group_is_there=yes
            lines_of_answer location tag
            [ -z "$tag" ] || group_is_ours=yes
            LOCATION=${LOCATION:-$location}
            read_resources
            ;;
        3) ;;
        *) fail 1 "the resource group $RESOURCE_GROUP cannot be looked at: $az_error" ;;
    esac
}

read_resources() {
    must_ask_az "the resources of $RESOURCE_GROUP cannot be listed" resource list --resource-group "$RESOURCE_GROUP" \
        --query '[].[id, type, name, tags.activelearning]' --output tsv
    resources=$answer
}

owner_of() { # TYPE NAME → prints the deployment it belongs to, "others", or nothing when there is no such thing
    local id type name tag
    shopt -s nocasematch
    while IFS=$'\t' read -r id type name tag; do
        if [[ $type == "$1" && $name == "$2" ]]; then
            [ "$tag" != None ] || tag=others
            printf '%s' "${tag:-others}"
            break
        fi
    done <<<"$resources"
    shopt -u nocasematch
}

check_names() { # nothing of somebody else's is touched
    local kind owner
    for kind in "Microsoft.Compute/virtualMachines $VM_NAME" "Microsoft.Network/networkSecurityGroups $VM_NAME-nsg" \
        "Microsoft.Network/publicIPAddresses $VM_NAME-ip" "Microsoft.Network/virtualNetworks $VM_NAME-vnet"; do
        owner=$(owner_of "${kind% *}" "${kind#* }")
        case $owner in
            "" | "$VM_NAME") ;;
            *) fail 2 "$RESOURCE_GROUP has a ${kind% *} ${kind#* } that this script did not make; choose another VM_NAME" ;;
        esac
    done
    [ -z "$(owner_of Microsoft.Compute/virtualMachines "$VM_NAME")" ] || vm_is_there=yes
}

check_machine() { # → $vm_power and $vm_driver, if it is there; what a failed az vm create leaves is no machine
    local state machine
    [ "$vm_is_there" = yes ] || return 0
    must_ask_az "the machine cannot be looked at" vm show --resource-group "$RESOURCE_GROUP" --name "$VM_NAME" --show-details \
        --query "[provisioningState, powerState, to_string(resources[?name=='NvidiaGpuDriverLinux'].provisioningState)]" --output tsv
    lines_of_answer state vm_power vm_driver
    [ "$state" = Failed ] || return 0
    machine=$(quoted --resource-group "$RESOURCE_GROUP" --name "$VM_NAME" --subscription "$subscription_id")
    [ "$vm_power" = "VM running" ] ||
        fail 1 "the machine $VM_NAME is in Azure's state Failed and does not run; az vm start $machine tries it again; if nothing of yours is on it yet, remove it and run this again: az vm delete $machine --yes"
    printf 'note: the last thing that Azure did with %s failed; if ssh does not reach it, remove it and run this again: az vm delete %s --yes\n' "$VM_NAME" "$machine" >&2
}

check_size() { # the size exists in the region for this subscription, and the quota has room for it
    local family restrictions cpus
    must_ask_az "the sizes in $LOCATION cannot be listed" vm list-skus --location "$LOCATION" --size "$VM_SKU" --resource-type virtualMachines --all \
        --query "[?name=='$VM_SKU'].[family, to_string(restrictions[?type=='Location'].reasonCode), join(',', capabilities[?name=='vCPUs'].value)]" \
        --output tsv
    IFS=$'\t' read -r family restrictions cpus <<<"$answer"
    [ -n "$family" ] || fail 2 "the size VM_SKU=$VM_SKU is not offered in LOCATION=$LOCATION; choose from: az vm list-skus --location $LOCATION --size Standard_N --output table"
    case $restrictions in
        '' | '[]' | null) ;;
        *) fail 2 "the size VM_SKU=$VM_SKU is closed to your subscription in $LOCATION; choose another LOCATION or VM_SKU, or ask for it: https://aka.ms/azureskunotavailable" ;;
    esac
    must_ask_az "the quota in $LOCATION cannot be read" vm list-usage --location "$LOCATION" \
        --query '[].[name.value, currentValue, limit]' --output tsv
    if [ "$VM_SPOT" = yes ]; then
        check_quota lowPriorityCores "spot machines" "$cpus"
    else
        check_quota "$family" "the family $family" "$cpus"
        check_quota cores "all machines together" "$cpus"
    fi
}

check_quota() { # NAME WHAT NEEDED
    local name used limit
    shopt -s nocasematch
    while IFS=$'\t' read -r name used limit; do
        if [[ $name == "$1" ]] && [ $((limit - used)) -lt "$3" ]; then
            shopt -u nocasematch
            fail 1 "the quota for $2 in $LOCATION allows $limit vCPUs, $used are used, and $VM_SKU needs $3; ask for more (free, often granted within minutes): https://portal.azure.com/#view/Microsoft_Azure_Capacity/QuotaMenuBlade/~/myQuotas"
        fi
    done <<<"$answer"
    shopt -u nocasematch
}

check_image() { # it exists in the region, and its terms are accepted
    local generation plan features
    ask_az vm image show --location "$LOCATION" --urn "$VM_IMAGE" \
        --query "[hyperVGeneration, plan.name, to_string(features[?name=='SecurityType'].value)]" --output tsv ||
        fail 2 "the image VM_IMAGE=$VM_IMAGE cannot be had in $LOCATION ($az_error); take VM_IMAGE=Canonical:ubuntu-24_04-lts:server:latest"
    lines_of_answer generation plan features
    # NVIDIA's driver is not signed for secure boot, which Azure switches on where the image allows it
    security=()
    case $features in *TrustedLaunch*) security=(--security-type TrustedLaunch --enable-secure-boot false --enable-vtpm true) ;; esac
    [ "$generation" != V1 ] || printf 'note: %s is a first-generation image; newer sizes need the second\n' "$VM_IMAGE" >&2
    [ -n "$plan" ] || return 0
    must_ask_az "the terms of $VM_IMAGE cannot be read" vm image terms show --urn "$VM_IMAGE" --query accepted --output tsv
    [ "$answer" = true ] || fail 1 "the image has terms that you must accept once; run: az vm image terms accept --urn $VM_IMAGE --subscription $subscription_id"
}

check_dns_name() { # nobody else in the region has it
    [ -n "$VM_DNS_NAME" ] && [ -z "$(owner_of Microsoft.Network/publicIPAddresses "$VM_NAME-ip")" ] || return 0
    must_ask_az "the name $VM_DNS_NAME cannot be checked" rest --method get \
        --url "https://management.azure.com/subscriptions/$subscription_id/providers/Microsoft.Network/locations/$LOCATION/CheckDnsNameAvailability" \
        --url-parameters "domainNameLabel=$VM_DNS_NAME" api-version=2023-11-01 --query available --output tsv
    [ "$answer" = true ] || fail 2 "VM_DNS_NAME=$VM_DNS_NAME is taken in $LOCATION; choose another, or leave it out"
}

find_storage() { # → $storage_id and $storage_is_there; the account may lie in any group of the subscription
    [ -n "$STORAGE_ACCOUNT" ] || return 0
    storage_id="/subscriptions/$subscription_id/resourceGroups/$RESOURCE_GROUP/providers/Microsoft.Storage/storageAccounts/$STORAGE_ACCOUNT"
    must_ask_az "the storage accounts cannot be listed" storage account list --query "[?name=='$STORAGE_ACCOUNT'].[id, name]" --output tsv
    if [ -n "$answer" ]; then
        storage_is_there=yes
        storage_id=${answer%%$'\t'*}
    fi
}

check_storage() { # the account is there, or its name is free
    local available reason
    find_storage
    [ -n "$STORAGE_ACCOUNT" ] && [ "$storage_is_there" = no ] || return 0
    must_ask_az "the name $STORAGE_ACCOUNT cannot be checked" storage account check-name --name "$STORAGE_ACCOUNT" \
        --query '[nameAvailable, message]' --output tsv
    lines_of_answer available reason
    [ "$available" = true ] || fail 2 "STORAGE_ACCOUNT=$STORAGE_ACCOUNT cannot be had ($reason); choose another name"
}

check_address() { # port 22 is opened for these only
    local found="" pattern='^[0-9]{1,3}(\.[0-9]{1,3}){3}$'
    if [ -z "$SSH_FROM" ]; then
        found=$(curl -fsS --max-time 20 "$ADDRESS_SERVICE" 2>/dev/null) || found=$(wget -qO- --timeout=20 --tries=1 "$ADDRESS_SERVICE" 2>/dev/null) || found=""
        found=${found//[$' \t\r\n']/}
        [[ $found =~ $pattern ]] || fail 1 "$ADDRESS_SERVICE does not say what your address is; write it into $settings_file: SSH_FROM=… (any page that shows your IPv4 address tells it)"
        SSH_FROM=$found
    fi
    read -ra ssh_from <<<"$SSH_FROM"
}
