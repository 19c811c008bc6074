"""How fast one server is asked: at full speed until it first refuses, then at the rate that it was seen to bear."""

from math import inf
from threading import Condition, Event, Lock, RLock

from source_customerscanvas.api.rates import LEAST_PAUSE, Rate
from source_customerscanvas.errors import Stopped
from source_customerscanvas.times import Clock

_FIRST_UNDER_WAY, _MORE_FOR_EACH = 8, 0.5
"""Requests under way at the start, and how many more for each that is served: a first refusal is not to meet all."""

_LONGER, _LONGEST_PAUSE = 1.5, 20.0
"""Times, and seconds: a pause where the server does not say is half as long again each time that it was too short."""

_INSTANT = 1e-7
"""Seconds that no clock can wait for."""


class Pace:
    """The moments at which requests to one server may leave; shared by all workers, everything behind one lock.

    A second lock is the line in which they wait: only the first in it looks at the clock.
    Times are seconds of the clock's `monotonic`, rates are requests a second.
    """

    def __init__(self, clock: Clock, stopping: Event) -> None:
        self._clock = clock
        self._stopping = stopping
        self._line = Lock()
        self._changed = Condition(RLock())
        self.rate = Rate(clock.monotonic())
        self._under_way = 0
        self._most_under_way = float(_FIRST_UNDER_WAY)
        self._next = -inf
        self._resumed = -inf
        self._pause = 0.0
        self._is_exhausted = False
        self._last_served = -inf

    def wait(self) -> float:
        """Return when the next request may leave, with the moment at which that is. Raises `Stopped`.

        Whoever was let go says when it is over, with `end`.
        """
        # one waits for its moment, the others for their turn: whatever is learned meanwhile holds for all of them
        with self._line:
            while True:
                with self._changed:
                    now = self._clock.monotonic()
                    pause = self.take(now)
                    if pause == 0:
                        return now
                    if pause is None:
                        self._changed.wait(1.0)  # of real time, since it is for an answer
                if pause:
                    self._clock.wait(pause, self._stopping)
                if self._stopping.is_set():
                    raise Stopped

    def take(self, now: float) -> float | None:
        """Seconds until the next request may leave; with 0 it leaves now. None: not before another is answered."""
        with self._changed:
            moment = max(self._next, self._resumed)
            if moment - now > _INSTANT:
                return moment - now
            if self._under_way >= (1 if self._is_exhausted else self._most_under_way):
                return None
            self._under_way += 1
            self._resumed = min(self._resumed, now)  # who is early by an instant is no longer in the pause
            spacing = 1 / self.rate.at(now)
            # a worker that woke late does not delay those behind it
            self._next = max(moment, now - spacing) + spacing
            return 0.0

    def end(self) -> None:
        """A request is under way no more, whatever became of it."""
        with self._changed:
            self._under_way -= 1
            self._changed.notify()

    def note_served(self, sent: float, now: float) -> None:
        """The server answered a request that left at `sent` with anything but "too many"."""
        with self._changed:
            self._last_served = now
            self._most_under_way += _MORE_FOR_EACH
            if self._is_exhausted and sent >= self._resumed:
                self._is_exhausted = False
                self.rate.resume(sent, now)
                self._next = now + 1 / self.rate.at(now)
            self.rate.note_served(sent)

    def note_refused(self, sent: float, now: float, asked: float | None) -> None:
        """The server refused a request that left at `sent`: none is to follow for the seconds that it `asked` for."""
        with self._changed:
            if sent >= self._resumed:
                if self._is_exhausted:
                    self._pause = min(_LONGER * self._pause, _LONGEST_PAUSE)
                    self.rate.note_refused_again(sent)
                else:
                    self._is_exhausted = True
                    self._pause = LEAST_PAUSE
                    self.rate.note_exhausted(sent)
                self._resumed = now + (asked or self._pause)
                self._next = -inf
            else:
                # one that was under way when another was refused says nothing new about the rate
                self._resumed = max(self._resumed, now + (asked or 0.0))

    def has_served_since(self, moment: float) -> bool:
        return self._last_served >= moment
