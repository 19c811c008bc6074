"""Times as the API writes them and as the connector emits, compares and stores them."""

import os
import re
import time
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from threading import Event
from typing import Protocol

_DOTNET_UTC = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|z|[+-]00:?00)?\Z", re.ASCII)
_DATED = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def to_utc(value: object) -> str | None:
    """Turn a time of the API into RFC 3339 in UTC with exactly six fractional digits.

    `2024-03-05T10:11:12.1234567Z` → `2024-03-05T10:11:12.123456Z`. A time without an offset is UTC; the digits
    past the microsecond are cut, not rounded, so that a time never moves forward. Results of equal length compare
    as text. What is not a time becomes None.
    """
    if not isinstance(value, str):
        return None
    matched = _DOTNET_UTC.match(value)
    if matched and _exists(matched[1], matched[2]):
        return f"{matched[1]}T{matched[2]}.{(matched[3] or '')[:6]:0<6}Z"
    return _parse_with_offset(value)


def _exists(day: str, clock: str) -> bool:
    # 24:00:00, a leap second or 30 February match the pattern above but are no times
    try:
        datetime.fromisoformat(f"{day}T{clock}")
    except ValueError:
        return False
    return True


def _parse_with_offset(value: str) -> str | None:
    if not _DATED.match(value) or not value.isascii():
        return None  # the parser would read "12:34" as a time of today
    import pendulum  # a tenth of a second, and only servers that write offsets need it

    try:
        parsed = pendulum.parse(value, tz="UTC", exact=False)
        return format_utc(parsed) if isinstance(parsed, pendulum.DateTime) else None
    except (ValueError, OverflowError):
        return None


def format_utc(moment: datetime) -> str:
    """An aware time as the connector writes it: `2024-03-05T10:11:12.123456Z`."""
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_utc(text: str) -> datetime:
    """The reverse of `format_utc`."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


@lru_cache(maxsize=256)  # asked for each row of a list, about the same few cursors
def minutes_before(text: str, minutes: float) -> str:
    """A time that lies so many minutes before another one, both as `format_utc` writes them."""
    return format_utc(parse_utc(text) - timedelta(minutes=minutes))


def as_far_before(moment: str, other: str) -> str:
    """The time that lies as far before a moment as another one lies after it; empty where the calendar has none.

    12:00 and 15:00 → 09:00, all as `format_utc` writes them.
    """
    middle = parse_utc(moment)
    try:
        return format_utc(middle - (parse_utc(other) - middle))
    except OverflowError:
        return ""


class Clock(Protocol):
    """Where the connector takes the time from, so that tests can bring their own."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def wait(self, seconds: float, stop: Event | None = None) -> None:
        """Let so many seconds pass, or fewer when `stop` is set."""


class SystemClock:
    """The machine's own clock; with a factor, one that runs so much faster from the time of its making on."""

    def __init__(self, factor: float = 1.0) -> None:
        self._factor = factor
        self._began = datetime.now(timezone.utc)
        self._began_monotonic = time.monotonic()

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self.monotonic() - self._began_monotonic)

    def monotonic(self) -> float:
        return self._began_monotonic + (time.monotonic() - self._began_monotonic) * self._factor

    def wait(self, seconds: float, stop: Event | None = None) -> None:
        if stop is None:
            time.sleep(seconds / self._factor)
        else:
            stop.wait(seconds / self._factor)


# so that a test of the command line can share the pace of a sandbox in which minutes are seconds
SYSTEM_CLOCK = SystemClock(float(os.environ.get("CUSTOMERSCANVAS_TIME_FACTOR", "1")))
