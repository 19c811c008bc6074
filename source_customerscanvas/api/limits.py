"""Whether a server has had enough for now: 429 says so, and 503 may.

A gateway tells a limit by 503 too (nginx does, unless it is told otherwise). But 503 also says that the server behind
it is away, or that what was asked for is broken. One answer does not tell which, so this is how 503 is taken:

- It may be a limit where it asks to wait, or where the server has served something within the last minute: then the
  workers slow down together. Otherwise it is a failure like any other.
- A limit refuses whoever comes, and lets a request through sooner or later. Where a request is refused again although
  others were served and no refusal has made all wait since, nobody but itself waits for its next try. Where it is
  refused for the fourth time, it has failed: `outages` finds out whether the server is away, and if not, a few more
  failures end the request.
- A 503 does not prove that the server is there: `outages` goes on asking until another answer comes or it has been
  away for too long, which is longer than any limit's window.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from source_customerscanvas.api.pacing import Pace

_LONGEST_WINDOW = 60.0
"""Seconds for which a limit may refuse everything: gateways count by the minute at most."""

_MOST_DOUBTS = 3
"""Times that a request takes 503 for a limit."""


@dataclass(frozen=True)
class Limit:
    """What a refusal says. `throttle` makes all workers pause; `retry_after` are the seconds that the server names.

    `is_sure` is false where it may as well be no limit. `last_served` is when anything but 429 or 503 came
    last, `last_refused` when a refusal last made all wait, one of this request included.
    """

    throttle: Callable[[], None]
    retry_after: float | None
    is_sure: bool
    last_served: float
    last_refused: float

    @property
    def is_told(self) -> bool:
        """Whether the server itself says that it did nothing yet and is to be asked again."""
        return self.is_sure or self.retry_after is not None

    def is_believed(self, refusals: int) -> bool:
        """Whether to wait for room, after so many refusals of the same request."""
        return self.is_sure or refusals < _MOST_DOUBTS

    def is_for_all(self, refused: float | None) -> bool:
        """Whether all workers are to wait; `refused`: when the same request was refused the time before."""
        return self.is_sure or refused is None or not self.last_refused <= refused < self.last_served


def limit_told_by(status: int, retry_after: float | None, pace: Pace, sent: float, now: float) -> Limit | None:
    """What an answer that came at `now` says of a limit; its request left at `sent`."""
    if status == 429 or (status == 503 and (retry_after is not None or sent - pace.last_served <= _LONGEST_WINDOW)):
        throttle = partial(pace.note_refused, sent, now, retry_after)
        return Limit(throttle, retry_after, status == 429, pace.last_served, pace.last_refused)
    return None
