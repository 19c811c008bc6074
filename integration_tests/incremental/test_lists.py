"""No row is missed when the lists change while they are read."""

from __future__ import annotations

from threading import Event

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import Row
from integration_tests.shops import CHANGES, DAY, HOUR, LISTS, change_shop, fill
from sandbox import Sandbox
from sandbox.serving.messages import RequestRecord
from sandbox.shop.rows import ProcessingStatus
from source_customerscanvas.sync.kinds import PROJECTS, RESULTS

OTHER = 12
PATIENCE = 10.0


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


@pytest.mark.parametrize("processing", ["Completed", "InProgress"])
def test_given_a_project_that_moves_to_another_storefront_when_both_are_being_read_then_its_last_row_is_kept(
    sandbox: Sandbox, connection: Connection, processing: ProcessingStatus
) -> None:
    sandbox.shop.add_storefront(OTHER)
    sandbox.shop.create_project(OTHER, processing="Completed")
    fill(sandbox, 5)
    moved = sandbox.shop.create_project(STOREFRONT, processing=processing)
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.modify_project(moved, description="news to the one that it leaves")
    asked = sandbox.count(f"/projects/{moved}/processing-results")
    is_listed, is_emitted = Event(), Event()

    def wait(request: RequestRecord) -> None:
        if request.query["storefrontId"] == str(OTHER):
            is_listed.wait(PATIENCE)
            sandbox.shop.modify_project(moved, storefrontId=OTHER)
        elif request.query.get("processingStatus") == "Pending":
            is_listed.set()  # by what was read before
            is_emitted.wait(PATIENCE)

    def note(stream: str, kind: str, content: Row) -> None:
        if kind == "record" and stream == RESULTS and content["storefrontId"] == OTHER:
            is_emitted.set()

    hook = sandbox.on(LISTS, wait)
    connection.take(connection.read(taken_by=note))
    hook.remove()
    assert is_emitted.is_set()
    if processing == "InProgress":
        assert sandbox.count(f"/projects/{moved}/processing-results") == asked + 1
    sandbox.advance(DAY)
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}
