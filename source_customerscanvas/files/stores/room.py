"""Room for the files that lie in a directory until somebody takes them away."""

import os
from threading import Event, Lock

from source_customerscanvas.errors import Stopped, StoreAway
from source_customerscanvas.times import Clock

_LOOK_SECONDS = 0.2
_UNMOVED_SECONDS = 600.0


class Room:
    """At most so many bytes lie in the directory or are on their way there. A larger file is let in when it is empty.

    Safe to share between threads.
    """

    def __init__(self, place: str, most: int, clock: Clock, stopping: Event) -> None:
        self._place = place
        self._most = most
        self._clock = clock
        self._stopping = stopping
        self._lock = Lock()
        self._lying: dict[str, int] = {}
        self._used = 0
        self._moved = self._looked = clock.monotonic()

    def take(self, size: int, *, has_begun: bool = False) -> None:
        """Room for so many bytes of a file. Waits for it, until nothing has moved for ten minutes.

        A file that has begun waits for files that others take away, not for those on their way.
        """
        while True:
            with self._lock:
                self._look()
                is_free = not self._lying if has_begun else not self._used
                if is_free or self._used + size <= self._most:
                    self._used += size
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

    def give_back(self, size: int) -> None:
        with self._lock:
            self._used -= size
            self.note_move()

    def lay_down(self, path: str, size: int, taken: int) -> None:
        """A file is complete. What it has taken and does not fill is free now, the rest when it is taken away."""
        with self._lock:
            self._used += size - taken - self._lying.get(path, 0)
            self._lying[path] = size
            self.note_move()

    def note_move(self) -> None:
        """A byte was written, or a file taken away: whoever waits goes on waiting."""
        self._moved = self._clock.monotonic()

    def _look(self) -> None:
        now = self._clock.monotonic()
        if now < self._looked + _LOOK_SECONDS:
            return
        self._looked = now
        for path in [path for path in self._lying if not os.path.lexists(path)]:
            self._used -= self._lying.pop(path)
            self.note_move()
