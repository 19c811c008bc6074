"""The least speed at which an answer has to come."""

from source_customerscanvas.times import Clock

LEAST_BYTES, WITHIN_SECONDS = 16 * 1024, 120
"""An answer that brings less in that time is given up, though it never stops: a modem of 1990 was ten times faster."""


class TooSlow(OSError):
    """An answer drips: to be treated as one that has broken off."""

    def __init__(self) -> None:
        super().__init__(f"fewer than {LEAST_BYTES} bytes in {WITHIN_SECONDS} seconds")


class LeastSpeed:
    """Watches one answer while it is read. Each byte may come within the time-out, and the whole never.

    Only what the server takes counts, from `begin` to `note`: what comes is stored in between, which may take longer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bytes, self._waited = 0, 0.0
        self.begin()

    def begin(self) -> None:
        """The server is waited for from now on."""
        self._began = self._clock.monotonic()

    def note(self, count: int) -> None:
        """So many bytes have come. Raises `TooSlow`."""
        self._bytes += count
        self._waited += self._clock.monotonic() - self._began
        self.begin()
        if self._bytes >= LEAST_BYTES:
            self._bytes, self._waited = 0, 0.0
        elif self._waited > WITHIN_SECONDS:
            raise TooSlow
