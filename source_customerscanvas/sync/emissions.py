"""What a read emits for a stream, in the order in which it leaves the connector, as plain values.

A state is made between two records, by the one that emits them: so it cannot overtake the records that it covers.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from source_customerscanvas.errors import ProjectsFailed
from source_customerscanvas.sync.counts import Estimate
from source_customerscanvas.sync.dispatcher import Dispatcher
from source_customerscanvas.sync.outcomes import Outcome
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.reporting import summary
from source_customerscanvas.times import Clock

logger = logging.getLogger("airbyte.source-customerscanvas")

STATE_PROJECTS = 200
"""Finished projects after which a state is emitted."""

STATE_SECONDS = 10.0
"""Seconds after which a state that has changed is emitted. The reader looks for it as often as `_PATIENCE` says."""

_PATIENCE = 2.5

LIFE_SECONDS = 600.0
"""Seconds after which one that has not changed is emitted too: a platform takes a source that is silent for dead."""


@dataclass(frozen=True)
class State:
    content: Mapping[str, Any]


Emission = Outcome | State | Estimate

_NOTHING = Estimate(0, None)


def emissions(
    progress: StreamProgress, dispatcher: Dispatcher, clock: Clock, state_projects: int = STATE_PROJECTS
) -> Iterator[Emission]:
    """All that a sync finds for one stream. Raises what ended it, or `ProjectsFailed`, after everything else."""
    counts = progress.counts
    emitted_at = looked_at = clock.monotonic()
    emitted_finished = 0
    emitted: Mapping[str, Any] | None = None
    estimated = _NOTHING
    for outcome in dispatcher.outcomes(progress, patience=_PATIENCE):
        now = clock.monotonic()
        is_time = now - looked_at >= STATE_SECONDS
        if estimated == _NOTHING or is_time:
            yield from _changed(estimated, estimated := counts.estimate())
        finished = counts.finished - emitted_finished
        is_due = finished >= state_projects or now - emitted_at >= LIFE_SECONDS
        if outcome and (outcome.checkpoint or finished + outcome.finished > state_projects):
            is_due = True  # a page of projects finishes many at once
        if is_due or is_time:
            looked_at = now
            content = progress.snapshot()
            if is_due or content != emitted:
                progress.states_out.note_made()
                yield State(content)
                emitted, emitted_at, emitted_finished = content, now, counts.finished
        if outcome and outcome.records:
            yield outcome
    yield from _changed(estimated, counts.estimate())
    progress.states_out.note_made()
    yield State(progress.snapshot(is_last=True))
    logger.info(summary(progress))
    if progress.failure:
        raise progress.failure
    if counts.troubles:
        raise ProjectsFailed(progress.name, counts.troubles)


def _changed(before: Estimate, now: Estimate) -> Iterator[Estimate]:
    if now != before:
        yield now
