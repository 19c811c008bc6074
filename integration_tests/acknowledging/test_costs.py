"""What acknowledging costs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integration_tests.acknowledging.conftest import Acknowledging, begun, order
from integration_tests.conftest import STOREFRONT, Connection
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import FILES, RESULTS


@pytest.mark.parametrize("status", [None, "Pending", "InProgress", "Failed"])
def test_given_an_order_that_waits_when_nothing_changes_then_it_costs_no_request(
    sandbox: Sandbox, connection: Acknowledging, status: Any
) -> None:
    bare = Connection(sandbox)
    for number in range(30):
        order(sandbox, "Completed", status, order_id=f"60{number}")
    for _ in range(3):
        connection.sync()
    bare.clock = connection.clock
    bare.sync()
    sandbox.clear_requests()
    connection.sync()
    with_orders = len(sandbox.requests)
    sandbox.clear_requests()
    bare.sync()

    assert with_orders == len(sandbox.requests)


def test_given_orders_that_the_shop_held_before_their_acknowledgement_when_nothing_changes_then_they_cost_no_request(
    sandbox: Sandbox,
) -> None:
    sandbox.switches.update(status_moves_last_modified=False, page_cap=100)
    connection = begun(sandbox, (FILES,))
    connection.config["statuses"] = {"mode": "only", "codes": [1]}
    connection.sync()
    projects = [order(sandbox, "Completed", order_id=f"60{number}")[0] for number in range(10)]
    connection.sync()
    for project_id in projects:
        sandbox.shop.set_status(project_id, 4)
    for _ in range(2):
        connection.sync()
    sandbox.clear_requests()
    connection.sync()

    assert len(sandbox.requests) <= 4
    assert connection.acknowledged() == []
    for project_id in projects:
        sandbox.shop.set_status(project_id, 1)
    connection.sync()
    assert connection.acknowledged() == projects


def test_given_thousands_of_acknowledged_orders_when_synced_then_the_state_has_nothing_of_them(
    sandbox: Sandbox,
) -> None:
    sandbox.switches.page_cap = 100
    connection = begun(sandbox, (RESULTS,))
    size = len(json.dumps(connection.states))
    for number in range(600):
        sandbox.shop.create_project(STOREFRONT, order_id=f"o{number}", processing="Completed")
    connection.sync()
    assert len(connection.acknowledged()) == 600
    order(sandbox, "Completed", order_id="last")
    for _ in range(3):
        connection.sync()

    assert len(json.dumps(connection.states)) < size + 150  # the last project alone
