"""The buckets of Amazon, Google and Microsoft as the settings describe them.

Endpoint and plain http are always told: the library takes from the environment what it is not told.
"""

import json
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from source_customerscanvas.addresses import is_private
from source_customerscanvas.api.secrets import Secrets
from source_customerscanvas.errors import InvalidSetting
from source_customerscanvas.files.stores.bucket import Bucket
from source_customerscanvas.settings import Files

_AWAY_SECONDS = 120
"""For how long a store may be away before an upload is given up."""

_REQUEST_SECONDS = 300
"""For one request: all uploads together have 48 MiB under way, which may share a line of 170 KB a second."""

_HASTY = (3, 5, 2)
"""For a check: seconds of a request, seconds until there are no more tries, how many there are at most."""


def s3(files: Files) -> Bucket:
    """A bucket of Amazon S3, or of a server that speaks as it does."""
    region = files.region or "us-east-1"
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    endpoint = files.endpoint or f"https://s3.{region}.{suffix}"
    if bool(files.access_key_id) != bool(files.secret_access_key):
        missing = "secret_access_key" if files.access_key_id else "access_key_id"
        raise InvalidSetting(f"files.{missing}", "it is missing")

    config: Any = {
        "endpoint": endpoint,
        "region": region,
        "virtual_hosted_style_request": False,
        # TLS guards the bytes already, and a hash of each part would take a core as long as receiving it
        "unsigned_payload": not _is_plain(endpoint),
    }
    own: dict[str, Any] = {}
    if files.access_key_id:
        # a provider and not the key alone, beside which the library would take a session's token from elsewhere
        own["credential_provider"] = lambda: {
            "access_key_id": files.access_key_id,
            "secret_access_key": files.secret_access_key,
            "token": None,
            "expires_at": None,
        }
    base = f"s3://{files.bucket}/{_below(files.prefix)}"
    return Bucket(
        place=base if not files.endpoint else f"{base} at {urlsplit(endpoint).netloc}",
        url=lambda path: base + path,
        connect=partial(_connect, S3Store, files.bucket, files.prefix, endpoint, config=config, **own),
        permissions="put, get and delete objects and abort multipart uploads",
        secrets=Secrets(files.secret_access_key),
    )


def gcs(files: Files) -> Bucket:
    """A bucket of Google Cloud Storage."""
    account: Any = None
    endpoint = "https://storage.googleapis.com"
    if files.service_account:
        with suppress(ValueError):
            account = json.loads(files.service_account)
        if not isinstance(account, dict):
            raise InvalidSetting("files.service_account", "it is not the JSON of a service account's key")
        # the library obeys it, as its own tests do
        endpoint = str(account.get("gcs_base_url") or endpoint)
        if not is_private(endpoint):
            raise InvalidSetting("files.service_account", "its `gcs_base_url` is not https")

    config: Any = {"service_account_key": files.service_account} if files.service_account else {}
    base = f"gs://{files.bucket}/{_below(files.prefix)}"
    return Bucket(
        place=base,
        url=lambda path: base + path,
        connect=partial(_connect, GCSStore, files.bucket, files.prefix, endpoint, config=config),
        permissions="create, get and delete objects",
        secrets=Secrets(str(account.get("private_key") or "") if account else ""),
    )


def azure(files: Files) -> Bucket:
    """A container of Azure Blob Storage."""
    endpoint = files.endpoint or f"https://{files.account}.blob.core.windows.net"
    if not files.account_key and not files.sas_token:
        raise InvalidSetting("files.account_key", "either it or `sas_token` is needed")

    config: Any = {"account_name": files.account, "endpoint": endpoint, "use_emulator": False}
    if files.account_key:
        config["account_key"] = files.account_key
    else:
        config["sas_token"] = files.sas_token.removeprefix("?")
    base = f"{endpoint}/{files.container}/{quote(_below(files.prefix))}"
    return Bucket(
        place=base,
        url=lambda path: base + quote(path),
        connect=partial(_connect, AzureStore, files.container, files.prefix, endpoint, config=config),
        permissions="create, write, read and delete blobs",
        secrets=Secrets(files.account_key or files.sas_token),
    )


def _connect(kind: Any, name: str, prefix: str, endpoint: str, is_hasty: bool, **options: Any) -> ObjectStore:
    """The library's store of a kind, with time-outs and tries."""
    request, away, tries = _HASTY if is_hasty else (_REQUEST_SECONDS, _AWAY_SECONDS, 1000)
    store: ObjectStore = kind(
        name,
        prefix=prefix.strip("/") or None,
        client_options={
            "allow_http": _is_plain(endpoint),
            "connect_timeout": timedelta(seconds=3 if is_hasty else 10),
            "timeout": timedelta(seconds=request),
            "user_agent": "source-customerscanvas",
        },
        retry_config={
            "max_retries": tries,
            "retry_timeout": timedelta(seconds=away),
            "backoff": {"init_backoff": timedelta(milliseconds=250), "max_backoff": timedelta(seconds=10), "base": 2},
        },
        **options,
    )
    return store


def _is_plain(endpoint: str) -> bool:
    return urlsplit(endpoint).scheme == "http"


def _below(prefix: str) -> str:
    prefix = prefix.strip("/")
    return f"{prefix}/" if prefix else ""
