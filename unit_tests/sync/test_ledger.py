"""On what word of its state a stream has delivered a project, and on which projects an order waits."""

from __future__ import annotations

from typing import Any

import pytest

from source_customerscanvas.api.projects import Project
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import Condition, Known, SliceState
from source_customerscanvas.sync.kinds import digest_for
from source_customerscanvas.sync.ledger import Ledger
from source_customerscanvas.sync.progress import StreamProgress
from unit_tests.watched import BEFORE, CURSOR, KEY, LONG_AGO, WITHIN, settled, stream, watched
from unit_tests.watched import project as a_project

ORDER = "11/5001"


def project(processing: str = "Completed", modified: str = BEFORE, **fields: Any) -> Project:
    return a_project(processing=processing, **{"orderId": "5001", "lastModified": modified, **fields})


def seen(one: Project) -> str:
    return digest_for(stream().name, one)


def delivering(state: SliceState, **options: Any) -> tuple[StreamProgress, Ledger]:
    progress = stream(state, acknowledges=True, **{"since": LONG_AGO, **options})
    assert progress.ledger
    return progress, progress.ledger


def ledger(state: SliceState, **options: Any) -> Ledger:
    return delivering(state, **options)[1]


def known(condition: Condition, digest: str, **parts: Any) -> SliceState:
    return watched(known={7: Known(condition, digest)}, **parts)


def test_given_a_recent_project_when_something_of_it_is_owed_then_it_was_not_delivered() -> None:
    assert ledger(known("recent", seen(project()))).was_handed_over(KEY, project())
    assert not ledger(known("recent", seen(project()), owed={7})).was_handed_over(KEY, project())


@pytest.mark.parametrize("condition", ["open", "held"])
def test_given_a_project_when_its_run_was_not_handed_over_then_it_was_not_delivered(condition: Condition) -> None:
    assert not ledger(known(condition, seen(project()))).was_handed_over(KEY, project())


def test_given_a_recent_project_when_the_list_shows_another_row_or_status_then_it_was_not_delivered() -> None:
    one = ledger(known("recent", seen(project())))
    assert not one.was_handed_over(KEY, project(modified=WITHIN))
    assert not one.was_handed_over(KEY, project(processing="InProgress"))


@pytest.mark.parametrize(
    ("state", "scope", "modified", "expected"),
    [
        (watched(), Scope(), BEFORE, True),
        (watched(), Scope(), WITHIN, False),
        (watched(), Scope(start_date=WITHIN), BEFORE, False),
        (watched(scan=-1), Scope(), BEFORE, False),
        (watched(scan=10), Scope(), BEFORE, False),
        (watched(delivered={7: "5001"}), Scope(), BEFORE, True),
        (watched(delivered={7: "5001"}), Scope(), WITHIN, False),
        (watched(delivered={7: "5001"}), Scope(start_date=WITHIN), BEFORE, True),
        (watched(delivered={7: "5001"}, scan=9), Scope(), BEFORE, True),
        (watched(delivered={7: "5001"}, scan=-1, covered=Scope(kinds=("pdf",))), Scope(), BEFORE, False),
    ],
)
def test_given_a_project_that_is_nowhere_when_completed_then_it_was_delivered_if_all_before_the_window_was(
    state: SliceState, scope: Scope, modified: str, expected: bool
) -> None:
    assert ledger(state, scope=scope).was_handed_over(KEY, project(modified=modified)) is expected


def test_given_one_order_when_a_project_of_it_is_not_known_then_it_is_new_to_it() -> None:
    assert not ledger(watched(), key=ORDER).was_handed_over(ORDER, project())


@pytest.mark.parametrize(
    ("state", "scope", "waits"),
    [
        (known("open", "seenseen"), Scope(), True),
        (known("recent", "seenseen", owed={7}), Scope(), True),
        (watched(owed={7}), Scope(), True),
        (known("recent", "seenseen"), Scope(), False),
        (watched(), Scope(), False),  # the stream may never hear of it
        (watched(), Scope(start_date=WITHIN), True),
        (watched(scan=-1), Scope(start_date=WITHIN), False),  # the scan may have come past it
    ],
)
def test_given_an_order_that_is_not_due_when_it_waits_then_for_a_project_of_which_the_stream_will_hear(
    state: SliceState, scope: Scope, waits: bool
) -> None:
    state.delivered[8] = "5001"
    one = ledger(state, scope=scope)
    one.wait(KEY, "5001", [project()])
    assert (one.of_orders(KEY) == {}) is waits


def test_given_an_order_that_waits_for_a_project_when_that_is_read_then_it_is_looked_at_again() -> None:
    progress, one = delivering(known("open", "seenseen", delivered={8: "5001"}))
    one.wait(KEY, "5001", [project(processing="InProgress")])
    assert one.of_orders(KEY) == {}
    progress.settle(KEY, settled(progress, project(), is_new_run=True))
    assert one.of_orders(KEY) == {"5001": frozenset([7, 8])}


def test_given_an_order_that_waits_for_one_project_when_another_one_of_it_is_read_then_it_is_looked_at_again() -> None:
    progress, one = delivering(watched(delivered={9: "5001"}, waiting={"5001": 8}))
    assert one.of_orders(KEY) == {}
    progress.settle(KEY, settled(progress, project(), is_new_run=True))
    assert one.of_orders(KEY) == {"5001": frozenset([7, 9])}


@pytest.mark.parametrize(("since", "expected"), [(BEFORE, True), (WITHIN, True), (CURSOR, False)])
def test_given_a_time_from_which_orders_are_acknowledged_when_one_is_delivered_then_it_counts_from_that_very_moment(
    since: str, expected: bool
) -> None:
    progress, one = delivering(watched(), since=since)
    progress.settle(KEY, settled(progress, project(created=WITHIN), is_new_run=True))
    assert one.of_orders(KEY) == ({"5001": frozenset([7])} if expected else {})


def test_given_no_time_when_orders_are_acknowledged_then_from_the_beginning_of_the_first_sync_on() -> None:
    progress, one = delivering(watched(), since=None)
    assert one.since == progress.state.began == LONG_AGO
    progress.settle(KEY, settled(progress, project(created="2025-01-31T11:59:59.999999Z"), is_new_run=True))
    progress.settle(KEY, settled(progress, a_project(8, orderId="5002", created=LONG_AGO), is_new_run=True))
    assert one.of_orders(KEY) == {"5002": frozenset([8])}


@pytest.mark.parametrize(("scan", "expected"), [(None, True), (-1, False)])
def test_given_a_project_that_does_not_say_when_it_was_created_when_delivered_then_it_counts_unless_a_scan_found_it(
    scan: int | None, expected: bool
) -> None:
    progress, one = delivering(watched(scan=scan), since=BEFORE)
    progress.settle(KEY, settled(progress, project(created=None), is_new_run=True))
    assert (one.of_orders(KEY) == {"5001": frozenset([7])}) is expected


def test_given_a_run_that_was_delivered_before_when_settled_then_it_is_no_new_delivery() -> None:
    progress, one = delivering(watched())
    progress.settle(KEY, settled(progress, project(), is_new_run=False))
    assert one.of_orders(KEY) == {}


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
