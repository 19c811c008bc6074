"""Hashes a file on its way, in a thread of its own."""

from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256


class HashingThread:
    """The SHA-256 of what it is given. One chunk is hashed while the next is received: this bounds the memory."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._hashing: Future[None] | None = None
        self._sha256 = sha256()
        self._chunks = 0

    def add(self, chunk: bytes) -> None:
        self._wait()
        self._chunks += 1
        if self._chunks == 1:
            self._sha256.update(chunk)  # a small file is not worth a thread
            return
        self._thread = self._thread or ThreadPoolExecutor(1, "hashing")
        self._hashing = self._thread.submit(self._sha256.update, chunk)

    def end(self) -> str:
        """The SHA-256 of all that was added, hexadecimal."""
        self._wait()
        digest = self._sha256.hexdigest()
        self.restart()
        return digest

    def restart(self) -> None:
        """Forget what was added, and let the thread go."""
        self._wait()
        if self._thread:
            self._thread.shutdown()
        self._thread = None
        self._sha256 = sha256()
        self._chunks = 0

    def _wait(self) -> None:
        if self._hashing:
            self._hashing.result()
            self._hashing = None
