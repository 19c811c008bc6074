"""What a stream wants, owes and remembers, step by step."""

from __future__ import annotations

from threading import Thread

import pytest

from source_customerscanvas.errors import ServerTrouble, Stopped, Trouble
from source_customerscanvas.state.stream_state import (
    OWED,
    OWED_AGAIN,
    OWED_MORE,
    OWED_MORE_AGAIN,
    Mark,
    Scan,
    Scope,
    StreamState,
    Try,
    Unit,
)
from source_customerscanvas.sync.outcomes import Outcome, OutcomeQueue
from source_customerscanvas.sync.progress import StreamProgress
from unit_tests.watched import AFTER, BEFORE, CURSOR, KEY, LONG_AGO, WITHIN, project, stream


def trouble() -> Trouble:
    return Trouble("project 7", ServerTrouble("GET", "HTTP 500"))


@pytest.mark.parametrize(
    ("updated_at", "status", "wanted"),
    [
        (BEFORE, "Completed", False),
        (WITHIN, "Completed", True),
        (AFTER, "Completed", True),
        (BEFORE, "Pending", True),
        (BEFORE, "Failed", True),
        (BEFORE, None, True),
    ],
)
def test_given_a_project_without_a_mark_when_listed_then_it_is_news_within_the_window_or_unfinished(
    updated_at: str, status: str | None, wanted: bool
) -> None:
    assert stream().wants(KEY, project(status=status, lastModified=updated_at)) is wanted


def test_given_no_lookback_when_a_project_changed_at_the_cursor_itself_then_it_is_news() -> None:
    assert stream(lookback_minutes=0).wants(KEY, project(lastModified=CURSOR))
    assert not stream(lookback_minutes=0).wants(KEY, project(lastModified=WITHIN))


def test_given_a_settled_project_when_listed_as_before_then_it_is_no_news_and_when_changed_it_is() -> None:
    progress = stream()
    progress.settle(KEY, project(status="Pending", lastModified=AFTER), "P", "abcd")
    assert not progress.wants(KEY, project(status="Pending", lastModified=AFTER))
    assert progress.wants(KEY, project(status="InProgress", lastModified=AFTER))


def test_given_results_that_disagree_with_the_list_when_listed_as_before_then_it_is_asked_again() -> None:
    progress = stream()
    progress.settle(KEY, project(lastModified=AFTER), "R", "abcd")
    assert progress.wants(KEY, project(lastModified=AFTER))
    assert list(progress.open_marks(KEY)) == [7]


@pytest.mark.parametrize(("updated_at", "is_remembered"), [(BEFORE, False), (WITHIN, True)])
def test_given_a_finished_project_when_settled_then_it_is_remembered_only_within_the_window(
    updated_at: str, is_remembered: bool
) -> None:
    progress = stream()
    progress.owe(KEY, 7, project(lastModified=updated_at))
    progress.settle(KEY, project(lastModified=updated_at), "C", "abcd")
    assert (7 in progress.unit(KEY).marks) is is_remembered


def test_given_a_cursor_that_moves_when_marks_lie_before_its_window_then_only_the_finished_ones_are_forgotten() -> None:
    progress = stream()
    for id_, status in ((1, "Completed"), (2, "Pending"), (3, "Completed")):
        one = project(id_, status, lastModified=AFTER)
        progress.settle(KEY, one, one.status_code, "")
    progress.leave(KEY, 3, trouble())
    progress.move_cursor(KEY, "2026-02-01T12:00:00.000000Z", {1: AFTER, 2: AFTER})
    assert sorted(progress.unit(KEY).marks) == [2, 3]


def test_given_a_cursor_when_an_earlier_one_is_given_then_it_stays() -> None:
    progress = stream()
    progress.move_cursor(KEY, LONG_AGO, {})
    assert progress.unit(KEY).cursor == CURSOR


