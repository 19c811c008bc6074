"""Hashes a file on its way, in a thread of its own."""

from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256


class HashingThread:
    """The SHA-256 of what it is given. One chunk is hashed while the next is received: this bounds the memory."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._hashing: Future[None] | None = None
        self._sha256 = sha256()
        self._is_empty = True

    def add(self, chunk: bytes) -> None:
        self._wait()
        if self._is_empty:
            self._sha256.update(chunk)  # a small file is not worth a thread
            self._is_empty = False
            return
        self._thread = self._thread or ThreadPoolExecutor(1, "hashing")
        self._hashing = self._thread.submit(self._sha256.update, chunk)

    def digest(self) -> str:
        """The SHA-256 of all that was added, hexadecimal."""
        self._wait()
        return self._sha256.hexdigest()

    def end(self) -> None:
        """Let the thread go."""
        if self._thread:
            self._thread.shutdown()

    def _wait(self) -> None:
        if self._hashing:
            self._hashing.result()
