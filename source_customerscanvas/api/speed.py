"""The least speed at which an answer has to come."""

from source_customerscanvas.times import Clock

LEAST_BYTES, WITHIN_SECONDS = 16 * 1024, 120
"""An answer that brings less in that time is given up, though it never stops: a modem of 1990 was ten times faster."""


class TooSlow(OSError):
    """An answer drips: to be treated as one that has broken off."""

    def __init__(self) -> None:
        super().__init__(f"fewer than {LEAST_BYTES} bytes in {WITHIN_SECONDS} seconds")


class LeastSpeed:
    """Watches one answer while it is read. Each byte may come within the time-out, and the whole never."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()
        self._bytes = 0

    def note(self, count: int) -> None:
        """So many bytes have come. Raises `TooSlow`."""
        self._bytes += count
        if self._bytes >= LEAST_BYTES:
            self._bytes = 0
            self._since = self._clock.monotonic()
        elif self._clock.monotonic() - self._since > WITHIN_SECONDS:
            raise TooSlow
