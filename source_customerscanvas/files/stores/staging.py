"""Airbyte's staging directory, from which a destination takes the files away."""

import os
import shutil
import tempfile
from pathlib import Path
from threading import Event

from source_customerscanvas.errors import StoreUnavailable
from source_customerscanvas.files.stores.disk import DiskWriter
from source_customerscanvas.files.stores.folder import FolderStore
from source_customerscanvas.files.stores.room import Room, Share
from source_customerscanvas.files.stores.store import Writer
from source_customerscanvas.times import Clock

_PLATFORM_DIRECTORY = Path("/staging/files")
_STREAM = "artifact_files"
_LIMIT_VARIABLE = "CONNECTOR_STORAGE_LIMIT_BYTES"


def staging_directory() -> Path:
    """Where files are staged, as an absolute path.

    `AIRBYTE_STAGING_DIRECTORY`, or where the platform puts it by default, or the system's temporary directory, as the
    framework does.
    """
    chosen = os.environ.get("AIRBYTE_STAGING_DIRECTORY")
    if chosen:
        base = Path(chosen)
    elif _PLATFORM_DIRECTORY.is_dir():
        base = _PLATFORM_DIRECTORY
    else:
        base = Path(tempfile.gettempdir()) / "airbyte-file-transfer"
    return base.absolute() / _STREAM


class StagingStore(FolderStore):
    """Files below the staging directory, never more of them than half of what the volume may hold."""

    def __init__(self, clock: Clock, stopping: Event) -> None:
        self._directory = staging_directory()
        super().__init__(self._directory)
        self._clock = clock
        self._stopping = stopping
        self._room: Room | None = None

    def begin(self) -> None:
        base = self._directory.parent
        if os.environ.get("AIRBYTE_STAGING_DIRECTORY") and not base.is_dir():
            raise StoreUnavailable(
                str(base),
                "there is no such directory, although the platform names it as its staging directory",
                "Ask whoever runs the platform to mount it, or choose another place in `files`.",
            )
        super().begin()
        limit = os.environ.get(_LIMIT_VARIABLE, "")
        with self._disk.explained(""):
            most = int(limit) if limit.isdecimal() and int(limit) else shutil.disk_usage(self._directory).free
        self._room = Room(self.place, most // 2, self._clock, self._stopping)

    def open(self, path: str, size: int | None, content_type: str | None) -> Writer:
        if self._room is None:
            raise RuntimeError("the store has not begun")
        share = self._room.share(size)
        try:
            return _StagedWriter(self._disk.open(path), share, self._disk.target(path))
        except BaseException:
            share.leave()
            raise

    def check(self) -> None:
        """Nothing: the platform mounts the directory for a sync only."""

    def url(self, path: str) -> str | None:
        return None


class _StagedWriter:
    """A file that takes its share of the room."""

    def __init__(self, writer: DiskWriter, share: Share, target: str) -> None:
        self._writer = writer
        self._share = share
        self._target = target

    def write(self, chunk: bytes) -> None:
        self._share.take(len(chunk))
        self._writer.write(chunk)

    def restart(self) -> None:
        self._writer.restart()
        self._share.restart()

    def commit(self) -> str:
        digest = self._writer.commit()
        self._share.lay_down(self._target)
        return digest

    def abort(self) -> None:
        self._writer.abort()
        self._share.leave()
