"""What one stream wants, owes and has handed over during one read."""

from dataclasses import dataclass
from threading import Condition, RLock
from typing import Any, Literal

from source_customerscanvas.api.projects import Project
from source_customerscanvas.errors import CustomersCanvasError, Trouble
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import Known, SliceState
from source_customerscanvas.state.stream_state import StreamState
from source_customerscanvas.sync.counts import Counts
from source_customerscanvas.sync.kinds import OF_ARTIFACTS, OF_RESULTS, OF_STATUSES, Kind
from source_customerscanvas.sync.ledger import Ledger
from source_customerscanvas.sync.outcomes import OutcomeQueue
from source_customerscanvas.sync.slices import is_order
from source_customerscanvas.times import minutes_before

_MOST_ORDERLESS = 1000
"""Finished projects without an order that a slice remembers, so that their files come again when they get one."""

_CLOCK_STEP_MINUTES = 2 / 60
"""By how much two readings of the shop's clock may be off: `Date` knows whole seconds only."""


@dataclass(frozen=True)
class Settled:
    """What a worker found of a project, as far as the state has to know it.

    `seen` is the digest of the project's row, empty where list and results do not agree yet. `at` is the shop's time.
    `is_new_run`: with it, a run's files (or results) are delivered; False for one that was delivered before; None
    while there is none.
    """

    project_id: int
    order_id: str | None
    created: str
    latest: str
    seen: str
    condition: Literal["open", "finished", "held"]
    has_status: bool
    at: str
    is_obsolete: bool = False
    """Whether it is open, and no list shows it."""
    newest: str = ""
    """When the newest of its artifacts was made."""
    held_by: str = ""
    """The business status that holds it."""
    emitted: tuple[str, ...] = ()
    is_new_run: bool | None = None


