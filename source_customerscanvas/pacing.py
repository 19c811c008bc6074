"""How fast one server is asked: nearly at once as long as it never refuses, else at the rate it was seen to bear."""

from collections import deque
from threading import Event, Lock

from source_customerscanvas.errors import Stopped
from source_customerscanvas.times import Clock

# The first requests follow each other ever faster, so that the first refusal does not meet one request of each worker
_UNSPACED_REQUESTS = 8
_FIRST_INTERVAL = 0.005
_LAST_INTERVAL = 0.001
_SHRINK = 0.99

# A rate is learned from what was served within a second, and once a second at most
_WINDOW = 1.0
_SHORTFALL = 0.98
_LEAST_FIRST_RATE = 10.0
_LEAST_RATE = 0.5

# What is under way when a server refuses is to be refused before anything new is sent
_LEAST_PAUSE = 0.1
_LONG_PAUSE = 2.0

# Probing upwards: hardly at all at first, since each refusal costs a pause, then ever faster in case the limit is gone
_GROWTH = 0.001
_PLATEAU_SECONDS = 30.0
_DOUBLING_SECONDS = 5.0
_UNLIMITED = 2000.0


class Pace:
    """The moments at which requests to one server may leave; shared by all workers, everything behind one lock.

    Times are seconds of the clock's `monotonic`, rates are requests a second.
    """

    def __init__(self, clock: Clock, stopping: Event) -> None:
        self._clock = clock
        self._stopping = stopping
        self._lock = Lock()
        self._next = float("-inf")
        self._unspaced = _UNSPACED_REQUESTS
        self._interval = _FIRST_INTERVAL
        self._resumed = clock.monotonic()
        self._rate: float | None = None
        self._learned = float("-inf")
        self._served: deque[float] = deque()
        self._served_since_resumed = 0

    def wait(self) -> float:
        """Return when the next request may leave, with the moment at which that is. Raises `Stopped`."""
        now = self._clock.monotonic()
        moment = self.reserve(now)
        while moment > now:
            self._clock.wait(moment - now, self._stopping)
            if self._stopping.is_set():
                raise Stopped
            now = self._clock.monotonic()
            if not self.holds(moment):
                moment = self.reserve(now)
        return now

    def reserve(self, now: float) -> float:
        """The moment, now or later, at which one more request may leave."""
        with self._lock:
            moment = max(now, self._next, self._resumed)
            self._next = moment + self._spacing(moment)
            return moment

    def holds(self, moment: float) -> bool:
        """Whether a reserved moment still counts: a pause that was declared since makes it void."""
        return moment >= self._resumed

    def served(self, now: float) -> None:
        """The server answered a request with anything but "too many"."""
        with self._lock:
            self._served_since_resumed += 1
            self._served.append(now)
            self._forget_before(now - _WINDOW)

    def refused(self, sent: float, now: float, pause: float) -> None:
        """The server refused a request that left at `sent`: none is to follow for `pause` seconds."""
        with self._lock:
            # what was under way when another was refused says nothing new about the rate
            if sent >= self._resumed:
                if now - self._learned >= _WINDOW:
                    self._rate = self._bearable(now, pause)
                    self._learned = now
                self._served_since_resumed = 0
            self._resumed = max(self._resumed, now + max(pause, _LEAST_PAUSE))
            self._next = max(self._next, self._resumed)

    def _bearable(self, now: float, pause: float) -> float:
        self._forget_before(now - _WINDOW)
        seen = len(self._served) / _WINDOW
        if pause > _LONG_PAUSE:
            # it counts over more than a second: what it served since the pause before is what one pause is good for
            seen = min(seen, self._served_since_resumed / (now + pause - self._resumed))
        if self._rate is None:
            return max(seen * _SHORTFALL, _LEAST_FIRST_RATE)
        return max(min(self._rate_at(now, self._rate), seen) * _SHORTFALL, _LEAST_RATE)

    def _forget_before(self, moment: float) -> None:
        while self._served and self._served[0] <= moment:
            self._served.popleft()

    def _rate_at(self, moment: float, rate: float) -> float:
        since = max(0.0, moment - self._resumed)
        doublings = min(max(0.0, since - _PLATEAU_SECONDS) / _DOUBLING_SECONDS, 20.0)
        return float(rate * (1 + _GROWTH * since) * 2.0**doublings)

    def _spacing(self, moment: float) -> float:
        if self._rate is not None:
            rate = self._rate_at(moment, self._rate)
            if rate < _UNLIMITED:
                return 1 / rate
            self._rate = None
        if self._unspaced:
            self._unspaced -= 1
            return 0.0
        if self._interval < _LAST_INTERVAL:
            return 0.0
        self._interval *= _SHRINK
        return self._interval
