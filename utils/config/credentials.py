"""Account and secrets: the environment wins over the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from utils.config.keys import is_address
from utils.config.shown import holds_a_key
from utils.errors import InputError

ENVIRONMENT = (  # what counts in the environment only
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_SAS_TOKEN_IMAGES",
    "AZURE_STORAGE_SAS_TOKEN_LABELS",
)


def credentials(
    path: Path, values: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, str]:
    """The account and each secret, from the environment and the values of the file.

    Raises InputError for a connection string of another account, or one that cannot be read.
    """
    common = environ.get("AZURE_STORAGE_SAS_TOKEN", "")
    account = environ.get("AZURE_STORAGE_ACCOUNT", "")
    if holds_a_key("azure_storage_account", account):
        raise InputError(
            "AZURE_STORAGE_ACCOUNT=(not shown) of the environment has a key in it; expected the"
            " name of your storage account"
        )

    account = account or values["azure_storage_account"]
    connection_string = environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
    if connection_string:
        named = _account_named(connection_string)
        if account and named != account:
            raise InputError(
                f"{path}: AZURE_STORAGE_ACCOUNT={account}, but AZURE_STORAGE_CONNECTION_STRING of"
                f" the environment is of the account {named}; unset the one that is wrong"
            )
        account = named

    return {
        "azure_storage_account": account,
        "azure_storage_key": environ.get("AZURE_STORAGE_KEY") or values["azure_storage_key"],
        "connection_string": connection_string,
        "sas_token_images": (environ.get("AZURE_STORAGE_SAS_TOKEN_IMAGES") or common).lstrip("?"),
        "sas_token_labels": (environ.get("AZURE_STORAGE_SAS_TOKEN_LABELS") or common).lstrip("?"),
    }


def _account_named(connection_string: str) -> str:
    """The account that a connection string is of. Raises InputError if it says none."""
    pieces = connection_string.strip().split(";")
    parts = dict(piece.split("=", 1) for piece in pieces if "=" in piece)
    if not is_address(parts.get("BlobEndpoint", "https://x")):
        raise InputError(
            "AZURE_STORAGE_CONNECTION_STRING: its BlobEndpoint is no http(s) address; copy it whole"
            " from the portal (Access keys)"
        )

    named = parts.get("AccountName") or _account_of(parts.get("BlobEndpoint", ""))
    if not named:
        raise InputError(
            "AZURE_STORAGE_CONNECTION_STRING: no AccountName in it; copy it whole from the portal"
            " (Access keys)"
        )
    return named


def _account_of(endpoint: str) -> str:
    """The account in an address: of Azure the first part of the host, else that of the path."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    if host.endswith((".net", ".com")):
        return host.split(".")[0]
    return parts.path.strip("/").split("/")[0]
