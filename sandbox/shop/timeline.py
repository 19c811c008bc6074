"""What is going to happen in the shop, in order of time."""

from __future__ import annotations

import heapq
from typing import NamedTuple


class Event(NamedTuple):
    """Something due at a tick. `number` keeps events of the same tick in the order in which they were planned.

    `pipeline` is the position of the project's pipeline that it is about and `plan` that pipeline's timeline that the
    event belongs to; None: the project's, which happens whatever else was planned since.
    """

    at: int
    number: int
    action: str
    project_id: int
    pipeline: int | None = None
    plan: int | None = None
    status: str | None = None


class Timeline:
    def __init__(self) -> None:
        self._events: list[Event] = []
        self._planned = 0

    def plan(self, at: int, action: str, project_id: int, status: str | None = None) -> None:
        """Plan what concerns a project."""
        self._push(Event(at, self._planned, action, project_id, status=status))

    def plan_run(self, at: int, action: str, project_id: int, pipeline: int, plan: int) -> None:
        """Plan what concerns the run of one of its pipelines."""
        self._push(Event(at, self._planned, action, project_id, pipeline, plan))

    def _push(self, event: Event) -> None:
        self._planned += 1
        heapq.heappush(self._events, event)

    def due(self, now: int) -> Event | None:
        """The next event up to `now`, taken out."""
        if self._events and self._events[0].at <= now:
            return heapq.heappop(self._events)
        return None
