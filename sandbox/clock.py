"""Time of the sandbox: real (optionally faster) or moved by hand, in ticks of 100 nanoseconds as in .NET."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from typing import Literal, TypeAlias

ClockMode = Literal["real", "manual"]
TimeFormat = Literal["7Z", "0", "+00:00", "offset", "none"]
Moment: TypeAlias = "datetime | str | int"

TICKS = 10_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_FRACTION = re.compile(r"\.(\d+)")
_OFFSET_OF_FORMAT = timedelta(hours=2)
_DATE_ONLY = 10


class Clock:
    """What the server takes for now; `advance` works in both modes."""

    def __init__(self, mode: ClockMode = "real", factor: float = 1.0, start: Moment | None = None) -> None:
        if mode not in ("real", "manual"):
            raise ValueError(f"The clock is 'real' or 'manual', not {mode!r}.")
        self._factor = factor if mode == "real" else 0.0
        self._start = to_ticks(start if start is not None else datetime.now(timezone.utc))
        self._began = time.monotonic()
        self._advanced = 0.0

    def now(self) -> int:
        passed = (time.monotonic() - self._began) * self._factor + self._advanced
        return self._start + int(passed * TICKS)

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("Time does not go back.")
        self._advanced += seconds

    def lifetime(self) -> float:
        """Seconds for token lifetimes: a client counts those in real time, so the factor is left out."""
        return time.monotonic() - self._began + self._advanced


def to_ticks(moment: Moment) -> int:
    """Ticks of a datetime (without a zone: UTC), an ISO 8601 string of up to seven digits, or ticks themselves."""
    if isinstance(moment, int):
        return moment
    extra = 0
    if isinstance(moment, str):
        text = moment.strip().replace("Z", "+00:00").replace("z", "+00:00")
        fraction = _FRACTION.search(text)
        if fraction:
            extra = int(fraction.group(1)[:7].ljust(7, "0"))
            text = text[: fraction.start()] + text[fraction.end() :]
        moment = datetime.fromisoformat(text if len(text) > _DATE_ONLY else text + "T00:00:00")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - EPOCH) // timedelta(microseconds=1) * 10 + extra


def to_datetime(ticks: int) -> datetime:
    return EPOCH + timedelta(microseconds=ticks // 10)


def midnight(ticks: int) -> int:
    return ticks - ticks % (86_400 * TICKS)


def format_ticks(ticks: int, style: TimeFormat = "7Z", digits: int | None = None) -> str:
    if digits is None:
        digits = 0 if style == "0" else 7
    seconds, fraction = divmod(ticks, TICKS)
    moment = EPOCH + timedelta(seconds=seconds)
    zone = "Z"
    if style == "offset":
        moment += _OFFSET_OF_FORMAT
        zone = "+02:00"
    elif style == "+00:00":
        zone = "+00:00"
    elif style == "none":
        zone = ""
    text = moment.isoformat()[:19]
    if digits:
        text += "." + f"{fraction:07d}"[:digits]
    return text + zone
