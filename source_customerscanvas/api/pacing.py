"""How fast one server is asked: at full speed until it first refuses, then at the rate that it was seen to bear."""

from math import inf
from threading import Condition, Event, Lock

from source_customerscanvas.api.rates import LEAST_PAUSE, Rate
from source_customerscanvas.errors import Stopped
from source_customerscanvas.times import Clock

_FIRST_UNDER_WAY = 8
"""Requests under way at the start, half a one more for each that is served: a first refusal is not to meet all."""


class Pace:
    """The moments at which requests to one server may leave; shared by all workers, everything behind one lock.

    A second lock is the line in which they wait: only the first in it looks at the clock.
    Times are seconds of the clock's `monotonic`, rates are requests a second.
    """

    def __init__(self, clock: Clock, stopping: Event) -> None:
        self.last_served = self.last_refused = -inf
        self._clock = clock
        self._stopping = stopping
        self._line = Lock()
        self._changed = Condition()
        self._rate = Rate(clock.monotonic())
        self._under_way = 0
        self._most_under_way = float(_FIRST_UNDER_WAY)
        self._shortest_trip = inf
        self._next = self._resumed = -inf
        self._refused: float | None = None

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
            if self._next > now:
                return self._next - now
            if self._under_way >= (self._most_under_way if self._refused is None else 1):
                return None
            self._under_way += 1
            spacing = 1 / self._rate.at(now)
            # where the server allows bursts, a worker that woke late is made up for, by one place in the line at most
            self._next = (now if self._rate.is_even else max(self._next, now - spacing)) + spacing
            return 0.0

    def end(self) -> None:
        """A request is under way no more, whatever became of it."""
        with self._changed:
            self._under_way -= 1
            self._changed.notify()

    def note_served(self, sent: float, now: float) -> None:
        """The server answered a request that left at `sent` with anything but "too many"."""
        with self._changed:
            self.last_served = now
            self._most_under_way += 0.5
            self._shortest_trip = min(self._shortest_trip, now - sent)
            if self._refused is not None and sent >= self._resumed:
                self._rate.learn(self._refused, sent, now)
                self._refused = None
                self._next = now + 1 / self._rate.at(now)
            elif self._rate.is_even:
                # it may have come as late as its answer: the next one keeps its distance from that;
                # after a slow answer others have left, from which distance is kept already
                spacing = 1 / self._rate.at(now)
                self._next = max(self._next, min(now - self._shortest_trip, sent + spacing) + spacing)
            self._rate.note_served(sent)

    def note_refused(self, sent: float, now: float, asked: float | None) -> None:
        """The server refused a request that left at `sent`: none is to follow for the seconds that it `asked` for."""
        with self._changed:
            self.last_refused = now
            if sent >= self._resumed:
                if self._refused is None:
                    self._refused = sent
                # where the server does not say how long, so that at most a third of the time is waited in vain
                pause = LEAST_PAUSE + (now - self._refused) / 3
            else:
                # one that was under way when another was refused says nothing new about the rate
                pause = 0.0
            self._resumed = max(self._resumed, now + (asked or pause))
            self._next = max(self._next, self._resumed)
