"""Where the demo's print files go: a folder, or an S3 server that is started for it."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

BUCKET = "print-files"
_REGION = "us-east-1"
_KEY = "demo"


class Store(Protocol):
    """`settings` is the connector's setting `files` for it, `place` its name for people."""

    settings: dict[str, Any]
    place: str

    def sizes(self) -> dict[str, int]:
        """The files that lie there: their paths and sizes in bytes."""

    def read(self, path: str) -> bytes:
        """Raises FileNotFoundError."""

    def link(self, path: str) -> str | None:
        """Where a page beside the folder finds a file; None where a browser cannot."""


class FolderStore:
    """A folder, emptied at the start; links to its files begin in the folder that it lies in."""

    def __init__(self, folder: Path, place: str) -> None:
        self.settings = {"delivery": "folder", "path": str(folder)}
        self.place = place
        self._folder = folder

    def sizes(self) -> dict[str, int]:
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return {path.relative_to(self._folder).as_posix(): path.stat().st_size for path in files}

    def read(self, path: str) -> bytes:
        return (self._folder / path).read_bytes()

    def link(self, path: str) -> str | None:
        return quote(f"{self._folder.name}/{path}")


class BucketStore:
    """A bucket of an S3 server on this machine."""

    def __init__(self, endpoint: str) -> None:
        from obstore.store import S3Store

        self.settings = {
            "delivery": "s3",
            "bucket": BUCKET,
            "region": _REGION,
            "endpoint": endpoint,
            "access_key_id": _KEY,
            "secret_access_key": _KEY,
        }
        self.place = f"s3://{BUCKET}"
        with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT"), timeout=30):
            pass
        self._store = S3Store(
            BUCKET,
            endpoint=endpoint,
            region=_REGION,
            access_key_id=_KEY,
            secret_access_key=_KEY,
            client_options={"allow_http": True},
        )

    def sizes(self) -> dict[str, int]:
        return {one["path"]: one["size"] for batch in self._store.list() for one in batch}

    def read(self, path: str) -> bytes:
        return bytes(self._store.get(path).bytes())

    def link(self, path: str) -> str | None:
        return None


@contextmanager
def folder_store(folder: Path, place: str) -> Iterator[FolderStore]:
    shutil.rmtree(folder, ignore_errors=True)
    yield FolderStore(folder, place)


@contextmanager
def bucket_store() -> Iterator[BucketStore]:
    """An S3 server that is gone with all that lies there when the context ends."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield BucketStore(f"http://{host}:{port}")  # ignore-https-check
    finally:
        server.stop()
