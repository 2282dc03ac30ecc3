"""Azure Blob Storage as containers (container.py). No other module imports Azure's packages."""

import base64
import binascii
import hashlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from traceback import walk_tb
from typing import IO

import requests
from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobProperties, ContainerClient, ContentSettings, ExponentialRetry
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from utils import known_accounts
from utils.certificates import distrusted
from utils.destination import (
    account_of,
    connection_parts,
    endpoint_of,
    is_azure,
    is_this_machine,
)
from utils.errors import InputError, OutsideError, Unreadable
from utils.files import write_beside
from utils.storage.bulk import Bulk
from utils.storage.container import Blob, Conflict, Damaged, Listed, Missing

_CONNECTIONS = 64  # kept open; more concurrent requests than this would each make their own
# bytes; Azure's default of 4096 costs more processor than the rest of a request
_READ_SIZE = 1 << 20
_PIECES_AT_ONCE = 4  # of one large blob
# what a person needs to know is in our errors; theirs are pages
logging.getLogger("azure").addHandler(logging.NullHandler())
_REHYDRATE = "it is in the archive tier; rehydrate it (set its tier to Hot or Cool)"
_WITHHELD = {  # the service's code for a fault of one blob: what to do
    "BlobArchived": _REHYDRATE,
    "BlobBeingRehydrated": "it comes back from the archive tier; wait some hours",
    "BlobUsesCustomerSpecifiedEncryption": (
        "it is encrypted with a customer's key; upload it without that key"
    ),
    "LeaseIdMissing": "another program holds a lease on it; break the lease",
}
_again = retry(retry=retry_if_exception_type(Damaged), stop=stop_after_attempt(3), reraise=True)


def open_azure(config) -> tuple["AzureContainer", "AzureContainer"]:
    """The image and the label container of an Azure account or of the emulator, both checked to be
    there.

    Credentials, the first that is given: connection string, SAS token (may differ for the two
    containers), account key, Azure login. Raises InputError for an account not filled in, a
    credential that is not accepted, no such container.
    """
    connection = connection_parts(config.connection_string)
    url = config.storage_url or endpoint_of(config.connection_string) or _public_url(config)
    account = account_of(url) or config.azure_storage_account
    if connection.get("AccountName", account) != account:
        raise InputError(
            f"AZURE_STORAGE_CONNECTION_STRING is of the account {connection['AccountName']}, but"
            f" {config.path} says storage_url={url}; unset the one that is wrong"
        )
    clock = _Clock()
    session = _session(url, clock)
    trusted = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    opened = []
    for key, sas in (
        ("image_container_name", config.sas_token_images),
        ("label_container_name", config.sas_token_labels),
    ):
        credential = _credential(config, connection, sas, account, url)
        client = ContainerClient(
            url,
            config.need(key),
            credential=credential,
            connection_timeout=20,
            read_timeout=60,
            transport=RequestsTransport(
                session=session,
                session_owner=False,
                connection_data_block_size=_READ_SIZE,
                connection_verify=trusted,
            ),
            permit_redirects=False,  # nothing that a service says decides where a secret goes
            retry_policy=ExponentialRetry(
                initial_backoff=1, increment_base=2, retry_total=3, random_jitter_range=1
            ),
        )
        bulk = Bulk(url, client.container_name, account, credential) if not opened else None
        container = AzureContainer(client, f"{url}/{client.container_name}", clock, bulk)
        container.check(f"{config.path}: {key}={client.container_name}")
        if credential == sas and is_azure(url):
            known_accounts.note(account, sas)
        opened.append(container)
    return opened[0], opened[1]


