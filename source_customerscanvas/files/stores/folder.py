"""A folder of the machine that the connector runs on, a network share among them."""

import os
from contextlib import suppress
from pathlib import Path

from source_customerscanvas.files.stores.disk import Disk
from source_customerscanvas.files.stores.store import Store, Writer


class FolderStore(Store):
    """Files below a directory, which is made where it is missing."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._disk = Disk(directory)

    @property
    def place(self) -> str:
        return str(self._disk.directory)

    def begin(self) -> None:
        self._disk.begin()

    def end(self) -> None:
        self._disk.end()

    def abandon(self) -> None:
        self._disk.abandon()

    def open(self, path: str, size: int | None, content_type: str | None) -> Writer:
        return self._disk.open(path)

    def stat(self, path: str) -> int | None:
        with self._disk.explained(path):
            try:
                return os.lstat(self._disk.target(path)).st_size
            except FileNotFoundError:
                return None

    def read(self, path: str) -> bytes:
        with self._disk.explained(path):
            return Path(self._disk.target(path)).read_bytes()

    def delete(self, path: str) -> None:
        with self._disk.explained(path), suppress(FileNotFoundError):
            os.unlink(self._disk.target(path))

    def url(self, path: str) -> str | None:
        return Path(self._disk.target(path)).as_uri()

    def local_path(self, path: str) -> str | None:
        return self._disk.target(path)

    def hasty(self) -> Store:
        return FolderStore(self._disk.directory)
