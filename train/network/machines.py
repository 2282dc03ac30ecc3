"""The machines that train together, as TF_CONFIG names them: TensorFlow's variable, which
schedulers and Ray Train set on each one. The first machine is the chief: it alone has the weights,
writes and publishes; the others calculate their part of each batch.

TF_CONFIG = {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}, or
with the chief under "chief", before the workers.
"""

import json
import os
import socket
import time
from dataclasses import dataclass

from utils.errors import InputError
from utils.json_shape import TEXT, check_shape, each, json_object, members, of
from utils.terminal import say

_VARIABLE = "TF_CONFIG"
_EXPECTED = (
    'expected {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}},'
    " see devops/ray/README.md"
)
_CLUSTER = {"chief": each(TEXT), "worker": each(TEXT)}
_TASK = members({"type": TEXT, "index": of(int, least=0)})
_SECONDS = 2.0  # between two looks whether the chief is there


@dataclass(frozen=True)
class Machines:
    """The addresses (host:port) of all machines, the chief's first, and which of them this is."""

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    @property
    def chief(self) -> str:
        return self.addresses[0]

    @property
    def own(self) -> str:
        return self.addresses[self.index]

    @property
    def said(self) -> str:
        """Which of the machines this is, for people."""
        role = "the chief" if self.is_chief else f"the chief is {self.chief}"
        return f"machine {self.index + 1} of {len(self.addresses)} ({role})"


def machines_here() -> Machines | None:
    """The machines that TF_CONFIG names; None without it, or when it names this one alone. Raises
    InputError when it says something else.
    """
    text = os.environ.get(_VARIABLE, "").strip()
    if not text:
        return None
    try:
        document = json_object(text.encode())
        check_shape(document, members({"cluster": members({}, **_CLUSTER), "task": _TASK}))
        cluster, task = document["cluster"], document["task"]
        if unknown := cluster.keys() - _CLUSTER.keys():
            raise ValueError(f"machines of the kind {', '.join(sorted(unknown))}")
        chiefs, workers = cluster.get("chief", []), cluster.get("worker", [])
        addresses = (*chiefs, *workers)
        index = task["index"] + (len(chiefs) if task["type"] == "worker" else 0)
        if task["type"] not in cluster or task["index"] >= len(cluster[task["type"]]):
            raise ValueError(f"no {task['type']} {task['index']} in the cluster")
        for address in addresses:
            _host_and_port(address)
        if len(chiefs) > 1 or len(set(addresses)) < len(addresses):
            raise ValueError("two chiefs, or one address twice")
    except ValueError as error:
        raise InputError(f"{_VARIABLE}: {error}; {_EXPECTED}") from None
    return Machines(addresses, index) if len(addresses) > 1 else None


def left_to_the_chief() -> bool:
    """Whether another machine does this step of a cycle; then a line says so."""
    machines = machines_here()
    if machines is None or machines.is_chief:
        return False
    say(f"{machines.said}: it does this step")
    return True


def refuse_beside_the_chief() -> None:
    """Raises InputError on a machine that only helps another one to train."""
    machines = machines_here()
    if machines is not None and not machines.is_chief:
        raise InputError(
            f"this is {machines.said}, which alone writes and publishes: run it there, or without"
            f" {_VARIABLE}"
        )


def wait_for_chief(machines: Machines) -> None:
    """Wait until the chief's training has begun: then its port answers."""
    waiting = False
    while True:
        try:
            socket.create_connection(_host_and_port(machines.chief), timeout=_SECONDS).close()
            return
        except OSError:
            if not waiting:
                say(f"waiting until {machines.chief} begins to train (Ctrl-C ends this)")
            waiting = True
            time.sleep(_SECONDS)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is no host:port")
    return host.strip("[]"), int(port)


def as_json(addresses: list[str], index: int) -> str:
    """TF_CONFIG for one of these machines."""
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})