class AzureContainer:
    """A container in Azure Blob Storage or in Azurite. Threads may share it."""

    def __init__(
        self, client: ContainerClient, address: str, clock: "_Clock", bulk: Bulk | None = None
    ):
        self.name = client.container_name
        self.address = address
        self._client = client
        self._clock = clock
        self._bulk = bulk

    def check(self, setting: str) -> None:
        """Raise InputError, beginning with `setting`, when there is no such container."""
        try:
            with self._errors():
                # a container's SAS may list, but not ask for its properties
                next(self._client.list_blobs(results_per_page=1), None)
        except Missing:
            raise InputError(
                f"{setting}: no such container in {self.address.rpartition('/')[0]}; make it, or"
                " correct the key"
            ) from None

    def list(self, prefix: str = "") -> Iterator[Blob]:
        with self._errors():
            for properties in self._client.list_blobs(
                name_starts_with=prefix or None, include=["metadata"]
            ):
                if not _is_folder(properties):
                    yield _blob(properties)

    def info(self, name: str) -> Blob:
        with self._errors(name):
            return _blob(self._client.get_blob_client(name).get_blob_properties())

    def read(self, name: str, listed: Listed | Blob | None = None) -> tuple[bytes, Listed | Blob]:
        data = self._in_bulk(listed)
        if data is not None:
            return data, listed
        data, blob = self._read(name)
        self._compare_bulk(listed, blob)
        return data, blob

    @_again
    def _read(self, name: str) -> tuple[bytes, Blob]:
        with self._errors(name):
            download = self._client.download_blob(name, max_concurrency=_PIECES_AT_ONCE)
            data = download.readall()
        blob = _blob(download.properties)
        self._check_whole(
            blob, len(data), hashlib.md5(data, usedforsecurity=False).digest() if blob.md5 else None
        )
        return data, blob

    def read_part(
        self, name: str, start: int, length: int, listed: Listed | Blob | None = None
    ) -> bytes:
        if not listed or not self._bulk or start >= listed.size:
            return self._read_part(name, start, length, listed.etag if listed else None)
        data = self._bulk.read_part(listed, start, min(start + length, listed.size))
        if data is None:
            data = self._read_part(name, start, length, listed.etag)
            self._bulk.failed(listed)
        return data

    @_again
    def _read_part(self, name: str, start: int, length: int, etag: str | None) -> bytes:
        with self._errors(name):
            try:
                download = self._client.download_blob(
                    name, offset=start, length=length, **_only(etag)
                )
                data = download.readall()
            except HttpResponseError as error:
                if error.status_code == 416:  # the blob ends before
                    return b""
                raise
        if len(data) != download.size:
            raise Damaged(f"{self.address}: a part of {name} arrived with another length")
        return data

    def fetch(
        self,
        name: str,
        target: Path,
        durable: bool = True,
        listed: Listed | Blob | None = None,
    ) -> Listed | Blob:
        data = self._in_bulk(listed)
        if data is None:
            blob = self._fetch(name, target, durable)
            self._compare_bulk(listed, blob)
            return blob
        with write_beside(target, durable=durable) as piece:
            piece.write_bytes(data)
        return listed

    @_again
    def _fetch(self, name: str, target: Path, durable: bool) -> Blob:
        with write_beside(target, durable=durable) as piece:
            with self._errors(name), piece.open("w+b") as file:
                download = self._client.download_blob(name, max_concurrency=_PIECES_AT_ONCE)
                download.readinto(file)
                blob = _blob(download.properties)
                # readinto tells the length it was told
                self._check_whole(blob, file.seek(0, 2), _md5(file) if blob.md5 else None)
        return blob

    def write(
        self,
        name: str,
        data: bytes | Path,
        *,
        if_etag: str | None = None,
        new: bool = False,
        metadata: dict[str, str] | None = None,
    ) -> str:
        condition = _only(if_etag)
        if isinstance(data, Path):
            with data.open("rb") as file:
                return self._upload(
                    name,
                    file,
                    data.stat().st_size,
                    _md5(file),
                    overwrite=not new,
                    metadata=metadata,
                    **condition,
                )
        return self._upload(
            name,
            data,
            len(data),
            hashlib.md5(data, usedforsecurity=False).digest(),
            overwrite=not new,
            metadata=metadata,
            **condition,
        )

    def delete(self, name: str) -> None:
        with self._errors(name):
            self._client.delete_blob(name)

    def clock_ahead(self) -> timedelta:
        return self._clock.ahead  # `check` has had an answer

    def path_of(self, name: str) -> Path | None:
        return None

    def _in_bulk(self, listed: Listed | Blob | None) -> bytes | None:
        """The whole blob that was listed, where it can be read in bulk, and is still that one."""
        return self._bulk.read(listed) if listed and self._bulk else None

    def _compare_bulk(self, listed: Listed | Blob | None, came: Blob) -> None:
        """Let bulk reading know of what it could not read, and should have."""
        if listed and self._bulk and came.etag == listed.etag:
            self._bulk.failed(listed)

    def _upload(
        self, name: str, data: bytes | IO[bytes], length: int, md5: bytes, **options
    ) -> str:
        with self._errors(name):
            try:
                # blobs sent in blocks would have none
                settings = ContentSettings(content_md5=bytearray(md5))
                answer = self._client.get_blob_client(name).upload_blob(
                    data,
                    length=length,
                    content_settings=settings,
                    max_concurrency=_PIECES_AT_ONCE,
                    **options,
                )
            except HttpResponseError as error:
                if error.status_code in (409, 412) and _code(error) in (
                    "BlobAlreadyExists",
                    "ConditionNotMet",
                    "TargetConditionNotMet",
                ):
                    raise Conflict(f"{self.address}: {name} was changed meanwhile") from None
                raise
        return answer["etag"].strip('"')

    def _check_whole(self, blob: Blob, length: int, md5: bytes | None) -> None:
        if length != blob.size or md5 != blob.md5:
            wrong = "length" if length != blob.size else "MD5"
            raise Damaged(
                f"{self.address}: {blob.name} arrived with another {wrong} than it has there;"
                " upload it again if that stays so"
            )

    @contextmanager
    def _errors(self, name: str = "") -> Iterator[None]:
        """What Azure's packages raise, in one line and without their texts, which may hold
        addresses with a SAS.
        """
        try:
            yield
        except HttpResponseError as error:
            raise self._translated(error, name) from None
        except (ServiceRequestError, ServiceResponseError) as error:
            if "non-TLS" in str(error):
                raise InputError(
                    f"{self.address}: an Azure login needs https; set AZURE_STORAGE_KEY or a SAS"
                    " token"
                ) from None
            if why := distrusted(error):
                raise OutsideError(f"{self.address}: {why}") from None
            raise OutsideError(
                f"{self.address} cannot be reached ({_network_reason(error)}); check the account's"
                " name and the network, then run the same command again"
            ) from None
        except AzureError as error:
            raise OutsideError(f"{self.address}: {type(error).__name__}") from None
        except requests.RequestException as error:
            raise OutsideError(
                f"{self.address}: the connection broke ({_network_reason(error)}); run the same"
                " command again"
            ) from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if not _in_azures_packages(error):
                raise
            raise OutsideError(
                f"{self.address}: the answer is none of Azure's; is there a login page or a proxy"
                " between? Check the network and the address, then run the same command again"
            ) from None

    def _translated(self, error: HttpResponseError, name: str) -> Exception:
        code = _code(error)
        if isinstance(error, ClientAuthenticationError) and error.response is None:
            return InputError(
                f"{self.address}: no key, SAS token or connection string is given, and there is no"
                " Azure login; set AZURE_STORAGE_KEY or run `az login`"
            )
        if name and code in _WITHHELD:
            return Unreadable(f"{self.address}: {name}: {_WITHHELD[code]}")
        if error.status_code in (401, 403):
            return InputError(
                f"{self.address}: access refused ({code}); check AZURE_STORAGE_KEY, the SAS token's"
                " permissions and end, or your role, and this machine's clock"
            )
        if error.status_code == 404:
            return Missing(
                f"{self.address}: there is no {name}"
                if name and code != "ContainerNotFound"
                else f"{self.address}: no such container"
            )
        if error.status_code is None or error.status_code < 300:
            return OutsideError(
                f"{self.address}: the service's answer broke off or arrived"
                f" damaged{' (' + name + ')' if name else ''}; run the same command again"
            )
        if error.status_code == 412 and name:
            return Damaged(
                f"{self.address}: {name} was replaced while it was read; run the same command again"
            )
        if code in ("InvalidResourceName", "OutOfRangeInput") and not name:
            return InputError(
                f"{self.address}: not a possible container name; Azure's have 3-63 lower-case"
                " letters, digits and hyphens"
            )
        return OutsideError(
            f"{self.address}: the service answered {error.status_code or ''}"
            f" {code}{' for ' + name if name else ''}"
        )


