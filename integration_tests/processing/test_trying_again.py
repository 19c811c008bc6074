"""Failed processing is tried again as often as the settings say."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration_tests.command_line import CommandLine, bare_catalog, configured
from integration_tests.conftest import STOREFRONT, Connection, warnings
from integration_tests.engine import STREAMS, Row
from integration_tests.processing.conftest import (
    TRIED,
    Diary,
    assert_no_question_within_a_minute,
    every_selection,
    failures_named,
    wait,
)
from integration_tests.shops import DAY, HOUR, MINUTE
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import RESULTS

each_way_to_try = pytest.mark.parametrize("on_failure", ["resume", "restart"])


@every_selection
@each_way_to_try
def test_given_a_failed_project_when_it_is_tried_again_then_the_sync_waits_and_emits_it(
    sandbox: Sandbox, connection: Connection, streams: tuple[str, ...], on_failure: str
) -> None:
    connection.streams = streams
    project = sandbox.shop.create_project(
        STOREFRONT, processing="InProgress", run_for=30, outcome=["Failed", "Completed"]
    )
    sandbox.advance(MINUTE)

    connection.sync(processing=wait(60, on_failure=on_failure))

    assert sandbox.count(rf"/{project}/{on_failure}-processing$", "POST") == 1
    assert sandbox.count(TRIED, "POST") == 1
    connection.assert_up_to_date()
    for state in connection.states.values():
        assert "tries" not in state


def test_given_no_wait_when_a_failed_project_is_tried_again_then_the_next_sync_has_its_files(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    project = sandbox.shop.create_project(STOREFRONT, order_id="5012", processing="Failed")
    connection.sync(processing={"on_failure": "resume"})
    assert f"storefront {STOREFRONT}, order 5012, project {project}: it has failed and was resumed." in caplog.messages
    sandbox.advance(MINUTE)

    assert connection.sync(processing={"on_failure": "resume"}).keys() == set(STREAMS)
    assert sandbox.count(TRIED, "POST") == 1


def test_given_a_project_that_always_fails_when_waiting_then_the_delay_lies_between_its_tries_up_to_their_number(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    sandbox.switches.retry_run_for = 30.0
    bad = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")
    sandbox.shop.create_project(STOREFRONT, processing="InProgress")  # so that the wait goes on

    connection.sync(processing=wait(60, 60, on_failure="resume", max_attempts=4, retry_delay_minutes=7))

    assert [round(at / MINUTE) for at in diary.tried[bad]] == [0, 7, 14, 21]
    assert connection.warehouse.tables[RESULTS][bad]["status"] == "Failed"
    assert_no_question_within_a_minute(diary)


def test_given_a_failed_try_when_no_other_is_due_then_it_is_not_waited_for(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")

    connection.sync(processing=wait(60, on_failure="resume"))

    assert diary.rounds() == [0, 120]
    assert sandbox.count(TRIED, "POST") == 1


def test_given_a_try_of_an_earlier_sync_when_it_is_under_way_then_it_is_waited_for(
    sandbox: Sandbox, connection: Connection
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    sandbox.switches.retry_run_for = 10.0 * MINUTE
    connection.sync(processing={"on_failure": "resume"})
    sandbox.advance(MINUTE)

    connection.sync(processing=wait(60, on_failure="resume"))

    assert connection.warehouse.tables[RESULTS][project]["status"] == "Completed"
    assert sandbox.count(TRIED, "POST") == 1


def test_given_many_syncs_when_a_project_keeps_failing_then_delay_and_attempts_hold_across_them(
    sandbox: Sandbox, connection: Connection, diary: Diary, caplog: pytest.LogCaptureFixture
) -> None:
    bad = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")
    for _ in range(20):
        connection.sync(processing={"on_failure": "restart", "max_attempts": 3, "retry_delay_minutes": 10})
        sandbox.advance(4 * MINUTE)

    assert [round(at / MINUTE) for at in diary.tried[bad]] == [0, 12, 24]
    tries = connection.states[RESULTS]["tries"]
    assert [count for count, _ in tries.values()] == [3]
    assert len(failures_named(caplog)) == 1


def test_given_a_state_that_is_long_in_leaving_when_a_project_is_tried_then_the_delay_counts_from_the_request(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    bad = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")

    def keep_waiting(stream: str, kind: str, content: Row) -> None:
        if stream == RESULTS and kind == "state" and "tries" in content and not diary.tried:
            sandbox.advance(8 * MINUTE)

    for _ in range(4):
        connection.sync(
            processing={"on_failure": "resume", "max_attempts": 2, "retry_delay_minutes": 10}, taken_by=keep_waiting
        )
        sandbox.advance(4 * MINUTE)

    assert [round(at / MINUTE) for at in diary.tried[bad]] == [8, 20]


def test_given_tries_used_up_when_synced_again_then_nothing_is_asked_for_any_more(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")
    for _ in range(3):
        connection.sync(processing={"on_failure": "resume", "max_attempts": 1})
        sandbox.advance(DAY)
    diary.asked.clear()

    assert connection.sync(processing={"on_failure": "resume", "max_attempts": 1}) == {}
    assert diary.asked == {}


def test_given_a_project_that_was_resumed_by_hand_when_tried_then_the_conflict_is_no_error(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    sandbox.on(TRIED, lambda: sandbox.shop.process(project, "InProgress", run_for=30.0), nth=1)

    connection.sync(processing=wait(10, on_failure="resume"))

    assert connection.warehouse.tables[RESULTS][project]["status"] == "Completed"
    assert len(warnings(caplog)) == 1  # that it had failed


def test_given_a_project_that_was_made_good_by_hand_when_its_list_still_says_failed_then_it_is_not_restarted(
    sandbox: Sandbox, connection: Connection
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    connection.sync()
    sandbox.switches.processing_status_lag = float(HOUR)
    sandbox.shop.process(project, "InProgress", run_for=30.0)
    sandbox.advance(2 * MINUTE)

    connection.sync(processing={"on_failure": "restart"})
    assert sandbox.count(TRIED, "POST") == 0
    sandbox.advance(3 * HOUR)
    connection.sync(processing={"on_failure": "restart"})

    assert sandbox.count(TRIED, "POST") == 0
    connection.assert_up_to_date()


def test_given_an_app_that_may_only_read_when_projects_have_failed_then_one_warning_names_the_permission(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.switches.permissions = frozenset({"Projects_read", "Artifacts_read", "Storefronts_read"})
    for _ in range(9):
        sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    done = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=10 * MINUTE)

    connection.sync(processing=wait(60, on_failure="resume"))

    said = [message for message in warnings(caplog) if "has failed: " not in message]
    assert len(said) == 1
    assert "Projects: Full" in said[0]
    assert "External apps" in said[0]
    assert connection.warehouse.tables[RESULTS][done]["status"] == "Completed"
    assert sandbox.count(TRIED, "POST") <= 4  # those that were under way at once


def test_given_tries_that_were_not_permitted_when_the_permission_is_granted_then_none_of_them_counts(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    sandbox.switches.permissions = frozenset({"Projects_read", "Artifacts_read", "Storefronts_read"})
    connection.sync(processing={"on_failure": "resume", "max_attempts": 1})
    assert "tries" not in connection.states[RESULTS]
    sandbox.switches.permissions = frozenset({"Projects_full", "Artifacts_read", "Storefronts_read"})
    sandbox.expire_tokens()

    connection.sync(processing=wait(10, on_failure="resume", max_attempts=1))

    connection.assert_up_to_date()


def test_given_a_try_that_the_server_fails_when_synced_then_the_sync_goes_on_and_the_next_one_tries_again(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    sandbox.fault(TRIED, times=1, status=500)
    connection.sync(processing=wait(10, on_failure="restart"))
    assert any("could not be restarted" in message for message in warnings(caplog))
    sandbox.advance(5 * MINUTE)

    connection.sync(processing=wait(10, on_failure="restart"))

    assert sandbox.count(TRIED, "POST") == 2
    assert connection.warehouse.tables[RESULTS][project]["status"] == "Completed"


def test_given_a_try_that_began_although_its_answer_was_lost_when_waiting_then_the_sync_waits_for_it(
    sandbox: Sandbox, connection: Connection
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    sandbox.fault(TRIED, status=502)
    sandbox.on(TRIED, lambda _: sandbox.shop.process(project, "InProgress", outcome="Completed", run_for=3 * MINUTE))

    connection.sync(processing=wait(10, on_failure="resume"))

    assert sandbox.count(TRIED, "POST") == 1
    assert connection.warehouse.tables[RESULTS][project]["status"] == "Completed"


def test_given_a_run_that_succeeds_when_it_fails_again_later_then_its_tries_begin_anew(
    sandbox: Sandbox, connection: Connection
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    processing = wait(10, on_failure="resume", max_attempts=1)
    connection.sync(processing=processing)
    for stream in STREAMS:
        assert "tries" not in connection.states[stream]
    sandbox.shop.process(project, "Failed", outcome="Completed")

    connection.sync(processing=processing)

    assert sandbox.count(TRIED, "POST") == 2
    connection.assert_up_to_date()


def test_given_a_failed_project_that_is_removed_when_synced_then_its_tries_are_forgotten(
    sandbox: Sandbox, connection: Connection
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")
    connection.sync(processing={"on_failure": "resume"})
    sandbox.shop.remove_project(project)
    for _ in range(2):
        connection.sync(processing={"on_failure": "resume"})

    assert all("tries" not in state for state in connection.states.values())


# Without being asked to


def test_given_defaults_when_projects_have_failed_then_nothing_is_posted(
    sandbox: Sandbox, connection: Connection
) -> None:
    for _ in range(3):
        sandbox.shop.create_project(STOREFRONT, processing="Failed")

    connection.sync(processing=wait(60))

    assert [request.path for request in sandbox.requests if request.method == "POST"] == ["/connect/token"]


def test_given_check_discover_or_defaults_when_run_then_nothing_is_posted(tmp_path: Path) -> None:
    with Sandbox(projects=30, clock="manual") as sandbox:
        acknowledge = {"mode": "status", "code": 4, "since": "2020-01-01T00:00:00Z"}
        config = sandbox.config(processing={"on_failure": "restart"}, acknowledge=acknowledge)
        command = CommandLine(tmp_path)

        assert command.check(config).connection_status["status"] == "SUCCEEDED"
        assert command.discover(config).exit_code == 0
        assert command.read(sandbox.config(), configured(bare_catalog())).exit_code == 0

        assert {request.path for request in sandbox.requests if request.method != "GET"} == {"/connect/token"}
