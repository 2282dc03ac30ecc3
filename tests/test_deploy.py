"""devops/dsvm: deploying, deploying again, deleting – the real scripts with a stand-in for az on
PATH; see helpers_az.py.
"""

import base64
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers_az import SUBSCRIPTION, USER, StandIn, new_state, shown, sku

ROOT = Path(__file__).resolve().parent.parent
DSVM = ROOT / "devops" / "dsvm"
SCRIPTS = sorted(DSVM.glob("*.sh"))
CHANGES = ("create", "delete", "auto-shutdown", "set", "accept", "start", "deallocate", "update")
NETWORK, COMPUTE = "Microsoft.Network", "Microsoft.Compute"
SETTINGS = {
    "RESOURCE_GROUP": "seals",
    "LOCATION": "westeurope",
    "VM_NAME": "gpu",
    "VM_ADMIN_USER": "ann",
    "STORAGE_ACCOUNT": "sealphotos",
}
OLD_CONFIG = """#!/bin/bash

# System config 
RESOURCE_GROUP=seals

# VM config
VM_SKU=Standard_NC6_Promo #Make sure VM SKU is available in your resource group's region 
VM_IMAGE=microsoft-ads:linux-data-science-vm-ubuntu:linuxdsvmubuntu:latest
VM_DNS_NAME=mytestdns
VM_NAME=gpu
VM_ADMIN_USER=johndoe
VM_SSH_KEY=~/.ssh/act-learn-key.pub
"""  # noqa: W291  as people have it
pytestmark = pytest.mark.skipif(
    not shutil.which("bash") or sys.platform == "win32",
    reason="needs bash and executable stand-ins",
)


class Desk:
    """A home folder with a key, a settings file, and az and curl on PATH."""

    def __init__(self, folder: Path):
        self.folder, self.bin, self.key = (
            folder,
            folder / "bin",
            folder / ".ssh" / "act-learn-key.pub",
        )
        for path in (self.bin, self.key.parent):
            path.mkdir(parents=True)
        self.key.write_text("ssh-rsa AAAAB3Nza ann@desk\n")
        self.config = folder / "my config.sh"
        self.configure()
        self.azure = StandIn()
        self.stand_in("az", self.azure.program())
        self.stand_in("curl", "echo 203.0.113.7")

    def stand_in(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def configure(self, **settings: str) -> None:
        chosen = {
            name: f"'{value}'"
            for name, value in {**SETTINGS, **settings}.items()
            if name != "VM_SSH_KEY"
        }
        chosen["VM_SSH_KEY"] = settings.get("VM_SSH_KEY", "~/.ssh/act-learn-key.pub")
        self.config.write_text("".join(f"{name}={value}\n" for name, value in chosen.items()))

    @property
    def state(self) -> dict:
        return self.azure.state

    @state.setter
    def state(self, state: dict) -> None:
        self.azure.state = json.loads(json.dumps(state))

    def run(
        self, *options, typed: str = "", shell: str = "bash", **environ: str
    ) -> subprocess.CompletedProcess:
        self.azure.calls = []
        environment = {
            "HOME": str(self.folder),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            **environ,
        }
        return subprocess.run(
            [shell, DSVM / "deploy_dsvm.sh", *options],
            input=typed,
            text=True,
            capture_output=True,
            env=environment,
        )

    def deploy(self, *options, **more) -> subprocess.CompletedProcess:
        return self.run(self.config, *options, **more)

    def calls(self) -> list[list[str]]:
        """What az was asked, in order."""
        return self.azure.calls

    def changes(self) -> list[list[str]]:
        return [words for words in self.calls() if is_change(words)]


def is_change(words: list[str]) -> bool:
    verb = [word for word in words[:5] if not word.startswith("-")]
    return any(word in CHANGES for word in verb[:4])


def things(state: dict) -> dict[str, str]:
    """{type/name: the deployment it belongs to} of everything in the subscription."""
    return {
        f"{item['type'].split('/')[1]}/{item['name']}": (item["tags"] or {}).get("activelearning")
        for item in state["resources"].values()
    }


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path / "home of ann")
    yield desk
    desk.azure.shutdown()
    desk.azure.server_close()


def test_nothing_is_left_in_the_temporary_folder_however_it_ends(desk):
    scratch = desk.folder / "scratch"
    scratch.mkdir()
    assert desk.deploy(TMPDIR=str(scratch)).returncode == 0 and not list(scratch.iterdir())
    desk.stand_in("az", "echo ERROR: no >&2; exit 1")
    assert desk.deploy(TMPDIR=str(scratch)).returncode == 1 and not list(scratch.iterdir())
    desk.stand_in("az", "sleep 60")
    environment = {
        "HOME": str(desk.folder),
        "PATH": f"{desk.bin}:{os.environ['PATH']}",
        "TMPDIR": str(scratch),
    }
    running = subprocess.Popen(
        ["bash", DSVM / "deploy_dsvm.sh", desk.config], env=environment, start_new_session=True
    )
    while not list(scratch.glob("*/errors")):
        assert running.poll() is None
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)  # Ctrl-C while az is asked
    assert running.wait() and not list(scratch.iterdir())
    assert "no folder can be made" in desk.deploy(TMPDIR=str(desk.folder / "none")).stderr


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """The subscription after one deployment, what az was asked, and what was printed."""
    desk = Desk(tmp_path_factory.mktemp("deployed") / "home of ann")
    done = desk.deploy()
    assert (done.returncode, done.stderr) == (0, "")
    yield desk.state, desk.calls(), done.stdout
    desk.azure.shutdown()
    desk.azure.server_close()


