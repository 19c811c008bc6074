"""No row is missed when the lists change while they are read."""

from __future__ import annotations

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.shops import CHANGES, DAY, HOUR, LISTS, change_shop, fill
from sandbox import Sandbox
from source_customerscanvas.projects import PROJECTS, RESULTS


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
