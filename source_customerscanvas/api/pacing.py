"""How fast one server is asked: nearly at once as long as it never refuses, else at the rate it was seen to bear."""

from collections import deque
from math import inf
from threading import Event, Lock

from source_customerscanvas.errors import Stopped
from source_customerscanvas.times import Clock

# The first requests are held back a little, so that a first refusal does not meet one request of each worker
_REQUESTS_AT_ONCE = 8
_SECONDS_UNTIL_ANSWERED = 0.01
_RAMP_REQUESTS = 80
_RAMP_IN_FLIGHT = 17
_RAMP_SECONDS = 0.001

# Of the requests under way at the first refusal a limit refuses most. Are this many more of them served than twice the
# refused ones, then it was no limit.
_SERVED_AFTER_CHANCE = 3
_REFUSED_COUNTS = 2

# A rate is learned from what was served; fewer requests than these say too little
_WINDOW_SECONDS = 5.0
_RECENT_SECONDS = 3.0
_FEW_REQUESTS = 10
_LEAST_FIRST_RATE = 49.0
_LEAST_RATE = 0.2
_SHORTFALL = 0.98

# The longer the pace was borne before a refusal, the smaller the step back
_STEP_BACK = 0.96
_LONG_STEP_BACK = 0.8
_RECOVERY_SECONDS = 8.0
_BORNE_SECONDS = 1.0
_BORNE_AGAIN_SECONDS = 3.0

# What a late request leaves to the next one, of the time between two, where fewer than so many were served at once
_STRICT_LATENESS = 0.03
_SMALL_BURST = 4
# Seconds that no clock can wait for
_INSTANT = 1e-7

# Where the server does not say for how long; longer each time that it serves nothing in between
_LEAST_PAUSE_SECONDS = 0.2
_MOST_PAUSE_SECONDS = 30.0

# Probing upwards: hardly at all at first, since each refusal costs a pause, then ever faster in case the limit is gone.
# A rate that was not refused yet is more of a guess.
_GROWTH_OF_GUESS = 0.001
_GROWTH = 0.0005
_PLATEAU_SECONDS = 20.0
_DOUBLING_SECONDS_OF_GUESS = 2.0
_DOUBLING_SECONDS = 4.0
_MOST_DOUBLINGS = 20.0
_UNLIMITED_RATE = 2000.0


