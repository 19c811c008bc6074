"""What one stream wants, owes and has handed over during one read."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, RLock
from typing import Any

from source_customerscanvas.api.projects import Project
from source_customerscanvas.errors import CustomersCanvasError, Trouble
from source_customerscanvas.state.slice_state import Known, SliceState
from source_customerscanvas.state.stream_state import StreamState
from source_customerscanvas.sync.counts import Counts
from source_customerscanvas.sync.kinds import PROJECTS, RESULTS
from source_customerscanvas.sync.ledger import Ledger
from source_customerscanvas.sync.lookback import Lookback
from source_customerscanvas.sync.outcomes import OutcomeQueue
from source_customerscanvas.sync.settling import Memory, Settled
from source_customerscanvas.sync.slices import is_part


class StreamProgress:
    """The state of a stream while it is read, shared by the threads of a sync.

    The threads that list note under `lock` what the stream is owed; the workers hand over outcomes; the one thread that
    reads the stream emits their records and only then notes them here. Outcomes are never put under the lock: a full
    queue would stop the reader that empties it.
    """

    def __init__(
        self,
        name: str,
        state: StreamState,
        lookback_minutes: int,
        *,
        since: str | None = None,
        acknowledges: bool = False,
    ) -> None:
        """`acknowledges`: orders created from `since` on are acknowledged as its state says (see `Ledger`)."""
        self.name = name
        self.lock = RLock()
        self.state = state
        self.scope = state.scope
        self.lookback = Lookback(lookback_minutes)
        # in other streams, a project has any number of rows: they are known when it was read
        self.counts = Counts(expected_rows=None if name in (PROJECTS, RESULTS) else 0)
        self.failure: CustomersCanvasError | None = None
        self.outcomes = OutcomeQueue()
        self.states_out = StatesOut()
        self.ledger = Ledger(name, state, self.slice, self.lookback, since) if acknowledges else None
        if not acknowledges:
            for one in state.slices.values():
                one.waiting.clear()  # nobody notes what becomes of the projects that the orders wait for
        self._memory = Memory(name, state.scope, self.lookback, state.slices)
        self._troubled: set[tuple[str, int]] = set()
        self._settled_in: dict[int, str] = {}
        """The slice in which each project was last settled that is remembered, or pending in another slice."""

    @contextmanager
    def slice(self, key: str) -> Iterator[SliceState]:
        """The state of a slice, under the lock."""
        with self.lock:
            yield self.state.slice(key)

    def wants(self, key: str, project: Project) -> bool:
        """Whether a project, as a list shows it, is a change to this stream."""
        with self.lock:
            is_troubled = (key, project.id) in self._troubled
            return not is_troubled and self._memory.is_change(key, self.state.slice(key), project)

    def owe(self, key: str, project: Project | int) -> None:
        """Note that a project is to be read; only its id is given where no list showed it."""
        with self.slice(key) as state:
            id_ = project if isinstance(project, int) else project.id
            # a project that moved here from another slice, where it was not finished, is owed as a whole
            if isinstance(project, int) or self.state.is_pending_elsewhere(key, id_):
                state.owe(id_)
            else:
                state.owe(id_, self._memory.emitted_until(key, state, project))

    def cursor(self, key: str) -> str:
        with self.slice(key) as state:
            return state.cursor

    def known(self, key: str, project_id: int) -> Known:
        with self.slice(key) as state:
            return state.of(project_id)

    def unsettled(self, key: str) -> set[int]:
        """The projects of a slice that have to be heard of in each sync: those that are open, held or owed."""
        with self.slice(key) as state:
            found = {id_ for id_, known in state.known.items() if known.condition in ("open", "held")} | state.owed
            return {id_ for id_ in found if (key, id_) not in self._troubled}

    def move_cursor(self, key: str, newest: str, read: str, seen: dict[int, str]) -> None:
        """Note that a slice was listed: all changes up to `newest` are known (see `Memory`)."""
        with self.slice(key) as state:
            self._memory.move_cursor(key, state, newest, read, seen)

    def settle(self, key: str, settled: Settled) -> None:
        """Note that all that was owed of a project has been handed over."""
        project_id = settled.project_id
        with self.slice(key) as state:
            if self.ledger:
                self.ledger.note(state, settled)
            self._memory.settle(key, state, settled)
            if settled.condition != "open":
                self.state.tries.pop(project_id, None)
            # an order that waits for one of several held projects is asked for when any of them has changed
            state.end_waiting(project_id, settled.order_id or "")
            other = self._settled_in.get(project_id, key)
            if other != key:
                # it moved while both slices were read: read once more, the row of its present slice comes last
                self.state.slices[other].settle(project_id, None)
                self.state.slices[other].owe(project_id)
            if project_id in state.known or self.state.is_pending_elsewhere(key, project_id):
                self._settled_in[project_id] = key

    def end_once_more(self, key: str, project_id: int) -> None:
        """Note that a finished project was asked for once more, and had nothing new."""
        with self.slice(key) as state:
            state.once_more.pop(project_id, None)

    def miss(self, key: str, project_id: int, *, is_listed: bool) -> None:
        """Note that a project was not there when it was asked for, although perhaps a list of this sync showed it.

        A server may answer 404 for a moment. So a missing project stays owed, and is forgotten only when the next sync
        finds it missing too and no list shows it.
        """
        with self.slice(key) as state:
            state.end_waiting(project_id)
            if project_id in state.missing and not is_listed:
                state.forget(project_id)
                self.state.tries.pop(project_id, None)
                return
            self.leave(key, project_id, None)
            if not is_listed:
                state.missing.add(project_id)

    def pass_on(self, key: str, project: Project) -> None:
        """Note that a project belongs elsewhere now: what was not handed over of it is owed there."""
        with self.slice(key) as state:
            was_pending = state.is_pending(project.id)
            state.forget(project.id)
            for other, another in self.state.slices.items():
                is_settled = project.id in another.known or self._settled_in.get(project.id) == other
                if was_pending and other != key and is_part(other, project) and not is_settled:
                    another.owe(project.id)

    def leave(self, key: str, project_id: int, trouble: Trouble | None) -> None:
        """Note that a project could not be read: it stays owed, and this read does not try it again."""
        with self.slice(key) as state:
            state.owed.add(project_id)
            self._troubled.add((key, project_id))
            if trouble:
                self.counts.note_trouble(trouble)

    def fail(self, failure: CustomersCanvasError) -> None:
        """End the stream with an error; the first one counts."""
        with self.lock:
            self.failure = self.failure or failure

    def snapshot(self, *, is_last: bool = False) -> dict[str, Any]:
        """The state as it is emitted; later changes do not show in it."""
        with self.lock:
            if is_last and self.state.refresh and not self.failure and not self.counts.troubles:
                self.state.refresh = "ended"
            return self.state.to_json()


class StatesOut:
    """How many of a stream's states were made, and how many have left the connector: in the order they were made."""

    def __init__(self) -> None:
        self._made = self._out = 0
        self._changed = Condition()

    def note_made(self) -> None:
        with self._changed:
            self._made += 1

    def note_out(self) -> None:
        with self._changed:
            self._out += 1
            self._changed.notify_all()

    def wait(self, patience: float) -> bool:
        """Wait until the states that were made so far have left the connector; False if they have not by then."""
        with self._changed:
            made = self._made
            return self._changed.wait_for(lambda: self._out >= made, patience)
