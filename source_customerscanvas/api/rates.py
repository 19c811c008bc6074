"""What rate a server bears, learned from the moments at which it had enough.

A limit is a bucket that fills at some rate, or a window that allows so many requests. Nothing tells which, but each
time that it is exhausted, the rate is known between two bounds. Borne for certain is what was served from one time to
the next, the pause included, and what was served in the last part of it, less what a bucket may have saved up before.
Too much is the rate at which it was exhausted; and if it refused for long, what was served until it did so last.
From a rate between the two, it grows by a cube: hardly at first, and the sooner the less is known.
"""

from collections import deque
from math import exp, inf, log

LEAST_PAUSE = 1.0
"""Seconds that a refusal costs at least: the unit in which servers ask for a pause. No rate is less than one in it."""

_LEAST_REQUESTS = 4
"""Requests that it costs at least, at a low rate: the one that was refused and those under way with it."""

_SEARCH = 0.6
"""Of its cost, in which an unknown rate doubles: a server that counts by the second is to say no in time."""

_STEADY = 80.0
"""Times its cost, in which a known rate grows 2.7-fold, so that it is a twentieth too high after a third of that."""

_KNOWN = 0.1
"""A rate is known when its bounds are so near (a tenth); where they are further apart, it grows faster."""

_ABOVE_THE_LOWER = 0.4
"""Of the way between the bounds: to be too high costs a pause, to be too low a little time."""


class Rate:
    """The requests a second to ask with. Times are seconds of a monotonic clock."""

    def __init__(self, now: float) -> None:
        self._rate = inf
        self._grows_in = inf
        self._is_bounded = False
        self._borne = 0.0
        self._too_much = inf
        self._saved_up: int | None = None
        self._served: deque[float] = deque(maxlen=20_000)
        self._resumed = self._exhausted = self._last_refused = now

    def at(self, moment: float) -> float:
        """Infinite as long as nothing was refused."""
        passed = max(0.0, moment - self._resumed) / self._grows_in
        return self._rate * (exp(min(passed, 3.0) ** 3) if self._is_bounded else 2 ** min(passed, 30.0))

    def note_served(self, sent: float) -> None:
        self._served.append(sent)

    def note_exhausted(self, sent: float) -> None:
        """A request that left at `sent` is the first one that was refused."""
        self._exhausted = self._last_refused = sent
        self._too_much = self.at(sent)
        if self._borne * (1 + _KNOWN) >= self._too_much:
            self._borne = 0.0  # all was learned from it, or it is another limit now
        if self._saved_up is not None:
            for count, moment in enumerate(reversed(self._served), 1):
                if moment < sent:
                    self._borne = max(self._borne, (count - self._saved_up) / (sent - moment))

    def note_refused_again(self, sent: float) -> None:
        self._last_refused = sent

    def resume(self, sent: float, now: float) -> None:
        """A request that left at `sent` is the first one that is served again."""
        count = len(self._served)
        # after a few, somebody else may have used up what there was: how long it refused tells nothing then
        is_telling = count >= _LEAST_REQUESTS
        rate = max(count / (sent - self._resumed), 1 / LEAST_PAUSE)
        if self._last_refused > self._exhausted and is_telling:
            self._too_much = min(self._too_much, count / (self._last_refused - self._resumed))
        self._is_bounded = self._too_much < inf
        cost = max(sent - self._exhausted, LEAST_PAUSE) if is_telling or self._is_bounded else LEAST_PAUSE
        if self._saved_up is None:
            self._saved_up = count  # and what it bears is not known by it
        else:
            rate = self._borne = max(self._borne, rate)
        if self._is_bounded:
            distance = max(log(self._too_much / rate), 0.0)
            self._rate = rate * exp(distance * _ABOVE_THE_LOWER)
            self._grows_in = max(cost, _LEAST_REQUESTS / self._rate) * _STEADY * min(1.0, _KNOWN / max(distance, 1e-9))
        else:
            self._rate, self._grows_in = rate, cost * _SEARCH
        self._resumed = now
        self._served.clear()
