"""Writes a file to the disk."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO

_FLUSHED_AT_ONCE = 32 * 1024 * 1024
"""Bytes after which what was written of a file is sent to the disk."""

_flush = getattr(os, "fdatasync", os.fsync)


class FileWriter:
    """Writes a file, and lets a large one go to the disk while more of it is received.

    Before the file is closed, `close` has to be called.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._unflushed = 0
        self._thread: ThreadPoolExecutor | None = None
        self._flushing: Future[None] | None = None

    def close(self) -> None:
        """Wait until nothing uses the file any more."""
        if self._thread:
            self._thread.shutdown()

    def write(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._unflushed += len(chunk)
        if self._unflushed >= _FLUSHED_AT_ONCE and (self._flushing is None or self._flushing.done()):
            self._wait()
            self._unflushed = 0
            self._thread = self._thread or ThreadPoolExecutor(1, "flushing")
            self._flushing = self._thread.submit(_flush, self._file.fileno())

    def end(self) -> None:
        """Wait until everything is on the disk."""
        self._wait()
        _flush(self._file.fileno())

    def _wait(self) -> None:
        # the system tells of a failed write only once, to whoever asks first
        if self._flushing:
            self._flushing.result()
