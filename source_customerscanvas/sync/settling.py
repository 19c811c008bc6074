"""Decides what a stream remembers of a project that was read, and whether what a list shows of it is a change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from source_customerscanvas.api.projects import COMPLETED, Project, Results
from source_customerscanvas.settings import ALL_STATUSES, Statuses
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import Known, SliceState
from source_customerscanvas.sync.kinds import OF_ARTIFACTS, OF_RESULTS, OF_STATUSES, digest_for
from source_customerscanvas.sync.lookback import Lookback
from source_customerscanvas.sync.slices import is_order
from source_customerscanvas.times import as_far_before

_MOST_ORDERLESS = 1000
"""Finished projects without an order that a slice remembers, so that their files come again when they get one."""


@dataclass(frozen=True)
class Settled:
    """What a worker found of a project, as far as the state has to know it.

    `seen` is the digest of the project's row, empty where list and results do not agree yet. `at` is the shop's time.
    `is_new_run`: True when the results are of a run that was not delivered before, False when it was delivered, None
    when the project has not completed.
    """

    project_id: int
    order_id: str | None
    created: str
    latest: str
    seen: str
    condition: Literal["open", "finished", "held"]
    has_status: bool
    business_status: str
    at: str
    newest: str = ""
    """When the newest of its artifacts was made."""
    emitted: tuple[str, ...] = ()
    is_new_run: bool | None = None

    @classmethod
    def of(
        cls, stream: str, project: Project, results: Results | None, at: str, produced: Statuses = ALL_STATUSES
    ) -> "Settled":
        """What the state has to know of a project when all of it was handed over; `results` where they were asked for.

        One that has finished is held unless its business status is among those that are `produced`.
        """
        agrees = results is None or results.agrees_with(project)
        is_finished = agrees and project.is_completed and (results is None or results.status == COMPLETED)
        is_held = is_finished and not produced.includes(project.business_status)
        return cls(
            project_id=project.id,
            order_id=project.order_id,
            created=project.created,
            latest=project.latest,
            seen=digest_for(stream, project) if agrees else "",
            condition="held" if is_held else "finished" if is_finished else "open",
            has_status=project.processing_status is not None,
            business_status=str(project.business_status),
            at=at,
        )


def set_back(state: SliceState, lookback: Lookback, now: str) -> None:
    """Mend a cursor that lies ahead of the shop's clock, which shows `now`: the clock was wrong and has been set back.

    By how much, nobody knows. The cursor goes as far before the clock as it was ahead of it. No change is missed if the
    last sync was not longer ago than half the time by which the clock was wrong; some rows may come again.
    """
    if lookback.before(state.cursor) > now:
        state.cursor = as_far_before(now, state.cursor)
        state.read, state.newest = min(state.read, state.cursor), min(state.newest, state.cursor)


class Memory:
    """Decides what a stream remembers of projects, and what is a change. Whoever uses it holds the stream's lock."""

    def __init__(self, stream: str, scope: Scope, lookback: Lookback, before: Mapping[str, SliceState]) -> None:
        """`before`: the slices as they were when this sync began."""
        self._stream = stream
        self._scope = scope
        self._lookback = lookback
        self._was_scanned = {key for key, one in before.items() if one.scan is None}
        self._watched_since = {key: one.read for key, one in before.items() if not one.covered}

    def is_change(self, key: str, state: SliceState, project: Project) -> bool:
        """Whether a listed project has to be read, as far as the state of its slice tells."""
        known = state.of(project.id)
        if project.id in state.owed or (known.condition and known.seen != digest_for(self._stream, project)):
            return True
        if known.condition:
            is_released = known.condition == "held" and self._scope.statuses.includes(project.business_status)
            # of its artifacts, some may have been of no wanted kind, or delivered elsewhere; its order may show it held
            may_lack = state.covered is not None or self._stream in OF_STATUSES
            return is_released or (may_lack and self._is_new_to_scan(key, state, project))
        if not self._scope.includes(project.latest):
            return False
        if self._is_new_to_scan(key, state, project):
            return True
        # in a slice of one order, a project that is not known is a change whatever its age
        return is_order(key) or project.latest >= self._lookback.before(state.cursor) or not project.is_completed

    def emitted_until(self, key: str, state: SliceState, project: Project) -> str:
        """What is older than this was emitted of a project of which nothing is known; empty: nothing was."""
        if is_order(key):
            return ""
        boundary, scope = self._lookback.before(state.cursor), state.covered or self._scope
        # a project created before the start date may come into the scope for the first time
        was_finished = "" < project.created < boundary and scope.includes(project.created)
        if state.scan is not None and project.id > state.scan:
            is_unchanged = project.latest < boundary and scope.includes(project.latest)
            is_covered = (
                state.covered is not None
                and _had(state.covered, key, project)
                and state.covered.statuses.includes(project.business_status)
            )
            was_finished = is_covered and project.is_completed and (is_unchanged or was_finished)
        return self._window(state) if was_finished and state.read else ""

    def settle(self, key: str, state: SliceState, settled: Settled) -> None:
        """Note that all that was owed of a project has been handed over."""
        project_id = settled.project_id
        if project_id in state.once_more and self._lookback.has_passed(state.once_more[project_id], settled.at):
            del state.once_more[project_id]
        state.settle(project_id, self._known(key, state, settled))
        state.newest = max(state.newest, settled.newest)
        if settled.condition == "open" and not settled.has_status:
            state.unlisted.add(project_id)

    def move_cursor(self, key: str, state: SliceState, newest: str, read: str, seen: Mapping[int, str]) -> None:
        """Note that a slice was listed at the time `read`, all changes up to `newest` are known, and what was `seen`.

        Finished projects before the look-back window are forgotten, but for those that are asked for once more.
        """
        state.cursor = max(state.cursor, newest)
        state.read = max(state.read, read)
        if is_order(key):
            return
        boundary, window = self._lookback.before(state.cursor), self._window(state)
        for project_id, known in list(state.having("recent")):
            is_needed = project_id in state.owed or state.is_kept(project_id) or known.stays_until >= window
            if not is_needed and seen.get(project_id, "") < boundary:
                state.settle(project_id, None)

    def _known(self, key: str, state: SliceState, settled: Settled) -> Known | None:
        """What is remembered of a project; None: it has finished, and no list will show it again."""
        project_id, before = settled.project_id, state.of(settled.project_id)
        if settled.condition != "finished":
            # after a widening, older artifacts may not have been emitted yet: the time is forgotten
            emitted_until = "" if state.covered else before.emitted_until
            held_by = settled.business_status if settled.condition == "held" else ""
            return Known(settled.condition, settled.seen, settled.emitted, emitted_until, held_by)
        had_finished = before.condition is None and bool(before.emitted_until)
        was_finished = had_finished or before.condition in ("recent", "held")
        is_news = not was_finished or settled.is_new_run
        was_seen_unfinished = before.condition == "open" and any(before.emitted[:1])
        if self._stream in OF_RESULTS and is_news and (was_seen_unfinished or not self._is_history(key, settled)):
            state.once_more[project_id] = settled.at
        if settled.order_id:
            state.orderless.pop(project_id, None)
        elif self._stream in OF_ARTIFACTS:
            state.orderless[project_id] = None
            if len(state.orderless) > _MOST_ORDERLESS:
                del state.orderless[next(iter(state.orderless))]
        # where nobody tells when its files were made, they are no newer than the moment at which it was seen to finish
        stays_until = max(before.stays_until, settled.newest, state.once_more.get(project_id, ""))
        if stays_until < self._window(state):
            stays_until = ""
        is_listed_again = settled.latest >= self._lookback.before(state.cursor) or is_order(key)
        if is_listed_again or stays_until or state.is_kept(project_id):
            return Known("recent", settled.seen, settled.emitted, stays_until=stays_until)
        return None

    def _window(self, state: SliceState) -> str:
        """When the window begins in which artifacts of a project that nobody knows may not have been emitted."""
        # the smaller of two times, as the shop's clock and the times on its lists may differ
        newest = max(state.cursor, state.newest)
        return self._lookback.before(min(state.read or newest, newest))

    def _is_history(self, key: str, settled: Settled) -> bool:
        """Whether a project may have been finished long before anybody looked."""
        if key in self._was_scanned:
            return False
        since = self._watched_since.get(key, "")
        return not since or settled.latest < self._lookback.before(since)

    def _is_new_to_scan(self, key: str, state: SliceState, project: Project) -> bool:
        if state.scan is None or project.id <= state.scan:
            return False
        covered = state.covered
        return covered is None or not (
            covered.includes(project.latest)
            and covered.has_kinds_of(self._scope)
            and _had(covered, key, project)
            and (self._stream not in OF_STATUSES or covered.statuses.includes(project.business_status))
        )


def _had(scope: Scope, key: str, project: Project) -> bool:
    """Whether a project was in the shard of an earlier scope."""
    return scope.shard is None or scope.shard.has(key.partition("/")[0], project.order_id, project.id)
