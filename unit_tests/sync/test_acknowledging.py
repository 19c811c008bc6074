"""Which orders are tagged in the shop, and in which order a project is looked for."""

from __future__ import annotations

from source_customerscanvas.settings import Acknowledge, Settings
from source_customerscanvas.state.slice_state import Known
from source_customerscanvas.sync.acknowledging import Acknowledging
from source_customerscanvas.sync.kinds import FILES
from unit_tests.sync.listed_shop import SLICE, ListedShop
from unit_tests.watched import KEY, LONG_AGO, stream, watched

SETTINGS = Settings(
    "app",
    "s3cret",
    "https://hub.example",
    "https://api.example",
    acknowledge=Acknowledge("order_data", key="files", value="delivered"),
)


def test_given_a_delivered_project_that_got_another_order_without_a_trace_when_acknowledged_then_in_that_order() -> (
    None
):
    shop = ListedShop()
    id_ = shop.create(orderId="5002")
    known = {id_: Known("recent", shop.project(id_).fingerprint.followed)}
    progress = stream(watched(known=known, delivered={id_: "5001"}), name=FILES, answers=True, since=LONG_AGO)
    assert progress.ledger
    acknowledging = Acknowledging(SETTINGS, shop.client(), progress.ledger, [])
    assert acknowledging.acknowledge([SLICE]) == 0
    assert progress.ledger.of_orders(KEY) == {"5002": frozenset([id_])}
    assert acknowledging.acknowledge([SLICE]) == 1
    assert [path for path, _ in shop.posted] == [f"storefront/v1/projects/{id_}/order-data"]
    assert progress.ledger.of_orders(KEY) == {}
