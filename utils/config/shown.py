"""Values as text, and what of a text may be shown in messages and published files."""

import re
from typing import Any

from utils.masking import looks_secret

_ADDRESSES = ("storage_url", "tf_url", "init_pred_tf_url")


def as_text(value: Any) -> str:
    """A value as a config file would say it."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(as_text(item) for item in value)
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)


def without_query(text: str) -> str:
    """An address without what may be secret in it: the query, a user and a password. It need not be
    a possible address.
    """
    if "://" not in text:
        return text
    scheme, _, rest = re.split(r"[?#]", text, maxsplit=1)[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def split_query(url: str) -> tuple[str, str]:
    """An address without its query, and the query (a SAS token)."""
    if "://" not in url or "?" not in url:
        return url, ""
    base, _, query = url.partition("?")
    return base.rstrip("/"), query


def holds_a_key(name: str, text: str) -> bool:
    """Is a secret in a value that is shown in messages? The query of an address is not shown, so it
    may stand where addresses may.
    """
    return looks_secret(without_query(text) if name in _ADDRESSES else text)
