"""What a read emits for a stream, in the order in which it leaves the connector, as plain values.

A state is made between two records, by the one that emits them: so it cannot overtake the records that it covers.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from source_customerscanvas.errors import ProjectsFailed
from source_customerscanvas.sync.dispatcher import Dispatcher
from source_customerscanvas.sync.outcomes import Records
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.reporting import estimate, summary
from source_customerscanvas.times import Clock

logger = logging.getLogger("airbyte.source-customerscanvas")

STATE_PROJECTS = 200
"""Finished projects after which a state is emitted."""

STATE_SECONDS = 10.0
"""Seconds after which a state is emitted. The reader looks whether it is due as often as `_PATIENCE` says."""

_PATIENCE = 2.5


@dataclass(frozen=True)
class State:
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Estimate:
    """The rows and bytes to expect; `size` is None where there are no files."""

    rows: int
    size: int | None


@dataclass(frozen=True)
class Rows:
    """Rows with their files; `weight` are their bytes as JSON."""

    records: Records
    weight: int


Emission = Rows | State | Estimate

_NOTHING = Estimate(0, None)


def emissions(
    progress: StreamProgress, dispatcher: Dispatcher, clock: Clock, state_projects: int = STATE_PROJECTS
) -> Iterator[Emission]:
    """All that a sync finds for one stream. Raises what ended it, or `ProjectsFailed`, after everything else."""
    counts = progress.counts
    emitted_at = clock.monotonic()
    emitted_finished = 0
    estimated = _NOTHING
    for outcome in dispatcher.outcomes(progress, patience=_PATIENCE):
        now = clock.monotonic()
        if estimated == _NOTHING or now - emitted_at >= STATE_SECONDS:
            yield from _changed(estimated, estimated := Estimate(*estimate(counts)))
        finished = counts.finished - emitted_finished
        is_due = finished >= state_projects or now - emitted_at >= STATE_SECONDS
        if outcome and finished + outcome.finished > state_projects:
            is_due = True  # a page of projects finishes many at once
        if is_due or (outcome and outcome.checkpoint):
            yield State(progress.snapshot())
            emitted_at, emitted_finished = now, counts.finished
        if outcome and outcome.records:
            yield Rows(outcome.records, outcome.weight)
    yield from _changed(estimated, Estimate(*estimate(counts)))
    yield State(progress.snapshot(is_last=True))
    logger.info(summary(progress))
    if progress.failure:
        raise progress.failure
    if counts.troubles:
        raise ProjectsFailed(progress.name, counts.troubles)


def _changed(before: Estimate, now: Estimate) -> Iterator[Estimate]:
    if now != before:
        yield now
