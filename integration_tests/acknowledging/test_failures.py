"""Acknowledgements that fail are made up for by a later sync."""

from __future__ import annotations

import pytest

from integration_tests.acknowledging.conftest import MODES, POSTED, Acknowledging, begun, each_mode, order
from integration_tests.conftest import STOREFRONT, warnings
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import RESULTS


@each_mode
def test_given_an_acknowledgement_that_fails_when_synced_then_it_is_a_warning_and_tried_again(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    connection = begun(sandbox, mode=mode)
    first, second = order(sandbox, "Completed", "Completed")
    connection.sync()
    sandbox.fault(POSTED, method="POST", times=1, status=409)

    (done,) = connection.acknowledged()

    failed = {first, second} - {done}
    assert len(warnings(caplog)) == 1
    assert f"storefront {STOREFRONT}, order 5001, project {failed.pop()}" in warnings(caplog)[0]
    assert connection.acknowledged() == [project for project in (first, second) if project != done]
    assert connection.acknowledged() == []


def test_given_a_transition_that_is_not_there_when_its_name_is_corrected_then_the_order_is_acknowledged(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    connection = begun(sandbox, mode="transition", name="start-prodction")
    (project,) = order(sandbox, "Completed")
    connection.sync()
    sandbox.fault(POSTED, method="POST", times=2, status=404)
    for _ in range(2):
        assert connection.acknowledged() == []
    connection.config["acknowledge"] = MODES["transition"]

    assert connection.acknowledged() == [project]
    assert len([message for message in warnings(caplog) if f"project {project}" in message]) == 2


def test_given_a_project_that_is_removed_just_before_its_acknowledgement_when_synced_again_then_it_is_forgotten(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    (project,) = order(sandbox, "Completed")
    connection.sync()
    sandbox.on(POSTED, lambda _: sandbox.shop.remove_project(project), method="POST")

    assert connection.acknowledged() == []
    connection.sync()
    assert connection.of_delivering("delivered") is None


def test_given_an_order_that_cannot_be_listed_when_synced_then_it_is_a_warning_and_the_others_are_acknowledged(
    sandbox: Sandbox, connection: Acknowledging, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = order(sandbox, "Completed", order_id="1"), order(sandbox, "Completed", order_id="2")
    connection.sync()
    sandbox.fault(r"/projects$", query={"orderId": "^1$"}, times=1, status=400)

    assert connection.acknowledged() == second
    assert "order 1:" in warnings(caplog)[0]
    assert connection.acknowledged() == first


def test_given_an_app_that_may_only_read_when_orders_were_delivered_then_one_warning_names_the_permission(
    sandbox: Sandbox, connection: Acknowledging, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [order(sandbox, "Completed", order_id=f"60{number}")[0] for number in range(9)]
    sandbox.switches.permissions = frozenset({"Projects_read", "Artifacts_read", "Storefronts_read"})
    sandbox.expire_tokens()
    connection.sync()
    order(sandbox, "Completed", order_id="7000")

    synced = connection.sync()

    assert len(synced[RESULTS]) == 1
    assert len(warnings(caplog)) == 1
    assert "Projects: Full" in warnings(caplog)[0]
    sandbox.switches.permissions = frozenset({"Projects_full", "Artifacts_read", "Storefronts_read"})
    sandbox.expire_tokens()
    assert connection.acknowledged() == [*ids, 10]