@pytest.mark.parametrize(
    ("scope", "unit", "owed"),
    [
        (Scope(), Unit(cursor=CURSOR, scan=None), OWED_AGAIN),
        (Scope(), Unit(cursor="", scan=None), OWED),
        (Scope(), Unit(cursor=CURSOR, scan=Scan()), OWED),
        (Scope(), Unit(cursor=CURSOR, scan=Scan(after=7)), OWED_AGAIN),
        (Scope("2025-06-01T00:00:00.000000Z"), Unit(cursor=CURSOR, scan=None), OWED),
        (Scope("2024-06-01T00:00:00.000000Z"), Unit(cursor=CURSOR, scan=None), OWED_AGAIN),
        (Scope(), Unit(cursor=CURSOR, scan=Scan(), covered=Scope("2025-06-01T00:00:00.000000Z")), OWED),
        (Scope(None, ("pdf", "png")), Unit(cursor=CURSOR, scan=Scan(), covered=Scope(None, ("pdf",))), OWED_MORE_AGAIN),
        (Scope(None, None), Unit(cursor=CURSOR, scan=Scan(), covered=Scope(AFTER, ("pdf",))), OWED),
    ],
)
def test_given_a_changed_project_when_owed_then_it_counts_as_finished_before_only_if_it_was_surely_read(
    scope: Scope, unit: Unit, owed: str
) -> None:
    progress = stream(unit, scope)
    progress.owe(KEY, 7, project(lastModified=AFTER))
    assert progress.mark(KEY, 7).owed == owed


def test_given_a_marked_project_when_owed_then_what_was_emitted_of_it_is_still_known() -> None:
    progress = stream()
    progress.settle(KEY, project(lastModified=AFTER), "C", "aaaabbbb")
    progress.owe(KEY, 7, project(lastModified=AFTER, processingStatus="InProgress"))
    assert progress.mark(KEY, 7).emitted == {"aaaa", "bbbb"}
    assert progress.mark(KEY, 7).owed == OWED


@pytest.mark.parametrize(
    ("updated_at", "status", "owed"),
    [
        (BEFORE, "Completed", OWED_MORE),
        (AFTER, "Completed", OWED_MORE_AGAIN),
        (BEFORE, "InProgress", OWED_MORE_AGAIN),
    ],
)
def test_given_a_wider_scope_when_a_project_did_not_change_then_only_what_is_new_in_scope_is_owed(
    updated_at: str, status: str, owed: str
) -> None:
    unit = Unit(cursor=CURSOR, scan=Scan(), covered=Scope(None, ("pdf",)))
    progress = stream(unit, Scope(None, ("pdf", "png")))
    one = project(status=status, lastModified=updated_at)
    assert progress.wants(KEY, one)
    progress.owe(KEY, 7, one)
    assert progress.mark(KEY, 7).owed == owed


def test_given_more_is_owed_of_a_project_when_it_changes_before_it_was_handed_over_then_that_is_owed_too() -> None:
    unit = Unit(cursor=CURSOR, covered=Scope(None, ("pdf",)), scan=None)
    unit.marks.owe(7, OWED_MORE)
    progress = stream(unit, Scope(None, ("pdf", "png")))
    progress.owe(KEY, 7, project(lastModified=BEFORE))
    assert progress.mark(KEY, 7).owed == OWED_MORE
    progress.owe(KEY, 7, project(lastModified=AFTER))
    assert progress.mark(KEY, 7).owed == OWED_MORE_AGAIN


def test_given_more_is_owed_of_a_project_when_the_scan_ends_then_what_was_covered_is_known_until_it_is_settled() -> (
    None
):
    unit = Unit(cursor=CURSOR, scan=Scan(), covered=Scope(None, ("pdf",)))
    progress = stream(unit, Scope(None, ("pdf", "png")))
    progress.owe(KEY, 7, project(lastModified=BEFORE))
    progress.end_scan(KEY)
    assert progress.covered(KEY) == Scope(None, ("pdf",))
    progress.settle(KEY, project(lastModified=BEFORE), "C", "aaaa")
    progress.end_scan(KEY)
    assert unit.covered is None


def test_given_a_scan_when_pages_pass_then_it_only_moves_forward_and_covers_what_it_owes() -> None:
    progress = stream(Unit())
    progress.owe_page(KEY, [project(5), project(9)], after=9, at=100)
    progress.pass_page(KEY, 7, 50)
    state = progress.snapshot()["units"][KEY]
    assert state["scan"] == {"after": 9, "at": 100}
    assert state["projects"] == ["5! 9!"]


def test_given_an_unreadable_project_when_left_then_it_is_owed_but_not_tried_again_in_this_sync() -> None:
    progress = stream()
    progress.leave(KEY, 7, trouble())
    assert not progress.wants(KEY, project(lastModified=AFTER))
    assert progress.open_marks(KEY) == {}
    assert stream(Unit.from_json(progress.snapshot()["units"][KEY])).open_marks(KEY) == {7: Mark(owed=OWED)}


