"""Nothing is lost, whatever happens to the shop between and during syncs."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT, Connection, ShopClock
from integration_tests.engine import STREAMS
from integration_tests.shops import (
    CHANGES,
    DAY,
    HOUR,
    LISTS,
    MINUTE,
    WAYS,
    YEAR,
    change_shop,
    each_way,
    fill,
    let_lag_pass,
    shop_of,
)
from sandbox import RequestRecord, Sandbox
from source_customerscanvas.projects import ARTIFACTS, FILES, PROJECTS, RESULTS

# Processing moves on


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
        hook = sandbox.on(LISTS, create, nth=nth)
        connection.sync()
        hook.remove()
        connection.assert_up_to_date(before)
        sandbox.advance(HOUR)
        create()
        before = set(sandbox.shop.project_ids())
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize(
    ("way", "lookback"),
    [(way, 10) for way in WAYS.values()] + [(WAYS[name], 0) for name in ("plain", "nulls-first", "unstable")],
    ids=[*WAYS, "plain-0", "nulls-first-0", "unstable-0"],
)
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
    sandbox.shop.modify_project(
        ids[0], description="first", lastModified=sandbox.clock.now() - minutes * MINUTE * 10**7
    )
    connection.sync()
    sandbox.advance(1)
    sandbox.shop.modify_project(ids[1], description="second")
    sandbox.shop.create_project(STOREFRONT, processing="Completed")
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize(
    ("nulls_first", "request_number"), [("low", nth) for nth in range(1, 7)] + [("first", nth) for nth in range(1, 13)]
)
@pytest.mark.parametrize("first_sync", [True, False], ids=["first", "later"])
def test_given_no_lookback_when_changes_meet_any_request_of_a_sync_then_none_is_missed(
    sandbox: Sandbox, connection: Connection, first_sync: bool, nulls_first: Any, request_number: int
) -> None:
    sandbox.switches.nulls_first = nulls_first
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

    sandbox.on(LISTS, change, nth=request_number)
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


# The lists change while they are read


@pytest.mark.parametrize("change", [*CHANGES, "remove nearly all"])
@pytest.mark.parametrize("page", [2, 3, 4, 6, 7], ids=["first", "second", "middle", "last-but-one", "last"])
def test_given_a_first_sync_when_the_shop_changes_at_any_page_then_what_was_there_all_the_time_is_there(
    sandbox: Sandbox, connection: Connection, change: str, page: int
) -> None:
    ids = fill(sandbox, 12) + [sandbox.shop.create_project(STOREFRONT, processing="InProgress") for _ in range(3)]
    sandbox.on(LISTS, lambda: change_shop(sandbox, change, ids), nth=page)
    connection.sync()
    there = set(ids) & set(sandbox.shop.project_ids())
    assert there <= connection.warehouse.tables[PROJECTS].keys()
    assert there <= connection.warehouse.tables[RESULTS].keys()
    sandbox.advance(DAY)
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("page", [1, 3, 4, 6, 11])
def test_given_a_sync_with_many_news_when_the_shop_changes_at_any_page_then_what_was_there_all_the_time_is_there(
    sandbox: Sandbox, connection: Connection, change: str, page: int
) -> None:
    ids = fill(sandbox, 12)
    sandbox.advance(HOUR)  # else the newest created are these too
    unfinished = [sandbox.shop.create_project(STOREFRONT, processing="InProgress") for _ in range(6)]
    connection.sync()
    sandbox.advance(DAY)
    news = [*fill(sandbox, 5), *unfinished]
    for project_id in [*ids[::2], *unfinished[::2]]:
        sandbox.advance(1)
        sandbox.shop.modify_project(project_id, description="changed before the sync")
        news.append(project_id)
    before = {row["id"]: row["description"] for row in sandbox.shop.projects()}
    top_first = sorted(news, reverse=True)
    sandbox.on(LISTS, lambda: change_shop(sandbox, change, top_first), nth=page)
    connection.sync()
    rows = connection.warehouse.tables[PROJECTS]
    there = set(before) & set(sandbox.shop.project_ids())
    assert there <= rows.keys()
    assert {id_ for id_ in there if rows[id_]["description"] not in (before[id_], "moved to the top")} == set()
    sandbox.advance(DAY)
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


def test_given_each_row_on_a_page_of_its_own_when_rows_are_removed_then_no_other_is_missed(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.switches.page_cap = 1
    ids = fill(sandbox, 8)
    sandbox.on(LISTS, lambda: change_shop(sandbox, "remove first", ids), nth=6)
    sandbox.on(LISTS, lambda: change_shop(sandbox, "remove first", ids[1:]), nth=9)
    connection.sync()
    assert set(sandbox.shop.project_ids()) <= connection.warehouse.tables[PROJECTS].keys()


# Artifacts of finished projects


def test_given_a_finished_project_when_only_its_row_changes_then_its_artifacts_are_not_emitted_again(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox)
    sandbox.advance(HOUR)
    fill(sandbox, 1)
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.modify_project(ids[1], description="changed")
    assert connection.sync() == {PROJECTS: [ids[1]], RESULTS: [ids[1]]}


def test_given_a_finished_project_when_one_of_its_artifacts_is_made_anew_then_only_that_one_is_emitted_again(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox, files=2)
    sandbox.advance(HOUR)
    fill(sandbox, 1)
    connection.sync()
    sandbox.advance(DAY)
    anew = sandbox.shop.artifacts(ids[1])[1]["id"]
    sandbox.shop.regenerate_artifact(anew)
    sandbox.shop.modify_project(ids[1], description="changed")
    found = connection.sync()
    assert (found[ARTIFACTS], found[FILES]) == ([anew], [anew])
    connection.assert_up_to_date()


@pytest.mark.parametrize("off", [0, 30 * DAY, -30 * DAY], ids=["same-clock", "clock-ahead", "clock-behind"])
def test_given_a_long_first_sync_when_a_project_that_was_read_is_run_again_then_the_next_sync_has_its_new_files(
    sandbox: Sandbox, connection: Connection, off: int
) -> None:
    connection.clock = ShopClock(sandbox, timedelta(seconds=off))
    sandbox.switches.processing_moves_last_modified = True
    ids = fill(sandbox, 20)
    running = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    sandbox.advance(DAY)

    def pass_hours() -> None:
        sandbox.advance(MINUTE)
        sandbox.shop.process(ids[0], "Completed")
        sandbox.advance(3 * HOUR)
        sandbox.shop.process(running, "Completed")

    sandbox.on(f"projects/{ids[12]}/processing-results$", pass_hours, nth=1)
    connection.sync(num_workers=2)
    connection.sync()
    connection.assert_up_to_date()


def test_given_an_artifact_dated_in_2099_when_others_are_made_anew_then_they_are_not_hidden_by_it(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox)
    sandbox.advance(HOUR)
    fill(sandbox, 1)
    odd = sandbox.shop.artifacts(ids[3])[0]["id"]

    def edit(answer: dict[str, Any]) -> dict[str, Any]:
        rows = [{**row, "lastModified": "2099-01-01T00:00:00Z"} if row["id"] == odd else row for row in answer["items"]]
        return {**answer, "items": rows}

    sandbox.fault(r"/artifacts$", edit=edit)
    connection.sync()
    sandbox.clear_faults()
    sandbox.advance(DAY)
    anew = sandbox.shop.artifacts(ids[4])[0]["id"]
    sandbox.shop.regenerate_artifact(anew)
    sandbox.shop.modify_project(ids[4], description="changed")
    assert connection.sync()[ARTIFACTS] == [anew]


# Several streams


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_all_streams_when_synced_then_the_list_is_paged_once_and_results_are_asked_once(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    fill(sandbox, 12)
    connection.sync((PROJECTS,))
    pages = sandbox.count(LISTS)
    sandbox.clear_requests()
    connection.states = {}
    connection.sync()
    assert sandbox.count(LISTS) == pages
    assert sandbox.count("processing-results$") == 12


@pytest.mark.parametrize("stream", STREAMS)
def test_given_one_stream_alone_when_synced_then_it_works_like_all_of_them(sandbox: Sandbox, stream: str) -> None:
    connection = Connection(sandbox, (stream,))
    ids = fill(sandbox)
    running = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    connection.sync()
    connection.assert_up_to_date()
    sandbox.advance(DAY)
    sandbox.shop.process(running, "Completed")
    sandbox.shop.process(ids[1], "InProgress")
    sandbox.shop.modify_project(ids[2], description="changed")
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_streams_that_are_added_later_when_synced_then_each_project_is_asked_for_once(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 12)
    running = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    connection.sync((PROJECTS, RESULTS))
    sandbox.advance(DAY)
    sandbox.shop.process(running, "Completed")
    for project_id in ids[::3]:
        sandbox.shop.modify_project(project_id, description="changed")
    sandbox.clear_requests()
    found = connection.sync()
    assert sorted(found[RESULTS]) == sorted([*ids[::3], running])
    assert len(found[FILES]) == len(found[ARTIFACTS]) == 13
    asked = [request.path for request in sandbox.requests if "processing-results" in request.path]
    assert len(asked) == len(set(asked)) == 13
    connection.assert_up_to_date()
    assert connection.sync() == {}


def test_given_two_storefronts_with_equal_order_ids_when_synced_then_their_rows_do_not_mix(
    sandbox: Sandbox, connection: Connection
) -> None:
    for storefront in (STOREFRONT, 12):
        for _ in range(6):
            sandbox.shop.create_project(storefront, processing="Completed", order_id="123")
    connection.config["order_ids"] = ["123"]
    connection.sync()
    connection.assert_up_to_date()
    sandbox.advance(DAY)
    sandbox.shop.modify_project(7, description="changed")
    assert connection.sync()[PROJECTS] == [7]
    assert {row["storefrontId"] for row in connection.warehouse.tables[FILES].values()} == {STOREFRONT, 12}
    connection.assert_up_to_date()


@pytest.mark.parametrize(
    "order_id", ["a/b", "..", " 1 2 ", "🎁 Geschenk", "a&b=c?d#e%20", "50/01", '"quoted"', "x" * 500]
)
def test_given_an_odd_order_id_when_synced_then_the_order_is_read(
    sandbox: Sandbox, connection: Connection, order_id: str, tmp_path: Path
) -> None:
    for _ in range(6):
        sandbox.shop.create_project(STOREFRONT, processing="Completed", order_id=order_id)
        sandbox.shop.create_project(STOREFRONT, processing="Completed", order_id="other")
    found = connection.sync(order_ids=[order_id], files=tmp_path)
    assert {stream: len(keys) for stream, keys in found.items()} == dict.fromkeys(STREAMS, 6)
    assert {row["orderId"] for row in connection.warehouse.tables[FILES].values()} == {order_id}
    assert connection.sync(order_ids=[order_id], files=tmp_path) == {}


# Projects that no list shows


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Failed", None])
@pytest.mark.parametrize("page_cap", [4, 100])
@pytest.mark.parametrize("listed_again", ["before it completes", "after it has completed", "never"])
def test_given_an_unfinished_project_that_becomes_obsolete_when_it_completes_then_it_comes(
    sandbox: Sandbox, connection: Connection, status: Any, page_cap: int, listed_again: str
) -> None:
    sandbox.switches.page_cap = page_cap
    project_id, other = (sandbox.shop.create_project(STOREFRONT, processing=status) for _ in range(2))
    fill(sandbox, 7)
    sandbox.advance(HOUR)
    connection.sync()
    sandbox.shop.modify_project(project_id, touch=False, obsolete=True)
    for _ in range(2):
        assert connection.sync() == {}
    if listed_again == "before it completes":
        sandbox.shop.modify_project(project_id, touch=False, obsolete=False)
        assert connection.sync() == {}
    sandbox.shop.process(project_id, "Completed", files=2)
    sandbox.shop.process(other, "Completed")
    if listed_again == "after it has completed":
        sandbox.shop.modify_project(project_id, obsolete=False)
    elif listed_again == "never":
        sandbox.advance(DAY + HOUR)
    connection.sync()
    connection.assert_up_to_date()
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
