"""Account and secrets: the environment wins over the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.config.keys import is_address
from utils.config.shown import holds_a_key, split_query
from utils.destination import (
    CONNECTION,
    account_of,
    check_destination,
    connection_parts,
    endpoint_of,
    in_clear,
    is_azure,
)
from utils.errors import InputError
from utils.known_accounts import ACCOUNT, TOKENS, why_not

ENVIRONMENT = ("AZURE_STORAGE_CONNECTION_STRING", *TOKENS)  # what counts in the environment only


def credentials(
    path: Path, values: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, str]:
    """The account and each secret, from the environment and the values of the file, and
    `storage_url` without a secret in it.

    Raises InputError for a connection string of another account, or one that cannot be read, and
    for a storage_url to which a secret must not go.
    """
    address, in_address = split_query(values["storage_url"])
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

    tokens = {
        of: (environ.get(f"AZURE_STORAGE_SAS_TOKEN_{of}") or common).lstrip("?")
        for of in ("IMAGES", "LABELS")
    }
    sources = {of: _source(tokens[of] and of, in_address, values, environ) for of in tokens}
    if is_address(address):
        for source in sorted(set(sources.values())):
            check_destination(path, address, environ.get(ACCOUNT, ""), source, environ)
    for of, source in sources.items():
        if source in TOKENS:
            _check_account(path, address, account, tokens[of], source, environ)
    return {
        "azure_storage_account": account,
        "azure_storage_key": environ.get("AZURE_STORAGE_KEY") or values["azure_storage_key"],
        "connection_string": connection_string,
        "sas_token_images": tokens["IMAGES"] or in_address,
        "sas_token_labels": tokens["LABELS"] or in_address,
        "storage_url": address,
    }


def environment_of(config) -> dict[str, str]:
    """The variables by which a process of this machine that knows the file without its secrets has
    the same ones.
    """
    known = {
        "AZURE_STORAGE_ACCOUNT": config.azure_storage_account,
        "AZURE_STORAGE_KEY": config.azure_storage_key,
        CONNECTION: config.connection_string,
        "AZURE_STORAGE_SAS_TOKEN_IMAGES": config.sas_token_images,
        "AZURE_STORAGE_SAS_TOKEN_LABELS": config.sas_token_labels,
    }
    return {name: value for name, value in known.items() if value}


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """Every secret of the environment."""
    return [environ[name] for name in ("AZURE_STORAGE_KEY", *ENVIRONMENT) if environ.get(name)]


def _source(
    token: str, in_address: str, values: Mapping[str, Any], environ: Mapping[str, str]
) -> str:
    """Where the secret that is used comes from, as check_destination takes it. token: the container
    that has a SAS token of the environment, or "".
    """
    parts = connection_parts(environ.get(CONNECTION, ""))
    if "AccountKey" in parts or "SharedAccessSignature" in parts:
        return CONNECTION
    if token:
        own = f"AZURE_STORAGE_SAS_TOKEN_{token}"
        return own if environ.get(own) else "AZURE_STORAGE_SAS_TOKEN"
    if in_address:
        return ""
    if environ.get("AZURE_STORAGE_KEY"):
        return "AZURE_STORAGE_KEY"
    return "" if values["azure_storage_key"] else "login"


def _check_account(
    path: Path, address: str, account: str, token: str, source: str, environ: Mapping[str, str]
) -> None:
    """Raises InputError unless the SAS token, the variable `source` of the environment, may go to
    this address, or to the usual one of this account where there is none.
    """
    if address:
        if not is_azure(address):  # a folder, this machine, or confirmed by the environment
            return
        account = account_of(address)
    if account and (why := why_not(account, token, environ)):
        raise InputError(
            f"{path}: it names the account {account}, and {source} of the environment is not sent"
            f" there: {why}; if it is of {account}, set {ACCOUNT}={account} in your environment"
        )


def _account_named(connection_string: str) -> str:
    """The account that a connection string is of. Raises InputError if it says none."""
    parts = connection_parts(connection_string)
    if not is_address(parts.get("BlobEndpoint", "https://x")):
        raise InputError(
            "AZURE_STORAGE_CONNECTION_STRING: its BlobEndpoint is no http(s) address; copy it whole"
            " from the portal (Access keys)"
        )
    if in_clear(parts.get("BlobEndpoint", "https://x")):
        raise InputError(
            "AZURE_STORAGE_CONNECTION_STRING: its BlobEndpoint is no https address, so the key"
            " would go there without encryption (http is for this machine alone: 127.0.0.1,"
            " localhost or [::1])"
        )

    named = parts.get("AccountName") or account_of(endpoint_of(connection_string))
    if any(sign.isspace() for sign in named):
        raise InputError(
            "AZURE_STORAGE_CONNECTION_STRING: its members are not separated by `;`; copy it whole"
            " from the portal (Access keys)"
        )
    if not named:
        raise InputError(
            "AZURE_STORAGE_CONNECTION_STRING: no AccountName in it; copy it whole from the portal"
            " (Access keys)"
        )
    return named