def test_given_a_project_that_is_not_there_when_missed_twice_then_it_is_forgotten_unless_it_was_listed_again() -> None:
    progress = stream()
    progress.settle(KEY, project(status="Pending", lastModified=AFTER), "P", "abcd")
    for is_listed in (False, True):
        progress.miss(KEY, 7, is_listed=is_listed)
        assert progress.open_marks(KEY) == {}  # this sync does not ask for it again
        progress = stream(Unit.from_json(progress.snapshot()["units"][KEY]))
        assert list(progress.open_marks(KEY)) == [7]
        assert progress.mark(KEY, 7).emitted == {"abcd"}
    progress.miss(KEY, 7, is_listed=False)
    assert progress.snapshot()["units"][KEY]["projects"] == []


def test_given_files_that_arrive_one_by_one_when_one_is_remembered_then_the_project_stays_owed() -> None:
    progress = stream()
    progress.owe(KEY, 7, project(lastModified=AFTER))
    progress.add_content(KEY, 7, "aaaa")
    progress.add_content(KEY, 7, "bbbb")
    again = Unit.from_json(progress.snapshot()["units"][KEY]).marks.get(7)
    assert again
    assert again.owed
    assert again.emitted == {"aaaa", "bbbb"}


def test_given_artifacts_when_the_cursor_moves_then_not_past_the_beginning_of_the_sync_and_never_back() -> None:
    progress = stream()
    progress.saw_artifact(KEY, "2099-01-01T00:00:00.000000Z")
    progress.saw_artifact(KEY, None)
    progress.move_artifact_cursors(CURSOR)
    assert progress.unit(KEY).artifact_cursor == CURSOR
    progress.move_artifact_cursors(LONG_AGO)
    assert progress.unit(KEY).artifact_cursor == CURSOR


def test_given_a_sync_that_was_killed_when_the_next_one_sees_no_artifact_then_the_artifact_cursor_moves() -> None:
    killed = stream()
    killed.saw_artifact(KEY, WITHIN)
    state = StreamState.from_json("artifacts", killed.snapshot(), killed.scope, LONG_AGO)
    progress = stream(state.units[KEY])
    progress.move_artifact_cursors(CURSOR)
    assert progress.unit(KEY).artifact_cursor == WITHIN
    assert "newestArtifact" not in progress.snapshot()["units"][KEY]


def test_given_a_project_that_still_has_to_be_compared_when_the_sync_ends_then_the_artifact_cursor_stays() -> None:
    progress = stream()
    progress.owe(KEY, 7, project(lastModified=AFTER))
    progress.saw_artifact(KEY, AFTER)
    progress.move_artifact_cursors(AFTER)
    assert progress.unit(KEY).artifact_cursor == ""


@pytest.mark.parametrize(
    ("mark", "has_finished"),
    [
        (None, True),
        (Mark("C", "same_", "abcd"), True),
        (Mark("C", "other", "abcd"), False),
        (Mark("C", "same_", "abcd", OWED), False),
        (Mark("P", "same_", "abcd"), False),
    ],
)
def test_given_a_completed_project_when_its_order_is_looked_at_then_it_has_finished_if_it_was_handed_over_as_it_is(
    mark: Mark | None, has_finished: bool
) -> None:
    unit = Unit(cursor=CURSOR, scan=None)
    unit.marks.set(7, mark)
    progress = StreamProgress("artifact_files", StreamState(Scope(), LONG_AGO, {KEY: unit}), lambda _: "same_", 10)
    assert progress.deliveries.has_finished(KEY, project(lastModified=BEFORE)) is has_finished


@pytest.mark.parametrize(
    ("unit", "updated_at", "status"),
    [
        (Unit(cursor=CURSOR, scan=None), WITHIN, "Completed"),
        (Unit(cursor=CURSOR, scan=None), BEFORE, "Failed"),
        (Unit(cursor=CURSOR, scan=Scan(after=10)), BEFORE, "Completed"),
    ],
)
def test_given_a_project_that_is_not_surely_handed_over_when_its_order_is_looked_at_then_it_has_not_finished(
    unit: Unit, updated_at: str, status: str
) -> None:
    assert not stream(unit).deliveries.has_finished(KEY, project(status=status, lastModified=updated_at))


