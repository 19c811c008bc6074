"""Rows belong to the orders that were asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS
from integration_tests.shops import DAY
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import FILES, PROJECTS


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
    "order_id", ["a/b", "..", "1 2", "🎁 Geschenk", "a&b=c?d#e%20", "50/01", '"quoted"', "x" * 500]
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