def _blob(properties: BlobProperties) -> Blob:
    md5 = properties.content_settings.content_md5
    return Blob(
        properties.name,
        properties.size,
        properties.etag.strip('"'),
        properties.last_modified,
        bytes(md5) if md5 else None,
        dict(properties.metadata or {}),
        _REHYDRATE if properties.blob_tier == "Archive" else "",
    )


def _only(etag: str | None) -> dict:
    """The options of a request that is about the blob with this ETag only, if one is given."""
    if not etag:
        return {}
    return {"etag": f'"{etag}"', "match_condition": MatchConditions.IfNotModified}


def _is_folder(properties: BlobProperties) -> bool:
    """Whether it stands for a folder, whatever it is called, as accounts with a hierarchy have."""
    told = (properties.metadata or {}).get("hdi_isfolder", "")
    return told.lower() == "true" or properties.name.endswith("/")


def _md5(file: IO[bytes]) -> bytes:
    """The MD5 of a whole open file, which is at its beginning afterwards."""
    file.seek(0)
    digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()
    file.seek(0)
    return digest


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or type(error).__name__)


def _in_azures_packages(error: Exception) -> bool:
    """Whether it comes from their code, which reads an answer that the service would not give."""
    names = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return any(name.startswith("azure.") for name in names)


