"""To which accounts SAS tokens of the environment went from this machine.

A token does not say of which account it is, and a config file may come from somebody else. So the
first account that takes one is kept in a small file of this user, and a token goes to no account
that it does not belong to, as far as that is known: each token to one account, and a new token to
an account that an earlier one went to.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from utils.terminal import say

ACCOUNT = "AZURE_STORAGE_ACCOUNT"
TOKENS = (
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_SAS_TOKEN_IMAGES",
    "AZURE_STORAGE_SAS_TOKEN_LABELS",
)


def why_not(account: str, token: str, environ: Mapping[str, str]) -> str:
    """Why a SAS token of the environment is not sent to this account, "" when it may be: the
    environment names the account, or it is the one by what is known here.
    """
    if environ.get(ACCOUNT, "") == account:
        return ""
    known = _read()
    if found := known.get(_digest(token)):
        return "" if found == account else f"it is of the account {found}"
    accounts = sorted(set(known.values()))
    if not accounts or account in accounts:
        return ""
    return f"from this machine such tokens went to {', '.join(accounts[:3])} until now"


def note(account: str, token: str, environ: Mapping[str, str] = os.environ) -> None:
    """This account has taken a request with this SAS token: keep it, if the token is of the
    environment.
    """
    if token not in {environ.get(name, "").lstrip("?") for name in TOKENS} - {""}:
        return
    known = _read()
    if known.get(_digest(token)) == account:
        return
    file = _file()
    piece = file.with_name(f".{secrets.token_hex(8)}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        piece.write_text(json.dumps({**known, _digest(token): account}, indent=1), "utf-8")
        os.replace(piece, file)
    except OSError as error:
        with suppress(OSError):
            piece.unlink()
        if environ.get(ACCOUNT, "") != account:
            say(
                f"warning: {file} cannot be written ({error.strerror or error}), so that another"
                " config could have your SAS token sent to another account; set"
                f" {ACCOUNT}={account} in your environment",
                error=True,
            )


def _file() -> Path:
    import platformdirs  # few need it

    folder = platformdirs.user_data_dir("active-learning-detect", appauthor=False)
    return Path(folder) / "accounts_of_sas_tokens.json"


def _read() -> dict[str, str]:
    """{digest of a token: its account}; what cannot be read says nothing."""
    try:
        known = json.loads(_file().read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {name: account for name, account in known.items() if isinstance(account, str)}


def _digest(token: str) -> str:
    return hashlib.sha256(token.lstrip("?").encode()).hexdigest()[:32]
