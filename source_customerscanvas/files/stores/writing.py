"""Writes a file to the disk and hashes it on the way."""

import errno
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from typing import IO

_HASHED_AS_THEY_COME = 1024 * 1024
"""Bytes at the beginning of a file that are hashed before they are written."""

_HASHED_AT_ONCE = 8 * 1024 * 1024
"""Bytes after which what was written of a file is hashed."""

_READ_BACK = 256 * 1024

_FLUSHED_AT_ONCE = 32 * 1024 * 1024
"""Bytes after which what was written of a file is sent to the disk."""

_flush = getattr(os, "fdatasync", os.fsync)


class FileWriter:
    """Writes a file, hashes it and lets it go to the disk: of a large one, the last two while more is received.

    A large file is hashed as it is read back from the system's cache, in threads of its own: nobody waits for them
    before the end, whatever they are behind, and no memory is needed for what they have not got to. Before the file is
    closed, `close` has to be called.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = 0
        self._hashed = 0
        self._flushed = 0
        self._sha256 = sha256()
        self._threads: ThreadPoolExecutor | None = None
        self._hashing: Future[None] | None = None
        self._flushing: Future[None] | None = None

    def close(self) -> None:
        """Wait until nothing uses the file any more."""
        if self._threads:
            self._threads.shutdown()

    def write(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._size += len(chunk)
        if self._size <= _HASHED_AS_THEY_COME:
            self._sha256.update(chunk)
            self._hashed = self._size
        elif self._size - self._hashed >= _HASHED_AT_ONCE and _is_free(self._hashing):
            self._hashing = self._begin(self._hash, self._size)
        if self._size - self._flushed >= _FLUSHED_AT_ONCE and _is_free(self._flushing):
            self._flushing = self._begin(_flush, self._file.fileno())
            self._flushed = self._size

    def restart(self) -> None:
        """Forget what was written."""
        self._wait()
        self._file.seek(0)
        self._file.truncate()
        self._size = self._hashed = self._flushed = 0
        self._sha256 = sha256()

    def end(self) -> str:
        """Wait until everything is on the disk. Gives the SHA-256 of it, hexadecimal."""
        self._wait()
        if os.fstat(self._file.fileno()).st_size < self._size:
            raise _shortened()
        if self._hashed < self._size:
            self._hash(self._size)
        _flush(self._file.fileno())
        return self._sha256.hexdigest()

    def _begin(self, job: Callable[[int], None], argument: int) -> "Future[None]":
        self._threads = self._threads or ThreadPoolExecutor(2, "writing")
        return self._threads.submit(job, argument)

    def _hash(self, end: int) -> None:
        with open(self._file.name, "rb", buffering=0) as file:
            file.seek(self._hashed)
            room = memoryview(bytearray(min(_READ_BACK, end - self._hashed)))
            while self._hashed < end:
                size = file.readinto(room[: end - self._hashed])
                if not size:
                    raise _shortened()
                self._sha256.update(room[:size])
                self._hashed += size

    def _wait(self) -> None:
        # the system tells of a failed write only once, to whoever asks first
        for job in (self._hashing, self._flushing):
            if job:
                job.result()


def _shortened() -> OSError:
    return OSError(errno.EIO, "The file has become shorter while it was written")


def _is_free(job: "Future[None] | None") -> bool:
    """Whether the next job may begin. Raises what the one before raised."""
    if job is None:
        return True
    if job.done():
        job.result()
        return True
    return False
