"""Incremental syncs against the sandbox: nothing is lost, nothing is paid twice, whatever happens to the shop."""

from __future__ import annotations

from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS
from sandbox import FileSpec, Sandbox
from source_customerscanvas.projects import ARTIFACTS, FILES, PROJECTS, RESULTS

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 31_536_000

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "one-page": {"page_cap": 100},
    "page-of-one": {"page_cap": 1},
    "nulls-high": {"nulls_first": "high"},
    "nulls-first": {"nulls_first": "first"},
    "nulls-last": {"nulls_first": "last"},
    "moves": {"processing_moves_last_modified": True, "run_moves_last_modified": True},
    "unstable": {"tie_break": "unstable"},
    "no-fraction": {"time_format": "0"},
    "zero-offset": {"time_format": "+00:00"},
    "offset": {"time_format": "offset"},
    "no-zone": {"time_format": "none"},
    "results-pending": {"results_before_run": "pending"},
    "status-pending": {"processing_status_before_run": "Pending"},
    "status-lags": {"processing_status_lag": 30.0},
    "results-lag": {"processing_status_lag": -30.0},
    "null-lists": {"items_null_when_empty": True},
    "early-artifacts": {"final_artifacts_appear_early": True},
}
"""How an API may behave where its documentation is silent."""

each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


def fill(sandbox: Sandbox, finished: int = 9, **fields: Any) -> list[int]:
    """So many finished projects, one a minute, every third one modified afterwards."""
    ids = []
    for number in range(finished):
        sandbox.advance(MINUTE)
        fields = {"order_id": f"50{number % 3}", **fields}
        ids.append(sandbox.shop.create_project(STOREFRONT, processing="Completed", **fields))
        if number % 3 == 0:
            sandbox.advance(1)
            sandbox.shop.modify_project(ids[-1], description=f"changed {number}")
    return ids


def let_lag_pass(sandbox: Sandbox) -> None:
    sandbox.advance(abs(sandbox.switches.processing_status_lag))


# Processing moves on


@each_way
@pytest.mark.parametrize("later", [MINUTE, DAY, YEAR], ids=["minute", "day", "year"])
def test_given_unfinished_projects_when_their_processing_ends_later_then_the_next_sync_has_it(
    sandbox: Sandbox, connection: Connection, way: dict[str, Any], later: int
) -> None:
    sandbox.switches.update(**way)
    fill(sandbox)
    statuses: tuple[Any, ...] = (None, "Pending", "InProgress", "Failed")
    unfinished = [sandbox.shop.create_project(STOREFRONT, processing=status) for status in statuses]
    connection.sync()
    sandbox.advance(later)
    for project_id in unfinished:
        sandbox.shop.process(project_id, "Completed", files=2)
    connection.sync()
    let_lag_pass(sandbox)
    connection.sync()
    connection.assert_up_to_date()
    assert len(connection.warehouse.tables[FILES]) == 9 + 4 * 2
    assert connection.sync() == {}


@each_way
@pytest.mark.parametrize("later", [MINUTE, DAY], ids=["minute", "day"])
def test_given_a_completed_project_when_it_is_run_again_then_each_step_that_a_sync_sees_is_up_to_date(
    sandbox: Sandbox, connection: Connection, way: dict[str, Any], later: int
) -> None:
    sandbox.switches.update(**way)
    ids = fill(sandbox)
    connection.sync()
    for status in ("InProgress", "Failed", "InProgress", "Completed"):
        sandbox.advance(later)
        sandbox.shop.process(ids[1], status, files=3)
        let_lag_pass(sandbox)
        connection.sync()
        connection.assert_up_to_date()
    assert connection.warehouse.tables[RESULTS][ids[1]]["status"] == "Completed"
    assert connection.sync() == {}


@each_way
def test_given_processing_that_begins_when_only_the_status_changed_then_the_project_is_emitted_too(
    sandbox: Sandbox, connection: Connection, way: dict[str, Any]
) -> None:
    sandbox.switches.update(**way)
    fill(sandbox)
    waiting = sandbox.shop.create_project(STOREFRONT)
    connection.sync()
    sandbox.advance(HOUR)
    sandbox.shop.process(waiting, "InProgress")
    let_lag_pass(sandbox)
    news = connection.sync()
    assert news[PROJECTS] == [waiting]
    assert connection.warehouse.tables[PROJECTS][waiting]["processingStatus"] == "InProgress"
    connection.assert_up_to_date()


