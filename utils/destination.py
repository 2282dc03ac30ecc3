"""Where a secret may go: over https only, to the account that it belongs to.

What the environment holds is the person's own; a config file may come from somebody else. So a
secret of the environment, or an Azure login, goes to an address of the file only if that is this
machine, a host of Azure's clouds (and of the environment's account, if it names one), or the
address that the environment confirms.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from utils.errors import InputError

CONFIRMED = "AZURE_STORAGE_SERVICE_ENDPOINT"  # as Azure's own command line calls it
CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
_OF_AZURE = re.compile(
    r"([a-z0-9]+)(-secondary)?(\.z\d+)?(\.privatelink)?\.blob\."
    r"(core\.windows\.net|core\.chinacloudapi\.cn|core\.usgovcloudapi\.net|core\.cloudapi\.de"
    r"|storage\.azure\.net)",
    re.ASCII,
)


def check_destination(
    path: Path, address: str, account: str, secret: str, environ: Mapping[str, str]
) -> None:
    """Raises InputError unless the secrets may go to `address`, an http(s) address in the config
    file `path`.

    secret: where the secret that is used comes from, the name of a variable of the environment;
    "login": there is none; "": it stands in the file too. account: the environment's, "" when it
    names none.
    """
    if in_clear(address):
        raise InputError(
            f"{path}: storage_url={address}: a key or a SAS token would go there without"
            " encryption; expected an https address (http is for this machine alone: 127.0.0.1,"
            " localhost or [::1])"
        )
    if not secret or is_this_machine(address):
        return
    confirmed = [environ.get(CONFIRMED, "")]
    if environ.get(CONNECTION):
        confirmed.append(endpoint_of(environ[CONNECTION]))
    if _plain(address) in map(_plain, filter(None, confirmed)):
        return
    what = "your Azure login" if secret == "login" else f"{secret} of the environment"
    owner = account_of(address)
    if not is_azure(address) or secret == CONNECTION:
        raise InputError(
            f"{path}: storage_url={address}: {what} is not sent there, as"
            + (" it is of another address" if secret == CONNECTION else " it is no host of Azure's")
            + f"; correct storage_url, or, if it is right, set {CONFIRMED}={address} in your"
            " environment"
        )
    if account and owner != account:
        raise InputError(
            f"{path}: storage_url={address} is of the account {owner}: {what} is not sent there,"
            f" as AZURE_STORAGE_ACCOUNT of the environment is {account}; unset the one that is"
            " wrong"
        )


def in_clear(address: str) -> bool:
    """Whether what goes to this address goes over a network without encryption."""
    return urlsplit(address).scheme != "https" and not is_this_machine(address)


def is_this_machine(address: str) -> bool:
    """Whether this address is on this machine."""
    try:
        return urlsplit(address).hostname in _THIS_MACHINE
    except ValueError:
        return False


def is_azure(address: str) -> bool:
    """Whether this address is of a storage account in one of Azure's clouds."""
    parts = urlsplit(address)
    return (
        parts.scheme == "https"
        and parts.port in (None, 443)
        and bool(_OF_AZURE.fullmatch(parts.hostname or ""))
    )


def account_of(address: str) -> str:
    """The account in an address: of https://<account>.blob.… the first label, of
    http://host:port/<account> the path.
    """
    parts = urlsplit(address)
    if found := _OF_AZURE.fullmatch(parts.hostname or ""):
        return found[1]
    host = parts.hostname or ""
    return host.split(".")[0] if ".blob." in host else parts.path.strip("/").split("/")[0]


def connection_parts(text: str) -> dict[str, str]:
    """The members of a connection string."""
    return dict(part.strip().split("=", 1) for part in text.split(";") if "=" in part)


def endpoint_of(connection: str) -> str:
    """The address of the blobs that a connection string is for; "" when it does not say."""
    parts = connection_parts(connection)
    if parts.get("BlobEndpoint"):
        return parts["BlobEndpoint"].partition("?")[0].rstrip("/")
    account = parts.get("AccountName", "")
    suffix = parts.get("EndpointSuffix", "core.windows.net")
    return f"https://{account}.blob.{suffix}" if account else ""


def _plain(address: str) -> tuple:
    """What two spellings of an address have in common; what is none is like no other."""
    try:
        parts = urlsplit(address)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return (address,)
    return parts.scheme, parts.hostname, port, parts.path.strip("/")
