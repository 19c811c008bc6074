"""Orders: which projects they have, their documents, and moves from one to another."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Missing, NoDocument, Shop, Switches
from sandbox.shop.listing import ProjectFilter


def orders(shop: Shop) -> dict[tuple[int, str], list[int]]:
    return {(one["storefrontId"], one["orderId"]): one["projectIds"] for one in shop.orders()}


def listed(shop: Shop, storefront_id: int, order_id: str) -> list[int]:
    wanted = ProjectFilter(storefront_id=storefront_id, order_id=order_id)
    return [project["id"] for project in shop.project_page(wanted, (), 0, 100)[1]]


def test_given_projects_when_they_move_or_go_then_orders_have_those_that_name_them(shop: Shop) -> None:
    for storefront_id, order_id in ((1, "7"), (2, "7"), (1, "7"), (1, None)):
        shop.create_project(storefront_id=storefront_id, order_id=order_id)
    assert orders(shop) == {(1, "7"): [1, 3], (2, "7"): [2]}
    shop.move_project(3, "8")
    shop.move_project(2, "7", storefront_id=1)
    shop.move_project(4, "8", touch=False)
    assert orders(shop) == {(1, "7"): [1, 2], (1, "8"): [3, 4]}
    assert listed(shop, 1, "8") == [3, 4]
    assert listed(shop, 2, "7") == []
    assert shop.project(3)["lastModified"] is not None
    assert shop.project(4)["lastModified"] is None
    assert shop.project(4)["orderNumber"] == 8
    shop.remove_project(3)
    shop.move_project(4, None)
    assert orders(shop) == {(1, "7"): [1, 2]}


def test_given_an_order_of_several_projects_when_asked_through_each_then_the_document_is_the_same(shop: Shop) -> None:
    shop.create_project(order_id="7")
    shop.create_project(order_id="7", order_line_item_index=1)
    assert shop.order(1) == shop.order(2) == shop.order_document(1, "7")
    assert [line["id"] for line in shop.order(1)["lineItems"]] == ["7-1", "7-2"]


def test_given_a_document_of_any_shape_when_set_then_the_shop_system_gives_that(shop: Shop) -> None:
    shop.create_project(order_id="7")
    documents: list[Any] = [[1, None], "text", {"a": {"b": []}}, None]
    for document in documents:
        shop.set_order_document(1, "7", document)
        assert shop.order(1) == document


def test_given_storefronts_that_cannot_when_asked_then_only_theirs_have_no_document(
    shop: Shop, switches: Switches
) -> None:
    for storefront_id in (1, 2):
        shop.create_project(storefront_id=storefront_id, order_id="7")
    switches.order_documents_of = {2: "501"}
    assert shop.order(1)["id"] == "7"
    with pytest.raises(NoDocument) as refused:
        shop.order(2)
    assert refused.value.answer == "501"
    switches.order_documents_of = {}
    switches.order_document_padding = 5_000_000
    assert len(shop.order(2)["notes"]) == 5_000_000


def test_given_a_project_without_an_order_when_asked_then_there_is_no_document(shop: Shop) -> None:
    shop.create_project(order_id=None)
    with pytest.raises(Missing):
        shop.order(1)
