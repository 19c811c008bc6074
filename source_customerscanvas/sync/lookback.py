"""How far before its cursor a sync looks again."""

from dataclasses import dataclass

from source_customerscanvas.times import minutes_before

_CLOCK_STEP_MINUTES = 2 / 60
"""By how much two readings of the shop's clock may be off: `Date` knows whole seconds only."""


@dataclass(frozen=True)
class Lookback:
    """The look-back window; times are texts, as `times.format_utc` writes them."""

    minutes: int

    def before(self, moment: str) -> str:
        """When the window that ends at a moment begins; empty for none."""
        try:
            return minutes_before(moment, self.minutes) if moment else ""
        except OverflowError:  # .NET's least time stands for none
            return ""

    def has_passed(self, since: str, now: str) -> bool:
        """Whether a whole window may lie between two moments, as far as the shop's clock tells them."""
        return since <= self.before(minutes_before(now, -_CLOCK_STEP_MINUTES))
