"""The shop's own documents of orders."""

from __future__ import annotations

from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT, Connection, warnings
from integration_tests.shops import DAY, MINUTE
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import ORDERS, RESULTS, SHOP_ORDERS

DOCUMENT = r"/projects/\d+/order$"


@pytest.fixture
def connection(sandbox: Sandbox) -> Connection:
    return Connection(sandbox, (RESULTS, ORDERS, SHOP_ORDERS))


def fill(sandbox: Sandbox, orders: int = 3, storefront: int = STOREFRONT) -> list[list[int]]:
    """Orders of three projects each."""
    ids = []
    for number in range(orders):
        sandbox.advance(MINUTE)
        order = [sandbox.shop.create_project(storefront, f"500{number}", processing="Completed") for _ in range(3)]
        ids.append(order)
    return ids


def test_given_orders_when_synced_then_each_document_is_asked_for_once_and_comes_as_it_is(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.switches.page_cap = 100
    fill(sandbox)
    sandbox.shop.set_order_document(STOREFRONT, "5001", {"total": 12.5, "note": None, "lines": [{"Sku": "A"}]})
    connection.sync()
    table = connection.warehouse.tables[SHOP_ORDERS]
    assert table[STOREFRONT, "5001"]["order"] == {"total": 12.5, "note": None, "lines": [{"Sku": "A"}]}
    assert table[STOREFRONT, "5002"]["order"] == sandbox.shop.order_document(STOREFRONT, "5002")
    assert sandbox.count(DOCUMENT) == 3
    sandbox.clear_requests()
    assert connection.sync() == {}
    assert sandbox.count(DOCUMENT) == 0


def test_given_changed_projects_of_an_order_when_synced_then_its_document_is_asked_for_once_more(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox)
    connection.sync()
    sandbox.advance(DAY)
    for project_id in ids[1]:
        sandbox.shop.modify_project(project_id, description="changed")
    sandbox.shop.set_order_document(STOREFRONT, "5001", ["paid"])
    sandbox.clear_requests()
    assert set(connection.sync()[SHOP_ORDERS]) == {(STOREFRONT, "5001")}
    assert sandbox.count(DOCUMENT) == 1
    assert connection.warehouse.tables[SHOP_ORDERS][STOREFRONT, "5001"]["order"] == ["paid"]


@pytest.mark.parametrize("answer", ["404", "409", "501", "problem"])
def test_given_a_shop_without_documents_when_synced_then_one_warning_names_its_storefront(
    sandbox: Sandbox, connection: Connection, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.switches.order_documents_of = {"12": answer}
    fill(sandbox)
    fill(sandbox, 9, storefront=12)
    found = connection.sync()
    assert {storefront for storefront, _ in found[SHOP_ORDERS]} == {STOREFRONT}
    assert len({order for storefront, order in found[ORDERS] if storefront == 12}) == 9
    (warning,) = warnings(caplog)
    assert "storefront 12" in warning
    sandbox.clear_requests()
    assert connection.sync() == {}
    assert sandbox.count(DOCUMENT) == 0


def test_given_a_shop_that_never_gives_documents_when_synced_then_few_are_asked_for(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.switches.order_documents = "501"
    fill(sandbox, 20)
    connection.sync()
    assert sandbox.count(DOCUMENT) <= 4, "one for each worker"


@pytest.mark.parametrize("without", [(2,), (0, 1), (0, 1, 2, 3, 5)])
@pytest.mark.parametrize("status", [404, 409])
def test_given_orders_that_the_shop_has_deleted_when_synced_then_the_others_come(
    sandbox: Sandbox, connection: Connection, without: tuple[int, ...], status: int
) -> None:
    ids = fill(sandbox, 6)
    for number in without:
        sandbox.fault(rf"/projects/{ids[number][0]}/order$", status=status)
    found = connection.sync()
    assert set(found[SHOP_ORDERS]) == {(STOREFRONT, f"500{number}") for number in range(6) if number not in without}


def test_given_a_shop_that_says_404_in_its_own_words_when_synced_then_the_order_is_passed_over(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox, 2)
    words = {"code": "woocommerce_rest_shop_order_invalid_id", "message": "Invalid ID.", "data": {"status": 404}}
    sandbox.fault(rf"/projects/{ids[0][0]}/order$", status=404, json=words)
    assert set(connection.sync()[SHOP_ORDERS]) == {(STOREFRONT, "5001")}
    assert connection.sync() == {}


def test_given_a_shop_that_breaks_down_when_its_document_is_asked_for_then_the_next_sync_brings_it(
    sandbox: Sandbox, connection: Connection
) -> None:
    fill(sandbox, 1)
    sandbox.fault(DOCUMENT, status=403)
    reads: dict[str, Any] = connection.read()
    assert reads[SHOP_ORDERS].records == []
    assert "order 5000" in str(reads[SHOP_ORDERS].error)
    assert reads[ORDERS].error is None
    connection.take(reads)
    sandbox.clear_faults()
    assert connection.sync() == {SHOP_ORDERS: [(STOREFRONT, "5000")]}