def test_given_units_that_left_the_scope_when_kept_then_they_are_forgotten() -> None:
    progress = stream()
    progress.keep_units(["11/5001", "12"])
    assert sorted(progress.snapshot()["units"]) == ["11/5001", "12"]


def test_given_an_outcome_when_remembered_then_its_records_and_projects_count() -> None:
    progress = stream()
    progress.remember(Outcome([({"id": 1}, None)], lambda: progress.forget(KEY, 7), finished=1))
    assert (progress.counts.emitted, progress.counts.finished) == (1, 1)


@pytest.mark.parametrize(("owed", "expected"), [(OWED, ""), (OWED_AGAIN, WITHIN), (OWED_MORE_AGAIN, WITHIN)])
def test_given_an_artifact_cursor_when_a_project_is_compared_with_it_then_less_the_look_back_if_it_was_finished(
    owed: str, expected: str
) -> None:
    unit = Unit(cursor=CURSOR, artifact_cursor=CURSOR, scan=None)
    unit.marks.set(7, Mark(owed=owed))
    assert stream(unit).unchanged_before(KEY, 7) == expected


def test_given_several_errors_when_they_end_a_stream_then_the_first_one_is_told() -> None:
    progress = stream()
    first = ServerTrouble("GET", "HTTP 500")
    progress.fail(first)
    progress.fail(Stopped())
    assert progress.failure is first


def test_given_a_slow_reader_when_a_thousand_records_wait_for_it_then_the_workers_wait_too() -> None:
    queue = OutcomeQueue()
    for _ in range(1000):
        queue.put(Outcome([({}, None)]))
    worker = Thread(target=queue.put, args=(Outcome([({}, None)]),))
    worker.start()
    worker.join(0.2)
    assert worker.is_alive()
    queue.take(0)
    worker.join(10)
    assert not worker.is_alive()


def test_given_the_least_time_that_dotnet_knows_when_it_is_the_cursor_then_its_window_begins_with_everything() -> None:
    assert stream(Unit(cursor="0001-01-01T00:00:00.000000Z", scan=None)).boundary(KEY) == ""


# Trying again


@pytest.mark.parametrize(("own", "elsewhere"), [(1, 2), (2, 1), (0, 2)])
def test_given_tries_that_another_state_knows_of_when_asked_then_the_most_count(own: int, elsewhere: int) -> None:
    unit = Unit(cursor=CURSOR, scan=None, tries={7: Try(own, CURSOR)} if own else {})
    progress = stream(unit, tries={7: Try(elsewhere, CURSOR), 8: Try(3, CURSOR)})
    assert progress.tries(KEY, 7) == Try(2, CURSOR)
    assert progress.tries(KEY, 9) == Try()


def test_given_tries_that_another_state_knows_of_when_the_project_has_failed_then_they_are_remembered_here_too() -> (
    None
):
    progress = stream(tries={7: Try(2, CURSOR), 8: Try(3, CURSOR)})
    progress.settle(KEY, project(status="Failed"), "F", "")
    assert progress.snapshot()["units"][KEY]["tries"] == {"7": [2, CURSOR]}


def test_given_a_project_that_two_units_hand_over_when_one_forgets_it_then_the_other_one_knows_its_tries() -> None:
    progress = stream(tries={7: Try(2, CURSOR)})
    progress.settle(KEY, project(status="Failed"), "F", "")
    progress.settle("12", project(status="Failed"), "F", "")
    progress.forget(KEY, 7)
    assert progress.snapshot()["units"]["12"]["tries"] == {"7": [2, CURSOR]}


def test_given_tries_that_another_state_knows_of_when_the_project_completes_then_they_are_over() -> None:
    progress = stream(tries={7: Try(2, CURSOR)})
    progress.settle(KEY, project(), "C", "")
    assert progress.tries(KEY, 7) == Try()
    assert "tries" not in progress.snapshot()["units"][KEY]


def test_given_tries_that_another_state_knows_of_when_one_is_made_and_taken_back_then_they_are_as_before() -> None:
    progress = stream(tries={7: Try(2, CURSOR)})
    progress.settle(KEY, project(status="Failed"), "F", "")
    before = progress.tries(KEY, 7)
    progress.note_try(KEY, 7, Try(3, AFTER))
    assert progress.tries(KEY, 7) == Try(3, AFTER)
    progress.take_back_try(KEY, 7, before)
    assert progress.tries(KEY, 7) == Try(2, CURSOR)
