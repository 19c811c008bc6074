"""What one stream wants, owes and has handed over during one read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from threading import Condition, RLock
from typing import Any

from source_customerscanvas.api.projects import HIDDEN, NO_STATUS, Project
from source_customerscanvas.errors import CustomersCanvasError, Trouble
from source_customerscanvas.state.stream_state import (
    OWED,
    OWED_AGAIN,
    OWED_IF_BACK,
    OWED_MORE,
    OWED_MORE_AGAIN,
    Mark,
    Scan,
    Scope,
    StreamState,
    Try,
    Unit,
    is_order,
)
from source_customerscanvas.sync.counts import Counts
from source_customerscanvas.sync.deliveries import Deliveries
from source_customerscanvas.sync.outcomes import Outcome, OutcomeQueue
from source_customerscanvas.times import minutes_before


class StreamProgress:
    """The state of a stream while it is read, shared by the tracker, the workers and the stream's reader.

    The tracker sees from it what is news and notes what the stream is owed; the workers hand over outcomes; the one
    thread that reads the stream takes them, emits their records and only then lets them be remembered. The state is
    touched under `lock` alone. Outcomes are never put under it: a full queue would stop the reader that empties it.
    """

    def __init__(
        self,
        name: str,
        state: StreamState,
        row_digest: Callable[[Project], str],
        lookback_minutes: int,
        *,
        delivered_since: str | None = None,
        tries: Mapping[int, Try] | None = None,
    ) -> None:
        """`delivered_since`: see `Deliveries.since`.

        `tries`: those of all states that the sync was given, this stream's and others' (see `state.tries_of`).
        """
        self.name = name
        self.lock = RLock()
        self.state = state
        self.row_digest = row_digest
        self.counts = Counts()
        self.failure: CustomersCanvasError | None = None
        self.outcomes = OutcomeQueue()
        self._lookback_minutes = lookback_minutes
        self._given_artifact_cursors = {key: unit.artifact_cursor for key, unit in state.units.items()}
        self._troubled: set[tuple[str, int]] = set()
        self._settled_in: dict[int, str] = {}
        self.deliveries = Deliveries(self, delivered_since)
        self._tries = dict(tries or {})
        self._states_made = 0
        self._states_out = 0
        self._out = Condition(self.lock)

    @property
    def scope(self) -> Scope:
        return self.state.scope

    def unit(self, key: str) -> Unit:
        """The state of a unit; hold the lock while using it."""
        return self.state.units.setdefault(key, Unit())

    def cursor(self, key: str) -> str:
        """Up to when all changes of a unit are known; empty: none."""
        with self.lock:
            return self.unit(key).cursor

    def boundary(self, key: str) -> str:
        """From when on changes of a unit are looked at again; empty: all of them."""
        with self.lock:
            return self.before(self.unit(key).cursor)

    def scan(self, key: str) -> Scan | None:
        with self.lock:
            return self.unit(key).scan

    def mark(self, key: str, project_id: int) -> Mark:
        with self.lock:
            return self.unit(key).marks.get(project_id) or Mark()

    def keep_units(self, keys: Iterable[str]) -> None:
        """Forget the units that are not in the scope any more: coming back, they are read as if new."""
        with self.lock:
            self.state.units = {key: self.unit(key) for key in keys}

    def open_marks(self, key: str) -> dict[int, Mark]:
        """The projects of a unit that have to be heard of in each sync: unfinished ones and those that are owed."""
        with self.lock:
            marks = self.unit(key).marks
            found = ((id_, marks.get(id_)) for id_ in marks if (key, id_) not in self._troubled)
            return {id_: mark for id_, mark in found if mark and (mark.owed or mark.status != "C")}

    def unfinished(self) -> list[tuple[str, int]]:
        """The unit and id of each project whose processing has not finished, as far as this stream knows."""
        with self.lock:
            found = ((key, id_, unit.marks.get(id_)) for key, unit in self.state.units.items() for id_ in unit.marks)
            return [(key, id_) for key, id_, mark in found if mark and mark.status not in ("", "C")]

    def wants(self, key: str, project: Project) -> bool:
        """Whether a project, as a list shows it, is news to this stream."""
        with self.lock:
            if (key, project.id) in self._troubled:
                return False
            unit = self.unit(key)
            mark = unit.marks.get(project.id)
            if mark and (mark.owed or mark.status in ("R", HIDDEN) or mark.row != self.row_digest(project)):
                return True
            if not self.scope.includes(project.updated_at):
                return False
            if self._is_new_to_scan(unit, project):
                return True
            # to an order, a project that is not marked is new, however old it is
            is_news = is_order(key) or project.updated_at >= self.before(unit.cursor) or project.status_code != "C"
            return mark is None and is_news

    def _is_new_to_scan(self, unit: Unit, project: Project) -> bool:
        if unit.scan is None or project.id <= unit.scan.after:
            return False
        covered = unit.covered
        return covered is None or not (covered.includes(project.updated_at) and covered.has_kinds_of(self.scope))

    def start_watch(self, key: str, newest: str) -> None:
        """Note, before the first scan of a unit begins, from when on its changes have to be looked for afterwards."""
        with self.lock:
            unit = self.unit(key)
            unit.cursor = unit.cursor or newest

    def owe(self, key: str, project_id: int, project: Project | None) -> None:
        """Note that a project is to be handed over; it is None where only its mark is known."""
        with self.lock:
            unit = self.unit(key)
            mark = unit.marks.get(project_id)
            if project is None or (mark and mark.owed != OWED_MORE):
                unit.marks.owe(project_id)
            elif mark:
                if not self._is_unchanged(unit, project):
                    unit.marks.set(project_id, replace(mark, owed=OWED_MORE_AGAIN))
            else:
                unit.marks.owe(project_id, OWED if is_order(key) else self._owed(unit, project))

    def _owed(self, unit: Unit, project: Project) -> str:
        """What is owed of a project that is not marked: it was finished, or nothing is known of it."""
        before = (unit.covered if unit.scan else None) or self.scope
        # one that is older than the start date may be in the scope for the first time
        was_finished = before.includes(project.created) and "" < project.created < self.before(unit.cursor)
        if not self._is_new_to_scan(unit, project):
            return OWED_AGAIN if was_finished else OWED
        if unit.covered is None:
            return OWED
        if self._is_unchanged(unit, project) and unit.covered.includes(project.updated_at):
            return OWED_MORE
        return OWED_MORE_AGAIN if was_finished else OWED

    def _is_unchanged(self, unit: Unit, project: Project) -> bool:
        return project.status_code == "C" and project.updated_at < self.before(unit.cursor)

    def covered(self, key: str) -> Scope:
        """What was emitted of the projects of which only more is owed."""
        with self.lock:
            return self.unit(key).covered or Scope(kinds=())

    def owe_page(self, key: str, projects: Iterable[Project], after: int, at: int) -> None:
        """Note, in one step, that a scan has come past the project `after` and what it found before it."""
        with self.lock:
            for project in projects:
                self.owe(key, project.id, project)
            self.pass_page(key, after, at)

    def pass_page(self, key: str, after: int, at: int) -> None:
        """Note that a scan has come past the project `after`, on a page that began at the offset `at`."""
        with self.lock:
            scan = self.unit(key).scan
            if scan and scan.after < after:
                scan.after, scan.at = after, at

    def end_scan(self, key: str) -> None:
        with self.lock:
            self.unit(key).end_scan()

    def marked_without_status(self, key: str) -> set[int]:
        """The marked projects of a unit that have no processing status, as far as nothing of them is owed."""
        return {id_ for id_, mark in self.open_marks(key).items() if mark.status == NO_STATUS and not mark.owed}

    def others_without_status(self, key: str) -> int:
        """How many projects without a processing status a unit had besides the marked ones."""
        with self.lock:
            return self.unit(key).without_status

    def note_others_without_status(self, key: str, number: int) -> None:
        with self.lock:
            self.unit(key).without_status = number

    def hidden_asked(self, key: str) -> str:
        """When the projects of a unit that no list shows were last asked for; empty: never."""
        with self.lock:
            return self.unit(key).hidden_asked

    def note_hidden_asked(self, key: str, now: str) -> None:
        with self.lock:
            self.unit(key).hidden_asked = now

    def move_cursor(self, key: str, newest: str, seen: dict[int, str]) -> None:
        """Note that all changes up to `newest` are known, and forget the finished projects before its window.

        Those of an order stay marked: a project that comes to it long after it has finished would pass for one of them.
        """
        with self.lock:
            unit = self.unit(key)
            unit.cursor = max(unit.cursor, newest)
            if is_order(key):
                return
            boundary = self.before(unit.cursor)
            for project_id in list(unit.marks):
                mark = unit.marks.get(project_id)
                if mark and mark.status == "C" and not mark.owed and seen.get(project_id, "") < boundary:
                    unit.marks.set(project_id, None)

    def settle(
        self,
        key: str,
        project: Project,
        status: str,
        content: str,
        *,
        delivered: bool | None = None,
        newest: str | None = None,
    ) -> None:
        """Note that all that is known of a project has been handed over.

        For `delivered` see `Deliveries.note`; `newest` is when the newest artifact among it was made.
        """
        with self.lock:
            self.saw_artifact(key, newest)
            unit = self.unit(key)
            known = max(unit.tries.pop(project.id, Try()), self._tries.get(project.id, Try()))
            if status == "C":
                self._tries.pop(project.id, None)
            elif known.count:
                unit.tries[project.id] = known  # in each unit that hands it over: it may be moving
            self.deliveries.note(unit, project, delivered)
            is_over = status == "C" and project.updated_at < self.before(unit.cursor) and not is_order(key)
            unit.marks.set(project.id, None if is_over else Mark(status, self.row_digest(project), content))
            other = self._settled_in.get(project.id, key)
            if other != key:
                # it moved while both were read: only asking for it once more tells which of its rows should be the last
                self.unit(other).marks.set(project.id, Mark(owed=OWED))
            if not is_over:
                self._settled_in[project.id] = key

    def add_content(self, key: str, project_id: int, content: str, made: str | None = None) -> None:
        """Note that one more thing of a project that stays owed has been handed over, which was made then."""
        with self.lock:
            self.saw_artifact(key, made)
            marks = self.unit(key).marks
            mark = marks.get(project_id) or Mark(owed=OWED)
            # without a status there is no place for the content: the digest of no row never matches, so it is looked at
            status, row = mark.status or "N", mark.row or "-----"
            marks.set(project_id, Mark(status, row, mark.content + content, mark.owed))

    def leave(self, key: str, project_id: int, trouble: Trouble, unchanged: str | None = None) -> None:
        """Note that a project could not be read: it stays owed, and this read does not try it again.

        `unchanged`: what need not be handed over of a project whose artifacts have been compared. It is remembered,
        so that the artifact cursor with which it was compared need not be, for as long as the trouble lasts.
        """
        with self.lock:
            marks = self.unit(key).marks
            mark = marks.get(project_id)
            if unchanged is not None and mark and mark.owed in (OWED_AGAIN, OWED_MORE_AGAIN):
                marks.set(project_id, replace(mark, owed=OWED))
                self.add_content(key, project_id, unchanged)
            marks.owe(project_id)
            self._troubled.add((key, project_id))
            self.counts.note_trouble(trouble)

    def miss(self, key: str, project_id: int, *, is_listed: bool) -> None:
        """Note that a project was not there when it was looked at, although perhaps a list of this read showed it.

        A server may say so for a moment, and without its mark a project that is back would count as handed over. It is
        forgotten when the next read neither finds it nor sees it in a list.
        """
        with self.lock:
            unit = self.unit(key)
            mark = unit.marks.get(project_id) or Mark()
            if mark.owed == OWED_IF_BACK and not is_listed:
                self.forget(key, project_id)
                return
            unit.marks.set(project_id, replace(mark, owed=OWED_IF_BACK))
            unit.waiting.pop(project_id, None)
            self._troubled.add((key, project_id))  # this read does not ask for it again

    def forget(self, key: str, project_id: int) -> None:
        """Note that a project does not belong to the unit any more."""
        with self.lock:
            unit = self.unit(key)
            unit.marks.set(project_id, None)
            unit.tries.pop(project_id, None)
            unit.waiting.pop(project_id, None)

    # trying again

    def has_mark(self, key: str, project_id: int) -> bool:
        with self.lock:
            return project_id in self.unit(key).marks

    def tries(self, key: str, project_id: int) -> Try:
        with self.lock:
            return max(self.unit(key).tries.get(project_id, Try()), self._tries.get(project_id, Try()))

    def note_try(self, key: str, project_id: int, one: Try) -> None:
        """Note a try before it is made; whatever comes of it, the project is looked at in the next sync."""
        with self.lock:
            unit = self.unit(key)
            if project_id in unit.marks:
                unit.tries[project_id] = one
                unit.marks.owe(project_id)

    def take_back_try(self, key: str, project_id: int, before: Try) -> None:
        """Note that a try was not made after all; `before` is the one before it."""
        with self.lock:
            unit = self.unit(key)
            mark = unit.marks.get(project_id)
            if mark and unit.tries.pop(project_id, None):
                unit.marks.set(project_id, replace(mark, owed=""))
                if before.count:
                    unit.tries[project_id] = before

    # artifacts

    def unchanged_before(self, key: str, project_id: int) -> str:
        """Before when an artifact of a project counts as emitted; empty unless the project was finished before."""
        was_finished = self.mark(key, project_id).owed in (OWED_AGAIN, OWED_MORE_AGAIN)
        return self.before(self._given_artifact_cursors.get(key, "")) if was_finished else ""

    def saw_artifact(self, key: str, last_modified: str | None) -> None:
        with self.lock:
            unit = self.unit(key)
            unit.newest_artifact = max(unit.newest_artifact, last_modified or "")

    def move_artifact_cursors(self, began: str) -> None:
        """Move the artifact cursors, unless a project still waits to be compared with the ones that were given.

        Not past the moment when the sync began to look at projects: what one that was read early has made since is not
        emitted yet.
        """
        with self.lock:
            for key, unit in self.state.units.items():
                if not self.is_comparing([key]):
                    unit.artifact_cursor = max(unit.artifact_cursor, min(unit.newest_artifact, began))
                    unit.newest_artifact = ""

    def is_comparing(self, keys: Iterable[str]) -> bool:
        """Whether a finished project of these units that has changed could not be looked at."""
        units = map(self.unit, keys)
        marks = (unit.marks.get(project_id) for unit in units for project_id in unit.marks)
        return any(mark and mark.owed in (OWED_AGAIN, OWED_MORE_AGAIN) for mark in marks)

    # states

    def snapshot(self) -> dict[str, Any]:
        """The state as it is emitted; later changes do not show in it."""
        with self.lock:
            self._states_made += 1
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

    # what is handed over

    def remember(self, outcome: Outcome) -> None:
        """Take note of an outcome whose records have been handed over."""
        if outcome.remember:
            outcome.remember()
        self.counts.hand_over(outcome)

    def fail(self, failure: CustomersCanvasError) -> None:
        """End the stream with an error; the first one counts."""
        with self.lock:
            self.failure = self.failure or failure

    def before(self, moment: str) -> str:
        """A time less the look-back window; empty for none."""
        try:
            return minutes_before(moment, self._lookback_minutes) if moment else ""
        except OverflowError:  # .NET's least time stands for none
            return ""
