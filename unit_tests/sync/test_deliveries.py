"""On what word of its state a stream has delivered a project, and on which projects an order waits."""

from __future__ import annotations

from typing import Any

import pytest

from source_customerscanvas.api.projects import Project
from source_customerscanvas.state.stream_state import (
    OWED,
    OWED_AGAIN,
    OWED_IF_BACK,
    OWED_MORE,
    OWED_MORE_AGAIN,
    Mark,
    Scan,
    Scope,
    Unit,
)
from source_customerscanvas.sync.progress import StreamProgress
from unit_tests.watched import BEFORE, CURSOR, KEY, LONG_AGO, WITHIN, stream
from unit_tests.watched import project as a_project

ORDER = "11/5001"


def project(status: str = "Completed", modified: str = BEFORE) -> Project:
    return a_project(status=status, orderId="5001", lastModified=modified)


def delivering(unit: Unit, **options: Any) -> StreamProgress:
    return stream(unit, since=LONG_AGO, **options)


def watched(**fields: Any) -> Unit:
    return Unit(**{"cursor": CURSOR, "scan": None, **fields})


def marked(mark: Mark) -> Unit:
    unit = watched()
    unit.marks.set(7, mark)
    return unit


@pytest.mark.parametrize("owed", [OWED, OWED_AGAIN, OWED_MORE, OWED_MORE_AGAIN, OWED_IF_BACK])
def test_given_a_mark_when_something_of_the_project_is_owed_then_it_was_not_delivered(owed: str) -> None:
    row = project().processing_digest
    assert delivering(marked(Mark("C", row))).deliveries.has_finished(KEY, project())
    assert not delivering(marked(Mark("C", row, owed=owed))).deliveries.has_finished(KEY, project())


@pytest.mark.parametrize("status", list("PIFNRH"))
def test_given_a_mark_when_the_run_was_another_one_then_it_was_not_delivered(status: str) -> None:
    row = project().processing_digest
    assert not delivering(marked(Mark(status, row))).deliveries.has_finished(KEY, project())


def test_given_a_mark_when_the_list_shows_another_row_or_status_then_it_was_not_delivered() -> None:
    row = project().processing_digest
    deliveries = delivering(marked(Mark("C", row))).deliveries
    assert not deliveries.has_finished(KEY, project(modified=WITHIN))
    assert not deliveries.has_finished(KEY, project(status="InProgress"))


@pytest.mark.parametrize(
    ("unit", "scope", "modified", "expected"),
    [
        (watched(), Scope(), BEFORE, True),
        (watched(), Scope(), WITHIN, False),
        (watched(), Scope(start_date=WITHIN), BEFORE, False),
        (watched(scan=Scan()), Scope(), BEFORE, False),
        (watched(delivered={7: "5001"}), Scope(), BEFORE, True),
        (watched(delivered={7: "5001"}), Scope(), WITHIN, False),
        (watched(delivered={7: "5001"}), Scope(start_date=WITHIN), BEFORE, True),
        (watched(delivered={7: "5001"}, scan=Scan(9)), Scope(), BEFORE, True),
        (watched(delivered={7: "5001"}, scan=Scan(), covered=Scope(kinds=("pdf",))), Scope(), BEFORE, False),
    ],
)
def test_given_no_mark_when_completed_then_it_was_delivered_if_all_before_the_window_was(
    unit: Unit, scope: Scope, modified: str, expected: bool
) -> None:
    assert delivering(unit, scope=scope).deliveries.has_finished(KEY, project(modified=modified)) is expected


def test_given_no_mark_when_the_unit_is_one_order_then_the_project_is_new_to_it() -> None:
    assert not delivering(watched(), key=ORDER).deliveries.has_finished(ORDER, project())


@pytest.mark.parametrize(
    ("unit", "scope", "waits"),
    [
        (marked(Mark("I", "-----")), Scope(), True),
        (marked(Mark("C", "-----", owed=OWED)), Scope(), True),
        (marked(Mark("C", "-----")), Scope(), False),
        (watched(), Scope(), False),  # the stream may never hear of it
        (watched(), Scope(start_date=WITHIN), True),
        (watched(scan=Scan()), Scope(start_date=WITHIN), False),  # the scan may have come past it
    ],
)
def test_given_an_order_that_is_not_due_when_it_waits_then_for_a_project_of_which_the_stream_will_hear(
    unit: Unit, scope: Scope, waits: bool
) -> None:
    unit.delivered[8] = "5001"
    deliveries = delivering(unit, scope=scope).deliveries
    deliveries.wait(KEY, "5001", [project()])
    assert (deliveries.of_orders(KEY) == {}) is waits


@pytest.mark.parametrize(
    ("last_sync", "acknowledged", "expected"),
    [
        ("", {}, WITHIN),
        (CURSOR, {}, CURSOR),
        ("", {7: CURSOR}, CURSOR),
        (CURSOR, {7: WITHIN}, CURSOR),
        ("", {8: CURSOR}, WITHIN),
    ],
)
def test_given_a_project_without_a_mark_when_asked_before_when_it_was_handed_over_then_the_latest_word_of_it_counts(
    last_sync: str, acknowledged: dict[int, str], expected: str
) -> None:
    progress = delivering(watched(acknowledged=acknowledged), last_sync=last_sync)
    assert progress.deliveries.handed_over_before(KEY, 7) == expected


@pytest.mark.parametrize(("since", "expected"), [(BEFORE, True), (WITHIN, True), (CURSOR, False)])
def test_given_a_day_from_which_orders_are_acknowledged_when_one_is_delivered_then_it_counts_from_that_very_moment(
    since: str, expected: bool
) -> None:
    progress = stream(watched(), since=since)
    progress.settle(KEY, a_project(orderId="5001", created=WITHIN), "C", "", delivered=True)
    assert progress.deliveries.of_orders(KEY) == ({"5001": frozenset([7])} if expected else {})


@pytest.mark.parametrize("owed", [OWED_AGAIN, OWED_MORE_AGAIN])
def test_given_a_project_that_is_yet_to_be_compared_when_all_was_read_then_the_next_sync_does_not_take_it_for_whole(
    owed: str,
) -> None:
    progress = delivering(marked(Mark(owed=owed)))
    progress.deliveries.note_whole_read(CURSOR)
    assert "lastSync" not in progress.snapshot()
    progress.forget(KEY, 7)
    progress.deliveries.note_whole_read(CURSOR)
    assert progress.snapshot()["lastSync"] == CURSOR
