"""Whether a server is away, which is no fault of what is asked of it.

When several requests have failed one after the other and none has succeeded since they were sent, all workers wait. One
of them asks what was answered well the last time. Where that is answered again, the server is there, and what failed
is a trouble of its own. Where not, it is asked again now and then, until it is back or has been away for too long.
"""

from collections.abc import Callable
from threading import Event, Lock

from source_customerscanvas.api.failures import Failed
from source_customerscanvas.errors import CustomersCanvasError, ServerAway, ServerTrouble, Stopped, Unreachable
from source_customerscanvas.times import Clock

PATIENCE_SECONDS = 120.0
"""How long a server may be away before a sync is ended: restarts and failovers of gateways take up to a minute."""

_SUSPICIOUS = 3
"""Failures in a row."""

_SILENT = 30.0
"""Seconds after which one failure is enough: a server that says nothing may be gone."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
"""Seconds between two questions to a server that is away: twice as many each time."""

_RESTS = 30.0
"""Seconds for which a server that was given up is not asked again."""

Probe = Callable[[], object]


class Outage:
    """One server, as all workers see it. Times are seconds of the clock's `monotonic`.

    `host` is named to the user as the server that is away; it is empty for one that the sync can do without.
    """

    def __init__(self, clock: Clock, stopping: Event, host: str, patience: float) -> None:
        self._clock = clock
        self._stopping = stopping
        self._host = host
        self._patience = patience
        self._lock = Lock()
        self._line = Lock()
        self._known_good: Probe | None = None
        self._answered = float("-inf")
        self._failures = 0
        self._suspicious = _SUSPICIOUS
        self._since = 0.0
        self._given_up: tuple[float, CustomersCanvasError] | None = None
        self.is_away = False
        self.has_answered = False

    def note_answer(self, probe: Probe | None = None) -> None:
        """The server has answered; `probe` asks the same again, where that does no harm."""
        self._answered = self._clock.monotonic()
        self.has_answered = True
        if probe is not None:
            self._known_good = probe
        if self._failures or self.is_away:
            with self._lock:
                self._failures = 0
                self._given_up = None
                self.is_away = False

    def note_failure(self, sent: float, *, may_be_limit: bool = False) -> bool:
        """A request that left at `sent` has failed; gives whether the server is away, as far as can be told.

        One that may have been refused for a limit's sake is enough: the limit would refuse its next tries too, and
        says nothing of what was answered a moment before.
        """
        with self._lock:
            if self._answered > sent and not may_be_limit:
                return self.is_away
            if not self._failures:
                self._since = self._clock.monotonic()
            self._failures += 1
            is_silent = self._clock.monotonic() - sent >= _SILENT
            if may_be_limit or is_silent or self._failures >= self._suspicious:
                self.is_away = True
            return self.is_away

    def wait(self, own: Probe) -> bool:
        """Return when the server is there, with whether it took its time; `own` asks what the caller wants to.

        Raises what has to be told if it does not come back.
        """
        given_up = self._given_up
        began = given_up[0] if given_up else self._clock.monotonic()
        with self._line:
            pause = 0.0 if self._known_good else _FIRST_PAUSE
            while self.is_away:
                if self._given_up and self._clock.monotonic() < self._given_up[0] + _RESTS:
                    raise self._given_up[1]
                self._clock.wait(pause, self._stopping)
                if self._stopping.is_set():
                    raise Stopped
                self._ask(self._known_good or own, is_first_probe=not pause and not self._given_up)
                pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        return self._clock.monotonic() - began >= _FIRST_PAUSE

    def _ask(self, probe: Probe, *, is_first_probe: bool) -> None:
        try:
            probe()
        except Failed as failed:
            limit = failed.limit
            if limit is not None and limit.is_told:
                limit.throttle()
            if limit is None or not limit.is_sure:
                if self._clock.monotonic() >= self._since + self._patience:
                    error = self._as_told(failed.error)
                    self._given_up = self._clock.monotonic(), error
                    raise error from None
                return
        except Stopped:
            raise
        except CustomersCanvasError:
            pass  # it says no, so it is there
        if is_first_probe:
            # only what failed is broken: twice as many failures have to follow before the server is suspected again
            self._suspicious = max(self._suspicious, 2 * self._failures)
        self.note_answer()

    def _as_told(self, error: CustomersCanvasError) -> CustomersCanvasError:
        if not self._host or not self.has_answered or isinstance(error, ServerAway):
            return error
        why = error.why if isinstance(error, (Unreachable, ServerTrouble)) else error.message
        return ServerAway(self._host, why)
