"""How often, and for how long, one request is worth trying again."""

import logging
import random
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from source_customerscanvas.api.failures import Failed
from source_customerscanvas.api.limits import Limit
from source_customerscanvas.api.outages import Outage, Probe
from source_customerscanvas.errors import CustomersCanvasError, Stopped
from source_customerscanvas.times import Clock

T = TypeVar("T")

THROTTLED_SECONDS = 600
"""How long a request may be refused for a limit's sake."""

_log = logging.getLogger(__name__)

_MOST_TRIES = 6
_TROUBLE_SECONDS = 120
_FIRST_BACK_OFF = 0.5
_LONGEST_BACK_OFF = 30.0


class Patience:
    """How long one request is tried: six times within two minutes, and for ten minutes while a limit refuses it.

    The two minutes begin with its first failure, and anew after a refusal or an outage. The ten begin with its first
    refusal.
    """

    def __init__(self, clock: Clock) -> None:
        self.refusals = 0
        self._clock = clock
        self._failing_since: float | None = None
        self._throttled_since: float | None = None
        self._refused: float | None = None
        self._failures = self._outages = 0

    def begin_anew(self) -> None:
        """Start the two minutes anew: nothing could be tried while the server was away. A 503 may be a limit again."""
        self._failing_since = self._refused = None
        self.refusals = 0

    def after_outage(self) -> float | None:
        """As `after_failure`, once the server is back. A request that takes it down each time is given up too."""
        self.begin_anew()
        self._outages += 1
        return 0.0 if self._outages < _MOST_TRIES else None

    def after_refusal(self, limit: Limit) -> float | None:
        """Makes all workers pause where the limit is for all. Gives the same as `after_failure`."""
        if limit.is_for_all(self._refused):
            limit.throttle()
        self._refused = now = self._clock.monotonic()
        if self._throttled_since is None:
            self._throttled_since = now
        self.refusals += 1
        pause = limit.retry_after or _back_off(self.refusals)
        if now + pause - self._throttled_since > THROTTLED_SECONDS:
            return None
        # the two minutes are for what goes wrong, not for a queue
        self._failing_since = None
        return pause

    def after_failure(self) -> float | None:
        """Seconds until the next try; None when there is to be none."""
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic()
        left = self._failing_since + _TROUBLE_SECONDS - self._clock.monotonic()
        if self._failures >= _MOST_TRIES or left <= 0:
            return None
        pause = _back_off(self._failures)
        return pause if pause <= left else None


class Retrying:
    """Tries requests again; `note_retry` counts them."""

    def __init__(self, clock: Clock, stopping: Event, note_retry: Callable[[], None]) -> None:
        self._clock = clock
        self._stopping = stopping
        self._note_retry = note_retry

    def run(
        self, attempt: Callable[[], T], outage: Outage, *, repeatable: bool = True, probe: Probe | None = None
    ) -> T:
        """What an attempt gives, once one succeeds. Raises the error of the last one, and `Stopped`.

        `probe` sends the same request and closes the answer; it is needed where `attempt` gives back an open download.
        A request that is not `repeatable` is sent again only if the server surely did nothing.
        """
        patience = Patience(self._clock)
        ask = (probe or attempt) if repeatable else None
        while True:
            if self._stopping.is_set():
                raise Stopped
            if outage.is_away:
                outage.wait(ask or _assume_back)
                patience.begin_anew()
            try:
                answer = attempt()
            except Failed as failed:
                pause = self._pause_after(failed, patience, outage, ask)
                if pause is None:
                    raise failed.error from None
                _log.debug("Again in %.1f s: %s", pause, failed.error.message)
            except CustomersCanvasError as error:
                if not isinstance(error, Stopped):
                    outage.note_answer()
                raise
            else:
                outage.note_answer(ask)
                return answer
            self._clock.wait(pause, self._stopping)
            self._note_retry()

    def _pause_after(self, failed: Failed, patience: Patience, outage: Outage, ask: Probe | None) -> float | None:
        """Seconds until the next try, once the server is there; None when there is to be none."""
        if failed.is_permanent:
            return None
        is_lost = not (ask or failed.is_unprocessed)
        limit = failed.limit
        if limit is not None and limit.is_believed(patience.refusals):
            pause = patience.after_refusal(limit)
            return None if is_lost else pause
        outage.note_failure(failed)
        if is_lost:
            return None
        if outage.is_away and outage.wait(ask or _assume_back):
            return patience.after_outage()
        return patience.after_failure()


def _assume_back() -> None:
    """The probe of a request that must not be repeated: the server is taken to be back, and the request finds out."""


def _back_off(failures: int) -> float:
    # twice as long each time, less a random part of at most half: a few tries outlast a moment's trouble
    return random.uniform(0.5, 1.0) * min(_LONGEST_BACK_OFF, _FIRST_BACK_OFF * 2.0 ** (failures - 1))
