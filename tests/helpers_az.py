"""A stand-in for `az`: records each call, keeps a subscription, and answers like the real one.

The shapes of the answers, the exit codes (1 failed, 2 wrong arguments, 3 there is no such thing)
and the tab-separated output are those of azure-cli 2.91; --query is JMESPath as there. An opt-in
test in test_deploy.py checks the commands' arguments against the real parser. The program on PATH
is a few lines of bash that hand the words to a server in the test's process: a Python for each call
takes far longer.
"""

import json
import socketserver
import threading
from pathlib import Path

import jmespath

DETAILS = ("powerState", "publicIps", "fqdns")  # that az vm show gives with --show-details only
SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
USER = "99999999-0000-0000-0000-000000000001"


def new_state() -> dict:
    """A subscription in which everything that deploy_dsvm.sh asks for can be had, and nothing is
    there yet.
    """
    return {
        "logged_in": True,
        "subscription_state": "Enabled",
        "user": True,
        "groups": {},
        "resources": {},
        "roles": [],
        "skus": [
            sku("Standard_NC4as_T4_v3", "standard NCASv3_T4 Family", 4),
            sku("Standard_NC6s_v3", "standardNCSv3Family", 6),
        ],
        "usage": {
            "cores": [10, 100],
            "Standard NCASv3_T4 Family": [0, 8],
            "standardNCSv3Family": [0, 0],
            "lowPriorityCores": [0, 3],
        },
        "images": {
            "microsoft-dsvm:ubuntu-2204:2204-gen2": image("TrustedLaunchSupported"),
            "Canonical:ubuntu-24_04-lts:server": image("TrustedLaunchAndConfidentialVmSupported"),
            "nvidia:ngc:gpu": {
                **image(None),
                "plan": {"name": "gpu", "product": "ngc", "publisher": "nvidia"},
            },
        },
        "terms": [],
        "taken_names": ["taken"],
        "fail": (
            None
            # or [command, error]: it fails and changes nothing; with a power state: vm_create
            # leaves a machine in that state
        ),
    }


def sku(name: str, family: str, cpus: int, restricted: str | None = None) -> dict:
    restrictions = (
        [
            {
                "type": restricted,
                "reasonCode": "NotAvailableForSubscription",
                "values": ["westeurope"],
                "restrictionInfo": {"locations": ["westeurope"]},
            }
        ]
        if restricted
        else []
    )
    return {
        "name": name,
        "family": family,
        "resourceType": "virtualMachines",
        "locations": ["westeurope"],
        "restrictions": restrictions,
        "capabilities": [
            {"name": "vCPUs", "value": str(cpus)},
            {"name": "HyperVGenerations", "value": "V1,V2"},
        ],
    }


def image(security: str | None) -> dict:
    features = [{"name": "IsAcceleratedNetworkSupported", "value": "True"}]
    return {
        "hyperVGeneration": "V2",
        "plan": None,
        "architecture": "x64",
        "features": features + [{"name": "SecurityType", "value": security}] if security else None,
    }


