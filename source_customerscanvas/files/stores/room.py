"""Room for the files that lie in a directory until somebody takes them away."""

import os
from threading import Event, RLock

from source_customerscanvas.errors import Stopped, StoreAway
from source_customerscanvas.times import Clock

_LOOK_SECONDS = 0.2
_UNMOVED_SECONDS = 600.0
_UNKNOWN = 1024 * 1024
"""Bytes that a file of unknown size is given at first."""


class Room:
    """At most so many bytes lie in the directory or are on their way there; one larger file goes alone.

    Safe to share between threads. Everybody waits here until there is room, or until nothing has moved for ten
    minutes: no byte written, no file taken away.
    """

    def __init__(self, place: str, most: int, clock: Clock, stopping: Event) -> None:
        self._place = place
        self._most = most
        self._clock = clock
        self._stopping = stopping
        self._lock = RLock()
        self._lying: dict[str, int] = {}
        self._used = 0
        self._moved = self._looked = clock.monotonic()

    def share(self, size: int | None) -> "Share":
        """Room for a file of so many bytes, if that is known. Waits for it."""
        needed = _UNKNOWN if size is None else size
        self._wait_for(needed, while_lying=False)
        return Share(self, needed)

    def note_move(self) -> None:
        self._moved = self._clock.monotonic()

    def give_back(self, size: int) -> None:
        with self._lock:
            self._used -= size
            self.note_move()

    def grow(self, size: int) -> None:
        """More room for a file that has begun. It waits for files that others take away, not for those on their way."""
        self._wait_for(size, while_lying=True)

    def lay_down(self, path: str, reserved: int, size: int) -> None:
        """A file is complete: its room is given back when it is gone."""
        with self._lock:
            self._used += size - reserved - self._lying.get(path, 0)
            self._lying[path] = size
            self.note_move()

    def _wait_for(self, needed: int, *, while_lying: bool) -> None:
        while True:
            with self._lock:
                self._look()
                is_free = not self._lying if while_lying else not self._used
                if is_free or self._used + needed <= self._most:
                    self._used += needed
                    return
            if self._clock.monotonic() - self._moved > _UNMOVED_SECONDS:
                raise StoreAway(
                    self._place,
                    "it is half full, and no file was taken away for ten minutes. Where nothing takes files away, "
                    "choose another place in `files`",
                    is_bridged=True,
                )
            self._clock.wait(_LOOK_SECONDS, self._stopping)
            if self._stopping.is_set():
                raise Stopped

    def _look(self) -> None:
        now = self._clock.monotonic()
        if now < self._looked + _LOOK_SECONDS:
            return
        self._looked = now
        for path in [path for path in self._lying if not os.path.lexists(path)]:
            self._used -= self._lying.pop(path)
            self._moved = now


class Share:
    """The room of one file."""

    def __init__(self, room: Room, reserved: int) -> None:
        self._room = room
        self._reserved = reserved
        self._written = 0

    def take(self, size: int) -> None:
        """So many more bytes are to be written."""
        self._written += size
        if self._written > self._reserved:
            more = max(self._written - self._reserved, self._reserved, _UNKNOWN)
            self._room.grow(more)
            self._reserved += more
        self._room.note_move()

    def lay_down(self, path: str) -> None:
        """The file lies at `path`, until somebody takes it away."""
        self._room.lay_down(path, self._reserved, self._written)
        self._reserved = 0

    def leave(self) -> None:
        """Give back what no file lies in."""
        self._room.give_back(self._reserved)
        self._reserved = 0
