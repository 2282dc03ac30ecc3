"""Reading many blobs of Azure by obstore, which needs a fifth of the processor's time that Azure's
own package takes for a request.

It only helps: where it is not installed, may not be used, or fails, Azure's package reads, which
has the last word on what is wrong. So none of its error texts, which hold addresses, is ever shown.
"""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any, Protocol
from urllib.request import getproxies

from utils.destination import is_azure
from utils.storage.container import Blob, Listed
from utils.terminal import say

_LARGEST = 64 << 20  # bytes that are held in memory
_IN_A_ROW = 3  # failures where Azure's package succeeds
_SCOPE = "https://storage.azure.com/.default"
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CLIENT = {
    "connect_timeout": timedelta(seconds=20),
    "read_timeout": timedelta(seconds=60),
    "timeout": timedelta(hours=1),
}
_RETRIES = {"max_retries": 1, "backoff": {"init_backoff": timedelta(milliseconds=100)}}


class Login(Protocol):
    """What azure-identity calls a credential."""

    def get_token(self, *scopes: str) -> Any:
        """A token and when it ends."""


Credential = str | dict[str, str] | Login  # a SAS token; account_name and account_key; a login


class Bulk:
    """Reads blobs of one container, where it can. Threads may share it."""

    def __init__(self, url: str, container: str, account: str, credential: Credential):
        self._store, self._why_not = _open(url, container, account, credential)
        self._lock = threading.Lock()
        self._failed = 0  # in a row

    def read(self, blob: Listed | Blob) -> bytes | None:
        """The whole blob, as it was listed; None when it did not come so: then ask Azure's package,
        and tell by `failed` when that one got it.
        """
        if blob.size > _LARGEST:
            return None
        data = self._get(blob.name, blob.etag)
        if data is None or len(data) != blob.size:
            return None
        if blob.md5 and hashlib.md5(data, usedforsecurity=False).digest() != blob.md5:
            return None
        return data

    def read_part(self, blob: Listed | Blob, start: int, end: int) -> bytes | None:
        """The bytes from `start` to `end`, of a blob that is as long as that; None likewise."""
        data = self._get(blob.name, blob.etag, range=(start, end))
        return data if data is not None and len(data) == end - start else None

    def failed(self, blob: Listed | Blob) -> None:
        """Azure's package has read this blob, or the part of it, that could not be read here. If
        that goes on, nothing more is tried.
        """
        with self._lock:
            if self._store is None or blob.size > _LARGEST:
                return
            self._failed += 1
            if self._failed == _IN_A_ROW:
                self._store, self._why_not = None, "the faster one fails here"

    def _get(self, name: str, etag: str, **options) -> bytes | None:
        store = self._store
        if store is None:
            self._say_why_not()
            return None
        import obstore

        try:
            answer = obstore.get(store, name, options={"if_match": f'"{etag}"', **options})
            data = answer.bytes().to_bytes()
            came = (answer.meta["e_tag"] or "").strip('"')
        except Exception:  # noqa: BLE001  whatever it is, Azure's package finds it too, and says it
            return None
        if came != etag:
            return None
        self._failed = 0
        return data

    def _say_why_not(self) -> None:
        with self._lock:
            why, self._why_not = self._why_not, ""
        if why:
            say(f"photos are read from Azure the slower way: {why}", error=True)


def _open(url: str, container: str, account: str, credential: Credential) -> tuple[Any, str]:
    """obstore's client; or None where Azure's package is to do it, and why if a person may want to
    know.
    """
    try:
        from obstore.store import AzureStore
    except ImportError:
        if find_spec("tensorflow") is None:  # an annotator's machine, which reads a batch
            return None, ""
        return None, "obstore is not installed (python -m pip install -r requirements.txt)"
    if isinstance(credential, str) and not is_azure(url):
        return None, ""  # it follows redirections, and would tell the next host this address
    if any(scheme != "no" for scheme in getproxies()):
        return None, "there is a proxy"
    if url.startswith("https:") and any(os.environ.get(name) for name in _BUNDLES):
        return None, f"{' or '.join(_BUNDLES)} is set"
    with _without_variables_of_azure():
        store = AzureStore(
            container,
            account_name=account,
            endpoint=url,
            client_options={**_CLIENT, "allow_http": url.startswith("http://")},
            retry_config=_RETRIES,
            **_as_options(credential),
        )
    return store, ""


@contextmanager
def _without_variables_of_azure() -> Iterator[None]:
    """obstore would take keys, and that certificates need not be valid, from the environment. So it
    is made when a program opens its containers, before there are threads.
    """
    names = [name for name in os.environ if name.upper().startswith("AZURE_")]
    kept = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(kept)


def _as_options(credential: Credential) -> dict:
    if isinstance(credential, str):
        return {"sas_key": credential}
    if isinstance(credential, dict):
        return {"account_key": credential["account_key"]}

    def token() -> dict:
        given = credential.get_token(_SCOPE)
        return {"token": given.token, "expires_at": datetime.fromtimestamp(given.expires_on, UTC)}

    return {"credential_provider": token}
