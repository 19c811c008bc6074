"""One storefront split over several connections: each order belongs to exactly one of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS, SandboxClock, Warehouse
from integration_tests.shops import DAY, HOUR, LISTS, MINUTE
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import FILES, ORDERS, PROJECTS, RESULTS, SHOP_ORDERS

ALL = (*STREAMS, ORDERS, SHOP_ORDERS)
COUNT = 3
ACKNOWLEDGE = {"mode": "order_data", "key": "print-files", "value": "delivered", "since": "2020-01-01T00:00:00Z"}


def fill(sandbox: Sandbox, orders: int = 12) -> None:
    """Orders of two projects, a minute apart, and as many projects without an order."""
    for number in range(orders):
        sandbox.advance(MINUTE)
        for order_id in (f"50{number}", f"50{number}", None):
            sandbox.shop.create_project(STOREFRONT + number % 2, order_id, processing="Completed")


def shards_of(sandbox: Sandbox, count: int = COUNT, streams: tuple[str, ...] = ALL, **config: Any) -> list[Connection]:
    shards = [Connection(sandbox, streams, shard={"count": count, "index": index}, **config) for index in range(count)]
    for shard in shards:
        shard.clock = SandboxClock(sandbox)
    return shards


def tables_of(shards: list[Connection], stream: str) -> dict[Any, Any]:
    """The rows of all shards together, none of which two of them have."""
    rows: dict[Any, Any] = {}
    for shard in shards:
        own = shard.warehouse.tables[stream]
        assert not rows.keys() & own.keys()
        rows |= own
    return rows


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_three_shards_when_synced_then_they_are_disjoint_and_together_the_whole(
    sandbox: Sandbox, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    fill(sandbox)
    whole, shards = Connection(sandbox, ALL), shards_of(sandbox)
    changes: list[Any] = [lambda: None]
    changes += [lambda: sandbox.shop.modify_project(4, name="changed"), lambda: sandbox.shop.process(7, "Failed")]
    changes += [lambda: sandbox.shop.process(7, "Completed"), lambda: fill(sandbox, 14)]
    for change in changes:
        sandbox.advance(DAY)
        change()
        for connection in (whole, *shards):
            connection.sync()
        for stream in ALL:
            assert tables_of(shards, stream) == whole.warehouse.tables[stream]
    assert all(shard.warehouse.tables[PROJECTS] for shard in shards)


def test_given_shards_when_nothing_changed_then_each_asks_for_its_lists_and_no_project(sandbox: Sandbox) -> None:
    fill(sandbox)
    shards = shards_of(sandbox)
    for shard in shards:
        shard.sync()
    sandbox.advance(HOUR)
    for shard in shards:
        shard.sync()
    sandbox.clear_requests()
    assert [shard.sync() for shard in shards] == [{}] * COUNT
    assert sandbox.count(r"/projects/\d+") == 0


def test_given_a_shard_with_none_of_the_newest_projects_when_nothing_changed_then_it_does_not_list_all_of_them(
    sandbox: Sandbox,
) -> None:
    fill(sandbox)
    sandbox.advance(DAY)
    for _ in range(6):
        sandbox.shop.create_project(STOREFRONT, "600", processing="Completed")
    shards = shards_of(sandbox)
    for _ in range(2):
        for shard in shards:
            shard.sync()
        sandbox.advance(DAY)
    counts = []
    for shard in shards:
        sandbox.clear_requests()
        shard.sync()
        counts.append(sandbox.count(LISTS))
    assert len(set(counts)) == 1


def test_given_shards_when_a_project_is_read_then_only_its_shard_asks_for_it(sandbox: Sandbox) -> None:
    fill(sandbox)
    for shard in shards_of(sandbox):
        shard.sync()
    assert sandbox.count("processing-results$") == len(sandbox.shop.project_ids())


def test_given_shards_that_acknowledge_when_synced_then_each_project_is_acknowledged_once(sandbox: Sandbox) -> None:
    fill(sandbox)
    running = sandbox.shop.create_project(STOREFRONT, "500", processing="InProgress")
    shards = shards_of(sandbox, streams=(RESULTS, FILES), acknowledge=ACKNOWLEDGE)
    for _ in range(3):
        sandbox.advance(HOUR)
        for shard in shards:
            shard.sync()
    ids = sandbox.shop.project_ids()
    waiting = {row["id"] for row in sandbox.shop.projects() if (row["storefrontId"], row["orderId"]) == (11, "500")}
    assert {id_: len(sandbox.shop.order_data(id_)) for id_ in ids} == {id_: int(id_ not in waiting) for id_ in ids}
    sandbox.shop.process(running, "Completed")
    for _ in range(3):
        sandbox.advance(HOUR)
        for shard in shards:
            shard.sync()
    assert {len(sandbox.shop.order_data(id_)) for id_ in ids} == {1}


def test_given_shards_with_manifests_when_synced_then_each_order_has_one_that_names_all_its_projects(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    fill(sandbox)
    for shard in shards_of(sandbox, streams=(FILES,), files=tmp_path, order_manifest=True):
        shard.sync()
    for order in sandbox.shop.orders():
        manifest = json.loads((tmp_path / f"{order['storefrontId']}/{order['orderId']}/order.json").read_bytes())
        assert [project["id"] for project in manifest["projects"]] == order["projectIds"]


def test_given_no_index_when_synced_then_the_job_tells_it(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(sandbox)
    by_index = shards_of(sandbox, streams=(PROJECTS,))
    by_job = [Connection(sandbox, (PROJECTS,), shard={"count": COUNT}) for _ in range(COUNT)]
    for index in range(COUNT):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        by_job[index].sync()
        by_index[index].sync()
        assert by_job[index].warehouse.tables == by_index[index].warehouse.tables


@pytest.mark.parametrize(("before", "after"), [(3, 2), (2, 4), (4, 2)])
def test_given_another_number_of_shards_when_synced_then_what_is_newly_in_a_shard_is_read_as_if_new(
    sandbox: Sandbox, before: int, after: int
) -> None:
    fill(sandbox)
    old, new = shards_of(sandbox, before), shards_of(sandbox, after)
    whole, warehouse = Connection(sandbox, ALL), Warehouse()
    for shard in (*old, *new):
        shard.warehouse = warehouse
    for shard in old:
        shard.sync()
    sandbox.advance(DAY)
    sandbox.shop.modify_project(4, name="changed")
    for number, shard in enumerate(new):
        shard.states = old[number].states if number < before else {}
        shard.sync()
    sandbox.advance(DAY)
    assert [shard.sync() for shard in new] == [{}] * after
    whole.sync()
    assert warehouse.tables == whole.warehouse.tables


def test_given_a_connection_that_becomes_a_shard_when_synced_then_it_repeats_nothing(sandbox: Sandbox) -> None:
    fill(sandbox)
    connection = Connection(sandbox, ALL)
    connection.sync()
    sandbox.advance(DAY)
    connection.sync()
    assert connection.sync(shard={"count": COUNT, "index": 1}) == {}


@pytest.mark.parametrize("index", range(COUNT))
def test_given_an_unfinished_order_when_its_connection_becomes_another_shard_then_its_row_stays(
    sandbox: Sandbox, index: int
) -> None:
    sandbox.shop.create_project(STOREFRONT, "5001", processing="InProgress")
    connection = Connection(sandbox, ALL)
    connection.sync()
    sandbox.advance(DAY)
    connection.sync()
    connection.sync(shard={"count": COUNT, "index": index})
    assert connection.warehouse.tables[ORDERS][STOREFRONT, "5001"]["projectCount"] == 1


@pytest.mark.parametrize("index", [0, 1])
def test_given_a_shard_that_had_no_order_when_it_is_widened_then_what_came_meanwhile_is_there(
    sandbox: Sandbox, index: int
) -> None:
    sandbox.switches.page_cap = 2
    sandbox.shop.create_project(STOREFRONT, "5001", processing="Completed")
    connection = Connection(sandbox, ALL)
    connection.sync(shard={"count": 2, "index": index})
    for order_id in ("5002", "5003", "5004", "5005", "5006", "5007", "5008"):
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, order_id, processing="Completed")
    connection.sync()
    connection.assert_up_to_date()
