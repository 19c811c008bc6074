"""What an acknowledgement changes in the shop."""

from __future__ import annotations

import pytest

from integration_tests.acknowledging.conftest import begun, each_move, order, posts
from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.shops import HOUR
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import PROJECTS, RESULTS


def test_given_order_data_when_an_order_was_delivered_then_key_and_value_are_attached_through_each_project(
    sandbox: Sandbox,
) -> None:
    connection = begun(sandbox)
    ids = order(sandbox, "Completed", "Completed")
    connection.sync()

    connection.sync()

    for project in ids:
        entry = {"key": "print-files", "value": "delivered", "type": "PlainText"}
        assert sandbox.shop.order_data(project) == [entry]


@pytest.mark.parametrize(("mode", "status"), [("transition", 3), ("status", 4)])
def test_given_a_status_to_reach_when_an_order_was_delivered_then_each_project_is_moved(
    sandbox: Sandbox, mode: str, status: int
) -> None:
    connection = begun(sandbox, mode=mode)
    ids = order(sandbox, "Completed", "Completed")
    connection.sync()

    connection.sync()

    assert [sandbox.shop.project(project)["status"] for project in ids] == [status, status]


def test_given_a_transition_with_an_awkward_name_when_acknowledged_then_it_is_one_segment_of_the_path(
    sandbox: Sandbox,
) -> None:
    connection = begun(sandbox, mode="transition", name="../statuses/5")
    (project,) = order(sandbox, "Completed")
    connection.sync()
    connection.sync()

    assert sandbox.shop.project(project)["status"] == 1


@pytest.mark.parametrize("mode", ["transition", "status"])
@each_move
def test_given_a_status_to_reach_when_acknowledged_then_the_projects_have_a_row_with_it_whatever_the_list_shows(
    sandbox: Sandbox, mode: str, moves: bool
) -> None:
    sandbox.switches.status_moves_last_modified = moves
    connection = begun(sandbox, (PROJECTS, RESULTS), mode)
    (project,) = order(sandbox, "Completed")
    sandbox.advance(HOUR)
    for _ in range(5):
        order(sandbox, "InProgress", order_id="7000")
    for _ in range(2):
        connection.sync()

    assert connection.warehouse.tables[PROJECTS][project]["status"] == sandbox.shop.project(project)["status"] != 1
    assert connection.sync() == {}


def test_given_default_settings_when_orders_are_delivered_then_nothing_is_posted(sandbox: Sandbox) -> None:
    connection = Connection(sandbox)
    connection.sync()
    order(sandbox, "Completed")
    for _ in range(3):
        sandbox.advance(HOUR)
        connection.sync()

    assert posts(sandbox) == []
    for state in connection.states.values():
        assert "lastSync" not in state
        assert "delivered" not in state["slices"][str(STOREFRONT)]
