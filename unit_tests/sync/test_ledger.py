"""On what word of its state a stream has delivered a project, and on which projects an order waits."""

from __future__ import annotations

from typing import Any

import pytest

from source_customerscanvas.api.projects import Project
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import Condition, Known, Scan, SliceState
from source_customerscanvas.sync.ledger import Ledger
from source_customerscanvas.sync.progress import StreamProgress
from unit_tests.watched import BEFORE, CURSOR, KEY, LONG_AGO, WITHIN, settled, stream, watched
from unit_tests.watched import project as a_project

ORDER = "11/5001"


def project(processing: str = "Completed", modified: str = BEFORE, **fields: Any) -> Project:
    return a_project(processing=processing, **{"orderId": "5001", "lastModified": modified, **fields})


def seen(one: Project) -> str:
    return stream().kind.digest(one)


def delivering(state: SliceState, **options: Any) -> tuple[StreamProgress, Ledger]:
    progress = stream(state, answers=True, **{"since": LONG_AGO, **options})
    assert progress.ledger
    return progress, progress.ledger


def ledger(state: SliceState, **options: Any) -> Ledger:
    return delivering(state, **options)[1]


def known(condition: Condition, digest: str, **parts: Any) -> SliceState:
    return watched(known={7: Known(condition, digest)}, **parts)


def test_given_a_recent_project_when_something_of_it_is_owed_then_it_was_not_delivered() -> None:
    assert ledger(known("recent", seen(project()))).has_finished(KEY, project())
    assert not ledger(known("recent", seen(project()), owed={7})).has_finished(KEY, project())


def test_given_a_delivered_project_when_it_is_processed_again_then_it_is_not_acknowledged() -> None:
    progress, one = delivering(watched(delivered={7: "5001"}))
    progress.settle(KEY, settled(progress, project(), condition="open"))
    assert one.of_orders(KEY) == {}


def test_given_a_delivered_project_when_it_is_held_then_it_stays_delivered_for_the_time_after() -> None:
    progress, one = delivering(watched(delivered={7: "5001"}))
    progress.settle(KEY, settled(progress, project(), condition="held"))
    assert one.of_orders(KEY) == {"5001": frozenset([7])}
    one.wait(KEY, "5001", [project()])
    assert one.of_orders(KEY) == {}
    progress.settle(KEY, settled(progress, project(), is_new_run=False))
    assert one.of_orders(KEY) == {"5001": frozenset([7])}


def test_given_a_delivered_project_when_it_gets_another_order_then_it_is_acknowledged_in_that_one() -> None:
    progress, one = delivering(watched(delivered={7: "5001", 8: "5001"}))
    progress.settle(KEY, settled(progress, project(orderId="5002"), is_new_run=False))
    one.move(KEY, a_project(8, orderId="5003"))
    assert one.of_orders(KEY) == {"5002": frozenset([7]), "5003": frozenset([8])}


def test_given_delivered_projects_when_acknowledged_then_the_state_does_not_hold_them_any_more() -> None:
    progress, one = delivering(watched(delivered={7: "5001", 8: "5001"}))
    one.remove(KEY, [7])
    assert progress.snapshot()["slices"][KEY]["delivered"] == {"5001": [8]}


def test_given_a_stream_that_does_not_answer_for_deliveries_when_a_project_finishes_then_nothing_is_noted() -> None:
    progress = stream()
    progress.settle(KEY, settled(progress, project(), is_new_run=True))
    assert progress.ledger is None
    assert "delivered" not in progress.snapshot()["slices"][KEY]
