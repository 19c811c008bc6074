"""Times in which a server is away."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, get_args

from sandbox.serving.messages import ORIGINS, Origin

OutageKind = Literal["503", "reset", "refused", "hang"]
OUTAGE_KINDS = get_args(OutageKind)


@dataclass(eq=False)
class Outage:
    """Servers that are away from `begins` until `ends` (None: until told otherwise), by a clock in seconds."""

    kind: OutageKind
    origins: frozenset[Origin]
    begins: float
    ends: float | None
    clock: Callable[[], float]

    def end(self) -> None:
        self.ends = self.clock()

    @property
    def is_over(self) -> bool:
        return self.ends is not None and self.clock() >= self.ends

    @property
    def is_on(self) -> bool:
        return self.begins <= self.clock() and not self.is_over


def make_outage(
    clock: Callable[[], float],
    kind: OutageKind,
    where: Collection[Origin],
    seconds: float | None,
    after: float,
) -> Outage:
    """At some of the servers; it begins `after` seconds from now and lasts `seconds` (None: until it is ended)."""
    if kind not in OUTAGE_KINDS:
        raise ValueError(f"An outage is one of {', '.join(OUTAGE_KINDS)}.")
    if not set(where) <= set(ORIGINS):
        raise ValueError(f"The servers are {', '.join(ORIGINS)}.")
    begins = clock() + after
    return Outage(kind, frozenset(where), begins, None if seconds is None else begins + seconds, clock)