class Failure(Exception):
    """What az prints after ERROR:, with its exit code."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class Azure:
    """The commands, named like az's with _ for blanks; `o`: the options, each a list of words."""

    def __init__(self, state: dict):
        self.state = state

    def version(self, o):
        return {
            "azure-cli": "2.91.0",
            "azure-cli-core": "2.91.0",
            "azure-cli-telemetry": "1.1.0",
            "extensions": {},
        }

    def account_show(self, o):
        if not self.state["logged_in"]:
            raise Failure(1, "Please run 'az login' to setup account.")
        wanted = one(o, "subscription", SUBSCRIPTION)
        if wanted not in (SUBSCRIPTION, "Seals"):
            raise Failure(1, f"The subscription of '{wanted}' doesn't exist in cloud 'AzureCloud'.")
        return {
            "id": SUBSCRIPTION,
            "name": "Seals",
            "state": self.state["subscription_state"],
            "isDefault": True,
            "user": {"name": "ann@example.org", "type": "user"},
        }

    def ad_signed_in_user_show(self, o):
        if not self.state["user"]:
            raise Failure(1, "/me request is only valid with delegated authentication flow.")
        return {"id": USER, "displayName": "Ann"}

    def group_show(self, o):
        name = one(o, "name")
        if name not in self.state["groups"]:
            raise Failure(3, f"(ResourceGroupNotFound) Resource group '{name}' could not be found.")
        return {"name": name, **self.state["groups"][name]}

    def group_create(self, o):
        self.state["groups"][one(o, "name")] = {
            "location": one(o, "location"),
            "tags": tags(o),
            "properties": {"provisioningState": "Succeeded"},
        }
        return self.group_show(o)

    def group_delete(self, o):
        del self.state["groups"][one(o, "name")]

    def resource_list(self, o):
        group = self.group_show({"name": o["resource-group"]})["name"]
        return [item for item in self.state["resources"].values() if item["resourceGroup"] == group]

    def resource_delete(self, o):
        # Azure answers 204 when it is gone already
        self.state["resources"].pop(one(o, "ids"), None)

    def vm_list_skus(self, o):
        return [
            item
            for item in self.state["skus"]
            if one(o, "size").lower() in item["name"].lower()
            and one(o, "location") in item["locations"]
        ]

    def vm_list_usage(self, o):
        return [
            {
                "name": {"value": name, "localizedValue": f"{name} vCPUs"},
                "localName": f"{name} vCPUs",
                "currentValue": str(used),
                "limit": str(limit),
                "unit": "Count",
            }
            for name, (used, limit) in self.state["usage"].items()
        ]

    def vm_image_show(self, o):
        urn = one(o, "urn")
        found = self.state["images"].get(urn.rpartition(":")[0])
        if found is None:
            raise Failure(1, f"(NotFound) Artifact: VMImage was not found: {urn}")
        return found

    def vm_image_terms_show(self, o):
        return {
            "accepted": one(o, "urn") in self.state["terms"],
            "plan": "gpu",
            "publisher": "nvidia",
            "product": "ngc",
        }

    def rest(self, o):
        return {"available": "domainNameLabel=taken" not in o["url-parameters"]}

    def storage_account_list(self, o):
        return [
            item
            for item in self.state["resources"].values()
            if item["type"] == "Microsoft.Storage/storageAccounts"
        ]

    def storage_account_check_name(self, o):
        name = one(o, "name")
        taken = name in self.state["taken_names"]
        return {
            "nameAvailable": not taken,
            "reason": "AlreadyExists" if taken else None,
            "message": f"The storage account named {name} is already taken." if taken else None,
        }

    def storage_account_create(self, o):
        return self.make("Microsoft.Storage/storageAccounts", o, containers=[])

    def storage_account_delete(self, o):
        del self.state["resources"][self.id_of("Microsoft.Storage/storageAccounts", o)]

    def storage_container_rm_create(self, o):
        account = self.state["resources"][one(o, "storage-account")]
        account["containers"] = sorted({*account["containers"], one(o, "name")})
        return {"name": one(o, "name"), "publicAccess": None}

    def network_nsg_create(self, o):
        return {"NewNSG": self.make("Microsoft.Network/networkSecurityGroups", o, rules={})}

    def network_nsg_rule_create(self, o):
        nsg = self.state["resources"][
            self.id_of("Microsoft.Network/networkSecurityGroups", {**o, "name": o["nsg-name"]})
        ]
        nsg["rules"][one(o, "name")] = {
            "from": o["source-address-prefixes"],
            "port": one(o, "destination-port-ranges"),
        }
        return nsg["rules"]

    def vm_create(self, o):
        name = one(o, "name")
        disk = self.make(
            "Microsoft.Compute/disks",
            {**o, "name": [f"{name}_disk1_0123"], "tags": []},
            deleteWith=name,
        )
        for kind, called in (
            ("virtualNetworks", one(o, "vnet-name")),
            ("publicIPAddresses", one(o, "public-ip-address")),
        ):
            if (
                self.id_of(f"Microsoft.Network/{kind}", {**o, "name": [called]})
                not in self.state["resources"]
            ):
                self.make(f"Microsoft.Network/{kind}", {**o, "name": [called]})
        self.make(
            "Microsoft.Network/networkInterfaces", {**o, "name": [f"{name}VMNic"]}, deleteWith=name
        )
        dns = one(o, "public-ip-address-dns-name", "")
        return self.make(
            "Microsoft.Compute/virtualMachines",
            o,
            size=one(o, "size"),
            identity={"principalId": f"identity-of-{name}"},
            storageProfile={"osDisk": {"managedDisk": {"id": disk["id"]}}},
            powerState="VM running",
            publicIps="203.0.113.99",
            resources=None,
            fqdns=dns and f"{dns}.westeurope.cloudapp.azure.com",
            key=read(o, "ssh-key-values"),
            customData=read(o, "custom-data"),
        )

    def vm_show(self, o):
        found = self.state["resources"].get(self.id_of("Microsoft.Compute/virtualMachines", o))
        if found is None:
            raise Failure(
                3,
                "(ResourceNotFound) The Resource"
                f" 'Microsoft.Compute/virtualMachines/{one(o, 'name')}' was not found.",
            )
        return (
            found
            if "show-details" in o
            else {name: value for name, value in found.items() if name not in DETAILS}
        )

    def vm_delete(self, o):
        gone = self.state["resources"].pop(self.vm_show(o)["id"])
        for key in [
            key
            for key, item in self.state["resources"].items()
            if item.get("deleteWith") == gone["name"]
        ]:
            del self.state["resources"][key]

    def vm_auto_shutdown(self, o):
        schedule = {**o, "name": [f"shutdown-computevm-{one(o, 'name')}"], "tags": []}
        if "off" in o:
            self.resource_delete({"ids": [self.id_of("microsoft.devtestlab/schedules", schedule)]})
            return None
        return self.make(
            "microsoft.devtestlab/schedules", schedule, dailyRecurrence={"time": one(o, "time")}
        )

    def vm_extension_set(self, o):
        machine = self.vm_show({**o, "name": o["vm-name"], "show-details": []})
        if machine["powerState"] != "VM running":
            raise Failure(
                1,
                "(OperationNotAllowed) Cannot modify extensions in the VM when the VM is not"
                " running.",
            )
        machine["resources"] = [{"name": one(o, "name"), "provisioningState": "Succeeded"}]

    def role_assignment_list(self, o):
        return [
            role
            for role in self.state["roles"]
            if role["scope"] == one(o, "scope")
            and role["roleDefinitionName"] == one(o, "role", role["roleDefinitionName"])
        ]

    def role_assignment_create(self, o):
        role = {
            "id": f"{one(o, 'scope')}/roleAssignments/{len(self.state['roles'])}",
            "scope": one(o, "scope"),
            "principalId": one(o, "assignee-object-id"),
            "roleDefinitionName": one(o, "role"),
        }
        self.state["roles"].append(role)
        return role

    def role_assignment_delete(self, o):
        self.state["roles"] = [role for role in self.state["roles"] if role["id"] not in o["ids"]]

    def id_of(self, kind: str, o: dict) -> str:
        group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{one(o, 'resource-group')}"
        return f"{group}/providers/{kind}/{one(o, 'name')}"

    def make(self, kind: str, o: dict, **more) -> dict:
        group = self.group_show({"name": o["resource-group"]})
        item = {
            "id": self.id_of(kind, o),
            "type": kind,
            "name": one(o, "name"),
            "resourceGroup": group["name"],
            "tags": tags(o),
            "location": one(o, "location", group["location"]),
            "provisioningState": "Succeeded",
            **more,
        }
        self.state["resources"][item["id"]] = item
        return item


