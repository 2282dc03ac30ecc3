# shellcheck shell=bash disable=SC2034
# What deploy_dsvm.sh makes. One NAME=value a line; the file is read, never executed. Files of the earlier generation work as they are.
# Leave out what you do not need to change: bash devops/dsvm/deploy_dsvm.sh --help lists every setting with its default.

# Where: a name of your choice; the group is made if it does not exist (then in LOCATION)
RESOURCE_GROUP=active-learning
LOCATION=westeurope

# The machine
VM_NAME=active-learning-gpu
VM_ADMIN_USER=azureuser
VM_SSH_KEY=~/.ssh/act-learn-key.pub
VM_SKU=Standard_NC4as_T4_v3
# Its name on the internet: <VM_DNS_NAME>.<LOCATION>.cloudapp.azure.com. Empty: it has an address only
VM_DNS_NAME=
# yes: a fraction of the price, but Azure may take the machine away at any moment (the disk stays, training goes on afterwards)
VM_SPOT=no
# Every day at this time (UTC, HHMM) the machine is stopped, and costs nothing but its disk and address. none: never
AUTO_SHUTDOWN=2200

# Images and labels: a name that nobody else in the world uses, 3 to 24 lower-case letters and digits. Empty: no storage account
STORAGE_ACCOUNT=
