"""What a stream has delivered of orders, on whose word they are acknowledged in the shop (see `acknowledging`)."""

from collections.abc import Callable, Iterable
from threading import RLock
from typing import Protocol

from source_customerscanvas.api.projects import Project
from source_customerscanvas.errors import CustomersCanvasError
from source_customerscanvas.state.stream_state import StreamState, Unit, is_order

_MOST_ACKNOWLEDGED = 1000
"""Acknowledged projects that a unit remembers at most, while one that cannot be read keeps it from being read whole."""


class Ledger(Protocol):
    """What the deliveries need of their stream (see `progress.StreamProgress`)."""

    lock: RLock
    state: StreamState
    row_digest: Callable[[Project], str]
    failure: CustomersCanvasError | None

    def unit(self, key: str) -> Unit:
        """The state of a unit."""

    def before(self, moment: str) -> str:
        """A time less the look-back window."""

    def is_comparing(self, keys: Iterable[str]) -> bool:
        """Whether a finished project of these units that has changed could not be looked at."""


class Deliveries:
    """The deliveries of one stream. They are a part of its state, and touched under its lock alone."""

    def __init__(self, stream: Ledger, since: str | None) -> None:
        self.since = since
        """From when on orders are to be acknowledged on this stream's word; None where it does not answer for any."""
        self._stream = stream
        self._acknowledged: set[tuple[str, int]] = set()
        last_sync, units = stream.state.last_sync, stream.state.units
        self._given = {key: last_sync or stream.before(unit.cursor) for key, unit in units.items()}

    def note(self, unit: Unit, project: Project, delivered: bool | None) -> None:
        """Note what was handed over of a project, under the lock.

        `delivered`: with it, a run's outcome; False for one that was delivered before, None while there is none.
        """
        if delivered:
            # an order is as old as its oldest project, so this one's can only be older
            if self.since is not None and project.created >= self.since:
                unit.delivered[project.id] = project.order_id or ""
        elif delivered is None:
            unit.delivered.pop(project.id, None)
        elif project.id in unit.delivered:
            unit.delivered[project.id] = project.order_id or ""  # it may belong to another order by now
        unit.waiting.pop(project.id, None)

    def of_orders(self, key: str) -> dict[str, frozenset[int]]:
        """The projects that were delivered and not yet acknowledged, of each order that does not wait for others."""
        with self._stream.lock:
            unit = self._stream.unit(key)
            waiting = set(unit.waiting.values())
            delivered: dict[str, set[int]] = {}
            for project_id, order_id in unit.delivered.items():
                if order_id not in waiting:
                    delivered.setdefault(order_id, set()).add(project_id)
            return {order_id: frozenset(ids) for order_id, ids in delivered.items()}

    def has_finished(self, key: str, project: Project) -> bool:
        """Whether, before this sync, a completed project had been handed over as it is now."""
        stream = self._stream
        with stream.lock:
            unit = stream.unit(key)
            mark = unit.marks.get(project.id)
            if project.status_code != "C":
                return False
            if mark:
                return mark.status == "C" and not mark.owed and mark.row == stream.row_digest(project)
            if is_order(key):
                return False
            if project.id in unit.delivered:
                is_known = unit.covered is None  # in whatever scope it was, unless that is being widened
            else:
                is_known = unit.scan is None and stream.state.scope.includes(project.updated_at)
            return is_known and project.updated_at < stream.before(unit.cursor)

    def wait(self, key: str, order_id: str, projects: Iterable[Project]) -> None:
        """Note that an order waits for one of its projects: it is not asked for until the stream has heard of it.

        Of one that is not marked it may never hear, as that one may be gone when it looks: the next sync asks again.
        """
        with self._stream.lock:
            unit = self._stream.unit(key)
            if unit.scan is not None:
                return  # it may have come past them already
            for project in projects:
                mark = unit.marks.get(project.id)
                is_left_out = mark is None and not self._stream.state.scope.includes(project.updated_at)
                if is_left_out or (mark and (mark.owed or mark.status != "C")):
                    unit.waiting[project.id] = order_id
                    return

    def move(self, key: str, project: Project) -> None:
        """Note that a delivered project belongs to another order now."""
        with self._stream.lock:
            self._stream.unit(key).delivered[project.id] = project.order_id or ""

    def forget(self, key: str, project_ids: Iterable[int]) -> None:
        with self._stream.lock:
            for project_id in project_ids:
                self._stream.unit(key).delivered.pop(project_id, None)

    def note_acknowledged(self, key: str, project_id: int, began: str) -> None:
        """Note an acknowledgement by a sync that began then; its state says so until all has been read once more."""
        with self._stream.lock:
            self._acknowledged.add((key, project_id))
            self.forget(key, [project_id])
            acknowledged = self._stream.unit(key).acknowledged
            acknowledged[project_id] = began
            if len(acknowledged) > _MOST_ACKNOWLEDGED:
                del acknowledged[next(iter(acknowledged))]

    def was_acknowledged(self, key: str, project_id: int) -> bool:
        """Whether this sync acknowledged the project: being listed anew because of that is no new delivery."""
        with self._stream.lock:
            return (key, project_id) in self._acknowledged

    def handed_over_before(self, key: str, project_id: int) -> str:
        """Before when the files of a finished project that is not marked had been handed over."""
        with self._stream.lock:
            return max(self._given.get(key, ""), self._stream.unit(key).acknowledged.get(project_id, ""))

    def note_whole_read(self, began: str) -> None:
        """Note that a sync that began then has looked at all units, for `handed_over_before` of the next one."""
        stream = self._stream
        with stream.lock:
            state = stream.state
            if self.since is not None and stream.failure is None and not stream.is_comparing(state.units):
                state.last_sync = max(state.last_sync, began)
                for unit in state.units.values():
                    unit.acknowledged.clear()