def one(options: dict, name: str, default: str | None = None) -> str:
    """The one word behind an option."""
    if name not in options and default is None:
        raise Failure(2, f"the following arguments are required: --{name}")
    (word,) = options.get(name, [default])
    return word


def read(options: dict, name: str) -> str | None:
    """The file behind an option, if it is given; a path of Git Bash lies below C: there."""
    return Path(one(options, name).removeprefix("C:")).read_text() if name in options else None


def tags(options: dict) -> dict | None:
    return dict(word.split("=", 1) for word in options.get("tags", [])) or None


def parsed(words: list[str]) -> tuple[str, dict]:
    """The command with _ for blanks, and {option: words behind it}."""
    first = next((place for place, word in enumerate(words) if word.startswith("--")), len(words))
    options = {}
    for word in words[first:]:
        if word.startswith("--"):
            current = options.setdefault(word[2:], [])
        else:
            current.append(word)
    return "_".join(words[:first]).replace("-", "_"), options


def shown(answer, options: dict) -> str:
    """As az prints it: JSON, or tab-separated values."""
    if "query" in options:
        answer = jmespath.search(one(options, "query"), answer)
    if answer is None:
        return ""
    if one(options, "output", "json") == "json":
        return json.dumps(answer, indent=2) + "\n"
    return "".join(row(item) + "\n" for item in (answer if isinstance(answer, list) else [answer]))


