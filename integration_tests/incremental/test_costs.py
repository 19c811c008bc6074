"""Nothing is paid twice: how many requests a sync makes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS
from integration_tests.shops import ANY, DAY, HOUR, shop_of
from sandbox.shop.views import SortKey
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, PROJECTS, RESULTS
from source_customerscanvas.times import to_utc

TOKEN = STOREFRONTS = NEWEST_MODIFIED = NEWEST_CREATED = PENDING = IN_PROGRESS = FAILED = COMPLETED = PROJECT_PAGE = 1
WATCH = NEWEST_MODIFIED + NEWEST_CREATED + PENDING + IN_PROGRESS + FAILED
"""The first page of each list that a sync without news reads of a storefront."""


def requests_without_news(connection: Connection, **config: Any) -> int:
    connection.sync(**config)
    connection.sandbox.clear_requests()
    assert connection.sync(**config) == {}
    return len(connection.sandbox.requests)


@pytest.mark.parametrize("page_cap", [20, 100])
@pytest.mark.parametrize("storefronts", [1, 2])
def test_given_250_finished_projects_when_nothing_changed_then_a_sync_asks_for_the_first_page_of_each_list(
    storefronts: int, page_cap: int
) -> None:
    with shop_of(250, storefronts) as sandbox:
        sandbox.switches.page_cap = page_cap
        assert requests_without_news(Connection(sandbox)) == TOKEN + STOREFRONTS + storefronts * WATCH


def test_given_a_shop_that_fits_one_page_when_nothing_changed_then_that_page_is_all() -> None:
    with shop_of(99) as sandbox:
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


@pytest.mark.parametrize("first_sync", ["before", "after"])
@pytest.mark.parametrize("nulls_first", ["high", "first"])
def test_given_nulls_that_sort_first_when_projects_are_only_modified_then_neither_state_nor_cost_grow(
    nulls_first: Any, first_sync: str
) -> None:
    with shop_of(500, modified=False) as sandbox:
        sandbox.switches.nulls_first = nulls_first
        connection = Connection(sandbox, (PROJECTS, RESULTS))
        if first_sync == "before":
            connection.sync()
        sizes: list[int] = []
        projects = iter(range(1, 501, 2))
        for _ in range(4):
            for _ in range(40):
                sandbox.advance(HOUR)
                sandbox.shop.modify_project(next(projects), description="changed")
            if first_sync == "before" or sizes:
                sandbox.clear_requests()
                assert len(connection.sync()[PROJECTS]) == 40
                assert len(sandbox.requests) <= TOKEN + STOREFRONTS + WATCH + 7 + 1 + 40
            else:
                connection.sync()
            assert requests_without_news(connection) <= TOKEN + STOREFRONTS + WATCH + 7
            sizes.append(len(connection.states[PROJECTS]["slices"][str(STOREFRONT)]["recent"]))
        assert sizes == [1] * 4


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
def test_given_projects_without_a_status_when_nothing_changed_then_each_hundred_cost_a_page(
    results_before_run: Any,
) -> None:
    with shop_of(110) as sandbox:
        sandbox.switches.results_before_run = results_before_run
        for _ in range(300):
            sandbox.shop.create_project(STOREFRONT)
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        connection = Connection(sandbox, (PROJECTS, RESULTS))
        assert requests_without_news(connection) == TOKEN + STOREFRONTS + WATCH + 4


def test_given_projects_without_a_status_strewn_over_the_history_when_nothing_changed_then_their_number_tells() -> None:
    with shop_of(0) as sandbox:
        for _ in range(10):
            sandbox.shop.create_project(STOREFRONT)
            for _ in range(100):
                sandbox.shop.create_project(STOREFRONT, processing="Completed")
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        connection = Connection(sandbox, (PROJECTS, RESULTS))
        # and the page on which those begin that were modified
        assert requests_without_news(connection) == TOKEN + STOREFRONTS + WATCH + 1 + COMPLETED + 1
        sandbox.shop.process(1, "Completed")
        assert connection.sync() == {PROJECTS: [1], RESULTS: [1]}


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
        # the page that shows that none of those in the scope has moved on
        assert requests_without_news(connection, start_date=start) == TOKEN + STOREFRONTS + WATCH + 1


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
        assert len(sandbox.requests) == TOKEN + STOREFRONTS + WATCH + 3 + finished
        assert requests_without_news(connection) == TOKEN + STOREFRONTS + WATCH + 3


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
                "version": 2,
                "began": "2026-01-10T12:00:00.000000Z",
                "scope": {"startDate": None, "kinds": kinds},
                "slices": {str(STOREFRONT): {"cursor": to_utc(cursor)}},
            }
            for stream, kinds in scopes.items()
        }
        assert connection.sync().keys() == set(STREAMS)  # the last ten minutes, which the made-up state leaves out
        sandbox.clear_requests()
        assert connection.sync() == {}
        assert len(sandbox.requests) == 7


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Failed", None])
@pytest.mark.parametrize("others", [0, 110], ids=["one-page", "many-pages"])
def test_given_unfinished_projects_that_become_obsolete_when_nothing_changes_then_they_are_soon_left_alone(
    status: Any, others: int
) -> None:
    with shop_of(others) as sandbox:
        sandbox.shop.create_project(STOREFRONT, order_id="5002")
        ids = [sandbox.shop.create_project(STOREFRONT, processing=status) for _ in range(40)]
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        connection = Connection(sandbox)
        connection.sync()
        for project_id in ids:
            sandbox.shop.modify_project(project_id, touch=False, obsolete=True)
        for _ in range(2):
            assert connection.sync() == {}
        sandbox.advance(HOUR)
        sandbox.clear_requests()
        assert connection.sync() == {}
        assert not [one.path for one in sandbox.requests if re.search(r"/projects/\d+$", one.path)]
        assert len(sandbox.requests) <= TOKEN + STOREFRONTS + WATCH + 1  # for the one without a processing status
