"""What a worker does with an order: its row, the shop's document of it, and what it leaves to the next sync."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from source_customerscanvas.errors import Conflict, NotFound, Refused, ServerTrouble, Stopped
from source_customerscanvas.settings import Settings, Statuses
from source_customerscanvas.sync.jobs import Batch
from source_customerscanvas.sync.kinds import ORDERS, SHOP_ORDERS
from source_customerscanvas.sync.order_reader import OrderReader
from source_customerscanvas.sync.outcomes import Outcome, Touching
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.results_reader import ResultsReader
from source_customerscanvas.sync.slices import Slice
from unit_tests.sync.listed_shop import ListedShop
from unit_tests.watched import KEY, settled, stream

NOT_IMPLEMENTED = Refused(501, "GET order")
BAD_REQUEST = Refused(400, "GET order")
PROBLEM = {"title": "No order", "status": 400}


def reader(shop: ListedShop, *streams: StreamProgress, statuses: Statuses | None = None) -> OrderReader:
    settings = Settings("app", "s3cret", "https://hub.example", "https://api.example", statuses=statuses or Statuses())
    return OrderReader(settings, shop.client(), ResultsReader(shop.client(), shop), streams)


def read(
    orders: OrderReader, shop: ListedShop, progress: StreamProgress, order_id: str, storefront_id: int = 11
) -> list[Outcome]:
    """Read an order of which all projects have changed."""
    batch = Batch(Slice(storefront_id))
    for row in shop.rows.values():
        if (row["orderId"], row["storefrontId"]) == (order_id, storefront_id):
            progress.owe(str(storefront_id), row["id"])
            one = settled(progress, shop.project(row["id"]), emitted=(order_id,))
            note = partial(progress.settle, str(storefront_id), one)
            batch.touch(Touching(progress.name, row["id"], [order_id], note))
    (touched,) = batch.touched.values()
    found = []
    for outcome in orders.read(batch.slice, order_id, touched):
        assert outcome.note
        outcome.note()
        found.append(outcome)
    return found


def rows(found: list[Outcome]) -> list[dict[str, Any]]:
    return [row for outcome in found for row, _ in outcome.records]


def test_given_an_order_of_many_projects_when_read_then_one_request_gives_one_row_and_all_are_handed_over() -> None:
    shop = ListedShop()
    for status in ("Completed", "Completed", "Failed", "InProgress"):
        shop.create(status)
    shop.create(orderId="5002")
    progress = stream(name=ORDERS)
    (row,) = rows(read(reader(shop, progress), shop, progress, "5001"))
    assert len(shop.asked) == 1
    counts = [row[name] for name in ("projectCount", "readyCount", "failedCount", "unfinishedCount", "state")]
    assert counts == [4, 2, 1, 1, "Failed"]
    assert [one["id"] for one in row["projects"]] == [1, 2, 3, 4]
    assert progress.state.slice(KEY).owed == set()


def test_given_an_order_that_cannot_be_read_when_tried_then_its_projects_stay_owed_and_it_is_named() -> None:
    shop = ListedShop()
    shop.create()
    progress = stream(name=ORDERS)

    def refuse(path: str, params: Any) -> None:
        raise ServerTrouble("GET", "HTTP 500")

    shop.on_ask = refuse
    (outcome,) = read(reader(shop, progress), shop, progress, "5001")
    assert (outcome.records, progress.state.slice(KEY).owed) == ([], {1})
    assert [one.where for one in progress.counts.troubles] == ["storefront 11, order 5001"]


def test_given_an_order_whose_document_cannot_be_read_when_its_row_is_out_then_only_the_documents_are_owed() -> None:
    shop = ListedShop()
    documents(shop, [ServerTrouble("GET", "HTTP 500")])
    streams = [stream(name=ORDERS), stream(name=SHOP_ORDERS)]
    touched = {}
    for progress in streams:
        progress.owe(KEY, 1)
        note = partial(progress.settle, KEY, settled(progress, shop.project(1)))
        touched[progress.name] = [Touching(progress.name, 1, ["order-1"], note)]
    for outcome in reader(shop, *streams).read(Slice(11), "order-1", touched):
        assert outcome.note
        outcome.note()
    assert [(one.state.slice(KEY).owed, len(one.counts.troubles)) for one in streams] == [(set(), 0), ({1}, 1)]


def test_given_a_sync_that_is_being_ended_when_an_order_is_read_then_nothing_is_told_of_it() -> None:
    shop = ListedShop()
    shop.create()
    progress = stream(name=ORDERS)

    def stop(path: str, params: Any) -> None:
        raise Stopped

    shop.on_ask = stop
    assert read(reader(shop, progress), shop, progress, "5001") == []
    assert (progress.state.slice(KEY).owed, progress.counts.troubles) == ({1}, [])


def test_given_a_row_that_showed_a_project_when_that_is_read_later_then_the_row_need_not_come_again() -> None:
    shop = ListedShop()
    first, second = shop.create(), shop.create()
    progress = stream(name=ORDERS)
    orders = reader(shop, progress)
    note = partial(progress.settle, KEY, settled(progress, shop.project(first), emitted=("5001",)))
    list(orders.read(Slice(11), "5001", {ORDERS: [Touching(ORDERS, first, ["5001"], note)]}))
    assert orders.was_shown(ORDERS, settled(progress, shop.project(second)))
    assert not orders.was_shown(ORDERS, settled(progress, shop.project(second)))  # as it changed once more
    assert not orders.was_shown(ORDERS, settled(progress, shop.project(first)))


# The shop's own documents


def documents(shop: ListedShop, answers: list[Any], storefront_id: int = 11) -> None:
    """Orders with one project each, and what the shop says of them."""
    for answer in answers:
        id_ = shop.create(storefrontId=storefront_id, orderId=f"order-{len(shop.rows) + 1}")
        if answer is not None:
            shop.documents[id_] = answer


def read_all(shop: ListedShop) -> tuple[list[dict[str, Any]], StreamProgress]:
    progress = stream(name=SHOP_ORDERS)
    orders = reader(shop, progress)
    found = []
    for row in list(shop.rows.values()):
        found += rows(read(orders, shop, progress, row["orderId"], row["storefrontId"]))
    return found, progress


def test_given_a_shop_with_documents_when_orders_are_read_then_each_is_asked_for_once_and_comes_as_it_is() -> None:
    shop = ListedShop()
    documents(shop, [{"id": 1, "billing": {"city": "Turku"}}, {"id": 2}])
    found, _ = read_all(shop)
    assert [row["order"] for row in found] == [{"id": 1, "billing": {"city": "Turku"}}, {"id": 2}]
    assert len(shop.asked_for("/order")) == 2


@pytest.mark.parametrize(
    ("answer", "asked"),
    [(NOT_IMPLEMENTED, 1), (PROBLEM, 9), (NotFound("GET order"), 9), (Conflict("GET order", "no"), 9)],
    ids=["501", "error document", "404", "409"],
)
def test_given_a_shop_without_documents_when_asked_then_it_is_said_once_and_one_that_never_has_any_is_asked_once(
    answer: Any, asked: int, caplog: pytest.LogCaptureFixture
) -> None:
    shop = ListedShop()
    documents(shop, [answer] * 9)
    found, progress = read_all(shop)
    assert found == []
    assert len(shop.asked_for("/order")) == asked
    assert progress.counts.passed_over.first == ["storefront 11: its shop gives no documents of some orders"]
    assert len([message for message in caplog.messages if message.startswith("Passed over")]) == 1
    assert progress.state.slice(KEY).owed == set()


@pytest.mark.parametrize(
    "answer", [NOT_IMPLEMENTED, NotFound("GET order"), Conflict("GET order", "no"), BAD_REQUEST, PROBLEM]
)
def test_given_a_shop_with_some_documents_when_others_are_missing_then_every_order_is_asked_for(answer: Any) -> None:
    shop = ListedShop()
    documents(shop, [{"id": 1}, answer, answer, answer, {"id": 5}])
    found, _ = read_all(shop)
    assert [row["order"] for row in found] == [{"id": 1}, {"id": 5}]
    assert len(shop.asked_for("/order")) == 5


def test_given_one_order_without_a_document_when_it_comes_first_then_the_others_are_asked_for() -> None:
    shop = ListedShop()
    documents(shop, [NotFound("GET order"), {"id": 2}, NotFound("GET order"), NotFound("GET order"), {"id": 5}])
    found, _ = read_all(shop)
    assert [row["order"] for row in found] == [{"id": 2}, {"id": 5}]


def test_given_two_shops_when_one_has_no_documents_then_the_others_come() -> None:
    shop = ListedShop()
    documents(shop, [NOT_IMPLEMENTED, NOT_IMPLEMENTED])
    documents(shop, [{"id": 3}, {"id": 4}], storefront_id=12)
    found, _ = read_all(shop)
    assert [(row["storefrontId"], row["order"]["id"]) for row in found] == [(12, 3), (12, 4)]


def test_given_a_shop_in_trouble_when_a_document_is_asked_for_then_it_is_a_trouble_of_that_order_alone() -> None:
    shop = ListedShop()
    documents(shop, [ServerTrouble("GET", "HTTP 500"), ServerTrouble("GET", "HTTP 502"), {"id": 3}])
    found, progress = read_all(shop)
    assert [row["order"]["id"] for row in found] == [3]
    assert len(progress.counts.troubles) == 2
    assert progress.state.slice(KEY).owed == {1, 2}
