"""The bytes of artifacts: small real documents, or any number of bytes made while they are sent."""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

BLOCK = 1 << 20


class Content(Protocol):
    """Bytes that can be read from any place."""

    @property
    def length(self) -> int: ...

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in pieces of at most one block."""
        ...


class Document:
    """Bytes held in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def length(self) -> int:
        return len(self._data)

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        for position in range(start, min(stop, self.length), BLOCK):
            yield self._data[position : min(position + BLOCK, stop)]


class Filling:
    """One random block, repeated, each time with its number in front: a piece at the wrong place is a wrong piece."""

    def __init__(self, name: str, length: int) -> None:
        self._name = name
        self._length = length

    @property
    def length(self) -> int:
        return self._length

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        stop = min(stop, self._length)
        tail = memoryview(_block(self._name))[8:]
        while start < stop:
            number, offset = divmod(start, BLOCK)
            piece = b"".join((number.to_bytes(8, "big"), tail))[offset : offset + stop - start]
            yield piece
            start += len(piece)


@lru_cache(maxsize=64)
def _block(name: str) -> bytes:
    return random.Random(name).randbytes(BLOCK)


def packed(content: Content) -> Document:
    """The content as gzip, the same bytes every time."""
    return Document(gzip.compress(b"".join(content.read(0, content.length)), mtime=0))


def sha256_of(content: Content) -> str:
    digest = hashlib.sha256()
    for piece in content.read(0, content.length):
        digest.update(piece)
    return digest.hexdigest()
