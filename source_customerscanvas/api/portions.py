"""How many rows of a list fit into one answer, so that memory does not depend on how wide they are."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from threading import Semaphore
from typing import Any

HEAVY_BYTES = 1024 * 1024
"""A page of a list is read up to this size: parsed it takes several times as much, and lists are read at once."""

_MOST_HEAVY = 4
"""Answers of lists with heavy rows that are read and parsed at once."""


class Portions:
    """What is known of the lists that have heavy rows; shared by all workers."""

    def __init__(self) -> None:
        self._row_bytes: dict[str, float] = {}
        self._room = Semaphore(_MOST_HEAVY)

    def room(self, path: str) -> AbstractContextManager[object]:
        """Around the reading of an answer: of lists with heavy rows, few are read at once."""
        return self._room if path in self._row_bytes else nullcontext()

    def fit(self, path: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """The parameters with which a list is to be asked: as they are, or for fewer rows."""
        fitting = dict(params or {})
        rows = _rows(fitting)
        if rows > 1 and path in self._row_bytes:
            fitting["take"] = max(1, min(rows, int(HEAVY_BYTES / self._row_bytes[path])))
        return fitting

    def most_bytes(self, params: Mapping[str, Any]) -> int | None:
        """How large an answer may be; None where there is nothing to shorten."""
        return HEAVY_BYTES if _rows(params) > 1 else None

    def note(self, path: str, params: Mapping[str, Any], size: int) -> None:
        """An answer to these parameters had so many bytes, or at least so many where it was not read to its end."""
        rows = _rows(params)
        if rows and (path in self._row_bytes or size > HEAVY_BYTES):
            self._row_bytes[path] = max(size, 1) / rows


def _rows(params: Mapping[str, Any]) -> int:
    rows = params.get("take")
    return rows if isinstance(rows, int) else 0