def test_one_command_makes_everything_that_training_needs_tagged(deployed):
    state, _, _ = deployed
    assert state["groups"] == {
        "seals": {
            "location": "westeurope",
            "tags": {"activelearning": "gpu"},
            "properties": {"provisioningState": "Succeeded"},
        }
    }
    assert things(state) == {
        "storageAccounts/sealphotos": "gpu",
        "networkSecurityGroups/gpu-nsg": "gpu",
        "virtualNetworks/gpu-vnet": "gpu",
        "publicIPAddresses/gpu-ip": "gpu",
        "networkInterfaces/gpuVMNic": "gpu",
        "virtualMachines/gpu": "gpu",
        "disks/gpu_disk1_0123": None,
        "schedules/shutdown-computevm-gpu": None,
    }
    found = {item["name"]: item for item in state["resources"].values()}
    assert found["sealphotos"]["containers"] == ["activelearningimages", "activelearninglabels"]
    assert (found["gpu"]["size"], found["gpu"]["key"]) == (
        "Standard_NC4as_T4_v3",
        "ssh-rsa AAAAB3Nza ann@desk\n",
    )
    assert found["shutdown-computevm-gpu"]["dailyRecurrence"] == {"time": "2200"}
    assert {role["principalId"]: role["roleDefinitionName"] for role in state["roles"]} == {
        "identity-of-gpu": "Storage Blob Data Contributor",
        USER: "Storage Blob Data Contributor",
    }


def test_port_22_is_open_for_the_callers_address_only_and_before_there_is_a_machine(deployed):
    state, calls, _ = deployed
    (nsg,) = [item for item in state["resources"].values() if item["name"] == "gpu-nsg"]
    assert nsg["rules"] == {"ssh": {"from": ["203.0.113.7"], "port": "22"}}
    commands = [" ".join(words[:4]) for words in calls]
    assert commands.index("network nsg rule create") < next(
        place for place, words in enumerate(calls) if words[:2] == ["vm", "create"]
    )


def test_no_secret_is_asked_for_or_given_to_the_machine(deployed):
    _, calls, printed = deployed
    asked = " ".join(word for words in calls for word in words)
    assert not re.search(r"keys|password|connection-string|sas|generate-ssh", asked)
    (machine,) = [words for words in calls if words[:2] == ["vm", "create"]]
    assert machine[machine.index("--authentication-type") + 1] == "ssh"
    assert "[system]" in machine
    # NVIDIA's driver would not load
    assert machine[machine.index("--enable-secure-boot") + 1] == "false"


def test_the_last_lines_tell_how_to_reach_the_machine_what_costs_money_and_what_comes_next(
    deployed,
):
    printed = deployed[2]
    assert "-o StrictHostKeyChecking=accept-new ann@203.0.113.99\n" in printed
    for fact in (
        "What costs money",
        "every day at 2200 UTC it is deallocated",
        "also while it is stopped",
        "az vm deallocate --resource-group seals --name gpu",
        "--delete\n",
    ):
        assert fact in printed
    names = (
        "--account sealphotos --image-container activelearningimages --label-container"
        " activelearninglabels"
    )
    assert f'setup-tensorflow.sh {names}"\n' in printed


