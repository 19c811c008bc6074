"""Whether a server is away, which is no fault of what is asked of it.

When a request fails and none has been answered for some seconds, all workers wait. One of them asks again what was
answered well lately. Where that is answered, the server is there, and what failed is a trouble of its own. Where
not, it is asked again now and then, until it is back or has been away for too long.
"""

from collections import deque
from collections.abc import Callable
from threading import Event, Lock

from source_customerscanvas.api.failures import Failed
from source_customerscanvas.errors import CustomersCanvasError, ServerAway, ServerTrouble, Stopped, Unreachable
from source_customerscanvas.times import Clock

PATIENCE_SECONDS = 120.0
"""How long a server may be away before a sync is ended: restarts and failovers of gateways take up to a minute."""

_SUSPICIOUS = 2.0
"""Seconds without an answer. The tries of a request take longer, so that none is given up before it was found out."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
"""Seconds between two questions to a server that is away: twice as many each time."""

_KNOWN_GOOD = 5
"""Requests that were answered last, and are asked in turn: one of them may be broken by now, and the server there."""

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
        self._line = Lock()
        self._known_good: deque[Probe] = deque(maxlen=_KNOWN_GOOD)
        self._answered = clock.monotonic()
        self._away_since: float | None = None
        self._was_away = False
        self._given_up: tuple[float, CustomersCanvasError] | None = None
        self.has_answered = False

    @property
    def is_away(self) -> bool:
        """As far as can be told: whether to `wait` before the server is asked."""
        return self._away_since is not None

    def note_answer(self, probe: Probe | None = None) -> None:
        """The server has answered; `probe` asks the same again, where that does no harm."""
        self._answered = self._clock.monotonic()
        self.has_answered = True
        if probe is not None:
            self._known_good.append(probe)
        self._away_since = self._given_up = None

    def note_failure(self, failed: Failed) -> None:
        """A request has failed. A host that nobody knows and that never answered is misspelled, and not away."""
        now = self._clock.monotonic()
        is_misspelled = failed.is_unknown_host and not self.has_answered
        if not self.is_away and now - self._answered >= _SUSPICIOUS and not is_misspelled:
            self._away_since = now
            self._was_away = False

    def wait(self, own: Probe) -> bool:
        """Return when the server is there, with whether it had been away; `own` asks what the caller wants to.

        Raises what has to be told if it does not come back.
        """
        with self._line:
            pause = 0.0 if self._known_good else _FIRST_PAUSE
            while self.is_away:
                given_up = self._given_up
                if given_up and self._clock.monotonic() < given_up[0] + _RESTS:
                    raise given_up[1]
                self._clock.wait(pause, self._stopping)
                if self._stopping.is_set():
                    raise Stopped
                self._ask(self._next(own))
                pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        return self._was_away

    def _next(self, own: Probe) -> Probe:
        if not self._known_good:
            return own
        self._known_good.rotate(-1)
        return self._known_good[0]

    def _ask(self, probe: Probe) -> None:
        try:
            probe()
        except Failed as failed:
            limit = failed.limit
            if limit is not None and limit.is_told:
                limit.throttle()
            if limit is None or not limit.is_sure:
                self._was_away = True
                now = self._clock.monotonic()
                if now >= (self._away_since or now) + self._patience:
                    error = self._as_told(failed.error)
                    self._given_up = now, error
                    raise error from None
                return
        except Stopped:
            raise
        except CustomersCanvasError:
            pass  # it says no, so it is there
        self.note_answer()

    def _as_told(self, error: CustomersCanvasError) -> CustomersCanvasError:
        if not self._host or not self.has_answered or isinstance(error, ServerAway):
            return error
        why = error.why if isinstance(error, (Unreachable, ServerTrouble)) else error.message
        return ServerAway(self._host, why)