@pytest.mark.parametrize("lag", [600.0, -600.0], ids=["status-lags", "results-lag"])
@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_a_long_lag_when_synced_within_it_then_nothing_is_lost_after_it(
    sandbox: Sandbox, connection: Connection, lag: float, page_cap: int
) -> None:
    sandbox.switches.update(processing_status_lag=lag, page_cap=page_cap)
    fill(sandbox)
    running = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    waiting = sandbox.shop.create_project(STOREFRONT)
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.process(running, "Completed")
    sandbox.shop.process(waiting, "InProgress")
    for _ in range(4):
        sandbox.advance(200)
        connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


# Times


@each_way
def test_given_projects_that_were_never_modified_when_created_before_during_and_after_a_sync_then_none_is_missed(
    sandbox: Sandbox, connection: Connection, way: dict[str, Any]
) -> None:
    sandbox.switches.update(**way)
    for _ in range(9):
        sandbox.advance(MINUTE)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
    before = set(sandbox.shop.project_ids())

    def create() -> None:
        sandbox.advance(1)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")

    for nth in (1, 2, 3):
        hook = sandbox.on(r"/projects$", create, nth=nth)
        connection.sync()
        hook.remove()
        connection.assert_up_to_date(before)
        sandbox.advance(HOUR)
        create()
        before = set(sandbox.shop.project_ids())
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@each_way
@pytest.mark.parametrize("lookback", [0, 10])
def test_given_equal_times_across_the_edges_of_pages_when_synced_then_none_is_missed(
    sandbox: Sandbox, connection: Connection, way: dict[str, Any], lookback: int
) -> None:
    sandbox.switches.update(**way)
    connection.config["lookback_minutes"] = lookback
    fill(sandbox, 3)
    connection.sync()
    sandbox.advance(HOUR)
    together = [sandbox.shop.create_project(STOREFRONT, processing="Completed") for _ in range(11)]
    connection.sync()
    connection.assert_up_to_date()
    for project_id in together[::2]:
        sandbox.shop.modify_project(project_id, description="changed in the same moment")
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("minutes", [-8, 8])
def test_given_a_shop_whose_clock_is_set_by_some_minutes_when_projects_change_then_none_is_missed(
    sandbox: Sandbox, connection: Connection, minutes: int
) -> None:
    ids = fill(sandbox)
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(ids[0], description="first", lastModified=sandbox.clock.now() - minutes * MINUTE * 10**7)
    connection.sync()
    sandbox.advance(1)
    sandbox.shop.modify_project(ids[1], description="second")
    sandbox.shop.create_project(STOREFRONT, processing="Completed")
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("request_number", range(1, 7))
@pytest.mark.parametrize("first_sync", [True, False], ids=["first", "later"])
def test_given_no_lookback_when_changes_meet_any_request_of_a_sync_then_none_is_missed(
    sandbox: Sandbox, connection: Connection, first_sync: bool, request_number: int
) -> None:
    connection.config["lookback_minutes"] = 0
    ids = fill(sandbox)
    if not first_sync:
        connection.sync()
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(ids[0], description="before")

    def change() -> None:
        sandbox.advance(1)
        sandbox.shop.modify_project(ids[2], description="during")
        sandbox.advance(1)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")

    sandbox.on(r"/projects$", change, nth=request_number)
    connection.sync()
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


def test_given_a_project_dated_in_2099_when_others_change_then_they_are_not_hidden_by_it(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox)
    sandbox.shop.modify_project(ids[3], lastModified="2099-01-01T00:00:00Z")
    connection.sync()
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(ids[4], description="changed")
    assert connection.sync() == {PROJECTS: [ids[4]], RESULTS: [ids[4]]}
    connection.assert_up_to_date()
    assert connection.sync() == {}
