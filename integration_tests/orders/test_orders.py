"""The stream of orders: one row for an order that was news, at the price of one request."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.shops import DAY, MINUTE
from sandbox import Sandbox
from sandbox.shop.shop import Shop
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, ORDERS, PROJECTS, RESULTS, SHOP_ORDERS


@pytest.fixture
def connection(sandbox: Sandbox) -> Connection:
    return Connection(sandbox, (PROJECTS, RESULTS, ORDERS))


def order(sandbox: Sandbox, *statuses: Any, order_id: str | None = "5001", storefront: int = STOREFRONT) -> list[int]:
    sandbox.advance(MINUTE)
    return [sandbox.shop.create_project(storefront, order_id, processing=status) for status in statuses]


def row_of(connection: Connection, order_id: str = "5001", storefront: int = STOREFRONT) -> dict[str, Any]:
    return connection.warehouse.tables[ORDERS][storefront, order_id]


def counts(row: dict[str, Any]) -> tuple[Any, ...]:
    names = ("projectCount", "readyCount", "failedCount", "unfinishedCount", "state")
    return tuple(row[name] for name in names)


def orders_asked(sandbox: Sandbox) -> list[str]:
    """The order of each request that asks for the projects of one."""
    return [request.query["orderId"] for request in sandbox.requests if "orderId" in request.query]


def test_given_orders_when_first_synced_then_each_has_one_row_for_one_request(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.switches.page_cap = 100
    for number in range(3):
        order(sandbox, "Completed", "InProgress", "Failed", order_id=f"500{number}")
    order(sandbox, "Completed", order_id=None)
    found = connection.sync()
    assert sorted(found[ORDERS]) == [(STOREFRONT, f"500{number}") for number in range(3)]
    assert sorted(orders_asked(sandbox)) == ["5000", "5001", "5002"]
    assert counts(row_of(connection)) == (3, 1, 1, 1, "Failed")


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("Completed", "Completed"), (2, 2, 0, 0, "Ready")),
        (("Completed", None), (2, 1, 0, 1, "InProgress")),
        (("Pending", "InProgress"), (2, 0, 0, 2, "InProgress")),
        (("InProgress", "Failed"), (2, 0, 1, 1, "Failed")),
    ],
)
@pytest.mark.parametrize("before_run", ["pending", "404", "204"])
def test_given_an_order_when_synced_then_its_row_counts_what_is_ready_failed_and_waiting(
    sandbox: Sandbox, connection: Connection, statuses: Any, expected: Any, before_run: Any
) -> None:
    sandbox.switches.results_before_run = before_run
    ids = order(sandbox, *statuses)
    connection.sync()
    row = row_of(connection)
    assert counts(row) == expected
    assert [one["id"] for one in row["projects"]] == ids
    assert (row["orderNumber"], row["orderName"]) == (5001, "#5001")


def test_given_artifacts_that_cannot_be_read_when_synced_then_the_order_has_its_row_all_the_same(
    sandbox: Sandbox,
) -> None:
    connection = Connection(sandbox, (ARTIFACTS, FILES, ORDERS))
    order(sandbox, "Completed")
    sandbox.fault("/artifacts", status=500)
    reads = connection.read()
    assert reads[ARTIFACTS].error
    assert reads[FILES].error
    assert reads[ORDERS].error is None
    assert [row["orderId"] for row in reads[ORDERS].records] == ["5001"]


def test_given_several_changed_projects_of_an_order_when_synced_then_one_row_has_the_last_of_what_was_seen(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.switches.page_cap = 100
    ids = order(sandbox, "InProgress", "InProgress", "Completed")
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.process(ids[0], "Completed")
    sandbox.shop.process(ids[1], "Failed")
    sandbox.shop.modify_project(ids[2], name="Flyer")
    sandbox.clear_requests()
    assert connection.sync()[ORDERS] == [(STOREFRONT, "5001")]
    assert orders_asked(sandbox) == ["5001"]
    row = row_of(connection)
    assert counts(row) == (3, 2, 1, 0, "Failed")
    assert row["projects"][2]["name"] == "Flyer"
    assert connection.sync() == {}


@pytest.mark.parametrize("page_cap", [2, 100])
@pytest.mark.parametrize("status", ["Completed", "InProgress", None])
def test_given_a_new_project_that_moves_when_synced_then_both_orders_have_a_row(
    sandbox: Sandbox, connection: Connection, status: Any, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    moved, stayed = order(sandbox, status, "Completed")
    order(sandbox, "Completed", order_id="5002")
    connection.sync()
    sandbox.advance(1)
    sandbox.shop.move_project(moved, "5002")
    assert set(connection.sync()[ORDERS]) == {(STOREFRONT, "5001"), (STOREFRONT, "5002")}
    assert [one["id"] for one in row_of(connection)["projects"]] == [stayed]
    assert row_of(connection, "5002")["projectCount"] == 2


@pytest.mark.parametrize("status", ["InProgress", "Completed", None])
@pytest.mark.parametrize("streams", [(ORDERS,), (SHOP_ORDERS,), (PROJECTS, RESULTS, ORDERS, SHOP_ORDERS)])
def test_given_a_project_that_only_its_orders_row_has_shown_when_it_moves_on_then_both_orders_have_a_row(
    sandbox: Sandbox, streams: tuple[str, ...], status: Any
) -> None:
    sandbox.switches.update(page_cap=100)
    connection = Connection(sandbox, streams, storefront_ids=[STOREFRONT])
    order(sandbox, "Completed", order_id="5000")
    connection.sync()
    order(sandbox, "InProgress")
    late: list[int] = []
    # the first list of projects is that of the storefront, the second one that of the order
    hook = sandbox.on(r"/projects$", lambda: late.extend(order(sandbox, status)), nth=2)
    connection.sync()
    hook.remove()
    assert late
    sandbox.advance(MINUTE)
    sandbox.shop.move_project(late[0], "5002")
    found = connection.sync()
    for stream in {ORDERS, SHOP_ORDERS} & set(streams):
        assert set(found[stream]) == {(STOREFRONT, "5001"), (STOREFRONT, "5002")}
    sandbox.advance(DAY)
    assert connection.sync() == {}


def test_given_an_order_with_a_project_from_before_the_start_date_when_that_one_moves_on_then_it_is_left_out(
    sandbox: Sandbox, connection: Connection
) -> None:
    (old,) = order(sandbox, "InProgress")
    sandbox.advance(DAY)
    connection.config["start_date"] = sandbox.now().isoformat()
    order(sandbox, "Completed", "Completed")
    connection.sync()
    assert row_of(connection)["projectCount"] == 3
    sandbox.advance(DAY)
    sandbox.shop.process(old, "Completed")
    sandbox.clear_requests()
    assert connection.sync() == {}
    assert sandbox.count(f"/projects/{old}") == 0


def test_given_an_open_project_that_moves_to_another_storefront_when_synced_then_both_orders_have_a_row(
    sandbox: Sandbox, connection: Connection
) -> None:
    moved, _ = order(sandbox, "InProgress", "Completed")
    order(sandbox, "Completed", storefront=12)
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.move_project(moved, "5001", 12)
    connection.sync()
    assert row_of(connection)["projectCount"] == 1
    assert row_of(connection, storefront=12)["projectCount"] == 2


LEAVING: dict[str, Callable[[Shop, int], object]] = {
    "to no order": lambda shop, id_: shop.move_project(id_, None),
    "to another order": lambda shop, id_: shop.move_project(id_, "5002"),
    "to another storefront": lambda shop, id_: shop.move_project(id_, "5001", 12),
    "for good": lambda shop, id_: shop.remove_project(id_),
}


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
def test_given_a_project_that_left_its_order_when_the_sync_is_killed_anywhere_then_the_next_one_tells(
    sandbox: Sandbox, connection: Connection, leave: Callable[[Shop, int], object]
) -> None:
    left, stayed = order(sandbox, "InProgress", "Completed")
    order(sandbox, *["Completed"] * 8, order_id="5002")
    connection.sync()
    before = copy.deepcopy((connection.states, connection.warehouse))
    sandbox.advance(DAY)
    leave(sandbox.shop, left)
    reads = connection.read(state_projects=1)
    for taken in range(len(reads[ORDERS].messages) + 1):
        connection.states, connection.warehouse = copy.deepcopy(before)
        connection.take_until_killed(reads, taken)
        connection.sync()
        assert [one["id"] for one in row_of(connection)["projects"]] == [stayed], taken


@pytest.mark.parametrize("way", ["moved", "removed"])
def test_given_an_order_that_loses_its_only_project_when_synced_then_it_keeps_a_row_without_projects(
    sandbox: Sandbox, connection: Connection, way: str
) -> None:
    (project_id,) = order(sandbox, "InProgress")
    order(sandbox, *["Completed"] * 8, order_id="5002")
    connection.sync()
    before = row_of(connection)["updatedAt"]
    sandbox.advance(MINUTE)
    if way == "moved":
        sandbox.shop.move_project(project_id, "5002")
    else:
        sandbox.shop.remove_project(project_id)
    connection.sync()
    row = row_of(connection)
    assert (*counts(row), row["projects"]) == (0, 0, 0, 0, "Held", [])
    assert row["updatedAt"] > before  # a destination keeps the row with the latest time
    assert connection.sync() == {}


@pytest.mark.parametrize("lag", [30.0, -30.0], ids=["list-lags", "results-lag"])
def test_given_a_list_or_results_that_lag_when_synced_then_the_order_says_what_the_results_say(
    sandbox: Sandbox, connection: Connection, lag: float
) -> None:
    order(sandbox, *["Completed"] * 8, order_id="5002")
    done, _ = order(sandbox, "InProgress", "Completed")
    connection.sync()
    sandbox.advance(DAY)
    sandbox.switches.processing_status_lag = lag
    sandbox.shop.process(done, "Completed")
    for _ in range(3):
        connection.sync()
        told = connection.warehouse.tables[RESULTS][done]["status"]
        row = row_of(connection)
        assert row["projects"][0]["processingStatus"] == told
        assert row["state"] == ("Ready" if told == "Completed" else "InProgress")
        sandbox.advance(MINUTE)
    assert row["state"] == "Ready"


def test_given_two_storefronts_with_equal_orders_when_synced_then_each_has_its_own_row(
    sandbox: Sandbox, connection: Connection
) -> None:
    order(sandbox, "Completed")
    order(sandbox, "Failed", storefront=12)
    connection.sync()
    assert (row_of(connection)["state"], row_of(connection, storefront=12)["state"]) == ("Ready", "Failed")


def test_given_an_order_that_cannot_be_listed_when_synced_then_it_is_one_trouble_and_comes_with_the_next_sync(
    sandbox: Sandbox, connection: Connection
) -> None:
    order(sandbox, "Completed", "Completed")
    order(sandbox, "Completed", order_id="5002")
    sandbox.fault(r"/projects$", query={"orderId": "5001"}, status=400)
    reads = connection.read()
    assert [record["orderId"] for record in reads[ORDERS].records] == ["5002"]
    assert "order 5001" in str(reads[ORDERS].error)
    assert reads[RESULTS].error is None
    connection.take(reads)
    sandbox.clear_faults()
    assert connection.sync() == {ORDERS: [(STOREFRONT, "5001")]}
    assert connection.sync() == {}