class Pace:
    """The moments at which requests to one server may leave; shared by all workers, everything behind one lock.

    A second lock is the line in which they wait: only the first in it looks at the clock.
    Times are seconds of the clock's `monotonic`, rates are requests a second.
    """

    def __init__(self, clock: Clock, stopping: Event) -> None:
        self._clock = clock
        self._stopping = stopping
        self._turn = Lock()
        self._lock = Lock()
        self._next = -inf
        self._resumed = clock.monotonic()
        self._paused = 0.0
        # None: no limit is known
        self._rate: float | None = None
        self._aim = 0.0
        self._is_guess = True
        self._stepped_back = False
        self._ramp_requests = 0
        self._least_latency = inf
        self._served: deque[float] = deque()
        self._burst = inf
        self._first_refused = inf
        self._surprised = -inf
        self._served_after = 0

    def wait(self) -> float:
        """Return when the next request may leave, with the moment at which that is. Raises `Stopped`."""
        # one waits for its moment, the others for their turn: whatever is learned meanwhile holds for all of them
        with self._turn:
            now = self._clock.monotonic()
            while (pause := self.take(now)) > 0:
                self._clock.wait(pause, self._stopping)
                if self._stopping.is_set():
                    raise Stopped
                now = self._clock.monotonic()
            return now

    def take(self, now: float) -> float:
        """Seconds until the next request may leave; with 0 it leaves now, and the one after it is due later."""
        with self._lock:
            moment = max(self._next, self._resumed)
            if moment - now > _INSTANT:
                return moment - now
            spacing = self._spacing(now)
            # a worker that woke late does not delay those behind it, unless the server bears no two at once
            credit = spacing if self._burst >= _SMALL_BURST else spacing * _STRICT_LATENESS
            self._next = max(moment, now - credit) + spacing
            return 0.0

    def served(self, sent: float, now: float) -> None:
        """The server answered a request that left at `sent` with anything but "too many"."""
        with self._lock:
            self._least_latency = min(self._least_latency, now - sent)
            self._served.append(now)
            self._forget_before(now - _WINDOW_SECONDS)
            if self._first_refused <= sent < self._resumed:
                self._served_after += 1
                if self._served_after >= _SERVED_AFTER_CHANCE:
                    self._rate = None
                    self._first_refused = inf

    def refused(self, sent: float, now: float, asked: float | None) -> None:
        """The server refused a request that left at `sent`: none is to follow for the seconds that it `asked` for."""
        with self._lock:
            if sent >= self._resumed:
                self._forget_before(now - _WINDOW_SECONDS)
                self._learn(sent, now)
                again = 0.0 if self._served else 2 * self._paused
                self._paused = asked or min(max(again, _LEAST_PAUSE_SECONDS), _MOST_PAUSE_SECONDS)
                self._served.clear()
                self._resumed = now + self._paused
            else:
                # under way when another was refused: says nothing new about the rate
                self._served_after -= _REFUSED_COUNTS
                self._resumed = max(self._resumed, now + (asked or 0.0))

    def _learn(self, sent: float, now: float) -> None:
        served, seconds = len(self._served), max(now - self._resumed, _RAMP_SECONDS)
        recent = sum(moment > now - _RECENT_SECONDS for moment in self._served) / min(seconds, _RECENT_SECONDS)
        if self._rate is None:
            # most servers count by the second, or let a second's worth through at once
            rate = served / (min(seconds, _WINDOW_SECONDS) + 1)
            self._rate = self._aim = max(rate * _SHORTFALL, _LEAST_FIRST_RATE)
            self._is_guess = True
            self._stepped_back = False
            # twice in a short time is no chance
            self._first_refused = sent if now - self._surprised > _BORNE_SECONDS else inf
            self._surprised = now
            self._served_after = 0
        else:
            rate = self._rate_at(now, self._rate)
            self._rate = max(self._lower(rate, served, seconds, recent), _LEAST_RATE)
            # a few refusals in a row may be a matter of chance
            self._aim = max(self._rate, rate * _STEP_BACK) if 0 < served < _FEW_REQUESTS else self._rate
            self._first_refused = inf
        self._burst = min(self._burst, max(served, 1))

    def _lower(self, rate: float, served: int, seconds: float, recent: float) -> float:
        """The rate to go on with after one that was refused when so many were served in so many seconds.

        `recent` is the rate at which they were served in the last of these seconds.
        """
        if not served:
            # the pause was too short, which says nothing about the rate
            return rate
        if served < _FEW_REQUESTS:
            self._stepped_back = False
            return rate * _LONG_STEP_BACK
        self._stepped_back = seconds > (_BORNE_AGAIN_SECONDS if self._stepped_back else _BORNE_SECONDS)
        self._is_guess = not self._stepped_back
        if self._stepped_back:
            # after a long time without a refusal, the rate has grown fast: what was served of late tells more
            return min(rate * _STEP_BACK, recent * _SHORTFALL)
        # what was served at once is what the pause had saved up: as much as was ever served at once, at most
        seen = max(served / (seconds + self._paused), (served - self._burst) / seconds)
        return min(seen, rate) * _SHORTFALL

    def _forget_before(self, moment: float) -> None:
        while self._served and self._served[0] < moment:
            self._served.popleft()

    def _rate_at(self, moment: float, rate: float) -> float:
        growth = _GROWTH_OF_GUESS if self._is_guess else _GROWTH
        doubling = _DOUBLING_SECONDS_OF_GUESS if self._is_guess else _DOUBLING_SECONDS
        since = max(0.0, moment - self._resumed)
        doublings = min(max(0.0, since - _PLATEAU_SECONDS) / doubling, _MOST_DOUBLINGS)
        rate += (self._aim - rate) * min(since / _RECOVERY_SECONDS, 1.0)
        return float(rate * (1 + growth * since) * 2.0**doublings)

    def _spacing(self, now: float) -> float:
        if self._rate is not None:
            rate = self._rate_at(now, self._rate)
            if rate < _UNLIMITED_RATE:
                # after a pause one at a time, until something is served again
                alone = 0.0 if self._served or self._least_latency == inf else self._least_latency
                return max(1 / rate, alone)
            self._rate = None
        if self._ramp_requests >= _RAMP_REQUESTS:
            return 0.0
        self._ramp_requests += 1
        if self._ramp_requests < _REQUESTS_AT_ONCE:
            return 0.0
        if self._least_latency == inf:
            return _SECONDS_UNTIL_ANSWERED
        return max(self._least_latency / _RAMP_IN_FLIGHT, _RAMP_SECONDS)
