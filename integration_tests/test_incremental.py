"""Incremental syncs against the sandbox: nothing is lost, nothing is paid twice, whatever happens to the shop."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS, Read, Row
from sandbox import FileSpec, Sandbox
from sandbox.listing import ProjectFilter
from sandbox.views import SortKey
from source_customerscanvas.projects import ARTIFACTS, FILES, PROJECTS, RESULTS
from source_customerscanvas.times import to_utc

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 31_536_000
LISTS = r"/projects$"
ANY = ProjectFilter()

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
        order = {"order_id": f"50{number % 3}"} | fields
        ids.append(sandbox.shop.create_project(STOREFRONT, processing="Completed", **order))
        if number % 3 == 0:
            sandbox.advance(1)
            sandbox.shop.modify_project(ids[-1], description=f"changed {number}")
    return ids


def let_lag_pass(sandbox: Sandbox) -> None:
    sandbox.advance(abs(sandbox.switches.processing_status_lag))


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


def change_shop(sandbox: Sandbox, change: str, ids: list[int]) -> None:
    """Do something to the shop that moves the rows of its lists."""
    sandbox.advance(1)
    if change == "modify":
        sandbox.shop.modify_project(ids[-2], description="moved to the top")
    elif change == "create":
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
    elif change == "remove first":
        sandbox.shop.remove_project(ids[0])
    elif change == "remove some":
        for project_id in ids[:6:2]:
            sandbox.shop.remove_project(project_id)
    elif change == "remove a page":
        for project_id in ids[:4]:
            sandbox.shop.remove_project(project_id)
    elif change == "remove the row read last":
        sandbox.shop.remove_project(ids[3])
    elif change == "remove nearly all":
        for project_id in ids[:-2]:
            sandbox.shop.remove_project(project_id)
    elif change == "finish":
        for project_id in ids:
            if sandbox.shop.project(project_id)["processingStatus"] != "Completed":
                sandbox.shop.process(project_id, "Completed")


CHANGES = ("modify", "create", "remove first", "remove some", "remove a page", "remove the row read last", "finish")


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


# What a sync costs

TOKEN = STOREFRONTS = NEWEST_MODIFIED = NEWEST_CREATED = PENDING = IN_PROGRESS = FAILED = COMPLETED = PROJECT_PAGE = 1
WATCH = NEWEST_MODIFIED + NEWEST_CREATED + PENDING + IN_PROGRESS + FAILED
"""The first page of each list that a sync without news reads of a storefront."""


def requests_without_news(connection: Connection, **config: Any) -> int:
    connection.sync(**config)
    connection.sandbox.clear_requests()
    assert connection.sync(**config) == {}
    return len(connection.sandbox.requests)


def shop_of(projects: int, storefronts: int = 1, modified: bool = True) -> Sandbox:
    """A shop that is not yet open, its projects finished long ago."""
    sandbox = Sandbox(empty=True, start="2026-01-10T12:00:00Z")
    for number in range(projects):
        sandbox.advance(MINUTE)
        now = sandbox.now() if modified else None
        sandbox.shop.create_project(STOREFRONT + number % storefronts, processing="Completed", last_modified=now)
    sandbox.advance(HOUR)
    return sandbox


@pytest.mark.parametrize("page_cap", [20, 100])
@pytest.mark.parametrize("storefronts", [1, 2])
def test_given_250_finished_projects_when_nothing_changed_then_a_sync_asks_for_the_first_page_of_each_list(
    storefronts: int, page_cap: int
) -> None:
    with shop_of(250, storefronts) as sandbox:
        sandbox.switches.page_cap = page_cap
        assert requests_without_news(Connection(sandbox)) == TOKEN + STOREFRONTS + storefronts * WATCH


def test_given_a_shop_that_fits_one_page_when_nothing_changed_then_that_page_is_all() -> None:
    with shop_of(100) as sandbox:
        sandbox.shop.modify_project(1, processing="Failed")
        assert requests_without_news(Connection(sandbox)) == TOKEN + STOREFRONTS + PROJECT_PAGE


@pytest.mark.parametrize("nulls_first", ["low", "high", "first", "last"])
@pytest.mark.parametrize("modified", ["none", "some"])
def test_given_nulls_that_sort_anywhere_when_nothing_changed_then_the_cost_does_not_grow_with_the_history(
    nulls_first: Any, modified: str
) -> None:
    with shop_of(1000, modified=False) as sandbox:
        if modified == "some":
            for project_id in range(1, 1001, 7):
                sandbox.advance(1)
                sandbox.shop.modify_project(project_id, description="changed")
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        sandbox.switches.nulls_first = nulls_first
        connection = Connection(sandbox, (PROJECTS,))
        more = 1 if modified == "none" else 7  # one to see that there is no other row, else halving the distance
        assert requests_without_news(connection) <= TOKEN + STOREFRONTS + WATCH + more


@pytest.mark.parametrize(
    ("status", "unfinished", "page_cap", "more_pages"),
    [
        ("Pending", 0, 100, 0),
        ("Pending", 150, 100, 1),
        ("InProgress", 150, 100, 1),
        ("Failed", 150, 100, 1),
        ("Failed", 150, 20, 7),
        ("InProgress", 1000, 100, 10),
    ],
)
def test_given_unfinished_projects_when_nothing_changed_then_each_hundred_cost_a_page(
    status: Any, unfinished: int, page_cap: int, more_pages: int
) -> None:
    with shop_of(110) as sandbox:
        for _ in range(unfinished):
            sandbox.shop.create_project(STOREFRONT, processing=status)
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        sandbox.switches.page_cap = page_cap
        connection = Connection(sandbox, (PROJECTS, RESULTS))
        assert requests_without_news(connection) == TOKEN + STOREFRONTS + WATCH + more_pages


@pytest.mark.parametrize("results_before_run", ["404", "pending"])
def test_given_projects_without_a_status_when_nothing_changed_then_one_request_tells_so(
    results_before_run: Any,
) -> None:
    with shop_of(110) as sandbox:
        sandbox.switches.results_before_run = results_before_run
        for _ in range(300):
            sandbox.shop.create_project(STOREFRONT)
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        connection = Connection(sandbox, (PROJECTS, RESULTS))
        assert requests_without_news(connection) == TOKEN + STOREFRONTS + WATCH + COMPLETED


def test_given_projects_without_a_status_before_the_start_date_when_nothing_changed_then_they_cost_nothing() -> None:
    with shop_of(110) as sandbox:
        sandbox.shop.create_project(STOREFRONT)
        sandbox.advance(DAY)
        start = sandbox.now().isoformat()
        for _ in range(50):
            sandbox.shop.create_project(STOREFRONT)
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        connection = Connection(sandbox, (PROJECTS, RESULTS))
        # the first time, the page that shows that none of those in the scope has moved on
        assert requests_without_news(connection, start_date=start) == TOKEN + STOREFRONTS + WATCH + COMPLETED + 1
        assert requests_without_news(connection, start_date=start) == TOKEN + STOREFRONTS + WATCH + COMPLETED


@pytest.mark.parametrize("finished", [1, 3])
def test_given_projects_without_a_status_when_some_finish_then_each_hundred_of_the_others_cost_a_page(
    finished: int,
) -> None:
    with shop_of(110) as sandbox:
        waiting = [sandbox.shop.create_project(STOREFRONT) for _ in range(250)]
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        connection = Connection(sandbox, (PROJECTS, RESULTS))
        connection.sync()
        for project_id in waiting[100 : 100 + finished]:
            sandbox.shop.process(project_id, "Completed")
        sandbox.clear_requests()
        assert set(connection.sync()[PROJECTS]) == set(waiting[100 : 100 + finished])
        assert len(sandbox.requests) == TOKEN + STOREFRONTS + WATCH + COMPLETED + 3 + finished
        assert requests_without_news(connection) == TOKEN + STOREFRONTS + WATCH + COMPLETED


@pytest.mark.parametrize("news", [1, 10, 100])
@pytest.mark.parametrize("kind", ["finished", "created", "modified"])
def test_given_some_news_when_synced_then_the_requests_are_in_proportion_to_them(news: int, kind: str) -> None:
    with shop_of(250) as sandbox:
        if kind == "finished":
            for _ in range(100):
                sandbox.shop.create_project(STOREFRONT, processing="InProgress")
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        connection = Connection(sandbox)
        connection.sync()
        sandbox.advance(HOUR)
        for number in range(news):
            sandbox.advance(1)
            if kind == "finished":
                sandbox.shop.process(251 + number, "Completed")
            elif kind == "created":
                sandbox.shop.create_project(STOREFRONT, processing="Completed")
            else:
                sandbox.shop.modify_project(1 + number, description="changed")
        sandbox.clear_requests()
        assert len(connection.sync()[RESULTS]) == news
        # for each project its results and at most its artifact; one that is on no list any more is asked for itself
        assert len(sandbox.requests) <= 20 + (3 if kind == "finished" else 2) * news
        assert sandbox.count("processing-results$") == news


def test_given_100_000_finished_projects_when_nothing_changed_then_a_sync_makes_seven_requests() -> None:
    with shop_of(100_000) as sandbox:
        connection = Connection(sandbox)
        cursor = max(row["created"] for row in sandbox.shop.project_page(ANY, (SortKey("Created", True),), 0, 1)[1])
        scopes = {RESULTS: None, PROJECTS: None, FILES: None, ARTIFACTS: ["Final"]}
        connection.states = {
            stream: {
                "version": 1,
                "firstSync": "2026-01-10T12:00:00.000000Z",
                "scope": {"startDate": None, "kinds": kinds, "files": False},
                "units": {str(STOREFRONT): {"cursor": to_utc(cursor), "projects": []}},
            }
            for stream, kinds in scopes.items()
        }
        assert connection.sync().keys() == set(STREAMS)  # the last ten minutes, which the made-up state leaves out
        sandbox.clear_requests()
        assert connection.sync() == {}
        assert len(sandbox.requests) == 7


# States and scopes


def size_of(state: dict[str, Any]) -> int:
    return len(json.dumps(state))


def test_given_5000_unfinished_projects_when_synced_then_each_state_stays_under_100_kilobytes() -> None:
    with Sandbox(empty=True, start="2026-01-10T12:00:00Z") as sandbox:
        for number in range(5000):
            sandbox.advance(1)
            sandbox.shop.create_project(STOREFRONT, processing="InProgress", id=7_000_000 + number)
        connection = Connection(sandbox, num_workers=16)
        reads = connection.read()
        sizes = {stream: max(map(size_of, taken.states)) for stream, taken in reads.items()}
        assert {stream: size for stream, size in sizes.items() if size >= 100_000} == {}


def test_given_5000_finished_projects_when_synced_then_no_state_grows_with_them() -> None:
    with shop_of(5000) as sandbox:
        reads = Connection(sandbox, num_workers=16).read((PROJECTS, RESULTS))
        assert max(size_of(state) for taken in reads.values() for state in taken.states) < 2000


def test_given_a_storefront_is_added_to_the_scope_when_synced_then_only_it_is_read_as_new(
    sandbox: Sandbox, connection: Connection
) -> None:
    fill(sandbox, 5)
    connection.sync(storefront_ids=[STOREFRONT])
    other = sandbox.shop.create_project(12, processing="Completed")
    for wider in ({"storefront_ids": [STOREFRONT, 12]}, {"storefront_ids": None}):
        news = connection.sync(**wider)
        assert news.get(PROJECTS) == ([other] if wider["storefront_ids"] else None)
    connection.assert_up_to_date()
    connection.sync(storefront_ids=[12])
    assert sorted(connection.sync(storefront_ids=[STOREFRONT, 12])[PROJECTS]) == [1, 2, 3, 4, 5]


def test_given_an_order_is_added_to_the_scope_when_synced_then_only_it_is_read_as_new(
    sandbox: Sandbox, connection: Connection
) -> None:
    for order in ("a", "b", "c"):
        for _ in range(6):
            sandbox.shop.create_project(STOREFRONT, processing="Completed", order_id=order)
    assert sorted(connection.sync(order_ids=["a"])[RESULTS]) == [1, 2, 3, 4, 5, 6]
    assert sorted(connection.sync(order_ids=["b", "a"])[RESULTS]) == [7, 8, 9, 10, 11, 12]
    assert connection.sync(order_ids=["a", "b"]) == {}
    assert set(range(13, 19)) <= set(connection.sync()[RESULTS])
    connection.assert_up_to_date()


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_an_earlier_start_date_when_synced_then_what_changed_since_it_is_emitted_and_nothing_else(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 5)
    sandbox.advance(DAY)
    first, later_ids = sandbox.now(), fill(sandbox, 5)
    sandbox.advance(DAY)
    second, last_ids = sandbox.now(), fill(sandbox, 5)
    for start, news in ((second, last_ids), (first, later_ids), (None, ids)):
        sandbox.advance(HOUR)
        found = connection.sync(start_date=start and start.isoformat())
        assert {stream: len(keys) for stream, keys in found.items()} == dict.fromkeys(STREAMS, 5)
        assert sorted(found[RESULTS]) == news
    connection.assert_up_to_date()
    # narrower and wide again: only what the narrow scope left out is read anew
    assert connection.sync(start_date=second.isoformat()) == {}
    assert sorted(connection.sync()[RESULTS]) == ids + later_ids
    assert connection.sync() == {}


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_more_artifact_types_when_synced_then_only_artifacts_of_those_types_are_emitted(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 9, files=[FileSpec(), FileSpec(name="a.log", type="Service")])
    sandbox.advance(DAY)
    sandbox.shop.modify_project(ids[8], description="new cursor")
    connection.sync()
    services = {row["id"] for row in sandbox.shop.artifacts() if row["type"] == "Service"}
    found = connection.sync(artifact_types=["Service", "Final"])
    assert found.keys() == {ARTIFACTS}
    assert set(found[ARTIFACTS]) == services
    assert connection.sync(artifact_types=["Final", "Service"]) == {}
    # narrower, and wide again
    assert connection.sync() == {}
    again = set(connection.sync(artifact_types=["Final", "Service"])[ARTIFACTS])
    assert again == services - {sandbox.shop.artifacts(ids[8])[1]["id"]}  # that of the newest project is remembered


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_more_file_formats_when_synced_then_only_files_of_those_formats_are_emitted(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    fill(sandbox, 9, files=[FileSpec(), FileSpec(name="a.png", format="png")])
    sandbox.advance(DAY)
    fill(sandbox, 1)
    assert len(connection.sync(file_formats=["PDF"])[FILES]) == 10
    assert len(connection.sync(file_formats=["pdf", "png"])[FILES]) == 9
    assert connection.sync() == {}
    assert connection.sync(file_formats=["png"]) == {}
    connection.assert_up_to_date()


@pytest.mark.parametrize("page_cap", [4, 100])
@pytest.mark.parametrize("stream", [ARTIFACTS, FILES])
def test_given_a_wider_scope_when_a_project_was_run_again_before_the_sync_then_its_new_files_are_there_too(
    sandbox: Sandbox, connection: Connection, stream: str, page_cap: int
) -> None:
    sandbox.switches.update(page_cap=page_cap, processing_moves_last_modified=True)
    files = [FileSpec(), FileSpec(name="a.png", format="png"), FileSpec(name="a.log", type="Service", format="txt")]
    ids = fill(sandbox, 9, files=files)
    sandbox.advance(DAY)
    fill(sandbox, 1)
    connection.sync(file_formats=["pdf"], artifact_types=["Final"])
    sandbox.advance(DAY)
    sandbox.shop.process(ids[2], "Completed")
    connection.sync(file_formats=["pdf", "png"], artifact_types=["Final", "Service"])
    connection.assert_up_to_date()


def test_given_rows_only_when_files_are_wanted_then_each_file_is_emitted_once_more(
    sandbox: Sandbox, connection: Connection, tmp_path: Path
) -> None:
    fill(sandbox, 6)
    connection.sync()
    found = connection.sync(files=tmp_path)
    assert {stream: len(keys) for stream, keys in found.items()} == {FILES: 6}
    assert all(row["sha256"] for row in connection.warehouse.tables[FILES].values())
    assert connection.sync(files=tmp_path) == {}


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_a_start_date_when_an_older_project_is_modified_then_its_files_are_emitted_with_it(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 5)
    sandbox.advance(DAY)
    connection.config["start_date"] = sandbox.now().isoformat()
    fill(sandbox, 5)
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.modify_project(ids[1], description="in scope now")
    found = connection.sync()
    assert {stream: len(keys) for stream, keys in found.items()} == dict.fromkeys(STREAMS, 1)
    connection.assert_up_to_date({ids[1]})


def test_given_a_project_dated_a_year_ahead_when_others_change_then_they_are_not_hidden_by_it(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox)
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(ids[3], lastModified="2027-01-01T00:00:00Z")
    connection.sync()
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(ids[4], description="changed")
    assert connection.sync() == {PROJECTS: [ids[4]], RESULTS: [ids[4]]}


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


def test_given_a_long_first_sync_when_a_project_that_was_read_is_run_again_then_the_next_sync_has_its_new_files(
    sandbox: Sandbox, connection: Connection
) -> None:
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


# Killed syncs


def up_to(reads: dict[str, Read], cuts: dict[str, int]) -> dict[str, list[tuple[str, Row]]]:
    return {stream: taken.messages[: cuts[stream]] for stream, taken in reads.items()}


def assert_goes_on(connection: Connection, reads: dict[str, Read], cuts: dict[str, int]) -> set[str]:
    """After a sync that was killed after so many messages of each stream, the next one loses nothing.

    Gives what it repeats of that which lay before the states.
    """
    warehouse = copy.deepcopy(connection.warehouse)
    covered = {json.dumps([stream, row]) for stream in STREAMS for row in warehouse.tables[stream].values()}
    states = dict(connection.states)
    for stream, messages in up_to(reads, cuts).items():
        uncovered: list[Row] = []
        for kind, content in messages:
            if kind == "state":
                states[stream] = content
                covered |= {json.dumps([stream, row]) for row in uncovered}
                uncovered = []
            else:
                uncovered.append(content)
        warehouse.take(stream, [content for kind, content in messages if kind == "record"])
    resumed = Connection(connection.sandbox, connection.streams, **connection.config)
    resumed.states, resumed.warehouse = states, warehouse
    again = resumed.read()
    assert {stream: taken.error for stream, taken in again.items() if taken.error} == {}
    resumed.take(again)
    resumed.assert_up_to_date()
    assert resumed.sync() == {}
    return {json.dumps([stream, row]) for stream, taken in again.items() for row in taken.records} & covered


def cut_everywhere(connection: Connection, reads: dict[str, Read]) -> set[str]:
    repeated: set[str] = set()
    longest = max(len(taken.messages) for taken in reads.values())
    for cut in range(longest):
        # states that lag behind each other too
        lagging = {stream: max(cut - 3 * number, 0) for number, stream in enumerate(reads)}
        repeated |= assert_goes_on(connection, reads, dict.fromkeys(reads, cut) if cut % 2 else lagging)
    return repeated


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_a_first_sync_when_it_is_killed_after_any_message_then_the_next_one_goes_on(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    fill(sandbox, 7)
    for status in ("InProgress", None, "Failed", "Completed"):
        sandbox.shop.create_project(STOREFRONT, processing=status, files=2)
    assert cut_everywhere(connection, connection.read(state_projects=1)) == set()


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_a_later_sync_when_it_is_killed_after_any_message_then_the_next_one_goes_on(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 7)
    unfinished = [sandbox.shop.create_project(STOREFRONT, processing="InProgress", files=2) for _ in range(3)]
    waiting = sandbox.shop.create_project(STOREFRONT)
    connection.sync()
    sandbox.advance(DAY)
    for project_id in [*ids[::2], *unfinished[:1]]:
        sandbox.advance(MINUTE)
        sandbox.shop.modify_project(project_id, description="changed")
    for project_id in [*unfinished, waiting]:
        sandbox.shop.process(project_id, "Completed")
    fill(sandbox, 2)
    assert cut_everywhere(connection, connection.read(state_projects=1)) == set()


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_a_wider_scope_when_the_sync_is_killed_after_any_message_then_the_next_one_goes_on(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 7, files=[FileSpec(), FileSpec(name="a.png", format="png")])
    sandbox.advance(DAY)
    start = sandbox.now().isoformat()
    sandbox.shop.modify_project(ids[1], description="later")
    fill(sandbox, 4, files=[FileSpec(), FileSpec(name="a.png", format="png")])
    sandbox.advance(HOUR)
    fill(sandbox, 1)
    connection.sync(file_formats=["pdf"], start_date=start)
    assert cut_everywhere(connection, connection.read(state_projects=1)) == set()


def test_given_a_first_sync_that_was_killed_when_the_shop_changed_before_the_next_then_that_is_up_to_date(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox, 12)
    running = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    reads = connection.read(state_projects=1)
    for cut in range(0, 16, 3):
        for stream, messages in up_to(reads, dict.fromkeys(reads, cut)).items():
            connection.warehouse.take(stream, [content for kind, content in messages if kind == "record"])
            states = [content for kind, content in messages if kind == "state"]
            connection.states |= {stream: states[-1]} if states else {}
        sandbox.advance(HOUR)
        for project_id in (ids[0], ids[6], ids[11]):
            sandbox.shop.modify_project(project_id, description=f"changed before {cut}")
        sandbox.shop.process(running, "Failed" if cut % 2 else "InProgress")
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        connection.sync()
        connection.assert_up_to_date()


def records_between_states(taken: Read) -> list[int]:
    counts = [0]
    for kind, _ in taken.messages:
        if kind == "state":
            counts.append(0)
        else:
            counts[-1] += 1
    return counts


def test_given_many_projects_when_synced_then_each_stream_has_a_state_at_least_every_200_of_them() -> None:
    with shop_of(1000) as sandbox:
        for stream, taken in Connection(sandbox, num_workers=16).read().items():
            assert max(records_between_states(taken)) <= 200, stream
            assert len(taken.states) <= 7


def test_given_slow_answers_when_synced_then_each_stream_has_a_state_at_least_every_15_seconds(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.switches.page_cap = 100
    fill(sandbox, 40)
    clock = connection.clock
    sandbox.on("processing-results$", lambda: clock.wait(7))
    reads = connection.read(num_workers=2)
    for stream in (RESULTS, ARTIFACTS, FILES):
        # in 15 seconds come two projects, and what the workers and the reader have under way
        assert max(records_between_states(reads[stream])) <= 15, stream


# Troubles


def test_given_one_unreadable_project_when_synced_then_all_others_are_there_and_the_next_sync_takes_up_only_it(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox, order_id="500")
    fault = sandbox.fault(f"projects/{ids[4]}/processing-results$", status=500)
    reads = connection.read()
    assert reads[PROJECTS].error is None
    for stream in (RESULTS, ARTIFACTS, FILES):
        assert f"storefront {STOREFRONT}, order 500, project {ids[4]}" in str(reads[stream].error)
    connection.take(reads)
    connection.assert_up_to_date(set(ids) - {ids[4]})
    fault.remove()
    sandbox.advance(DAY)
    sandbox.clear_requests()
    assert connection.sync()[RESULTS] == [ids[4]]
    assert sandbox.count("processing-results$") == 1
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("first_sync", [True, False], ids=["first", "later"])
def test_given_a_project_that_is_removed_after_it_was_listed_when_synced_then_it_is_passed_over_with_a_warning(
    sandbox: Sandbox, connection: Connection, first_sync: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ids = fill(sandbox)
    if not first_sync:
        connection.sync()
        sandbox.advance(DAY)
        for project_id in ids:
            sandbox.shop.modify_project(project_id, description="changed")
    sandbox.on(f"projects/{ids[4]}/processing-results$", lambda: sandbox.shop.remove_project(ids[4]), nth=1)
    connection.sync()
    assert f"project {ids[4]} is gone" in caplog.text
    connection.assert_up_to_date()
    assert connection.sync() == {}


def test_given_unfinished_projects_that_are_removed_when_synced_then_the_state_forgets_them(
    sandbox: Sandbox, connection: Connection
) -> None:
    fill(sandbox)
    statuses: tuple[Any, ...] = ("Pending", "InProgress", "Failed", None)
    ids = [sandbox.shop.create_project(STOREFRONT, processing=status) for status in statuses]
    connection.sync()
    sandbox.advance(DAY)
    for project_id in ids:
        sandbox.shop.remove_project(project_id)
    assert connection.sync() == {}
    sandbox.clear_requests()
    assert connection.sync() == {}
    assert sandbox.count(r"/projects/\d+") == 0


def test_given_nothing_can_be_read_when_synced_then_it_stops_with_one_clear_error_and_the_next_sync_goes_on() -> None:
    with shop_of(300) as sandbox:
        fault = sandbox.fault("processing-results$", status=500)
        connection = Connection(sandbox)
        reads = connection.read()
        assert all("The server did not do its part" in str(taken.error) for taken in reads.values())
        assert sandbox.count("processing-results$") <= (25 + 4 + 8) * 6
        connection.take(reads)
        fault.remove()
        connection.sync()
        connection.assert_up_to_date()


def test_given_every_other_project_cannot_be_read_when_synced_then_that_does_not_stop_the_sync() -> None:
    with shop_of(110) as sandbox:
        sandbox.fault(r"projects/\d*[02468]/processing-results$", status=500)
        connection = Connection(sandbox, (PROJECTS, RESULTS))
        reads = connection.read(num_workers=2)
        assert len(reads[RESULTS].records) == 55
        assert len(reads[PROJECTS].records) == 110
        assert "55 could not be read" in str(reads[RESULTS].error)


def test_given_projects_alone_when_every_other_one_that_left_the_lists_cannot_be_asked_for_then_the_sync_goes_on() -> (
    None
):
    with shop_of(110) as sandbox:
        waiting = [sandbox.shop.create_project(STOREFRONT, processing="InProgress") for _ in range(60)]
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        connection = Connection(sandbox, (PROJECTS,))
        connection.sync()
        sandbox.advance(DAY)
        for project_id in waiting:
            sandbox.shop.process(project_id, "Completed")
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        sandbox.fault(r"projects/\d*[02468]$", status=500)
        reads = connection.read(num_workers=2)
        assert len(reads[PROJECTS].records) == 31
        assert "30 could not be read" in str(reads[PROJECTS].error)


def test_given_the_list_of_one_storefront_fails_when_synced_then_the_other_one_is_read(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox, 5)
    other = sandbox.shop.create_project(12, processing="Completed")
    fault = sandbox.fault(LISTS, query={"storefrontId": f"^{STOREFRONT}$"}, status=502, html=True)
    reads = connection.read()
    for taken in reads.values():
        assert f"storefront {STOREFRONT}" in str(taken.error)
        assert "storefront 12" not in str(taken.error)
    connection.take(reads)
    connection.assert_up_to_date({other})
    fault.remove()
    assert sorted(connection.sync()[PROJECTS]) == ids
    connection.assert_up_to_date()


@pytest.mark.parametrize("nth", range(1, 9))
def test_given_a_list_that_fails_in_the_middle_when_synced_again_then_nothing_is_lost_or_repeated(
    sandbox: Sandbox, connection: Connection, nth: int
) -> None:
    fill(sandbox, 12)
    fault = sandbox.fault(LISTS, skip=nth, status=500)
    reads = connection.read()
    fault.remove()
    connection.take(reads)
    emitted = {row["id"] for row in reads[PROJECTS].records}
    assert emitted.isdisjoint(connection.sync().get(PROJECTS, []))
    connection.assert_up_to_date()


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


# Answers that are not what they should be

ODD_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            *(
                None,
                True,
                False,
                0,
                -1,
                7,
                2**53,
                1.5,
                1e300,
                "",
                "7",
                "x",
                "null",
                "\x00",
                "🎁",
                "../..",
                [],
                {},
                [None],
            ),
            *([[]], {"id": 1}, "0001-01-01T00:00:00", "2099-01-01T00:00:00Z", "2024-02-30T00:00:00Z", "9" * 400),
            *("x" * 5000, "Completed", "Pending", 10**30, -(10**12)),
        ]
    ),
    st.text(max_size=20),
    st.integers(-(2**70), 2**70),
)
ABSENT = "(absent)"
PROJECT_FIELDS = (
    "id",
    "storefrontId",
    "orderId",
    "orderNumber",
    "processingStatus",
    "created",
    "lastModified",
    "items",
)
FILE_FIELDS = ("artifactId", "name", "format", "size", "url", "anonymousAccess", "projectItemId")
ARTIFACT_FIELDS = ("id", "name", "group", "type", "format", "size", "url", "anonymousAccess", "lastModified")
PLACES = {
    "a row of the project list": (LISTS, PROJECT_FIELDS),
    "a page of the project list": (LISTS, ("items", "total")),
    "the answer for a project": (r"/projects/\d+$", PROJECT_FIELDS),
    "processing results": ("processing-results$", ("status", "statusDescription", "outputFileDetails")),
    "a file of processing results": ("processing-results$", FILE_FIELDS),
    "a row of the artifact list": ("/artifacts$", ARTIFACT_FIELDS),
    "a page of the artifact list": ("/artifacts$", ("items", "total")),
    "the answer for an artifact": (r"/artifacts/[^/]+$", ARTIFACT_FIELDS),
}
ROWS_OF = {"a file of processing results": "outputFileDetails", "a row of the project list": "items"}
ROWS_OF["a row of the artifact list"] = "items"


def oddity(place: str, field: str, value: Any, position: int) -> Any:
    """Changes an answer: gives it, or the row at a position of it, another value in a field."""

    def edit(answer: Any) -> Any:
        if place in ROWS_OF:
            rows = list(answer.get(ROWS_OF[place]) or [])
            if rows:
                rows[position % len(rows)] = changed(rows[position % len(rows)])
            return {**answer, ROWS_OF[place]: rows}
        return changed(answer)

    def changed(row: dict[str, Any]) -> dict[str, Any]:
        left = {name: one for name, one in row.items() if name != field}
        return left if value == ABSENT else {**left, field: value}

    return edit


@st.composite
def oddities(draw: st.DrawFn) -> tuple[str, Any, str]:
    place = draw(st.sampled_from(sorted(PLACES)))
    path, fields = PLACES[place]
    field = draw(st.sampled_from(fields))
    value = draw(st.just(ABSENT) | ODD_VALUES)
    position = draw(st.integers(0, 8))
    return path, oddity(place, field, value, position), f"{place}: {field} = {value!r} at {position}"


def assert_known_errors(reads: dict[str, Read]) -> None:
    for taken in reads.values():
        if taken.error:
            assert isinstance(taken.error, AirbyteTracedException)
            assert "was not made for" not in str(taken.error)
            assert "Traceback" not in str(taken.error)


@given(odd=st.lists(oddities(), min_size=1, max_size=3), page_cap=st.sampled_from([4, 100]), status=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_given_odd_values_anywhere_when_synced_then_it_ends_with_the_connectors_own_errors_only(
    odd: list[tuple[str, Any, str]], page_cap: int, status: bool
) -> None:
    with Sandbox(empty=True, start="2026-01-10T12:00:00Z") as sandbox:
        sandbox.switches.page_cap = page_cap
        fill(sandbox, 6)
        for listed in ("InProgress", None):
            sandbox.shop.create_project(STOREFRONT, processing=listed)
        connection = Connection(sandbox)
        if status:
            connection.sync(artifact_types=["Final", "Service"])
            sandbox.advance(DAY)
            fill(sandbox, 2)
            for project_id in (2, 7, 8):
                sandbox.shop.process(project_id, "Completed")
        sandbox.clear_requests()
        for path, edit, _ in odd:
            sandbox.fault(path, edit=edit)
        for _ in range(2):
            reads = connection.read(artifact_types=["Final", "Service"])
            assert_known_errors(reads)
            connection.take(reads)
        assert len(sandbox.requests) < 1500
        sandbox.clear_faults()
        connection.sync(artifact_types=["Final", "Service"])


@pytest.mark.parametrize("value", [None, ABSENT, "other", 7, {}])
@pytest.mark.parametrize("place", ["a row of the artifact list", "the answer for an artifact"])
def test_given_artifacts_with_odd_ids_when_synced_then_each_record_has_the_id_that_the_results_name(
    sandbox: Sandbox, connection: Connection, place: str, value: Any
) -> None:
    fill(sandbox, 4, files=[FileSpec(), FileSpec(name="a.log", type="Service", format="txt")])
    finals = {row["id"] for row in sandbox.shop.artifacts() if row["type"] == "Final"}
    for position in range(4):
        sandbox.fault(PLACES[place][0], edit=oddity(place, "id", value, position))
    connection.sync(artifact_types=["Final", "Service"])
    assert finals <= connection.warehouse.tables[ARTIFACTS].keys()


@pytest.mark.parametrize("page_cap", [4, 100])
@pytest.mark.parametrize("path", [LISTS, "/artifacts$", "/storefronts$"])
def test_given_a_page_that_repeats_for_ever_when_synced_then_the_sync_ends(
    sandbox: Sandbox, connection: Connection, path: str, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    fill(sandbox)
    first_pages: dict[tuple[str, str], Any] = {}

    def first_page(answer: Any) -> Any:
        request = sandbox.requests[-1]
        key = (request.query.get("sorting", ""), request.query.get("processingStatus", ""))
        return first_pages.setdefault(key, answer)

    sandbox.fault(path, edit=first_page)
    for _ in range(2):
        reads = connection.read(num_workers=2)
        assert_known_errors(reads)
        connection.take(reads)
    assert len(sandbox.requests) < 200


@pytest.mark.parametrize("total", [None, "many", 0, 1, -5, 10**6, True, 7.5, [3]])
def test_given_a_wrong_total_when_synced_then_each_project_is_emitted(
    sandbox: Sandbox, connection: Connection, total: Any
) -> None:
    ids = fill(sandbox)
    sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    sandbox.fault(LISTS, edit=lambda answer: {**answer, "total": total})
    connection.sync()
    connection.assert_up_to_date()
    sandbox.advance(DAY)
    for project_id in ids:
        sandbox.advance(1)
        sandbox.shop.modify_project(project_id, description="changed")
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}
    assert len(sandbox.requests) < 200


def test_given_ids_as_texts_when_synced_then_it_is_as_with_numbers(sandbox: Sandbox, connection: Connection) -> None:
    ids = fill(sandbox)

    def as_texts(answer: Any) -> Any:
        return {
            **answer,
            "items": [
                {**row, "id": str(row["id"]), "storefrontId": str(row["storefrontId"])} for row in answer["items"]
            ],
        }

    sandbox.fault(LISTS, edit=as_texts)
    assert sorted(connection.sync()[PROJECTS]) == ids
    assert len(connection.warehouse.tables[FILES]) == 9
    assert connection.sync() == {}


def test_given_10_000_files_in_one_project_when_synced_then_each_one_is_emitted_once() -> None:
    with Sandbox(empty=True, start="2026-01-10T12:00:00Z") as sandbox:
        project_id = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
        connection = Connection(sandbox, (FILES,), num_workers=8)
        connection.sync()
        sandbox.advance(DAY)
        sandbox.shop.process(project_id, "Completed", files=10_000)
        assert len(set(connection.sync()[FILES])) == 10_000
        assert len(sandbox.requests) < 150  # their details come a hundred at a time
        assert connection.sync() == {}
