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
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, unquote, urlencode

import boto3
import obstore
import requests
import werkzeug.serving
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from obstore.store import AzureStore

from integration_tests.certificates import Certificates
from integration_tests.ports import free_port

AZURITE = Path(__file__).parents[3] / ".venv/azurite/node_modules/azurite/dist/src/blob/main.js"
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
BUCKET = "print-files"
PREFIX = "shop/print"

_AZURE_ACCOUNT = "devstoreaccount1"
_AZURE_KEY = base64.b64encode(b"made up, and known to both sides").decode()
_S3_KEY = {"aws_access_key_id": "shop", "aws_secret_access_key": "s3cret-of-the-shop", "region_name": "us-east-1"}
_BEARER = "AWS4-HMAC-SHA256 Credential=shop/20240305/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@dataclass
class Place:
    """A store: how it is configured, what lies there by its relative path, and what is unfinished there."""

    files: dict[str, Any]
    contents: Callable[[], dict[str, bytes]]
    unfinished: Callable[[], int] = lambda: 0
    secrets: list[str] = field(default_factory=list)
    signed_bodies: Callable[[], list[str]] = list
    """What S3's clients but the test's own have said of the bytes of each request that had some."""

    @property
    def port(self) -> int:
        account = json.loads(self.files.get("service_account", "{}"))
        endpoint = str(self.files.get("endpoint") or account.get("gcs_base_url", ""))
        address = endpoint.rpartition(":")[2].partition("/")[0]
        return int(self.files.get("port") or address)


# A folder of this machine


def folder_place(root: Path) -> Place:
    return Place({"delivery": "folder", "path": str(root)}, lambda: contents_of(root))


# S3, and Google's API that resembles it


@contextmanager
def s3_place(tls: Certificates | None = None) -> Iterator[Place]:
    """`tls`: over https."""
    signed: list[str] = []
    with _moto(as_google=False, tls=tls, signed=signed) as (url, client):
        files = {
            "delivery": "s3", "bucket": BUCKET, "prefix": PREFIX, "region": "us-east-1", "endpoint": url,
            "access_key_id": "shop", "secret_access_key": "s3cret-of-the-shop",
        }  # fmt: skip
        place = _bucket_place(files, client, ["s3cret-of-the-shop"])
        place.signed_bodies = lambda: list(signed)
        yield place


@contextmanager
def gcs_place() -> Iterator[Place]:
    with _moto(as_google=True) as (url, client):
        account = {
            "gcs_base_url": url, "disable_oauth": True, "client_email": "shop@example.com",
            "private_key": "s3cret-of-the-shop", "private_key_id": "1",
        }  # fmt: skip
        files = {"delivery": "gcs", "bucket": BUCKET, "prefix": PREFIX, "service_account": json.dumps(account)}
        yield _bucket_place(files, client, ["s3cret-of-the-shop"])


