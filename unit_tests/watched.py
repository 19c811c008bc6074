"""A stream that has watched one storefront up to a moment, and the times around the edge of its look-back window."""

from __future__ import annotations

from typing import Any

from source_customerscanvas.api.projects import Project
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import SliceState
from source_customerscanvas.state.stream_state import StreamState
from source_customerscanvas.sync.kinds import RESULTS
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.settling import Settled

KEY = "11"
CURSOR = "2026-01-31T12:00:00.000000Z"
LONG_AGO, BEFORE, WITHIN, AFTER = (
    "2025-01-31T12:00:00.000000Z",
    "2026-01-31T11:49:59.999999Z",
    "2026-01-31T11:50:00.000000Z",
    "2026-01-31T12:00:01.000000Z",
)
WINDOW_LATER = "2026-01-31T12:12:00.000000Z"


def project(id_: int = 7, processing: str | None = "Completed", **fields: Any) -> Project:
    row = {"id": id_, "storefrontId": 11, "created": LONG_AGO, "processingStatus": processing, **fields}
    found = Project.from_row(row)
    assert found
    return found


def watched(**parts: Any) -> SliceState:
    """A slice that was scanned, and watched until `CURSOR`."""
    return SliceState(**{"cursor": CURSOR, "read": CURSOR, "scan": None, **parts})


def stream(
    state: SliceState | None = None,
    scope: Scope | None = None,
    lookback_minutes: int = 10,
    *,
    name: str = RESULTS,
    key: str = KEY,
    acknowledges: bool = False,
    since: str | None = None,
) -> StreamProgress:
    slices = {key: state or watched()}
    stream_state = StreamState(scope or Scope(), LONG_AGO, slices)
    return StreamProgress(name, stream_state, lookback_minutes, since=since, acknowledges=acknowledges)


def settled(stream: StreamProgress, project: Project, **fields: Any) -> Settled:
    """What a worker found of a project that is as the list shows it, from a watch at `CURSOR`."""
    found = Settled.of(stream.name, project, None, CURSOR)
    return Settled(**{**vars(found), **fields})
