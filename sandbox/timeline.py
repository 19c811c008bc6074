"""What is going to happen in the shop, in order of time."""

from __future__ import annotations

import heapq
from typing import NamedTuple


class Event(NamedTuple):
    """Something due at a tick. `number` keeps events of the same tick in the order in which they were planned.

    `plan` is the project's timeline that the event belongs to; None: it happens whatever else was planned since.
    """

    at: int
    number: int
    action: str
    project_id: int
    plan: int | None
    status: str | None = None


class Timeline:
    def __init__(self) -> None:
        self._events: list[Event] = []
        self._planned = 0

    def plan(self, at: int, action: str, project_id: int, plan: int | None, status: str | None = None) -> None:
        self._planned += 1
        heapq.heappush(self._events, Event(at, self._planned, action, project_id, plan, status))

    def due(self, now: int) -> Event | None:
        """The next event up to `now`, taken out."""
        if self._events and self._events[0].at <= now:
            return heapq.heappop(self._events)
        return None