@contextmanager
def s3_with_rights(place: Place, *actions: str) -> Iterator[dict[str, str]]:
    """The key of a user who may do no more than this: the server looks at keys and rights for as long."""
    address = str(place.files["endpoint"])
    iam = boto3.client("iam", endpoint_url=address, **_S3_KEY)
    allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.create_user(UserName="user")
    iam.put_user_policy(UserName="user", PolicyName="rights", PolicyDocument=policy)
    key = iam.create_access_key(UserName="user")["AccessKey"]
    requests.post(f"{address}/moto-api/reset-auth", data="0", timeout=10)
    try:
        yield {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}
    finally:
        requests.post(f"{address}/moto-api/reset-auth", data="inf", timeout=10)
        iam.close()


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
def _moto(
    *, as_google: bool, tls: Certificates | None = None, signed: list[str] | None = None
) -> Iterator[tuple[str, Any]]:
    """A server of S3's API, which is that of Google's buckets too but for how a client tells who it is."""
    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        if as_google and "AWS4" not in environ.get("HTTP_AUTHORIZATION", ""):
            environ["HTTP_AUTHORIZATION"] = _BEARER
            for name in ("RAW_URI", "REQUEST_URI"):
                # Google takes each character in either form
                path, mark, query = environ.get(name, "").partition("?")
                environ[name] = quote(unquote(path)) + mark + query
        if signed is not None and environ["REQUEST_METHOD"] == "PUT" and "Boto" not in environ["HTTP_USER_AGENT"]:
            signed.append(environ.get("HTTP_X_AMZ_CONTENT_SHA256", ""))
        return moto(environ, start_response)

    server = werkzeug.serving.make_server(
        "127.0.0.1",
        0,
        application,
        threaded=True,
        request_handler=_QuietHandler,
        ssl_context=tls.server_context() if tls else None,
    )
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    url = f"https://localhost:{server.server_port}" if tls else f"http://127.0.0.1:{server.server_port}"
    client = boto3.client("s3", endpoint_url=url, **_S3_KEY, **({"verify": str(tls.authority)} if tls else {}))
    requests.post(f"{url}/moto-api/reset", timeout=10, verify=str(tls.authority) if tls else True)
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
def azurite(folder: Path) -> Iterator[str]:
    """The endpoint of a server with an account."""
    port = free_port()
    words = ["node", str(AZURITE), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    words += ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{_AZURE_ACCOUNT}:{_AZURE_KEY}"}
    with _running(words, port, environment):
        yield f"http://127.0.0.1:{port}/{_AZURE_ACCOUNT}"


def azure_place(endpoint: str) -> Place:
    """A new container there."""
    container = f"{BUCKET}-{uuid.uuid4().hex[:8]}"
    _make_azure_container(endpoint, container)
    store = AzureStore(
        container,
        config={"account_name": _AZURE_ACCOUNT, "account_key": _AZURE_KEY, "endpoint": endpoint},
        client_options={"allow_http": True},
    )

    def contents() -> dict[str, bytes]:
        entries = [entry["path"] for batch in obstore.list(store, PREFIX) for entry in batch]
        return {path.removeprefix(f"{PREFIX}/"): bytes(obstore.get(store, path).bytes()) for path in entries}

    files = {
        "delivery": "azure", "account": _AZURE_ACCOUNT, "container": container, "prefix": PREFIX,
        "account_key": _AZURE_KEY, "endpoint": endpoint,
    }  # fmt: skip
    return Place(files, contents, secrets=[_AZURE_KEY])


def azure_sas(container: str, permissions: str, expiry: str = "2099-12-31T00:00:00Z") -> str:
    """A signature for the container: https://learn.microsoft.com/rest/api/storageservices/create-service-sas."""
    version = "2021-08-06"
    fields = [permissions, "", expiry, f"/blob/{_AZURE_ACCOUNT}/{container}", "", "", "", version, "c", *[""] * 7]
    signature = hmac.new(base64.b64decode(_AZURE_KEY), "\n".join(fields).encode(), hashlib.sha256).digest()
    query = {"sv": version, "sr": "c", "sp": permissions, "se": expiry, "sig": base64.b64encode(signature).decode()}
    return urlencode(query)


def _make_azure_container(endpoint: str, container: str) -> None:
    """The library makes no containers: https://learn.microsoft.com/rest/api/storageservices/create-container."""
    date, version = formatdate(usegmt=True), "2021-08-06"
    headers = f"x-ms-date:{date}\nx-ms-version:{version}\n"
    resource = f"/{_AZURE_ACCOUNT}/{_AZURE_ACCOUNT}/{container}\nrestype:container"
    text = f"PUT\n\n\n\n\n\n\n\n\n\n\n\n{headers}{resource}"
    signature = hmac.new(base64.b64decode(_AZURE_KEY), text.encode(), hashlib.sha256).digest()
    answer = requests.put(
        f"{endpoint}/{container}?restype=container",
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
    port = free_port()
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
