"""A stream that has watched one storefront up to a moment, and the times around the edge of its look-back window."""

from __future__ import annotations

from typing import Any

from source_customerscanvas.api.projects import Project
from source_customerscanvas.state.stream_state import Scope, StreamState, Try, Unit
from source_customerscanvas.sync.progress import StreamProgress

KEY = "11"
CURSOR = "2026-01-31T12:00:00.000000Z"
LONG_AGO, BEFORE, WITHIN, AFTER = (
    "2025-01-31T12:00:00.000000Z",
    "2026-01-31T11:49:59.999999Z",
    "2026-01-31T11:50:00.000000Z",
    "2026-01-31T12:00:01.000000Z",
)


def project(id_: int = 7, status: str | None = "Completed", **fields: Any) -> Project:
    found = Project.from_row({"id": id_, "created": LONG_AGO, "processingStatus": status, **fields})
    assert found
    return found


def stream(
    unit: Unit | None = None,
    scope: Scope | None = None,
    lookback_minutes: int = 10,
    tries: dict[int, Try] | None = None,
    *,
    key: str = KEY,
    last_sync: str = "",
    since: str | None = None,
) -> StreamProgress:
    unit = unit or Unit(cursor=CURSOR, scan=None)
    state = StreamState(scope or Scope(), LONG_AGO, {key: unit}, last_sync)
    return StreamProgress(
        "processing_results",
        state,
        lambda one: one.processing_digest,
        lookback_minutes,
        delivered_since=since,
        tries=tries,
    )