def row(item) -> str:
    if isinstance(item, dict):
        item = [value for _, value in sorted(item.items())]
    return (
        "\t".join(map(cell, item))
        if isinstance(item, list)
        else str(item).lower()
        if isinstance(item, bool)
        else cell(item)
    )


def cell(value) -> str:
    return (
        str(len(value))
        if isinstance(value, list)
        else ""
        if isinstance(value, dict)
        else str(value)
    )


class StandIn(socketserver.ThreadingTCPServer):
    """Serves the calls of the `az` that `program` gives; `state` and `calls` may be looked at and
    set at any time.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.state, self.calls = new_state(), []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def program(self, line_end: str = "", condition: str = "true") -> str:
        """A bash script to be put on PATH as az; it fails unless the condition holds."""
        return f"""{condition} || exit 9
exec 3<>/dev/tcp/127.0.0.1/{self.server_address[1]}
printf '%s\\n' "$#" >&3
printf '%s\\0' "$@" >&3
IFS= read -r code <&3
IFS= read -r error <&3
say() {{ printf "$1{line_end}\\n" "$error" >&2; }}
[ -z "$error" ] || {{ say 'WARNING: something else first'; say 'ERROR: %s'; say 'more about it'; }}
while IFS= read -r line <&3; do printf '%s{line_end}\\n' "$line"; done
exit "$code"
"""

    def answer(self, words: list[str]) -> tuple[int, str, str]:
        """Exit code, error, and what is printed. A failed command changes nothing, but for what
        `fail` says.
        """
        self.calls.append(words)
        command, options = parsed(words)
        state = json.loads(json.dumps(self.state))
        try:
            if state["fail"] and command == state["fail"][0]:
                _, error, *power = state["fail"]
                if power:
                    Azure(state).vm_create(options).update(
                        provisioningState="Failed", powerState=power[0]
                    )
                    self.state = json.loads(json.dumps(state))
                raise Failure(1, error)
            action = getattr(Azure(state), command, None)
            if action is None:
                raise Failure(2, f"'{words[0]}' is misspelled or not recognized by the system.")
            printed = shown(action(options), options)
        except Failure as failure:
            return failure.code, str(failure), ""
        self.state = json.loads(json.dumps(state))
        return 0, "", printed


class Handler(socketserver.StreamRequestHandler):
    """One call: the number of words, the words with a NUL behind each; back go exit code, error and
    output.
    """

    def handle(self):
        count, text = int(self.rfile.readline()), b""
        while text.count(b"\0") < count:
            text += self.rfile.read1()
        code, error, printed = self.server.answer(text.decode().split("\0")[:count])
        self.wfile.write(f"{code}\n{error}\n{printed}".encode())
