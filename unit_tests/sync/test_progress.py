"""What a stream wants, owes and remembers, step by step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from source_customerscanvas.errors import ServerTrouble, Stopped, Trouble
from source_customerscanvas.settings import Shard, Statuses
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import Known, SliceState
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, PROJECTS, RESULTS
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.times import format_utc, parse_utc
from unit_tests.watched import (
    AFTER,
    BEFORE,
    CURSOR,
    KEY,
    LONG_AGO,
    WINDOW_LATER,
    WITHIN,
    project,
    settled,
    stream,
    watched,
)

ORDER = "11/5001"


def trouble() -> Trouble:
    return Trouble("project 7", ServerTrouble("GET", "HTTP 500"))


def value_of(progress: StreamProgress, key: str = KEY) -> dict[str, Any]:
    value: dict[str, Any] = progress.snapshot()["slices"][key]
    return value


def again(progress: StreamProgress) -> StreamProgress:
    """The stream in the next sync."""
    return stream(SliceState.from_json(value_of(progress)), progress.scope, name=progress.name)


# What is a change


@pytest.mark.parametrize(
    ("latest", "processing", "wanted"),
    [
        (BEFORE, "Completed", False),
        (WITHIN, "Completed", True),
        (AFTER, "Completed", True),
        (BEFORE, "Pending", True),
        (BEFORE, "InProgress", True),
        (BEFORE, "Failed", True),
        (BEFORE, None, True),
    ],
)
def test_given_a_project_that_is_not_known_when_listed_then_it_is_a_change_within_the_window_or_unfinished(
    latest: str, processing: str | None, wanted: bool
) -> None:
    assert stream().wants(KEY, project(processing=processing, lastModified=latest)) is wanted


@pytest.mark.parametrize("modified", [LONG_AGO, "0001-01-01T00:00:00.000000Z"])
def test_given_a_new_project_that_was_modified_before_it_was_made_when_listed_then_it_is_a_change(
    modified: str,
) -> None:
    assert stream().wants(KEY, project(created=AFTER, lastModified=modified))


def test_given_no_lookback_when_a_project_changed_at_the_cursor_itself_then_it_is_a_change() -> None:
    assert stream(lookback_minutes=0).wants(KEY, project(lastModified=CURSOR))
    assert not stream(lookback_minutes=0).wants(KEY, project(lastModified=WITHIN))


def test_given_a_start_date_when_a_project_changed_last_before_it_then_it_is_never_a_change() -> None:
    progress = stream(scope=Scope(start_date=WITHIN))
    assert not progress.wants(KEY, project(processing="InProgress", lastModified=BEFORE))
    assert progress.wants(KEY, project(processing="InProgress", lastModified=WITHIN))


def test_given_a_settled_project_when_listed_as_before_then_it_is_no_change_and_when_changed_it_is() -> None:
    progress = stream()
    progress.settle(KEY, settled(progress, project(processing="Pending", lastModified=AFTER)))
    assert not progress.wants(KEY, project(processing="Pending", lastModified=AFTER))
    assert progress.wants(KEY, project(processing="InProgress", lastModified=AFTER))


def test_given_results_that_differ_from_the_list_when_listed_as_before_then_it_is_read_again() -> None:
    progress = stream()
    progress.settle(KEY, settled(progress, project(lastModified=AFTER), condition="open", seen=""))
    assert progress.wants(KEY, project(lastModified=AFTER))
    assert progress.unsettled(KEY) == {7}


def test_given_one_order_when_one_of_its_projects_is_not_known_then_it_is_a_change_however_old_it_is() -> None:
    assert stream(key=ORDER).wants(ORDER, project(orderId="5001"))


# What a scan reads


@pytest.mark.parametrize(
    ("scan", "covered", "wanted"),
    [
        (-1, None, True),
        (6, None, True),
        (7, None, False),
        (-1, Scope(kinds=("pdf",)), True),
        (-1, Scope(kinds=("pdf", "png")), False),
        (-1, Scope(start_date=WITHIN, kinds=("pdf", "png")), True),
        (-1, Scope(kinds=("pdf", "png"), shard=Shard(2, 1)), True),
        (-1, Scope(kinds=("pdf", "png"), statuses=Statuses("only", (2,))), True),
        (None, Scope(kinds=("pdf",)), False),
    ],
)
def test_given_a_scan_when_an_old_project_is_listed_then_it_is_read_unless_an_earlier_scope_covered_it(
    scan: int | None, covered: Scope | None, wanted: bool
) -> None:
    progress = stream(watched(scan=scan, covered=covered), Scope(kinds=("pdf", "png")), name=FILES)
    assert progress.wants(KEY, project(lastModified=BEFORE, status=1)) is wanted


def test_given_other_statuses_that_are_produced_when_only_rows_are_emitted_then_nothing_is_read_for_them() -> None:
    state = watched(scan=-1, covered=Scope(statuses=Statuses("only", (2,))))
    assert not stream(state, name=RESULTS).wants(KEY, project(lastModified=BEFORE, status=1))


# What is owed


@pytest.mark.parametrize(
    ("scope", "state", "since"),
    [
        (Scope(), watched(), WITHIN),
        (Scope(), watched(cursor="", read=""), None),
        (Scope(), watched(scan=-1), None),
        (Scope(), watched(scan=7), WITHIN),
        (Scope("2025-06-01T00:00:00.000000Z"), watched(), None),
        (Scope("2024-06-01T00:00:00.000000Z"), watched(), WITHIN),
        (Scope(), watched(scan=-1, covered=Scope("2025-06-01T00:00:00.000000Z")), None),
        (Scope(kinds=("pdf", "png")), watched(scan=-1, covered=Scope(kinds=("pdf",))), WITHIN),
        (Scope(), watched(scan=-1, covered=Scope("2027-06-01T00:00:00.000000Z", ("pdf",))), None),
    ],
)
def test_given_a_changed_project_when_owed_then_it_counts_as_finished_before_only_if_it_was_surely_read(
    scope: Scope, state: SliceState, since: str | None
) -> None:
    progress = stream(state, scope, name=FILES)
    progress.owe(KEY, project(lastModified=AFTER))
    assert value_of(progress)["owed"] == [7]
    assert value_of(progress).get("emittedUntil", {}).get("7") == since


@pytest.mark.parametrize(
    ("cursor", "newest", "read", "since"),
    [
        # nothing was modified since, but a run ended without a trace in the lists
        (BEFORE, CURSOR, AFTER, WITHIN),
        # the shop's clock, or a time of its lists, is ahead
        (AFTER, WINDOW_LATER, CURSOR, WITHIN),
        (CURSOR, "", WINDOW_LATER, WITHIN),
    ],
)
def test_given_times_of_different_clocks_when_a_project_is_owed_then_the_earlier_ones_tell_what_was_handed_over(
    cursor: str, newest: str, read: str, since: str
) -> None:
    progress = stream(watched(cursor=cursor, newest=newest, read=read), name=FILES)
    progress.owe(KEY, project(lastModified=AFTER))
    assert value_of(progress)["emittedUntil"] == {"7": since}


@pytest.mark.parametrize("index", [0, 1])
def test_given_a_wider_shard_when_a_project_was_not_in_the_one_before_then_nothing_of_it_was_handed_over(
    index: int,
) -> None:
    covered = Shard(2, index)
    progress = stream(watched(scan=-1, covered=Scope(shard=covered)), name=FILES)
    progress.owe(KEY, project(orderId="5001"))
    assert ("emittedUntil" in value_of(progress)) is covered.has("11", "5001", 7)


@pytest.mark.parametrize("condition", ["open", "held", "recent"])
@pytest.mark.parametrize("is_first", [True, False], ids=["found first", "missed first"])
def test_given_a_project_that_moved_when_it_was_not_handed_over_where_it_was_then_all_of_it_is_owed_where_it_is(
    condition: Any, is_first: bool
) -> None:
    progress = stream(watched(known={7: Known(condition, "seenseen")}), name=FILES)
    progress.state.slices["12"] = watched()
    moved = project(storefrontId=12, lastModified=AFTER)
    if is_first:
        progress.owe("12", moved)
    progress.pass_on(KEY, moved)
    progress.owe("12", moved)
    assert value_of(progress, "12")["owed"] == [7]
    assert value_of(progress, "12").get("emittedUntil") == ({"7": WITHIN} if condition == "recent" else None)
    assert value_of(progress).keys().isdisjoint({"open", "held", "recent"})


def test_given_a_project_that_moved_when_it_is_known_where_it_is_then_it_is_not_read_again() -> None:
    progress = stream(watched(known={7: Known("open", "seenseen")}))
    progress.state.slices["12"] = watched(known={7: Known("open", "seenseen")})
    progress.pass_on(KEY, project(storefrontId=12))
    assert "owed" not in value_of(progress, "12")


def test_given_a_project_that_moved_when_it_was_read_where_it_is_already_then_it_is_not_read_again() -> None:
    progress = stream(watched(known={7: Known("open", "seenseen")}))
    progress.state.slices["12"] = watched()
    # it has finished before the window, so that nothing of it is remembered where it is
    moved = project(storefrontId=12, lastModified=LONG_AGO)
    progress.owe("12", moved)
    progress.settle("12", settled(progress, moved))
    progress.pass_on(KEY, moved)
    assert "owed" not in value_of(progress, "12")


def test_given_a_project_made_since_the_window_when_owed_then_nothing_of_it_was_handed_over() -> None:
    progress = stream()
    progress.owe(KEY, project(created=WITHIN))
    progress.owe(KEY, project(8, created=BEFORE))
    assert (value_of(progress)["owed"], value_of(progress)["emittedUntil"]) == ([7, 8], {"8": WITHIN})


def test_given_one_order_when_a_project_of_it_is_owed_then_nothing_tells_that_it_was_handed_over() -> None:
    progress = stream(key=ORDER)
    progress.owe(ORDER, project(orderId="5001"))
    assert (value_of(progress, ORDER)["owed"], "emittedUntil" in value_of(progress, ORDER)) == ([7], False)


def test_given_a_known_project_when_owed_then_what_was_emitted_of_it_is_still_known() -> None:
    progress = stream()
    one = project(lastModified=AFTER)
    progress.settle(KEY, settled(progress, one, emitted=("aaaaaaaa", "bbbbbbbb")))
    progress.owe(KEY, project(lastModified=AFTER, processing="InProgress"))
    assert progress.known(KEY, 7).emitted == ("aaaaaaaa", "bbbbbbbb")
    assert value_of(progress)["owed"] == [7]


def test_given_an_unreadable_project_when_left_then_it_is_owed_but_not_tried_again_in_this_sync() -> None:
    progress = stream()
    progress.leave(KEY, 7, trouble())
    assert not progress.wants(KEY, project(lastModified=AFTER))
    assert progress.unsettled(KEY) == set()
    assert [one.where for one in progress.counts.troubles] == ["project 7"]
    assert again(progress).unsettled(KEY) == {7}


def test_given_a_project_that_is_not_there_when_asked_for_twice_then_it_is_forgotten_unless_a_list_shows_it() -> None:
    progress = stream(watched(owed={7, 8}, missing={8}))
    progress.miss(KEY, 7, is_listed=False)
    progress.miss(KEY, 8, is_listed=True)
    assert (value_of(progress)["owed"], value_of(progress)["missing"]) == ([7, 8], [7, 8])
    progress.miss(KEY, 7, is_listed=False)
    progress.miss(KEY, 8, is_listed=False)
    assert value_of(progress).keys().isdisjoint({"owed", "missing"})


# What is remembered


@pytest.mark.parametrize(("latest", "is_remembered"), [(BEFORE, False), (WITHIN, True)])
def test_given_a_project_that_had_finished_before_when_settled_then_it_is_remembered_only_within_the_window(
    latest: str, is_remembered: bool
) -> None:
    progress = stream()
    one = project(orderId="5001", lastModified=latest)
    progress.owe(KEY, one)
    progress.settle(KEY, settled(progress, one))
    assert ("recent" in value_of(progress)) is is_remembered


@pytest.mark.parametrize("name", [RESULTS, ARTIFACTS, FILES])
def test_given_a_project_that_a_watch_was_the_first_to_see_finished_when_settled_then_it_is_asked_for_once_more(
    name: str,
) -> None:
    progress = stream(name=name)
    one = project(orderId="5001", created=BEFORE, lastModified=BEFORE)
    progress.settle(KEY, settled(progress, project(orderId="5001", processing="InProgress")))
    progress.settle(KEY, settled(progress, one))
    assert value_of(progress)["onceMore"] == {"7": CURSOR}
    progress.move_cursor(KEY, WINDOW_LATER, WINDOW_LATER, {})
    assert list(value_of(progress)["recent"]) == ["7"]


@pytest.mark.parametrize("is_made", [True, False], ids=["made", "modified"])
@pytest.mark.parametrize(("latest", "is_asked"), [(LONG_AGO, False), (BEFORE, False), (WITHIN, True), (AFTER, True)])
def test_given_a_first_scan_when_it_goes_on_in_a_later_sync_then_only_what_moved_meanwhile_is_asked_for_once_more(
    latest: str, is_asked: bool, is_made: bool
) -> None:
    progress = stream(watched(scan=4))
    one = project(orderId="5001", created=latest if is_made else LONG_AGO, lastModified=latest)
    progress.settle(KEY, settled(progress, one))
    assert ("onceMore" in value_of(progress)) is is_asked


def test_given_a_first_scan_when_it_begins_then_nothing_of_the_history_is_asked_for_once_more() -> None:
    progress = stream(SliceState())
    progress.settle(KEY, settled(progress, project(orderId="5001", created=AFTER)))
    assert "onceMore" not in value_of(progress)


def test_given_a_finished_project_when_it_is_delivered_and_not_acknowledged_then_it_is_remembered_however_old() -> None:
    progress = stream(watched(cursor=AFTER, delivered={7: "5001"}), acknowledges=True, since=LONG_AGO)
    progress.owe(KEY, project(orderId="5001"))
    progress.settle(KEY, settled(progress, project(orderId="5001"), is_new_run=False))
    progress.move_cursor(KEY, WINDOW_LATER, WINDOW_LATER, {})
    assert list(value_of(progress)["recent"]) == ["7"]


def test_given_a_stream_of_rows_alone_when_a_project_finishes_then_it_is_not_asked_for_once_more() -> None:
    progress = stream(name=PROJECTS)
    progress.settle(KEY, settled(progress, project(lastModified=AFTER)))
    assert "onceMore" not in value_of(progress)


def test_given_a_project_that_had_finished_before_when_nothing_of_it_is_new_then_it_is_not_asked_for_once_more() -> (
    None
):
    progress = stream()
    one = project(orderId="5001", lastModified=AFTER)
    progress.owe(KEY, one)
    progress.settle(KEY, settled(progress, one, is_new_run=False))
    assert "onceMore" not in value_of(progress)
    progress.owe(KEY, one)
    progress.settle(KEY, settled(progress, one, is_new_run=True))
    assert value_of(progress)["onceMore"] == {"7": CURSOR}


@pytest.mark.parametrize(
    ("now", "is_due"),
    [(CURSOR, False), ("2026-01-31T12:09:00.000000Z", False), (WINDOW_LATER, True)],
)
def test_given_a_project_that_was_seen_to_finish_when_a_window_has_passed_then_it_is_due(
    now: str, is_due: bool
) -> None:
    assert stream().lookback.has_passed(CURSOR, now) is is_due


def test_given_a_project_that_is_due_when_it_is_settled_then_it_is_not_asked_for_again() -> None:
    progress = stream()
    one = project(orderId="5001", lastModified=BEFORE)
    progress.settle(KEY, settled(progress, one, is_new_run=True))
    progress.settle(KEY, settled(progress, one, at=WINDOW_LATER, is_new_run=False))
    assert "onceMore" not in value_of(progress)


def test_given_a_thousand_projects_without_an_order_when_one_more_finishes_then_the_oldest_is_forgotten() -> None:
    progress = stream(name=FILES)
    for id_ in range(1, 1002):
        progress.settle(KEY, settled(progress, project(id_, lastModified=BEFORE)))
    orderless = value_of(progress)["orderless"]
    assert (len(orderless), orderless[0], orderless[-1]) == (1000, 2, 1001)


def test_given_a_project_without_an_order_when_it_has_got_one_then_it_is_not_remembered_as_one_without() -> None:
    progress = stream(name=FILES)
    progress.settle(KEY, settled(progress, project(7, lastModified=BEFORE)))
    progress.settle(KEY, settled(progress, project(7, orderId="5001", lastModified=BEFORE)))
    assert "orderless" not in value_of(progress)


def test_given_an_order_of_its_own_when_a_project_finishes_then_it_is_remembered_however_old_it_is() -> None:
    progress = stream(key=ORDER)
    progress.settle(ORDER, settled(progress, project(orderId="5001")))
    progress.move_cursor(ORDER, WINDOW_LATER, WINDOW_LATER, {})
    assert list(value_of(progress, ORDER)["recent"]) == ["7"]


def test_given_a_cursor_that_moves_when_projects_lie_before_its_window_then_only_the_finished_ones_are_forgotten() -> (
    None
):
    progress = stream()
    for id_, processing in ((1, "Completed"), (2, "Pending"), (3, "Completed")):
        one = project(id_, processing, orderId="5001", lastModified=AFTER)
        progress.settle(KEY, settled(progress, one))
    progress.state.slice(KEY).once_more.clear()
    progress.leave(KEY, 3, trouble())
    progress.move_cursor(KEY, WINDOW_LATER, WINDOW_LATER, {1: AFTER, 2: AFTER})
    assert sorted(progress.state.slice(KEY).known) == [2, 3]


def test_given_a_cursor_when_an_earlier_one_is_given_then_it_stays() -> None:
    progress = stream()
    progress.move_cursor(KEY, LONG_AGO, LONG_AGO, {})
    assert (progress.state.slice(KEY).cursor, progress.state.slice(KEY).read) == (CURSOR, CURSOR)


def test_given_a_project_that_two_slices_hand_over_when_it_moved_meanwhile_then_the_first_one_reads_it_once_more() -> (
    None
):
    progress = stream()
    one = project(lastModified=AFTER)
    progress.settle(KEY, settled(progress, one))
    progress.settle("12", settled(progress, one))
    assert (progress.state.slice(KEY).owed, progress.state.slice("12").owed) == ({7}, set())


def test_given_a_held_project_when_settled_then_the_status_that_holds_it_is_known() -> None:
    progress = stream(name=FILES)
    one = project(status=5, lastModified=AFTER)
    progress.settle(KEY, settled(progress, one, condition="held", business_status="5", emitted=("aaaaaaaa",)))
    assert list(value_of(progress)["held"]["5"]) == ["7"]


@pytest.mark.parametrize("condition", ["open", "held"])
def test_given_a_project_that_had_finished_before_when_it_is_not_handed_over_now_then_it_is_known_until_when_it_was(
    condition: Any,
) -> None:
    progress = stream(name=FILES)
    one = project(status=5, orderId="5001", lastModified=AFTER)
    progress.owe(KEY, one)
    progress.settle(KEY, settled(progress, one, condition=condition, business_status="5"))
    assert value_of(progress)["emittedUntil"] == {"7": WITHIN}
    assert again(progress).known(KEY, 7).emitted_until == WITHIN


def test_given_a_wider_scope_when_a_project_that_had_finished_before_is_open_then_all_of_it_is_to_come() -> None:
    known = Known("open", "seenseen", (), BEFORE)
    progress = stream(watched(known={7: known}, scan=-1, covered=Scope(kinds=("pdf",))), name=FILES)
    progress.settle(KEY, settled(progress, project(processing="InProgress")))
    assert "emittedUntil" not in value_of(progress)


def test_given_an_open_project_without_a_status_when_settled_then_no_list_is_expected_to_show_it() -> None:
    progress = stream()
    progress.settle(KEY, settled(progress, project(processing=None)))
    assert value_of(progress)["unlisted"] == [7]


# How a stream ends


def test_given_several_errors_when_they_end_a_stream_then_the_first_one_is_told() -> None:
    progress = stream()
    first = ServerTrouble("GET", "HTTP 500")
    progress.fail(first)
    progress.fail(Stopped())
    assert progress.failure is first


@pytest.mark.parametrize("what", ["fine", "failure", "trouble"])
def test_given_a_full_refresh_when_its_last_state_is_made_then_it_has_ended_only_if_all_of_it_was_read(
    what: str,
) -> None:
    progress = stream()
    progress.state.refresh = "running"
    if what == "failure":
        progress.fail(ServerTrouble("GET", "HTTP 500"))
    elif what == "trouble":
        progress.leave(KEY, 7, trouble())
    assert progress.snapshot()["refresh"] == "running"
    assert progress.snapshot(is_last=True)["refresh"] == ("ended" if what == "fine" else "running")


def test_given_states_that_were_made_when_waited_for_then_until_each_has_left_the_connector() -> None:
    progress = stream()
    progress.states_out.note_made()
    progress.states_out.note_made()
    assert not progress.states_out.wait(0)
    progress.states_out.note_out()
    assert not progress.states_out.wait(0)
    progress.states_out.note_out()
    assert progress.states_out.wait(0)


def test_given_the_least_time_that_dotnet_knows_when_it_is_the_cursor_then_its_window_begins_with_everything() -> None:
    assert stream().lookback.before("0001-01-01T00:00:00.000000Z") == ""


@pytest.mark.parametrize(("seconds", "expected"), [(597, False), (599, True), (600, True)])
def test_given_a_clock_that_tells_whole_seconds_when_a_window_has_passed_then_no_sync_is_too_early_for_that(
    seconds: int, expected: bool
) -> None:
    now = format_utc(parse_utc(CURSOR) + timedelta(seconds=seconds))
    assert stream().lookback.has_passed(CURSOR, now) is expected
