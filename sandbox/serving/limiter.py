"""Limits on requests in all the forms that gateways know."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

RETRY_AFTER = ("seconds", "date", None)


class Limiter:
    """Counts requests by a token bucket, by windows, or by how many are under way; each request is admitted or not.

    `requests_per_second` with `burst` is a bucket that holds so many requests (None: those of a second); with `window`
    so many times as many seconds are let through in each window of the clock, whenever they come in it. `at_once`: no
    more than so many at a time. `status` (429, or 503 as nginx) and `retry_after` say how a refusal is told. `clock` in
    seconds, for tests that do not wait.
    """

    def __init__(
        self,
        requests_per_second: float | None = None,
        retry_after: str | None = "seconds",
        burst: float | None = None,
        window: float | None = None,
        at_once: int | None = None,
        status: int = 429,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if retry_after not in RETRY_AFTER:
            raise ValueError("retry_after is 'seconds', 'date' or None.")
        if requests_per_second is None and at_once is None:
            raise ValueError("A limit has requests_per_second or at_once.")
        if window is not None and burst is not None:
            raise ValueError("A limit has a burst or a window, not both.")
        if any(number is not None and number <= 0 for number in (requests_per_second, window, at_once)):
            raise ValueError("A limit is greater than 0.")
        self.status = status
        self.retry_after = retry_after
        self.served = 0
        self.refused = 0
        self._rate = requests_per_second
        self._burst = max((requests_per_second or 1) if burst is None else burst, 1.0)
        self._window = window
        self._at_once = at_once
        self._clock = clock
        self._left = self._burst
        self._at = clock()
        self._number: int | None = None
        self._in_window = 0
        self._under_way = 0

    def admit(self) -> float | None:
        """None: the request may go on, and `leave` has to follow. Else the seconds until one more is admitted."""
        if self._at_once is not None and self._under_way >= self._at_once:
            wait: float | None = 0.0
        elif self._rate is None:
            wait = None
        else:
            wait = self._bucket(self._rate) if self._window is None else self._windowed(self._rate, self._window)
        if wait is not None:
            self.refused += 1
            return wait
        self.served += 1
        self._under_way += 1
        return None

    def leave(self) -> None:
        """A request that was admitted has been answered."""
        self._under_way -= 1

    def _bucket(self, rate: float) -> float | None:
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * rate)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / rate
        self._left -= 1
        return None

    def _windowed(self, rate: float, window: float) -> float | None:
        now = self._clock()
        number = math.floor(now / window)
        if number != self._number:
            self._number, self._in_window = number, 0
        if self._in_window >= max(round(rate * window), 1):
            return (number + 1) * window - now
        self._in_window += 1
        return None