def _network_reason(error: Exception) -> str:
    text = str(error)
    found = re.search(r"\[Errno -?\d+\] ([A-Za-z ,]+)", text)
    if found:
        return found[1].strip()
    if "aborted" in text or "disconnected" in text:
        return "the connection broke"
    return "timed out" if "timed out" in text.lower() else type(error).__name__


def _public_url(config) -> str:
    account = config.need("azure_storage_account")
    if not re.fullmatch(r"[a-z0-9]{3,24}", account):
        raise InputError(
            f"{config.path}: AZURE_STORAGE_ACCOUNT=(not shown) is not a possible account name (3-24"
            " lower-case letters, digits)"
        )
    return f"https://{account}.blob.core.windows.net"


def _credential(config, connection: dict[str, str], sas: str, account: str, url: str):
    key = connection.get("AccountKey")
    if not key and "SharedAccessSignature" in connection:
        return connection["SharedAccessSignature"].lstrip("?")
    if not key and sas:
        return sas
    key = key or config.azure_storage_key
    if not key:
        if url.startswith("http://"):
            raise InputError(
                f"{config.path}: storage_url={url} needs AZURE_STORAGE_KEY or a SAS token (an Azure"
                " login needs https)"
            )
        return DefaultAzureCredential()
    try:
        base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise InputError(
            f"{config.path}: AZURE_STORAGE_KEY is not base64; copy it from the portal (Access keys)"
        ) from None
    return {"account_name": account, "account_key": key}


def _check_range(answer: requests.Response, **_) -> None:
    """Raise ConnectionError, which the client answers with another try, when a part of a blob is
    not the part that was asked for.

    The client would write what came, and report the length that it should have had.
    """
    asked = re.fullmatch(r"bytes=(\d+)-(\d+)", answer.request.headers.get("x-ms-range", ""))
    told = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("Content-Range", ""))
    if answer.status_code != 206 or not asked or not told:
        return
    (first, last), (start, end, size) = map(int, asked.groups()), map(int, told.groups())
    length = int(answer.headers.get("Content-Length", end - start + 1))
    if (start, end) != (first, min(last, size - 1)) or length != end - start + 1:
        answer.close()
        raise requests.ConnectionError("another part of the blob came than was asked for")


class _Clock:
    """How far the clock of the service is ahead of ours, by the last answer that came."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def read(self, answer: requests.Response, **_) -> None:
        with suppress(TypeError, ValueError):
            told = parsedate_to_datetime(answer.headers.get("Date"))
            self.ahead = told.astimezone(UTC) - datetime.now(UTC)


def _as_stored(answer: requests.Response, **_) -> None:
    """Read the bytes of a blob as they are stored: whoever put it there may have said
    Content-Encoding of bytes that are not encoded so.
    """
    if "x-ms-blob-type" in answer.headers:
        answer.headers.pop("Content-Encoding", None)
        answer.raw.headers.pop("Content-Encoding", None)


def _session(url: str, clock: _Clock) -> requests.Session:
    """The connections to an account, through the proxy that the environment names; read once,
    because requests would for every blob.
    """
    session = requests.Session()
    session.trust_env = False
    proxies = requests.utils.get_environ_proxies(url)
    if is_this_machine(url):  # perhaps without encryption: it stays on this machine
        proxies = {of: proxy for of, proxy in proxies.items() if is_this_machine(proxy)}
    session.proxies = proxies
    session.hooks["response"] += [_check_range, _as_stored, clock.read]
    for scheme in ("https://", "http://"):
        session.mount(
            scheme,
            requests.adapters.HTTPAdapter(
                pool_connections=4, pool_maxsize=_CONNECTIONS, max_retries=0
            ),
        )
    return session
