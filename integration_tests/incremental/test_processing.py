"""No step of processing is missed, however late it comes."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.shops import DAY, HOUR, LISTS, MINUTE, WAYS, YEAR, each_way, fill, let_lag_pass, shop_of
from sandbox import RequestRecord, Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, ORDERS, PROJECTS, RESULTS


@pytest.mark.parametrize(
    ("way", "later"),
    [(way, MINUTE) for way in WAYS.values()]
    + [(WAYS[name], later) for name in ("plain", "moves") for later in (DAY, YEAR)],
    ids=[*WAYS, "plain-day", "plain-year", "moves-day", "moves-year"],
)
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


def test_given_projects_without_a_status_that_lie_far_back_when_they_finish_one_by_one_then_each_sync_has_its_own() -> (
    None
):
    with shop_of(110) as sandbox:
        for _ in range(5):
            sandbox.shop.create_project(STOREFRONT)
        sandbox.advance(DAY)
        start = sandbox.now().isoformat()
        waiting = [sandbox.shop.create_project(STOREFRONT) for _ in range(10)]
        sandbox.advance(HOUR)
        for _ in range(110):
            sandbox.shop.create_project(STOREFRONT, processing="Completed")
        connection = Connection(sandbox, (PROJECTS, RESULTS), start_date=start)
        connection.sync()
        connection.sync()
        for project_id in waiting:
            sandbox.shop.process(project_id, "Completed")
            assert set(connection.sync()[RESULTS]) == {project_id}


@each_way
def test_given_a_completed_project_when_it_is_run_again_then_each_step_that_a_sync_sees_is_up_to_date(
    sandbox: Sandbox, connection: Connection, way: dict[str, Any]
) -> None:
    sandbox.switches.update(**way)
    ids = fill(sandbox)
    connection.sync()
    for status in ("InProgress", "Failed", "InProgress", "Completed"):
        sandbox.advance(DAY)
        sandbox.shop.process(ids[1], status, files=3)
        let_lag_pass(sandbox)
        connection.sync()
        connection.assert_up_to_date()
    assert connection.warehouse.tables[RESULTS][ids[1]]["status"] == "Completed"
    assert connection.sync() == {}


@each_way
def test_given_a_recent_project_that_is_run_again_when_it_keeps_an_artifact_then_only_the_added_one_comes(
    sandbox: Sandbox, connection: Connection, way: dict[str, Any]
) -> None:
    sandbox.switches.update(**way)
    fill(sandbox)
    connection.sync()
    sandbox.advance(DAY)
    project = sandbox.shop.create_project(STOREFRONT, order_id="5001", processing="Completed")
    let_lag_pass(sandbox)
    connection.sync()
    kept = {row["id"] for row in sandbox.shop.artifacts(project)}
    sandbox.shop.post_process(project, "InProgress", files=1)
    news = set()
    for _ in range(3):
        sandbox.advance(MINUTE)
        news.update(connection.sync().get(ARTIFACTS, []))
        sandbox.shop.finish_all()
    assert news == {row["id"] for row in sandbox.shop.artifacts(project)} - kept
    connection.assert_up_to_date()


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


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_given_a_finished_project_that_is_run_again_when_it_moves_on_between_the_lists_then_it_is_met_in_one_of_them(
    sandbox: Sandbox, connection: Connection, nth: int
) -> None:
    ids = fill(sandbox)
    sandbox.advance(HOUR)
    fill(sandbox, 1)  # the others are not among the newest any more
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.process(ids[1], "Pending")
    lists = count(1)

    def move(request: RequestRecord) -> None:
        if "processingStatus" in request.query and next(lists) == nth:
            sandbox.shop.process(ids[1], "InProgress")

    sandbox.on(LISTS, move)
    assert connection.sync()[RESULTS] == [ids[1]]


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


# Projects that no list shows


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Failed", None])
@pytest.mark.parametrize("page_cap", [4, 100])
@pytest.mark.parametrize("syncs", [1, 2], ids=["missed once", "forgotten"])
@pytest.mark.parametrize("is_finished", [False, True], ids=["before it completes", "after it has completed"])
def test_given_an_unfinished_project_that_is_obsolete_for_a_while_when_it_is_listed_again_then_it_comes(
    sandbox: Sandbox, connection: Connection, status: Any, page_cap: int, syncs: int, is_finished: bool
) -> None:
    sandbox.switches.page_cap = page_cap
    project_id, other = (sandbox.shop.create_project(STOREFRONT, processing=status) for _ in range(2))
    fill(sandbox, 7)
    sandbox.advance(HOUR)
    connection.sync()
    sandbox.shop.modify_project(project_id, touch=False, obsolete=True)
    for _ in range(syncs):
        assert connection.sync() == {}
    if is_finished:
        sandbox.shop.process(project_id, "Completed", files=2)
        sandbox.shop.process(other, "Completed")
    sandbox.shop.modify_project(project_id, obsolete=False)
    connection.sync()
    if not is_finished:
        sandbox.shop.process(project_id, "Completed", files=2)
        connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("is_changed", [False, True])
def test_given_an_unfinished_project_that_becomes_obsolete_when_synced_then_its_order_and_the_state_forget_it(
    sandbox: Sandbox, is_changed: bool
) -> None:
    connection = Connection(sandbox, (PROJECTS, ORDERS))
    thrown_away, stayed = (sandbox.shop.create_project(STOREFRONT, "5001", processing="Pending") for _ in range(2))
    fill(sandbox, 7)
    connection.sync()
    if is_changed:
        sandbox.advance(HOUR)
        sandbox.shop.modify_project(thrown_away, name="changed")
    sandbox.shop.make_obsolete(thrown_away)
    assert connection.sync() == {ORDERS: [(STOREFRONT, "5001")]}
    assert [one["id"] for one in connection.warehouse.tables[ORDERS][STOREFRONT, "5001"]["projects"]] == [stayed]
    assert connection.sync() == {}
    for state in connection.states.values():
        assert list(state["slices"][str(STOREFRONT)]["open"]) == [str(stayed)]
    sandbox.shop.remove_project(thrown_away)
    assert connection.sync() == {}


def test_given_failed_projects_that_become_obsolete_when_failed_ones_are_tried_again_then_these_are_left_alone(
    sandbox: Sandbox,
) -> None:
    connection = Connection(sandbox)
    fill(sandbox, 3)
    obsolete, other = (sandbox.shop.create_project(STOREFRONT, processing="Failed") for _ in range(2))
    connection.sync()
    sandbox.shop.modify_project(obsolete, touch=False, obsolete=True)
    connection.config["processing"] = {"on_failure": "resume"}
    connection.sync()
    resumed = [request.path for request in sandbox.requests if request.path.endswith("/resume-processing")]
    assert [path.split("/")[-2] for path in resumed] == [str(other)]
