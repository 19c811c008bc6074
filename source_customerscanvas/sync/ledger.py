"""What a stream has delivered of orders, on whose word they are acknowledged in the shop (see `acknowledging`)."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from source_customerscanvas.api.projects import Project
from source_customerscanvas.state.slice_state import SliceState
from source_customerscanvas.state.stream_state import StreamState
from source_customerscanvas.sync.kinds import digest_for
from source_customerscanvas.sync.lookback import Lookback
from source_customerscanvas.sync.settling import Settled
from source_customerscanvas.sync.slices import is_order


class Ledger:
    """The deliveries of one stream. They are a part of its state, and touched under its lock alone."""

    def __init__(
        self,
        stream: str,
        state: StreamState,
        slice_: Callable[[str], AbstractContextManager[SliceState]],
        lookback: Lookback,
        since: str | None,
    ) -> None:
        """`slice_`: see `StreamProgress.slice`. `since`: older orders are left alone; None: before the first sync."""
        self._stream = stream
        self._state = state
        self._slice = slice_
        self._lookback = lookback
        self._since = since

    @property
    def since(self) -> str:
        return self._state.began if self._since is None else self._since

    def note(self, state: SliceState, settled: Settled) -> None:
        """Note what was handed over of a project, under the lock."""
        project_id, order_id = settled.project_id, settled.order_id or ""
        # it may be open with a run that has completed: the list is yet to follow, and nothing is acknowledged before
        if settled.condition == "open" and settled.is_new_run is None:
            state.delivered.pop(project_id, None)
        elif settled.is_new_run:
            # an order is as old as its oldest project, so this one's can only be older. Of a project that does not say
            # when it was created, those beside it will tell; what a scan finds of these is taken to be old
            if settled.created >= self.since if settled.created else state.scan is None:
                state.delivered[project_id] = order_id
        elif project_id in state.delivered:
            state.delivered[project_id] = order_id  # it may belong to another order by now

    def of_orders(self, key: str) -> dict[str, frozenset[int]]:
        """The projects that were delivered and not yet acknowledged, of each order that does not wait for others."""
        with self._slice(key) as state:
            delivered: dict[str, set[int]] = {}
            for project_id, order_id in state.delivered.items():
                if order_id not in state.waiting:
                    delivered.setdefault(order_id, set()).add(project_id)
            return {order_id: frozenset(ids) for order_id, ids in delivered.items()}

    def was_handed_over(self, key: str, project: Project) -> bool:
        """Whether, before this sync, a completed project had been handed over as it is now."""
        with self._slice(key) as state:
            if not project.is_completed or project.id in state.owed:
                return False
            if state.scan is not None and project.id > state.scan:
                return False  # it was never read, or may have more files in the wider scope of this scan
            known = state.known.get(project.id)
            if known and known.condition:
                return known.condition == "recent" and known.seen == digest_for(self._stream, project)
            if is_order(key):
                return False
            is_in_scope = state.scan is None and self._state.scope.includes(project.latest)
            is_known = project.id in state.delivered or is_in_scope
            return is_known and project.latest < self._lookback.before(state.cursor)

    def wait(self, key: str, order_id: str, projects: Iterable[Project]) -> None:
        """Note that an order waits for one of its projects: it is not asked for until the stream has read that one.

        It waits for no project that the stream may never read: then the next sync asks for the order again.
        """
        with self._slice(key) as state:
            if state.scan is not None:
                return  # it may have come past them already
            for project in projects:
                known = state.known.get(project.id)
                is_left_out = known is None and not self._state.scope.includes(project.latest)
                if project.id in state.owed or is_left_out or (known and known.condition in ("open", "held")):
                    state.wait(order_id, project.id)
                    return

    def hold(self, key: str, order_id: str, project_ids: Iterable[int]) -> None:
        """Note that an order waits until one of its delivered projects is produced again.

        Whatever has not been seen to be held yet is read, and is held from then on.
        """
        with self._slice(key) as state:
            for project_id in project_ids:
                if state.of(project_id).condition != "held":
                    state.owe(project_id)
                state.wait(order_id, project_id)

    def move(self, key: str, project: Project) -> None:
        """Note that a delivered project belongs to another order now."""
        with self._slice(key) as state:
            state.delivered[project.id] = project.order_id or ""

    def remove(self, key: str, project_ids: Iterable[int]) -> None:
        """Note that these projects are acknowledged, or are not to be."""
        with self._slice(key) as state:
            for project_id in project_ids:
                state.delivered.pop(project_id, None)
