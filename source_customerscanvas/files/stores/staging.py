"""Airbyte's staging directory, from which a destination takes the files away."""

import os
import shutil
import tempfile
from pathlib import Path
from threading import Event

from source_customerscanvas.errors import StoreUnavailable
from source_customerscanvas.files.stores.folder import FolderStore
from source_customerscanvas.files.stores.room import Room
from source_customerscanvas.files.stores.store import Writer
from source_customerscanvas.times import Clock

_PLATFORM_DIRECTORY = Path("/staging/files")
_STREAM = "artifact_files"
_LIMIT_VARIABLE = "CONNECTOR_STORAGE_LIMIT_BYTES"
_UNKNOWN = 1024 * 1024
"""Bytes that a file of unknown size is given at first."""


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

    keeps_files = False  # the destination takes them away

    def __init__(self, clock: Clock, stopping: Event) -> None:
        super().__init__(staging_directory())
        self._clock = clock
        self._stopping = stopping
        self._room: Room
        """Made when the store begins."""

    def begin(self) -> None:
        base = os.path.dirname(self.place)
        if os.environ.get("AIRBYTE_STAGING_DIRECTORY") and not os.path.isdir(base):
            raise StoreUnavailable(
                base,
                "there is no such directory, although the platform names it as its staging directory",
                "Ask whoever runs the platform to mount it, or choose another place in `files`.",
            )
        super().begin()
        limit = os.environ.get(_LIMIT_VARIABLE, "")
        with self.explained(""):
            most = int(limit) if limit.isdecimal() and int(limit) else shutil.disk_usage(self.place).free
        self._room = Room(self.place, most // 2, self._clock, self._stopping)

    def open(self, path: str, size: int | None, content_type: str | None) -> Writer:
        taken = _UNKNOWN if size is None else size
        self._room.take(taken)
        try:
            return _StagedWriter(super().open(path, size, content_type), self._room, taken, self.local_path(path))
        except BaseException:
            self._room.give_back(taken)
            raise

    def check(self) -> None:
        """Nothing: the platform mounts the directory for a sync only."""

    def url(self, path: str) -> str | None:
        return None


class _StagedWriter:
    """A file that takes up room."""

    def __init__(self, writer: Writer, room: Room, taken: int, target: str) -> None:
        self._writer = writer
        self._room = room
        self._taken = taken
        self._target = target
        self._size = 0

    def write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._taken:
            more = max(self._size - self._taken, self._taken, _UNKNOWN)
            self._room.take(more, has_begun=True)
            self._taken += more
        self._writer.write(chunk)
        self._room.note_move()

    def commit(self) -> None:
        self._writer.commit()
        self._room.lay_down(self._target, self._size, self._taken)
        self._taken = 0

    def abort(self) -> None:
        self._writer.abort()
        self._room.give_back(self._taken)
        self._taken = 0
