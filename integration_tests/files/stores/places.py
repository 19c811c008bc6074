"""Real servers that store files, and what lies on them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, unquote

import boto3
import obstore
import requests
import werkzeug.serving
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from obstore.store import AzureStore

AZURITE = Path(__file__).parents[3] / ".venv/azurite/node_modules/azurite/dist/src/blob/main.js"
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
BUCKET = "print-files"
PREFIX = "shop/print"

_AZURE_ACCOUNT = "devstoreaccount1"
_AZURE_KEY = base64.b64encode(b"made up, and known to both sides").decode()
_BEARER = "AWS4-HMAC-SHA256 Credential=shop/20240305/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@dataclass
class Place:
    """A store: how it is configured, what lies there by its relative path, and what is unfinished there."""

    files: dict[str, Any]
    contents: Callable[[], dict[str, bytes]]
    unfinished: Callable[[], int] = lambda: 0
    secrets: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        address = str(self.files.get("endpoint", "")).rpartition(":")[2].partition("/")[0]
        return int(self.files.get("port") or address)


# S3, and Google's API that resembles it


@contextmanager
def s3_place() -> Iterator[Place]:
    with _moto(as_google=False) as (url, client):
        files = {
            "delivery": "s3", "bucket": BUCKET, "prefix": PREFIX, "region": "us-east-1", "endpoint": url,
            "access_key_id": "shop", "secret_access_key": "s3cret-of-the-shop",
        }  # fmt: skip
        yield _bucket_place(files, client, ["s3cret-of-the-shop"])


@contextmanager
def gcs_place() -> Iterator[Place]:
    with _moto(as_google=True) as (url, client):
        account = {
            "gcs_base_url": url, "disable_oauth": True, "client_email": "shop@example.com",
            "private_key": "s3cret-of-the-shop", "private_key_id": "1",
        }  # fmt: skip
        files = {"delivery": "gcs", "bucket": BUCKET, "prefix": PREFIX, "service_account": json.dumps(account)}
        yield _bucket_place(files, client, ["s3cret-of-the-shop"])


def _bucket_place(files: dict[str, Any], client: Any, secrets: list[str]) -> Place:
    client.create_bucket(Bucket=BUCKET)

    def contents() -> dict[str, bytes]:
        found = {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for entry in page.get("Contents", []):
                key = entry["Key"]
                assert key.startswith(f"{PREFIX}/")
                found[key.removeprefix(f"{PREFIX}/")] = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return found

    def unfinished() -> int:
        return len(client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))

    return Place(files, contents, unfinished, secrets)


@contextmanager
def _moto(*, as_google: bool) -> Iterator[tuple[str, Any]]:
    """A server of S3's API, which is that of Google's buckets too but for how a client tells who it is."""
    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        if as_google and "AWS4" not in environ.get("HTTP_AUTHORIZATION", ""):
            environ["HTTP_AUTHORIZATION"] = _BEARER
            for name in ("RAW_URI", "REQUEST_URI"):
                # Google takes each character in either form
                path, mark, query = environ.get(name, "").partition("?")
                environ[name] = quote(unquote(path)) + mark + query
        return moto(environ, start_response)

    server = werkzeug.serving.make_server("127.0.0.1", 0, application, threaded=True, request_handler=_QuietHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    key = {"aws_access_key_id": "shop", "aws_secret_access_key": "s3cret-of-the-shop", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **key)
    requests.post(f"{url}/moto-api/reset", timeout=10)
    try:
        yield url, client
    finally:
        client.close()
        server.shutdown()
        server.server_close()
        thread.join()


class _QuietHandler(werkzeug.serving.WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


# Azure


def without_azurite() -> str | None:
    """Why there is none; None where there is."""
    if not shutil.which("node"):
        return "Azurite needs node"
    return None if AZURITE.exists() else "Azurite is not installed: run `make .venv/azurite.stamp`, which needs npm"


@contextmanager
def azure_place(folder: Path) -> Iterator[Place]:
    port = _free_port()
    words = ["node", str(AZURITE), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    words += ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{_AZURE_ACCOUNT}:{_AZURE_KEY}"}
    with _running(words, port, environment):
        endpoint = f"http://127.0.0.1:{port}/{_AZURE_ACCOUNT}"
        _azure_container(endpoint, "PUT")
        store = AzureStore(
            BUCKET,
            config={"account_name": _AZURE_ACCOUNT, "account_key": _AZURE_KEY, "endpoint": endpoint},
            client_options={"allow_http": True},
        )

        def contents() -> dict[str, bytes]:
            entries = [entry["path"] for batch in obstore.list(store, PREFIX) for entry in batch]
            return {
                path.removeprefix(f"{PREFIX}/"): bytes(obstore.get(store, path).bytes()) for path in entries
            }  # fmt: skip

        files = {
            "delivery": "azure", "account": _AZURE_ACCOUNT, "container": BUCKET, "prefix": PREFIX,
            "account_key": _AZURE_KEY, "endpoint": endpoint,
        }  # fmt: skip
        yield Place(files, contents, secrets=[_AZURE_KEY])


def _azure_container(endpoint: str, method: str) -> None:
    """The library makes no containers: https://learn.microsoft.com/rest/api/storageservices/create-container."""
    date, version = formatdate(usegmt=True), "2021-08-06"
    headers = f"x-ms-date:{date}\nx-ms-version:{version}\n"
    resource = f"/{_AZURE_ACCOUNT}/{_AZURE_ACCOUNT}/{BUCKET}\nrestype:container"
    text = f"{method}\n\n\n\n\n\n\n\n\n\n\n\n{headers}{resource}"
    signature = hmac.new(base64.b64decode(_AZURE_KEY), text.encode(), hashlib.sha256).digest()
    answer = requests.request(
        method,
        f"{endpoint}/{BUCKET}?restype=container",
        headers={
            "x-ms-date": date,
            "x-ms-version": version,
            "Authorization": f"SharedKey {_AZURE_ACCOUNT}:{base64.b64encode(signature).decode()}",
        },
        timeout=30,
    )
    answer.raise_for_status()


# SFTP


def without_sshd() -> str | None:
    """Why there is none; None where there is."""
    if SSHD is None:
        return "OpenSSH's server is not installed (Debian: openssh-server)"
    return None


@contextmanager
def sftp_place(folder: Path, root: Path, *options: str) -> Iterator[Place]:
    """OpenSSH's server with keys of its own, for whoever runs the tests; `options` are those of its SFTP part."""
    for name in ("host", "user", "other"):
        if not (folder / name).exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(words, check=True, capture_output=True)
    root.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # which the server wants for its separation of privileges
    port = _free_port()
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/user.pub\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"Subsystem sftp internal-sftp {' '.join(options)}\n"
    )
    assert SSHD
    with _running([SSHD, "-D", "-q", "-f", str(folder / "sshd_config")], port):
        key = (folder / "user").read_text()
        files = {
            "delivery": "sftp", "host": "127.0.0.1", "port": port, "user": _user(), "private_key": key,
            "host_key": (folder / "host.pub").read_text(), "directory": str(root),
        }  # fmt: skip
        yield Place(files, lambda: contents_of(root), secrets=[key])


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def contents_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# Processes and ports


@contextmanager
def _running(words: list[str], port: int, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} has ended with {process.returncode}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