def test_the_printed_command_brings_the_toolkit_to_the_machine(deployed, desk):
    """The last line, with an ssh that runs on this machine and a bash that writes down what it was
    told to run.
    """
    machine = desk.folder / "machine"
    machine.mkdir()
    desk.stand_in("ssh", f'PATH="{machine}/bin:$PATH"; cd "{machine}"; exec sh -c "${{@: -1}}"')
    (machine / "bin").mkdir()
    shutil.copy(desk.bin / "ssh", machine / "bin" / "bash")
    (machine / "bin" / "bash").write_text(f'#!/bin/sh\necho "$@" >"{machine}/ran"\n')
    line = deployed[2].splitlines()[-1]
    done = subprocess.run(
        ["bash", "-c", line],
        text=True,
        capture_output=True,
        env={**os.environ, "PATH": f"{desk.bin}:{os.environ['PATH']}"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    script, *options = (machine / "ran").read_text().split()
    assert script == "active-learning-detect/devops/dsvm/setup-tensorflow.sh"
    assert (machine / script).exists()
    assert (machine / "active-learning-detect" / "train" / "set_up.sh").exists()
    assert options[:2] == ["--account", "sealphotos"]


def test_run_again_it_leaves_what_is_there_and_follows_the_address(deployed, desk):
    desk.state = deployed[0]
    desk.stand_in("curl", "echo 198.51.100.20")
    done = desk.deploy()
    assert (done.returncode, done.stderr) == (0, "")
    assert [" ".join(words[:3]) for words in desk.changes()] == [
        "storage container-rm create",
        "storage container-rm create",
        "network nsg rule",
        "vm auto-shutdown --resource-group",
    ]
    expected = json.loads(json.dumps(deployed[0]))
    (nsg,) = [item for item in expected["resources"].values() if item["name"] == "gpu-nsg"]
    nsg["rules"]["ssh"]["from"] = ["198.51.100.20"]
    assert desk.state == expected


@pytest.mark.parametrize(
    "command",
    [
        "group_create",
        "storage_account_create",
        "storage_container_rm_create",
        "network_nsg_create",
        "network_nsg_rule_create",
        "vm_create",
        "vm_auto_shutdown",
    ],
)
def test_after_a_failure_half_way_the_same_command_goes_on(deployed, desk, command):
    desk.state = {**new_state(), "fail": [command, "(AllocationFailed) No capacity; try later."]}
    done = desk.deploy()
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert (
        "(AllocationFailed) No capacity; try later.; when that is mended, run the same command"
        " again" in done.stderr
    )
    desk.state = {**desk.state, "fail": None}
    assert desk.deploy().returncode == 0
    assert desk.state == deployed[0]


def test_a_machine_that_azure_could_not_finish_is_none_and_one_line_says_how_to_get_a_new_one(
    deployed, desk
):
    """After some errors of az vm create there is a machine all the same, in the state Failed."""
    desk.state = {
        **new_state(),
        "fail": ["vm_create", "(AllocationFailed) No capacity; try later.", "VM deallocated"],
    }
    assert desk.deploy().returncode == 1
    desk.state = {**desk.state, "fail": None}
    done = desk.deploy()
    assert (done.returncode, done.stderr.count("\n"), desk.changes()) == (1, 1, [])
    assert (
        "the machine gpu is in Azure's state Failed and does not run; az vm start --resource-group"
        " seals --name gpu" in done.stderr
    )
    command = done.stderr.strip().rpartition(
        "; if nothing of yours is on it yet, remove it and run this again: az "
    )[2]
    assert desk.azure.answer(shlex.split(command))[0] == 0
    assert desk.deploy().returncode == 0
    assert desk.state == deployed[0]


def test_a_machine_that_runs_after_an_error_is_kept_and_can_be_deleted(deployed, desk):
    desk.state = {
        **new_state(),
        "fail": ["vm_create", "(OSProvisioningTimedOut) It did not answer in time.", "VM running"],
    }
    assert desk.deploy().returncode == 1
    desk.state = {**desk.state, "fail": None}
    done = desk.deploy()
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert done.stderr.startswith(
        "note: the last thing that Azure did with gpu failed; if ssh does not reach it, remove it"
        " and run this"
    )
    assert set(things(desk.state)) == set(things(deployed[0]))
    assert desk.deploy("--delete", "--yes").returncode == 0
    assert set(things(desk.state)) == {"storageAccounts/sealphotos"}


def test_who_may_not_give_roles_gets_the_machine_and_the_command_for_somebody_who_may(desk):
    desk.state = {**new_state(), "fail": ["role_assignment_create", "(AuthorizationFailed) no."]}
    done = desk.deploy()
    assert done.returncode == 1
    assert "The machine gpu is there" in done.stdout
    assert "runs: az role assignment create --assignee-object-id" in done.stderr.splitlines()[-1]
    assert "schedules/shutdown-computevm-gpu" in things(desk.state)


def state_with(**changes) -> dict:
    return {**new_state(), **changes}


CHECKS = {
    "not logged in": ({}, state_with(logged_in=False), 1, "az is not logged in; run: az login"),
    "no such subscription": (
        {"SUBSCRIPTION": "Whales"},
        None,
        1,
        "The subscription of 'Whales' doesn't exist",
    ),
    "subscription disabled": (
        {},
        state_with(subscription_state="Disabled"),
        1,
        "the subscription Seals is Disabled; choose another",
    ),
    "no key": (
        {"VM_SSH_KEY": "~/.ssh/none.pub"},
        None,
        2,
        "make it with: ssh-keygen -t rsa -b 4096 -f",
    ),
    "private key": ({"VM_SSH_KEY": "~/private"}, None, 2, "name the public one"),
    "no place": ({"LOCATION": ""}, None, 2, "for example: LOCATION=westeurope"),
    "size unknown": (
        {"VM_SKU": "Standard_NC99"},
        None,
        2,
        "not offered in LOCATION=westeurope; choose from: az vm list-skus",
    ),
    "size elsewhere": ({"LOCATION": "norwayeast"}, None, 2, "not offered in LOCATION=norwayeast"),
    "size closed": (
        {},
        state_with(skus=[sku("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family", 4, "Location")]),
        2,
        "closed to your subscription in westeurope; choose another",
    ),
    "quota of the family": (
        {"VM_SKU": "Standard_NC6s_v3"},
        None,
        1,
        "allows 0 vCPUs, 0 are used, and Standard_NC6s_v3 needs 6; ask for more",
    ),
    "quota of all": (
        {},
        state_with(usage={"cores": [8, 10], "Standard NCASv3_T4 Family": [0, 8]}),
        1,
        "for all machines together",
    ),
    "quota of spot": (
        {"VM_SPOT": "yes"},
        None,
        1,
        "the quota for spot machines in westeurope allows 3 vCPUs",
    ),
    "image unknown": (
        {"VM_IMAGE": "Canonical:old:one:latest"},
        None,
        2,
        "take VM_IMAGE=Canonical:ubuntu-24_04-lts:server:latest",
    ),
    "terms": (
        {"VM_IMAGE": "nvidia:ngc:gpu:latest"},
        None,
        1,
        "run: az vm image terms accept --urn nvidia:ngc:gpu:latest",
    ),
    "account name taken": (
        {"STORAGE_ACCOUNT": "taken"},
        None,
        2,
        "already taken.); choose another name",
    ),
    "name on the internet taken": (
        {"VM_DNS_NAME": "taken"},
        None,
        2,
        "VM_DNS_NAME=taken is taken in westeurope; choose another",
    ),
    "zone closed is no reason": (
        {},
        state_with(skus=[sku("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family", 4, "Zone")]),
        0,
        "",
    ),
}


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_comes_before_the_first_change_and_says_in_one_line_what_to_do(desk, check):
    settings, state, code, line = CHECKS[check]
    (desk.folder / "private").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    desk.configure(**settings)
    desk.state = state or new_state()
    before = desk.state
    done = desk.deploy("--dry-run") if code == 0 else desk.deploy()
    assert done.returncode == code, done.stderr
    assert line in done.stderr
    assert done.stderr.count("\n") == (1 if code else 0)
    assert (desk.changes(), desk.state) == ([], before)


def test_without_az_it_says_where_to_get_it(desk):
    for name in ("dirname", "uname", "mktemp", "rm"):
        (desk.bin / name).symlink_to(shutil.which(name))
    (desk.bin / "az").unlink()
    done = desk.deploy(shell=shutil.which("bash"), PATH=str(desk.bin))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "install it: https://learn.microsoft.com/cli/azure/install-azure-cli" in done.stderr


@pytest.mark.parametrize("answer", ["exit 6", "echo '<html>login</html>'", "echo 2001:db8::1"])
def test_an_address_that_cannot_be_found_out_is_asked_for(desk, answer):
    desk.stand_in("curl", answer)
    desk.stand_in("wget", answer)
    done = desk.deploy()
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"write it into {desk.config}: SSH_FROM=…" in done.stderr
    assert desk.changes() == []


def test_a_machine_or_network_of_somebody_else_is_not_touched(desk):
    state = new_state()
    state["groups"]["seals"] = {"location": "westeurope", "tags": None}
    state["resources"]["x"] = {
        "id": "x",
        "type": f"{COMPUTE}/virtualMachines",
        "name": "gpu",
        "resourceGroup": "seals",
        "tags": None,
    }
    for kind, name in (
        (f"{COMPUTE}/virtualMachines", "GPU"),
        (f"{NETWORK}/networkSecurityGroups", "gpu-nsg"),
    ):
        state["resources"]["x"] |= {"type": kind, "name": name}
        desk.state = state
        for options in ((), ("--delete", "--yes")):
            done = desk.deploy(*options)
            assert (done.returncode, desk.changes()) == (2, [])
            assert "that this script did not make; choose another VM_NAME" in done.stderr


def test_dry_run_prints_what_a_real_run_asks_and_changes_nothing(deployed, desk):
    done = desk.deploy("--dry-run")
    assert (done.returncode, done.stderr, desk.changes(), desk.state) == (0, "", [], new_state())
    *lines, last = done.stdout.splitlines()
    assert last == "# nothing was changed"
    printed = [shlex.split(line)[1:] for line in lines]
    assert all(line.startswith("az ") for line in lines)
    real = [
        [word.replace("identity-of-gpu", "<the identity of gpu>") for word in words]
        for words in deployed[1]
    ]
    home = [word for word in real[14] if word.endswith("act-learn-key.pub")]
    real = [[str(desk.key) if word in home else word for word in words] for words in real]
    assert [words for words in printed if is_change(words)] == [
        words for words in real if is_change(words)
    ]
    assert all(words in real for words in printed)


def test_delete_asks_and_removes_only_what_was_made(deployed, desk):
    state = json.loads(json.dumps(deployed[0]))
    foreign = {
        "id": "/foreign",
        "type": f"{COMPUTE}/disks",
        "name": "gpu_data",
        "resourceGroup": "seals",
        "tags": {"owner": "bob"},
    }
    state["resources"]["/foreign"] = foreign
    state["resources"]["/second"] = {
        **foreign,
        "id": "/second",
        "type": f"{COMPUTE}/virtualMachines",
        "name": "gpu2",
        "tags": {"activelearning": "gpu2"},
    }
    desk.state = state
    for typed in ("", "yes\n"):
        done = desk.deploy("--delete", typed=typed)
        assert (done.returncode, desk.changes(), desk.state) == (1, [], state)
        assert done.stderr == "deploy_dsvm.sh: not confirmed: gpu stays as it is\n"
    done = desk.deploy("--delete", typed="gpu\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert things(desk.state) == {
        "storageAccounts/sealphotos": "gpu",
        "disks/gpu_data": None,
        "virtualMachines/gpu2": "gpu2",
    }
    assert [role["principalId"] for role in desk.state["roles"]] == [USER]
    assert "The storage account sealphotos stays" in done.stdout.splitlines()[-1]
    assert "seals" in desk.state["groups"]


def test_delete_with_storage_leaves_nothing_that_costs(deployed, desk):
    desk.state = deployed[0]
    done = desk.deploy("--delete", "--with-storage", typed="gpu\nno\n")
    assert (done.returncode, set(things(desk.state))) == (1, {"storageAccounts/sealphotos"})
    done = desk.deploy("--delete", "--with-storage", typed="sealphotos\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert (desk.state["resources"], desk.state["groups"]) == ({}, {})
    done = desk.deploy("--delete", "--yes")
    assert (done.returncode, done.stdout) == (
        0,
        "There is no resource group seals: nothing to delete.\n",
    )


def test_delete_goes_on_after_a_failure_and_dry_run_deletes_nothing(deployed, desk):
    desk.state = deployed[0]
    done = desk.deploy("--delete", "--with-storage", "--dry-run")
    assert (done.returncode, done.stderr, desk.changes(), desk.state) == (0, "", [], deployed[0])
    assert (
        sum(line.startswith("az ") and " delete " in line for line in done.stdout.splitlines()) == 9
    )
    desk.state = {**deployed[0], "fail": ["resource_delete", "(InUse) still used."]}
    done = desk.deploy("--delete", "--yes")
    assert (
        done.returncode,
        "was not deleted: (InUse) still used.; run the same command again" in done.stderr,
    ) == (1, True)
    desk.state = {**desk.state, "fail": None}
    assert desk.deploy("--delete", "--yes").returncode == 0
    assert set(things(desk.state)) == {"storageAccounts/sealphotos"}


def test_a_storage_account_and_a_group_that_were_there_are_used_and_never_deleted(desk):
    state = new_state()
    state["groups"] = {
        "seals": {"location": "westeurope", "tags": {"owner": "bob"}},
        "photos": {"location": "westeurope", "tags": None},
    }
    account = {
        "id": "/subscriptions/s/photos/sealphotos",
        "type": "Microsoft.Storage/storageAccounts",
        "name": "sealphotos",
        "resourceGroup": "photos",
        "tags": None,
        "containers": ["activelearningimages"],
    }
    desk.state = {**state, "resources": {account["id"]: account}}
    desk.configure(LOCATION="")
    assert desk.deploy().returncode == 0
    assert {role["scope"] for role in desk.state["roles"]} == {account["id"]}
    assert desk.deploy("--delete", "--with-storage", "--yes").returncode == 0
    assert things(desk.state) == {"storageAccounts/sealphotos": None}
    assert set(desk.state["groups"]) == {"seals", "photos"}


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_settings_file_of_the_earlier_generation_works_as_it_is(desk, shell):
    """Its group had to be there, its size and image have gone from Azure, and people started the
    script with sh.
    """
    desk.state = state_with(groups={"seals": {"location": "westeurope", "tags": None}})
    desk.config.write_bytes(b"\xef\xbb\xbf" + OLD_CONFIG.replace("\n", "\r\n").encode())
    done = desk.deploy(shell=shell)
    assert done.returncode == 0, done.stderr
    assert [line.split(": ", 2)[2] for line in done.stderr.splitlines()] == [
        (
            "Azure no longer has"
            " VM_IMAGE=microsoft-ads:linux-data-science-vm-ubuntu:linuxdsvmubuntu:latest; taking"
            " microsoft-dsvm:ubuntu-2204:2204-gen2:latest"
        ),
        "Azure no longer has VM_SKU=Standard_NC6_Promo; taking Standard_NC4as_T4_v3",
    ]
    assert "johndoe@mytestdns.westeurope.cloudapp.azure.com" in done.stdout
    assert not any("storageAccounts" in name for name in things(desk.state))
    assert desk.state["roles"] == []


def test_plain_ubuntu_gets_the_driver_and_a_spot_machine_its_price(desk):
    desk.configure(
        VM_IMAGE="Canonical:ubuntu-24_04-lts:server:latest",
        VM_SPOT="yes",
        VM_SPOT_MAX_PRICE="0.2",
        STORAGE_ACCOUNT="",
        AUTO_SHUTDOWN="none",
        TAGS="project=seals owner=ann",
        SSH_FROM="203.0.113.7 198.51.100.0/24",
    )
    desk.state = state_with(usage={"lowPriorityCores": [0, 4]})
    assert desk.deploy().returncode == 0
    found = {item["name"]: item for item in desk.state["resources"].values()}
    assert found["gpu"]["resources"] == [
        {"name": "NvidiaGpuDriverLinux", "provisioningState": "Succeeded"}
    ]
    assert found["gpu"]["tags"] == {"activelearning": "gpu", "project": "seals", "owner": "ann"}
    assert found["gpu-nsg"]["rules"]["ssh"]["from"] == ["203.0.113.7", "198.51.100.0/24"]
    assert "shutdown-computevm-gpu" not in found
    (machine,) = [words for words in desk.calls() if words[:2] == ["vm", "create"]]
    assert machine[machine.index("--priority") :][:6] == [
        "--priority",
        "Spot",
        "--max-price",
        "0.2",
        "--eviction-policy",
        "Deallocate",
    ]


def test_the_driver_is_installed_once_also_after_a_failure_and_a_stopped_machine_is_left_alone(
    desk,
):
    desk.configure(VM_IMAGE="Canonical:ubuntu-24_04-lts:server:latest")
    desk.state = {
        **new_state(),
        "fail": ["vm_extension_set", "(VMExtensionProvisioningError) No network."],
    }
    assert desk.deploy().returncode == 1
    (machine,) = [
        item
        for item in desk.state["resources"].values()
        if item["type"] == f"{COMPUTE}/virtualMachines"
    ]
    for power, driver, after, note in (
        ("VM deallocated", None, None, True),
        ("VM running", None, "Succeeded", False),
        ("VM deallocated", "Succeeded", "Succeeded", False),
        ("VM running", "Failed", "Succeeded", False),
    ):
        state = {**desk.state, "fail": None}
        state["resources"][machine["id"]] |= {
            "powerState": power,
            "resources": driver and [{"name": "NvidiaGpuDriverLinux", "provisioningState": driver}],
        }
        desk.state = state
        done = desk.deploy()
        assert (done.returncode, done.stderr.count("\n")) == (0, note), done.stderr
        assert (
            not note
            or "gpu does not run, so NVIDIA's driver is not installed now; start it and run this"
            " again"
            in done.stderr
        )
        found = desk.state["resources"][machine["id"]]["resources"]
        assert (found and found[0]["provisioningState"]) == after
    assert desk.deploy().returncode == 0 and not any(
        words[:2] == ["vm", "extension"] for words in desk.calls()
    )


def test_cloud_init_carries_the_set_up_with_the_deployments_names(desk):
    yaml = pytest.importorskip("yaml")
    desk.configure(REPOSITORY="https://github.com/ann/active-learning-detect")
    done = desk.deploy()
    assert done.returncode == 0, done.stderr
    (text,) = [
        item["customData"] for item in desk.state["resources"].values() if "customData" in item
    ]
    assert text.startswith("#cloud-config\n")
    assert len(text) < 64 * 1024
    content = yaml.safe_load(text)
    (file,) = content["write_files"]
    assert base64.b64decode(file["content"]) == (DSVM / "setup-tensorflow.sh").read_bytes()
    assert content["runcmd"] == [
        [
            "sudo",
            "-H",
            "-u",
            "ann",
            "bash",
            file["path"],
            "--repository",
            "https://github.com/ann/active-learning-detect",
            "--wait-for-driver",
            "60",
            "--account",
            "sealphotos",
            "--image-container",
            "activelearningimages",
            "--label-container",
            "activelearninglabels",
        ]
    ]
    assert "cloud-init status --wait" in done.stdout.splitlines()[-1]


def test_git_bash_calls_az_cmd_with_windows_paths_and_no_path_is_converted(desk):
    """uname and cygpath answer as in Git Bash, az.cmd ends its lines with CR LF; without two
    variables Git Bash spoils /subscriptions/…
    """
    (desk.bin / "az").unlink()
    desk.stand_in(
        "az.cmd", desk.azure.program("\\r", '[ "$MSYS_NO_PATHCONV$MSYS2_ARG_CONV_EXCL" = "1*" ]')
    )
    desk.stand_in("uname", "echo MINGW64_NT-10.0-19045")
    desk.stand_in("cygpath", 'if [ "$1" = -m ]; then echo "C:$2"; else echo "${2#C:}"; fi')
    desk.configure(VM_SSH_KEY=f"'C:{desk.key}'", REPOSITORY="https://github.com/ann/x")
    done = desk.deploy(PATH=f"{desk.bin}:/usr/bin:/bin")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\r" not in done.stdout
    assert things(desk.state)["virtualMachines/gpu"] == "gpu"
    for words in desk.calls():
        for word in words:
            assert not re.search(r"[|&<>^%!\"]", word), "cmd.exe would read this"
            assert " " in word or not re.search(r"[()]", word), (
                "Git Bash puts only words with blanks into quotation marks for cmd.exe"
            )


SETTING_LINES = {
    "VM_NAME=seals": "seals",
    "  export VM_NAME=seals  # a comment": "seals",
    "VM_NAME='seals' # x": "seals",
    'VM_NAME="seals"\r': "seals",
    "PLACE=se\nVM_NAME=${PLACE}als": "seals",
    'PLACE=se\nVM_NAME="${PLACE}als"': "seals",
    "VM_NAME=$RESOURCE_GROUP-vm": "seals-vm",
}


@pytest.mark.parametrize("line", SETTING_LINES)
def test_settings_are_read_as_bash_would_understand_them(desk, line):
    desk.configure()
    with desk.config.open("a", newline="") as file:
        file.write(line + "\n")
    done = desk.deploy("--dry-run")
    assert done.returncode == 0, done.stderr
    assert f" --name {SETTING_LINES[line]} " in done.stdout


BAD_LINES = {
    "VM_NAME=$(touch ran)": "line 7: the file is read, not executed",
    "VM_NAME=`touch ran`": "line 7: the file is read, not executed",
    'VM_NAME="a$(touch ran)"': "line 7: the file is read, not executed",
    "touch ran": "line 7: expected NAME=value, found: touch ran",
    "VM_NAME=a; touch ran": "line 7: a value with blanks or ; & | needs quotation marks",
    "VM_NAME=a;touch": "line 7: a value with blanks or ; & | needs quotation marks",
    "VM_NAME='a'; touch ran": (
        "line 7: there is something behind the closing quotation mark: ; touch ran"
    ),
    "VM_NAME='a": "line 7: the quotation mark is not closed",
    "VM_NAME=": "VM_NAME is not filled in",
    "VM_NAME='<your name>'": "VM_NAME is not filled in",
    "VM_NAME=my_machine": "VM_NAME=my_machine is not allowed",
    "VM_ADMIN_USER=admin": "a name that Azure does not allow",
    "STORAGE_ACCOUNT=My-Photos": "3 to 24 lower-case letters and digits",
    "AUTO_SHUTDOWN=25:00": "a time such as 2200, or none",
    "SSH_FROM=everybody": "addresses such as 203.0.113.7",
    "REPOSITORY=https://ann:secret@github.com/x": "an https address without user and password",
    "VM_DISK_GB=30": "too small: at least 64",
    "LABEL_CONTAINER=activelearningimages": "are the same",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_wrong_setting_is_one_line_and_nothing_of_the_file_is_executed(desk, line):
    with desk.config.open("a") as file:
        file.write(line + "\n")
    done = desk.deploy()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert BAD_LINES[line] in done.stderr
    assert not list(ROOT.glob("ran")) and not Path("ran").exists() and desk.calls() == []


def test_an_unknown_setting_is_mentioned_and_cannot_change_the_script(desk):
    with desk.config.open("a") as file:
        file.write("PATH=/nowhere\nVM_SIZE=x\n")
    done = desk.deploy("--dry-run")
    assert done.returncode == 0
    assert re.findall(r"line \d: (\w+) is not a setting", done.stderr) == ["PATH", "VM_SIZE"]


def test_the_settings_file_that_comes_with_it_is_complete_and_described(desk):
    text = (DSVM / "config" / "dsvm_config.sh").read_text()
    names = re.findall(r"^(\w+)=", text, re.MULTILINE)
    described = re.findall(r"^  ([A-Z_]+) ", desk.run("--help").stdout, re.MULTILINE)
    assert set(names) <= set(described)
    page = (ROOT / "devops" / "README.md").read_text()
    assert [name for name in described if f"`{name}`" not in page] == []
    desk.config.write_text(text)
    done = desk.deploy("--dry-run")
    assert (done.returncode, done.stderr) == (0, "")


def test_links_and_commands_in_the_page_lead_somewhere():
    page = (ROOT / "devops" / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert target.startswith("https://") or (ROOT / "devops" / target).exists(), target
    for file in re.findall(
        r"(?:bash|python) ((?:active-learning-detect/)?(?:devops|train|tag)/\S+\.(?:sh|py))", page
    ):
        assert (ROOT / file.removeprefix("active-learning-detect/")).exists(), file


def test_nothing_is_used_that_the_bash_3_2_of_macos_does_not_have():
    newer = (
        r"declare -A|local -[An]|declare"
        r" -n|mapfile|readarray|\$\{\w+(\[[^]]*\])?(,,|\^\^|@[QEPAa])|&>>|\|&|;&|\[\[ -v|"
        r"wait -n|coproc|<\(|>\("
    )
    for script in SCRIPTS:
        if script.name != "setup-tensorflow.sh":  # runs on Linux only
            code = "\n".join(line.split(" #")[0] for line in script.read_text().splitlines())
            assert not re.search(newer, code), (script, re.search(newer, code))
            # empty, it is an error there under set -u
            for array in re.findall(r'"\$\{(\w+)\[@\]\}"', code):
                assert array in {
                    "words",
                    "tags",
                    "command",
                    "ssh_from",
                    "ids",
                    "names",
                    "security",
                }, (script, array)


PARSER = """
import shlex, sys
from azure.cli.core import get_default_cli
from knack.events import EVENT_INVOKER_POST_PARSE_ARGS
class Parsed(Exception): pass
def stop(*_, **__): raise Parsed
for line in sys.stdin:
    cli = get_default_cli()
    cli.register_event(EVENT_INVOKER_POST_PARSE_ARGS, stop)
    cli.invocation = cli.invocation_cls(
        cli_ctx=cli, parser_cls=cli.parser_cls, help_cls=cli.help_cls,
        commands_loader_cls=cli.commands_loader_cls,
    )
    try:
        cli.invocation.execute(shlex.split(line)[1:])
    except Parsed:
        print("accepted")
    except SystemExit:
        print("refused", line)
"""


needs_azure_cli = pytest.mark.skipif(
    "REAL_AZ_PYTHON" not in os.environ,
    reason=(
        "REAL_AZ_PYTHON is not set: the Python of an environment with azure-cli (pip install"
        " azure-cli, 0.7 GB)"
    ),
)


@needs_azure_cli
def test_the_real_azure_cli_accepts_every_command_line(deployed, desk):
    """All that --dry-run prints for several deployments and for deleting, and the commands that
    messages recommend.
    """
    lines = set()
    plain = {
        "VM_IMAGE": "Canonical:ubuntu-24_04-lts:server:latest",
        "AUTO_SHUTDOWN_EMAIL": "ann@example.org",
        "VM_DNS_NAME": "seals",
        "REPOSITORY": "https://github.com/ann/x",
        "TAGS": "a=b c=d",
        "SUBSCRIPTION": "Seals",
    }
    for settings, state, options in (
        ({}, new_state(), ()),
        (plain, new_state(), ()),
        (
            {"VM_SPOT": "yes", "VM_IMAGE": "nvidia:ngc:gpu:latest"},
            state_with(terms=["nvidia:ngc:gpu:latest"], usage={"lowPriorityCores": [0, 4]}),
            (),
        ),
        ({"AUTO_SHUTDOWN": "none"}, deployed[0], ()),
        ({}, deployed[0], ("--delete", "--with-storage")),
    ):
        desk.configure(**settings)
        desk.state = state
        done = desk.deploy("--dry-run", *options)
        assert done.returncode == 0, done.stderr
        lines |= {line for line in done.stdout.splitlines() if line.startswith("az ")}
    lines |= {shlex.join(["az", *words]) for words in deployed[1]}
    lines |= {
        line.split(":", 1)[1].strip()
        for line in deployed[2].splitlines()
        if re.match(r" +(stop|start): +az ", line)
    }
    lines |= {
        f"az vm {verb} --resource-group seals --name gpu --subscription {SUBSCRIPTION}"
        for verb in ("start", "delete --yes")
    }
    lines |= {
        f"az vm image terms accept --urn a:b:c:d --subscription {SUBSCRIPTION}",
        "az account list --output table",
        "az vm list-skus --location westeurope --size Standard_N --output table",
    }
    done = subprocess.run(
        [os.environ["REAL_AZ_PYTHON"], "-c", PARSER],
        input="\n".join(sorted(lines)),
        text=True,
        capture_output=True,
        env={
            **os.environ,
            "AZURE_CONFIG_DIR": str(desk.folder / "azure"),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
        },
    )
    assert (done.stdout.splitlines(), len(lines) > 30) == (
        ["accepted"] * len(lines),
        True,
    ), done.stderr


@needs_azure_cli
def test_the_real_az_says_that_nobody_is_logged_in_as_the_script_understands_it(desk):
    (desk.bin / "az").unlink()
    (desk.bin / "az").symlink_to(Path(os.environ["REAL_AZ_PYTHON"]).parent / "az")
    done = desk.deploy(
        AZURE_CONFIG_DIR=str(desk.folder / "azure"), AZURE_CORE_COLLECT_TELEMETRY="no"
    )
    assert (done.returncode, done.stderr) == (
        1,
        "deploy_dsvm.sh: az is not logged in; run: az login\n",
    )


@needs_azure_cli
def test_the_stand_in_prints_tab_separated_values_as_the_real_azure_cli_does():
    answers = [
        {"azure-cli": "2.91.0", "azure-cli-core": "2.9", "extensions": {}},
        ["id", "name", None],
        [["a", None, True], ["b", "", 2]],
        True,
        "text",
        None,
        [],
        [[]],
        [["a", ["b", "c"], {"d": 1}]],
        [{"b": 1, "a": 2}],
    ]
    code = """
import json, sys
from knack.output import format_tsv
from knack.util import CommandResultItem
answers = json.load(sys.stdin)
print(json.dumps(["" if one is None else format_tsv(CommandResultItem(one)) for one in answers]))
"""
    done = subprocess.run(
        [os.environ["REAL_AZ_PYTHON"], "-c", code],
        input=json.dumps(answers),
        text=True,
        capture_output=True,
        check=True,
    )
    assert [shown(answer, {"output": ["tsv"]}) for answer in answers] == json.loads(done.stdout)
