"""Old orders are acknowledged only as far as the settings say."""

from __future__ import annotations

import pytest

from integration_tests.acknowledging.conftest import LONG_AGO, begun, each_delivering, order
from sandbox import Sandbox


def test_given_a_project_that_was_finished_before_acknowledging_was_switched_on_when_the_rest_follows_then_it_counts(
    sandbox: Sandbox,
) -> None:
    connection = begun(sandbox)
    acknowledge = connection.config.pop("acknowledge")
    _, late = order(sandbox, "Completed", "InProgress")
    for _ in range(2):
        connection.sync()
    connection.config["acknowledge"] = acknowledge
    connection.sync()
    sandbox.shop.process(late, "Completed")

    assert connection.acknowledged() == []
    assert late in connection.acknowledged()


@each_delivering
def test_given_orders_that_were_delivered_before_acknowledging_was_switched_on_when_synced_then_they_are_left_alone(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    connection = begun(sandbox, streams)
    acknowledge = connection.config.pop("acknowledge")
    order(sandbox, "Completed")
    connection.sync()
    connection.config["acknowledge"] = acknowledge

    assert [connection.acknowledged() for _ in range(3)] == [[], [], []]


def test_given_no_since_when_first_synced_then_old_orders_are_neither_acknowledged_nor_kept_in_the_state(
    sandbox: Sandbox,
) -> None:
    old = order(sandbox, "Completed", order_id="5001")
    for number in range(50):
        order(sandbox, "Completed", order_id=f"60{number}")
    connection = begun(sandbox)
    assert connection.of_delivering("delivered") is None
    new = order(sandbox, "Completed", order_id="7000")
    connection.sync()

    assert connection.acknowledged() == new
    sandbox.shop.modify_project(old[0], description="edited")
    sandbox.shop.process(old[0], "InProgress")
    connection.sync()
    sandbox.shop.process(old[0], "Completed")
    assert [connection.acknowledged() for _ in range(3)] == [[], [], []]
    assert connection.of_delivering("delivered") is None


def test_given_since_when_first_synced_then_orders_created_at_or_after_it_are_acknowledged(sandbox: Sandbox) -> None:
    order(sandbox, "Completed", order_id="1", created="2026-01-05T09:59:59.9999999Z")
    edge = order(sandbox, "Completed", order_id="2", created="2026-01-05T10:00:00Z")
    later = order(sandbox, "Completed", order_id="3", created="2026-01-06T10:00:00Z")
    connection = begun(sandbox, since="2026-01-05T10:00:00Z")

    assert connection.acknowledged() == edge + later
    assert connection.acknowledged() == []


def test_given_since_when_an_older_order_gets_another_project_then_the_order_stays_an_old_one(sandbox: Sandbox) -> None:
    order(sandbox, "Completed", created="2026-01-05T09:00:00Z")
    connection = begun(sandbox, since="2026-01-08T00:00:00Z")
    order(sandbox, "Completed")
    connection.sync()

    assert [connection.acknowledged() for _ in range(2)] == [[], []]
    assert connection.of_delivering("delivered") is None


def test_given_a_project_that_the_start_date_leaves_out_when_the_rest_is_delivered_then_the_order_waits_for_it(
    sandbox: Sandbox,
) -> None:
    order(sandbox, "Completed", created="2026-01-05T09:00:00Z")
    connection = begun(sandbox, since=LONG_AGO)
    connection.config["start_date"] = "2026-01-08"
    connection.states = {}
    order(sandbox, "Completed")
    connection.sync()

    assert [connection.acknowledged() for _ in range(2)] == [[], []]


@pytest.mark.parametrize("order_id", ["5001", None])
def test_given_a_delivered_project_when_the_start_date_is_moved_past_it_then_it_is_acknowledged_all_the_same(
    sandbox: Sandbox, order_id: str | None
) -> None:
    (project,) = order(sandbox, "Completed", order_id=order_id, created="2026-01-05T09:00:00Z")
    order(sandbox, "InProgress", order_id="7000")
    connection = begun(sandbox, since=LONG_AGO)
    connection.config["start_date"] = "2026-01-08"

    assert [connection.acknowledged() for _ in range(2)] == [[project], []]
