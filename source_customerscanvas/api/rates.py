"""What rate a server bears, learned from the moments at which it had enough.

Each time that it refuses, its rate is known between two bounds. Too high is the rate at which it was asked just then.
Borne is what it served from the end of one pause to the end of the next, and what it served shortly before it refused,
less what it may have saved up. The next rate lies between the two, and grows as CUBIC's does in TCP: hardly at first,
then ever faster, so that a limit that was lifted is noticed. The further apart the bounds, the sooner it grows.
"""

from collections import deque
from math import exp, inf, log

LEAST_PAUSE = 1.0
"""Seconds that a refusal costs at least: `Retry-After` cannot ask for less. No rate is less than one in it."""

_FEW = 4
"""Requests that a server may serve before it first refuses, though it saves nothing up: others are under way."""

_STEADY = 9.0
"""Times its cost, in which a rate with bounds 2.7-fold apart grows as much: a refusal costs a tenth of that time."""

_NEAREST = 0.1
"""The least distance of the bounds, as a logarithm: a limit may have been raised by as much since."""

_ABOVE_THE_LOWER = 0.4
"""Of the way between the bounds: to be too high costs a pause, to be too low a little time."""


class Rate:
    """The requests a second to ask with. Times are seconds of a monotonic clock."""

    def __init__(self, now: float) -> None:
        self._rate = inf
        self._grows_in, self._power = inf, 1
        self._saved_up = 0
        self._served: deque[float] = deque(maxlen=20_000)
        self._since = now

    @property
    def is_even(self) -> bool:
        """Whether the server saves hardly anything up, so that each request has to keep its distance."""
        return 0 < self._saved_up <= _FEW

    def at(self, moment: float) -> float:
        """Infinite as long as nothing was refused."""
        passed = max(0.0, moment - self._since) / self._grows_in
        return self._rate * exp(min(passed**self._power, 30.0))

    def note_served(self, sent: float) -> None:
        self._served.append(sent)

    def learn(self, refused: float, served: float, now: float) -> None:
        """The server refused a request that left at `refused`, and served none until one that left at `served`."""
        count = len(self._served)
        cost = max(served - refused, LEAST_PAUSE)
        borne = max(count / (served - self._since), 1 / LEAST_PAUSE)
        if self._saved_up:
            before = [moment for moment in self._served if moment < refused]
            rates = ((n - self._saved_up) / (refused - moment) for n, moment in enumerate(reversed(before), 1))
            borne = max(borne, max(rates, default=0.0))
            apart = self.at(refused) / borne
            self._rate = borne * max(apart, 1.0) ** _ABOVE_THE_LOWER
            self._grows_in = _STEADY * cost / max(log(apart), _NEAREST)
            self._power = 3
        else:
            # without an upper bound it grows fast, by what the pause tells of the limit's length;
            # after a few requests, somebody else may have used up what there was, and the pause tells nothing
            self._saved_up = count
            self._rate = borne
            self._grows_in = cost if count >= _FEW else LEAST_PAUSE
        self._since = now
        self._served.clear()
