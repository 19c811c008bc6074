"""Compares what a list shows of a project with what a stream remembers of it."""

from dataclasses import dataclass

from source_customerscanvas.api.projects import Project
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import SliceState
from source_customerscanvas.sync.kinds import OF_STATUSES, Kind
from source_customerscanvas.sync.lookback import Lookback
from source_customerscanvas.sync.slices import is_order


@dataclass(frozen=True)
class Comparison:
    """What decides on a stream's changes besides its state. Whoever asks holds the lock of the stream."""

    kind: Kind
    scope: Scope
    lookback: Lookback

    def is_change(self, key: str, state: SliceState, project: Project) -> bool:
        """Whether a listed project has to be read, as far as the state of its slice tells."""
        known = state.of(project.id)
        if project.id in state.owed or (known.condition and known.seen != self.kind.digest(project)):
            return True
        if known.condition:
            enters = known.condition == "held" and self.scope.statuses.includes(project.business_status)
            return enters or (state.covered is not None and self._is_new_to_scan(key, state, project))
        if not self.scope.includes(project.latest):
            return False
        if self._is_new_to_scan(key, state, project):
            return True
        # to an order, a project that is not known is new, however old it is
        return is_order(key) or project.latest >= self.lookback.before(state.cursor) or not project.is_completed

    def _is_new_to_scan(self, key: str, state: SliceState, project: Project) -> bool:
        if state.scan is None or project.id <= state.scan.after:
            return False
        covered = state.covered
        return covered is None or not (
            covered.includes(project.latest)
            and covered.has_kinds_of(self.scope)
            and _had(covered, key, project)
            and (self.kind.name not in OF_STATUSES or covered.statuses.includes(project.business_status))
        )

    def handed_over_until(self, key: str, state: SliceState, project: Project) -> str:
        """What is older than this was handed over of a project of which nothing is known; empty: nothing was."""
        if is_order(key):
            return ""
        boundary, scope = self.lookback.before(state.cursor), state.covered or self.scope
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
        return self.lookback.before(min(state.read, max(state.cursor, state.newest))) if was_finished else ""


def _had(scope: Scope, key: str, project: Project) -> bool:
    """Whether a project was in the shard of an earlier scope."""
    return scope.shard is None or scope.shard.has(key.partition("/")[0], project.order_id, project.id)