class StreamProgress:
    """The state of a stream while it is read, shared by the threads of a sync.

    The threads that list note under `lock` what the stream is owed; the workers hand over outcomes; the one thread that
    reads the stream emits their records and only then notes them here. Outcomes are never put under the lock: a full
    queue would stop the reader that empties it.
    """

    def __init__(
        self, kind: Kind, state: StreamState, lookback_minutes: int, *, since: str | None = None, answers: bool = False
    ) -> None:
        """`answers`: orders are acknowledged on this stream's word, those created from `since` on (see `Ledger`)."""
        self.kind = kind
        self.name = kind.name
        self.lock = RLock()
        self.state = state
        self.counts = Counts()
        self.failure: CustomersCanvasError | None = None
        self.outcomes = OutcomeQueue()
        self.ledger = Ledger(self, since) if answers else None
        self._lookback_minutes = lookback_minutes
        self._troubled: set[tuple[str, int]] = set()
        self._settled_in: dict[int, str] = {}
        given = state.slices.items()
        self._watched_since = {key: one.read for key, one in given if not one.covered}
        self._was_scanned = {key for key, one in given if one.scan is None}
        self._states_made = 0
        self._states_out = 0
        self._out = Condition(self.lock)

    @property
    def scope(self) -> Scope:
        return self.state.scope

    def slice(self, key: str) -> SliceState:
        """The state of a slice; hold the lock while using it."""
        return self.state.slice(key)

    def before(self, moment: str) -> str:
        """A time less the look-back window; empty for none."""
        try:
            return minutes_before(moment, self._lookback_minutes) if moment else ""
        except OverflowError:  # .NET's least time stands for none
            return ""

    def is_due_again(self, at: str, now: str) -> bool:
        """Whether a project that was seen to finish at one time is to be asked for once more at the other."""
        return at <= self.before(minutes_before(now, -_CLOCK_STEP_MINUTES))

    def wants(self, key: str, project: Project) -> bool:
        """Whether a project, as a list shows it, is a change to this stream."""
        with self.lock:
            if (key, project.id) in self._troubled:
                return False
            state = self.slice(key)
            known = state.known.get(project.id)
            if project.id in state.owed or (known and known.condition and known.seen != self.kind.digest(project)):
                return True
            if known and known.condition:
                enters = known.condition == "held" and self.scope.statuses.includes(project.business_status)
                return enters or (bool(state.covered) and self._is_new_to_scan(key, state, project))
            if not self.scope.includes(project.latest):
                return False
            if self._is_new_to_scan(key, state, project):
                return True
            # to an order, a project that is not known is new, however old it is
            return is_order(key) or project.latest >= self.before(state.cursor) or not project.is_completed

    def _is_new_to_scan(self, key: str, state: SliceState, project: Project) -> bool:
        if state.scan is None or project.id <= state.scan.after:
            return False
        covered = state.covered
        return covered is None or not (
            covered.includes(project.latest)
            and covered.has_kinds_of(self.scope)
            and _had(covered, key, project)
            and (self.name not in OF_STATUSES or covered.statuses.includes(project.business_status))
        )

    def owe(self, key: str, project: Project | int) -> None:
        """Note that a project is to be read; only its id is given where no list showed it."""
        with self.lock:
            state = self.slice(key)
            if isinstance(project, int):
                state.owe(project)
            else:
                state.owe(project.id, "" if is_order(key) else self._since(key, state, project))

    def _since(self, key: str, state: SliceState, project: Project) -> str:
        """What is older than this was handed over of a project of which nothing is known; empty: nothing was."""
        boundary, scope = self.before(state.cursor), state.covered or self.scope
        # one that was created before the start date may be in the scope for the first time
        was_finished = "" < project.created < boundary and scope.includes(project.created)
        if state.scan is not None and project.id > state.scan.after:
            is_unchanged = project.latest < boundary and scope.includes(project.latest)
            is_covered = (
                state.covered is not None
                and _had(state.covered, key, project)
                and state.covered.statuses.includes(project.business_status)
            )
            was_finished = is_covered and project.is_completed and (is_unchanged or was_finished)
        # by the shop's own times: its clock and those of its lists need not be the same
        return self.before(min(state.read, max(state.cursor, state.newest))) if was_finished else ""

    def covered(self, key: str) -> Scope:
        """The scope in which a project that had finished before was handed over."""
        with self.lock:
            return self.slice(key).covered or self.scope

    def known(self, key: str, project_id: int) -> Known:
        with self.lock:
            return self.slice(key).of(project_id)

    def open_projects(self, key: str) -> dict[int, Known]:
        """The projects of a slice that have to be heard of in each sync: open ones and those that are owed."""
        with self.lock:
            state = self.slice(key)
            found = {id_: known for id_, known in state.known.items() if known.condition == "open" or id_ in state.owed}
            found |= {id_: state.of(id_) for id_ in state.owed}
            return {id_: known for id_, known in found.items() if (key, id_) not in self._troubled}

    def move_cursor(self, key: str, newest: str, read: str, seen: dict[int, str]) -> None:
        """Note that a slice was listed at the time `read`, all changes up to `newest` are known, and what was `seen`.

        Finished projects before the look-back window are forgotten, but for those that are asked for once more.
        """
        with self.lock:
            state = self.slice(key)
            state.cursor = max(state.cursor, newest)
            state.read = max(state.read, read)
            for project_id in state.obsolete.keys() & seen.keys():
                del state.obsolete[project_id]
            if is_order(key):
                return
            boundary = self.before(state.cursor)
            for project_id, _ in list(state.having("recent")):
                kept = (state.again, state.owed, state.orderless, state.delivered)
                if not any(project_id in some for some in kept) and seen.get(project_id, "") < boundary:
                    state.settle(project_id, None)

    def settle(self, key: str, settled: Settled) -> None:
        """Note that all that was owed of a project has been handed over."""
        with self.lock:
            state, project_id = self.slice(key), settled.project_id
            before = state.of(project_id)
            if settled.condition != "open":
                state.tries.pop(project_id, None)
            if self.ledger:
                self.ledger.note(state, settled)
            if project_id in state.again and self.is_due_again(state.again[project_id], settled.at):
                del state.again[project_id]
            known = self._remembered(key, state, settled, before)
            state.settle(project_id, known)
            if settled.condition == "held":
                state.held_by[project_id] = settled.held_by
            state.newest = max(state.newest, settled.newest)
            if settled.condition == "open" and settled.is_obsolete:
                state.obsolete[project_id] = None
            elif settled.condition == "open" and not settled.has_status:
                state.unlisted.add(project_id)
            other = self._settled_in.get(project_id, key)
            if other != key:
                # it moved while both were read: only reading it once more tells which of its rows should be the last
                self.slice(other).settle(project_id, None)
                self.slice(other).owe(project_id)
            if known:
                self._settled_in[project_id] = key

    def _remembered(self, key: str, state: SliceState, settled: Settled, before: Known) -> Known | None:
        if settled.condition != "finished":
            return Known(settled.condition, settled.seen, settled.emitted, before.since)
        was_finished = before.condition in ("recent", "held") or (before.condition is None and bool(before.since))
        is_news = not was_finished or settled.is_new_run
        if self.name in OF_RESULTS and is_news and not self._is_history(key, settled):
            state.again[settled.project_id] = settled.at
        if settled.order_id is None and self.name in OF_ARTIFACTS:
            state.orderless[settled.project_id] = None
            if len(state.orderless) > _MOST_ORDERLESS:
                del state.orderless[next(iter(state.orderless))]
        is_recent = settled.latest >= self.before(state.cursor) or settled.project_id in state.again
        is_kept = settled.project_id in state.orderless or settled.project_id in state.delivered
        if is_recent or is_kept or is_order(key):
            return Known("recent", settled.seen, settled.emitted)
        return None

    def _is_history(self, key: str, settled: Settled) -> bool:
        """Whether a project may have been finished long before anybody looked."""
        if key in self._was_scanned:
            return False
        since = self._watched_since.get(key, "")
        return not since or settled.created < self.before(since)

    def end_once_more(self, key: str, project_id: int) -> None:
        """Note that a finished project was asked for once more, and had nothing new."""
        with self.lock:
            self.slice(key).again.pop(project_id, None)

    def miss(self, key: str, project_id: int, *, is_listed: bool) -> None:
        """Note that a project was not there when it was asked for, although perhaps a list of this sync showed it.

        A server may say so for a moment, and forgotten at once, one that is back would count as handed over. It stays
        owed while a list shows it.
        """
        with self.lock:
            state = self.slice(key)
            if project_id in state.missing and not is_listed:
                state.forget(project_id)
                return
            self.leave(key, project_id, None)
            if not is_listed:
                state.missing.add(project_id)
            state.waiting = {order: id_ for order, id_ in state.waiting.items() if id_ != project_id}

    def leave(self, key: str, project_id: int, trouble: Trouble | None) -> None:
        """Note that a project could not be read: it stays owed, and this read does not try it again."""
        with self.lock:
            self.slice(key).owed.add(project_id)
            self._troubled.add((key, project_id))
            if trouble:
                self.counts.note_trouble(trouble)

    def unfinished(self) -> list[tuple[str, int]]:
        """The slice and id of each open project."""
        with self.lock:
            return [(key, id_) for key, state in self.state.slices.items() for id_, _ in state.having("open")]

    def fail(self, failure: CustomersCanvasError) -> None:
        """End the stream with an error; the first one counts."""
        with self.lock:
            self.failure = self.failure or failure

    def snapshot(self, *, is_last: bool = False) -> dict[str, Any]:
        """The state as it is emitted; later changes do not show in it."""
        with self.lock:
            self._states_made += 1
            if is_last and self.state.refresh and not self.failure and not self.counts.troubles:
                self.state.refresh = "ended"
            return self.state.to_json()

    def note_state_out(self) -> None:
        """A state has left the connector, in the order in which they were made."""
        with self.lock:
            self._states_out += 1
            self._out.notify_all()

    def wait_until_out(self, patience: float) -> bool:
        """Wait until the states that were made so far have left the connector; False if they have not by then."""
        with self.lock:
            made = self._states_made
            return self._out.wait_for(lambda: self._states_out >= made, patience)


def _had(scope: Scope, key: str, project: Project) -> bool:
    """Whether a project was in the shard of an earlier scope."""
    return scope.shard is None or scope.shard.has(key.partition("/")[0], project.order_id, project.id)
