"""What time it is in the shop."""

from datetime import datetime, timedelta

from source_customerscanvas.api.answers import moment_of
from source_customerscanvas.times import Clock


class ShopClock:
    """The connector's clock, set by what the API's own answers say; shared by all workers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = timedelta(0)
        self._text = ""

    def now(self) -> datetime:
        """Aware, in UTC, to the second; the connector's own time before any answer has told another."""
        return self._clock.now() + self._offset

    def note(self, date: str) -> None:
        """The `Date` of an answer that has just come."""
        if date == self._text:
            return  # a server tells the second, and answers many times in one
        self._text = date
        moment = moment_of(date)
        if moment is not None:
            self._offset = moment - self._clock.now()
