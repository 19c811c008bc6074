"""What rate a server bears, learned from the moments at which it had enough.

A limit is a bucket that fills at some rate, or a window that allows so many requests. Nothing tells which, but each
time that it is exhausted something is learned. On average, at least what was served from one exhaustion to the next is
borne; and in any part of that time, what was served less what a bucket may have saved up before. Less is borne than
the rate at which the refusal came, unless a long pause followed: then a window was used up, at whatever rate. Between
the two, the geometric mean is tried. From there the rate grows by a cube, hardly at first: the closer the two were to
each other, the longer it stays.
"""

from collections import deque
from math import exp, inf, log, sqrt

_SEARCH_SECONDS = 1.5
"""In which an unknown rate grows 2.7-fold: a server that counts by the second is given one to say no."""

_STEADY_SECONDS, _STEADY_REQUESTS = 30.0, 200
"""In which a known rate would: an exhaustion costs a second's pause or a handful of requests, at most 5 % of either."""

_SECONDS_OF_A_DOUBT = 8.0
"""In which a rate would that is known up to a factor of 2.7; longer in proportion where it is known better."""

_LATENCIES = 8
"""In which it does at most, as no answer comes sooner than one."""

_ROUNDED_SECONDS = 1.0
"""By which a server may ask for more than it needs; beyond that a bucket has the next request in twice its interval."""

_LONGEST_WINDOW = 120.0
"""Seconds; a longer pause was no limit."""

_MARGIN = 0.97
"""Left below a rate, as neither servers nor networks are punctual."""

_STEP_BACK = 0.8
"""After a search that ended sooner than it can tell anything."""

_FEW = 10
"""Requests that say too little: what was served in the time before counts too."""

_LEAST_FIRST = 1.0
"""Requests a second to begin with after too few to tell: others may have used up what there was."""

_LONG_SECONDS = 5.0
"""Of a first phase, whose end tells more about the rate than its beginning."""


class Rate:
    """The requests a second that a server bears, as far as is known. Times are seconds of a monotonic clock."""

    def __init__(self, now: float) -> None:
        self._rate: float | None = None
        self._grows_in = _SEARCH_SECONDS
        self._resumed = now
        self._served: deque[float] = deque(maxlen=20_000)
        self._exhausted = now
        self._refused_at: float | None = None
        self._saved_up = 0
        self._phases: deque[tuple[float, int]] = deque(maxlen=_FEW)
        """When each began, with its exhaustion before, and what was served in it; the newest first."""

    def at(self, moment: float) -> float:
        """The rate to ask with; infinite as long as no limit is known."""
        if self._rate is None:
            return inf
        return self._rate * exp(min(max(0.0, moment - self._resumed) / self._grows_in, 4.0) ** 3)

    def note_served(self, now: float) -> None:
        self._served.append(now)

    def note_exhausted(self, sent: float, now: float) -> None:
        """A request that left at `sent` is the first one that was refused."""
        self._phases.appendleft((self._exhausted, len(self._served)))
        self._exhausted = now
        self._refused_at = self.at(sent)

    def resume(self, sent: float, now: float, latency: float) -> None:
        """A request that left at `sent` is the first one that was served again: set the rate."""
        active = max(self._exhausted - self._resumed, 1e-3)
        pause = max(sent - self._exhausted, 1e-3)
        served = [moment for moment in self._served if moment <= self._exhausted]
        search = max(_SEARCH_SECONDS, _LATENCIES * latency)
        if self._rate is None:
            self._rate = self._first(len(served), active, pause)
            self._saved_up = len(served)
            self._grows_in = search if len(served) < _FEW else max(search, pause)
            self._phases.clear()  # a bucket was full when it began
        else:
            low = self._least(served, active, latency)
            top = max(self._refused_at or low, low)
            if pause > _ROUNDED_SECONDS + 2 / low + 2 * latency:
                # a window: what it allows is known, and the next refusal costs another long pause
                doubt, rate = 0.0, low
            elif pause > active or active < 3 * latency:
                doubt, rate = abs(log(low / self._rate)), low
            else:
                doubt, rate = log(top / low), sqrt(low * top)
            if active < search:
                rate = min(rate, self._rate * _STEP_BACK)
            self._rate = rate * _MARGIN
            steady = max(_STEADY_SECONDS, _STEADY_REQUESTS / self._rate, min(2 * pause, _LONGEST_WINDOW))
            self._grows_in = min(max(search, _SECONDS_OF_A_DOUBT / max(doubt, 0.01)), steady)
        self._resumed = now
        self._served.clear()

    def _first(self, served: int, active: float, pause: float) -> float:
        if active > _LONG_SECONDS:
            return max(sum(moment > self._exhausted - _LONG_SECONDS for moment in self._served), 1) / _LONG_SECONDS
        # most servers count by the second, or let a second's worth through at once
        return max(served / (active + max(pause, 1.0)), 1 / pause, _LEAST_FIRST if served < _FEW else 0.0)

    def _least(self, served: list[float], active: float, latency: float) -> float:
        """The rate that was borne for certain."""
        count, began = 0, self._exhausted
        for since, number in self._phases:
            count, began = count + number, since
            if count >= _FEW:
                break
        rates = [max(count, 1) / max(self._exhausted - began, 1e-3)]
        for part in (active, active / 2, active / 4):
            seconds = max(part, 3 * latency)
            recent = sum(moment > self._exhausted - seconds for moment in served)
            rates.append((recent - self._saved_up) / seconds)
        return max(rates)
