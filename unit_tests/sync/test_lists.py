"""The lists of a slice, in the orders in which a scan and a watch read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from source_customerscanvas.api.listing import Row
from source_customerscanvas.errors import ServerTrouble
from source_customerscanvas.settings import Shard
from source_customerscanvas.sync.lists import BY_ID, NEWEST_CREATED, NEWEST_MODIFIED, is_listed
from source_customerscanvas.sync.scan import is_fresh, scan_pages, scanning, start_watch
from source_customerscanvas.sync.slices import Slice
from unit_tests.sync.listed_shop import SLICE, START, ListedShop
from unit_tests.watched import AFTER, CURSOR, KEY, LONG_AGO, stream, watched

FIVE_HOURS_AHEAD = "2026-01-31T17:00:00.000000Z"


class EditedShop(ListedShop):
    """Its lists are answered otherwise than they should be."""

    def __init__(self, edit: Callable[[Row], Row], page_cap: int = 100) -> None:
        super().__init__(page_cap)
        self._edit = edit

    def _page(self, rows: Any, params: Mapping[str, Any]) -> Row:
        return self._edit(super()._page(rows, params))


def shop_of(projects: int, page_cap: int = 4) -> ListedShop:
    shop = ListedShop(page_cap)
    for _ in range(projects):
        shop.create()
    return shop


@pytest.mark.parametrize("projects", [0, 1, 4, 5, 9, 33])
@pytest.mark.parametrize("after", [-1, 0, 1, 4, 17, 32, 33, 99])
def test_given_any_place_in_a_scan_when_it_goes_on_then_its_first_page_begins_there_or_before(
    projects: int, after: int
) -> None:
    shop = shop_of(projects)
    page = shop.lists(stream()).page_before(after)
    ids = [row["id"] for row in page.rows]
    assert page.skip <= max(min(after, projects), 0)
    behind = [id_ for id_ in shop.rows if id_ > after]
    assert not behind or ids[0] <= behind[0]


def test_given_a_long_history_when_a_scan_goes_on_then_finding_its_place_takes_few_requests() -> None:
    shop = shop_of(2000)
    shop.lists(stream()).page_before(1500)
    assert len(shop.asked) <= 12


@pytest.mark.parametrize("projects", [100, 101, 250])
def test_given_a_project_without_an_order_when_it_is_looked_for_then_it_is_found_unless_it_was_removed(
    projects: int,
) -> None:
    shop = ListedShop()
    for _ in range(projects):
        shop.create(orderId=None)
    everywhere = [shop.project(id_) for id_ in shop.rows]
    assert all(is_listed(shop.client(), SLICE, project) for project in everywhere)
    for project in everywhere[::7]:
        shop.remove(project.id)
        assert not is_listed(shop.client(), SLICE, project)


@pytest.mark.parametrize("total", ["missing", "of the page"])
@pytest.mark.parametrize("id_", [1, 100, 101, 150, 250])
def test_given_no_total_of_the_list_when_a_project_is_looked_for_then_it_is_found(total: str, id_: int) -> None:
    def edit(answer: Row) -> Row:
        return {**answer, "total": len(answer["items"]) if total == "of the page" else None}

    shop = EditedShop(edit)
    for _ in range(250):
        shop.create(orderId=None)
    project = shop.project(id_)
    assert is_listed(shop.client(), SLICE, project)
    shop.remove(id_)
    assert not is_listed(shop.client(), SLICE, project)


def test_given_no_total_and_a_server_that_takes_no_skip_when_a_project_is_looked_for_then_that_ends() -> None:
    shop = EditedShop(lambda answer: {**answer, "total": None})
    for _ in range(101):
        shop.create(orderId=None)
    shop.on_ask = lambda _, params: cast(dict[str, Any], params).update(skip=0)
    assert not is_listed(shop.client(), SLICE, shop.project(101))


@pytest.mark.parametrize("removed", [[], [1], [1, 2, 3, 4, 5], list(range(1, 15)), [14, 15, 16, 17, 18]])
def test_given_projects_that_were_removed_meanwhile_when_a_scan_goes_on_then_it_comes_past_all_others(
    removed: list[int],
) -> None:
    shop = shop_of(33)
    for id_ in removed:
        shop.remove(id_)
    progress = stream(watched(scan=14))
    pages = list(scan_pages(shop.lists(progress), KEY, [progress]))
    assert [one.id for page in pages for one in page] == [id_ for id_ in shop.rows if id_ > 14]


def test_given_two_scans_when_they_are_read_together_then_from_where_the_lesser_one_has_come_to() -> None:
    shop = shop_of(12)
    ahead, behind = stream(watched(scan=9)), stream(watched(scan=5))
    pages = list(scan_pages(shop.lists(ahead, behind), KEY, [ahead, behind]))
    assert [one.id for page in pages for one in page] == [6, 7, 8, 9, 10, 11, 12]


def test_given_a_shard_when_listed_then_only_its_projects_come() -> None:
    shop = ListedShop()
    for order in range(40):
        shop.create(orderId=str(order))
    found: list[int] = []
    for index in range(4):
        lists = shop.lists(stream(), slice_=Slice(11, shard=Shard(4, index)))
        ids = [one.id for one in lists.projects(lists.first("Id ASC"))]
        assert ids
        found += ids
    assert sorted(found) == sorted(shop.rows)


@pytest.mark.parametrize(
    ("times", "newest"),
    [
        ([LONG_AGO, CURSOR], CURSOR),
        ([LONG_AGO, FIVE_HOURS_AHEAD], LONG_AGO),
        ([FIVE_HOURS_AHEAD], START),
        ([], ""),
    ],
)
def test_given_times_ahead_of_the_shops_clock_when_the_cursor_is_chosen_then_it_never_passes_that_clock(
    times: list[str], newest: str
) -> None:
    shop = ListedShop()
    for time in times:
        shop.create(created=LONG_AGO, lastModified=time)
    lists = shop.lists(stream())
    assert lists.newest(lists.first(NEWEST_MODIFIED), until=shop.time) == newest


def test_given_a_row_without_a_usable_id_when_listed_then_it_is_passed_over_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = shop_of(2)
    shop.rows[99] = {**shop.rows[1], "id": -1}
    progress = stream()
    lists = shop.lists(progress)
    page = lists.first(NEWEST_MODIFIED)
    for _ in range(2):
        assert sorted(one.id for one in lists.projects(page)) == [1, 2]
    assert progress.counts.passed_over.first == ["storefront 11: projects that are listed without a usable id"]
    assert len(caplog.messages) == 1


def test_given_a_first_scan_when_it_begins_then_the_watch_that_follows_begins_there_and_stays_when_it_goes_on() -> None:
    progress = stream(watched(cursor="", read="", scan=-1))
    assert is_fresh([progress], KEY)
    assert scanning([progress, stream()], KEY) == [progress]
    start_watch([progress], KEY, CURSOR, AFTER)
    state = progress.state.slice(KEY)
    state.scan = 4
    start_watch([progress], KEY, FIVE_HOURS_AHEAD, FIVE_HOURS_AHEAD)
    assert (state.cursor, state.read, is_fresh([progress], KEY)) == (CURSOR, AFTER, False)


@pytest.mark.parametrize("sorting", [BY_ID, NEWEST_MODIFIED, NEWEST_CREATED])
def test_given_a_server_that_sorts_otherwise_when_listed_then_it_is_trouble_and_no_silence(sorting: str) -> None:
    shop = ListedShop()
    for _ in range(9):
        shop.pass_time(minutes=1)
        shop.create(lastModified=shop.time)
    order = BY_ID if sorting != BY_ID else NEWEST_CREATED
    shop.on_ask = lambda _, params: cast(dict[str, Any], params).update(sorting=order)
    with pytest.raises(ServerTrouble, match=f"not sorted as asked .{sorting}"):
        shop.lists(stream()).first(sorting)


def test_given_a_single_odd_time_when_listed_then_the_page_is_taken() -> None:
    shop = shop_of(4, page_cap=100)
    shop.rows[2]["created"] = "2099-01-01T00:00:00Z"
    assert len(shop.lists(stream()).first(NEWEST_CREATED).rows) == 4


def test_given_nulls_in_front_when_a_project_gets_its_time_while_the_top_is_looked_for_then_the_top_shows_it() -> None:
    for moment in range(1, 100):
        shop = shop_of(40)
        shop.nulls_first = True
        for id_ in range(1, 6):
            shop.rows[id_]["lastModified"] = LONG_AGO

        def modify(*_: object, shop: ListedShop = shop, moment: int = moment) -> None:
            if len(shop.asked) == moment:
                shop.modify(30)

        shop.on_ask = modify
        page = shop.lists(stream()).top(NEWEST_MODIFIED)
        if len(shop.asked) < moment:
            break
        assert 30 in [row["id"] for row in page.rows]
    assert moment > 5
